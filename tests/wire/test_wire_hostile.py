"""Bytes that are no message, or only half: one error, and the opinion of protobuf's own parser."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_encodings import (
    END_GROUP,
    I32,
    I64,
    LEN,
    START_GROUP,
    group,
    length_delimited,
    mutated,
    packed,
    requests,
    scalar,
    tag,
    unpacked,
    varint,
)

from viseme.errors import InputError, WireError
from viseme.wire import encode_batch_response, parse_batch_request, parse_batch_response
from viseme.wire.fields import MOST_FIELDS, MOST_NESTED
from viseme.wire.messages import lipsync

valid_requests = requests.map(lambda request: b"".join(piece.encoded for piece in request))
valid_responses = st.builds(
    lambda values, time_ms, error: encode_batch_response(
        np.array(values, np.float32), time_ms, success=True, error=error
    ),
    st.lists(st.floats(width=32), max_size=10),
    st.floats(),
    st.text(max_size=20),
)


@settings(max_examples=300)
@given(st.binary(max_size=64) | mutated(valid_requests))
@example(tag(3, 0) + b"\xff" * 9 + b"\x7f")  # more than 64 bits
@example(b"\x98\x80\x80\x80\x00\x01")  # a long way to write the tag of field 3
@example(b"\x98\x80\x80\x80\x80\x00\x01")  # a longer one than tags may have
@example(tag(1, LEN) + b"\x80\x80\x80\x80\x00")
@example(tag(1, LEN) + b"\x80\x80\x80\x80\x80\x00")
@example(b"\xfa\xff\xff\xff\x1f\x00")  # a tag of more than 32 bits
@example(group(9, b"\x00\x01"))  # no field has the number 0, but in a group nobody looks
@example(tag(0, START_GROUP) + tag(0, END_GROUP))
def test_requests_are_judged_as_by_the_generated_classes(data: bytes) -> None:
    try:
        expected = lipsync.BatchRequest.FromString(data)
    except DecodeError:
        with pytest.raises(WireError):
            parse_batch_request(data)
        return
    tensors = parse_batch_request(data)
    np.testing.assert_array_equal(tensors.visual, np.array(expected.visual_frames, np.float32))
    np.testing.assert_array_equal(tensors.audio, np.array(expected.audio_features, np.float32))
    assert tensors.batch_size == expected.batch_size
    assert tensors.start_frame_idx == expected.start_frame_idx


@settings(max_examples=300)
@given(st.binary(max_size=64) | mutated(valid_responses))
def test_responses_are_judged_as_by_the_generated_classes(data: bytes) -> None:
    try:
        expected = lipsync.BatchResponse.FromString(data)
    except DecodeError:
        with pytest.raises(WireError):
            parse_batch_response(data)
        return
    answer = parse_batch_response(data)
    np.testing.assert_array_equal(answer.output, np.array(expected.output_frames, np.float32))
    np.testing.assert_equal(answer.inference_time_ms, expected.inference_time_ms)
    assert (answer.success, answer.error) == (expected.success, expected.error)


def nested(depth: int) -> bytes:
    return tag(9, START_GROUP) * depth + tag(9, END_GROUP) * depth


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x80", "at byte 0: a number has no end"),
        (scalar(3, 1) + b"\xff" * 11, "at byte 2: a number has no end"),
        (tag(3, 0) + b"\xff" * 11, "at byte 1: a number has no end"),
        (b"\x00\x01", "at byte 0: this is no field's tag"),
        (scalar(4, 1) + b"\x1f", "at byte 2: this is no field's tag"),
        (b"\x80\x80\x80\x80\x10", "at byte 0: this is no field's tag"),
        (packed(1, [1.0])[:-1], "at byte 0: the field has 4 bytes, and 3 follow"),
        (unpacked(1, [1.0, 2.0])[:-1], "at byte 5: the field has 4 bytes, and 3 follow"),
        (tag(2, I64) + bytes(7), "at byte 0: the field has 8 bytes, and 7 follow"),
        (
            tag(1, LEN) + varint(2**31 - 1),
            "at byte 0: the field has 2147483647 bytes, and 0 follow",
        ),
        (tag(1, LEN) + varint(2**31), "at byte 0: a field is longer than any message"),
        (length_delimited(1, bytes(6)), "at byte 2: 6 bytes are no whole number of floats"),
        (tag(9, END_GROUP), "at byte 0: a group ends that was not begun"),
        (tag(9, START_GROUP) + tag(8, END_GROUP), "at byte 1: a group ends that was not begun"),
        (tag(9, START_GROUP) + scalar(3, 1), "at byte 3: a group has no end"),
        (nested(101), "at byte 100: groups are nested more than 100 deep"),
        (nested(1_000_000), "at byte 100: groups are nested more than 100 deep"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_error_says_what_is_wrong_and_where(data: bytes, fault: str) -> None:
    for parse in (parse_batch_request, parse_batch_response):
        with pytest.raises(InputError) as raised:
            parse(data)
        assert type(raised.value) is WireError
        assert str(raised.value) == (
            f"The message is damaged {fault}; send what the classes of the proto encode."
        )


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(WireError, match="at byte 2: a text is not UTF-8"):
        parse_batch_response(length_delimited(4, b"\xff"))


def test_groups_may_be_nested_as_deep_as_elsewhere() -> None:
    data = nested(MOST_NESTED) + scalar(3, 4)
    assert parse_batch_request(data).batch_size == 4
    assert lipsync.BatchRequest.FromString(data).batch_size == 4


def test_what_a_group_holds_is_not_the_message() -> None:
    tensors = parse_batch_request(scalar(3, 4) + group(9, scalar(3, 5) + packed(1, [1.0])))
    assert tensors.batch_size == 4
    assert len(tensors.visual) == 0


@pytest.mark.parametrize(
    "piece",
    [scalar(9, 1), packed(1, []), unpacked(1, [1.0]) + unpacked(2, [1.0]), group(9, b"")],
    ids=["numbers", "empty floats", "floats in turn", "groups"],
)
def test_fields_without_end_are_refused(piece: bytes) -> None:
    with pytest.raises(WireError) as raised:
        parse_batch_request(piece * (MOST_FIELDS + 1))
    assert str(raised.value) == (
        "The message has more than 65536 fields: pack its floats in fewer pieces."
    )


def test_as_many_fields_as_there_may_be_are_read() -> None:
    data = scalar(9, 1) * (MOST_FIELDS - 1) + scalar(3, 4)
    assert parse_batch_request(data).batch_size == 4


@given(st.integers(1, 300), st.integers(0, 4), st.sampled_from([I32, I64, LEN]))
def test_a_run_of_floats_ends_where_another_field_begins(
    count: int, left_out: int, kind: int
) -> None:
    run = unpacked(1, [0.0] * count)
    # Each content is the run's own tag, over and over: only the places tell them apart.
    stranger = {
        I32: tag(5, I32) + run[:1] * 4,
        I64: tag(5, I64) + run[:1] * 8,
        LEN: length_delimited(5, run[:1] * left_out),
    }[kind]
    assert len(parse_batch_request(run + stranger + run).visual) == 2 * count
    if left_out:
        with pytest.raises(WireError):
            parse_batch_request(run[:-left_out])
