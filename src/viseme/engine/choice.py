"""Choosing a back end by measuring: the fastest on this machine that is exact enough."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import TypeVar

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.pool import ordered_map
from viseme.errors import BackendError, VisemeError

__all__ = ["DEVIATION_MAX", "GAIN_MIN", "Candidate", "choose", "fastest"]

DEVIATION_MAX = 0.5 / 255
"""How far an output may stray from float32's, anywhere: half a step of an 8-bit picture."""

GAIN_MIN = 1.1
"""How many times as fast as a candidate before it another must be to be taken instead."""

Runner = Callable[[Backend, Mapping[str, Tensor]], Tensor]
Name = TypeVar("Name")

_FEW = 2
"""Samples that say enough of what computes in float32, which strays by its rounding alone. Of what
computes in less, some samples tell nothing of how far it strays in others."""
_ROUNDS = 5
_BUDGET_S = 3.0
"""No further round begins after this long, so that slow networks do not take minutes."""


@dataclass(frozen=True)
class Candidate:
    """What became of one back end in the choice."""

    name: str
    seconds_per_run: float | None = None
    """Median wall-clock time for a run with all workers busy, over the frames that it has room
    for; ``None`` if it was not timed."""
    deviation: float | None = None
    """Largest difference of an output from float32's; ``None`` if it did not get so far."""
    refused: str = ""
    """Why it may not be taken; empty if it may."""


@dataclass
class _Contender:
    name: str
    backend: Backend
    deviation: float
    seconds: list[float] = field(default_factory=list)


class _Reference:
    """What the others are compared with.

    Args:
        backend: in float32.
        samples: inputs to compare on.
        run: runs a sample on a back end and gives the output that counts.

    Raises:
        VisemeError: if it does not run.
    """

    def __init__(
        self, backend: Backend, samples: Sequence[Mapping[str, Tensor]], run: Runner
    ) -> None:
        self._backend = backend
        self._samples = samples
        self._run = run
        self._outputs = [run(backend, sample) for sample in samples[:_FEW]]
        """Of the first samples, as many as were asked for yet."""

    def deviation_of(self, backend: Backend) -> float:
        """Give the largest difference of an output, or the first that is larger than it may be."""
        count = _FEW if backend.precision == "float32" else len(self._samples)
        largest = 0.0
        for index, sample in enumerate(self._samples[:count]):
            output = self._run(backend, sample)
            deviation = float(np.max(np.abs(output - self._output(index))))
            if not deviation <= DEVIATION_MAX:  # nor if it is no number
                return deviation
            largest = max(largest, deviation)
        return largest

    def _output(self, index: int) -> Tensor:
        if index == len(self._outputs):
            self._outputs.append(self._run(self._backend, self._samples[index]))
        return self._outputs[index]


def choose(
    openers: Mapping[str, Callable[[], Backend]],
    samples: Sequence[Mapping[str, Tensor]],
    *,
    run: Runner,
    workers: Callable[[Backend], int],
    room: Callable[[Backend], int] = lambda _: 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Backend, tuple[Candidate, ...]]:
    """Open every candidate, measure those that are exact enough, and keep the fastest.

    Rounds are interleaved, so that whatever else the machine does disturbs all alike.

    Args:
        openers: opens each candidate; the first is the reference in float32, which always may
            be taken.
        samples: inputs to measure with; those that do not compute in float32 are compared on all.
        run: runs a sample on a back end and gives the output that counts.
        workers: how many runs at once a back end will be given.
        room: how many times the rows of a sample fit into a run of a back end, which takes as
            long for fewer.
        clock: gives seconds.

    Returns:
        The chosen back end, open and warm, and what became of each candidate.

    Raises:
        VisemeError: if the reference does not open or run.
    """
    (first, open_first), *others = openers.items()
    exact = open_first()
    try:
        reference = _Reference(exact, samples, run)
    except VisemeError:
        exact.close()
        raise
    contenders = [_Contender(first, exact, 0.0)]
    refused: dict[str, Candidate] = {}
    for name, opener in others:
        entrant = _enter(name, opener, reference)
        if isinstance(entrant, Candidate):
            refused[name] = entrant
        else:
            contenders.append(entrant)

    deadline = clock() + _BUDGET_S
    for played in range(_ROUNDS):
        if played and clock() > deadline:
            break
        for contender in contenders:
            seconds_per_run = _timed(contender.backend, samples, run, workers, clock)
            contender.seconds.append(seconds_per_run / room(contender.backend))

    seconds = {one.name: statistics.median(one.seconds) for one in contenders}
    winner = fastest(seconds)
    for contender in contenders:
        if contender.name != winner:
            contender.backend.close()
    timed = {one.name: Candidate(one.name, seconds[one.name], one.deviation) for one in contenders}
    (backend,) = (one.backend for one in contenders if one.name == winner)
    return backend, tuple((timed | refused)[name] for name in openers)


def fastest(seconds: Mapping[Name, float]) -> Name:
    """Name the fastest, where each must beat those before it by :data:`GAIN_MIN`.

    So two that are as good as equal do not take turns with the noise of measuring, and pixels
    with them.
    """
    winner, *others = seconds
    for name in others:
        if seconds[name] * GAIN_MIN < seconds[winner]:
            winner = name
    return winner


def _enter(
    name: str, opener: Callable[[], Backend], reference: _Reference
) -> _Contender | Candidate:
    """Open a candidate, and tell why it may not be taken if it may not."""
    try:
        backend = opener()
    except VisemeError as error:
        return Candidate(name, refused=str(error))
    try:
        if backend.name != name:
            raise BackendError(f"It is not to be had here and gives {backend.name}.")
        deviation = reference.deviation_of(backend)
    except VisemeError as error:
        backend.close()
        return Candidate(name, refused=str(error))
    if not deviation <= DEVIATION_MAX:
        backend.close()
        steps = deviation * 255
        return Candidate(
            name,
            deviation=deviation,
            refused=f"It strays from float32 by {steps:.2g} steps of an 8-bit picture.",
        )
    return _Contender(name, backend, deviation)


def _timed(
    backend: Backend,
    samples: Sequence[Mapping[str, Tensor]],
    run: Runner,
    workers: Callable[[Backend], int],
    clock: Callable[[], float],
) -> float:
    """Time one round: a run for each worker, all at once."""
    count = workers(backend)
    runs = islice(cycle(samples), count)
    start = clock()
    for _ in ordered_map(partial(run, backend), runs, workers=count):
        pass
    return (clock() - start) / count
