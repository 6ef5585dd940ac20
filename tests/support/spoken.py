"""Texts that functions of a test say, so that their sound is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from support.played_network import PATIENCE_S
from support.speech import babble
from viseme.audio import Samples
from viseme.voices import FakeSynthesizer, Speaker, Stop

PIECE = 1234
"""Of what a synthesizer gives at once; nothing is a multiple of it."""
Speak = Callable[[str, str, Stop], Iterable[Samples]]


def as_speaker(speaker: Speaker | Speak | None) -> Speaker | None:
    """Make a speaker of a function, with two voices and texts of 40 characters."""
    if speaker is None or isinstance(speaker, Speaker):
        return speaker
    fake = FakeSynthesizer(speaker, voices=("deep", "high"))
    return Speaker(fake, fake.voices(), text_characters=40, sound_s=60)


def sound_of(text: str, rate_hz: int = 16_000) -> NDArray[np.int16]:
    """A tenth of a second for each letter, a text its own."""
    return babble(len(text) / 10, rate_hz, seed=sum(text.encode()))


def as_float(pcm: NDArray[np.int16]) -> Samples:
    return (pcm / np.float32(32768)).astype(np.float32)


def babbler(text: str, voice: str, stop: Stop) -> Iterator[Samples]:
    """Say a text."""
    samples = as_float(sound_of(text))
    for start in range(0, len(samples), PIECE):
        yield samples[start : start + PIECE]


class Endless:
    """Speaks without end, or waits without end after a while, until it is stopped."""

    def __init__(self, then_waits: bool) -> None:
        self.then_waits = then_waits
        self.stopped = threading.Event()
        self.waiting = threading.Event()

    def __call__(self, text: str, voice: str, stop: Stop) -> Iterator[Samples]:
        with stop.ending(self.stopped.set):
            for _ in range(10) if self.then_waits else iter(int, 1):
                if stop.is_set:
                    return
                yield as_float(babble(0.1))
            self.waiting.set()
            assert self.stopped.wait(PATIENCE_S)
