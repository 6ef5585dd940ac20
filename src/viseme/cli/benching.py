"""What `viseme bench` does and shows."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from viseme._version import __version__
from viseme.bench.transport import (
    Served,
    Spread,
    TransportOptions,
    TransportReport,
    WayTimes,
    measure_transport,
    own_server,
)
from viseme.cli.outcome import say, show_json
from viseme.cli.tables import show_table
from viseme.client.tensor_data import built_in_data, read_tensor_data
from viseme.engine.machine import available_cores, cpu_model
from viseme.video.target import output_errors

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
    server: Server, folder: Path | None, options: TransportOptions, out: Path | None, *,
    as_json: bool
) -> None:  # fmt: skip
    """Measure the transport, show what came of it, and write it where `out` is given.

    Raises:
        VisemeError: the server refuses or ends, or the file cannot be written.
    """
    if out is not None:  # before minutes of work
        with output_errors(out), out.open("a"):
            pass
    data = read_tensor_data(folder) if folder else built_in_data()

    def on_round(number: int, rounds: int) -> None:
        say(f"Round {number} of {rounds}." if number else "Warming up.")

    with server.served() as served:
        report = measure_transport(served, data, options, on_round)
    figures = {**_circumstances(options), **report.figures()}
    if out is not None:
        with output_errors(out):
            out.write_text(json.dumps(figures, indent=2, default=str) + "\n", "utf-8")
    if as_json:
        show_json(figures)
    else:
        _show(report)


def _circumstances(options: TransportOptions) -> dict[str, Any]:
    """Say what was measured, where and when."""
    return {
        "bench": "transport",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpu": cpu_model(), "cores": available_cores()},
        "versions": {
            "viseme": __version__,
            "python": platform.python_version(),
            "grpcio": grpc.__version__,
        },
        "options": asdict(options),
    }


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
            f"{together.median:.1f} frames/s ({_quarters(together)})."
        )
        print(
            f"One client: {one.median:.1f} frames/s ({_quarters(one)}); ratio {clients.ratio:.3f}."
        )


def _cells(report: TransportReport, row: WayTimes) -> tuple[str, ...]:
    overhead = row.overhead_ms
    return (
        str(row.batch),
        row.title,
        f"{row.server_ms.median:.1f}",
        f"{overhead.median:.1f}",
        _quarters(overhead),
        f"{row.total_ms.median:.1f}",
        f"{report.ratio(row):.2f}",
    )


def _quarters(spread: Spread) -> str:
    return f"{spread.low:.1f}-{spread.high:.1f}"
