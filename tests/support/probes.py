"""Tiny networks whose answers are known, in the shapes of the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

GENERATOR_NAMES = ("input", "audio", "output")
AUDIO_SHAPES = {320: (32, 16, 16), 160: (16, 32, 32)}
ENCODER_SEED = 7
# Old enough for every runtime that the project allows.
OPSET = 17
IR_VERSION = 8


def identity_generator(
    path: Path,
    size: int = 320,
    batch: int | None = None,
    names: Sequence[str] = GENERATOR_NAMES,
    audio_shape: tuple[int, int, int] | None = None,
) -> Path:
    """Write a generator that gives back the reference crop, whatever it hears.

    ``names`` are those of its visual input, its audio input and its output.
    """
    visual, _, output = names
    return _write_generator(
        path,
        [helper.make_node("Slice", [visual, "start", "stop", "axis"], [output])],
        _slice_bounds(3),
        size=size,
        batch=batch,
        names=names,
        audio_shape=audio_shape,
    )


def window_painter(
    path: Path,
    size: int = 320,
    batch: int | None = None,
    audio_shape: tuple[int, int, int] | None = None,
) -> Path:
    """Write a generator that paints its audio window, so that a picture tells what it heard.

    Every channel of the output is the window's values in C order from the top left, clipped to
    0..1, as far as they have room, and black below; :func:`painted_window` reads them again.
    """
    audio_shape = audio_shape or AUDIO_SHAPES[size]
    room = size * size
    values = int(np.prod(audio_shape))
    shown = min(values, room)
    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([0, -1], np.int64),
        "square": np.array([0, 1, size, size], np.int64),
        "padding": np.array([0, 0, 0, room - shown], np.int64),
        "three": np.array([1, 3, 1, 1], np.int64),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        **_slice_bounds(shown),
    }
    nodes = [
        helper.make_node("Reshape", ["audio", "flat"], ["values"]),
        helper.make_node("Slice", ["values", "start", "stop", "axis"], ["shown"]),
        helper.make_node("Clip", ["shown", "zero", "one"], ["clipped"]),
        helper.make_node("Pad", ["clipped", "padding"], ["painted"]),
        helper.make_node("Reshape", ["painted", "square"], ["canvas"]),
        helper.make_node("Tile", ["canvas", "three"], ["output"]),
    ]
    return _write_generator(path, nodes, constants, size=size, batch=batch, audio_shape=audio_shape)


def painted_window(
    picture: NDArray[np.float32], audio_shape: tuple[int, int, int] = AUDIO_SHAPES[320]
) -> NDArray[np.float32]:
    """Read the window that :func:`window_painter` painted into ``[3, S, S]``, clipped to 0..1."""
    values: NDArray[np.float32] = picture[0].reshape(-1)[: int(np.prod(audio_shape))]
    return values.reshape(audio_shape)


def lamp(path: Path, size: int = 320, level: float = 1.5) -> Path:
    """Write a generator that paints white while there is sound, and black while there is none.

    It hears one number, the first of its window's own feature (number 8 of 16), as
    :func:`lamp_encoder` makes it; the colour changes within 0.05 around ``level``.
    """
    own = 8 * 512
    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([0, -1], np.int64),
        "start": np.array([own], np.int64),
        "stop": np.array([own + 1], np.int64),
        "axis": np.array([1], np.int64),
        "level": np.array(level, np.float32),
        "steepness": np.array(20, np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "pixel": np.array([0, 1, 1, 1], np.int64),
        "square": np.array([1, 3, size, size], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", ["audio", "flat"], ["values"]),
        helper.make_node("Slice", ["values", "start", "stop", "axis"], ["loudness"]),
        helper.make_node("Sub", ["loudness", "level"], ["above"]),
        helper.make_node("Mul", ["above", "steepness"], ["steep"]),
        helper.make_node("Clip", ["steep", "zero", "one"], ["light"]),
        helper.make_node("Reshape", ["light", "pixel"], ["lit"]),
        helper.make_node("Expand", ["lit", "square"], ["output"]),
    ]
    return _write_generator(path, nodes, constants, size=size, batch=None)


def lamp_in_a_face(
    path: Path, lit: tuple[tuple[int, int], tuple[int, int]], size: int = 320, rest: float = 1
) -> Path:
    """Write a generator that paints a part of the face, the brighter the louder it is.

    It hears what :func:`lamp` does. ``lit`` is rows and columns of the part; all beside it is the
    face times ``rest``.
    """
    own = 8 * 512
    (top, bottom), (left, right) = lit
    part = np.zeros((1, 1, size, size), np.float32)
    part[..., top:bottom, left:right] = 1
    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([0, -1], np.int64),
        "first": np.array([own], np.int64),
        "last": np.array([own + 1], np.int64),
        "level": np.array(-2, np.float32),
        "steepness": np.array(0.25, np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "pixel": np.array([0, 1, 1, 1], np.int64),
        "part": part,
        "rest": np.float32(rest) * (1 - part),
        **_slice_bounds(3),
    }
    nodes = [
        helper.make_node("Reshape", ["audio", "flat"], ["values"]),
        helper.make_node("Slice", ["values", "first", "last", "axis"], ["loudness"]),
        helper.make_node("Sub", ["loudness", "level"], ["above"]),
        helper.make_node("Mul", ["above", "steepness"], ["steep"]),
        helper.make_node("Clip", ["steep", "zero", "one"], ["light"]),
        helper.make_node("Reshape", ["light", "pixel"], ["lit"]),
        helper.make_node("Mul", ["lit", "part"], ["painted"]),
        helper.make_node("Slice", ["input", "start", "stop", "axis"], ["face"]),
        helper.make_node("Mul", ["face", "rest"], ["left"]),
        helper.make_node("Add", ["left", "painted"], ["output"]),
    ]
    return _write_generator(path, nodes, constants, size=size, batch=None)


def lamp_encoder(path: Path, column: int = 5) -> Path:
    """Write an audio encoder that gives the loudest bin of one of its 16 mel frames, and zeros."""
    constants: dict[str, NDArray[Any]] = {
        "start": np.array([column], np.int64),
        "stop": np.array([column + 1], np.int64),
        "axis": np.array([3], np.int64),
        "flat": np.array([0, -1], np.int64),
        "padding": np.array([0, 0, 0, 511], np.int64),
    }
    nodes = [
        helper.make_node("Slice", ["mel", "start", "stop", "axis"], ["frame"]),
        helper.make_node("Reshape", ["frame", "flat"], ["bins"]),
        helper.make_node("ReduceMax", ["bins"], ["loudest"], axes=[1], keepdims=1),
        helper.make_node("Pad", ["loudest", "padding"], ["features"]),
    ]
    return write_network(
        path,
        nodes,
        constants,
        inputs={"mel": ("batch", 1, 80, 16)},
        outputs={"features": ("batch", 512)},
    )


def noisy_generator(path: Path, size: int = 160, batch: int | None = None, seed: int = 1) -> Path:
    """Write a small convolutional generator with random weights, whose rounding is not trivial.

    Every output pixel depends on its neighbourhood and on all of the audio window.
    """
    rng = np.random.default_rng(seed)
    audio_shape = AUDIO_SHAPES[size]
    width = 16

    def weights(*shape: int) -> NDArray[np.float32]:
        deviation = float(np.sqrt(2 / np.prod(shape[1:])))
        return rng.normal(0, deviation, shape).astype(np.float32)

    constants: dict[str, NDArray[Any]] = {
        "stem": weights(width, 6, 3, 3),
        "deep": weights(width, width, 3, 3),
        "last": weights(3, width, 1, 1),
        "ear": weights(width, *audio_shape),
    }
    nodes = [
        helper.make_node("Conv", ["input", "stem"], ["s"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["s"], ["sr"]),
        # A window-sized kernel without padding hears all of the window at once: [B, width, 1, 1].
        helper.make_node("Conv", ["audio", "ear"], ["heard"]),
        helper.make_node("Add", ["sr", "heard"], ["both"]),
        helper.make_node("Conv", ["both", "deep"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["d"], ["dr"]),
        helper.make_node("Conv", ["dr", "last"], ["small"]),
        helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Sigmoid", ["large"], ["output"]),
    ]
    constants["scales"] = np.array([1, 1, 2, 2], np.float32)
    return _write_generator(path, nodes, constants, size=size, batch=batch)


def passthrough_encoder(path: Path, batch: int | None = None) -> Path:
    """Write an audio encoder that is a fixed linear map, :func:`passthrough_features`."""
    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([0, 1280], np.int64),
        "matrix": _encoder_matrix(),
    }
    nodes = [
        helper.make_node("Reshape", ["mel", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "matrix"], ["features"]),
    ]
    leading = "batch" if batch is None else batch
    return write_network(
        path,
        nodes,
        constants,
        inputs={"mel": (leading, 1, 80, 16)},
        outputs={"features": (leading, 512)},
    )


def passthrough_features(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute what :func:`passthrough_encoder` gives: ``[b, 1, 80, 16]`` to ``[b, 512]``."""
    features: NDArray[np.float32] = mel.reshape(-1, 1280) @ _encoder_matrix()
    return features


