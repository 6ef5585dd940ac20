"""Nothing at run time reaches the network, or leaves anything in the user's home."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import PROGRAM, CommandLine

# With these in the environment, libraries keep quiet by themselves.
QUIETING = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
# What it raises may be caught, so it goes to a file; children of the process inherit it. Libraries
# in other languages are not seen so, but by what they keep in the user's home.
WATCHED = """
import sys

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        with open("network.txt", "a") as log:
            log.write(f"{event} {arguments}\\n")

sys.addaudithook(watch)
"""


def run_watched(run: CommandLine, home: Path, code: str, *arguments: str) -> None:
    home.mkdir()
    for name in QUIETING:
        run.environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code, *arguments],
        cwd=run.folder,
        env={**run.environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["auto", "onnxruntime", "openvino"])
def test_rendering_reaches_no_network(tmp_path: Path, backend: str) -> None:
    run = CommandLine(tmp_path)
    home = tmp_path / "home"
    arguments = ("render", "speech.wav", "-a", "tiny", "--backend", backend)
    run_watched(run, home, PROGRAM[-1], *arguments)
    assert run.names == ["speech.mp4", "speech.wav"]
    assert not list(home.iterdir())


def test_what_is_watched_is_seen(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    code = "import socket; socket.getaddrinfo('localhost', 80)"
    run_watched(run, tmp_path / "home", code)
    assert "network.txt" in run.names
