"""What the commands of `viseme bench` have in common: where their figures go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viseme.bench.chart import Chart, draw_chart, drawing_class
from viseme.bench.circumstances import circumstances_words
from viseme.bench.page import performance_page
from viseme.bench.spread import Spread
from viseme.cli.outcome import say, show_json
from viseme.errors import InputError
from viseme.video.target import output_errors

__all__ = ["Outputs", "quarters", "write_page"]


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
            MissingExtraError: a plot is asked for, and matplotlib is not installed.
        """
        if self.plot is not None:
            drawing_class()
        for path in (self.out, self.plot):
            if path is not None:
                with output_errors(path):
                    is_new = not path.exists()
                    with path.open("a"):
                        pass
                    if is_new:  # an empty file would look like figures if the work is stopped
                        path.unlink()

    def write(self, figures: dict[str, Any], chart: Chart) -> None:
        """Write the figures, draw them, and show them to programs.

        Raises:
            OutputError: a file cannot be written.
        """
        if self.out is not None:
            with output_errors(self.out):
                self.out.write_text(json.dumps(figures, indent=2, default=str) + "\n", "utf-8")
        if self.plot is not None:
            with output_errors(self.plot):
                draw_chart(chart, circumstances_words(figures), self.plot)
        if self.as_json:
            show_json(figures)


def quarters(spread: Spread) -> str:
    """Show between which values half of the rounds were."""
    return f"{spread.low:.1f}-{spread.high:.1f}"


def write_page(measurements: Sequence[Path], out: Path, *, as_json: bool) -> None:
    """Make a page of files with figures.

    Raises:
        InputError: a file cannot be read, or is no measurement.
        OutputError: the page cannot be written.
    """
    page = performance_page([_read_figures(path) for path in measurements])
    with output_errors(out):
        out.write_text(page, "utf-8")
    if as_json:
        show_json({"out": str(out)})
    else:
        say(f"Wrote {out}.")


def _read_figures(path: Path) -> dict[str, Any]:
    try:
        figures = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read '{path}' ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON; give a file that --out has written.") from error
    return dict(figures) if isinstance(figures, dict) else {}
