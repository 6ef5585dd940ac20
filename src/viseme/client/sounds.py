"""A sound and the pictures or the video wanted of it, as the messages of `viseme.v1` say them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, cast

from viseme.errors import InputError
from viseme.wire.messages import v1

__all__ = ["LiveVideo", "Pictures", "RawSound", "Sound", "Video", "cut", "opened", "sound_pieces"]

Sound: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Iterable[bytes]
"""A path, the bytes of a sound file or of raw samples, a file open for reading in binary mode, or
pieces of such bytes, cut anywhere."""

PIECE_BYTES: Final = 2**16
"""Sound in one message: a third of a second of 48 kHz stereo, and small beside any limit."""

_FORMATS: Final = {
    "u8": v1.SAMPLE_FORMAT_U8,
    "s16": v1.SAMPLE_FORMAT_S16,
    "s32": v1.SAMPLE_FORMAT_S32,
    "f32": v1.SAMPLE_FORMAT_F32,
}
_SAMPLE_BYTES: Final = {"u8": 1, "s16": 2, "s32": 4, "f32": 4}
_PICTURES: Final = {
    "jpeg": v1.PICTURE_FORMAT_JPEG,
    "png": v1.PICTURE_FORMAT_PNG,
    "bgr": v1.PICTURE_FORMAT_BGR,
}
_LIVE_CODECS: Final = {
    "h264": v1.LIVE_CODEC_H264,
    "vp8": v1.LIVE_CODEC_VP8,
    "vp9": v1.LIVE_CODEC_VP9,
}
_CONTAINERS: Final = {"mp4": v1.CONTAINER_MP4, "webm": v1.CONTAINER_WEBM}


@dataclass(frozen=True, slots=True)
class RawSound:
    """What samples without a header around them are; little-endian, channels interleaved."""

    rate_hz: int
    channels: int = 1
    format: Literal["u8", "s16", "s32", "f32"] = "s16"

    @property
    def piece_bytes(self) -> int:
        """How many bytes of whole samples go into one message."""
        sample_bytes = _SAMPLE_BYTES[self.format] * max(self.channels, 1)
        return max(PIECE_BYTES // sample_bytes, 1) * sample_bytes

    def message(self) -> v1.RawSound:
        """Say it in the contract's words."""
        return v1.RawSound(
            rate_hz=self.rate_hz, channels=self.channels, format=_FORMATS[self.format]
        )


@dataclass(frozen=True, slots=True)
class Pictures:
    """Single pictures are wanted, without the sound."""

    format: Literal["jpeg", "png", "bgr"] = "jpeg"
    """`bgr` is uint8 [height, width, 3] without a header."""
    jpeg_quality: int = 90
    """1 (small) to 100 (good); for JPEG alone."""

    def message(self) -> v1.PictureOutput:
        """Say it in the contract's words."""
        return v1.PictureOutput(format=_PICTURES[self.format], jpeg_quality=self.jpeg_quality)


@dataclass(frozen=True, slots=True)
class Video:
    """A video with its sound is wanted."""

    container: Literal["mp4", "webm"] = "mp4"

    def message(self) -> v1.VideoOutput:
        """Say it in the contract's words."""
        return v1.VideoOutput(container=_CONTAINERS[self.container])


@dataclass(frozen=True, slots=True)
class LiveVideo:
    """The pictures of a live stream are wanted as a stream of video."""

    codec: Literal["h264", "vp8", "vp9"] = "h264"

    def message(self) -> v1.LiveVideo:
        """Say it in the contract's words."""
        return v1.LiveVideo(codec=_LIVE_CODECS[self.codec])


def opened(sound: Sound) -> tuple[Iterable[bytes] | BinaryIO, Callable[[], None]]:
    """Open a sound where it has to be, before any call is made for it.

    Returns:
        Its bytes or the file that has them, and what is to be called in the end.

    Raises:
        InputError: there is no such file.
    """
    if isinstance(sound, bytes):
        return [sound], _nothing
    if isinstance(sound, str | os.PathLike):
        try:
            file = Path(sound).open("rb")  # noqa: SIM115 - closed by whoever asked for it
        except (OSError, ValueError) as error:
            fault = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise InputError(
                f"The sound '{os.fspath(sound)}' cannot be read: {fault}; check the path."
            ) from error
        return file, file.close
    return sound, _nothing


def sound_pieces(sound: Iterable[bytes] | BinaryIO) -> Iterator[bytes]:
    """Give a sound in pieces of a size for one message.

    Raises:
        InputError: it cannot be read on, or it is not bytes.
    """
    if hasattr(sound, "read"):
        yield from _read(cast(BinaryIO, sound))
        return
    for piece in sound:
        yield from cut(piece)


def cut(piece: bytes, size: int = PIECE_BYTES) -> Iterator[bytes]:
    """Cut what is too long for one message; nothing comes of no bytes.

    Raises:
        InputError: they are no bytes.
    """
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise InputError(
            f"The sound has a piece that is a {type(piece).__name__}; give bytes, such as "
            "`samples.tobytes()`."
        )
    view = memoryview(piece).cast("B")
    for start in range(0, len(view), size):
        yield bytes(view[start : start + size])


def _read(file: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read(PIECE_BYTES)
        except (OSError, ValueError) as error:
            raise InputError(f"The sound cannot be read on: {error}.") from error
        if not piece:
            return
        yield from cut(piece)


def _nothing() -> None:
    """Close what needs no closing."""
