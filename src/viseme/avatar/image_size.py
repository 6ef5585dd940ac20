"""The size of a picture, from its header.

Asked before decoding: a file of a few kilobytes can claim to be a picture of gigabytes.
"""

from __future__ import annotations

import struct

__all__ = ["image_size"]

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8"
_JPEG_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that have the size; the three left out are tables and extensions."""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a PNG or JPEG claims; None if it is neither or cut off."""
    if data.startswith(_PNG_START):
        if data[12:16] != b"IHDR" or len(data) < 24:
            return None
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    return _jpeg_size(data) if data.startswith(_JPEG_START) else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Go from segment to segment (ITU-T T.81, annex B) up to the frame header."""
    position = len(_JPEG_START)
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _JPEG_FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
    return None
