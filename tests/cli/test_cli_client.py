"""`viseme client` and `viseme testdata`, as processes, against a server that answers at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from support.command_line import CommandLine
from support.scripted_server import ScriptedServer, identity_answer, refuse
from viseme.wire import services
from viseme.wire.messages import lipsync


def health(_: bytes, context: grpc.ServicerContext) -> bytes:
    sent = dict(context.invocation_metadata())
    if sent.get("authorization") not in (None, "Bearer s3cret"):
        refuse(context, grpc.StatusCode.UNAUTHENTICATED, "The token is missing or wrong.")
    answer = lipsync.HealthResponse(healthy=True, model_path="tiny.onnx")
    return answer.SerializeToString()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    answers = {services.INFER_BATCH.path: identity_answer, services.HEALTH.path: health}
    with ScriptedServer(answers) as server:
        yield server.address


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_a_folder_is_made_and_used(run: CommandLine, address: str) -> None:
    made = run("testdata", "faces", "-a", "tiny", "--speech", "speech.wav", "--frames", "3")
    assert made.returncode == 0, made.stderr
    assert made.stdout == "faces\n"
    assert made.stderr == "3 frames of 320x320, a window for each: 7.5 MB.\n"
    used = run("client", address, "--data", "faces", "--batches", "1,4", "--runs", "2", "--json")
    assert used.returncode == 0, used.stderr
    report = json.loads(used.stdout)
    assert (report["address"], report["model"], report["cuda"]) == (address, "tiny.onnx", False)
    assert (report["data"], report["frames"], report["size"]) == ("faces", 3, 320)
    assert [row["batch"] for row in report["batches"]] == [1, 4]
    for row in report["batches"]:
        assert (row["runs"], row["server_ms"]) == (2, 1.5)
        low, high = row["round_trip_ms_min"], row["round_trip_ms_max"]
        assert 0 < low <= row["round_trip_ms"] <= high
        assert row["overhead_ms"] == pytest.approx(row["round_trip_ms"] - 1.5, abs=0.01)
        assert row["frames_per_s"] == pytest.approx(
            1000 * row["batch"] / row["round_trip_ms"], 0.01
        )
        assert row["frame_ms"] == pytest.approx(row["round_trip_ms"] / row["batch"], abs=0.01)
        assert row["ratio"] == pytest.approx(row["round_trip_ms"] / 1.5, abs=0.01)


def test_testdata_tells_programs_what_it_made(run: CommandLine) -> None:
    made = run("testdata", "faces", "-a", "tiny", "--frames", "2", "--json")
    assert json.loads(made.stdout) == {
        "out": "faces",
        "avatar": "tiny",
        "frames": 2,
        "visual_shape": [2, 6, 320, 320],
        "audio_shape": [2, 32, 16, 16],
    }
    assert (run.folder / "faces" / "visual_input.bin").stat().st_size == 2 * 4 * 6 * 320 * 320


def test_the_built_in_frames_in_a_table(run: CommandLine, address: str) -> None:
    done = run("client", address, "--batches", "5", "--runs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"{address} serves tiny.onnx; 5 frames of 320x320 (built-in frames), medians of 1 after "
        "a warm-up.\n"
    )
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    heads = ["batch", "server ms", "total ms", "overhead ms", "frame ms", "frames/s", "ratio"]
    assert re.split(r" {2,}", lines[0].strip()) == heads
    assert re.fullmatch(r" +5 +1\.5( +\d+\.\d+){5} *", lines[2])


def test_a_token_comes_from_a_file(run: CommandLine, address: str) -> None:
    (run.folder / "token").write_text("s3cret\n", "utf-8")
    short = ("--batches", "1", "--runs", "1", "--token-file")
    assert run("client", address, *short, "token").returncode == 0
    (run.folder / "token").write_text("wrong\n", "utf-8")
    refused = run("client", address, *short, "token")
    assert refused.returncode == 13
    assert refused.stderr == "Error: The token is missing or wrong.\n"
    (run.folder / "token").write_text("name: s3cret\n", "utf-8")
    refused = run("client", address, *short, "token")
    assert refused.returncode == 12
    assert refused.stderr == (
        "Error: The token file token should hold one token, and nothing else.\n"
    )
    refused = run("client", address, *short, "none")
    assert refused.stderr == (
        "Error: The token file none cannot be read: No such file or directory; check the path and "
        "the file's rights.\n"
    )


def test_nobody_is_there(run: CommandLine) -> None:
    with ScriptedServer() as server:
        gone = server.address
    done = run("client", gone, "--json")
    assert done.returncode == 10
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["exit_code"]) == ("UnavailableError", 10)
    assert error["message"].startswith(f"No server can be reached at {gone} (")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("localhost",), "address is 'localhost'; it must be host:port"),
        (("--batches", "1,x"), "'1,x' is no list such as 1,5,10,25"),
        (("--batches", "0"), "'0' is no list such as 1,5,10,25"),
        (("--key", "a.key"), "certificate and key go together; give both or neither"),
    ],
)
def test_a_wrong_command_line(run: CommandLine, arguments: tuple[str, ...], fault: str) -> None:
    done = run("client", *arguments)
    assert done.returncode == 2
    assert fault in " ".join(done.stderr.replace("│", " ").split())


def test_data_that_is_cut_off(run: CommandLine, address: str) -> None:
    run("testdata", "faces", "-a", "tiny", "--frames", "1")
    np.zeros(5, np.float32).tofile(run.folder / "faces" / "visual_input.bin")
    done = run("client", address, "--data", "faces")
    assert done.returncode == 3
    assert done.stderr == (
        "Error: faces/visual_input.bin has 20 bytes, which is no whole number of [6, 320, 320] "
        "float32 (2457600 bytes each): it is cut off, or metadata.json is of another.\n"
    )
    assert run("testdata", "faces", "-a", "tiny").stderr == (
        "Error: The folder 'faces' is not empty; empty it or choose another name.\n"
    )
    assert run("testdata", "more", "-a", "nobody").returncode == 4
    assert run.names == ["faces", "speech.wav"]
