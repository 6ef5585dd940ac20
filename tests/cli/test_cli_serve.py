"""`viseme serve` as its users run it: a process, real sockets, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import viseme
from support.command_line import CommandLine
from support.programs import install
from support.server_process import FREE_PORTS, PATIENCE_S, addresses, drain, serving_process
from viseme.serving.process import raise_file_limit

PLAIN = ("-a", "tiny", "--backend", "onnxruntime")


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def get(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def test_it_says_what_it_serves_and_where_then_answers(run: CommandLine) -> None:
    run.environment["VISEME_SERVE_SPEECH__SYNTHESIZER"] = "none"
    with serving_process(run.folder, run.environment, *PLAIN) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(9)]
        names = [line.split()[0] for line in lines[1:]]
        assert lines[0].startswith("viseme ")
        doors = ["grpc", "composite", "http"]
        assert names == ["avatars", "network", "voice", *doors, "limits", "memory"]
        assert "generator.onnx on onnxruntime" in lines[2]
        assert lines[3].endswith("none: there is nothing on this machine that says texts")
        assert max(map(len, lines)) <= 80
        address = lines[6].split()[1]
        assert json.loads(get(address, "/health"))["status"] == "healthy"


def test_it_says_which_voice_there_is(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    install(run.folder, "flite", "echo 'Voices available: kal slt'", monkeypatch)
    run.environment["PATH"] = os.environ["PATH"]
    run.environment["VISEME_SERVE_SPEECH__SYNTHESIZER"] = "flite"
    with serving_process(run.folder, run.environment, *PLAIN) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split(maxsplit=1) for _ in range(4)]
    assert lines[3] == ["voice", "slt of flite's 2\n"]


def test_a_voice_that_is_not_there_is_one_sentence(run: CommandLine) -> None:
    run.environment["VISEME_SERVE_SPEECH__SYNTHESIZER"] = "hal"
    done = run("serve", *PLAIN, *FREE_PORTS)
    assert done.returncode == 14
    assert done.stderr.startswith("Error: There is no synthesizer 'hal'; there are espeak-ng, ")
    assert done.stderr.count("\n") == 1


@pytest.mark.waiting
def test_a_thousand_at_each_door_that_say_nothing_are_closed(run: CommandLine) -> None:
    raise_file_limit()
    with (
        serving_process(run.folder, run.environment, *PLAIN, "--json") as process,
        ExitStack() as stack,
    ):
        drain(process)
        doors = addresses(process)
        silent = [
            stack.enter_context(socket.create_connection((host, int(port))))
            for host, _, port in (address.rpartition(":") for address in doors.values())
            for _ in range(1000)
        ]
        client = stack.enter_context(viseme.Client(doors["grpc"]))
        assert client.health().healthy
        for line in silent:
            line.settimeout(PATIENCE_S)
            with suppress(ConnectionError):
                while line.recv(2**16):  # what is too many is told so first
                    pass
        assert client.health().healthy
        assert json.loads(get(doors["http"], "/health"))["status"] == "healthy"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_well(run: CommandLine, name: str) -> None:
    with serving_process(run.folder, run.environment, *PLAIN, "--json") as process:
        doors = addresses(process)
        assert get(doors["http"], "/readyz")
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        assert "what runs may finish" in err
        for address in doors.values():
            host, _, port = address.rpartition(":")
            with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
                probe.connect((host, int(port)))


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_service_manager_is_told_how_it_is_doing(run: CommandLine, is_abstract: bool) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,  # the name of a socket may have 107 bytes
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        name = f"{folder}/notify"
        manager.bind("\0" + name if is_abstract else name)
        manager.settimeout(PATIENCE_S)
        run.environment["NOTIFY_SOCKET"] = "@" + name if is_abstract else name
        with serving_process(run.folder, run.environment, *PLAIN, "--json") as process:
            assert manager.recv(1024).startswith(b"READY=1\nSTATUS=Ready after ")
            assert get(addresses(process)["http"], "/readyz")
            process.terminate()
            assert manager.recv(1024).startswith(b"STOPPING=1\n")
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


def test_it_serves_where_the_service_manager_has_gone(run: CommandLine) -> None:
    run.environment["NOTIFY_SOCKET"] = str(run.folder / "nothing")
    with serving_process(run.folder, run.environment, *PLAIN, "--json") as process:
        assert get(addresses(process)["http"], "/readyz")


def test_a_taken_port_is_one_sentence(run: CommandLine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        done = run("serve", *PLAIN, *FREE_PORTS[:4], "--http", taken)
    assert done.returncode == 12
    assert done.stderr.startswith(f"Error: {taken} ")
    assert done.stderr.count("\n") == 1


def test_an_unknown_key_is_one_sentence(run: CommandLine) -> None:
    (run.folder / "viseme.toml").write_text("[listen]\ngrcp = '127.0.0.1:1'\n")
    done = run("serve", "--config", "viseme.toml")
    assert done.returncode == 12
    assert "grcp" in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_override_the_environment_and_the_file(run: CommandLine) -> None:
    (run.folder / "viseme.toml").write_text(
        "[limits]\nclips = 3\nstreams = 2\n[listen]\nhttp = '127.0.0.1:7001'\n"
    )
    run.environment["VISEME_SERVE_LIMITS__CLIPS"] = "4"
    run.environment["VISEME_SERVE_LISTEN__HTTP"] = "127.0.0.1:7002"
    done = run("serve", "-c", "viseme.toml", "--http", "127.0.0.1:7003", "--print-config")
    assert done.returncode == 0, done.stderr
    for line in ("streams = 2", "clips = 4", 'http = "127.0.0.1:7003"'):
        assert line in done.stdout.splitlines()
