"""Errors that a user can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong and what to do about it: the command line prints it as it is and
    exits with code 2.
    """
