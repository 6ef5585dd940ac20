"""A picture of what was measured: bars, with their quarters, in groups."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from viseme.bench.spread import Spread
from viseme.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Bar", "Chart", "draw_chart", "drawing_class"]

_OURS: Final = "#2f6f8f"
_PLAIN: Final = "#b9b4aa"
_LIMIT: Final = "#a33a2c"
_CAPTION_WIDTH: Final = 130
_LINE_INCHES: Final = 0.16
_LIMITS_SHOWN: Final = 4
"""Where there is a limit, bars end at so many times that: how far beyond it matters less."""


class Bar(NamedTuple):
    """One work's figure."""

    title: str
    value: Spread
    plain: bool
    """Whether it is the reference, which the others are compared with."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Groups of bars beneath each other."""

    unit: str
    """What the bars show, for the axis."""
    groups: Sequence[tuple[str, Sequence[Bar]]]
    """The title and the bars of each."""
    limit: float | None = None
    """What is too much."""
    in_powers: bool = False
    """Whether the axis is divided by powers of ten."""


def drawing_class() -> type[Figure]:
    """Give what draws, to find out whether there is anything before it is needed.

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
    return Figure


def draw_chart(chart: Chart, caption: str, path: Path) -> None:
    """Draw a chart.

    Args:
        chart: what to draw.
        caption: where and with what it was measured.
        path: the picture to write; its ending decides on the kind.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure_class = drawing_class()
    heights = [len(bars) + 1 for _, bars in chart.groups]
    lines = textwrap.wrap(caption, _CAPTION_WIDTH)
    inches = 0.6 + 0.36 * sum(heights) + _LINE_INCHES * len(lines)
    figure = figure_class(figsize=(8, inches), layout="constrained")
    rooms = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True, squeeze=False)
    edge = np.inf if chart.limit is None else _LIMITS_SHOWN * chart.limit
    for (title, bars), axes in zip(chart.groups, rooms[:, 0], strict=True):
        names = [bar.title for bar in bars]
        values = np.array([bar.value for bar in bars])
        low, shown, high = np.minimum(values[:, (1, 0, 2)], edge).T
        colours = [_PLAIN if bar.plain else _OURS for bar in bars]
        spread = (shown - low, high - shown)
        drawn = axes.barh(names, shown, xerr=spread, color=colours, height=0.7)
        axes.bar_label(drawn, [f" {bar.value.median:.1f}" for bar in bars], fontsize=8)
        if chart.in_powers:
            axes.set_xscale("log")
        if chart.limit is not None:
            axes.axvline(chart.limit, color=_LIMIT, linestyle="--", linewidth=1)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.1)
    figure.supxlabel("\n".join([chart.unit, "", *lines]), fontsize=8)
    figure.savefig(path, dpi=120)
