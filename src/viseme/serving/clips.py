"""Rendering a whole clip for a client, whatever the door: sound in, a video or pictures out.

`render_clip(cast, request, sound, limits=…, metrics=…)` yields, in this order:

- one `ClipHeader`;
- bytes, the next piece of the video, or `ClipPicture`, the next picture;
- one `ClipSummary`.

The header comes with the first frame: sound that cannot be used at all is refused before it. What
stops without a summary is not whole. The generator works when it is asked for the next part and
rests otherwise; a consumer that stops asking is for its door to notice, which closes it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final, Protocol, TypeVar
from typing import cast as as_type

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, Samples
from viseme.avatar import Avatar
from viseme.errors import AvatarError, InputError
from viseme.rendering import Frame, PlanarFrame, RenderOptions
from viseme.rendering.speech import SpeechSource, open_speech
from viseme.rendering.stage import Stage
from viseme.serving.cast import Cast
from viseme.serving.job import Lane
from viseme.serving.limits import Limits
from viseme.serving.metrics import Metrics
from viseme.serving.pictures import PictureOptions, encode_picture, media_type
from viseme.serving.raw_sound import RawSound
from viseme.video import StreamKind, make_sound, stream_video

__all__ = [
    "WARNINGS_MAX",
    "ClipHeader",
    "ClipPart",
    "ClipPicture",
    "ClipRequest",
    "ClipSummary",
    "SoundReader",
    "find_avatar",
    "render_clip",
]

WARNINGS_MAX: Final = 16
"""How many warnings a summary holds at most."""

_FRAMES_AHEAD = 4

Finished = TypeVar("Finished", Frame, PlanarFrame)


class SoundReader(Protocol):
    """Where the bytes of the sound come from; blocks until there are some."""

    def read(self, size: int, /) -> bytes:
        """Give at most so many bytes, at least one, and none at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """What to render."""

    avatar: str = ""
    """A name that the cast has; empty for its first avatar."""
    output: StreamKind | PictureOptions = StreamKind.MP4
    """A video, or single pictures without the sound."""
    start_frame: int = 0
    """The avatar's frame to begin with, in the order in which they are played."""
    raw: RawSound | None = None
    """What the bytes of the sound are; None for a sound file."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InputError: the first frame is negative.
        """
        if self.start_frame < 0:
            raise InputError(
                f"The start frame is {self.start_frame}, which must be 0 or more; leave it out "
                "to begin with the first."
            )


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What will come."""

    avatar: str
    width: int
    """Of the pictures, in pixels; of a video even, whatever the avatar's is."""
    height: int
    frame_rate_hz: float
    media_type: str
    """Of the video, or of each picture."""


@dataclass(frozen=True, slots=True)
class ClipPicture:
    """One picture of the clip."""

    index: int
    """Its number in the clip, from 0."""
    time_s: float
    """When it is to be seen, from the beginning of the sound."""
    avatar_frame: int
    """Which of the avatar's frames it is made of."""
    data: bytes


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """What has come."""

    pictures: int
    """In all; a video may hold the last one a little to end with its sound."""
    duration_s: float
    next_frame: int
    """The `start_frame` of a clip that is to go on without a jump."""
    warnings: tuple[str, ...]
    """What was wrong with the sound and was passed over, a sentence each, at most 16."""


ClipPart = ClipHeader | bytes | ClipPicture | ClipSummary


def render_clip(
    cast: Cast,
    request: ClipRequest,
    sound: SoundReader,
    *,
    limits: Limits,
    metrics: Metrics,
    deadline_s: float | None = None,
) -> Generator[ClipPart, None, None]:
    """Render a clip in the bulk lane; see the top of this file for what is yielded.

    The sound is copied to a temporary file first, since it is gone through twice and its format
    may need that: the end of many an M4A file is where its beginning is described. Closing the
    generator ends its threads and cancels the frames that it waits for.

    Args:
        cast: whose avatar speaks.
        request: what to render.
        sound: a sound file, or the samples that `request.raw` describes; read to its end, and up
            to `limits.message_bytes`, when the first part is asked for.
        limits: bounds the sound in bytes and in seconds.
        metrics: told how long composing and encoding took.
        deadline_s: the `time.monotonic()` after which the clip is of no use.

    Raises:
        InputError: the sound cannot be used, or is too long; the latter also on the way, where
            its length is not stated.
        AvatarError: there is no such avatar.
        DeadlineError: the deadline has passed.
        UnavailableError: the server is stopping.
        BackendError, OutputError: the network or the encoder failed.
    """
    name, avatar = find_avatar(cast, request.avatar)
    warnings: list[str] = []
    options = RenderOptions(start_frame=request.start_frame)
    with ExitStack() as stack:
        source = stack.enter_context(_opened(sound, request.raw, limits))
        renderer = stack.enter_context(
            cast.renderer(name, options, lane=Lane.BULK, deadline_s=deadline_s)
        )
        _check_length(source.stated_s(), limits.clip_s)
        samples = _bounded(source.samples(warnings.append), limits.clip_s)
        clip = _Clip(name, avatar, metrics)
        if isinstance(request.output, StreamKind):
            planar = Stage(renderer.planar_frames(samples), ahead=_FRAMES_AHEAD, name="clip")
            pictures = yield from clip.video(stack.enter_context(planar), source, request.output)
        else:
            frames = Stage(renderer.frames(samples), ahead=_FRAMES_AHEAD, name="clip")
            pictures = yield from clip.pictures(stack.enter_context(frames), request.output)
    yield ClipSummary(
        pictures=pictures,
        duration_s=pictures / FRAME_RATE_HZ,
        next_frame=_next_frame(avatar, request.start_frame + clip.frames),
        warnings=tuple(warnings[:WARNINGS_MAX]),
    )


