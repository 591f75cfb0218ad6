"""How fast and how big: ours beside public peers, in one run."""
