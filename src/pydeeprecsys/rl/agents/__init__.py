"""One algorithm a file; sees arrays and spaces, never the simulator."""
