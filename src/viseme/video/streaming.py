"""A video as a stream of bytes: each piece can be sent and played before the next is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, nullcontext
from dataclasses import replace
from enum import Enum
from fractions import Fraction

from viseme.avatar.planes import Pixels
from viseme.errors import OutputError
from viseme.video.container import MP4, WEBM, ContainerRecipe, ContainerSink
from viseme.video.sinks import Format
from viseme.video.sound import Sound
from viseme.video.target import output_errors
from viseme.video.writer import VideoWriter

__all__ = ["StreamKind", "stream_video"]

_OUT = "the stream"
"""What errors call it."""

_FRAGMENT_US = 500_000
"""Half a second: a fragment costs 1.5 kB beside its pictures, and is what a player waits for."""

_MP4_STREAM = replace(
    MP4,
    options={
        # The first fragment is awaited before the header is written: only then is known by how
        # much the encoders delay pictures and sound, and the header can make up for it.
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
        "frag_duration": str(_FRAGMENT_US),
        "flush_packets": "1",  # a piece goes out when it is complete, not when a buffer is full
    },
)
# Neither a length nor an index, for which one would have to go back to the beginning.
_WEBM_STREAM = replace(WEBM, options={"live": "1", "flush_packets": "1"})


class StreamKind(Enum):
    """What the pieces are a file of, put together; the value is its MIME type."""

    MP4 = "video/mp4"
    """Fragmented MP4 with H.264 and AAC."""
    WEBM = "video/webm"
    """WebM with VP9 and Opus."""


def stream_video(
    frames: Iterable[Pixels],
    sound: Sound | None,
    kind: StreamKind,
    *,
    size: tuple[int, int],
    rate_hz: int | Fraction = 25,
    on_encoded: Callable[[float], None] | None = None,
) -> Generator[bytes, None, int]:
    """Encode pictures and their sound into pieces of a video, as they come.

    Pictures are taken and encoded when the next piece is asked for, so a consumer that pauses
    makes all else wait; what is held meanwhile is about half a second of encoded video, and the
    few pictures that the encoder looks ahead. Pictures and sound end together, as in files.
    Closing the generator ends the encoders, and closes `frames` if that is a generator.

    Args:
        frames: uint8 [H, W, 3] each, B, G, R, or in planes; taken one at a time.
        sound: what is heard with them; None for a silent film.
        kind: what the pieces are.
        size: (width, height) of the pictures; the video has an even number of pixels each way.
        rate_hz: pictures a second.
        on_encoded: told the seconds that it took to encode each picture with its sound.

    Yields:
        Pieces of the video, none empty.

    Returns:
        The number of pictures in the video, including those held at the end.

    Raises:
        OutputError: there are no pictures, or the codec does not take them.
        ValueError: a picture has another size.
    """
    report = on_encoded or _ignore
    form = Format.of(size, rate_hz, sound)
    pieces = _Pieces()
    with closing(frames) if isinstance(frames, Generator) else nullcontext():
        with output_errors(_OUT):
            sink = ContainerSink(pieces, form, _recipe(kind))
        writer = VideoWriter(sink, _OUT, form, sound)
        whole = False
        try:
            for image in frames:
                start_s = time.perf_counter()
                writer.write(image)
                report(time.perf_counter() - start_s)
                if piece := pieces.take():
                    yield piece
            writer.even_out()
            whole = True
        finally:
            try:
                with output_errors(_OUT):
                    sink.close(finish=whole)
            except OutputError:
                if whole:  # else it would hide why the video is not whole
                    raise
        if piece := pieces.take():
            yield piece
    return writer.pictures


class _Pieces:
    """What the container has written and nobody has taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def _recipe(kind: StreamKind) -> ContainerRecipe:
    return _MP4_STREAM if kind is StreamKind.MP4 else _WEBM_STREAM


def _ignore(_: float) -> None:
    """Report to nobody."""
