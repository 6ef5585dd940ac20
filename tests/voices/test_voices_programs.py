"""Programs that speak well, that fail, that hang, and that never end."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from support.programs import install
from viseme.errors import InputError, VoiceError
from viseme.voices import Speaker, Stop, VoiceSettings, find_speaker
from viseme.voices.program import run_program

PROGRAMS = {"flite": 16_000, "espeak-ng": 22_050}
LONG_S = 60.0
pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def speaker_of(name: str, **options: object) -> Speaker:
    if name in PROGRAMS and shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    speaker = find_speaker(name, **options)  # type: ignore[arg-type]
    assert speaker is not None
    return speaker


def spoken(speaker: Speaker, text: str, voice: str = "") -> tuple[np.ndarray, int]:
    """Give all of a text's sound, and its rate."""
    sounds = list(speaker.speak(speaker.utterance(text, voice)))
    rates = {sound.rate_hz for sound in sounds}
    assert len(rates) == 1
    return np.concatenate([sound.samples for sound in sounds]), rates.pop()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_sentence_is_spoken(name: str) -> None:
    speaker = speaker_of(name)
    samples, rate_hz = spoken(speaker, "Hello there. This is a second sentence.")
    assert samples.dtype == np.float32
    assert rate_hz == PROGRAMS[name]
    assert 1.5 < len(samples) / rate_hz < 6
    assert 0.1 < np.abs(samples).max() <= 1
    # Half of a text is half of its sound.
    half, _ = spoken(speaker, "Hello there.")
    assert 0.1 < len(half) / len(samples) < 0.7


@pytest.mark.parametrize("name", PROGRAMS)
def test_voices_differ(name: str) -> None:
    speaker = speaker_of(name)
    first, second = speaker.voices[:2]
    one, _ = spoken(speaker, "Hello there.", first)
    other, _ = spoken(speaker, "Hello there.", second)
    assert len(one) != len(other)
    same, _ = spoken(speaker, "Hello there.")
    assert np.array_equal(one, same)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    "text",
    [
        "-h",
        "--version",
        "-o /tmp/x",
        "/etc/passwd",
        "$(reboot) `reboot` ; reboot | reboot & reboot",
        "one\ntwo\0three\x01five",
        "<speak><audio src='/etc/passwd'/>hi & bye</speak>",
        "[[h@'loU]] \\{x}",
        "%s%n%d",
        "日本語 😀 ñ",
    ],
)
def test_any_text_is_words_and_nothing_else(name: str, text: str) -> None:
    samples, rate_hz = spoken(speaker_of(name), text)
    assert 0.1 < len(samples) / rate_hz < 30


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_long_text_comes_in_pieces(name: str) -> None:
    speaker = speaker_of(name, text_characters=10_000, sound_s=20.0)
    utterance = speaker.utterance(("This is a sentence that is said again. " * 260)[:10_000])
    seconds: list[float] = []
    sounds = speaker.speak(utterance)
    with pytest.raises(VoiceError, match=r"^The text takes more than 20 s to say, and what is"):
        seconds.extend(len(sound.samples) / sound.rate_hz for sound in sounds)
    assert max(seconds) < 10
    assert 10 < sum(seconds) <= 20


def test_a_voice_that_there_is_not() -> None:
    with pytest.raises(InputError, match=r"^There is no voice '-o' here; those of flite are slt,"):
        speaker_of("flite").utterance("Hello", "-o")
    with pytest.raises(VoiceError, match=r"^flite has no voice 'x'; among its voices are slt, "):
        speaker_of("flite", voice="x")


def test_the_best_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_speaker() is None
    with pytest.raises(VoiceError, match=r"^flite is not installed, or has no voices; install it"):
        find_speaker("flite")
    install(tmp_path, "flite", "echo 'Voices available: kal slt awb_time'", monkeypatch)
    found = find_speaker()
    assert found is not None
    assert (found.name, found.voices) == ("flite", ("slt", "kal"))
    assert find_speaker("none") is None
    rows = "Pty Language\\n 5 af x\\n 2 en-us x\\n 5 af x"
    install(tmp_path, "espeak-ng", f"printf '{rows}'", monkeypatch)
    found = find_speaker(voice="af")
    assert found is not None
    assert (found.name, found.voices) == ("espeak-ng", ("af", "en-us"))
    with pytest.raises(
        VoiceError, match=r"^There is no synthesizer 'x'; there are .*auto and none"
    ):
        find_speaker("x")


def model(folder: Path, about: object) -> Path:
    path = folder / "amy.onnx"
    path.write_bytes(b"")
    (folder / "amy.onnx.json").write_text(json.dumps(about))
    return path


