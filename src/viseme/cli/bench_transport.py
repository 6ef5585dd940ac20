"""What `viseme bench transport` does and shows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from viseme.bench.chart import Bar, Chart
from viseme.bench.circumstances import circumstances
from viseme.bench.spread import Spread
from viseme.bench.transport import TransportOptions, TransportReport, WayTimes, measure_transport
from viseme.bench.ways import BareWay
from viseme.cli.bench_outputs import Outputs, quarters
from viseme.cli.bench_subject import Server
from viseme.cli.outcome import say
from viseme.cli.tables import show_table
from viseme.client.tensor_data import built_in_data, read_tensor_data

__all__ = ["bench_transport"]


def bench_transport(
    server: Server, folder: Path | None, options: TransportOptions, outputs: Outputs
) -> None:
    """Measure the transport, show what came of it, and write it where that is asked for.

    Raises:
        VisemeError: the server refuses or ends, or the file cannot be written.
    """
    outputs.check()
    data = read_tensor_data(folder) if folder else built_in_data()

    def on_round(number: int, rounds: int) -> None:
        say(f"Round {number} of {rounds}." if number else "Warming up.")

    with ExitStack() as stack:
        what: tuple[str, ...] = ("--avatar", server.subject.avatar)
        if server.grpc is None and (model := stack.enter_context(server.subject.network())):
            what = ("--model", str(model))
        served = stack.enter_context(server.served(*what))
        report = measure_transport(served, data, options, on_round)
    asked = {"network": server.subject.title, **asdict(options)}
    outputs.write(
        {**circumstances("transport", asked, ("grpcio",)), **report.figures()}, _chart(report)
    )
    if not outputs.as_json:
        _show(report)


def _show(report: TransportReport) -> None:
    show_table(
        ("batch", "way", "server\nms", "overhead\nms", "quarters", "total\nms", "times\nbare"),
        [_cells(report, row) for row in report.times],
        words=2,
    )
    for row in report.times:
        ratio = report.http_ratio(row.batch)
        if row.way == "http" and ratio is not None:
            print(f"Batches of {row.batch}: HTTP/JSON takes {ratio:.1f} times what gRPC takes.")
    faces = report.faces
    new, known = Spread.of(faces.new_ms), Spread.of(faces.known_ms)
    print(
        f"Batches of {faces.batch}, faces sent before: {known.median:.1f} ms in the server "
        f"({quarters(known)})."
    )
    print(f"New ones: {new.median:.1f} ms ({quarters(new)}); ratio {faces.ratio:.3f}.")
    if report.clients is not None:
        clients = report.clients
        one, together = Spread.of(clients.one), Spread.of(clients.all)
        print(
            f"{clients.clients} clients at once, batches of {clients.batch}: "
            f"{together.median:.1f} frames/s ({quarters(together)})."
        )
        print(
            f"One client: {one.median:.1f} frames/s ({quarters(one)}); ratio {clients.ratio:.3f}."
        )


def _chart(report: TransportReport) -> Chart:
    """Show the round trip of each way, batch by batch; that of JSON is a hundred times others'."""
    groups: dict[str, list[Bar]] = {}
    for row in report.times:
        title = f"batches of {row.batch}"
        bar = Bar(row.title, row.total_ms, row.way == BareWay.name)
        groups.setdefault(title, []).append(bar)
    return Chart("ms from array to array", list(groups.items()), in_powers=True)


def _cells(report: TransportReport, row: WayTimes) -> tuple[str, ...]:
    overhead = row.overhead_ms
    return (
        str(row.batch),
        row.title,
        f"{row.server_ms.median:.1f}",
        f"{overhead.median:.1f}",
        quarters(overhead),
        f"{row.total_ms.median:.1f}",
        f"{report.ratio(row):.2f}",
    )
