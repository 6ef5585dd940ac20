"""From trained networks to the ONNX files of a bundle.

Batch norms are folded into their convolutions, some nodes are put in another way that is faster
(`surgery`), the batch is dynamic, and large weights are stored
in half precision behind a cast that every runtime folds away when it loads the file: half the
bytes, and float32 arithmetic all the same.
"""

from __future__ import annotations

import copy
import logging
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from viseme.engine import AudioEncoder, Inferencer
from viseme.studio.networks import GeneratorNet, LipSyncNet
from viseme.studio.surgery import convolve_apart, merge_slices

__all__ = ["export", "export_generator"]

# The exporter names each package that it can do without.
logging.getLogger("torch.onnx").setLevel(logging.ERROR)

Array: TypeAlias = NDArray[np.float32]

OPSET = 18
TOLERANCE = 0.5 / 255
"""Largest difference between PyTorch and the exported file: half an 8-bit step."""
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
HALF_FROM_ELEMENTS = 2**17
"""Tensors smaller than this keep float32: they would save little, and those that draw in detail are
among them, where half precision shows most."""


def export(net: LipSyncNet, generator: Path, audio_encoder: Path) -> None:
    """Write both networks and check each file against PyTorch.

    Raises
    ------
    RuntimeError
        when a written file's output strays from PyTorch's by more than `TOLERANCE`.
    """
    export_generator(net.generator, generator)
    mel = torch.randn(2, 1, 80, 16)
    features = _write(net.encoder, (mel,), ["mel"], audio_encoder)
    with AudioEncoder(audio_encoder, backend="onnxruntime") as encode:
        _compare(audio_encoder, encode(mel.numpy()), features)


def export_generator(net: GeneratorNet, path: Path) -> None:
    """Write a generator and check the file against PyTorch; see `export`."""
    visual = torch.rand(2, 6, net.config.size, net.config.size)
    audio = torch.randn(2, *net.config.audio_shape)
    pictures = _write(net, (visual, audio), ["input", "audio"], path)
    with Inferencer(path, backend="onnxruntime") as infer:
        _compare(path, infer.infer_batch(visual.numpy(), audio.numpy()), pictures)


def _write(module: nn.Module, inputs: tuple[Tensor, ...], names: list[str], path: Path) -> Array:
    """Write a network, and return what PyTorch makes of the inputs."""
    # Copies, so that neither touches the module that training goes on with.
    exact = copy.deepcopy(module).cpu().float().eval()
    folded = _fold_batch_norms(copy.deepcopy(exact))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals alone
        torch.onnx.export(
            folded,
            inputs,
            path,
            input_names=names,
            output_names=["output"],
            opset_version=OPSET,
            dynamic_shapes=tuple({0: torch.export.Dim("batch", max=1024)} for _ in inputs),
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    del model.metadata_props[:]
    parts: tuple[Any, ...] = (*model.graph.node, *model.graph.value_info, model.graph)
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
    convolve_apart(model)
    merge_slices(model)
    _store_half(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    with torch.no_grad():
        return cast(Array, exact(*inputs).numpy())


def _fold_batch_norms(module: nn.Module) -> nn.Module:
    """Put every batch norm into the convolution before it, in place."""
    for part in module.modules():
        if isinstance(part, nn.Sequential):
            for index, (first, second) in enumerate(pairwise(part)):
                if isinstance(first, CONVOLUTIONS) and isinstance(second, NORMS):
                    part[index] = fuse_conv_bn_eval(first, second)
                    part[index + 1] = nn.Identity()
    return module


def _store_half(model: onnx.ModelProto) -> None:
    """Keep large weights as float16, each behind a Cast back to float32."""
    casts = []
    for tensor in model.graph.initializer:
        large = int(np.prod(tensor.dims)) >= HALF_FROM_ELEMENTS
        if tensor.data_type != TensorProto.FLOAT or not large:
            continue
        name, stored = tensor.name, f"{tensor.name}.half"
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)


def _compare(path: Path, got: Array, expected: Array) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    stray = float(np.abs(got - expected).max()) / scale
    if stray > TOLERANCE:
        raise RuntimeError(
            f"{path.name} strays from PyTorch by {stray:.5f} (at most {TOLERANCE:.5f})"
        )
