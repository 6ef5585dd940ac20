"""What the README shows works as it is written."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import av
import pytest
import soundfile

from support.server_process import addresses, serving_process
from viseme.audio import read

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SPEECH = ROOT / "src" / "viseme" / "data" / "speech" / "demo.flac"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shell_lines() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.strip()]


@pytest.fixture(autouse=True)
def cache_dir(session_cache_dir: Path) -> Path:
    """Let each command know what was chosen for the one before, as its user's would."""
    return session_cache_dir


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    second = read(SPEECH)[16_000:32_000]
    soundfile.write(folder / "speech.wav", second, 16_000)
    for other in ("talk.wav", "talk.mp3", "talk.m4a"):  # what a file holds counts, not its name
        shutil.copy(folder / "speech.wav", folder / other)
    (folder / "path" / "to").mkdir(parents=True)
    with as_file(files("viseme") / "data" / "avatars" / "demo") as demo:
        shutil.copytree(demo, folder / "path" / "to" / "avatar")
    return folder


OF_THE_SERVER = ("viseme serve", "viseme client", "curl ")


@pytest.mark.parametrize(
    "line",
    [line for line in shell_lines() if line.startswith("viseme ") and line not in OF_THE_SERVER],
)
def test_a_command_of_the_readme_works(line: str, folder: Path) -> None:
    words = shlex.split(line)
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "-o" in words:
        assert (folder / words[words.index("-o") + 1]).exists()


def test_the_servers_commands_work(folder: Path) -> None:
    """On free ports, for others may have the usual ones; all else is as it is written."""
    serve, curl, client = (line for line in shell_lines() if line.startswith(OF_THE_SERVER))
    assert serve == "viseme serve"
    with serving_process(folder, {**os.environ}, "--json") as process:
        doors = addresses(process)
        assert "http://127.0.0.1:8080/" in curl
        ask = shlex.split(curl.replace("127.0.0.1:8080", doors["http"]))
        subprocess.run([*ask, "--silent", "--fail", "--show-error"], cwd=folder, check=True)
        with av.open(str(folder / "out.mp4")) as video:
            assert len(list(video.decode(video=0))) >= 24
        words = [*shlex.split(client), doors["grpc"], "--runs", "1"]
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "25" in done.stdout


@pytest.mark.parametrize("code", blocks("python"), ids=["three lines", "frames"])
def test_the_python_of_the_readme_works(code: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_frames_of_the_readme_are_those_of_the_examples() -> None:
    assert blocks("python")[1] == (ROOT / "examples" / "frames.py").read_text("utf-8")


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", pages, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert {"demo", "test", "check", "avatar"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} is not there"


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
