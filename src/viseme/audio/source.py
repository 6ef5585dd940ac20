"""A file or stream with sound in it, and its packets. Everything that PyAV raises ends here.

Files reach PyAV as open Python files, never by name, and with every protocol forbidden: a
playlist that poses as speech cannot make it read other files, or the network.

PyAV takes as long to import as NumPy, so `decode` imports this module when a file is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from viseme.audio.length import duration_s, ogg_is_cut, stated_s, wav_stated_s
from viseme.errors import InputError

__all__ = ["Source", "opened"]

CUT_TOLERANCE_S = 0.1
"""What may be missing at the end of a whole file: encoders round to packets, and trim."""
CLOCK_TOLERANCE = 0.001
"""How far the clock of the time stamps may run from that of the samples."""
DAMAGED_IN_A_ROW = 1_000
"""Packets that give nothing but errors, after which the sound is taken to have ended."""
USABLE = "give a WAV, FLAC, MP3, M4A, Ogg or WebM file, or a video with sound"
SAMPLE_TYPES: dict[str, type[np.number[Any]]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
"""FFmpeg's sample formats; those with a "p" behind them have a plane for each channel."""

_ANY_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
"""Tags in an old encoding are no reason to refuse the sound; PyAV 19 is of that mind itself."""


@contextmanager
def opened(source: str | Path | BinaryIO) -> Iterator[Source]:
    """Open a source, and until it is closed translate all errors of reading into `InputError`.

    `source` is a path, or a file open for reading in binary mode, which is read from its
    beginning where it can seek, and left open.
    """
    name = _name_of(source)
    try:
        if isinstance(source, str | Path):
            with _open_file(name) as file, _open_container(file, name) as container:
                yield Source(file, name, container)
        else:
            with _open_container(source, name) as container:
                yield Source(source, name, container)
    # First, because PyAV's errors are Python's too: its FileNotFoundError is no missing file.
    except av.FFmpegError as error:
        raise InputError(
            f"{name} cannot be decoded, it is no sound or its header is damaged: {USABLE}."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist: check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder: {USABLE}.") from error
    except PermissionError as error:
        raise InputError(f"{name} may not be read: change its permissions.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{name} cannot be read ({reason}): check the path and disk.") from error


class Source:
    """The sound of an open file. It is decoded once, by `chunks`, and then knows its damage."""

    def __init__(self, file: BinaryIO, name: str, container: av.container.InputContainer) -> None:
        stream = container.streams.best("audio")
        if not isinstance(stream, av.AudioStream):
            raise InputError(f"{name} has no sound: {USABLE}.")
        if stream.codec_context is None:
            raise InputError(f"{name} has sound of a format that is not known: {USABLE}.")
        self.name = name
        self.container = container
        self.stream = stream
        self.decoded_s = 0.0
        self._reached_s = 0.0  # by the time stamps, which pass over gaps
        self._damaged_packets = 0
        self._is_cut = False
        self.stated_s = stated_s(container, stream)
        if _can_seek(file):
            place = file.tell()
            self._is_cut = ogg_is_cut(file)
            self.stated_s = wav_stated_s(file) or self.stated_s
            file.seek(place)  # PyAV does not notice

    def duration_s(self) -> float | None:
        """Tell the length as the file has it, which may be an estimate, or None."""
        return duration_s(self.container, self.stream)

    def packets_s(self) -> float:
        """Tell how long the sound is by its packets, without decoding any; to be asked alone."""
        added_s, begin_s, end_s = 0.0, math.inf, 0.0
        for packet in self._packets():
            length_s = float((packet.duration or 0) * packet.time_base)
            added_s += length_s
            if packet.pts is not None:
                start_s = float(packet.pts * packet.time_base)
                begin_s, end_s = min(begin_s, start_s), max(end_s, start_s + length_s)
        # Some packets do not say how long they are, and some clocks begin again on the way.
        return max(added_s, end_s - begin_s)

    def chunks(self) -> Iterator[tuple[NDArray[Any], int]]:
        """Decode the samples `[n, channels]`, in the type they have, each with its rate in Hz.

        Damaged packets are left out.
        """
        first_s: float | None = None
        for frame in self._frames():
            if not frame.samples or not frame.sample_rate:
                continue
            yield _samples_of(frame), frame.sample_rate
            length_s = frame.samples / frame.sample_rate
            self.decoded_s += length_s
            if frame.time is not None:
                first_s = frame.time if first_s is None else first_s
                self._reached_s = max(self._reached_s, frame.time - first_s + length_s)

    def damage(self) -> str | None:
        """Say in a sentence what was missing, once the chunks have ended; None for nothing."""
        used = f"{self.decoded_s:.2f} s are used."
        reached_s = max(self.decoded_s, self._reached_s)
        if self.stated_s is not None and reached_s < self.stated_s - CUT_TOLERANCE_S:
            return f"{self.name} is cut off: of its {self.stated_s:.2f} s, the first {used}"
        if self._is_cut:
            return f"{self.name} is cut off: the first {used}"
        if self._damaged_packets:
            count = f"{self._damaged_packets} piece{'s' if self._damaged_packets > 1 else ''}"
            return f"{self.name} is damaged: {count} could not be decoded, the other {used}"
        gaps_s = reached_s - self.decoded_s
        if gaps_s > max(CUT_TOLERANCE_S, CLOCK_TOLERANCE * reached_s):
            return f"{self.name} has gaps: {gaps_s:.2f} s are missing, the other {used}"
        return None

    def _frames(self) -> Iterator[av.AudioFrame]:
        damaged_in_a_row = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._damaged_packets += 1
                damaged_in_a_row += 1
                if damaged_in_a_row == DAMAGED_IN_A_ROW:
                    break
                continue
            for frame in frames:
                damaged_in_a_row = 0
                yield frame
        # Where damage is the last thing there is, it is the end that is missing.
        self._is_cut = self._is_cut or damaged_in_a_row > 0

    def _packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._is_cut = True
                return
            except IndexError:
                # PyAV may trip at the end over streams that turned up on the way, as MPEG-TS
                # allows; ours came before them, and has ended by then.
                return
            if packet is None:
                return
            yield packet


def _samples_of(frame: av.AudioFrame) -> NDArray[Any]:
    """Copy the samples of a frame out of PyAV: `[n, channels]`, in the type they have."""
    kind = frame.format.name
    dtype = SAMPLE_TYPES.get(kind.removesuffix("p"))
    if dtype is None:
        raise InputError(f"The sound has samples of the unknown format {kind}: {USABLE}.")
    # The planes are read here because PyAV's own arrays know no 64-bit integers.
    planes = [np.frombuffer(bytes(plane), dtype) for plane in frame.planes]
    if frame.format.is_planar:
        return np.stack([plane[: frame.samples] for plane in planes], axis=1)
    channels = frame.layout.nb_channels
    return planes[0][: frame.samples * channels].reshape(frame.samples, channels)


class _File:
    """A file as PyAV wants it: with a textual name, and methods to seek only where it can."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        if _can_seek(file):
            self.seek = file.seek
            self.tell = file.tell

    def read(self, count: int) -> bytes:
        data: object = self._file.read(count)
        if not isinstance(data, bytes):
            raise InputError(f"{self.name} cannot be read: open it in binary mode.")
        return data


def _can_seek(file: BinaryIO) -> bool:
    return bool(getattr(file, "seekable", lambda: hasattr(file, "seek"))())


def _name_of(source: str | Path | BinaryIO) -> str:
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "name", None)  # a number for pipes and temporary files
    return name if isinstance(name, str) else "The sound"


def _open_file(name: str) -> BinaryIO:
    if not name:  # which would be this very folder
        raise InputError(f"The sound file has no name: {USABLE}.")
    try:
        return Path(name).open("rb")
    except ValueError as error:  # a zero byte
        raise InputError(f"{name!r} is not a path: check it.") from error


def _open_container(file: BinaryIO, name: str) -> av.container.InputContainer:
    if _can_seek(file):
        file.seek(0)
    container: av.container.InputContainer = av.open(
        _File(file, name),
        mode="r",
        options={"protocol_whitelist": "none"},
        **_ANY_TAGS,
    )
    return container