def test_piper_prints_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = model(tmp_path, {"audio": {"sample_rate": 11_025}})
    # Says back what it was called with, and what it was told: a byte is half a sample.
    install(tmp_path, "piper", 'echo "$@" >"$0.called"; cat', monkeypatch)
    found = speaker_of("auto", settings=VoiceSettings(models=(voice,)))
    assert (found.name, found.voices) == ("piper", ("amy",))
    samples, rate_hz = spoken(found, "--odd")
    assert rate_hz == 11_025
    assert np.array_equal(samples * 32768, np.frombuffer(b"--odd\n", "<i2"))
    called = (tmp_path / "piper.called").read_text()
    assert called == f"--model {voice} --output-raw\n"


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({}, "does not describe a voice of Piper's."),
        ([], "does not describe a voice of Piper's."),
        ({"audio": {"sample_rate": 0}}, "says that the voice speaks at 0 Hz."),
        ({"audio": {"sample_rate": "x"}}, "says that the voice speaks at 'x' Hz."),
    ],
)
def test_what_is_no_voice_of_pipers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: object, sentence: str
) -> None:
    install(tmp_path, "piper", "cat", monkeypatch)
    voice = model(tmp_path, about)
    with pytest.raises(VoiceError) as refused:
        find_speaker(settings=VoiceSettings(models=(voice,)))
    assert str(refused.value) == f"{voice}.json {sentence}"


def test_a_voice_of_pipers_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = VoiceSettings(models=(tmp_path / "amy.onnx",))
    install(tmp_path, "piper", "cat", monkeypatch)
    with pytest.raises(VoiceError, match=r"^The voice .*amy\.onnx cannot be read: No such file"):
        find_speaker(settings=settings)


FAULTS = {
    "fails": (
        "echo 'first'; echo 'No such voice.' >&2; exit 3",
        "piper has failed (No such voice)",
    ),
    "fails without a word": ("exit 3", "piper has failed (exit code 3)"),
    "crashes": ("kill -SEGV $$", "piper has failed (signal 11)"),
    "gives nothing": ("exec sleep 1000", "piper has given nothing for 0.5 s, and was ended"),
    "has a child that does": ("sleep 1000; echo", "piper has given nothing for 0.5 s"),
    "stops in the middle": ("echo; exec sleep 1000", "piper has given nothing for 0.5 s"),
    "is silent about it": ("exec >&-; exec sleep 1000", "piper does not end, and was ended"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_programs_that_do_not_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    script, sentence = FAULTS[case]
    voice = model(tmp_path, {"audio": {"sample_rate": 16_000}})
    install(tmp_path, "piper", f'echo $$ >"$0.pid"; {script}', monkeypatch)
    found = speaker_of("piper", settings=VoiceSettings(models=(voice,), timeout_s=0.5))
    with pytest.raises(VoiceError) as failed:
        list(found.speak(found.utterance("Hello")))
    assert str(failed.value).startswith(sentence)
    assert_gone(int((tmp_path / "piper.pid").read_text()))


def test_a_program_that_is_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = model(tmp_path, {"audio": {"sample_rate": 16_000}})
    install(tmp_path, "piper", "cat", monkeypatch)
    found = speaker_of("piper", settings=VoiceSettings(models=(voice,)))
    (tmp_path / "piper").write_bytes(b"\x7fELF")
    with pytest.raises(VoiceError, match=r"^piper cannot be started: Exec format error\.$"):
        list(found.speak(found.utterance("Hello")))


@pytest.mark.parametrize("first", ["", "echo; "])
def test_a_program_is_ended_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    voice = model(tmp_path, {"audio": {"sample_rate": 16_000}})
    os.mkfifo(tmp_path / "begun")
    install(tmp_path, "piper", f'echo $$ >"{tmp_path}/begun"; {first}sleep 1000', monkeypatch)
    found = speaker_of("piper", settings=VoiceSettings(models=(voice,), timeout_s=LONG_S))
    stop, pids = Stop(), []

    def end() -> None:
        pids.append(int((tmp_path / "begun").read_text()))
        stop.set()

    other = threading.Thread(target=end)
    other.start()
    assert list(found.speak(found.utterance("Hello"), stop)) == []
    other.join()
    assert_gone(pids[0])


def test_a_program_without_end_waits_and_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os\nprint(os.getpid())\nwhile 1: print('x' * 9999)"]
    blocks = run_program(command, "", name="it", timeout_s=LONG_S, stop=Stop())
    with closing(blocks):
        pid = int(next(blocks).split()[0])
        assert alive(pid)
    assert_gone(pid)


def test_nothing_begins_where_nobody_listens() -> None:
    found = speaker_of("flite")
    stop = Stop()
    stop.set()
    assert list(found.speak(found.utterance("Hello"), stop)) == []


def test_what_is_no_wave_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "Pty Language\\n 2 en-us x"
    install(
        tmp_path,
        "espeak-ng",
        f"[ $1 = --voices ] && printf '{rows}' || head -c 9999 /dev/zero",
        monkeypatch,
    )
    found = speaker_of("espeak-ng")
    with pytest.raises(VoiceError, match=r"^espeak-ng gives no WAV file of 16 bits and one"):
        list(found.speak(found.utterance("Hello")))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_gone(pid: int) -> None:
    """See that a process ends: killing takes the system a moment."""
    until(lambda: not alive(pid))


def until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
