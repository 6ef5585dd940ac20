"""Frames out of a video file, by number, whatever the container does with time.

A frame's number is its place in the order of presentation. The file is gone through once without
decoding to learn the time stamp of each frame and which frames are key frames; after that, any
frame is found by decoding from the key frame before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av

from viseme.avatar.colour import to_bgr
from viseme.avatar.frame_source import FrameSource
from viseme.avatar.planes import Pixels, Planes
from viseme.errors import AvatarError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["VideoFrames"]

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts"
"""Nothing else: a playlist that poses as a video could read files outside its folder."""


class _Packet(NamedTuple):
    """What the container says of one frame. Sorts in the order of presentation."""

    pts: int
    dts: int
    key: bool
    shown: bool


class VideoFrames(FrameSource):
    """The frames of the first video stream of a file."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._container: InputContainer | None = None
        self._running: Iterator[tuple[int, Pixels]] | None = None
        self._next = -1
        try:
            with _translated(self.name):
                stream = self._open()
                self.size = (stream.codec_context.width, stream.codec_context.height)
                self.planar = Planes.can_hold(stream.codec_context)
                packets = sorted(self._scan(stream))
            self._number_frames(packets)
        except AvatarError:
            self.close()
            raise

    def _number_frames(self, packets: list[_Packet]) -> None:
        """Give the frames that are shown their numbers, and find where decoding can begin."""
        shown = [packet.pts for packet in packets if packet.shown]
        # A key frame that is not shown itself still is the way to the shown ones after it.
        entries = {bisect_left(shown, packet.pts): packet.dts for packet in packets if packet.key}
        entries.pop(len(shown), None)
        self.count = len(shown)
        self.entries = tuple(entries)
        self._seek_to = tuple(entries.values())
        self._number = {pts: number for number, pts in enumerate(shown)}
        if self.entries[:1] != (0,) or len(self._number) != self.count:
            raise AvatarError(_no_frames(self.name))

    def decode(self, start: int, stop: int) -> Iterator[Pixels]:
        """Give frames `start` to `stop`; see `FrameSource.decode`.

        Going on where the last call ended needs no seeking.
        """
        with _translated(self.name):
            running = self._running
            if running is None or self._next != start:
                running = self._run_from(start)
            self._running = None  # until the last frame is out, there is no going on from here
            for expected in range(start, stop):
                number, picture = next(running, (-1, None))
                if number != expected or picture is None:
                    raise self._damaged_at(expected)
                yield picture
            self._running, self._next = running, stop

    def close(self) -> None:
        """Close the file."""
        self._running = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _open(self) -> VideoStream:
        """Open the file afresh, at its beginning."""
        self.close()
        options = {"format_whitelist": _CONTAINERS}
        self._container = av.open(f"file:{self._path}", "r", container_options=options)
        if not self._container.streams.video:
            raise AvatarError(_no_frames(self.name))
        stream = self._container.streams.video[0]
        # One core is ahead of the networks; two take half as much again between them, for nothing.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        return stream

    def _scan(self, stream: VideoStream) -> Iterator[_Packet]:
        """Give what is known of each frame, in the order of the file, without decoding any."""
        assert self._container is not None
        for packet in self._container.demux(stream):
            if packet.size == 0:
                continue  # the end of the stream
            if packet.pts is None:
                raise AvatarError(f"{self.name} has frames without a time; make it an MP4.")
            if packet.is_corrupt:
                return  # cut off in the middle of this frame: the count will tell
            # An edit list leaves frames out: the demuxer marks them, and the decoder drops them.
            shown = not packet.is_discard
            dts = packet.dts if packet.dts is not None else packet.pts
            yield _Packet(packet.pts, dts, packet.is_keyframe, shown)

    def _run_from(self, start: int) -> Iterator[tuple[int, Pixels]]:
        """Decode from `start` to the end: numbers and pictures."""
        if self._container is None:
            self._open()
        assert self._container is not None
        stream = self._container.streams.video[0]
        entry = bisect_right(self.entries, start) - 1
        self._container.seek(self._seek_to[entry], stream=stream)
        for frame in self._container.decode(stream):
            number = self._number_of(frame)
            if number >= start:
                yield number, self._picture(frame, number)

    def _number_of(self, frame: av.VideoFrame) -> int:
        """Return a decoded frame's place, or -1 for one that is not shown."""
        return -1 if frame.pts is None else self._number.get(frame.pts, -1)

    def _picture(self, frame: av.VideoFrame, number: int) -> Pixels:
        if frame.is_corrupt or (frame.width, frame.height) != self.size:
            raise self._damaged_at(number)
        if not self.planar:
            return to_bgr(frame)
        # The stream may have promised what not all of its frames are.
        return Planes.decoded(frame) or Planes.of(to_bgr(frame))

    def _damaged_at(self, number: int) -> AvatarError:
        return AvatarError(
            f"{self.name} cannot be decoded at frame {number} of {self.count}: the video is "
            "damaged, or its time stamps are wrong; make it again as MP4."
        )


def _no_frames(name: str) -> str:
    return f"{name} has no frames that can be found: the video is damaged; get the avatar again."


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn what PyAV raises into an error that names the file."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AvatarError(
            f"{name} cannot be read as a video: {reason}; get the avatar again."
        ) from error
