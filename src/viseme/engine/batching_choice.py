"""Choosing how many frames to run at once, by measuring whether company makes them faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from viseme.engine.backend import Tensor
from viseme.engine.choice import GAIN_MIN, fastest
from viseme.engine.inferencer import Inferencer
from viseme.engine.pool import ordered_map
from viseme.engine.samples import sample_inputs
from viseme.errors import VisemeError

__all__ = ["RUN_S_MAX", "Batching", "measure_batching"]

ROWS = (1, 2, 4, 8)
"""What is tried of a network that takes any number: past that memory grows and speed does not."""

RUN_S_MAX = 0.040
"""How long a run of several frames may take: as long as a frame is shown. A frame that comes
while all workers are busy waits for a run to end, so a live stream would feel a longer one."""

_ROUNDS = 5
_RUNS_PER_WORKER = 2
_BUDGET_S = 2.0
"""No further round begins after this long, so that slow networks do not take minutes."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How to run a network on this machine."""

    rows: int
    """Frames in a run, at most."""
    frames_per_s: float
    """What that makes with all workers busy."""


def measure_batching(
    inferencer: Inferencer, *, clock: Callable[[], float] = time.perf_counter
) -> Batching:
    """Find out how many frames to run at once, opening the back end if it is not yet.

    Frames are only put together where each comes out with the very bits that it has alone,
    where that is faster by :data:`GAIN_MIN`, so that noise does not choose, and where a run
    stays within :data:`RUN_S_MAX` or takes hardly longer than one of a single frame. Else they
    run one by one. Rounds are interleaved, so that
    whatever else the machine does disturbs all alike.

    Args:
        inferencer: the generator.
        clock: gives seconds.

    Raises:
        BackendError, ModelError: if the network does not run at all.
    """
    return _Measurement(inferencer, clock).batching()


class _Measurement:
    """What measuring needs at every step: frames made up, and the time."""

    def __init__(self, inferencer: Inferencer, clock: Callable[[], float]) -> None:
        info = inferencer.info
        self._inferencer = inferencer
        self._clock = clock
        self._sizes = ROWS if info.batch is None else tuple(sorted({1, info.batch}))
        runs = sample_inputs(info, self._sizes[-1] // (info.batch or 1))
        self._visual = np.concatenate([run[info.visual_name] for run in runs])
        self._audio = np.concatenate([run[info.audio_name] for run in runs])

    def batching(self) -> Batching:
        seconds: dict[int, list[float]] = {size: [] for size in self._fitting()}
        end_s = self._clock() + _BUDGET_S
        for played in range(_ROUNDS):
            if played and self._clock() > end_s:
                break
            for size, taken in seconds.items():
                taken.append(self._seconds_per_frame(size))
        medians = {size: statistics.median(taken) for size, taken in seconds.items()}
        rows = fastest(medians)
        return Batching(rows, 1 / medians[rows])

    def _fitting(self) -> list[int]:
        """Give those sizes, 1 first, that are exact and run within the time."""
        alone = np.concatenate([self._run(slice(row, row + 1)) for row in range(self._sizes[-1])])
        fit = [1]
        limit_s = max(RUN_S_MAX, GAIN_MIN * self._run_s(1))
        for size in self._sizes[1:]:
            try:
                together = self._run(slice(size))
            except VisemeError:
                break  # It does not take as many.
            # By their bits, for a -0.0 equals 0.0 and a NaN not even itself.
            exact = together.tobytes() == alone[:size].tobytes()
            if exact and self._run_s(size) <= limit_s:
                fit.append(size)
        return fit

    def _run(self, rows: slice) -> Tensor:
        return self._inferencer.run(self._visual[rows], self._audio[rows])

    def _run_s(self, size: int) -> float:
        """Time a run by itself: the better of two, for what disturbs it can only delay it."""
        taken = []
        for _ in range(2):
            start_s = self._clock()
            self._run(slice(size))
            taken.append(self._clock() - start_s)
        return min(taken)

    def _seconds_per_frame(self, size: int) -> float:
        """Time one round: the same run, over and over, by all workers at once."""
        workers = self._inferencer.workers
        runs = [slice(size)] * (_RUNS_PER_WORKER * workers)
        start_s = self._clock()
        for _ in ordered_map(self._run, runs, workers=workers):
            pass
        return (self._clock() - start_s) / (len(runs) * size)
