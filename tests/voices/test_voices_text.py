"""Of a text only what can be said reaches a synthesizer, in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.errors import InputError
from viseme.voices.text import sentences, spoken_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello.", "Hello."),
        ("--help", "--help"),
        ("one\ntwo\r\n\tthree", "one two three"),
        ("a\0b\x01c\x1bd", "a b c d"),
        ("\u2028x\u00a0y\u200b ", "x y"),
        ("<speak>hi</speak>", "<speak>hi</speak>"),
        ("+", "+"),
        ("日本語", "日本語"),
        ("\ud800 x", "x"),
    ],
)
def test_what_is_said_of_a_text(text: str, said: str) -> None:
    assert spoken_text(text, 100) == said


@pytest.mark.parametrize("text", ["", " \n", "...", "?!", "\0\x01", "—"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(InputError, match=r"^There is nothing to say in the text; send words\.$"):
        spoken_text(text, 100)


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(InputError) as refused:
        spoken_text("a" * 101, 100)
    assert str(refused.value) == (
        "The text has 101 characters, and at most 100 are said at once; send it sentence by "
        "sentence."
    )


def test_sentences() -> None:
    text = 'Yes! "No?" A.B. is 3.5 long… 好。了'
    assert list(sentences(text)) == ["Yes!", '"No?"', "A.B.", "is 3.5 long…", "好。", "了"]


@given(st.text(alphabet="ab.! ", max_size=2000).map(str.strip))
def test_sentences_are_short_and_lose_nothing(text: str) -> None:
    parts = list(sentences(text))
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(0 < len(part) <= 300 for part in parts)
