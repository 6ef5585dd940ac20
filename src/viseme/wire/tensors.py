"""The large messages of `lipsync`, from bytes to arrays and back, for both ends of the line.

On the wire a packed `repeated float` is its number, its length and then the very bytes of a NumPy
array. The generated classes build a Python list of it instead, which takes longer than the network
does. Here an array is copied once into the message that carries it, and not at all out of it.
So that no reader needs to copy it to aligned memory either, it begins a multiple of 4 bytes from
the beginning of the message.
What is read and written is the same protocol: `tests/wire` holds both to each other.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viseme.errors import WireError
from viseme.wire.fields import Field, WireType, damaged, fields
from viseme.wire.floats import FLOAT, Float32, Floats

__all__ = [
    "BatchAnswer",
    "BatchTensors",
    "encode_batch_request",
    "encode_batch_response",
    "parse_batch_request",
    "parse_batch_response",
]

_VISUAL_FRAMES, _AUDIO_FEATURES, _BATCH_SIZE, _START_FRAME_IDX = 1, 2, 3, 4
_OUTPUT_FRAMES, _INFERENCE_TIME_MS, _SUCCESS, _ERROR = 1, 2, 3, 4
_REQUEST_SCALARS = {_BATCH_SIZE: WireType.VARINT, _START_FRAME_IDX: WireType.VARINT}
_RESPONSE_SCALARS = {
    _INFERENCE_TIME_MS: WireType.I64,
    _SUCCESS: WireType.VARINT,
    _ERROR: WireType.LEN,
}


@dataclass(frozen=True, eq=False, slots=True)
class BatchTensors:
    """A `BatchRequest` or a `CompositeBatchRequest`, as it came: nothing in it is checked yet.

    Both arrays are float32, contiguous, read-only, and as a rule views of the message, which they
    keep in memory. Those of `encode_batch_request` are aligned where the message is; those of other
    encoders may begin at any byte. NumPy copes with that; for code that does not,
    `np.require(array, requirements="A")` copies where it has to.
    """

    visual: Float32
    """`[n]`; of a good request, n is B·6·S·S."""
    audio: Float32
    """`[m]`; of a good request, one window or B of them."""
    batch_size: int
    start_frame_idx: int


@dataclass(frozen=True, eq=False, slots=True)
class BatchAnswer:
    """A `BatchResponse`, as it came."""

    output: Float32
    """`[n]`, n being B·3·S·S with success and 0 without; otherwise as in `BatchTensors`."""
    inference_time_ms: float
    success: bool
    error: str


def parse_batch_request(data: bytes | memoryview) -> BatchTensors:
    """Read a `BatchRequest` or `CompositeBatchRequest`, in any encoding that is valid.

    Raises:
        WireError: it is damaged, or in more pieces than any encoder makes.
    """
    floats, scalars = _read(data, (_VISUAL_FRAMES, _AUDIO_FEATURES), _REQUEST_SCALARS)
    return BatchTensors(
        visual=floats[_VISUAL_FRAMES].array(),
        audio=floats[_AUDIO_FEATURES].array(),
        batch_size=_int32(scalars.get(_BATCH_SIZE)),
        start_frame_idx=_int32(scalars.get(_START_FRAME_IDX)),
    )


def encode_batch_request(
    visual: NDArray[np.floating[Any]],
    audio: NDArray[np.floating[Any]],
    batch_size: int,
    start_frame_idx: int,
) -> bytes:
    """Write a `BatchRequest`, which is a `CompositeBatchRequest` too.

    Args:
        visual: of any shape, `[B, 6, S, S]` as a rule; it is sent as float32 in C order.
        audio: likewise; one window or B of them.
        batch_size: B.
        start_frame_idx: the number of the first of the frames.

    Raises:
        WireError: a number does not fit into the 32 bits that it has.
    """
    for name, value in (("batch_size", batch_size), ("start_frame_idx", start_frame_idx)):
        if not -(2**31) <= value < 2**31:
            raise WireError(f"{name} is {value}, which 32 bits cannot hold: give a smaller one.")
    return b"".join(
        [
            *_packed(_VISUAL_FRAMES, visual),
            *_packed(_AUDIO_FEATURES, audio),
            _number(_BATCH_SIZE, batch_size),
            _number(_START_FRAME_IDX, start_frame_idx),
        ]
    )


def parse_batch_response(data: bytes | memoryview) -> BatchAnswer:
    """Read a `BatchResponse`, in any encoding that is valid.

    Raises:
        WireError: as `parse_batch_request`; also, the error is no UTF-8.
    """
    message = memoryview(data)
    floats, scalars = _read(message, (_OUTPUT_FRAMES,), _RESPONSE_SCALARS)
    time, success = scalars.get(_INFERENCE_TIME_MS), scalars.get(_SUCCESS)
    return BatchAnswer(
        output=floats[_OUTPUT_FRAMES].array(),
        inference_time_ms=struct.unpack_from("<d", message, time.start)[0] if time else 0.0,
        success=bool(success and success.value),
        error=_text(message, scalars.get(_ERROR)),
    )


def encode_batch_response(
    output: NDArray[np.floating[Any]], inference_time_ms: float, *, success: bool, error: str = ""
) -> bytes:
    """Write a `BatchResponse`.

    Args:
        output: of any shape, `[B, 3, S, S]` as a rule; it is sent as float32 in C order.
        inference_time_ms: milliseconds.
        success: whether `output` is the answer.
        error: what was wrong, or nothing.
    """
    milliseconds = struct.pack("<d", inference_time_ms)
    text = error.encode("utf-8", errors="replace")
    return b"".join(
        [
            *_packed(_OUTPUT_FRAMES, output),
            # Left out by its bits and not its value, as -0.0 is not what a reader assumes.
            *((_tag(_INFERENCE_TIME_MS, WireType.I64), milliseconds) if any(milliseconds) else ()),
            _number(_SUCCESS, success),
            *((_tag(_ERROR, WireType.LEN), _varint(len(text)), text) if text else ()),
        ]
    )


def _read(
    data: bytes | memoryview, floats: Collection[int], scalars: Mapping[int, WireType]
) -> tuple[dict[int, Floats], dict[int, Field]]:
    """Gather the floats of some fields, and of those that are scalars the last one of each.

    A field that is not known, or not of the type that it should have, is passed over.
    """
    message = memoryview(data).toreadonly()
    gathered = {number: Floats(message) for number in floats}
    last: dict[int, Field] = {}
    for field in fields(message):
        if field.number in gathered:
            gathered[field.number].add(field)
        elif scalars.get(field.number) == field.wire_type:
            last[field.number] = field
    return gathered, last


def _int32(field: Field | None) -> int:
    """Take the low 32 bits, with a sign: a negative number is sent as one of 64 bits."""
    low = field.value & 0xFFFF_FFFF if field else 0
    return low - 2**32 if low >= 2**31 else low


def _text(message: memoryview, field: Field | None) -> str:
    if field is None:
        return ""
    try:
        return str(message[field.start : field.end], "utf-8")
    except UnicodeDecodeError as error:
        raise damaged(field.start, "a text is not UTF-8") from error


def _packed(number: int, array: NDArray[np.floating[Any]]) -> tuple[bytes | memoryview, ...]:
    """Give the pieces of a packed `repeated float`; the array's own bytes where it is float32.

    They are a multiple of 4 bytes long, head and values alike, so that values are aligned in a
    message that begins with such fields. That takes up to three bytes, in two ways that every
    parser reads: a run of no values before the others, and a length with a leading zero.
    """
    values = np.ascontiguousarray(array, FLOAT).reshape(-1)
    if not len(values):
        return ()
    tag, length = _tag(number, WireType.LEN), _varint(values.nbytes)
    missing = -(len(tag) + len(length)) % FLOAT.itemsize
    if missing % 2:
        length = _lengthened(length)
    nothing = tag + b"\0" if missing >= 2 else b""
    return (nothing, tag, length, values.view(np.uint8).data)


def _number(number: int, value: int) -> bytes:
    """Write a varint's field, which is left out where it is 0."""
    bits = int(value) & (2**64 - 1)
    return _tag(number, WireType.VARINT) + _varint(bits) if bits else b""


def _tag(number: int, wire_type: WireType) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _lengthened(varint: bytes) -> bytes:
    """Write a varint with one byte more, whose bits are zeros of the same number."""
    return varint[:-1] + bytes([varint[-1] | 0x80, 0])
