"""What `viseme bench engine` and `viseme bench render` do and show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace

from viseme.audio import FRAME_RATE_HZ
from viseme.bench.chart import Bar, Chart
from viseme.bench.circumstances import circumstances
from viseme.bench.contest import Score
from viseme.bench.engine import EngineOptions, EngineReport, measure_engine
from viseme.bench.floor import SPEAKING, floor_words
from viseme.bench.render import RenderReport, RenderTask, measure_render
from viseme.cli.bench_outputs import Outputs, quarters
from viseme.cli.bench_subject import Subject, full_size_network
from viseme.cli.outcome import say
from viseme.cli.tables import show_table

__all__ = ["bench_engine", "bench_render"]

WIDTH = 80
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "opencv-python-headless", "av")


def bench_engine(subject: Subject, options: EngineOptions, outputs: Outputs) -> None:
    """Measure the ways to run a network, and show what came of it.

    Raises:
        VisemeError: the network cannot be opened, or a file cannot be written.
    """
    outputs.check()
    with subject.spec() as spec:
        report = measure_engine(spec, options, say)
    asked = {"network": subject.title, **asdict(options)}
    outputs.write(
        {**circumstances("engine", asked, PACKAGES), **report.figures()},
        _chart({f"{n} frames": scores for n, scores in report.scores.items()}),
    )
    if not outputs.as_json:
        _show_engine(report)


def bench_render(
    subject: Subject, task: RenderTask, outputs: Outputs, *, beside_full_size: bool
) -> None:
    """Measure the whole way from sound to film, and show what came of it.

    Raises:
        VisemeError: something cannot be opened, or a file cannot be written.
        MissingExtraError: the full-size network cannot be built.
    """
    outputs.check()
    full_size = full_size_network() if beside_full_size else nullcontext()
    with subject.spec() as spec, full_size as beside:
        report = measure_render(spec, replace(task, full_size=beside), say)
    asked = {"network": subject.title, **asdict(task), "full_size": beside_full_size}
    outputs.write(
        {**circumstances("render", asked, PACKAGES), **report.figures()},
        _chart({f"{length:g} s of speech": scores for length, scores in report.scores.items()}),
    )
    if not outputs.as_json:
        _show_render(report)


def _show_engine(report: EngineReport) -> None:
    for frames, scores in report.scores.items():
        ran = [score for score in scores if not score.refused]
        rows = [
            (
                score.entry.title,
                f"{score.frames_per_s.median:.1f}",
                f"{score.ms.median:.1f}",
                quarters(score.ms),
                "" if score.run_ms is None else f"{score.run_ms.median:.1f}",
                f"{report.ratio(frames, score):.2f}",
                f"{score.peak_bytes / 2**20:.0f}",
                f"{score.warm_up_s:.1f}",
                f"{1000 * score.first_s:.0f}",
            )
            for score in ran
        ]
        heads = ("frames\n/s", "ms a\nframe", "quarters", "ms a\nrun", "times\nplain")
        means = ("MiB", "warm-\nup s", "first\nms")
        show_table((f"{frames} frames", *heads, *means), rows, words=1)
        for backend in dict.fromkeys(score.backend for score in ran):
            titles = "; ".join(score.entry.title for score in ran if score.backend == backend)
            print(textwrap.fill(f"In {backend}: {titles}.", WIDTH))
        _show_refused(scores)
    if report.floor is not None:
        print(textwrap.fill(floor_words(report.floor.figures()), WIDTH))


def _show_render(report: RenderReport) -> None:
    for seconds, scores in report.scores.items():
        rows = []
        for score in scores:
            if score.refused:
                continue
            ratio = report.ratio(seconds, score)
            rows.append(
                (
                    score.entry.title,
                    score.backend,
                    f"{score.frames_per_s.median:.1f}",
                    quarters(score.frames_per_s),
                    f"{score.ms.median / 1000 * FRAME_RATE_HZ:.3f}",
                    "" if ratio is None else f"{ratio:.2f}",
                    f"{score.peak_bytes / 2**20:.0f}",
                )
            )
        show_table(
            (
                f"{seconds:g} s of speech",
                "back end",
                "frames\n/s",
                "quarters",
                "real-\ntime\nfactor",
                "times\nplain",
                "MiB",
            ),
            rows,
            words=2,
        )
        _show_refused(scores)
        if (ratio := report.ratio_to_full_size(seconds)) is not None:
            print(
                f"Sound to frames: {ratio:.1f} times as fast as plainly with a full-size network."
            )
    _show_stages(report)


def _show_stages(report: RenderReport) -> None:
    rows = [
        (
            stage.entry.title,
            stage.backend,
            f"{stage.core_ms.median:.2f}",
            quarters(stage.core_ms),
            "" if (share := report.share(stage)) is None else f"{100 * share:.0f} %",
        )
        for stage in report.stages
        if not stage.refused
    ]
    show_table(("stage, alone", "by", "ms of\na core", "quarters", "share"), rows, words=2)
    _show_refused(report.stages)
    if report.floor is not None:
        print(textwrap.fill(floor_words(report.floor.figures(), SPEAKING), WIDTH))


def _show_refused(scores: Sequence[Score]) -> None:
    for score in scores:
        if score.refused:
            print(textwrap.fill(f"Left out: {score.entry.title}. {score.refused}", WIDTH))


def _chart(groups: Mapping[str, Sequence[Score]]) -> Chart:
    return Chart("frames a second", [(title, _bars(scores)) for title, scores in groups.items()])


def _bars(scores: Sequence[Score]) -> list[Bar]:
    return [
        Bar(score.entry.title, score.frames_per_s, score.entry.name.startswith("plain"))
        for score in scores
        if not score.refused
    ]
