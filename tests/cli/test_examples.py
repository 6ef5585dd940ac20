import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import pytest
import soundfile
from google.protobuf import json_format

from support.command_line import CommandLine
from support.grpc_client import open_door
from support.house import open_house
from support.http_service import http_service
from support.server_process import addresses, drain, serving_process
from viseme.audio import read
from viseme.serving.doors.grpc_v1 import v1_handlers
from viseme.wire.messages import lipsync, v1

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """Give a folder with speech, where an avatar `demo` is found even if none is built in."""
    run = CommandLine(tmp_path)
    shutil.copytree(run.avatars / "tiny", run.avatars / "demo")
    return run


@pytest.fixture
def address(run: CommandLine) -> Iterator[str]:
    """The gRPC door of a server with that avatar."""
    with (
        open_house(run.avatars / "demo") as house,
        open_door(house, services=[v1_handlers]) as door,
    ):
        yield str(door.addresses["grpc"])


def run_example(name: str, run: CommandLine, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=run.folder,
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_render_speech(run: CommandLine) -> None:
    assert run_example("render_speech.py", run).startswith("out.mp4: 25 frames, real-time factor ")
    with av.open(str(run.folder / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_frames(run: CommandLine) -> None:
    run_example("frames.py", run)
    assert run.names == ["speech.wav", "still_0.png"]
    assert cv2.imread(str(run.folder / "still_0.png")) is not None


def test_client(run: CommandLine, address: str) -> None:
    lines = run_example("client.py", run, address).splitlines()
    assert lines[0] == "demo: 400x360, 25 pictures a second"
    with av.open(str(run.folder / "out.mp4")) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    assert lines[1:] == [f"out.mp4: {pictures} pictures, {pictures / 25:.2f} s"]


def test_client_batch(run: CommandLine, address: str) -> None:
    made = run("testdata", "faces", "-a", "demo", "--speech", "speech.wav", "--frames", "3")
    assert made.returncode == 0, made.stderr
    said = run_example("client_batch.py", run, address)
    assert re.fullmatch(r"3 faces in \d+\.\d ms\n", said)


def test_live(run: CommandLine, address: str) -> None:
    soundfile.write(run.folder / "speech.wav", read(run.folder / "speech.wav")[:8_000], 16_000)
    lines = run_example("live.py", run, address).splitlines()
    assert re.fullmatch(r"demo speaks; play the sound 0\.\d\d s later\.", lines[0])
    pictures = [name for name in run.names if name.startswith("live_")]
    assert lines[1] == "picture 0 at 0.00 s"
    assert len(lines) == 1 + len(pictures)
    assert len(pictures) >= 10
    assert cv2.imread(str(run.folder / pictures[-1])) is not None


def test_live_socket(run: CommandLine) -> None:
    with open_house(run.avatars / "demo") as house, http_service(house) as service:
        url = f"ws://{service.address.host}:{service.address.port}/v1/live"
        lines = run_example("live_socket.py", run, url).splitlines()
    assert json.loads(lines[0])["type"] == "ready"
    assert lines[1] == "picture 0 at sample 0, a key frame"
    assert json.loads(lines[-1])["next_index"] == len(lines) - 2 == 24
    with av.open(str(run.folder / "live.h264"), format="h264") as film:
        assert sum(1 for _ in film.decode(video=0)) == 24


def test_shell(run: CommandLine) -> None:
    started = ("-a", "demo", "--backend", "onnxruntime", "--json")
    with serving_process(run.folder, run.environment, *started) as process:
        drain(process)
        doors = addresses(process)
        done = subprocess.run(
            ["sh", EXAMPLES / "shell.sh", doors["http"], doors["grpc"]],
            cwd=run.folder,
            env=run.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    health, ready, avatars, *rest = done.stdout.splitlines()
    assert json.loads(health)["status"] == "healthy"
    assert json.loads(ready) == {"status": "ready"}
    assert [avatar["name"] for avatar in json.loads(avatars)["avatars"]] == ["demo"]
    with av.open(str(run.folder / "shell.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
    if shutil.which("grpcurl") is None:
        assert rest == ["grpcurl is not installed; its part is left out."]


def test_the_shell_example_calls_what_there_is() -> None:
    script = (EXAMPLES / "shell.sh").read_text("utf-8")
    calls = re.findall(r"grpcurl -plaintext(?: -d (\S+|'[^']*'))? \"\$grpc\" (\S+)/(\S+)", script)
    assert len(calls) == 6
    for data, service, name in calls:
        if service.startswith("grpc."):
            continue
        file = lipsync if service.startswith("lipsync.") else v1
        method = file.DESCRIPTOR.services_by_name[service.rpartition(".")[2]].methods_by_name[name]
        request = getattr(file, method.input_type.name)
        if data.startswith("'"):
            json_format.Parse(data.strip("'"), request())
    (clip,) = re.findall(r"printf '(.*)' \"\$sound\"", script)
    json_format.Parse(clip % "AAAA", v1.RenderRequest())


def test_every_example_is_run_here() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.*") if path.suffix != ".md"} <= tested
