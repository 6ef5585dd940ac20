"""A figure over all rounds of a measurement."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Spread"]


class Spread(NamedTuple):
    """A figure over all rounds."""

    median: float
    low: float
    """A quarter of the rounds were below."""
    high: float
    """A quarter of the rounds were above."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Make it of one value for each round."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def figures(self) -> dict[str, float]:
        """Give it by name, for programs."""
        return {name: round(value, 3) for name, value in self._asdict().items()}
