import io
import os
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.sound_files import encoded, speech
from support.tiny_avatar import make_avatar
from viseme.engine import FakeBackend
from viseme.errors import BackendError, InputError, OutputError
from viseme.rendering import RenderOptions, Speech
from viseme.video import Progress, render_file

PLAIN = RenderOptions(backend="onnxruntime")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")


def noise(seconds: float, rate_hz: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(8)
    return rng.integers(-3_000, 3_000, (round(seconds * rate_hz), 2), dtype=np.int16)


def wave_bytes(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((samples.shape[1], 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return data.getvalue()


def test_the_report_says_what_came_of_it(tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "a.mp4"
    seen: list[Progress] = []
    report = render_file((noise(1.2, 48_000), 48_000), tiny, out, PLAIN, progress=seen.append)
    assert (report.out, report.avatar, report.backend) == (out, "tiny", "onnxruntime")
    assert (report.frames, report.duration_s, report.size) == (30, 1.2, (400, 360))
    assert report.real_time_factor == report.elapsed_s / 1.2
    assert report.start_up_s > 0
    # 1.2 s are 97 mel frames: int(81 / 80 * 25) + 4 feature vectors, one frame each.
    assert seen == [Progress(count, 29) for count in range(30)]


def test_every_form_of_speech_gives_the_same_file(tmp_path: Path, tiny: Path) -> None:
    samples = noise(0.5, 16_000)
    path = tmp_path / "speech.wav"
    path.write_bytes(wave_bytes(samples, 16_000))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=[path.read_bytes()])
    writing.start()
    with path.open("rb") as file:
        forms: list[Speech] = [path, str(path), file, (samples, 16_000), samples, pipe]
        for number, speech in enumerate(forms):
            render_file(speech, tiny, tmp_path / f"{number}.mp4", PLAIN)
    writing.join()
    assert len({(tmp_path / f"{number}.mp4").read_bytes() for number in range(6)}) == 1


def test_the_sound_is_that_of_the_speech(tmp_path: Path, tiny: Path) -> None:
    samples = noise(1, 22_050)
    render_file((samples, 22_050), tiny, tmp_path / "frames", PLAIN)
    with wave.open(str(tmp_path / "frames" / "sound.wav")) as file:
        back = np.frombuffer(file.readframes(len(samples)), np.int16).reshape(-1, 2)
        assert file.getframerate() == 22_050
    assert np.array_equal(back, samples)


def test_a_stream_in_text_mode_is_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(InputError, match="give a file, or a stream open in binary mode"):
        render_file(io.StringIO("text"), tiny, tmp_path / "a.mp4", PLAIN)  # type: ignore[arg-type]


def test_the_speech_is_never_replaced(tmp_path: Path, tiny: Path) -> None:
    path = tmp_path / "speech.mp4"
    path.write_bytes(wave_bytes(noise(0.5, 16_000), 16_000))
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"is the speech itself; choose another name"):
        render_file(path, tiny, tmp_path / "." / "speech.mp4", PLAIN)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "frames"])
def test_a_failure_midway_leaves_no_file_and_no_thread(
    tmp_path: Path, tiny: Path, name: str
) -> None:
    runs = 0

    def fail_late(inputs: object) -> list[NDArray[np.float32]]:
        nonlocal runs
        runs += 1
        if runs > 30:
            raise BackendError("The device is gone; start again.")
        return [np.zeros((1, 3, 320, 320), np.float32)]

    before = set(threading.enumerate())
    options = RenderOptions(backend=FakeBackend(fail_late), workers=1)
    with pytest.raises(BackendError, match=r"The device is gone; start again\."):
        render_file(noise(5, 16_000), tiny, tmp_path / name, options)
    assert set(threading.enumerate()) <= before
    assert list(tmp_path.iterdir()) == []


def test_a_progress_that_raises_ends_the_render(tmp_path: Path, tiny: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.frames == 5:
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        render_file(noise(5, 16_000), tiny, tmp_path / "a.mp4", PLAIN, progress=stop)
    assert set(threading.enumerate()) <= before
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(tmp_path.glob(".viseme-*"))


@pytest.mark.parametrize(
    ("speech", "fault"),
    [
        (
            (np.zeros(9), 0),
            "sample rate of 0 Hz, which must be a whole number from 1000 to 4000000",
        ),
        (np.array(["a", "b"]), "samples are of type <U1: give integers or floating-point numbers"),
    ],
)
def test_samples_that_are_no_sound_are_refused(
    tiny: Path, tmp_path: Path, speech: Speech, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        render_file(speech, tiny, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


PEAK = """
import resource, sys
import numpy as np
from viseme.rendering import Renderer, RenderOptions
from viseme.video import make_sound, open_video, Target
from viseme.engine import FakeBackend

first, last = map(int, sys.argv[3:])
noise = np.random.default_rng(0).standard_normal(16_000).astype("f4") / 10
black = np.zeros((1, 3, 320, 320), "f4")
options = RenderOptions(backend=FakeBackend(lambda inputs: [black]), workers=1)
sound = make_sound((noise[:, None], 16_000) for _ in range(last))
with Renderer(sys.argv[1], options) as renderer, open_video(
    Target.parse(sys.argv[2]), size=renderer.avatar.size, sound=sound
) as writer:
    for frame in renderer.frames(noise for _ in range(last)):
        writer.write(frame.image)
        if frame.index == 25 * first:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, writer.pictures)
"""


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    small = make_avatar(tmp_path / "small", size=(160, 120), side=64)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, small, tmp_path / "long.mp4", "15", "50"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kilobytes_then, kilobytes, pictures = map(int, done.stdout.split())
    assert pictures == 25 * 50
    # Keeping what one frame has, 3 MB, of every eightieth of the further frames would show.
    assert 1024 * (kilobytes - kilobytes_then) < 30e6


@pytest.mark.parametrize("stated", [True, False])
def test_the_file_knows_whether_the_speech_is_long(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    monkeypatch.setattr("viseme.video.writer.LONG_S", 2.0)
    for seconds in (1, 3):
        out = tmp_path / f"{seconds}.mp4"
        render_file(_speech(seconds, stated=stated), tiny, out, PLAIN)
        assert (b"moof" in out.read_bytes()) == (seconds == 3)


def _speech(seconds: int, *, stated: bool) -> Speech:
    if stated:
        return noise(seconds, 16_000), 16_000
    # As a browser records: nobody knew how long it would be when its header was written.
    return io.BytesIO(encoded("webm", "libopus", speech(seconds), options={"live": "1"}))
