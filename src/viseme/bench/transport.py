"""What it costs to bring faces to the network and back: the ways beside the bare bytes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any, Final, NamedTuple

from viseme.bench.known_faces import FacesRun, measure_faces
from viseme.bench.processes import module_command, serving
from viseme.bench.spread import Spread
from viseme.bench.ways import BareWay, ClientWay, GeneratedWay, HttpWay, Sample, Way
from viseme.client import Client, ClientOptions
from viseme.client.tensor_data import TensorData

__all__ = [
    "ClientsRun",
    "Served",
    "TransportOptions",
    "TransportReport",
    "WayTimes",
    "measure_transport",
    "own_server",
]

HTTP_ROUNDS: Final = 3
"""A round of JSON takes as long as many of all others, and says the same each time."""
_LOOPBACK: Final = "127.0.0.1:0"
# The largest batch is 200 to 300 MB of JSON, and more streams may be tried than a machine has time
# for: both are over the limits that a server has by itself.
_CONFIG: Final = '[limits]\nmessage_bytes = "1GiB"\nrequest_bytes = "4GiB"\nstreams = 64\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """What to measure."""

    batches: Sequence[int] = (1, 5, 10, 25)
    rounds: int = 10
    clients: int = 16
    """How many at once are compared with one; 0 leaves that out."""
    clients_batch: int = 5
    """Frames in each of their requests."""
    clients_requests: int = 4
    """Requests of each of them in a round; the one client makes as many as all together."""


class Served(NamedTuple):
    """Where the server to measure is."""

    grpc: str
    http: str | None
    """None leaves HTTP out."""
    said: dict[str, Any]
    """What it said of itself when it was ready."""


@dataclass(frozen=True, slots=True)
class WayTimes:
    """What batches of one size took, one way."""

    way: str
    title: str
    batch: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def server_ms(self) -> Spread:
        """The server's own time."""
        return Spread.of([sample.server_ms for sample in self.samples])

    @property
    def overhead_ms(self) -> Spread:
        """The round trip less the server's time."""
        return Spread.of([sample.overhead_ms for sample in self.samples])

    @property
    def total_ms(self) -> Spread:
        """The round trip."""
        return Spread.of([sample.total_ms for sample in self.samples])


@dataclass(frozen=True, slots=True)
class ClientsRun:
    """Frames a second of one client and of several at once."""

    clients: int
    batch: int
    one: list[float] = field(default_factory=list)
    """Each round."""
    all: list[float] = field(default_factory=list)
    """Of all together, each round."""

    @property
    def ratio(self) -> float:
        """What all together get of what one alone gets."""
        return statistics.median(self.all) / statistics.median(self.one)


@dataclass(frozen=True, slots=True)
class TransportReport:
    """What was measured."""

    served: Served
    size: int
    """The side of the faces."""
    times: list[WayTimes]
    faces: FacesRun
    """Of batches of the largest size."""
    clients: ClientsRun | None

    def of(self, way: str, batch: int) -> WayTimes | None:
        """Give the times of one way and size."""
        return next((t for t in self.times if (t.way, t.batch) == (way, batch)), None)

    def ratio(self, row: WayTimes) -> float:
        """Tell how many times the bare movement of the same bytes a way's overhead is."""
        bare = self.of(BareWay.name, row.batch)
        return row.overhead_ms.median / bare.total_ms.median if bare else float("nan")

    def http_ratio(self, batch: int) -> float | None:
        """Tell how many round trips of gRPC one of HTTP/JSON is."""
        http, grpc = self.of(HttpWay.name, batch), self.of(ClientWay.name, batch)
        return http.total_ms.median / grpc.total_ms.median if http and grpc else None

    def figures(self) -> dict[str, Any]:
        """Give all of it by name, for programs."""
        rows = [
            {
                "batch": row.batch,
                "way": row.way,
                "title": row.title,
                "rounds": len(row.samples),
                "server_ms": row.server_ms.figures(),
                "overhead_ms": row.overhead_ms.figures(),
                "total_ms": row.total_ms.figures(),
                "overhead_in_bare": round(self.ratio(row), 3),
            }
            for row in self.times
        ]
        figures: dict[str, Any] = {"server": self.served.said, "size": self.size, "ways": rows}
        figures["http_in_grpc"] = {
            str(batch): round(ratio, 3)
            for batch in dict.fromkeys(row.batch for row in self.times)
            if (ratio := self.http_ratio(batch)) is not None
        }
        figures["faces"] = self.faces.figures()
        if self.clients is not None:
            figures["clients"] = {
                "clients": self.clients.clients,
                "batch": self.clients.batch,
                "one_frames_per_s": Spread.of(self.clients.one).figures(),
                "all_frames_per_s": Spread.of(self.clients.all).figures(),
                "ratio": round(self.clients.ratio, 4),
            }
        return figures


