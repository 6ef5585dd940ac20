"""Something to draw and something to hear, made in no time, for what trains on drawings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viseme.studio.drawn import DrawnSource
from viseme.studio.mouth import MouthPose
from viseme.studio.speech import Corpus, Phone, Utterance
from viseme.studio.speech.store import write_corpus

__all__ = ["Gauge", "small_corpus", "small_source"]


class Gauge:
    """A drawing whose whole crop has the grey level of the mouth's opening."""

    def crop(self, index: int, pose: MouthPose) -> NDArray[np.uint8]:
        return np.full((328, 328, 3), round(255 * pose.open), np.uint8)

    def mouth_box(self, index: int) -> tuple[int, int, int, int]:
        return (100, 120, 200, 220)


def small_corpus(folder: Path) -> Corpus:
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(5 * 16_000) * 0.1).astype(np.float32)
    phones = tuple(Phone(s, float(i), i + 1.0) for i, s in enumerate(["pau", "aa", "m", "iy", "s"]))
    said = Utterance(samples, phones, "tests/noise", "ah em ee s")
    return write_corpus(folder, "recipe", iter([said]))


def small_source(corpus: Corpus) -> DrawnSource:
    references = np.stack([np.full((328, 328, 3), i, np.uint8) for i in range(10)])
    return DrawnSource(Gauge(), references, corpus, seed=4)
