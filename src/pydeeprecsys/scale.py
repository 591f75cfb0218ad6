"""The rating scale of the simulated worlds, in stars; readers map other scales onto it."""

MIN_RATING, MAX_RATING = 1.0, 5.0
