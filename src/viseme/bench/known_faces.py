"""What a server saves with faces that a client sends over and over."""

from __future__ import annotations

import statistics
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from viseme.bench.spread import Spread
from viseme.bench.ways import ClientWay, Floats
from viseme.client.tensor_data import TensorData

__all__ = ["FacesRun", "measure_faces"]

_TIMES_TO_BE_KNOWN: Final = 2


@dataclass(frozen=True, slots=True)
class FacesRun:
    """What a batch took the server, in its own time."""

    batch: int
    new_ms: list[float] = field(default_factory=list)
    """Each round, of faces that it has never had."""
    known_ms: list[float] = field(default_factory=list)
    """Of faces that it has had twice and more."""

    @property
    def ratio(self) -> float:
        """What known faces take of what new ones take."""
        return statistics.median(self.known_ms) / statistics.median(self.new_ms)

    def figures(self) -> dict[str, Any]:
        """Give all of it by name, for programs."""
        return {
            "batch": self.batch,
            "new_ms": Spread.of(self.new_ms).figures(),
            "known_ms": Spread.of(self.known_ms).figures(),
            "ratio": round(self.ratio, 4),
        }


def measure_faces(address: str, data: TensorData, batch: int, rounds: int) -> FacesRun:
    """Send a batch of new faces and one of known ones in turns.

    Args:
        address: that of a server's gRPC door.
        data: what to send.
        batch: how many faces at once.
        rounds: how often.

    Raises:
        VisemeError: the server refuses, or ends.
    """
    visual, window = data.batch(0, batch)
    rng = np.random.default_rng()  # a server that was measured before has not had these, either
    run = FacesRun(batch)
    with closing(ClientWay(address)) as way:
        known = _never_sent(visual, rng)
        for _ in range(_TIMES_TO_BE_KNOWN):
            way.send(known, window, 0)
        for _ in range(rounds):
            run.new_ms.append(way.send(_never_sent(visual, rng), window, 0).server_ms)
            run.known_ms.append(way.send(known, window, 0).server_ms)
    return run


def _never_sent(visual: Floats, rng: np.random.Generator) -> Floats:
    """Give faces of which nobody has sent any before: each with a pixel by chance."""
    made = visual.copy()
    made[:, 0, 0, 0] = rng.random(len(made), np.float32)
    return made