def write_network(
    path: Path,
    nodes: Sequence[Any],
    constants: dict[str, NDArray[Any]],
    *,
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Mapping[str, Sequence[int | str | None]],
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Write any network; extents are a number, a symbol, or None."""
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _write_generator(
    path: Path,
    nodes: Sequence[Any],
    constants: dict[str, NDArray[Any]],
    *,
    size: int,
    batch: int | None,
    names: Sequence[str] = GENERATOR_NAMES,
    audio_shape: tuple[int, int, int] | None = None,
) -> Path:
    leading = "batch" if batch is None else batch
    return write_network(
        path,
        nodes,
        constants,
        inputs={
            names[0]: (leading, 6, size, size),
            names[1]: (leading, *(audio_shape or AUDIO_SHAPES[size])),
        },
        outputs={names[2]: (leading, 3, size, size)},
    )


def _slice_bounds(stop: int) -> dict[str, NDArray[Any]]:
    """Give the constants of a Slice that takes the first entries along axis 1."""
    return {
        "start": np.array([0], np.int64),
        "stop": np.array([stop], np.int64),
        "axis": np.array([1], np.int64),
    }


def _encoder_matrix() -> NDArray[np.float32]:
    rng = np.random.default_rng(ENCODER_SEED)
    return (rng.standard_normal((1280, 512)) / 36).astype(np.float32)
