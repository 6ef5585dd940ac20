"""A picture of what was measured: a bar for each work, with its quarters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from viseme.bench.spread import Spread
from viseme.errors import MissingExtraError

__all__ = ["Bar", "draw_chart"]

_OURS: Final = "#2f6f8f"
_PLAIN: Final = "#b9b4aa"


class Bar(NamedTuple):
    """One work's figure."""

    title: str
    value: Spread
    plain: bool
    """Whether it is the reference, which the others are compared with."""


def draw_chart(groups: Sequence[tuple[str, Sequence[Bar]]], unit: str, path: Path) -> None:
    """Draw groups of bars beneath each other.

    Args:
        groups: the title and the bars of each.
        unit: what the bars show, for the axis.
        path: the picture to write; its ending decides on the kind.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "The plot is drawn with matplotlib, which is not installed; install 'viseme[bench]', "
            "or leave --plot out."
        ) from error
    heights = [len(bars) + 1 for _, bars in groups]
    figure = Figure(figsize=(8, 0.6 + 0.36 * sum(heights)), layout="constrained")
    rooms = figure.subplots(len(groups), 1, height_ratios=heights, sharex=True, squeeze=False)
    for (title, bars), axes in zip(groups, rooms[:, 0], strict=True):
        names = [bar.title for bar in bars]
        values = [bar.value.median for bar in bars]
        spread = [
            [bar.value.median - bar.value.low for bar in bars],
            [bar.value.high - bar.value.median for bar in bars],
        ]
        colours = [_PLAIN if bar.plain else _OURS for bar in bars]
        drawn = axes.barh(names, values, xerr=spread, color=colours, height=0.7)
        axes.bar_label(drawn, [f" {value:.1f}" for value in values], fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.1)
    rooms[-1, 0].set_xlabel(unit)
    figure.savefig(path, dpi=120)
