"""What is said: the sentences that ship with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import numpy as np

__all__ = ["demo_sentences", "held_out_sentences", "shuffled_texts", "training_sentences"]

WORD_SALAD_SHARE = 0.15
WORD_SALAD_WORDS = (3, 9)


def training_sentences() -> tuple[str, ...]:
    """Return the sentences that the training voices speak."""
    return _lines("sentences.txt")


def held_out_sentences() -> tuple[str, ...]:
    """Return the sentences that nothing is ever trained on."""
    return _lines("held_out.txt")


def demo_sentences() -> tuple[str, ...]:
    """Return what the demonstration's avatar says."""
    return _lines("demo.txt")


def shuffled_texts(rng: np.random.Generator) -> Iterator[str]:
    """Yield training texts without end: the sentences in random order, again and again.

    Between them come rows of words drawn at random from all of them: they bring sounds
    together that meet in no sentence.
    """
    sentences = training_sentences()
    words = _words(sentences)
    while True:
        for chosen in rng.permutation(len(sentences)):
            if rng.random() < WORD_SALAD_SHARE:
                count = int(rng.integers(*WORD_SALAD_WORDS))
                yield " ".join(rng.choice(words, count)).capitalize() + "."
            yield sentences[chosen]


def _words(sentences: tuple[str, ...]) -> list[str]:
    found = {word for text in sentences for word in re.findall(r"[a-z']{2,}", text.lower())}
    return sorted(found)  # a set has no order of its own, and the speech must not depend on it


def _lines(name: str) -> tuple[str, ...]:
    """Read a text file of this package without its comments and empty lines."""
    text = (files(__package__) / name).read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
