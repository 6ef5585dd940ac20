"""`viseme bench`, as a process; the transport against a server that answers at once."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from support.command_line import CommandLine
from support.probes import window_painter
from support.stand_in_server import StandInServer
from viseme.bench.processes import module_command, serving
from viseme.cli.bench_outputs import Outputs
from viseme.errors import MissingExtraError


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    with StandInServer() as server:
        yield server.addresses


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_figures_are_shown_and_written(run: CommandLine, addresses: dict[str, str]) -> None:
    server = ("--grpc", addresses["grpc"], "--http", addresses["http"])
    size = ("--batches", "1", "--rounds", "1", "--clients", "2")
    outputs = ("--out", "figures.json", "--plot", "figures.png")
    done = run("bench", "transport", *server, *size, *outputs)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Warming up.\nRound 1 of 1.\n"
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    cells = [re.split(r" {2,}", line.strip()) for line in lines]
    rows = [row[:2] for row in cells if len(row) == 7 and row[0].isdecimal()]
    titles = ("bare gRPC", "viseme.Client", "generated classes", "HTTP/JSON")
    assert rows == [["1", title] for title in titles]
    assert "One client: " in done.stdout
    figures = json.loads((run.folder / "figures.json").read_text("utf-8"))
    assert run("bench", "report", "figures.json", "-o", "page.md").returncode == 0
    page = (run.folder / "page.md").read_text("utf-8")
    assert all(f"| 1 | {title} | " in page for title in titles)
    assert "2 clients at once, batches of" in page
    assert figures["bench"] == "transport"
    assert figures["options"]["batches"] == [1]
    assert set(figures["machine"]) == {"cpu", "cores"}
    assert len(figures["ways"]) == 4
    assert figures["size"] == 320
    assert cv2.imread(str(run.folder / "figures.png")) is not None


def test_figures_for_programs(run: CommandLine, addresses: dict[str, str]) -> None:
    size = ("--batches", "1,2", "--rounds", "1", "--clients", "0")
    done = run("bench", "transport", "--grpc", addresses["grpc"], *size, "--json")
    figures = json.loads(done.stdout)
    assert [(row["batch"], row["way"]) for row in figures["ways"]] == [
        (batch, way) for batch in (1, 2) for way in ("bare", "client", "generated")
    ]
    assert "clients" not in figures


def test_a_file_that_cannot_be_written_is_known_before_any_work(run: CommandLine) -> None:
    done = run("bench", "transport", "--out", "no/figures.json")
    assert done.returncode == 7
    assert done.stderr == (
        "Error: Cannot write 'no/figures.json': no such file or directory; choose another place, "
        "or another kind of file.\n"
    )


def test_no_empty_file_is_left_where_there_are_no_figures(run: CommandLine, tmp_path: Path) -> None:
    outputs = ("--out", "figures.json", "--plot", "no/plot.png")
    done = run("bench", "engine", "--frames", "1", *outputs)
    assert done.returncode == 7
    assert "Cannot write 'no/plot.png'" in done.stderr
    assert not list(tmp_path.glob("figures*"))


def test_a_plot_that_cannot_be_drawn_is_known_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    outputs = Outputs(tmp_path / "figures.json", tmp_path / "plot.png", as_json=False)
    with pytest.raises(MissingExtraError, match="or leave --plot out"):
        outputs.check()
    assert not list(tmp_path.iterdir())


def test_bench_says_what_there_is(run: CommandLine) -> None:
    shown = run("bench", "--help").stdout
    assert all(name in shown for name in ("engine", "render", "live", "transport"))


def test_the_engine_is_measured_shown_and_drawn(run: CommandLine) -> None:
    size = ("--frames", "2,1", "--workers", "2", "--batches", "2", "--rounds", "1")
    subject = ("--avatar", "tiny", "--backend", "onnxruntime")
    done = run("bench", "engine", *subject, *size, "--out", "engine.json", "--plot", "engine.png")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("Round 1 of 1.\n")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    titles = [
        "plain reference",
        "2 workers",
        "faces seen before",
        "batches of 2",
        "2, then in parallel",
    ]
    rows = [line.split("  ")[0] for line in lines]
    assert [row for row in rows if row in titles] == 2 * titles
    assert f"In onnxruntime: {'; '.join(titles)}." in " ".join(lines)
    assert "A frame of this network is 0.00 GFLOP, and these cores do up to " in " ".join(lines)
    figures = json.loads((run.folder / "engine.json").read_text("utf-8"))
    assert (figures["bench"], figures["options"]["network"]) == ("engine", "tiny")
    assert figures["versions"]["onnxruntime"]
    works = figures["works"]
    assert [(row["frames"], row["title"]) for row in works] == [
        (frames, title) for frames in (2, 1) for title in titles
    ]
    assert works[0]["ratio"] == 1
    assert [row["title"] for row in works if "ms_per_run" in row] == 2 * titles[3:]
    assert cv2.imread(str(run.folder / "engine.png")) is not None
    done = run("bench", "report", "engine.json", "-o", "page.md")
    assert (done.returncode, done.stderr) == (0, "Wrote page.md.\n")
    page = (run.folder / "page.md").read_text("utf-8")
    assert f"    {figures['command']}\n" in page
    assert f"at that speed {figures['floor']['floor_ms']:.1f} ms on all of them." in page
    assert all(f"| 2 | {title} | onnxruntime | " in page for title in titles)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Cannot read 'figures.json' (No such file or directory); check the path."),
        ("no JSON", "'figures.json' is no JSON; give a file that --out has written."),
        ("[]", "This is no measurement of viseme bench (KeyError: 'bench'); give files that"),
        ('{"bench": "odd"}', "This is no measurement of viseme bench (KeyError: 'odd'); give"),
    ],
)
def test_a_report_of_what_is_no_measurement(
    content: str | None, said: str, run: CommandLine
) -> None:
    if content is not None:
        (run.folder / "figures.json").write_text(content)
    done = run("bench", "report", "figures.json")
    assert done.returncode == 3
    assert said in done.stderr
    assert not (run.folder / "performance.md").exists()


def test_the_whole_way_is_measured(run: CommandLine) -> None:
    size = ("--seconds", "0.2", "--rounds", "1", "--backend", "onnxruntime")
    out = ("--beside-full-size", "--out", "render.json")
    done = run("bench", "render", "--avatar", "tiny", *size, *out)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    works, _, stages = done.stdout.partition("stage, alone")
    assert (works.count("onnxruntime"), stages.count("onnxruntime")) == (5, 2)
    assert re.search(r"^Sound to frames: \d+\.\d times as fast as plainly", works, re.MULTILINE)
    done = run("bench", "report", "render.json", "-o", "page.md")
    assert done.returncode == 0
    page = (run.folder / "page.md").read_text("utf-8")
    assert re.search(r"^0\.2 s: sound to frames is \d+\.\d times as fast", page, re.MULTILINE)
    assert stages.count(" %\n") == 5
    of_the_rest = "Of a frame whose face was seen before, what the network still does is 0.00 GFLOP"
    assert of_the_rest in page
    assert of_the_rest in " ".join(stages.split())


@pytest.mark.waiting
@pytest.mark.parametrize(("output", "most"), [("h264", 2), ("jpeg", 1)])
def test_live_streams_are_tried_one_more_after_the_other(
    run: CommandLine, output: str, most: int
) -> None:
    size = ("--seconds", "4", "--most", str(most), "--output", output)
    outputs = ("--out", "live.json", "--plot", "live.png")
    done = run("bench", "live", "--avatar", "tiny", *size, *outputs)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "Starting a server.\nStarting the plain reference.\nStreams at once: 1, viseme.\n"
        "Streams at once: 1, plain.\n"
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    figures = json.loads((run.folder / "live.json").read_text("utf-8"))
    ours, plain = figures["runs"][:2]
    for way, first in (("viseme", ours), ("plain", plain)):
        assert (first["way"], first["streams"]) == (way, 1)
        assert first["pictures"] == 39  # 4 s less 2 and the look-ahead
        assert first["holds"] == (first["late_ms"]["p99"] <= 40)
        held = (each["holds"] for each in figures["runs"] if each["way"] == way)
        assert figures["streams"][way] == sum(held)
    assert cv2.imread(str(run.folder / "live.png")) is not None
    assert run("bench", "report", "live.json", "-o", "page.md").returncode == 0
    page = (run.folder / "page.md").read_text("utf-8")
    assert "## Live streams at once" in page
    assert all(f"| 1 | {way} | " in page for way in ("viseme", "plain"))


@pytest.mark.waiting
def test_live_streams_of_another_network(run: CommandLine, tmp_path: Path) -> None:
    model = window_painter(tmp_path / "other.onnx")
    size = ("--seconds", "4", "--most", "1")
    done = run("bench", "live", "--avatar", "tiny", "--model", str(model), *size, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["options"]["network"] == "other.onnx"
    assert [each["way"] for each in figures["runs"]] == ["viseme", "plain"]


@pytest.mark.waiting
def test_live_streams_of_a_server_that_runs_have_none_beside_them(run: CommandLine) -> None:
    doors = (f"--{door}=127.0.0.1:0" for door in ("grpc", "composite", "http"))
    command = module_command("viseme", "serve", "--json", *doors)
    with serving([*command, "--avatar", str(run.avatars / "tiny")]) as said:
        server = ("--grpc", said["addresses"]["grpc"])
        done = run("bench", "live", *server, "--seconds", "4", "--most", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert [each["way"] for each in json.loads(done.stdout)["runs"]] == ["viseme"]


def test_live_streams_of_what_is_no_network(run: CommandLine) -> None:
    done = run("bench", "live", "--avatar", "tiny", "--model", "no.onnx")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("Error: There is no network at no.onnx")


def test_a_live_server_that_is_not_there(run: CommandLine) -> None:
    done = run("bench", "live", "--grpc", "127.0.0.1:1", "--seconds", "4")
    assert done.returncode == 10
    assert "Traceback" not in done.stderr


def test_lengths_that_are_none(run: CommandLine) -> None:
    done = run("bench", "render", "--seconds", "10,x", "--json")
    assert done.returncode == 2
    assert "is no list of seconds" in done.stderr


def test_a_back_end_that_is_not_there_is_told_for_each_work(run: CommandLine) -> None:
    size = ("--frames", "1", "--workers", "1", "--batches", "1", "--rounds", "1")
    done = run("bench", "engine", "--avatar", "tiny", "--backend", "odd", *size)
    assert done.returncode == 0, done.stderr
    assert "Left out: 1 worker. There is no back end 'odd'" in done.stdout


def test_it_starts_a_server_and_ends_it(run: CommandLine) -> None:
    size = ("--batches", "1", "--rounds", "1", "--clients", "2")
    done = run("bench", "transport", "--avatar", "tiny", *size, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Starting a server.\nWarming up.\nRound 1 of 1.\n"
    figures = json.loads(done.stdout)
    assert figures["server"]["avatars"] == ["tiny"]
    ways = {row["way"]: row for row in figures["ways"]}
    assert set(ways) == {"bare", "client", "generated", "http"}
    for name in ("client", "generated", "http"):
        assert ways[name]["server_ms"]["median"] > 0
        total, overhead = ways[name]["total_ms"]["median"], ways[name]["overhead_ms"]["median"]
        assert 0 < overhead < total
    port = int(figures["server"]["addresses"]["grpc"].rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_cannot_start(run: CommandLine) -> None:
    done = run("bench", "transport", "--model", "no.onnx", "--json")
    assert done.returncode == 10
    message = json.loads(done.stdout)["error"]["message"]
    assert message.startswith(
        "The server that was to be measured did not become ready; its last words: "
    )
    assert "no.onnx" in message
