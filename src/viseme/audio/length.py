"""How long a file says its sound is: by this a file that was cut off is known.

Most containers say it in their header, and FFmpeg hands it on. Of WAV and Ogg it only tells how
much there is, not how much there should be: their own bytes are read here.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = ["duration_s", "ogg_is_cut", "stated_s", "wav_stated_s"]

ESTIMATE_TOLERANCE = 0.02
"""How far a duration may be from size over bit rate and still be that estimate."""
WAV_CHUNKS_LOOKED_AT = 64
"""Chunks of a WAV file before its samples: more than any recorder writes."""
WAV_UNCOMPRESSED = (0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE)
"""Tags of PCM, floating point, A-law, mu-law and the extensible header of these."""
OGG_PAGE_BYTES = 27 + 255 + 255 * 255
"""The largest page of Ogg."""
OGG_LAST_PAGE = 0x04


def duration_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Tell the length of `stream` in seconds, which may be an estimate; None where not known."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska states the length of a track as a tag, and that of the longest in its header.
    hours, minutes, seconds = (stream.metadata.get("DURATION", "") + "::").split(":")[:3]
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        is_alone = len(container.streams) == 1
        return container.duration / 1e6 if is_alone and container.duration is not None else None


def stated_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Tell the length that the header of a container states for `stream`, in seconds.

    None where there is none, or where FFmpeg has only estimated it from size and bit rate, as it
    does for raw AAC and MP3. To be asked before anything is decoded, which changes the bit rate.
    """
    length_s = duration_s(container, stream)
    bit_rate = stream.codec_context.bit_rate
    if length_s is not None and bit_rate and container.size > 0:
        estimate_s = 8 * container.size / bit_rate
        if abs(length_s - estimate_s) <= ESTIMATE_TOLERANCE * estimate_s:
            return None
    return length_s


def wav_stated_s(file: BinaryIO) -> float | None:
    """Tell how many seconds the header of an uncompressed WAV file states.

    `file` can seek. None where it is no such file (RIFF or RF64), or its header does not say.
    """
    file.seek(0)
    magic = file.read(12)
    if magic[:4] not in (b"RIFF", b"RF64") or magic[8:] != b"WAVE":
        return None
    bytes_per_s, long_size = 0, 0
    for _ in range(WAV_CHUNKS_LOOKED_AT):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            return _wav_data_s(size, long_size, bytes_per_s)
        start = file.tell()
        body = file.read(min(size, 16))
        if name == b"fmt " and len(body) == 16:
            tag, _, _, bytes_per_s = struct.unpack("<HHII", body[:12])
            bytes_per_s = bytes_per_s if tag in WAV_UNCOMPRESSED else 0
        if name == b"ds64" and len(body) == 16:
            long_size = struct.unpack("<Q", body[8:])[0]
        file.seek(start + size + size % 2)  # chunks begin at even places
    return None


def _wav_data_s(size: int, long_size: int, bytes_per_s: int) -> float | None:
    # A recorder that could not come back to fill in the size has left 0 or about 2 or 4 GB there.
    is_filled_in = size > 0 and size & 0x7FFFFFFF < 0x7FFFF000
    size = long_size or (size if is_filled_in else 0)
    return size / bytes_per_s if size and bytes_per_s else None


def ogg_is_cut(file: BinaryIO) -> bool:
    """Tell whether an Ogg file lacks the end of a page, or the page that is marked as its last.

    `file` can seek. False where it is no Ogg file.
    """
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * OGG_PAGE_BYTES))
    end = file.read(2 * OGG_PAGE_BYTES)
    page = end[max(0, end.rfind(b"OggS")) :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if not segments or len(page) < 27 + page[26] + sum(segments):
        return True
    return not page[5] & OGG_LAST_PAGE
