from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from support.probes import (
    identity_generator,
    passthrough_encoder,
    write_network,
)
from viseme.engine import read_encoder, read_model
from viseme.errors import ModelError

Shape = tuple[int | str | None, ...]


def declared(
    path: Path,
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Write a network that only declares, and cannot be run.

    Its outputs have a shape that no analysis can know, so what is declared stands.
    """
    source = next(iter(inputs))
    nodes = [
        helper.make_node("NonZero", [source], ["places"]),
        helper.make_node("Reshape", ["places", "flat"], ["extents"]),
        *(helper.make_node("Reshape", [source, "extents"], [name]) for name in outputs),
    ]
    constants = {"flat": np.array([-1], np.int64)}
    return write_network(path, nodes, constants, inputs=inputs, outputs=outputs, dtype=dtype)


@pytest.mark.parametrize(
    ("size", "audio_shape"),
    [
        (320, (32, 16, 16)),
        (160, (16, 32, 32)),
        (160, (32, 32, 32)),
        (160, (256, 16, 32)),
        (160, (128, 16, 32)),
    ],
)
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_reads_every_family(
    tmp_path: Path, size: int, audio_shape: tuple[int, int, int], batch: int | None
) -> None:
    path = identity_generator(tmp_path / "m.onnx", size, batch, audio_shape=audio_shape)

    info = read_model(path)

    assert info.path == path
    assert info.size == size
    assert info.visual_shape == (6, size, size)
    assert info.audio_shape == audio_shape
    assert info.output_shape == (3, size, size)
    assert info.batch == batch


@pytest.mark.parametrize(
    "names",
    [
        ("input", "audio", "output"),
        ("visual_input", "audio_input", "out"),
        ("audio", "input", "output"),  # Misnamed on purpose: shapes decide.
    ],
)
def test_reads_names(tmp_path: Path, names: tuple[str, str, str]) -> None:
    info = read_model(identity_generator(tmp_path / "m.onnx", names=names))

    assert (info.visual_name, info.audio_name, info.output_name) == names


def test_tells_visual_from_audio_in_either_order(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"a": ("b", 32, 16, 16), "v": ("b", 6, 320, 320)},
        {"o": ("b", 3, 320, 320)},
    )

    info = read_model(path)

    assert (info.visual_name, info.audio_name) == ("v", "a")


def test_finds_the_picture_among_other_outputs(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": ("b", 6, 320, 320), "a": ("b", 32, 16, 16)},
        {"mask": ("b", 1, 320, 320), "o": ("b", 3, 320, 320)},
    )

    info = read_model(path)

    assert (info.output_name, info.output_index) == ("o", 1)


def test_open_extents_are_filled_in_from_the_others(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": ("b", 6, "h", "w"), "a": (None, 16, 32, None)},
        {"o": ("b", 3, "h", "w")},
    )

    info = read_model(path)

    assert (info.size, info.audio_shape, info.batch) == (160, (16, 32, 32), None)


def test_a_batch_fixed_in_one_tensor_counts_for_all(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": (4, 6, 320, 320), "a": ("b", 32, 16, 16)},
        {"o": ("b", 3, 320, 320)},
    )

    assert read_model(path).batch == 4


def test_ambiguous_extents_are_refused(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": ("b", 6, 160, 160), "a": ("b", "c", "h", "w")},
        {"o": ("b", 3, 160, 160)},
    )

    with pytest.raises(ModelError, match=r"leaves so many extents open.*a float\[\?, \?, \?, \?\]"):
        read_model(path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "got"),
    [
        (
            {"v": ("b", 6, 256, 256), "a": ("b", 32, 16, 16)},
            {"o": ("b", 3, 256, 256)},
            r"got inputs v float\[\?, 6, 256, 256\], a float\[\?, 32, 16, 16\] and outputs "
            r"o float\[\?, 3, 256, 256\]",
        ),
        (
            {"v": ("b", 6, 320, 320), "a": ("b", 16, 32, 32)},
            {"o": ("b", 3, 320, 320)},
            r"a float\[\?, 16, 32, 32\]",
        ),
        ({"v": ("b", 6, 320, 320)}, {"o": ("b", 3, 320, 320)}, r"inputs v float"),
        (
            {"v": ("b", 6, 320, 320), "a": ("b", 32, 16, 16)},
            {"o": ("b", 1, 320, 320)},
            r"o float\[\?, 1, 320, 320\]",
        ),
        ({"v": ("b", 3, 320, 320), "a": ("b", 32, 16, 16)}, {"o": ("b", 3, 320, 320)}, "v float"),
        ({"v": (6, 320, 320), "a": (32, 16, 16)}, {"o": (3, 320, 320)}, r"v float\[6, 320, 320\]"),
    ],
)
def test_other_shapes_are_refused_with_expected_and_got(
    tmp_path: Path, inputs: dict[str, Shape], outputs: dict[str, Shape], got: str
) -> None:
    path = declared(tmp_path / "m.onnx", inputs, outputs)

    with pytest.raises(ModelError, match=r"expected a visual input \[B, 6, S, S\].*" + got):
        read_model(path)


def test_half_precision_tensors_are_refused(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": ("b", 6, 320, 320), "a": ("b", 32, 16, 16)},
        {"o": ("b", 3, 320, 320)},
        dtype=TensorProto.FLOAT16,
    )

    with pytest.raises(ModelError, match=r"all float32.*v float16\["):
        read_model(path)


def test_batches_that_differ_are_refused(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "m.onnx",
        {"v": (4, 6, 320, 320), "a": (1, 32, 16, 16)},
        {"o": (4, 3, 320, 320)},
    )

    with pytest.raises(ModelError, match="have different batches"):
        read_model(path)


@pytest.mark.parametrize("read", [read_model, read_encoder])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "is not a network in ONNX, or is damaged"),
        (b"\x00" * 4096, "is not a network in ONNX, or is damaged"),
    ],
)
def test_files_that_are_no_network(tmp_path: Path, read: object, content: bytes, says: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert callable(read)

    with pytest.raises(ModelError, match=says) as raised:
        read(path)

    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_truncated_networks_are_refused(tmp_path: Path, kept: float) -> None:
    whole = passthrough_encoder(tmp_path / "whole.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(ModelError, match=r"cut\.onnx is not a network in ONNX, or is damaged"):
        read_encoder(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no network at .*none\.onnx; check the path"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="is a folder; give the path of an ONNX file"):
        read_model(tmp_path)


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_reads_an_encoder(tmp_path: Path, batch: int | None) -> None:
    info = read_encoder(passthrough_encoder(tmp_path / "a.onnx", batch))

    assert (info.input_name, info.output_name, info.batch) == ("mel", "features", batch)


def test_a_generator_is_no_encoder_and_the_other_way_round(tmp_path: Path) -> None:
    generator = identity_generator(tmp_path / "g.onnx")
    encoder = passthrough_encoder(tmp_path / "a.onnx")

    with pytest.raises(ModelError, match=r"is not an audio encoder: expected .*\[B, 1, 80, 16\]"):
        read_encoder(generator)
    with pytest.raises(ModelError, match="is not a generator of a known family"):
        read_model(encoder)
