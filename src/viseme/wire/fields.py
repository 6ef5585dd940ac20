"""The fields of a protocol buffers message, one after the other, none of them copied.

The format is that of https://protobuf.dev/programming-guides/encoding: a field is a tag (its
number and the type of what follows, as a varint) and its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from viseme.errors import WireError

__all__ = ["MOST_FIELDS", "Field", "WireType", "damaged", "fields", "varint"]

MOST_FIELDS: Final = 65_536
"""Fields in a message, a run of 4-byte ones counted once: bounds the time that one may take.

It is enough for 200 MB of floats in packed pieces of 3 kB.
"""
MOST_NESTED: Final = 100
"""Groups inside groups, as in protobuf's own parsers."""
RECORD_BYTES: Final = 5
"""A tag of one byte and four bytes of content."""

_LONGEST_VARINT = 10
_LONGEST_TAG = 5  # of a tag and of a length, as in protobuf's own parsers
_LARGEST_TAG = 2**32 - 1
_LARGEST_LENGTH = 2**31 - 1
_NO_TAG = "this is no field's tag"
_FIRST_BLOCK, _LARGEST_BLOCK = 64, 2**20


class WireType(IntEnum):
    """What follows a tag."""

    VARINT = 0
    I64 = 1
    LEN = 2
    START_GROUP = 3
    END_GROUP = 4
    I32 = 5


class Field(NamedTuple):
    """A field, by its place in the message.

    Of type I32 it may be a run: the contents of several fields of the same number, with the tags
    between them. There is one every `RECORD_BYTES` bytes, the first at `start`.
    """

    number: int
    wire_type: WireType
    start: int
    """Index of the content's first byte."""
    end: int
    """Index behind its last one."""
    value: int = 0
    """Of a varint, its 64 bits without a sign."""


def damaged(at: int, fault: str) -> WireError:
    """Make the error for a fault at a byte of the message."""
    return WireError(
        f"The message is damaged at byte {at}: {fault}; send what the classes of the proto encode."
    )


def fields(message: memoryview) -> Iterator[Field]:
    """Go through the fields of a message of bytes. Groups are checked, and passed over.

    Raises:
        WireError: the message is damaged, or has more than `MOST_FIELDS` fields. What has been
            given until then lies within the message.
    """
    groups: list[int] = []  # the numbers of those that are open
    at = 0
    for _ in range(MOST_FIELDS + 1):
        if at == len(message):
            break
        field = _field(message, at)
        # Within a group, as protobuf's own parser does, the number is not looked at.
        if not field.number and not groups:
            raise damaged(at, _NO_TAG)
        if field.wire_type is WireType.START_GROUP:
            groups.append(field.number)
            if len(groups) > MOST_NESTED:
                raise damaged(at, f"groups are nested more than {MOST_NESTED} deep")
        elif field.wire_type is WireType.END_GROUP:
            if not groups or groups.pop() != field.number:
                raise damaged(at, "a group ends that was not begun")
        elif not groups:
            yield field
        at = field.end
    else:
        raise WireError(
            f"The message has more than {MOST_FIELDS} fields: pack its floats in fewer pieces."
        )
    if groups:
        raise damaged(at, "a group has no end")


def varint(message: memoryview, at: int, longest: int = _LONGEST_VARINT) -> tuple[int, int]:
    """Read a varint of at most `longest` bytes: its 64 bits, and the index behind it."""
    value = 0
    for index, byte in enumerate(message[at : at + longest]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), at + index + 1
    raise damaged(at, "a number has no end")


def _field(message: memoryview, at: int) -> Field:
    tag, start = varint(message, at, _LONGEST_TAG)
    number, kind = tag >> 3, tag & 7
    if tag > _LARGEST_TAG or kind > WireType.I32:
        raise damaged(at, _NO_TAG)
    wire_type = WireType(kind)
    value = 0
    end = start
    if wire_type is WireType.VARINT:
        value, end = varint(message, start)
    elif wire_type is WireType.I64:
        end = start + 8
    elif wire_type is WireType.LEN:
        length, start = varint(message, start, _LONGEST_TAG)
        if length > _LARGEST_LENGTH:
            raise damaged(at, "a field is longer than any message")
        end = start + length
    elif wire_type is WireType.I32:
        end = start + 4
        if start == at + 1:
            end += RECORD_BYTES * _repeats(message, end, tag)
    if end > len(message):
        raise damaged(at, f"the field has {end - start} bytes, and {len(message) - start} follow")
    return Field(number, wire_type, start, end, value)


def _repeats(message: memoryview, at: int, tag: int) -> int:
    """Count the records of the one-byte tag that stand from `at` on.

    They are compared in blocks that double, so that many short runs cost no more than one long.
    """
    whole = (len(message) - at) // RECORD_BYTES
    if whole <= 0 or message[at] != tag:
        return 0
    tags = np.frombuffer(message, np.uint8)[at : at + whole * RECORD_BYTES : RECORD_BYTES]
    count, block = 0, _FIRST_BLOCK
    while count < whole:
        others = tags[count : count + block] != tag
        first = int(others.argmax())
        if others[first]:
            return count + first
        count += len(others)
        block = min(2 * block, _LARGEST_BLOCK)
    return count
