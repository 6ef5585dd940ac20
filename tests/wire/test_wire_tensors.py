"""The codec of the large messages against the generated classes, in both directions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wire_encodings import Piece, packed, requests, scalar, unpacked

from viseme.errors import WireError
from viseme.wire import (
    BatchTensors,
    encode_batch_request,
    encode_batch_response,
    parse_batch_request,
    parse_batch_response,
)
from viseme.wire.messages import lipsync

int32s = st.integers(-(2**31), 2**31 - 1)
arrays = st.lists(st.floats(width=32), max_size=60).map(lambda values: np.array(values, np.float32))
Array = NDArray[np.float32]
MOST_PADDING = 3
"""Bytes that only align an array."""


def assert_same_bits(actual: Array, expected: Array) -> None:
    assert actual.dtype == np.float32
    assert actual.ndim == 1
    assert actual.tobytes() == expected.tobytes()


def assert_equals_generated(
    tensors: BatchTensors, message: lipsync.BatchRequest | lipsync.CompositeBatchRequest
) -> None:
    np.testing.assert_array_equal(tensors.visual, np.array(message.visual_frames, np.float32))
    np.testing.assert_array_equal(tensors.audio, np.array(message.audio_features, np.float32))
    assert tensors.batch_size == message.batch_size
    assert tensors.start_frame_idx == message.start_frame_idx


@given(arrays, arrays, int32s, int32s)
def test_generated_classes_read_our_requests(
    visual: Array, audio: Array, batch_size: int, start: int
) -> None:
    data = encode_batch_request(visual, audio, batch_size, start)
    tensors = BatchTensors(visual, audio, batch_size, start)
    request = lipsync.BatchRequest.FromString(data)
    assert len(data) - len(request.SerializeToString()) <= 2 * MOST_PADDING
    assert_equals_generated(tensors, request)
    assert_equals_generated(tensors, lipsync.CompositeBatchRequest.FromString(data))


@given(arrays, arrays, int32s, int32s)
def test_we_read_requests_of_generated_classes(
    visual: Array, audio: Array, batch_size: int, start: int
) -> None:
    message = lipsync.BatchRequest(
        visual_frames=visual.tolist(),
        audio_features=audio.tolist(),
        batch_size=batch_size,
        start_frame_idx=start,
    )
    assert_equals_generated(parse_batch_request(message.SerializeToString()), message)


@given(requests)
def test_every_valid_encoding_is_read(request: list[Piece]) -> None:
    data = b"".join(piece.encoded for piece in request)
    tensors = parse_batch_request(data)
    assert_equals_generated(tensors, lipsync.BatchRequest.FromString(data))
    for number, array in ((1, tensors.visual), (2, tensors.audio)):
        values = [
            piece.floats[1] for piece in request if piece.floats and piece.floats[0] == number
        ]
        assert_same_bits(array, np.array([v for part in values for v in part], np.float32))
        assert array.flags.c_contiguous
        assert not array.flags.writeable


@given(arrays, st.floats(), st.booleans(), st.text())
@example(np.empty(0, np.float32), -0.0, False, "")
def test_generated_classes_read_our_responses(
    output: Array, time_ms: float, success: bool, error: str
) -> None:
    data = encode_batch_response(output, time_ms, success=success, error=error)
    message = lipsync.BatchResponse.FromString(data)
    np.testing.assert_array_equal(np.array(message.output_frames, np.float32), output)
    np.testing.assert_equal(message.inference_time_ms, time_ms)
    assert message.success is success
    assert message.error == error


@given(arrays, st.floats(), st.booleans(), st.text())
def test_we_read_responses_of_generated_classes(
    output: Array, time_ms: float, success: bool, error: str
) -> None:
    message = lipsync.BatchResponse(
        output_frames=output.tolist(), inference_time_ms=time_ms, success=success, error=error
    )
    answer = parse_batch_response(message.SerializeToString())
    np.testing.assert_array_equal(answer.output, output)
    np.testing.assert_equal(answer.inference_time_ms, time_ms)
    assert answer.success is success
    assert answer.error == error


def test_bits_survive_the_way_there_and_back() -> None:
    bits = np.array([0x7FA00001, 0xFFC12345, 0x80000000, 0x00000001, 0x7F800000], np.uint32)
    values = bits.view(np.float32)
    assert_same_bits(parse_batch_request(encode_batch_request(values, values, 1, 0)).audio, values)
    answer = parse_batch_response(encode_batch_response(values, 1.5, success=True))
    assert_same_bits(answer.output, values)


def test_packed_floats_are_a_view_of_the_message() -> None:
    data = bytearray(encode_batch_request(np.zeros(500), np.ones(100), 2, 3))
    tensors = parse_batch_request(memoryview(data))
    data[:] = data.replace(np.float32(1).tobytes(), np.float32(2).tobytes())
    np.testing.assert_array_equal(tensors.audio, np.full(100, 2, np.float32))
    assert np.shares_memory(tensors.visual, np.frombuffer(data, np.uint8))


def place_in(data: bytes, array: Array) -> int:
    return array.ctypes.data - np.frombuffer(data, np.uint8).ctypes.data


@given(st.integers(1, 70), st.integers(0, 70), int32s, st.floats())
@example(2**19, 2**12, 1, 1.0)  # lengths of four and of three bytes, as in the field
@example(2**21, 2**19, 1, 1.0)
def test_our_arrays_are_aligned_in_their_message(
    many: int, few: int, number: int, time_ms: float
) -> None:
    visual, audio = np.ones(many, np.float32), np.ones(few, np.float32)
    data = encode_batch_request(visual, audio, number, number)
    tensors = parse_batch_request(data)
    assert_same_bits(tensors.visual, visual)
    assert_same_bits(tensors.audio, audio)
    assert place_in(data, tensors.visual) % 4 == 0
    if few:
        assert place_in(data, tensors.audio) % 4 == 0
    data = encode_batch_response(visual, time_ms, success=True)
    output = parse_batch_response(data).output
    assert_same_bits(output, visual)
    assert place_in(data, output) % 4 == 0


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(24, dtype=np.float32)[::-2],
        np.arange(24, dtype=np.float64),
        np.arange(24, dtype=">f4"),
    ],
    ids=["shaped", "transposed", "strided", "float64", "big-endian"],
)
def test_any_array_is_sent_in_its_own_order(array: NDArray[np.floating[Any]]) -> None:
    expected = array.astype(np.float32).ravel()
    data = encode_batch_request(array, array, 1, 0)
    assert_same_bits(parse_batch_request(data).visual, expected)
    answer = parse_batch_response(encode_batch_response(array, 0.0, success=True))
    assert_same_bits(answer.output, expected)


def test_numbers_of_numpy_are_numbers() -> None:
    data = encode_batch_request(np.ones(1), np.ones(1), np.int64(-1), np.uint8(7))  # type: ignore[arg-type]
    tensors = parse_batch_request(data)
    assert (tensors.batch_size, tensors.start_frame_idx) == (-1, 7)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**64])
def test_a_number_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(WireError) as raised:
        encode_batch_request(np.ones(1), np.ones(1), value, 0)
    assert str(raised.value) == (
        f"batch_size is {value}, which 32 bits cannot hold: give a smaller one."
    )


def test_an_error_with_half_a_character_is_still_sent() -> None:
    data = encode_batch_response(np.ones(0), 0.0, success=False, error="a\ud800b")
    assert lipsync.BatchResponse.FromString(data).error == "a?b"


def test_the_last_of_several_numbers_counts() -> None:
    data = scalar(3, 5) + scalar(4, 1) + scalar(3, -7) + scalar(4, 2**32 + 6)
    tensors = parse_batch_request(data)
    assert (tensors.batch_size, tensors.start_frame_idx) == (-7, 6)


def test_an_empty_message_is_a_request_of_nothing() -> None:
    tensors = parse_batch_request(b"")
    assert (tensors.batch_size, tensors.start_frame_idx) == (0, 0)
    assert len(tensors.visual) == len(tensors.audio) == 0


def test_floats_one_by_one_are_no_fields_one_by_one() -> None:
    values = np.arange(300_000, dtype=np.float32)
    records = np.empty((len(values), 5), np.uint8)
    records[:, 0] = unpacked(1, [0.0])[0]
    records[:, 1:] = values.view(np.uint8).reshape(-1, 4)
    tensors = parse_batch_request(records.tobytes() + packed(1, [-1.0]) + scalar(3, 1))
    assert_same_bits(tensors.visual, np.append(values, np.float32(-1)))
    assert tensors.batch_size == 1


@pytest.mark.parametrize("encode", [packed, unpacked])
def test_memory_stays_within_a_few_messages(
    encode: Callable[[int, list[float]], bytes],
) -> None:
    data = (encode(1, [1.5]) + encode(2, [1.5])) * 30_000
    tracemalloc.start()
    try:
        tensors = parse_batch_request(data)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    finally:
        tracemalloc.stop()
    assert len(tensors.visual) == len(tensors.audio) == 30_000
