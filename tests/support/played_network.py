"""A network whose place a test takes: it sees each run, can hold it, and can make it fail."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from support.probes import identity_generator
from viseme.engine import FakeBackend, Inferencer, Tensor
from viseme.errors import BackendError

PATIENCE_S = 60.0
"""How long a test waits for what must come: it is never reached unless the test fails."""
VISUAL, AUDIO, PICTURE = (6, 160, 160), (16, 32, 32), (3, 160, 160)


def faces(*numbers: int) -> Tensor:
    """Make visual inputs that carry their numbers: [B, 6, 160, 160]."""
    return np.stack([np.full(VISUAL, number, np.float32) for number in numbers])


def windows(*numbers: int) -> Tensor:
    """Make audio windows that carry their numbers: [B, 16, 32, 32]."""
    return np.stack([np.full(AUDIO, number, np.float32) for number in numbers])


def numbers_of(pictures: Tensor) -> list[int]:
    """Read what PlayedNetwork painted, which fills each picture evenly."""
    assert pictures.shape[1:] == PICTURE
    assert all(np.ptp(picture) == 0 for picture in pictures)
    return [int(picture[0, 0, 0]) for picture in pictures]


class PlayedNetwork:
    """Paints the sum of a face's and a window's numbers."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        """The numbers of the faces in each run, in the order in which they began."""
        self.failures: dict[int, Exception] = {}
        """What to raise for a face of that number."""
        self._armed = False
        self._held = False
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)
        self._lock = threading.Lock()

    def inferencer(self, folder: Path, *, workers: int = 1) -> Inferencer:
        """Give an inferencer that runs it and is warm."""
        path = identity_generator(folder / "played.onnx", size=160)
        inferencer = Inferencer(path, backend=FakeBackend(self), workers=workers)
        inferencer.warm_up()
        self.begin()
        return inferencer

    def begin(self) -> None:
        """See the runs from now on, for what warmed it up is over."""
        self._armed = True

    def hold(self) -> None:
        """Hold every run until it is let go."""
        self._held = True

    def wait_until_begun(self, runs: int = 1) -> None:
        """Wait until so many more runs that are held have begun."""
        for _ in range(runs):
            assert self._begun.acquire(timeout=PATIENCE_S)

    def let_one_go(self) -> None:
        """Let one run end, the one that is held or the next that would be."""
        self._may_end.release()

    def let_go(self) -> None:
        """Let all runs end, those that are held and those that will come."""
        self._held = False
        self._may_end.release(1_000)

    @property
    def seen(self) -> list[int]:
        """The numbers of all faces that were run, in order."""
        return [number for run in self.runs for number in run]

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        visual, audio = inputs["input"], inputs["audio"]
        if self._armed:
            self._play([int(face[0, 0, 0]) for face in visual])
        return [visual[:, :3] + audio[:, 0, 0, 0].reshape(-1, 1, 1, 1)]

    def _play(self, numbers: list[int]) -> None:
        with self._lock:
            self.runs.append(numbers)
        if self._held:
            self._begun.release()
            assert self._may_end.acquire(timeout=PATIENCE_S)
        for number in numbers:
            if number in self.failures:
                raise self.failures[number]


GONE = BackendError("The device is gone; start again.")
