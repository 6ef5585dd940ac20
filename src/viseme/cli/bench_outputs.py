"""What the commands of `viseme bench` have in common: where their figures go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viseme.bench.chart import Bar, draw_chart
from viseme.bench.spread import Spread
from viseme.cli.outcome import show_json
from viseme.video.target import output_errors

__all__ = ["Outputs", "quarters"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the figures go."""

    out: Path | None
    plot: Path | None
    as_json: bool

    def check(self) -> None:
        """Find out whether they can be written, before minutes of work.

        Raises:
            OutputError: one of them cannot.
        """
        for path in (self.out, self.plot):
            if path is not None:
                with output_errors(path), path.open("a"):
                    pass

    def write(self, figures: dict[str, Any], charts: Sequence[tuple[str, list[Bar]]]) -> None:
        """Write the figures, and show them to programs.

        Raises:
            OutputError: a file cannot be written.
            MissingExtraError: a plot is asked for, and matplotlib is not installed.
        """
        if self.out is not None:
            with output_errors(self.out):
                self.out.write_text(json.dumps(figures, indent=2, default=str) + "\n", "utf-8")
        if self.plot is not None:
            with output_errors(self.plot):
                draw_chart(charts, "frames a second", self.plot)
        if self.as_json:
            show_json(figures)


def quarters(spread: Spread) -> str:
    """Show between which values half of the rounds were."""
    return f"{spread.low:.1f}-{spread.high:.1f}"