class _Clip:
    """Finished frames on their way to a client."""

    def __init__(self, name: str, avatar: Avatar, metrics: Metrics) -> None:
        self._name = name
        self._size = avatar.size
        self._metrics = metrics
        self.frames = 0
        """How many frames there have been."""

    def video(
        self, frames: Iterator[PlanarFrame], source: SpeechSource, kind: StreamKind
    ) -> Generator[ClipHeader | bytes, None, int]:
        """Encode them as a video with its sound; return the number of pictures."""
        width, height = self._size
        with closing(source.pieces()) as pieces:
            sound = make_sound(pieces)
            frames = self._begun(frames)
            yield self._header(width + width % 2, height + height % 2, kind.value)
            return (
                yield from stream_video(
                    (frame.planes for frame in frames),
                    sound,
                    kind,
                    size=self._size,
                    rate_hz=FRAME_RATE_HZ,
                    on_encoded=self._metrics.frame_encoded,
                )
            )

    def pictures(
        self, frames: Iterator[Frame], options: PictureOptions
    ) -> Generator[ClipHeader | ClipPicture, None, int]:
        """Encode each by itself; return their number."""
        frames = self._begun(frames)
        yield self._header(*self._size, media_type(options.format))
        for frame in frames:
            start_s = time.perf_counter()
            data = encode_picture(frame.image, options.format, options.jpeg_quality)
            self._metrics.frame_encoded(time.perf_counter() - start_s)
            yield ClipPicture(frame.index, frame.time_s, frame.avatar_frame, data)
        return self.frames

    def _begun(self, frames: Iterator[Finished]) -> Iterator[Finished]:
        """Wait for the first frame: until then the sound may turn out to be of no use."""
        first = next(frames)  # the shortest sound gives one
        return self._counted(chain([first], frames))

    def _counted(self, frames: Iterable[Finished]) -> Iterator[Finished]:
        for frame in frames:
            self.frames += 1
            self._metrics.frame_composed(frame.composing_s)
            yield frame

    def _header(self, width: int, height: int, kind: str) -> ClipHeader:
        return ClipHeader(self._name, width, height, float(FRAME_RATE_HZ), kind)


class _Sound:
    """Gives the sound's bytes, behind a header where they have none of their own."""

    def __init__(self, sound: SoundReader, header: bytes, most_bytes: int) -> None:
        self._sound = sound
        self._header = header
        self._most_bytes = most_bytes
        self._left = most_bytes

    def read(self, size: int, /) -> bytes:
        if self._header:
            header, self._header = self._header, b""
            return header
        data = self._sound.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"The sound is larger than {self._most_bytes} bytes, the most that is taken for "
                "one clip; send it in parts, or compressed."
            )
        return data


def _opened(
    sound: SoundReader, raw: RawSound | None, limits: Limits
) -> AbstractContextManager[SpeechSource]:
    header = raw.wave_header() if raw else b""
    reader = _Sound(sound, header, limits.message_bytes)
    return open_speech(as_type(BinaryIO, reader), twice=True)


def find_avatar(cast: Cast, name: str) -> tuple[str, Avatar]:
    """Find an avatar, and the name that it is known by.

    Args:
        cast: where.
        name: its name; empty for the first.

    Raises:
        AvatarError: there is none of that name, or none at all.
    """
    if name:
        return name, cast.avatar(name)
    for first in cast.report.avatars:
        return first, cast.avatar(first)
    raise AvatarError("This server has no avatar that could speak; start it with one.")


def _check_length(stated_s: float | None, most_s: float) -> None:
    """Refuse sound whose header says that it is too long, before anything is made of it."""
    if stated_s is not None and stated_s > most_s:
        raise _too_long(most_s, f"The sound is {stated_s:.1f} s long, which is more")


def _bounded(blocks: Iterable[Samples], most_s: float) -> Generator[Samples, None, None]:
    """Pass the sound on as it is decoded, until there is too much of it."""
    left = round(most_s * SAMPLE_RATE_HZ)
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise _too_long(most_s, "The sound is longer")
        yield block


def _too_long(most_s: float, what: str) -> InputError:
    return InputError(
        f"{what} than {most_s:g} s, the most that is rendered as one clip; send it in parts."
    )


def _next_frame(avatar: Avatar, position: int) -> int:
    """Give the same place in the endless order of an avatar's frames by a small number."""
    return position % max(1, 2 * avatar.frame_count - 2)
