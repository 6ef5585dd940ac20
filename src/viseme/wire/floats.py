"""A `repeated float`, however it was encoded: packed, packed in pieces, one by one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from viseme.wire.fields import RECORD_BYTES, Field, WireType, damaged

__all__ = ["FLOAT", "Float32", "Floats"]

Float32 = NDArray[np.float32]
FLOAT: Final[np.dtype[np.float32]] = np.dtype("<f4")
"""How a float goes over the line; on most machines, float32 itself."""


class Floats:
    """Gathers the values of one field as the message is gone through.

    Packed values in one piece, which is what all common encoders send, stay where they are. All
    others are copied together, in less memory than three messages.
    """

    def __init__(self, message: memoryview) -> None:
        self._message = message
        self._piece: Float32 | None = None
        self._joined = bytearray()

    def add(self, field: Field) -> None:
        """Take the values of a field; those of a type that no float has are passed over.

        Raises `WireError` for packed values of which the last is not whole.
        """
        piece = self._values(field)
        if not len(piece):
            return
        if self._piece is None and not self._joined:
            self._piece = piece
            return
        if self._piece is not None:
            self._joined += self._piece.tobytes()
            self._piece = None
        self._joined += piece.tobytes()

    def array(self) -> Float32:
        """Return the values: float32 `[n]`, contiguous, read-only; see `BatchTensors`."""
        if self._piece is None:
            values = np.frombuffer(self._joined, FLOAT)
            values.flags.writeable = False
            return values
        if self._piece.flags.c_contiguous:
            return self._piece
        copy = self._piece.copy()
        copy.flags.writeable = False
        return copy

    def _values(self, field: Field) -> Float32:
        start, size = field.start, field.end - field.start
        if field.wire_type is WireType.LEN:
            if size % FLOAT.itemsize:
                raise damaged(start, f"{size} bytes are no whole number of floats")
            count, stride = size // FLOAT.itemsize, FLOAT.itemsize
        elif field.wire_type is WireType.I32:
            count, stride = (size + 1) // RECORD_BYTES, RECORD_BYTES
        else:
            count, stride = 0, FLOAT.itemsize
        # This and no `frombuffer`, which knows no strides; NumPy checks the bounds of it too.
        return np.ndarray((count,), FLOAT, self._message, start, (stride,))
