"""Batches as JSON: millions of numbers as text, without an object for each of them.

A batch of 25 frames is 15 million numbers in 150 to 300 MB. A parser that makes Python floats of
them takes three times that again, and holds the interpreter for seconds, in which no live stream
moves. So lists of numbers are read and written piece by piece, each in under a millisecond; what
is left of a message without them is small, and read as any JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from viseme.errors import InputError

__all__ = ["BatchBody", "encode_batch", "encode_json", "parse_batch"]

_PIECE_BYTES: Final = 2**16
"""Some thousands of numbers."""
_PIECE_NUMBERS: Final = 2**14
_REST_BYTES_MAX: Final = 2**16
"""Of a message without its lists of numbers; the four fields need a hundred."""
_LISTS_MAX: Final = 16
_IN_NUMBERS: Final = b"0123456789+-.eE, \t\r\n"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BatchBody:
    """A batch as it came; sizes and ranges are for the desk to check."""

    visual: Floats
    audio: Floats
    batch_size: int
    start_frame_idx: int


def parse_batch(body: bytes | bytearray) -> BatchBody:
    """Read a batch; fields that are missing are empty or 0, others are passed over.

    Args:
        body: a JSON object with `visual_frames` and `audio_features`, flat lists of numbers, and
            `batch_size` and `start_frame_idx`, whole numbers.

    Raises:
        InputError: it is none.
    """
    rest, lists = _without_lists(body)
    try:
        found = orjson.loads(rest)
    except orjson.JSONDecodeError as error:
        raise InputError(f"The body is not valid JSON: {error.msg}.") from error
    if not isinstance(found, dict):
        raise InputError(
            "The body is not a JSON object; send one with visual_frames, audio_features, "
            "batch_size and start_frame_idx."
        )
    return BatchBody(
        _list(found, lists, "visual_frames"),
        _list(found, lists, "audio_features"),
        _whole(found, "batch_size"),
        _whole(found, "start_frame_idx"),
    )


def encode_batch(output: Floats, inference_time_ms: float) -> Iterator[bytes]:
    """Write an answer, as it was before: without `error`, which is empty.

    Args:
        output: any shape; written flat, each number as short as it can be read back exactly.
        inference_time_ms: how long it took.
    """
    yield b'{"output_frames":['
    numbers = output.reshape(-1)
    for start in range(0, len(numbers), _PIECE_NUMBERS):
        piece = np.ascontiguousarray(numbers[start : start + _PIECE_NUMBERS])
        text = orjson.dumps(piece, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        yield text if start == 0 else b"," + text
    yield b'],"inference_time_ms":%b,"success":true}' % orjson.dumps(inference_time_ms)


def encode_json(value: object) -> bytes:
    """Write a small value."""
    return orjson.dumps(value)


def _without_lists(body: bytes | bytearray) -> tuple[bytes, list[Floats]]:
    """Take the lists of numbers out; in place of the n-th is `[n]`, itself a list of a number.

    So each flat list with one whole number in what is left stands for one that was taken out. In
    a text that looks like a list it does too, which nobody reads.
    """
    rest = bytearray()
    lists: list[Floats] = []
    place, end = 0, -1
    while (start := body.find(b"[", place)) >= 0:
        if end < start:  # else the next end is still the same, and is not looked for again
            end = body.find(b"]", start)
        if end < 0:
            break
        inner = body.find(b"[", start + 1, end)
        numbers = _numbers(body, start + 1, end) if inner < 0 else None
        if numbers is None:
            rest += body[place : start + 1]
            place = start + 1
        else:
            rest += body[place:start] + b"[%d]" % len(lists)
            lists.append(numbers)
            place = end + 1
        _check_small(len(rest), len(lists))
    _check_small(len(rest) + len(body) - place, len(lists))
    rest += body[place:]
    return bytes(rest), lists


def _check_small(rest_bytes: int, lists: int) -> None:
    if rest_bytes > _REST_BYTES_MAX or lists > _LISTS_MAX:
        raise InputError(
            "The body has much besides flat lists of numbers; send visual_frames and "
            "audio_features as such, with batch_size and start_frame_idx."
        )


def _numbers(body: bytes | bytearray, start: int, end: int) -> Floats | None:
    """Read the numbers between two places; None if there is something else between them."""
    pieces: list[Floats] = []
    while True:
        cut = body.find(b",", start + _PIECE_BYTES, end)
        text = body[start : end if cut < 0 else cut]
        if text.translate(None, _IN_NUMBERS):
            return None
        try:
            piece = orjson.loads(b"[" + text + b"]")
        except orjson.JSONDecodeError as error:
            raise InputError(f"A list of numbers is not valid JSON: {error.msg}.") from error
        if pieces and not piece:
            raise InputError("A list of numbers is not valid JSON: it ends with a comma.")
        with np.errstate(over="ignore"):  # infinity is refused with the other arrays' values
            pieces.append(np.array(piece, np.float32))
        if cut < 0:
            return np.concatenate(pieces)
        start = cut + 1


def _list(found: dict[str, object], lists: list[Floats], name: str) -> Floats:
    match found.get(name, []):
        case []:
            return np.empty(0, np.float32)
        case [int(number)] if not isinstance(number, bool):
            return lists[number]
        case _:
            raise InputError(f"{name} is not a flat list of numbers; send it as one.")


def _whole(found: dict[str, object], name: str) -> int:
    value = found.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} is not a whole number; send it as one.")
    return value
