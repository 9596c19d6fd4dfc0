"""Text of any origin, made harmless for a reader's eyes and terminal."""

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are not seen: controls of terminals, of the direction of writing, half surrogates."""


def printable(text: str) -> str:
    """Put a mark in place of every character that is not seen, other than line ends and tabs.

    Examples
    --------
    >>> printable("a\N{ESCAPE}[2J b")
    'a�[2J b'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        REPLACEMENT if character not in "\n\t" and unicodedata.category(character) in _INVISIBLE else character
        for character in text
    )
