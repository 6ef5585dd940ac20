"""Says how a render is getting on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from viseme.cli.outcome import say
from viseme.video import Progress

__all__ = ["shown_progress"]

Report = Callable[[Progress], None]

_LINE_INTERVAL_S = 5.0


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Report]:
    """Give a function to report progress to; `quiet` reports are shown to nobody."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _Lines()


class _Lines:
    """Plain lines, at the start and then every few seconds."""

    def __init__(self) -> None:
        self._begin_s = 0.0
        self._last_s = 0.0

    def __call__(self, progress: Progress) -> None:
        now_s = time.monotonic()
        if progress.frames == 0:
            self._begin_s = self._last_s = now_s
            say(f"Rendering {_count(progress.total)}.")
        elif now_s - self._last_s >= _LINE_INTERVAL_S:
            self._last_s = now_s
            say(self._line(progress, now_s - self._begin_s))

    def _line(self, progress: Progress, elapsed_s: float) -> str:
        rate_hz = progress.frames / elapsed_s
        left_s = max(0, progress.total - progress.frames) / rate_hz
        return (
            f"Frame {progress.frames} of about {progress.total}, {rate_hz:.1f} frames a second, "
            f"{left_s:.0f} s left."
        )


def _count(total: int) -> str:
    return f"about {total} frame{'' if total == 1 else 's'}"


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed on terminals only
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", justify="right"),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("Warming up", total=None, speed="")
        begin_s = time.monotonic()

        def report(progress: Progress) -> None:
            nonlocal begin_s
            if progress.frames == 0:
                begin_s = time.monotonic()
                bar.update(task, description="Rendering", total=progress.total)
                return
            speed = f"{progress.frames / (time.monotonic() - begin_s):.1f} fps"
            # The number of frames was an estimate: it grows where it fell short.
            total = max(progress.total, progress.frames)
            bar.update(task, completed=progress.frames, total=total, speed=speed)

        yield report
