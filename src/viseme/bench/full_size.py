"""A generator of the family's full size, built from a seed, for those who have none at hand.

It has the layers, the shapes and the cost of SyncTalk_2D's at 328 (12.2 million parameters, 9.8
GFLOP for a picture of 320 x 320), written as an exporter writes it: batch norms folded, the batch
dynamic. Its weights are random, so its pictures show nothing; how long they take does not depend on
that.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from viseme.errors import MissingExtraError

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError(
        "The full-size network is built with onnx, which is not installed; install "
        "'viseme[bench]', or give a network of your own with --model."
    ) from error

__all__ = ["write_full_size"]

LADDER: Final = (32, 32, 64, 128, 256, 512)
"""Channels at 320 x 320 and after each of the five steps down."""
UPS: Final = (128, 64, 32, 32, 16)
"""Channels after each of the five steps up."""
HEARD: Final = (64, 128)
"""Channels of the audio branch before the two layers that bring it to the bottleneck."""
SIDE: Final = 320
AUDIO_SHAPE: Final = (32, 16, 16)
OPSET: Final = 18
IR_VERSION: Final = 10


def write_full_size(path: Path, *, seed: int = 0) -> None:
    """Write the network to an ONNX file; the same seed gives the same weights.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx.save(_Graph(seed).model(), path)


class _Graph:
    """A graph in the making: each method adds a layer and gives its output's name."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """Build all of it: stem, downs, audio branch, fusion, ups and head."""
        x = self._residual("input", 6, LADDER[0])
        skips = []
        for inputs, outputs in pairwise(LADDER):
            skips.append((x, inputs))
            x = self._double(x, inputs, outputs, stride=2)
        x = self._node("Concat", [x, self._hear("audio")], axis=1)
        x = self._double(x, 2 * LADDER[-1], LADDER[-1])
        x = self._double(x, LADDER[-1], LADDER[-2])
        channels = LADDER[-2]
        for (skip, skipped), outputs in zip(reversed(skips), UPS, strict=True):
            x = self._node("Concat", [self._twice(x), skip], axis=1)
            x = self._double(x, channels + skipped, outputs)
            channels = outputs
        x = self._conv(x, channels, 3, kernel=1, gain=0.1)
        self._node("Sigmoid", [x], name="output")
        graph = helper.make_graph(
            self._nodes,
            "full_size",
            [_value("input", ["batch", 6, SIDE, SIDE]), _value("audio", ["batch", *AUDIO_SHAPE])],
            [_value("output", ["batch", 3, SIDE, SIDE])],
            self._weights,
        )
        # The format's version is said, for onnx's own is often newer than what a runtime reads.
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="viseme",
        )

    def _double(self, x: str, inputs: int, outputs: int, *, stride: int = 1) -> str:
        """Add the two inverted residuals that make a stage."""
        x = self._residual(x, inputs, outputs, stride=stride)
        return self._residual(x, outputs, outputs)

    def _residual(self, x: str, inputs: int, outputs: int, *, stride: int = 1) -> str:
        hidden = 2 * inputs
        y = self._relu(self._conv(x, inputs, hidden, kernel=1))
        y = self._relu(self._conv(y, hidden, hidden, stride=stride, groups=hidden))
        if stride == 1 and inputs == outputs:
            return self._node("Add", [x, self._conv(y, hidden, outputs, kernel=1, gain=0.3)])
        return self._conv(y, hidden, outputs, kernel=1)

    def _hear(self, x: str) -> str:
        """Add the branch from a window, 16 x 16, to the bottleneck's 10 x 10."""
        channels = AUDIO_SHAPE[0]
        for outputs in HEARD:
            x = self._residual(x, channels, outputs)
            channels = outputs
        x = self._relu(self._conv(x, channels, LADDER[-2]))
        x = self._residual(x, LADDER[-2], LADDER[-2])
        x = self._relu(self._conv(x, LADDER[-2], LADDER[-1], stride=2, pad=3))
        for _ in range(2):
            x = self._residual(x, LADDER[-1], LADDER[-1])
        return x

    def _twice(self, x: str) -> str:
        scales = self._weight(np.asarray([1, 1, 2, 2], np.float32))
        return self._node(
            "Resize",
            [x, "", scales],
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )

    def _conv(
        self,
        x: str,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        gain: float = 1.0,
    ) -> str:
        shape = (outputs, inputs // groups, kernel, kernel)
        # What is as strong after a layer as before it neither fades nor bursts (He et al. 2015).
        deviation = gain * np.sqrt(2 / np.prod(shape[1:]))
        weight = self._rng.normal(0, deviation, shape).astype(np.float32)
        return self._node(
            "Conv",
            [x, self._weight(weight), self._weight(np.zeros(outputs, np.float32))],
            strides=[stride, stride],
            pads=[kernel // 2 if pad is None else pad] * 4,
            group=groups,
            kernel_shape=[kernel, kernel],
        )

    def _relu(self, x: str) -> str:
        return self._node("Relu", [x])

    def _weight(self, values: np.ndarray) -> str:
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, kind: str, inputs: list[str], *, name: str = "", **attributes: Any) -> str:
        output = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
