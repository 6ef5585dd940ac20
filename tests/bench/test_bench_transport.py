"""What the bench of the transport measures and says; never how fast anything is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.stand_in_server import StandInServer
from viseme.bench.known_faces import FacesRun
from viseme.bench.processes import module_command, serving
from viseme.bench.spread import Spread
from viseme.bench.transport import (
    ClientsRun,
    Served,
    TransportOptions,
    TransportReport,
    WayTimes,
    measure_transport,
)
from viseme.bench.ways import BareWay, ClientWay, GeneratedWay, HttpWay, Sample, Way
from viseme.client.tensor_data import TensorData
from viseme.errors import UnavailableError

SIZE = 32
RNG = np.random.default_rng(0)
DATA = TensorData(
    "noise",
    RNG.random((3, 6, SIZE, SIZE), np.float32),
    RNG.random((3, 32, 16, 16), np.float32),
)
WAYS = ["bare", "client", "generated", "http"]


@pytest.fixture(scope="module")
def server() -> Iterator[StandInServer]:
    with StandInServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(server: StandInServer) -> Served:
    return Served(server.addresses["grpc"], server.addresses["http"], {"model": "none"})


@pytest.mark.parametrize("way", [ClientWay, GeneratedWay, HttpWay])
def test_each_way_has_its_batch_answered(way: type[Way], server: StandInServer) -> None:
    door = "http" if way is HttpWay else "grpc"
    connection = way(server.addresses[door])  # type: ignore[call-arg]
    visual, window = DATA.batch(2, 4)
    sample = connection.send(visual, window, 2)
    connection.close()
    assert sample.server_ms == 1.5
    assert sample.total_ms > 0


def test_the_bare_way_moves_as_many_bytes() -> None:
    with serving(module_command("viseme.bench.echo")) as echo:
        way = BareWay(echo["addresses"]["grpc"])
        sample = way.send(*DATA.batch(0, 2), 0)
        way.close()
    assert sample.server_ms == 0
    assert sample.total_ms > 0


def test_all_ways_of_all_sizes_are_measured_in_each_round(served: Served) -> None:
    options = TransportOptions(
        batches=(1, 3), rounds=5, clients=3, clients_batch=2, clients_requests=1
    )
    rounds: list[tuple[int, int]] = []
    report = measure_transport(
        served, DATA, options, lambda number, of: rounds.append((number, of))
    )
    assert rounds == [(number, 5) for number in range(6)]
    assert [(row.batch, row.way) for row in report.times] == [
        (batch, way) for batch in (1, 3) for way in WAYS
    ]
    for row in report.times:
        assert len(row.samples) == (3 if row.way == "http" else 5)
    assert report.clients is not None
    assert (len(report.clients.one), len(report.clients.all)) == (5, 5)
    assert report.faces == FacesRun(3, new_ms=[1.5] * 5, known_ms=[1.5] * 5)
    figures = report.figures()
    assert figures["server"] == {"model": "none"}
    assert set(figures["http_in_grpc"]) == {"1", "3"}
    assert set(figures["clients"]) >= {"clients", "batch", "ratio"}
    for row in figures["ways"]:
        assert set(row["total_ms"]) == {"median", "low", "high"}


def test_http_and_clients_can_be_left_out(served: Served) -> None:
    options = TransportOptions(batches=(1,), rounds=1, clients=0)
    report = measure_transport(served._replace(http=None), DATA, options, lambda number, of: None)
    assert [row.way for row in report.times] == WAYS[:3]
    assert report.clients is None
    assert report.figures()["http_in_grpc"] == {}
    assert "clients" not in report.figures()


def test_ratios_are_of_medians() -> None:
    bare = WayTimes("bare", "bare", 5, [Sample(10, 0), Sample(20, 0), Sample(90, 0)])
    client = WayTimes("client", "client", 5, [Sample(130, 100), Sample(140, 100), Sample(900, 100)])
    http = WayTimes("http", "http", 5, [Sample(700, 100)])
    clients = ClientsRun(16, 5, one=[10, 20, 30], all=[19, 18, 80])
    served = Served("", None, {})
    faces = FacesRun(5, new_ms=[80, 100, 900], known_ms=[10, 50, 60])
    report = TransportReport(served, 320, [bare, client, http], faces, clients)
    assert report.ratio(client) == 2
    assert report.ratio(http) == 30
    assert report.http_ratio(5) == 5
    assert clients.ratio == 0.95
    assert report.figures()["faces"] == {
        "batch": 5,
        "new_ms": {"median": 100, "low": 90, "high": 500},
        "known_ms": {"median": 50, "low": 30, "high": 55},
        "ratio": 0.5,
    }
    assert client.overhead_ms == Spread(40, 35, 420)
    assert http.total_ms == Spread(700, 700, 700)


def test_a_server_is_a_process_of_its_own() -> None:
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    command = ["env", f"PYTHONPATH={paths}", *module_command("support.stand_in_server")]
    with serving(command) as said:
        assert said["event"] == "ready"
        way = ClientWay(said["addresses"]["grpc"])
        assert way.send(*DATA.batch(0, 1), 0).server_ms == 1.5
        way.close()
    with pytest.raises(UnavailableError):
        ClientWay(said["addresses"]["grpc"]).send(*DATA.batch(0, 1), 0)


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit('no port is free')",
        "import sys; print('hello'); sys.exit('no port is free')",
        "import sys; print('{\"event\": \"starting\"}'); sys.exit('no port is free')",
    ],
)
def test_a_server_that_does_not_become_ready(code: str) -> None:
    expected = (
        r"^The server that was to be measured did not become ready; its last words: "
        r"no port is free$"
    )
    with pytest.raises(UnavailableError, match=expected), serving([sys.executable, "-c", code]):
        pass


def test_a_server_that_fails_leaves_no_process() -> None:
    code = "import time; print('nonsense', flush=True); time.sleep(600)"
    with (
        pytest.raises(UnavailableError, match=r"its last words: none$"),
        serving([sys.executable, "-c", code]),
    ):
        pass
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert code not in listed.stdout
