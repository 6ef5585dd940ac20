"""Every kind of bad input: one sentence, its own exit code, and nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.command_line import PROGRAM, CommandLine
from support.probes import noisy_generator
from viseme.video import write_video

SOUNDS = "give a WAV, FLAC, MP3, M4A, Ogg or WebM file, or a video with sound."
NO_HEADER = f"cannot be decoded, it is no sound or its header is damaged: {SOUNDS}"
ENDINGS = "use .mp4, .webm, or a name without an ending for a folder of PNGs."
TOO_LONG = 300 * "a"
RENDER = ("render", "speech.wav", "-a", "tiny")


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """Give a command line in a folder that is full of bad files."""
    run = CommandLine(tmp_path)
    folder, tiny = run.folder, run.avatars / "tiny"
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("keep")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound")
    (folder / "header.wav").write_bytes((folder / "speech.wav").read_bytes()[:44])
    (folder / "old.mp4").write_bytes(b"old")
    write_video([np.zeros((64, 64, 3), np.uint8)] * 5, None, folder / "mute.mp4")
    broken = np.zeros(16_000, np.float32)
    broken[8_000] = np.nan
    soundfile.write(folder / "nan.wav", broken, 16_000, subtype="FLOAT")
    (folder / "encoder.onnx").write_bytes((tiny / "audio_encoder.onnx").read_bytes())
    (folder / "generator.onnx").write_bytes((tiny / "generator.onnx").read_bytes())
    noisy_generator(folder / "small.onnx", size=160)
    (folder / "torn").mkdir()
    (folder / "torn" / "avatar.json").write_text('{"format":')
    return run


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("render", "none.wav", "-a", "tiny"), 3, "none.wav does not exist: check the path."),
        (
            ("render", TOO_LONG, "-a", "tiny", "-o", "a.mp4"),
            3,
            f"{TOO_LONG} cannot be read (File name too long): check the path and disk.",
        ),
        (("render", "full", "-a", "tiny"), 3, f"full is a folder: {SOUNDS}"),
        (("render", "empty.wav", "-a", "tiny"), 3, f"empty.wav {NO_HEADER}"),
        (("render", "text.wav", "-a", "tiny"), 3, f"text.wav {NO_HEADER}"),
        (
            ("render", "header.wav", "-a", "tiny"),
            3,
            "header.wav has no sound that can be decoded: record or export it again.",
        ),
        (("render", "mute.mp4", "-a", "tiny"), 3, f"mute.mp4 has no sound: {SOUNDS}"),
        (("render", "-", "-a", "tiny"), 3, f"The sound {NO_HEADER}"),
        (
            ("render", "nan.wav", "-a", "tiny"),
            3,
            "nan.wav has a sample that is not a finite number, or far too large, at 0.500 s: "
            "repair the recording, or export it again as 16-bit WAV.",
        ),
        (("render", "speech.wav", "-a", "nobody"), 4, "There is no avatar 'nobody'; there are: "),
        (
            ("render", "speech.wav", "-a", "full"),
            4,
            "full is not an avatar: it has no avatar.json; give the folder that has it.",
        ),
        (("render", "speech.wav", "-a", "torn"), 4, "avatar.json is not valid JSON: "),
        (("render", "speech.wav", "-a", TOO_LONG), 4, f"There is no avatar '{TOO_LONG}'; there "),
        (("info", TOO_LONG), 4, f"There is no avatar '{TOO_LONG}'; there are: "),
        (("info", "nobody"), 4, "There is no avatar 'nobody'; there are: "),
        ((*RENDER, "--model", "no.onnx"), 5, "There is no network at no.onnx; check the path."),
        ((*RENDER, "--model", "text.wav"), 5, "text.wav is not a network in ONNX, or is damaged; "),
        (
            (*RENDER, "--model", "encoder.onnx"),
            5,
            "encoder.onnx is not a generator of a known family: expected ",
        ),
        (
            (*RENDER, "--model", "small.onnx"),
            5,
            "small.onnx hears windows of [16, 32, 32], and the audio encoder gives [32, 16, 16]: "
            "use a generator that was trained with such an encoder.",
        ),
        (
            (*RENDER, "--audio-encoder", "generator.onnx"),
            5,
            "generator.onnx is not an audio encoder: expected ",
        ),
        (("info", "no.onnx"), 5, "There is no network at no.onnx; check the path."),
        (
            (*RENDER, "--backend", "magic"),
            6,
            "There is no back end 'magic'; choose auto, onnxruntime, cuda, cuda-fp16, tensorrt, "
            "openvino or openvino-bf16.",
        ),
        (
            (*RENDER, "-o", "a.avi"),
            7,
            f"Cannot write 'a.avi': viseme knows no '.avi' files; {ENDINGS}",
        ),
        ((*RENDER, "-o", "none/a.mp4"), 7, "Cannot write 'none/a.mp4': there is no folder "),
        (
            (*RENDER, "-o", "old.mp4/"),
            7,
            "Cannot write the folder 'old.mp4': a file has that name; remove it or choose "
            "another name.",
        ),
        (
            (*RENDER, "-o", "full"),
            7,
            "The folder 'full' is not empty; empty it or choose another name.",
        ),
        (
            ("render", "mute.mp4", "-a", "tiny", "-o", "mute.mp4"),
            7,
            "'mute.mp4' is the speech itself; choose another name for the result.",
        ),
    ],
    ids=lambda value: " ".join(value)[:80] if isinstance(value, tuple) else "",
)
def test_bad_input(run: CommandLine, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    before = content(run.folder)
    done = run(*arguments, "--json")
    line = done.stderr.strip()
    assert line.startswith(f"Error: {sentence}")
    if sentence.endswith("."):
        assert line == f"Error: {sentence}"
    assert "\n" not in line
    assert "Traceback" not in line
    assert done.returncode == code
    assert json.loads(done.stdout)["error"]["message"] == line.removeprefix("Error: ")
    assert content(run.folder) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("render",), "Missing argument 'SPEECH'"),
        (("render", "speech.wav", "--start-frame", "-1"), "Invalid value for '--start-frame'"),
        (("render", "speech.wav", "--frob"), "No such option: --frob"),
        (("frob",), "No such command 'frob'"),
    ],
)
def test_a_wrong_command_line(run: CommandLine, arguments: tuple[str, ...], sentence: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80


def test_debug_shows_where_it_happened(run: CommandLine) -> None:
    done = run("render", "none.wav", "-a", "tiny", "--debug")
    assert done.returncode == 3
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("Error: none.wav does not exist: check the path.\n")


def test_a_fault_of_ours_is_no_traceback_either(run: CommandLine) -> None:
    # A module that is not what it should be stands for any fault of ours.
    code = "import sys; sys.modules['viseme.cli.screens'] = sys; "
    done = subprocess.run(
        [sys.executable, "-c", code + PROGRAM[-1], "avatars"],
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Something went wrong that viseme did not expect (Imp")
    assert "\n" not in done.stderr.strip()


@pytest.mark.parametrize(
    ("command", "what"), [("evaluate", "Evaluating"), ("distill", "Distilling")]
)
def test_the_studio_needs_the_training_extra(run: CommandLine, command: str, what: str) -> None:
    # What an import finds where a library is not installed.
    code = "import sys; sys.modules.update(dict.fromkeys(('torch', 'skia', 'matplotlib'))); "
    done = subprocess.run(
        [sys.executable, "-c", code + PROGRAM[-1], command, "tiny", "--out", "docs"],
        cwd=run.folder,
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 8
    assert done.stderr.startswith(f"Error: {what} needs the training extra (")
    assert done.stderr.endswith("); install it: pip install 'viseme[train]'.\n")


def test_a_report_that_cannot_be_written(run: CommandLine) -> None:
    for library in ("torch", "skia", "matplotlib"):
        pytest.importorskip(library, reason="the studio is not installed")
    done = run("evaluate", "tiny", "--out", "old.mp4")
    assert done.returncode == 7
    assert done.stderr == (
        "Error: Cannot write 'old.mp4': file exists; choose another place, or another kind of "
        "file.\n"
    )


def test_what_cannot_be_distilled(run: CommandLine) -> None:
    for library in ("torch", "skia"):
        pytest.importorskip(library, reason="the studio is not installed")
    done = run("distill", "tiny", "--out", "old.mp4", "--speech", "speech.wav")
    assert (done.returncode, done.stderr) == (
        7,
        "Error: old.mp4 is there already; remove it or choose another folder.\n",
    )
    done = run("distill", "tiny", "--out", "new", "--speech", "speech.wav")
    assert done.returncode == 3
    assert "Error: There is too little speech to learn from, " in done.stderr
    done = run("distill", "tiny", "--out", "new", "--speech", "gone.wav")
    assert done.returncode == 3
    assert "gone.wav" in done.stderr
    soundfile.write(run.folder / "long.wav", np.zeros(20 * 8 * 16_000, np.int16), 16_000)
    done = run(*("distill", "tiny", "--out", "new", "--speech", "long.wav", "--model", "gone.onnx"))
    assert done.returncode == 5
    assert "gone.onnx" in done.stderr
    assert not (run.folder / "new").exists()


def test_a_disk_that_fills_up(run: CommandLine) -> None:
    before = content(run.folder)
    command = 'ulimit -f 16; exec "$@"'  # blocks of 512 bytes or of 1024
    done = subprocess.run(
        ["sh", "-c", command, "sh", *PROGRAM, *RENDER, "-o", "old.mp4"],
        cwd=run.folder,
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1] == (
        "Error: Cannot write 'old.mp4': the file would be larger than this system allows; "
        "choose another place."
    )
    assert content(run.folder) == before


def test_a_wrong_command_line_is_told_in_json_too(run: CommandLine) -> None:
    done = run("render", "--nonsense", "--json")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == 2


def test_a_file_that_may_not_be_read(run: CommandLine) -> None:
    (run.folder / "speech.wav").chmod(0)
    done = run(*RENDER, "-o", "a.mp4")
    assert done.returncode == 3
    assert done.stderr == "Error: speech.wav may not be read: change its permissions.\n"


def test_a_folder_that_cannot_be_written(run: CommandLine) -> None:
    (run.folder / "closed").mkdir(mode=0o500)
    done = run(*RENDER, "-o", "closed/a.mp4")
    assert done.returncode == 7
    assert done.stderr == (
        "Error: Cannot write 'closed/a.mp4': this folder cannot be written; choose another "
        "place or change its rights.\n"
    )
