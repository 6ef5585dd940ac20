"""What becomes of the pictures of a live session: files of their own, or a stream of video."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from viseme.audio import Samples
from viseme.avatar.planes import Planes
from viseme.rendering import Renderer
from viseme.serving.metrics import Metrics
from viseme.serving.pictures import PictureOptions, encode_picture, media_type
from viseme.video.live_encoder import LiveCodec, LiveEncoder, codec_string

__all__ = ["LivePictures", "LiveVideo", "Sent", "live_pictures"]


@dataclass(frozen=True, slots=True)
class LiveVideo:
    """A stream of video, each picture of it on its own way."""

    codec: LiveCodec = LiveCodec.H264


class Sent(NamedTuple):
    """A picture as a client gets it."""

    number: int
    """Its place in the speech, from 0."""
    avatar_frame: int
    data: bytes
    is_key: bool
    """Whether decoding can begin with it."""


class LivePictures(ABC):
    """Makes what is sent of one session's pictures; for one thread at a time."""

    size: tuple[int, int]
    """Width and height of the pictures, in pixels."""
    media_type: str
    codec: str = ""
    """What browsers call the codec; empty of single pictures."""

    @abstractmethod
    def of(self, samples: Iterable[Samples], start_frame: int) -> Generator[Sent, None, None]:
        """Give the pictures of a speech.

        Args:
            samples: the speech, as of `Renderer.frames`.
            start_frame: likewise.
        """

    @abstractmethod
    def at_rest(self, frame: int) -> Sent:
        """Give the avatar as it is when nobody speaks.

        Args:
            frame: its place in the order in which they are played, 0 or more.
        """

    @abstractmethod
    def begin_anew(self) -> None:
        """Let the next picture be understood without those before, which may be lost."""


def live_pictures(
    wanted: PictureOptions | LiveVideo, renderer: Renderer, metrics: Metrics
) -> LivePictures:
    """Make what makes pictures as they are wanted.

    Args:
        wanted: how.
        renderer: makes the frames; entered before anything is asked of the result.
        metrics: told how long composing and encoding took.

    Raises:
        OutputError: the encoder does not take pictures of the avatar's size.
    """
    if isinstance(wanted, LiveVideo):
        return _Video(wanted.codec, renderer, metrics)
    return _Single(wanted, renderer, metrics)


class _Single(LivePictures):
    """Each picture a file of its own."""

    def __init__(self, options: PictureOptions, renderer: Renderer, metrics: Metrics) -> None:
        self._options = options
        self._renderer = renderer
        self._metrics = metrics
        self.size = renderer.avatar.size
        self.media_type = media_type(options.format)

    def of(self, samples: Iterable[Samples], start_frame: int) -> Generator[Sent, None, None]:
        options = self._options
        with closing(self._renderer.frames(samples, start_frame=start_frame)) as frames:
            for frame in frames:
                self._metrics.frame_composed(frame.composing_s)
                start_s = time.perf_counter()
                data = encode_picture(frame.image, options.format, options.jpeg_quality)
                self._metrics.frame_encoded(time.perf_counter() - start_s)
                yield Sent(frame.index, frame.avatar_frame, data, is_key=True)

    def at_rest(self, frame: int) -> Sent:
        avatar, options = self._renderer.avatar, self._options
        number = next(avatar.ping_pong(frame))
        image = avatar.frame(number)
        data = encode_picture(image, options.format, options.jpeg_quality)
        return Sent(0, number, data, is_key=True)

    def begin_anew(self) -> None:
        pass  # every picture is understood by itself


class _Video(LivePictures):
    """One stream for the whole session."""

    def __init__(self, codec: LiveCodec, renderer: Renderer, metrics: Metrics) -> None:
        self._renderer = renderer
        self._metrics = metrics
        width, height = renderer.avatar.size
        self.size = (width + width % 2, height + height % 2)
        self.media_type = f"video/{codec.value}"
        self.codec = codec_string(codec, *self.size)
        self._encoder = LiveEncoder(codec, *self.size)
        self._anew = False

    def of(self, samples: Iterable[Samples], start_frame: int) -> Generator[Sent, None, None]:
        with closing(self._renderer.planar_frames(samples, start_frame=start_frame)) as frames:
            for frame in frames:
                self._metrics.frame_composed(frame.composing_s)
                yield self._sent(frame.index, frame.avatar_frame, frame.planes)

    def at_rest(self, frame: int) -> Sent:
        number = next(self._renderer.avatar.ping_pong(frame))
        pixels = self._renderer.avatar.pixels(number)
        return self._sent(0, number, pixels if isinstance(pixels, Planes) else Planes.of(pixels))

    def begin_anew(self) -> None:
        self._anew = True

    def _sent(self, number: int, avatar_frame: int, planes: Planes) -> Sent:
        start_s = time.perf_counter()
        data, is_key = self._encoder.encode(planes, key=self._anew)
        self._anew = False
        self._metrics.frame_encoded(time.perf_counter() - start_s)
        return Sent(number, avatar_frame, data, is_key)
