"""What `viseme bench live` does and shows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict

from viseme.bench.chart import Bar, Chart
from viseme.bench.circumstances import circumstances
from viseme.bench.live import LATE_MS, OURS, PLAIN, LiveReport, LiveTask, measure_live, plain_server
from viseme.bench.spread import Spread
from viseme.cli.bench_outputs import Outputs
from viseme.cli.bench_subject import Server, built_in_speech
from viseme.cli.outcome import say
from viseme.cli.tables import show_table

__all__ = ["bench_live"]

PACKAGES = ("grpcio", "numpy", "onnxruntime", "openvino", "opencv-python-headless", "av")


def bench_live(server: Server, task: LiveTask, outputs: Outputs) -> None:
    """Measure how many streams a server carries, and show what came of it.

    The plain reference runs beside a server that is started here; one that runs already may be
    another machine's, with which it cannot be compared.

    Raises:
        VisemeError: the server refuses or ends, or a file cannot be written.
    """
    outputs.check()
    with ExitStack() as stack:
        speech = stack.enter_context(built_in_speech())
        if server.grpc is None:
            speaker = stack.enter_context(server.subject.speaker())
            served = {OURS: stack.enter_context(server.served("--avatar", speaker))}
            say("Starting the plain reference.")
            served[PLAIN] = stack.enter_context(plain_server(speaker))
        else:
            served = {OURS: stack.enter_context(server.served())}
        report = measure_live(served, speech, task, say)
    asked = {"network": server.subject.title, **asdict(task)}
    outputs.write({**circumstances("live", asked, PACKAGES), **report.figures()}, _chart(report))
    if not outputs.as_json:
        _show(report)


def _show(report: LiveReport) -> None:
    rows = [
        (
            str(run["streams"]),
            run["way"],
            f"{run['pictures_per_s']:.1f}",
            f"{run['delay_ms']:.1f}",
            f"{run['late_ms']['p99']:.1f}",
            f"{run['late_ms']['most']:.1f}",
            f"{run['mbit_per_s']:.2f}",
            "yes" if run["holds"] else "no",
        )
        for run in report.figures()["runs"]
    ]
    lateness = ("delay\nms", "late ms,\n99 of 100", "most")
    heads = ("streams\nat once", "way", "pictures/s\neach", *lateness, "Mbit/s\neach", "in time")
    show_table(heads, rows, words=2)
    most = ", ".join(f"{way} {streams}" for way, streams in report.most.items())
    print(f"Streams at once that have their pictures in time: {most}.")
    print(f"Of 100 pictures 99 are then at most {LATE_MS:.0f} ms behind the pace of the beginning.")


def _chart(report: LiveReport) -> Chart:
    """Show the lateness at each number of streams, and where it is too much."""
    groups: dict[str, list[Bar]] = {}
    for run in report.runs:
        title = "1 stream" if run.streams == 1 else f"{run.streams} streams"
        bar = Bar(run.way, Spread.of([run.percentile(99)]), run.way == PLAIN)
        groups.setdefault(title, []).append(bar)
    unit = f"lateness in ms that 99 of 100 pictures do not pass; in time up to {LATE_MS:.0f}"
    return Chart(unit, list(groups.items()), limit=LATE_MS)
