import inspect
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import typer.main

import viseme
from support.command_line import CommandLine
from support.probes import window_painter
from viseme.audio import Latency
from viseme.cli.commands import BACKENDS, MeasuredLatency, app
from viseme.engine import BACKEND_NAMES

PLAIN = ("-a", "tiny", "--backend", "onnxruntime")


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_render_says_where_how_long_and_how_fast(run: CommandLine) -> None:
    done = run("render", "speech.wav", *PLAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "speech.mp4\n"
    assert re.fullmatch(
        r"Rendering about 24 frames\.\n"
        r"1\.00 s of video in \d+\.\d\d s: real-time factor \d+\.\d\d, "
        r"\d+\.\d frames a second\.\n"
        r"Ran on onnxruntime; starting up took another \d+\.\d\d s\.\n",
        done.stderr,
    )
    assert run.names == ["speech.mp4", "speech.wav"]


@pytest.mark.parametrize("out", ["a.mp4", "a.webm"])
def test_the_video_has_the_speech_at_its_own_quality(run: CommandLine, out: str) -> None:
    assert run("render", "speech.wav", *PLAIN, "-o", out).returncode == 0
    with av.open(str(run.folder / out)) as container:
        sound = container.streams.audio[0].codec_context
        assert (sound.sample_rate, sound.channels) == (44_100 if out == "a.mp4" else 48_000, 2)
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_a_folder_of_pngs(run: CommandLine) -> None:
    assert run("render", "speech.wav", *PLAIN, "-o", "frames").returncode == 0
    found = sorted(path.name for path in (run.folder / "frames").iterdir())
    assert found == [*(f"frame_{i:06d}.png" for i in range(25)), "sound.wav"]


def test_json_is_one_object_and_nothing_else(run: CommandLine) -> None:
    done = run("render", "speech.wav", *PLAIN, "--json")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert report["out"] == "speech.mp4"
    assert report["frames"] == 25
    assert report["duration_s"] == 1.0
    assert report["real_time_factor"] == pytest.approx(report["elapsed_s"], abs=1e-3)
    assert (report["avatar"], report["size"]) == ("tiny", [400, 360])


def test_speech_comes_through_standard_input(run: CommandLine) -> None:
    done = run("render", "-", *PLAIN, stdin=(run.folder / "speech.wav").read_bytes())
    assert (done.returncode, done.stdout) == (0, "speech.mp4\n")


def test_another_network_and_first_frame(run: CommandLine) -> None:
    window_painter(run.folder / "other.onnx")
    one = run("render", "speech.wav", *PLAIN, "-o", "one", "--start-frame", "3")
    two = run("render", "speech.wav", *PLAIN, "-o", "two", "--model", "other.onnx")
    assert (one.returncode, two.returncode) == (0, 0)
    first = "frame_000000.png"
    assert (run.folder / "one" / first).read_bytes() != (run.folder / "two" / first).read_bytes()


def test_a_cut_off_file_is_rendered_with_a_warning(run: CommandLine) -> None:
    data = (run.folder / "speech.wav").read_bytes()
    (run.folder / "cut.wav").write_bytes(data[: len(data) // 2])
    done = run("render", "cut.wav", *PLAIN)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("Warning")] == [
        "Warning: cut.wav is cut off: of its 1.00 s, the first 0.50 s are used."
    ]
    with av.open(str(run.folder / "cut.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 13


def test_a_tenth_of_a_second(run: CommandLine) -> None:
    soundfile.write(run.folder / "short.wav", np.zeros(1_600), 16_000)
    assert run("render", "short.wav", *PLAIN).returncode == 0
    with av.open(str(run.folder / "short.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_info_of_an_avatar(run: CommandLine) -> None:
    done = run("info", "tiny")
    assert done.stderr == ""
    assert "7 of 400x360" in done.stdout
    assert "320x320" in done.stdout
    facts = json.loads(run("info", "tiny", "--json").stdout)
    assert (facts["name"], facts["frames"], facts["size"]) == ("tiny", 7, [400, 360])


def test_info_of_networks(run: CommandLine) -> None:
    generator = json.loads(run("info", run.avatars / "tiny/generator.onnx", "--json").stdout)
    assert generator["kind"] == "generator"
    assert generator["visual_input"] == ["input", 6, 320, 320]
    encoder = run("info", run.avatars / "tiny/audio_encoder.onnx")
    assert "mel, float32 [B, 1, 80, 16]" in encoder.stdout


def test_avatars_are_listed_with_their_faults(run: CommandLine, tmp_path: Path) -> None:
    broken = tmp_path / "more" / "broken"
    broken.mkdir(parents=True)
    (broken / "avatar.json").write_text("{}")
    run.environment["VISEME_AVATARS"] += os.pathsep + str(broken.parent)
    done = run("avatars")
    assert any(line.startswith("tiny ") for line in done.stdout.splitlines())
    assert "Warning: broken cannot be used: " in done.stderr
    listed = json.loads(run("avatars", "--json").stdout)["avatars"]
    faults = {info["name"]: info["fault"] for info in listed}
    assert faults["tiny"] is None
    assert faults["broken"]


def test_version(run: CommandLine) -> None:
    assert run("--version").stdout == f"viseme {viseme.__version__}\n"
    assert run("--debug", "--version").stdout == f"viseme {viseme.__version__}\n"


@pytest.mark.parametrize(
    "command", [[], ["render"], ["info"], ["avatars"], ["evaluate"], ["distill"]]
)
def test_every_screen_of_help_fits_80_columns(run: CommandLine, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_paragraphs_of_help_are_written_for_80_columns() -> None:
    """After the first of them, which is filled, lines are shown as they are written."""
    commands = [typer.main.get_command(app)]
    while commands:
        command = commands.pop()
        for line in inspect.cleandoc(command.help or "").partition("\n\n")[2].splitlines():
            assert len(line) <= 78, f"{command.name}: {line}"
        commands += getattr(command, "commands", {}).values()


def test_help_names_every_back_end() -> None:
    assert BACKENDS == BACKEND_NAMES


def test_every_latency_can_be_measured(run: CommandLine) -> None:
    assert list(MeasuredLatency) == ["both", *Latency]
    done = run("evaluate", "tiny", "--latency", "none")
    assert done.returncode == 2
    assert "'none' is not one of 'both'" in done.stderr


def test_completion_knows_the_avatars(run: CommandLine) -> None:
    run.environment |= {
        "_VISEME_COMPLETE": "complete_bash",
        "COMP_WORDS": "viseme render speech.wav -a ti",
        "COMP_CWORD": "4",
    }
    assert run().stdout.split() == ["tiny"]


@pytest.mark.parametrize("out", ["long.mp4", "long.webm", "long"])
@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [(signal.SIGINT, 130, "Interrupted; nothing was written.\n"), (signal.SIGTERM, 143, "")],
)
def test_an_interrupt_leaves_nothing(
    run: CommandLine,
    out: str,
    number: signal.Signals,
    code: int,
    sentence: str,
) -> None:
    soundfile.write(run.folder / "long.wav", np.zeros(16_000 * 600, np.int16), 16_000)
    process = run.start("render", "long.wav", *PLAIN, "-o", out)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Rendering about ")
        for _ in range(3):  # impatient people press it more than once
            process.send_signal(number)
            time.sleep(0.01)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (code, "", sentence)
    assert run.names == ["long.wav", "speech.wav"]


def test_an_interrupt_can_be_told_in_json(run: CommandLine) -> None:
    soundfile.write(run.folder / "long.wav", np.zeros(16_000 * 600, np.int16), 16_000)
    process = run.start("render", "long.wav", *PLAIN, "-o", "long", "--json")
    with process:
        while not list(run.folder.glob(".viseme-*/*.png")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert json.loads(stdout)["error"]["exit_code"] == 130
    assert run.names == ["long.wav", "speech.wav"]


def test_a_reader_that_goes_away_is_no_drama(run: CommandLine) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with run.start("avatars", stdout=writing) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (141, "")


def test_a_terminal_gets_a_bar(run: CommandLine) -> None:
    ours, theirs = pty.openpty()
    run.environment["TERM"] = "xterm"
    shown = b""
    with run.start("render", "speech.wav", *PLAIN, stderr=theirs) as process:
        os.close(theirs)
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # what Linux says when the other end is closed
            os.close(ours)
    assert process.returncode == 0
    assert b"Rendering" in shown
    assert b" fps" in shown
    assert b"real-time factor" in shown


def test_importing_and_asking_the_version_load_no_libraries() -> None:
    code = (
        "import sys, viseme, viseme.cli; sys.argv = ['viseme', '--version']; viseme.cli.main(); "
        "print([m for m in ('numpy', 'cv2', 'av', 'onnxruntime', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"viseme {viseme.__version__}\n[]\n"
