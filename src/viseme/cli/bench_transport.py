"""What `viseme bench transport` does and shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from viseme.bench.circumstances import circumstances
from viseme.bench.spread import Spread
from viseme.bench.transport import (
    Served,
    TransportOptions,
    TransportReport,
    WayTimes,
    measure_transport,
    own_server,
)
from viseme.cli.bench_outputs import Outputs, quarters
from viseme.cli.outcome import say
from viseme.cli.tables import show_table
from viseme.client.tensor_data import built_in_data, read_tensor_data

__all__ = ["Server", "bench_transport"]


@dataclass(frozen=True, slots=True)
class Server:
    """The server to measure, as the command line says it: one to start, or one that runs."""

    model: Path | None
    avatar: str
    grpc: str | None
    http: str | None

    @contextmanager
    def served(self) -> Iterator[Served]:
        """Give its addresses, for as long as the `with` statement lasts.

        Raises:
            UnavailableError: it does not start.
        """
        if self.grpc is not None:
            yield Served(self.grpc, self.http, {"addresses": {"grpc": self.grpc}})
            return
        say("Starting a server.")
        with own_server(self.model, self.avatar) as served:
            yield served


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

    with server.served() as served:
        report = measure_transport(served, data, options, on_round)
    outputs.write(
        {**circumstances("transport", asdict(options), ("grpcio",)), **report.figures()}, []
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
