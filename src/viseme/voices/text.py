"""What of a text can be said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from viseme.errors import InputError

__all__ = ["sentences", "spoken_text"]

_SPOKEN_KINDS = ("L", "N", "S")  # letters, numbers, and signs such as + and €
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|(?<=[。！？])")
_SENTENCE_CHARACTERS = 300


def spoken_text(text: str, most_characters: int) -> str:
    """Give a text as one line: control characters are blanks, and blanks are one.

    So nothing of it can end a line or give a command to a program that reads it.

    Raises:
        InputError: it is too long, or there is nothing in it that is spoken.
    """
    if len(text) > most_characters:
        raise InputError(
            f"The text has {len(text)} characters, and at most {most_characters} are said at "
            "once; send it sentence by sentence."
        )
    plain = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = " ".join(plain.split())
    if not any(unicodedata.category(each)[0] in _SPOKEN_KINDS for each in line):
        raise InputError("There is nothing to say in the text; send words.")
    return line


def sentences(text: str) -> Iterator[str]:
    """Cut a line of text into sentences, and long ones at blanks, so that the first is short."""
    start = 0
    for end in (*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)):
        sentence = text[start:end].strip()
        start = end
        while len(sentence) > _SENTENCE_CHARACTERS:
            cut = sentence.rfind(" ", 1, _SENTENCE_CHARACTERS)
            cut = cut if cut > 0 else _SENTENCE_CHARACTERS
            yield sentence[:cut]
            sentence = sentence[cut:].strip()
        if sentence:
            yield sentence
