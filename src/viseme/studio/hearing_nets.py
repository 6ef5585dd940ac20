"""The parts that hear: the encoder of mel patches, and what reads a window of its features.

With ``whole_window`` and ``encoder_over_time`` they are made of products of large matrices, a
fraction of the work that convolutions over their small maps are.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from viseme.audio import FEATURE_SIZE
from viseme.audio.features import PATCH_FRAMES
from viseme.audio.mel import mel_centres_hz
from viseme.audio.units import MEL_BINS
from viseme.audio.windows import WINDOW_FEATURES
from viseme.studio.blocks import InvertedResidual, conv
from viseme.studio.mouth import POSE_CHANNELS
from viseme.studio.speech.throat import warped

__all__ = [
    "AudioBranch",
    "AudioEncoderNet",
    "PosedWindow",
    "Throats",
    "TimeEncoderNet",
    "WholeWindow",
]

DROPOUT = 0.1
HARMONICS_BLUR_HZ = 70.0
BANDS_BLUR = 1.0
"""In bands, beside it: what tells speakers apart more than phones is how sharp formants are."""


class AudioBranch(nn.Module):
    """From one window ``[B, 32, 16, 16]`` to the bottleneck's ``[B, C, 10, 10]``."""

    def __init__(self, shape: tuple[int, int, int], ladder: tuple[int, ...]) -> None:
        super().__init__()
        middle, top = ladder[-2], ladder[-1]
        self.body = nn.Sequential(
            InvertedResidual(shape[0], top // 8),
            InvertedResidual(top // 8, top // 4),
            *conv(top // 4, middle),
            nn.ReLU(inplace=True),
            InvertedResidual(middle, middle),
            *conv(middle, top, 3, 2, padding=3),
            nn.ReLU(inplace=True),
            InvertedResidual(top, top),
            InvertedResidual(top, top),
        )

    def forward(self, window: Tensor) -> Tensor:
        """Read windows."""
        heard = cast(Tensor, self.body(window))
        if heard.shape[2:] == (10, 10):
            return heard
        return functional.interpolate(heard, size=(10, 10), mode="bilinear", align_corners=True)


class WholeWindow(nn.Module):
    """From one window ``[B, 32, 16, 16]`` to the bottleneck's ``[B, C, 10, 10]``.

    The rows and columns of a window are no place in any picture, so it is read as a whole, and what
    was heard is the same all over the bottleneck.

    Args:
        shape: of a window.
        ladder: that of the generator.
        rank: to how many numbers each feature is brought first, the same way all over the window;
            0 reads them as they are.
    """

    def __init__(self, shape: tuple[int, int, int], ladder: tuple[int, ...], rank: int = 0) -> None:
        super().__init__()
        channels, side, _ = shape
        top = ladder[-1]
        self.body = nn.Sequential(
            NarrowedWindow(rank, 2 * top)
            if rank
            else WholeConv(channels, 2 * top, side, bias=False),
            nn.BatchNorm2d(2 * top),
            nn.ReLU(inplace=True),
            *conv(2 * top, top, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, window: Tensor) -> Tensor:
        """Read windows."""
        return cast(Tensor, self.body(window))


class WholeConv(nn.Conv2d):
    """A convolution whose kernel covers its input, as the product of matrices that it is.

    Libraries have no kernels for convolutions of that size in half precision on a GPU.
    """

    def forward(self, window: Tensor) -> Tensor:
        read = functional.linear(window.flatten(1), self.weight.flatten(1), self.bias)
        return read[:, :, None, None]


class NarrowedWindow(nn.Module):
    """From one window ``[B, 32, 16, 16]``, sixteen features of 512, to ``[B, C, 1, 1]``.

    Reading a window as it is takes a product with C x 8192 weights for each frame, and what that
    costs is to get them from memory. Features have far fewer dimensions than numbers.
    """

    def __init__(self, rank: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(FEATURE_SIZE, rank, bias=False)
        self.read = nn.Linear(WINDOW_FEATURES * rank, outputs, bias=False)

    def forward(self, window: Tensor) -> Tensor:
        features = window.reshape(-1, WINDOW_FEATURES, FEATURE_SIZE)
        return cast(Tensor, self.read(self.narrow(features).flatten(1)))[:, :, None, None]


class PosedWindow(nn.Module):
    """From one window ``[B, 32, 16, 16]`` to the pose of a mouth ``[B, 8]``.

    The arguments are those of `WholeWindow`.
    """

    def __init__(self, shape: tuple[int, int, int], ladder: tuple[int, ...], rank: int = 0) -> None:
        super().__init__()
        self.body = WholeWindow(shape, ladder, rank)
        # What no single number carries alone is heard in other voices too.
        self.drop = nn.Dropout(DROPOUT)
        self.read = nn.Linear(ladder[-1], len(POSE_CHANNELS))

    def forward(self, window: Tensor) -> Tensor:
        """Read windows."""
        return cast(Tensor, self.read(self.drop(self.body(window).flatten(1))))


class AudioEncoderNet(nn.Module):
    """``[B, 1, 80, 16]`` (mel bins x mel frames) to ``[B, 512]``."""

    def __init__(self, ladder: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for index, outputs in enumerate(ladder):
            # The first stage keeps all 16 mel frames: that is where a plosive's burst is seen.
            stride = (2, 1) if index == 0 else (2, 2)
            layers += [*conv(inputs, outputs, 3, stride), nn.ReLU(inplace=True)]
            layers += [ResidualConv(outputs)]
            inputs = outputs
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(inputs * 5 * 2, FEATURE_SIZE)

    def forward(self, mel: Tensor) -> Tensor:
        """Encode patches."""
        return cast(Tensor, self.project(self.body(mel).flatten(1)))


class ResidualConv(nn.Module):
    """A 3x3 convolution added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


class TimeEncoderNet(nn.Module):
    """``[B, 1, 80, 16]`` (mel bins x mel frames) to ``[B, 512]``.

    It convolves over time, with the bins as channels: products of large matrices, which a
    processor does at its full speed. The first stage keeps all 16 mel frames: that is where a
    plosive's burst is seen. With `throats` it listens at each of these lengths, and goes on with
    the largest of what it finds.
    """

    def __init__(self, ladder: tuple[int, ...], throats: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.ears = Throats(throats) if throats else nn.Identity()
        layers: list[nn.Module] = []
        inputs, frames = MEL_BINS, PATCH_FRAMES
        for index, outputs in enumerate(ladder):
            stride = 1 if index == 0 else 2
            layers += [*conv_over_time(inputs, outputs, stride), nn.ReLU(inplace=True)]
            if 0 < index < len(ladder) - 1:
                layers += [ResidualOverTime(outputs)]
            inputs, frames = outputs, frames // stride
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(inputs * frames, FEATURE_SIZE)

    def forward(self, mel: Tensor) -> Tensor:
        """Encode patches."""
        heard = self.ears(mel)
        found = self.body(heard.flatten(0, 1))
        found = found.unflatten(0, heard.shape[:2]).amax(dim=1)
        return cast(Tensor, self.project(found.flatten(1)))


class Throats(nn.Module):
    """``[B, 1, 80, 16]`` to ``[B, K, 80, 16]``: the same as from K throats of other lengths.

    The bands are moved as `warped` moves them, after a blur that hides where the harmonics of a
    high voice lie. Whoever hears with it need not have heard throats of all lengths.
    """

    bands: Tensor

    def __init__(self, lengths: tuple[float, ...]) -> None:
        super().__init__()
        centres_hz = mel_centres_hz()
        width_hz = np.hypot(HARMONICS_BLUR_HZ, BANDS_BLUR * np.gradient(centres_hz))
        apart = (centres_hz[:, None] - centres_hz) / width_hz[:, None]
        blur = np.exp(-0.5 * apart**2)
        blur /= blur.sum(axis=1, keepdims=True)
        eye = np.eye(MEL_BINS, dtype=np.float32)
        moved = np.stack([warped(eye, length).T @ blur for length in lengths])
        self.register_buffer("bands", torch.from_numpy(moved.astype(np.float32)), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        """Move the bands."""
        return torch.matmul(self.bands, mel)


class ConvOverTime(nn.Conv1d):
    """A convolution over three moments; in use, one product of matrices for all clips and moments.

    Runtimes make a product for each patch, too small for a processor's full speed.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=1, bias=False)

    def forward(self, heard: Tensor) -> Tensor:
        """Convolve ``[B, C, T]``."""
        if self.training:
            return super().forward(heard)
        moments = functional.pad(heard, (1, 1)).transpose(1, 2)
        last, stride = heard.shape[2], self.stride[0]
        beside = torch.cat([moments[:, i : i + last : stride] for i in range(3)], dim=2)
        weight = self.weight.transpose(1, 2).flatten(1)
        return functional.linear(beside, weight, self.bias).transpose(1, 2)


def conv_over_time(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution over three moments, and its batch norm."""
    return [ConvOverTime(inputs, outputs, stride), nn.BatchNorm1d(outputs)]


class ResidualOverTime(nn.Module):
    """A convolution over time added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_over_time(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))
