"""Frame i is frame i, however it is reached and whatever the container does with time."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from avatar_samples import HEIGHT, WIDTH, number_of, numbered
from numpy.typing import NDArray

from viseme.avatar.colour import to_bgr
from viseme.avatar.image_size import image_size
from viseme.avatar.planes import Pixels, Planes, whole
from viseme.avatar.sources import ImageFrames, open_frames
from viseme.avatar.video_source import VideoFrames
from viseme.avatar.video_target import write_frames
from viseme.errors import AvatarError, OutputError

COUNT = 60


def write_video(
    path: Path, options: dict[str, str], *, first_pts: int = 0, muxing: dict[str, str] | None = None
) -> None:
    """Write numbered frames at uneven times, in steps of a hundredth of a second."""
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for index in range(COUNT):
            frame = Planes.of(numbered(index)).video_frame()
            frame.pts = first_pts + 4 * index + (index % 3 == 2)
            frame.time_base = Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


KINDS = {
    "ours": {"bf": "0", "g": "12", "sc_threshold": "0"},
    "b-frames": {"bf": "3", "g": "12", "b-pyramid": "normal"},
    "open groups": {"bf": "3", "g": "10", "x264-params": "open-gop=1:b-adapt=0"},
    "one key frame": {"bf": "2", "g": "250", "sc_threshold": "0"},
    "all key frames": {"g": "1"},
}


@pytest.fixture(params=KINDS)
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "frames.mp4"
    write_video(path, KINDS[request.param])
    return path


def numbers(frames: Iterable[Pixels]) -> list[int]:
    return [number_of(frame) for frame in frames]


def test_every_frame_is_found_in_order_and_at_random(video: Path) -> None:
    source = VideoFrames(video)
    assert (source.size, source.count) == ((WIDTH, HEIGHT), COUNT)
    assert numbers(source.decode(0, COUNT)) == list(range(COUNT))
    jumps = random.Random(3)
    for _ in range(25):
        start = jumps.randrange(COUNT)
        stop = jumps.randint(start + 1, min(COUNT, start + 7))
        assert numbers(source.decode(start, stop)) == list(range(start, stop))
    source.close()


def test_pixels_do_not_depend_on_the_way_there(video: Path) -> None:
    source = VideoFrames(video)
    in_order = list(source.decode(0, COUNT))
    for index in (59, 31, 12, 11, 0):
        (frame,) = source.decode(index, index + 1)
        np.testing.assert_array_equal(frame, in_order[index])
    source.close()


@pytest.mark.parametrize(
    ("name", "muxing"),
    [
        ("frames.mkv", {}),
        ("frames.mkv", {"live": "1"}),  # no index
        ("frames.mov", {}),
        ("frames.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("frames.ts", {}),
    ],
)
def test_other_containers(tmp_path: Path, name: str, muxing: dict[str, str]) -> None:
    write_video(tmp_path / name, {"bf": "2", "g": "12"}, muxing=muxing)
    source = VideoFrames(tmp_path / name)
    assert source.count == COUNT
    for start in (40, 3, 24, 11, 0, 59):
        assert numbers(source.decode(start, start + 1)) == [start]
    assert numbers(source.decode(5, COUNT)) == list(range(5, COUNT))
    source.close()


def test_times_may_begin_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    write_video(path, {"bf": "2", "g": "8"}, first_pts=100)
    source = VideoFrames(path)
    assert numbers(source.decode(17, 22)) == [17, 18, 19, 20, 21]
    assert numbers(source.decode(0, 2)) == [0, 1]
    source.close()


def test_frames_that_an_edit_list_leaves_out_do_not_count(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write_video(whole, {"bf": "0", "g": "12", "sc_threshold": "0"})
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            # Shown from 0.2 s, frame 5, on: the muxer writes an edit list for the times before 0.
            shift = int(Fraction(5, 25) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copy
            target.mux(packet)
    frames = VideoFrames(cut)
    assert frames.count == COUNT - 5
    assert numbers(frames.decode(0, 3)) == [5, 6, 7]
    assert numbers(frames.decode(30, 32)) == [35, 36]
    assert numbers(frames.decode(2, 4)) == [7, 8]
    frames.close()


def test_written_video_has_short_groups_and_says_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "frames.mp4"
    assert write_frames(path, map(numbered, range(30)), (WIDTH, HEIGHT), 14) == 30
    source = VideoFrames(path)
    assert source.entries == (0, 12, 24)
    source.close()
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        assert (*tags, context.color_range) == (1, 1, 1, 1)
        assert not context.has_b_frames


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / 23 + y / 41), np.cos(x / 31 - y / 19), np.sin(x / 17) * np.cos(y / 29)]
    return (np.stack(waves, axis=-1) * 110 + 128).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(640, 360), (1280, 720)])
def test_colours_come_back(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "frames.mp4"
    picture = smooth(height, width)
    write_frames(path, [picture] * 2, (width, height), 14)
    source = VideoFrames(path)
    for frame in source.decode(0, 2):
        error = whole(frame).astype(np.float64) - picture
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 38
        assert np.abs(error.mean(axis=(0, 1))).max() < 0.5  # no cast of colour
    source.close()


@pytest.mark.parametrize("value", [0, 1, 16, 127, 128, 235, 254, 255])
def test_greys_come_back_to_within_a_step(value: int) -> None:
    picture = np.full((32, 32, 3), value, np.uint8)
    back = to_bgr(Planes.of(picture).video_frame())
    assert np.abs(back.astype(int) - value).max() <= 1


@pytest.mark.parametrize("tags", [(1, 1), (5, 1), (6, 2), (1, 2)])
def test_other_matrices_and_ranges_are_read_as_the_library_reads_them(
    tags: tuple[int, int],
) -> None:
    colorspace, color_range = tags
    planes = np.random.default_rng(4).integers(60, 190, (32 * 3 // 2, 32), np.uint8)
    planes[:32] = 120
    planes[32:] = planes[32:].mean().astype(np.uint8)
    planes[32:40] -= 9
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = colorspace, color_range
    expected = frame.to_ndarray(format="bgr24").astype(int)
    assert np.abs(to_bgr(frame).astype(int) - expected).max() <= 3


def test_odd_sizes_cannot_be_video(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="95x64 cannot be stored as video: both must be even"):
        write_frames(tmp_path / "x.mp4", [np.zeros((64, 95, 3), np.uint8)], (95, 64), 14)


def test_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "frames.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(AvatarError, match=r"frames\.mp4 cannot be read as a video"):
        open_frames(path)


@pytest.mark.parametrize("name", ["frames.mp4", "frames.m3u8"])
def test_a_playlist_cannot_reach_other_files(tmp_path: Path, name: str) -> None:
    video = tmp_path / "elsewhere" / "real.ts"
    video.parent.mkdir()
    with av.open(str(video), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
        container.mux([*stream.encode(frame.reformat(format="yuv420p")), *stream.encode(None)])
    playlist = tmp_path / name
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n")
    with pytest.raises(AvatarError, match=f"^{name} cannot be read as a video"):
        VideoFrames(playlist)


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "frames.mp4"
    write_frames(path, map(numbered, range(30)), (WIDTH, HEIGHT), 14)
    data = bytearray(path.read_bytes())
    middle = len(data) - 300  # of the pictures: the index and the key frame are before it
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(data))
    source = VideoFrames(path)
    with pytest.raises(
        AvatarError, match=r"frames\.mp4 cannot be (decoded at frame|read as a video)"
    ):
        list(source.decode(0, source.count))
    assert number_of(next(source.decode(0, 1))) == 0  # and the whole part still can be had
    source.close()


def test_pictures_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for index in (0, 1, 2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f"{index}.png"), numbered(index))
    source = ImageFrames(tmp_path)
    assert numbers(source.decode(0, source.count)) == [0, 1, 2, 9, 10, 11]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("first.png", b"x", "first.png is not named by a number"),
        ("0.png", b"no picture", "0.png is not a picture, or a damaged one"),
        ("0.png", b"", "0.png is not a picture, or a damaged one"),
        ("notes.txt", b"x", "has no PNG or JPEG files"),
    ],
)
def test_folders_that_are_no_frames(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AvatarError, match=message):
        open_frames(tmp_path)


def test_a_picture_of_another_size_is_not_even_decoded(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), numbered(0))
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1))
    data = bytearray((tmp_path / "1.png").read_bytes())
    data[16:24] = (2**31 - 1).to_bytes(4, "big") * 2  # claims to be 2 GB high and wide
    (tmp_path / "1.png").write_bytes(bytes(data))
    source = ImageFrames(tmp_path)
    with pytest.raises(AvatarError, match=r"1\.png is 2147483647x2147483647, the first is 96x64"):
        list(source.decode(0, 2))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_sizes_are_read_from_headers(suffix: str) -> None:
    _, encoded = cv2.imencode(suffix, np.zeros((37, 211, 3), np.uint8))
    data = encoded.tobytes()
    assert image_size(data) == (211, 37)
    assert all(image_size(data[:stop]) in (None, (211, 37)) for stop in range(len(data)))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_cut_off_is_an_error_or_a_picture(tmp_path: Path, suffix: str) -> None:
    _, encoded = cv2.imencode(suffix, numbered(5))
    path = tmp_path / f"0{suffix}"
    for stop in range(0, len(encoded), 41):
        path.write_bytes(encoded.tobytes()[:stop])
        with suppress(AvatarError):  # whatever else is raised fails the test
            (frame,) = ImageFrames(tmp_path).decode(0, 1)
            assert frame.shape == (HEIGHT, WIDTH, 3)
