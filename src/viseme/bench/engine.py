"""`viseme bench engine`: the existing system's architectures over the same faces and windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from viseme.avatar import load_avatar
from viseme.bench.contest import Entry, Score, hold
from viseme.bench.floor import Floor, Speeds, measure_speeds, precision_of, read_layers
from viseme.bench.work import Spec, model_of
from viseme.engine.backends import GPU_BACKENDS
from viseme.engine.machine import GPU_WORKERS

__all__ = ["EngineOptions", "EngineReport", "measure_engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What to measure."""

    frames: Sequence[int] = (100, 5)
    """How many each work makes in a round; one table for each."""
    workers: Sequence[int] = (1, 2, 5, 8)
    batches: Sequence[int] = (1, 4, 8, 16, 25)
    rounds: int = 5
    compose: bool = True
    """Whether the faces are put into full frames."""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What was measured; the plain reference is first among each number of frames."""

    scores: dict[int, list[Score]]
    floor: Floor | None = None
    """What a frame takes at least, where that is known and a processor makes it."""

    def ratio(self, frames: int, score: Score) -> float:
        """Tell how many times as fast as the plain reference a work is."""
        plain = self.scores[frames][0]
        return plain.ms.median / score.ms.median

    def figures(self) -> dict[str, Any]:
        """Give all of it by name, for programs."""
        return {
            **({} if self.floor is None else {"floor": self.floor.figures()}),
            "works": [
                score.figures()
                | ({} if score.refused else {"ratio": round(self.ratio(frames, score), 3)})
                for frames, scores in self.scores.items()
                for score in scores
            ],
        }


def measure_engine(
    spec: Spec, options: EngineOptions, on_step: Callable[[str], None]
) -> EngineReport:
    """Measure all works, in turns.

    Args:
        spec: what they have in common.
        options: what to measure.
        on_step: told, in a sentence, what begins now.

    Raises:
        VisemeError: a work ended in the middle.
    """
    layers, precision = None, precision_of(spec.backend)
    if spec.backend not in GPU_BACKENDS:
        with load_avatar(spec.avatar) as avatar:
            layers = read_layers(model_of(spec, avatar), precision)
    before = None
    if layers is not None:
        on_step("Multiplying and copying.")
        before = measure_speeds(precision)
    scores = {}
    for frames in options.frames:
        entries = [
            Entry(name, title, replace(one, compose=options.compose), frames)
            for name, title, one in _works(spec, options)
        ]
        scores[frames] = hold(entries, options.rounds, on_step)
    # Once more: what else the machine does may be less by now.
    after = None if before is None else measure_speeds(precision)
    if layers is None or before is None or after is None:
        return EngineReport(scores)
    return EngineReport(scores, Floor(layers, Speeds(*map(max, before, after)), precision))


def _works(spec: Spec, options: EngineOptions) -> list[tuple[str, str, Spec]]:
    works = [("plain", "plain reference", replace(spec, way="plain"))]
    works += [
        (
            f"workers-{size}",
            "1 worker" if size == 1 else f"{size} workers",
            replace(spec, way="workers", size=size),
        )
        for size in options.workers
    ]
    works.append(("seen-before", "faces seen before", replace(spec, way="seen-before", size=0)))
    works += [
        (f"batch-{size}", f"batches of {size}", replace(spec, way="batch", size=size))
        for size in options.batches
    ]
    largest = max(options.batches)
    parallel = replace(spec, way="batch-parallel", size=largest)
    works.append((f"batch-parallel-{largest}", f"{largest}, then in parallel", parallel))
    if spec.backend in GPU_BACKENDS:
        works += [
            (
                f"batches-at-once-{size}",
                f"{GPU_WORKERS} batches of {size}",
                replace(spec, way="batches-at-once", size=size),
            )
            for size in options.batches
        ]
    return works
