"""Writes an evaluation down: a table in ``quality.md`` and a figure beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, Latency, lookahead_samples
from viseme.studio.evaluation import Evaluation, Measured
from viseme.studio.speech import FLITE_HELD_OUT_VOICE, SILENCE

__all__ = ["write_report"]

FIGURE_NAME = "images/quality.png"
PAGE_NAME = "quality.md"
SHOWN_S = 5.0


def write_report(evaluations: Sequence[Evaluation], avatar_name: str, folder: Path) -> Path:
    """Write ``quality.md`` and its figure into ``folder``; return the page's path.

    The goals are held against the first evaluation; others are put beside it.
    """
    figure = folder / FIGURE_NAME
    figure.parent.mkdir(parents=True, exist_ok=True)
    _draw_figure(evaluations[0], figure)
    page = folder / PAGE_NAME
    page.write_text(_page(evaluations, avatar_name), encoding="utf-8")
    return page


def _page(evaluations: Sequence[Evaluation], avatar_name: str) -> str:
    evaluation = evaluations[0]
    figures = evaluation.figures
    voice = evaluation.voice.rpartition("/")[2]
    options, speech = "", f"a voice ({voice}) and of sentences that no network was trained on"
    if voice != FLITE_HELD_OUT_VOICE:
        options = f" --voice {voice}"
        speech = f"sentences that no network was trained on, by a voice ({voice}) that one was"
    if [e.latency for e in evaluations] != list(Latency):
        options += f" --latency {evaluation.latency}"
    rows = [
        f"| {name} | {value} | {goal} | {'yes' if met else 'no'} |"
        for name, value, goal, met in figures.rows()
    ]
    return "\n".join(
        [
            f"# How well `{avatar_name}` speaks",
            "",
            f"Written by `viseme evaluate {avatar_name}{options} --out docs`; do not edit.",
            "",
            f"{figures.frames} frames ({figures.seconds:.0f} s) of {speech}, silence and low "
            "noise among them, rendered by the same pipeline as every video. The mouth's opening "
            "is read from the pixels of the frames, and compared with the one that the drawing "
            "was given.",
            "",
            "| figure | measured | at least | met |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "PSNR is the mean over the frames that are not silent; the mouth left as it was has "
            f"{figures.untouched_psnr_db:.1f} dB.",
            "",
            f"![Opening over time, and correlation over offsets]({FIGURE_NAME})",
            "",
            *(_beside(evaluations) if len(evaluations) > 1 else ()),
        ]
    )


def _beside(evaluations: Sequence[Evaluation]) -> list[str]:
    """Put the figures of all latencies beside each other."""
    heads = [str(evaluation.latency) for evaluation in evaluations]
    waits = [
        f"{1000 * lookahead_samples(SAMPLE_RATE_HZ, evaluation.latency) / SAMPLE_RATE_HZ:.1f} ms"
        for evaluation in evaluations
    ]
    rows = zip(*(evaluation.figures.rows() for evaluation in evaluations), strict=True)
    return [
        "## Sooner",
        "",
        "A live session may ask for pictures that wait for less sound, `latency=low`, and what "
        "they would hear of the rest is guessed ([live.md](live.md#sooner)). Of the same speech:",
        "",
        f"| figure | {' | '.join(heads)} |",
        f"| --- |{' --- |' * len(heads)}",
        f"| sound after a frame that it waits for, at 16 kHz | {' | '.join(waits)} |",
        *(f"| {row[0][0]} | {' | '.join(value for _, value, *_ in row)} |" for row in rows),
        "",
    ]


def _draw_figure(evaluation: Evaluation, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 -- a second to import, and needed here alone

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(10, 6.4), height_ratios=(1.5, 1), layout="constrained"
    )
    _draw_openings(above, max(evaluation.measured, key=lambda m: float(m.true.std())))
    _draw_offsets(below, evaluation.figures.correlation_by_offset)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _draw_openings(axes: Any, measured: Measured) -> None:
    count = min(len(measured.drawn), round(SHOWN_S * FRAME_RATE_HZ))
    times = np.arange(count) / FRAME_RATE_HZ
    axes.plot(times, measured.true[:count], color="0.6", lw=2, label="true")
    axes.plot(times, measured.drawn[:count], color="tab:red", lw=1.5, label="read from the video")
    for phone in measured.utterance.phones:
        if phone.end_s <= times[-1]:
            axes.axvline(phone.start_s, color="0.93", lw=0.8, zorder=0)
            label = "" if phone.symbol == SILENCE else phone.symbol
            axes.text(phone.centre_s, -0.13, label, ha="center", fontsize=8, color="0.3")
    axes.set(xlim=(0, times[-1]), ylim=(-0.18, 1.0), ylabel="opening of the mouth")
    axes.set_title(f"“{measured.utterance.text}”", fontsize=10)
    axes.legend(loc="upper right", frameon=False)


def _draw_offsets(axes: Any, by_offset: dict[int, float]) -> None:
    best = max(by_offset, key=lambda offset: by_offset[offset])
    colours = ["tab:red" if offset == best else "0.75" for offset in by_offset]
    axes.bar(list(by_offset), list(by_offset.values()), color=colours)
    axes.set(xlabel="offset of the drawn mouth, in frames", ylabel="correlation", ylim=(0, 1))
    axes.set_xticks(list(by_offset))
