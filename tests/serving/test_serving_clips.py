"""Clips for clients: the frames of the one pipeline, within bounds, with nothing left behind."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from support.house import OpenHouse, open_house
from support.probes import identity_generator
from support.sounds import noise, wave_file
from support.tiny_avatar import make_avatar
from viseme.errors import AvatarError, DeadlineError, InputError
from viseme.rendering import RenderOptions, render
from viseme.serving import Limits
from viseme.serving.clips import (
    ClipHeader,
    ClipPart,
    ClipPicture,
    ClipRequest,
    ClipSummary,
    SoundReader,
    render_clip,
)
from viseme.serving.pictures import PictureFormat, PictureOptions
from viseme.serving.raw_sound import RawSound, SampleFormat
from viseme.video import StreamKind, render_file

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

BGR = PictureOptions(PictureFormat.BGR)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("avatars")
    return [make_avatar(base / "anna"), make_avatar(base / "berta", size=(401, 361))]


def clip(
    house: OpenHouse,
    sound: bytes | SoundReader,
    request: ClipRequest | None = None,
    *,
    limits: Limits | None = None,
    deadline_s: float | None = None,
) -> Iterator[ClipPart]:
    return render_clip(
        house.cast,
        request or ClipRequest(),
        io.BytesIO(sound) if isinstance(sound, bytes) else sound,
        limits=limits or Limits(),
        metrics=house.desk.metrics,
        deadline_s=deadline_s,
    )


def video_of(parts: list[ClipPart]) -> bytes:
    return b"".join(part for part in parts if isinstance(part, bytes))


def pictures_of(parts: list[ClipPart]) -> list[ClipPicture]:
    return [part for part in parts if isinstance(part, ClipPicture)]


@pytest.mark.parametrize(("kind", "name"), [(StreamKind.MP4, "a.mp4"), (StreamKind.WEBM, "a.webm")])
def test_a_video_has_the_pictures_and_the_sound_of_a_file(
    house: OpenHouse, folders: list[Path], tmp_path: Path, kind: StreamKind, name: str
) -> None:
    sound = wave_file(noise(1.2, 48_000, 2), 48_000)
    parts = list(clip(house, sound, ClipRequest(output=kind)))
    assert parts[0] == ClipHeader("anna", 400, 360, 25.0, kind.value)
    assert parts[-1] == ClipSummary(30, 1.2, 29 % 12, ())  # one picture is held
    assert len(parts) > 3
    (tmp_path / "speech.wav").write_bytes(sound)
    options = RenderOptions(backend="onnxruntime")
    report = render_file(tmp_path / "speech.wav", folders[0], tmp_path / name, options)
    assert report.frames == 30
    with (
        av.open(io.BytesIO(video_of(parts)), "r") as streamed,
        av.open(str(tmp_path / name)) as filed,
    ):
        for ours, theirs in zip(streamed.decode(video=0), filed.decode(video=0), strict=True):
            assert ours.time == pytest.approx(theirs.time)
            # x264 does not give the same bits each time for a picture that is all noise.
            difference = ours.to_ndarray(format="gray").astype(int) - theirs.to_ndarray(
                format="gray"
            )
            assert np.abs(difference).mean() < 1
    with (
        av.open(io.BytesIO(video_of(parts)), "r") as streamed,
        av.open(str(tmp_path / name)) as filed,
    ):
        sounds = [
            np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
            for file in (streamed, filed)
        ]
    shared = min(sound.shape[1] for sound in sounds)
    assert abs(sounds[0].shape[1] - sounds[1].shape[1]) < 1_920
    np.testing.assert_array_equal(sounds[0][:, :shared], sounds[1][:, :shared])


def test_pictures_are_those_of_the_pipeline(house: OpenHouse, folders: list[Path]) -> None:
    samples = noise(0.5)
    expected = list(
        render((samples, 16_000), folders[1], RenderOptions(backend="onnxruntime", start_frame=9))
    )
    request = ClipRequest(avatar="berta", output=BGR, start_frame=9)
    parts = list(clip(house, wave_file(samples), request))
    assert parts[0] == ClipHeader("berta", 401, 361, 25.0, "application/octet-stream")
    count = len(expected)
    assert parts[-1] == ClipSummary(count, count / 25, (9 + count) % 12, ())
    for picture, frame in zip(pictures_of(parts), expected, strict=True):
        image = np.frombuffer(picture.data, np.uint8).reshape(361, 401, 3)
        np.testing.assert_array_equal(image, frame.image)
        assert (picture.index, picture.time_s) == (frame.index, frame.time_s)
        assert picture.avatar_frame == frame.avatar_frame


def test_a_video_of_odd_size_says_the_size_that_it_has(house: OpenHouse) -> None:
    parts = list(clip(house, wave_file(noise(0.2)), ClipRequest(avatar="berta")))
    assert parts[0] == ClipHeader("berta", 402, 362, 25.0, "video/mp4")
    with av.open(io.BytesIO(video_of(parts)), "r") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (402, 362)


@pytest.mark.parametrize(
    ("options", "kind"),
    [(PictureOptions(), "image/jpeg"), (PictureOptions(PictureFormat.PNG), "image/png")],
)
def test_pictures_may_be_files(house: OpenHouse, options: PictureOptions, kind: str) -> None:
    parts = list(clip(house, wave_file(noise(0.2)), ClipRequest(output=options)))
    assert isinstance(parts[0], ClipHeader)
    assert parts[0].media_type == kind
    for picture in pictures_of(parts):
        image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (360, 400, 3)


def test_the_next_clip_goes_on_where_one_has_ended(house: OpenHouse) -> None:
    sound = wave_file(noise(0.4))
    first = list(clip(house, sound, ClipRequest(output=BGR, start_frame=2**40)))
    assert isinstance(first[-1], ClipSummary)
    second = clip(house, sound, ClipRequest(output=BGR, start_frame=first[-1].next_frame))
    frames = [picture.avatar_frame for picture in pictures_of([*first, *second])]
    order = [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
    assert frames == [order[(2**40 + place) % 12] for place in range(len(frames))]


@pytest.mark.parametrize(
    ("form", "dtype", "scale", "middle"),
    [
        (SampleFormat.U8, "u1", 2**7, 128),
        (SampleFormat.S16, "<i2", 2**15, 0),
        (SampleFormat.S32, "<i4", 2**31, 0),
        (SampleFormat.F32, "<f4", 1, 0),
    ],
)
def test_raw_sound_is_what_it_is_in_a_file(
    house: OpenHouse, form: SampleFormat, dtype: str, scale: int, middle: int
) -> None:
    samples = noise(0.5, channels=2) // 2**8 * 2**8  # of which eight bits hold all
    raw = (samples / 2**15 * scale + middle).astype(dtype).tobytes()
    request = ClipRequest(output=BGR, raw=RawSound(16_000, 2, form))
    parts = list(clip(house, raw, request))
    assert parts == list(clip(house, wave_file(samples), ClipRequest(output=BGR)))
    assert isinstance(parts[-1], ClipSummary)
    assert parts[-1].warnings == ()


@pytest.mark.parametrize(
    ("rate_hz", "channels", "sentence"),
    [
        (999, 1, "The sound's rate is 999 Hz, which must be from 1000 to 4000000."),
        (4_000_001, 1, "The sound's rate is 4000001 Hz, which must be from 1000 to 4000000."),
        (16_000, 0, "The sound has 0 channels, which must be from 1 to 255."),
        (16_000, 256, "The sound has 256 channels, which must be from 1 to 255."),
    ],
)
def test_raw_sound_that_there_is_not(rate_hz: int, channels: int, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        RawSound(rate_hz, channels)
    assert str(caught.value) == sentence


def test_what_was_passed_over_is_told(house: OpenHouse) -> None:
    whole = wave_file(noise(2.0))
    parts = list(clip(house, whole[:40_000], ClipRequest(output=BGR)))
    assert isinstance(parts[-1], ClipSummary)
    assert parts[-1].warnings == (
        "The sound is cut off: of its 2.00 s, the first 1.25 s are used.",
    )


@pytest.mark.parametrize(
    ("sound", "sentence"),
    [
        (b"", "The sound cannot be decoded, it is no sound or its header is damaged: "),
        (b"RIFF", "The sound cannot be decoded, it is no sound or its header is damaged: "),
        (b"garbage" * 1000, "The sound cannot be decoded, it is no sound or its header is "),
        (wave_file(noise(0.0)), "The sound has no sound that can be decoded: "),
        (
            wave_file(noise(2.1)),
            "The sound is 2.1 s long, which is more than 2 s, the most that is rendered as one "
            "clip; send it in parts.",
        ),
        (
            wave_file(noise(4.0)),
            "The sound is larger than 100000 bytes, the most that is taken for one clip; send it "
            "in parts, or compressed.",
        ),
    ],
)
def test_sound_of_no_use_is_refused_before_the_header(
    house: OpenHouse, sound: bytes, sentence: str
) -> None:
    limits = Limits(clip_s=2.0, message_bytes=100_000)
    for request in (ClipRequest(), ClipRequest(output=BGR)):
        with pytest.raises(InputError) as caught:
            next(clip(house, sound, request, limits=limits))
        assert str(caught.value).startswith(sentence)


def test_sound_of_unknown_length_is_stopped_on_the_way(house: OpenHouse) -> None:
    # Decoding all of it would take minutes; a part of a second has been when it is refused.
    raw = bytes(50_000_000)
    request = ClipRequest(output=BGR, raw=RawSound(1_000, 1, SampleFormat.U8))
    before = house.frames_run
    with pytest.raises(InputError) as caught:
        list(clip(house, raw, request, limits=Limits(clip_s=2.0)))
    assert str(caught.value) == (
        "The sound is longer than 2 s, the most that is rendered as one clip; send it in parts."
    )
    assert house.frames_run - before <= 60


def test_an_avatar_that_is_not_there(house: OpenHouse) -> None:
    with pytest.raises(AvatarError) as caught:
        next(clip(house, b"", ClipRequest(avatar="../anna")))
    assert str(caught.value) == "There is no avatar '../anna' here; there are: anna, berta."


def test_a_negative_frame_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        ClipRequest(start_frame=-1)
    assert str(caught.value) == (
        "The start frame is -1, which must be 0 or more; leave it out to begin with the first."
    )


def test_a_deadline_that_has_passed_costs_nothing(house: OpenHouse) -> None:
    before = house.frames_run
    with pytest.raises(DeadlineError):
        list(clip(house, wave_file(noise(1.0)), deadline_s=time.monotonic() - 1))
    assert house.frames_run == before


@pytest.mark.parametrize("output", [StreamKind.MP4, StreamKind.WEBM, BGR])
def test_closing_a_clip_ends_its_work(
    house: OpenHouse, output: StreamKind | PictureOptions
) -> None:
    threads = set(threading.enumerate())
    before = house.frames_run
    parts = render_clip(
        house.cast,
        ClipRequest(output=output),
        io.BytesIO(wave_file(noise(20.0))),
        limits=Limits(),
        metrics=house.desk.metrics,
    )
    assert isinstance(next(parts), ClipHeader)
    next(parts)
    assert set(threading.enumerate()) - threads
    parts.close()
    assert set(threading.enumerate()) <= threads
    assert house.frames_run - before < 250


def test_a_consumer_that_rests_makes_all_rest(house: OpenHouse) -> None:
    parts = clip(house, wave_file(noise(10.0)), ClipRequest(output=BGR))
    before = house.frames_run
    for _ in range(5):
        next(parts)
    seen = -1
    while seen != (seen := house.frames_run - before):
        time.sleep(0.3)  # until all that can be made ahead has been made
    assert seen < 30


def test_a_reader_that_fails_is_heard(house: OpenHouse) -> None:
    class Gone:
        def read(self, size: int, /) -> bytes:
            raise KeyError(size)

    with pytest.raises(KeyError):
        next(clip(house, Gone()))


def test_composing_and_encoding_are_measured(house: OpenHouse) -> None:
    def counts() -> dict[str, float]:
        lines = house.desk.metrics.text().decode().splitlines()
        return {
            name: float(line.split()[1])
            for line in lines
            for name in ("composition", "encoding")
            if line.startswith(f"viseme_{name}_seconds_count")
        }

    before = counts()
    summary = list(clip(house, wave_file(noise(0.4)), ClipRequest(output=BGR)))[-1]
    assert isinstance(summary, ClipSummary)
    assert counts() == {name: before[name] + summary.pictures for name in before}
    list(clip(house, wave_file(noise(0.4))))
    assert counts() == {name: before[name] + 2 * summary.pictures for name in before}


def test_a_bare_network_speaks_for_nobody(tmp_path: Path) -> None:
    with open_house(model=identity_generator(tmp_path / "bare.onnx")) as house:
        with pytest.raises(AvatarError) as caught:
            next(clip(house, b""))
        assert str(caught.value) == (
            "This server has no avatar that could speak; start it with one."
        )