@contextmanager
def own_server(*what: str) -> Iterator[Served]:
    """Start a server on loopback for the time of the measurement.

    Args:
        what: what it serves, and with what, as options of `viseme serve`.

    Raises:
        UnavailableError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="viseme-bench-") as folder:
        config = Path(folder) / "bench.toml"
        config.write_text(_CONFIG, "utf-8")
        doors = (argument for door in ("grpc", "composite", "http") for argument in _door(door))
        command = module_command(
            "viseme", "serve", "--json", "--config", str(config), *doors, *what
        )
        with serving(command) as said:
            addresses = said["addresses"]
            yield Served(addresses["grpc"], addresses["http"], said)


def measure_transport(
    served: Served,
    data: TensorData,
    options: TransportOptions,
    on_round: Callable[[int, int], None],
) -> TransportReport:
    """Measure all ways, round by round, each round in another order.

    Args:
        served: where the server is.
        data: what to send.
        options: what to measure.
        on_round: told of each round before it begins, and of how many there are.

    Raises:
        VisemeError: the server refuses, or ends.
    """
    with ExitStack() as stack:
        echo = stack.enter_context(serving(module_command("viseme.bench.echo")))
        ways: list[Way] = [BareWay(echo["addresses"]["grpc"])]
        ways += [ClientWay(served.grpc), GeneratedWay(served.grpc)]
        if served.http is not None:
            ways.append(HttpWay(served.http))
        for way in ways:
            stack.callback(way.close)
        times = [WayTimes(w.name, w.title, size) for size in options.batches for w in ways]
        by_name = {way.name: way for way in ways}
        for number in range(options.rounds + 1):  # the first one warms up
            on_round(number, options.rounds)
            _round(by_name, times, data, number)
        for row in times:
            del row.samples[0]
    faces = measure_faces(served.grpc, data, max(options.batches), options.rounds)
    clients = None
    if options.clients:
        clients = _measure_clients(served.grpc, data, options)
    return TransportReport(served, data.size, times, faces, clients)


def _door(name: str) -> tuple[str, str]:
    return (f"--{name}", _LOOPBACK)


def _round(ways: dict[str, Way], times: Sequence[WayTimes], data: TensorData, number: int) -> None:
    turned = [*times[number % len(times) :], *times[: number % len(times)]]
    for row in turned:
        if row.way == HttpWay.name and number > HTTP_ROUNDS:
            continue
        start = number * row.batch % len(data)
        visual, window = data.batch(start, row.batch)
        row.samples.append(ways[row.way].send(visual, window, start))


def _measure_clients(address: str, data: TensorData, options: TransportOptions) -> ClientsRun:
    """Let one client and then all at once make the same number of requests, round by round."""
    run = ClientsRun(options.clients, options.clients_batch)
    visual, window = data.batch(0, options.clients_batch)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(options.clients, "viseme-bench-client"))
        clients = [
            stack.enter_context(closing(Client(ClientOptions(address, retries=0))))
            for _ in range(options.clients)
        ]

        def frames_per_s(callers: Sequence[Client], requests: int) -> float:
            ready = Barrier(len(callers) + 1)

            def ask(client: Client) -> None:
                ready.wait()
                for _ in range(requests):
                    client.infer_batch(visual, window)

            asking = [pool.submit(ask, client) for client in callers]
            ready.wait()
            start_s = time.perf_counter()
            for future in asking:
                future.result()
            return len(callers) * requests * len(visual) / (time.perf_counter() - start_s)

        frames_per_s(clients, 1)  # connects and warms up
        for _ in range(options.rounds):
            run.one.append(frames_per_s(clients[:1], options.clients * options.clients_requests))
            run.all.append(frames_per_s(clients, options.clients_requests))
    return run
