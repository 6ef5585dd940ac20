"""The convolutional blocks of the U-Net."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

__all__ = ["InvertedResidual", "conv", "double"]


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    padding: int | None = None,
) -> list[nn.Module]:
    """Return a convolution that keeps the scale (over the stride), and its batch norm."""
    if padding is None:
        padding = kernel // 2
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class InvertedResidual(nn.Module):
    """1x1 expand (by 2), 3x3 depthwise, 1x1 project; a residual where shape allows."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, expand: int = 2) -> None:
        super().__init__()
        hidden = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *conv(inputs, hidden, 1),
            nn.ReLU(inplace=True),
            *conv(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU(inplace=True),
            *conv(hidden, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, outputs, H / stride, W / stride]`` from ``[B, inputs, H, W]``."""
        y = cast(Tensor, self.body(x))
        return x + y if self.residual else y


def double(inputs: int, outputs: int, stride: int = 1, expand: int = 2) -> nn.Sequential:
    """Return the two blocks that make a stage of the U-Net; `expand` is the first one's."""
    return nn.Sequential(
        InvertedResidual(inputs, outputs, stride, expand), InvertedResidual(outputs, outputs)
    )
