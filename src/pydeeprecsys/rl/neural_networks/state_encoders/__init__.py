"""One state encoder a file: what turns observations into the numbers that a network learns from."""
