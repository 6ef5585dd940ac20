"""What `viseme bench live` does and shows."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import as_file, files

from viseme.bench.circumstances import circumstances
from viseme.bench.live import LATE_MS, LiveReport, LiveTask, measure_live
from viseme.cli.bench_outputs import Outputs
from viseme.cli.bench_transport import Server
from viseme.cli.outcome import say
from viseme.cli.tables import show_table

__all__ = ["bench_live"]

PACKAGES = ("grpcio", "numpy", "onnxruntime", "openvino", "av")


def bench_live(server: Server, task: LiveTask, outputs: Outputs) -> None:
    """Measure how many streams a server carries, and show what came of it.

    Raises:
        VisemeError: the server refuses or ends, or the file cannot be written.
    """
    outputs.check()
    speech = files("viseme") / "data" / "speech" / "demo.flac"
    with server.served() as served, as_file(speech) as path:
        report = measure_live(served, path, task, say)
    asked = {"avatar": server.avatar, **asdict(task)}
    outputs.write({**circumstances("live", asked, PACKAGES), **report.figures()}, [])
    if not outputs.as_json:
        _show(report)


def _show(report: LiveReport) -> None:
    rows = [
        (
            str(run["streams"]),
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
    heads = ("streams\nat once", "pictures/s\neach", *lateness, "Mbit/s\neach", "in time")
    show_table(heads, rows, words=1)
    print(
        f"{report.most} at once: of 100 pictures 99 come at most {LATE_MS:.0f} ms behind the pace "
        "of the\nbeginning."
    )
