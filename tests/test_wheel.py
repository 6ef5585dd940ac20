"""The wheel holds everything: in a clean environment it renders the demonstration."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).parents[1]
MOST_BYTES = 40 * 2**20
MOST_MEMORY_BYTES = 1.5e9
# Runs a command, and says after it how much memory that took.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_small_and_complete(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("viseme/")}
    listed = run("git", "ls-files", "src/viseme", cwd=ROOT).split()
    assert held == {name.removeprefix("src/") for name in listed}


@pytest.mark.timeout(600)
def test_the_wheel_renders_the_demonstration(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment)
    # A pip from outside, and nothing compiled beforehand: else that is half of what this takes.
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    command = (environment / "bin" / "viseme", "demo", "-o", "demo.mp4", "--json")
    said = run(sys.executable, "-c", MEASURED, *command, cwd=tmp_path).splitlines()
    report, kilobytes = map(json.loads, said)
    assert report["frames"] > 300
    assert kilobytes * 1024 < MOST_MEMORY_BYTES
    with av.open(str(tmp_path / "demo.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (1280, 720)
        shown_s = sum(1 for _ in video.decode(video=0)) / 25
    with av.open(str(tmp_path / "demo.mp4")) as video:
        heard_s = sum(frame.samples / frame.rate for frame in video.decode(audio=0))
    assert shown_s == pytest.approx(heard_s, abs=0.04 + 2 * 1024 / 16_000)
