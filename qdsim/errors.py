"""What qdsim tells a user whose input cannot be used."""

from qdsim.printable import printable


class QdsimError(Exception):
    """Input that cannot be used, told in one sentence: what is wrong, where, and what to do.

    The command line prints the message and ends with exit code 2. Names and texts in it may be of any origin.
    """

    def __str__(self) -> str:
        """Return the message without anything that could steer a terminal."""
        return printable(super().__str__())


class QdsimWarning(UserWarning):
    """A result that can be used, with a reservation."""
