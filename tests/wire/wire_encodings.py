"""Messages made by hand: every encoding that the protocol allows, and the values that it holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hypothesis import strategies as st

VARINT, I64, LEN, START_GROUP, END_GROUP, I32 = range(6)


def varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def scalar(number: int, value: int) -> bytes:
    return tag(number, VARINT) + varint(value % 2**64)


def length_delimited(number: int, content: bytes) -> bytes:
    return tag(number, LEN) + varint(len(content)) + content


def packed(number: int, values: list[float]) -> bytes:
    return length_delimited(number, struct.pack(f"<{len(values)}f", *values))


def unpacked(number: int, values: list[float]) -> bytes:
    return b"".join(tag(number, I32) + struct.pack("<f", value) for value in values)


def group(number: int, content: bytes) -> bytes:
    return tag(number, START_GROUP) + content + tag(number, END_GROUP)


@dataclass
class Piece:
    """A part of a message, and what it says of the fields 1 to 4 of a request."""

    encoded: bytes
    floats: tuple[int, list[float]] | None = None
    scalar: tuple[int, int] | None = None


float_lists = st.lists(st.floats(width=32), max_size=40)
strangers = st.integers(5, 40) | st.just(2**29 - 1)


def _floats(number: int, values: list[float], is_packed: bool) -> Piece:
    encoded = (packed if is_packed else unpacked)(number, values)
    return Piece(encoded, floats=(number, values))


def _scalar(number: int, value: int) -> Piece:
    return Piece(scalar(number, value), scalar=(number, value))


simple_unknown = st.one_of(
    st.builds(scalar, strangers, st.integers(0, 2**64 - 1)),
    st.builds(length_delimited, strangers, st.binary(max_size=20)),
    st.builds(
        lambda number, data: tag(number, I64) + data, strangers, st.binary(min_size=8, max_size=8)
    ),
    st.builds(
        lambda number, data: tag(number, I32) + data, strangers, st.binary(min_size=4, max_size=4)
    ),
    # Known numbers of another type than theirs.
    st.builds(scalar, st.sampled_from([1, 2]), st.integers(0, 2**64 - 1)),
    st.builds(length_delimited, st.sampled_from([3, 4]), st.binary(max_size=20)),
)
unknown = st.recursive(
    simple_unknown,
    lambda inner: st.builds(
        lambda number, fields: group(number, b"".join(fields)),
        strangers | st.integers(1, 4),
        st.lists(inner | st.builds(packed, st.integers(1, 2), float_lists), max_size=3),
    ),
    max_leaves=6,
)
pieces = st.one_of(
    st.builds(_floats, st.integers(1, 2), float_lists, st.booleans()),
    st.builds(_scalar, st.integers(3, 4), st.integers(-(2**31), 2**31 - 1)),
    st.builds(Piece, unknown),
)
requests = st.lists(pieces, max_size=12)
"""Valid encodings of a request, piece by piece, in any order."""


@st.composite
def mutated(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """A message of which a few stretches were replaced by others."""
    message = draw(messages)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        end = draw(st.integers(start, min(len(message), start + 4)))
        message = message[:start] + draw(st.binary(max_size=4)) + message[end:]
    return message
