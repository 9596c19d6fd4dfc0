"""What qdsim tells a user whose input cannot be used."""


class QdsimError(Exception):
    """Input that cannot be used, told in one sentence: what is wrong, where, and what to do.

    The command line prints the message and ends with exit code 2.
    """


class QdsimWarning(UserWarning):
    """A result that can be used, with a reservation."""
