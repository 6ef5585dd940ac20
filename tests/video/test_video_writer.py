import os
import subprocess
import sys
import textwrap
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.errors import OutputError
from viseme.video import Sound, Target, make_sound, open_video, write_video
from viseme.video.writer import LONG_S

Image = NDArray[np.uint8]
FRAME_S = 1 / 25
NAMES = ["a.mp4", "a.webm", "folder"]


def pictures(count: int, size: tuple[int, int] = (64, 48)) -> Iterator[Image]:
    for i in range(count):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        image[4:10, 2 * i % size[0] : 2 * i % size[0] + 6] = (20, 30, 220)
        yield image


def tone(seconds: float, rate_hz: int, channels: int = 1) -> Sound:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    waves = [0.4 * np.sin(2 * np.pi * 220 * (c + 1) * time_s) for c in range(channels)]
    return make_sound([(np.stack(waves, axis=1), rate_hz)])


@dataclass
class Lengths:
    picture_s: float
    sound_s: float
    channels: int


def lengths(path: Path) -> Lengths:
    """Measure by decoding, not by what the file says of itself."""
    sound = path / "sound.wav" if path.is_dir() else path
    count = len(list(path.glob("*.png"))) if path.is_dir() else 0
    with av.open(str(sound)) as container:
        samples = [
            (f.samples / f.sample_rate, f.layout.nb_channels) for f in container.decode(audio=0)
        ]
    if not count:
        with av.open(str(path)) as container:
            count = sum(1 for _ in container.decode(video=0))
    return Lengths(count * FRAME_S, sum(s for s, _ in samples), samples[0][1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize(("frame_count", "sound_s"), [(30, 1.0), (24, 1.03), (1, 0.5), (4, 0.04)])
def test_sound_and_picture_end_within_a_frame(
    tmp_path: Path, name: str, rate_hz: int, frame_count: int, sound_s: float
) -> None:
    out = tmp_path / name
    count = write_video(pictures(frame_count), tone(sound_s, rate_hz), out)
    found = lengths(out)
    assert found.picture_s == pytest.approx(count * FRAME_S)
    assert abs(found.picture_s - found.sound_s) < FRAME_S
    assert found.picture_s >= sound_s
    assert count >= frame_count


@pytest.mark.parametrize("name", NAMES)
def test_stereo_stays_stereo(tmp_path: Path, name: str) -> None:
    write_video(pictures(5), tone(0.2, 48_000, channels=2), tmp_path / name)
    assert lengths(tmp_path / name).channels == 2


@pytest.mark.parametrize(
    ("name", "video", "audio"), [("a.mp4", "h264", "aac"), ("a.webm", "vp9", "opus")]
)
def test_codecs_and_colour_tags(tmp_path: Path, name: str, video: str, audio: str) -> None:
    write_video(pictures(5), tone(0.2, 48_000), tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, container.streams.audio[0].codec_context.name) == (video, audio)
        assert context.pix_fmt == "yuv420p"
        assert stream.average_rate == 25
        bt709, limited = 1, 1
        assert (context.colorspace, context.color_range) == (bt709, limited)
        assert (context.color_primaries, context.color_trc) == (bt709, bt709)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("colour", [(20, 30, 220), (200, 60, 20), (40, 190, 30), (255, 255, 255)])
def test_a_saturated_colour_comes_back(
    tmp_path: Path, name: str, colour: tuple[int, int, int]
) -> None:
    image = np.full((64, 64, 3), colour, np.uint8)
    write_video([image] * 3, None, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        back = next(container.decode(video=0)).to_ndarray(format="bgr24")
    # BT.601 in place of BT.709 would be off by 10 to 30.
    assert np.abs(back.astype(int) - image).max() <= 4


def test_pngs_are_lossless_and_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (31, 45, 3), dtype=np.uint8) for _ in range(4)]
    write_video(images, tone(0.16, 16_000), tmp_path / "pngs/")
    names = sorted(path.name for path in (tmp_path / "pngs").iterdir())
    assert names == [*(f"frame_{i:06d}.png" for i in range(4)), "sound.wav"]
    for name, image in zip(names, images, strict=False):
        back = cv2.imread(str(tmp_path / "pngs" / name))
        assert back is not None
        assert np.array_equal(back, image)


def test_the_wave_beside_the_pngs_is_the_sound(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).integers(-32768, 32768, (8_820, 2), dtype=np.int16)
    write_video(pictures(5), make_sound([(samples, 44_100)]), tmp_path / "pngs")
    with wave.open(str(tmp_path / "pngs/sound.wav")) as file:
        back = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        assert file.getframerate() == 44_100
    assert np.array_equal(back, samples)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("size", [(64, 48), (63, 48), (64, 47), (31, 33)])
def test_odd_sizes_gain_a_row_or_column(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    image[-1], image[:, -1] = 200, 200
    write_video([image] * 2, None, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        back = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert back.shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    assert back[-1, -1].min() > 150
    assert back[:-4, :-4].max() < 60


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / f"1{name}", tmp_path / f"2{name}"
    for out in (first, second):
        write_video(pictures(40, (320, 240)), tone(1.6, 44_100), out)
    assert first.read_bytes() == second.read_bytes()


STEADY = textwrap.dedent("""
    import sys
    import numpy as np
    from viseme.video import make_sound, write_video

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (45, 50, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    frames = (np.roll(picture, 3 * number, axis=1) for number in range(14))
    write_video(frames, make_sound([(rng.uniform(-1, 1, (24_000, 2)), 48_000)]), sys.argv[1])
    """)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_the_bytes_do_not_depend_on_what_was_in_memory_before(tmp_path: Path, name: str) -> None:
    """With a size whose macroblocks x264 has read beyond; the C library fills what it gives out."""
    files = set()
    for fill in ("0", "1", "170"):
        subprocess.run(
            python(STEADY, str(tmp_path / name)),
            env={**os.environ, "MALLOC_PERTURB_": fill},
            check=True,
        )
        files.add((tmp_path / name).read_bytes())
    assert len(files) == 1


def test_the_index_of_an_mp4_comes_first(tmp_path: Path) -> None:
    write_video(pictures(30), tone(1, 48_000), tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_long_mp4_is_in_fragments_and_is_the_same_film(tmp_path: Path) -> None:
    short, long = tmp_path / "short.mp4", tmp_path / "long.mp4"
    for path, lasts_s in ((short, None), (long, LONG_S)):
        with open_video(
            Target.parse(path), size=(64, 48), sound=tone(24, 48_000), lasts_s=lasts_s
        ) as writer:
            for picture in pictures(24 * 25):
                writer.write(picture)
    data = long.read_bytes()
    # Where its fragments are comes before them, so that a player knows its length and can seek.
    assert 0 < data.index(b"sidx") < data.index(b"moof")
    assert data.count(b"moof") >= 3
    assert packets(long) == packets(short)
    with av.open(str(long)) as container:
        assert container.duration == 24_000_000
        container.seek(15_000_000)
        first = next(container.decode(video=0))
        assert first.key_frame
        assert 5 <= first.time <= 15


def packets(path: Path) -> list[tuple[str, int | None, int | None, bytes]]:
    with av.open(str(path)) as container:
        found = [(p.stream.type, p.pts, p.dts, bytes(p)) for p in container.demux() if p.size]
    return sorted(found, key=lambda packet: packet[0])


@pytest.mark.parametrize("name", ["50%d:off.mp4", "file:a.mp4", "é ü.webm", "-o.mp4", "..mp4.webm"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    write_video(pictures(3), None, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_sound_is_taken_in_step_with_the_pictures(tmp_path: Path) -> None:
    taken = 0

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal taken
        for _ in range(1_000):
            taken += 160
            yield np.zeros((1, 160), np.float32)

    target = Target.parse(tmp_path / "a.mp4")
    sound = Sound(16_000, 1, blocks())
    with open_video(target, size=(64, 48), sound=sound) as writer:
        for count, image in enumerate(pictures(20), start=1):
            writer.write(image)
            assert taken == count * 640


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), OSError(5, "mine")])
def test_an_error_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, name: str, error: BaseException
) -> None:
    out = tmp_path / name
    if out.suffix:
        out.write_bytes(b"old")

    def failing() -> Iterator[Image]:
        yield from pictures(12)
        raise error

    with pytest.raises(type(error)) as caught:
        write_video(failing(), tone(1, 16_000), out)
    assert caught.value is error
    assert [path.name for path in tmp_path.iterdir()] == ([name] if out.suffix else [])
    if out.suffix:
        assert out.read_bytes() == b"old"


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    with open_video(Target.parse(out), size=(64, 48)) as writer:
        for image in pictures(5):
            writer.write(image)
        assert not out.exists()
    assert out.exists()


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    out.write_bytes(b"old")
    write_video(pictures(3), None, out)
    assert lengths_of_pictures(out) == 3


def lengths_of_pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    target = Target.parse(tmp_path / "a.mp4")
    with (
        pytest.raises(ValueError, match="a picture is 4x4, the video has 64x48"),
        open_video(target, size=(64, 48)) as writer,
    ):
        writer.write(np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_no_pictures_are_no_video(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    with pytest.raises(OutputError, match="There are no pictures to write to"):
        write_video([], tone(1, 16_000), out)
    with pytest.raises(OutputError, match="There are no pictures to write to"):
        write_video([], tone(1, 16_000), out, size=(64, 48))
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_the_codec_refuses_is_one_sentence(tmp_path: Path) -> None:
    image = np.zeros((2, 20_000, 3), np.uint8)
    with pytest.raises(OutputError, match="choose another place, or another kind of file"):
        write_video([image], None, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


FILLING = textwrap.dedent("""
    import resource, sys
    import numpy as np
    from viseme.errors import OutputError
    from viseme.video import make_sound, write_video

    if sys.argv[2] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    rng = np.random.default_rng(0)
    frames = (rng.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(200))
    sound = make_sound([(rng.uniform(-1, 1, (48_000 * 8, 2)), 48_000)])
    try:
        write_video(frames, sound, sys.argv[1])
    except OutputError as error:
        print(error)
""")


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", code, *args]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_over_the_limit_is_reported_and_removed(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    done = subprocess.run(
        python(FILLING, str(out), "limit"), capture_output=True, text=True, check=False
    )
    assert done.stdout == (
        f"Cannot write '{out}': the file would be larger than this system allows; "
        "choose another place.\n"
    )
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def can_mount() -> bool:
    if sys.platform != "linux":
        return False
    try:
        probe = "mount -t tmpfs -o size=1m none /mnt"
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", probe], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this system lets us mount no small disk")
@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_reported_and_left_empty(tmp_path: Path, name: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    out = disk / name
    script = f'mount -t tmpfs -o size=1m none "{disk}" && "$@"; ls -A "{disk}"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", *python(FILLING, str(out), "disk")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == (
        f"Cannot write '{out}': the disk is full; make room or choose another place.\n"
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.avi", "viseme knows no '.avi' files; use .mp4, .webm, or a name without an ending"),
        ("none/a.mp4", "there is no folder"),
        ("taken", "a file has that name; remove it or choose another name."),
        ("full", "is not empty; empty it or choose another name."),
        ("x" * 300 + ".mp4", "the name is too long; choose a shorter one."),
    ],
)
def test_a_bad_target_is_refused_before_any_work(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "taken").write_bytes(b"")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_bytes(b"")
    with pytest.raises(OutputError) as caught:
        Target.parse(tmp_path / name)
    assert sentence in str(caught.value)


def test_an_empty_folder_with_a_dot_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "take.1").mkdir()
    write_video(pictures(2), None, tmp_path / "take.1")
    assert len(list((tmp_path / "take.1").iterdir())) == 2
