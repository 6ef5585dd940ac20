"""What becomes of the pictures of a live session: files of their own, or a stream of video."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viseme.audio import Samples
from viseme.avatar.planes import Planes, shrunk
from viseme.rendering import Renderer
from viseme.serving.live_quality import QUALITIES, Quality
from viseme.serving.metrics import Metrics
from viseme.serving.picture_size import PictureSize, scaled
from viseme.serving.pictures import PictureOptions, encode_picture, media_type
from viseme.video.live_encoder import LiveCodec, LiveEncoder, codec_string

__all__ = ["LiveForm", "LivePictures", "LiveVideo", "Sent", "live_pictures"]


@dataclass(frozen=True, slots=True)
class LiveVideo:
    """A stream of video, each picture of it on its own way."""

    codec: LiveCodec = LiveCodec.H264


class LiveForm(NamedTuple):
    """What a client must know to show a picture."""

    width: int
    """In pixels."""
    height: int
    codec: str
    """What browsers call the codec; empty of single pictures."""


class Sent(NamedTuple):
    """A picture as a client gets it."""

    number: int
    """Its place in the speech, from 0."""
    avatar_frame: int
    data: bytes
    is_key: bool
    """Whether decoding can begin with it."""
    form: LiveForm
    """Another than that of the picture before only where decoding can begin."""


class LivePictures(ABC):
    """Makes what is sent of one session's pictures; for one thread at a time.

    `be` and `begin_anew` are for any thread, and `form` may be read by any.

    Args:
        size: width and height of the pictures in pixels, where nothing is wrong with the line.
    """

    media_type: str
    form: LiveForm
    """That of the next picture, as long as nothing is asked of it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._step = 0

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

    def be(self, step: int) -> None:
        """Let the following pictures be as good as `QUALITIES[step]`."""
        self._step = step

    def _form(self, quality: Quality, codec: LiveCodec | None) -> LiveForm:
        size = scaled(self._size, quality.scale)
        return LiveForm(*size, codec_string(codec, *size) if codec else "")


def live_pictures(
    wanted: PictureOptions | LiveVideo,
    size: PictureSize | None,
    renderer: Renderer,
    metrics: Metrics,
) -> LivePictures:
    """Make what makes pictures as they are wanted.

    Args:
        wanted: how.
        size: the room that they are to fit in; None for the avatar's own size.
        renderer: makes the frames; entered before anything is asked of the result.
        metrics: told how long composing and encoding took.

    Raises:
        OutputError: the encoder does not take pictures of that size.
    """
    room = size or PictureSize()
    if isinstance(wanted, LiveVideo):
        return _Video(wanted.codec, room, renderer, metrics)
    return _Single(wanted, room, renderer, metrics)


class _Single(LivePictures):
    """Each picture a file of its own."""

    def __init__(
        self, options: PictureOptions, room: PictureSize, renderer: Renderer, metrics: Metrics
    ) -> None:
        super().__init__(room.fitted(*renderer.avatar.size))
        self._options = options
        self._renderer = renderer
        self._metrics = metrics
        self.media_type = media_type(options.format)
        self.form = LiveForm(*self._size, "")

    def of(self, samples: Iterable[Samples], start_frame: int) -> Generator[Sent, None, None]:
        with closing(self._renderer.frames(samples, start_frame=start_frame)) as frames:
            for frame in frames:
                self._metrics.frame_composed(frame.composing_s)
                yield self._sent(frame.index, frame.avatar_frame, frame.image)

    def at_rest(self, frame: int) -> Sent:
        avatar = self._renderer.avatar
        number = next(avatar.ping_pong(frame))
        return self._sent(0, number, avatar.frame(number))

    def begin_anew(self) -> None:
        pass  # every picture is understood by itself

    def _sent(self, number: int, avatar_frame: int, image: NDArray[np.uint8]) -> Sent:
        start_s = time.perf_counter()
        wanted = QUALITIES[self._step]
        self.form = self._form(wanted, None)
        quality = min(self._options.jpeg_quality, wanted.jpeg_quality)
        small = shrunk(image, self.form.width, self.form.height)
        data = encode_picture(small, self._options.format, quality)
        self._metrics.frame_encoded(time.perf_counter() - start_s)
        return Sent(number, avatar_frame, data, True, self.form)


class _Video(LivePictures):
    """One stream for the whole session; where its quality changes, another encoder goes on."""

    def __init__(
        self, codec: LiveCodec, room: PictureSize, renderer: Renderer, metrics: Metrics
    ) -> None:
        width, height = renderer.avatar.size
        super().__init__(room.fitted(width + width % 2, height + height % 2))
        self._codec = codec
        self._renderer = renderer
        self._metrics = metrics
        self.media_type = f"video/{codec.value}"
        self._anew = threading.Event()
        self._open(0)

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
        self._anew.set()

    def _open(self, step: int) -> None:
        """Go on with an encoder of another quality, whose first picture is a key frame."""
        quality = QUALITIES[step]
        form = self._form(quality, self._codec)
        self._encoder = LiveEncoder(self._codec, form.width, form.height, quality.rate)
        self.form, self._opened = form, step

    def _sent(self, number: int, avatar_frame: int, planes: Planes) -> Sent:
        start_s = time.perf_counter()
        if (step := self._step) != self._opened:
            self._open(step)
        # Whoever asks after this asks for the next one.
        is_anew = self._anew.is_set()
        if is_anew:
            self._anew.clear()
        small = planes.shrunk(self.form.width, self.form.height)
        data, is_key = self._encoder.encode(small, key=is_anew)
        self._metrics.frame_encoded(time.perf_counter() - start_s)
        return Sent(number, avatar_frame, data, is_key, self.form)
