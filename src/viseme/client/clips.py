"""A whole clip: what is sent for it, and what comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias

from viseme.client.sounds import Pictures, RawSound, Video
from viseme.errors import OutputError, WireError
from viseme.wire.messages import v1

if TYPE_CHECKING:
    from viseme.video.target import Target

__all__ = [
    "ClipHeader",
    "ClipOptions",
    "ClipPart",
    "ClipPicture",
    "ClipReading",
    "ClipSummary",
    "VideoPiece",
    "clip_file",
    "clip_request",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """How a clip is wanted."""

    avatar: str = ""
    """Who speaks; the server's first avatar where none is named."""
    output: Video | Pictures = field(default_factory=Video)
    raw: RawSound | None = None
    """What the sound's samples are; None for a sound file, whose header says so."""
    start_frame: int = 0
    """The avatar's frame to begin with, 0 or more; a clip's `next_frame` goes on from it."""

    def message(self) -> v1.RenderStart:
        """Say it in the contract's words."""
        start = v1.RenderStart(avatar=self.avatar, start_frame=self.start_frame)
        if self.raw is not None:
            start.raw.CopyFrom(self.raw.message())
        if isinstance(self.output, Video):
            start.video.CopyFrom(self.output.message())
        else:
            start.pictures.CopyFrom(self.output.message())
        return start


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """Comes first: what the clip will be."""

    size: tuple[int, int]
    """Width and height in pixels."""
    frame_rate_hz: float
    media_type: str
    """Such as `video/mp4` or `image/jpeg`."""
    avatar: str


@dataclass(frozen=True, slots=True)
class VideoPiece:
    """The next bytes of the video's file, cut anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ClipPicture:
    """The next picture."""

    data: bytes
    """It, in the format that was asked for."""
    index: int
    time_s: float
    """When it is to be seen, from the beginning of the sound."""
    avatar_frame: int
    """Which of the avatar's own frames it is made of."""


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """Comes last: what the clip was."""

    pictures: int
    duration_s: float
    next_frame: int
    """The `start_frame` of a clip that is to go on without a jump."""
    warnings: tuple[str, ...]
    """What was wrong with the sound and was passed over, a sentence each."""


ClipPart: TypeAlias = ClipHeader | VideoPiece | ClipPicture | ClipSummary


def clip_request(options: ClipOptions, piece: bytes, *, first: bool) -> v1.RenderRequest:
    """Make the message of a piece of sound; the first says what is wanted, too."""
    if first:
        return v1.RenderRequest(start=options.message(), sound=piece)
    return v1.RenderRequest(sound=piece)


def clip_part(response: v1.RenderResponse) -> ClipPart | None:
    """Read a message; None of a kind that is newer than this client."""
    kind = response.WhichOneof("message")
    if kind == "video":
        return VideoPiece(response.video)
    if kind == "picture":
        picture = response.picture
        return ClipPicture(picture.data, picture.index, picture.time_s, picture.avatar_frame)
    if kind == "header":
        header = response.header
        return ClipHeader(
            (header.width, header.height), header.frame_rate_hz, header.media_type, header.avatar
        )
    if kind == "summary":
        summary = response.summary
        return ClipSummary(
            summary.pictures, summary.duration_s, summary.next_frame, tuple(summary.warnings)
        )
    return None


class ClipReading:
    """Reads the messages of one clip, and knows whether that was all."""

    def __init__(self) -> None:
        self._whole = False

    def part(self, response: v1.RenderResponse) -> ClipPart | None:
        """Read a message; None of a kind that is newer than this client."""
        part = clip_part(response)
        self._whole = self._whole or isinstance(part, ClipSummary)
        return part

    def end(self) -> None:
        """See that nothing is missing, now that the stream has ended well.

        Raises:
            WireError: there was no summary.
        """
        if not self._whole:
            raise WireError(
                "The clip ended without its summary, so a part of it is missing; try again."
            )


class ClipFile:
    """A clip's file while it is being written; made by `clip_file`."""

    def __init__(self, file: BinaryIO, target: Target) -> None:
        self._file = file
        self._target = target
        self.summary: ClipSummary
        """There once it has been taken."""

    def options(self, options: ClipOptions | None) -> ClipOptions:
        """Give the options of a clip for this file."""
        container: Literal["mp4", "webm"] = "webm" if self._target.kind.value == ".webm" else "mp4"
        return replace(options or ClipOptions(), output=Video(container))

    def take(self, part: ClipPart) -> None:
        """Take the next part.

        Raises:
            OutputError: it cannot be written.
        """
        # Not at the top: it brings the encoders of FFmpeg, which no other call needs.
        from viseme.video.target import output_errors  # noqa: PLC0415

        if isinstance(part, VideoPiece):
            with output_errors(self._target.path):
                self._file.write(part.data)
        elif isinstance(part, ClipSummary):
            with output_errors(self._target.path):
                self._file.flush()
            self.summary = part


@contextmanager
def clip_file(out: str | Path) -> Iterator[ClipFile]:
    """Give a file for a clip that appears when all went well.

    Raises:
        OutputError: it is no video's name, or the place cannot be written.
    """
    from viseme.video.target import OutputKind, Target, output_errors  # noqa: PLC0415 - as above

    target = Target.parse(out)
    if target.kind is OutputKind.PNG_FOLDER:
        raise OutputError(
            f"Cannot write '{target.path}': a server's clip goes into .mp4 or .webm; for single "
            "pictures, go through render() with Pictures() as its output."
        )
    with target.staged() as path:
        with output_errors(target.path):
            file = path.open("wb")
        with file:
            yield ClipFile(file, target)
