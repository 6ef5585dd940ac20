import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import pytest

from support.command_line import CommandLine

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """Give a folder with speech, where an avatar `demo` is found even if none is built in."""
    run = CommandLine(tmp_path)
    shutil.copytree(run.avatars / "tiny", run.avatars / "demo")
    return run


def run_example(name: str, run: CommandLine) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
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


def test_every_example_is_run_here() -> None:
    tested = {name.removeprefix("test_") + ".py" for name in globals() if name.startswith("test_")}
    assert {path.name for path in EXAMPLES.glob("*.py")} <= tested
