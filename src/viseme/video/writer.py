"""Brings pictures and sound together, in step, and ends both at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np

from viseme.avatar.planes import Pixels, Planes, size_of
from viseme.errors import OutputError
from viseme.video.container import MP4, MP4_LONG, WEBM, ContainerRecipe, ContainerSink
from viseme.video.png_folder import PngFolderSink
from viseme.video.sinks import Format, Sink
from viseme.video.sound import Block, Sound
from viseme.video.target import OutputKind, Target, output_errors

__all__ = ["VideoWriter", "open_video", "write_video"]

LONG_S = 3600.0
"""From here on an MP4 is written in fragments."""

_SILENCE_SAMPLES = 8_192


def write_video(
    frames: Iterable[Pixels],
    sound: Sound | None,
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    rate_hz: int | Fraction = 25,
) -> int:
    """Write pictures and their sound to an .mp4, a .webm or a folder of PNGs.

    Args:
        frames: uint8 [H, W, 3] each, B, G, R, or in planes; taken one at a time.
        sound: what is heard with them; None for a silent film.
        path: the result, which appears once it is complete; see `Target.parse`.
        size: (width, height) of the pictures; taken from the first where it is None.
        rate_hz: pictures a second.

    Returns:
        The number of pictures in the result, including those held at the end.

    Raises:
        OutputError: there are no pictures, or the result cannot be written.
    """
    target = Target.parse(path)
    pictures = iter(frames)
    if size is None:
        first = next(pictures, None)
        if first is None:
            raise OutputError(f"There are no pictures to write to '{path}'.")
        size = size_of(first)
        pictures = chain([first], pictures)
    with open_video(target, size=size, rate_hz=rate_hz, sound=sound) as writer:
        for picture in pictures:
            writer.write(picture)
    return writer.pictures


@contextmanager
def open_video(
    target: Target,
    *,
    size: tuple[int, int],
    rate_hz: int | Fraction = 25,
    sound: Sound | None = None,
    lasts_s: float | None = None,
) -> Iterator[VideoWriter]:
    """Open a writer for pictures of `size` (width, height).

    `lasts_s` is about how long the video will be, None where that is not known: of a long one
    memory holds no index.

    Leaving the block normally evens out the ends and puts the result in place; leaving it by an
    exception removes every trace and keeps what stood there before.

    Raises:
        OutputError: the result cannot be written, or no picture was.
    """
    form = Format.of(size, rate_hz, sound)
    with target.staged() as temporary:
        with output_errors(target.path):
            sink = _open_sink(target.kind, temporary, form, lasts_s or 0.0)
        writer = VideoWriter(sink, target.path, form, sound)
        try:
            yield writer
            writer.even_out()
        except BaseException:
            with suppress(OutputError), output_errors(target.path):
                sink.close(finish=False)
            raise
        with output_errors(target.path):
            sink.close(finish=True)


class VideoWriter:
    """Writes each picture with the sound that belongs to it.

    `open_video` makes it for a file, `stream_video` for a stream; `out` is what errors call it.

    After each picture the sound up to its end is written, so that neither runs ahead of the
    other and ten hours take the memory of ten seconds.
    """

    def __init__(self, sink: Sink, out: str | Path, form: Format, sound: Sound | None) -> None:
        self._sink = sink
        self._out = out
        self._form = form
        self._blocks: Iterator[Block] | None = sound.blocks if sound else None
        self._samples = 0
        self._pictures = 0
        self._last: Pixels | None = None

    @property
    def pictures(self) -> int:
        """How many pictures have been written, held ones included."""
        return self._pictures

    def write(self, picture: Pixels) -> None:
        """Write the next picture and the sound up to its end.

        It is uint8 [H, W, 3] in B, G, R, or in planes, whose size is the next even one.

        Raises:
            OutputError: the disk is full, or whatever else the system refuses.
            ValueError: the picture has another size than the video.
        """
        width, height = self._form.size
        if isinstance(picture, Planes):
            width, height = width + width % 2, height + height % 2
            fits = size_of(picture) == (width, height)
        else:
            fits = picture.shape == (height, width, 3) and picture.dtype == np.uint8
        if not fits:
            found = "x".join(map(str, size_of(picture)))
            raise ValueError(f"a picture is {found}, the video has {width}x{height} of 8 bits")
        self._picture(picture)
        while self._blocks is not None and self._samples < self._samples_due():
            self._next_block()

    def even_out(self) -> None:
        """Hold the last picture, or pad the sound with silence, until both end together."""
        if self._last is None:
            raise OutputError(f"There are no pictures to write to '{self._out}'.")
        while self._blocks is not None:
            self._next_block()
            while self._samples_due() < self._samples:
                self._picture(self._last)
        while self._form.channels and (missing := self._samples_due() - self._samples) > 0:
            length = min(missing, _SILENCE_SAMPLES)
            self._block(np.zeros((self._form.channels, length), np.float32))

    def _samples_due(self) -> int:
        """Return how many samples the pictures so far last."""
        return round(self._pictures * self._form.sound_rate_hz / self._form.rate_hz)

    def _next_block(self) -> None:
        assert self._blocks is not None
        block = next(self._blocks, None)
        if block is None:
            self._blocks = None
        else:
            self._block(block)

    def _block(self, block: Block) -> None:
        with output_errors(self._out):
            self._sink.sound(block)
        self._samples += block.shape[1]

    def _picture(self, picture: Pixels) -> None:
        with output_errors(self._out):
            self._sink.picture(picture)
        self._last = picture
        self._pictures += 1


def _open_sink(kind: OutputKind, path: Path, form: Format, lasts_s: float) -> Sink:
    if kind is OutputKind.PNG_FOLDER:
        return PngFolderSink(path, form)
    return ContainerSink(path, form, _recipe(kind, lasts_s))


def _recipe(kind: OutputKind, lasts_s: float) -> ContainerRecipe:
    if kind is OutputKind.WEBM:
        return WEBM
    return MP4 if lasts_s < LONG_S else MP4_LONG
