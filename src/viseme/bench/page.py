"""The page of figures, made of what was measured; nothing in it is typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from viseme.bench.circumstances import circumstances_words
from viseme.bench.floor import SPEAKING, floor_words
from viseme.errors import InputError

__all__ = ["performance_page"]

Figures = Mapping[str, Any]

_HEAD: Final = """\
# How fast it is

Written by `viseme bench report` from measurements; do not edit. Each was made by the command above
its table, on the machine that is named there. Absolute times are of that machine on that day;
**ratios** compare what took turns in one run, and are what carries over. The plain reference is
ONNX Runtime as it comes, one frame after the other, OpenCV and PyAV. Figures are medians over the
rounds, with the quarters in brackets.
"""


def performance_page(measurements: Sequence[Figures]) -> str:
    """Write the page of what `--out` wrote in one or more measurements, in their order.

    Raises:
        InputError: one of them is no measurement of a kind that is known.
    """
    return "\n".join([_HEAD, *(_section(figures) for figures in measurements)])


def _section(figures: Figures) -> str:
    try:
        title, rows = _TABLES[figures["bench"]]
        lines = [
            f"## {title}",
            "",
            f"    {figures['command']}",
            "",
            circumstances_words(figures),
            "",
            *rows(figures),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"This is no measurement of viseme bench ({type(error).__name__}: {error}); give files "
            "that --out has written."
        ) from error
    return "\n".join([*lines, ""])


def _engine_rows(figures: Figures) -> list[str]:
    by_run = any("ms_per_run" in work for work in figures["works"])
    head = ["frames", "way", "back end", "frames/s", "ms a frame", "ratio", "MiB", "warm-up s"]
    head += ["first ms", *(["ms a run"] if by_run else [])]
    rows = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for work in figures["works"]:
        if "refused" in work:
            start = f"| {work['frames']} | {work['title']} | – | {work['refused']} "
            rows.append(start + "| " * (len(head) - 4) + "|")
            continue
        row = (
            f"| {work['frames']} | {work['title']} | {work['backend']} "
            f"| {work['frames_per_s']['median']:.1f} | {_spread(work['ms_per_frame'])} "
            f"| {work['ratio']:.2f} | {work['peak_mib']} | {work['warm_up_s']:.1f} "
            f"| {work['first_ms']:.0f} |"
        )
        if by_run:
            row += f" {_spread(work['ms_per_run']) if 'ms_per_run' in work else ''} |"
        rows.append(row)
    if floor := figures.get("floor"):
        rows += ["", floor_words(floor)]
    return rows


def _render_rows(figures: Figures) -> list[str]:
    rows = [
        "| speech s | way | back end | frames/s | real-time factor | ratio | MiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for work in figures["works"]:
        if "refused" in work:
            rows.append(f"| {work['seconds']:g} | {work['title']} | – | {work['refused']} | | | |")
            continue
        ratio = f"{work['ratio']:.2f}" if "ratio" in work else ""
        rows.append(
            f"| {work['seconds']:g} | {work['title']} | {work['backend']} "
            f"| {_spread(work['frames_per_s'])} | {work['real_time_factor']:.3f} | {ratio} "
            f"| {work['peak_mib']} |"
        )
    rows += [
        f"\n{work['seconds']:g} s: sound to frames is {work['ratio_to_full_size']:.1f} times as "
        "fast as the plain reference with a full-size network."
        for work in figures["works"]
        if "ratio_to_full_size" in work
    ]
    rows += [
        "",
        "Each stage alone, in time of one core, and its share in a film:",
        "",
        "| stage | by | ms a frame | share |",
        "| --- | --- | --- | --- |",
    ]
    rows += [
        f"| {stage['title']} | – | {stage['refused']} | |"
        if "refused" in stage
        else f"| {stage['title']} | {stage['backend']} | {_spread(stage['core_ms_per_frame'])} "
        f"| {_percent(stage)} |"
        for stage in figures["stages"]
    ]
    if floor := figures.get("floor"):
        rows += ["", floor_words(floor, SPEAKING)]
    return rows


def _transport_rows(figures: Figures) -> list[str]:
    rows = [
        "| batch | way | server ms | overhead ms | total ms | overhead in bare |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {way['batch']} | {way['title']} | {way['server_ms']['median']:.1f} "
        f"| {_spread(way['overhead_ms'])} | {way['total_ms']['median']:.1f} "
        f"| {way['overhead_in_bare']:.2f} |"
        for way in figures["ways"]
    ]
    for batch, ratio in figures["http_in_grpc"].items():
        rows += ["", f"Batches of {batch}: HTTP/JSON takes {ratio:.1f} times what gRPC takes."]
    faces = figures["faces"]
    rows += [
        "",
        f"Batches of {faces['batch']} take the server {_spread(faces['new_ms'])} ms, of faces that "
        f"were sent before {_spread(faces['known_ms'])} ms; ratio {faces['ratio']:.2f}.",
    ]
    if "clients" in figures:
        clients = figures["clients"]
        rows += [
            "",
            f"{clients['clients']} clients at once, batches of {clients['batch']}: "
            f"{_spread(clients['all_frames_per_s'])} frames a second, one client "
            f"{_spread(clients['one_frames_per_s'])}; ratio {clients['ratio']:.2f}.",
        ]
    return rows


def _live_rows(figures: Figures) -> list[str]:
    rows = [
        "| streams | way | pictures/s | delay ms | late ms, p99 | most | Mbit/s each | holds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in figures["runs"]:
        late = run["late_ms"]
        rows.append(
            f"| {run['streams']} | {run['way']} | {run['pictures_per_s']:.1f} "
            f"| {run['delay_ms']:.1f} | {late['p99']:.1f} | {late['most']:.1f} "
            f"| {run['mbit_per_s']:.2f} | {'yes' if run['holds'] else 'no'} |"
        )
    most = ", ".join(f"{way} {streams}" for way, streams in figures["streams"].items())
    return [*rows, "", f"Streams at once that have their pictures in time: {most}."]


_TABLES: Final[dict[str, tuple[str, Callable[[Figures], list[str]]]]] = {
    "engine": ("Running the network", _engine_rows),
    "render": ("From sound to film", _render_rows),
    "live": ("Live streams at once", _live_rows),
    "transport": ("To a server and back", _transport_rows),
}


def _percent(stage: Figures) -> str:
    return f"{100 * stage['share']:.0f} %" if "share" in stage else ""


def _spread(values: Figures) -> str:
    return f"{values['median']:.1f} ({values['low']:.1f}-{values['high']:.1f})"
