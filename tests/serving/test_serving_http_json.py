"""Batches as JSON: exact, strict, and small in what they hold."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.errors import InputError
from viseme.serving.doors.http_json import BatchBody, encode_batch, parse_batch

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def text(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def parsed(body: bytes) -> BatchBody:
    return parse_batch(bytearray(body))


def same(found: NDArray[np.float32], expected: list[float]) -> None:
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    assert found.dtype == np.float32


@given(st.lists(FLOATS, max_size=50), st.lists(FLOATS, max_size=5), st.integers(), st.integers())
def test_what_python_writes_is_read(
    visual: list[float], audio: list[float], size: int, frame: int
) -> None:
    fields = {"start_frame_idx": frame, "audio_features": audio, "visual_frames": visual}
    small = {"batch_size": size % 2**31}
    body = json.dumps({**fields, **small}, indent=len(visual) % 3).encode()
    if abs(frame) >= 2**63:
        return
    batch = parsed(body)
    same(batch.visual, visual)
    same(batch.audio, audio)
    assert (batch.batch_size, batch.start_frame_idx) == (size % 2**31, frame)


@given(st.lists(FLOATS, max_size=50))
def test_what_is_written_is_read_by_anyone(values: list[float]) -> None:
    output = np.array(values, np.float32)
    found = json.loads(b"".join(encode_batch(output, 1.25)))
    assert list(found) == ["output_frames", "inference_time_ms", "success"]
    same(np.array(found["output_frames"], np.float32), values)
    assert (found["inference_time_ms"], found["success"]) == (1.25, True)


def test_large_ones_are_read_and_written_in_pieces() -> None:
    values = np.random.default_rng(0).random(100_000, dtype=np.float32)
    batch = parsed(text(visual_frames=values.tolist(), audio_features=[], batch_size=1))
    np.testing.assert_array_equal(batch.visual, values)
    pieces = list(encode_batch(values.reshape(10, -1), 0.0))
    assert max(map(len, pieces)) < 400_000
    found = json.loads(b"".join(pieces))["output_frames"]
    np.testing.assert_array_equal(np.array(found, np.float32), values)


def test_fields_that_are_missing_are_empty_and_others_are_passed_over() -> None:
    batch = parsed(b'{"note": "a [ b ] [1, 2] [", "more": [[1, 2], [3]], "visual_frames": [7]}')
    same(batch.visual, [7])
    same(batch.audio, [])
    assert (batch.batch_size, batch.start_frame_idx) == (0, 0)


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    same(parsed(b'{"visual_frames": [1, 2], "visual_frames": [3]}').visual, [3])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not valid JSON: "),
        (b"{", "The body is not valid JSON: "),
        (b"\xff\xfe", "The body is not valid JSON: "),
        (b'{"batch_size": NaN}', "The body is not valid JSON: "),
        (b'{"visual_frames": [1, 2', "The body is not valid JSON: "),
        (b"[" * 1_000, "The body is not valid JSON: "),
        (b"[1, 2]", "The body is not a JSON object; "),
        (b"7", "The body is not a JSON object; "),
        (b'{"visual_frames": 7}', "visual_frames is not a flat list of numbers; "),
        (b'{"visual_frames": null}', "visual_frames is not a flat list of numbers; "),
        (b'{"visual_frames": "[1]"}', "visual_frames is not a flat list of numbers; "),
        (b'{"visual_frames": [[1]]}', "visual_frames is not a flat list of numbers; "),
        (b'{"visual_frames": [true]}', "visual_frames is not a flat list of numbers; "),
        (b'{"audio_features": ["1"]}', "audio_features is not a flat list of numbers; "),
        (b'{"audio_features": [null]}', "audio_features is not a flat list of numbers; "),
        (b'{"audio_features": [NaN]}', "The body is not valid JSON: "),
        (b'{"audio_features": [1,,2]}', "A list of numbers is not valid JSON: "),
        (b'{"audio_features": [1,]}', "A list of numbers is not valid JSON: "),
        (b'{"audio_features": [01]}', "A list of numbers is not valid JSON: "),
        (b'{"audio_features": [1 2]}', "A list of numbers is not valid JSON: "),
        (b'{"audio_features": [1e999]}', "A list of numbers is not valid JSON: "),
        (b'{"audio_features": [' + b"9" * 5_000 + b"]}", "A list of numbers is not valid JSON: "),
        (
            b'{"audio_features": [' + b" " * 65_535 + b"1,]}",
            "A list of numbers is not valid JSON: it ends with a comma.",
        ),
        (b'{"batch_size": 1.0}', "batch_size is not a whole number; send it as one."),
        (b'{"batch_size": "1"}', "batch_size is not a whole number; send it as one."),
        (b'{"start_frame_idx": true}', "start_frame_idx is not a whole number; send it as one."),
        (b'{"a": "' + b"x" * 70_000 + b'"}', "The body has much besides flat lists of numbers; "),
        (b"[" * 70_000, "The body has much besides flat lists of numbers; "),
        (b"[" * 10_000_000 + b"]", "The body has much besides flat lists of numbers; "),
        (b'{"a":' + b"[" * 70_000 + b"]", "The body has much besides flat lists of numbers; "),
        (b"[" + b"[]," * 100_000 + b"[]]", "The body has much besides flat lists of numbers; "),
        (b"[" + b'"a",' * 100_000 + b"7]", "The body has much besides flat lists of numbers; "),
    ],
)
def test_what_is_no_batch_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(body)
    assert str(caught.value).startswith(sentence)


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    if not body.lstrip().startswith(b"{"):
        with pytest.raises(InputError):
            parsed(body)
    else:
        with suppress(InputError):
            parsed(body)


def test_a_number_too_large_for_a_float_is_infinite_and_left_to_the_desk() -> None:
    same(parsed(b'{"audio_features": [1e200, -1e39]}').audio, [np.inf, -np.inf])
