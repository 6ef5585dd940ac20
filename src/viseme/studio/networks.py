"""The two networks: an encoder that hears and a generator that shows.

The generator is the U-Net of the SyncTalk_2D family: inverted-residual blocks, an audio branch
fused at the bottleneck, a skip at every scale. Its channel ladder is a parameter, and so is the
scale at which it works. With ``fold`` 1 it is the family's, layer by layer, and sees the crop pixel
by pixel. With ``fold`` 4 it folds blocks of 4 x 4 pixels into channels, works at 80 x 80 and ends
in a pixel shuffle, so that no feature map is as large as the picture; on a processor it is the
memory of those maps that costs.

The project's own choices leave the tensors as they are. With ``gate`` the last layer gives a fourth
channel that says where to keep the reference's own pixels; with ``drawn`` no more of the crop is
looked at and drawn than what a mouth can move; with ``posed`` the picture follows the sound through
the pose of a mouth, eight numbers, so that hearing and drawing are learned each by itself. Two
heads, used in training alone, read the phone from each feature and, without ``posed``, the pose
from the audio branch: the phone is the same whoever speaks, which is what the features have to
learn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from viseme.audio import FEATURE_SIZE
from viseme.studio.blocks import InvertedResidual, double
from viseme.studio.hearing_nets import (
    AudioBranch,
    AudioEncoderNet,
    PosedWindow,
    TimeEncoderNet,
    WholeWindow,
)
from viseme.studio.mouth import POSE_CHANNELS, POSE_LOWEST
from viseme.studio.speech.phones import PHONES

__all__ = [
    "Area",
    "GeneratorConfig",
    "GeneratorNet",
    "LipSyncNet",
    "NetworkConfig",
    "closed_lips",
]

FULL_LADDER = (32, 32, 64, 128, 256, 512)
MOBILE_LADDER = (16, 16, 32, 64, 128, 256)

OPEN = POSE_CHANNELS.index("open")
AJAR = 0.05
"""Lips that are heard to be open by less are closed."""
CLOSING = 1.5
"""How much faster they close up to there: what is heard above 0.15 stays."""

Area: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Rows and columns of a crop, from the first to before the last."""


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """What a generator is made of."""

    ladder: tuple[int, ...] = FULL_LADDER
    """Channels from the finest scale to the coarsest; each step halves the picture."""
    fold: int = 1
    """Side of the pixel blocks folded into channels before the first layer (1, 2 or 4)."""
    up_expand: int = 2
    """By how much the first block of an up widens what it joins. The last of them works on the
    largest maps of all, so 1 saves a fifth of a drawing's time."""
    whole_window: bool = False
    """Whether a window is read as a whole, not convolved over as if it were a picture."""
    posed: bool = False
    """Whether a window is read, as a whole, to a mouth's pose, which is all that the picture
    follows."""
    window_rank: int = 0
    """Where a window is read as a whole: to how many numbers each of its features is brought
    first; 0 reads them as they are."""
    gate: bool = False
    """Whether a fourth output channel blends the drawn pixels with the reference's."""
    drawn: Area | None = None
    """What part of the crop is drawn, all of it if None; the rest is the reference's own pixels.
    Needs `gate`, what was heard the same all over the bottleneck (`whole_window` or `posed`), and
    edges that lie between two places of it."""
    size: int = 320
    """Side of the crop in pixels."""
    audio_shape: tuple[int, int, int] = (32, 16, 16)

    def __post_init__(self) -> None:
        """Refuse what the other choices leave no place for."""
        if self.window_rank and not (self.whole_window or self.posed):
            raise ValueError("a window is narrowed with whole_window, or with posed, alone")
        if self.drawn is None:
            return
        if not (self.gate and (self.whole_window or self.posed)):
            raise ValueError(
                "a part of the crop is drawn with gate, and with whole_window or posed, alone"
            )
        place = self.size // 10
        for first, last in self.drawn:
            if not 0 <= first < last <= self.size or first % place or last % place:
                raise ValueError(
                    f"{first} to {last} does not begin and end at multiples of {place} within "
                    f"{self.size}"
                )

    @property
    def area(self) -> tuple[slice, slice]:
        """The rows and columns of the crop that are drawn."""
        rows, columns = self.drawn or ((0, self.size), (0, self.size))
        return slice(*rows), slice(*columns)

    @property
    def downs(self) -> int:
        """The number of stride-2 steps from the folded crop to the 10 x 10 bottleneck."""
        steps = (self.size // self.fold // 10).bit_length() - 1
        if 10 * self.fold << steps != self.size:
            raise ValueError(f"a crop of {self.size} folded by {self.fold} cannot reach 10 x 10")
        return steps


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Both networks, as a recipe and a checkpoint name them."""

    generator: GeneratorConfig = GeneratorConfig()
    encoder_ladder: tuple[int, ...] = (32, 64, 128, 256)
    encoder_over_time: bool = False
    """Whether the encoder convolves over time alone, with the mel bins as channels."""
    encoder_throats: tuple[float, ...] = ()
    """Where it convolves over time: at which lengths of throat it listens (`Throats`); at none it
    takes what it hears as it is."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """Read back what `as_dict` gave."""
        generator = dict(values["generator"])
        for key in ("ladder", "audio_shape"):
            generator[key] = tuple(generator[key])
        if generator["drawn"] is not None:
            rows, columns = generator["drawn"]
            generator["drawn"] = (tuple(rows), tuple(columns))
        return cls(
            GeneratorConfig(**generator),
            tuple(values["encoder_ladder"]),
            values["encoder_over_time"],
            tuple(values.get("encoder_throats", ())),
        )


def folding(inputs: int, outputs: int, fold: int) -> nn.Conv2d:
    """Return the first convolution, which looks at blocks of ``fold`` pixels and around them.

    A strided convolution is space-to-depth and a dense layer in one, without the transposition
    that runtimes make of a space-to-depth of its own.
    """
    kernel = 2 * fold
    return nn.Conv2d(inputs, outputs, kernel, fold, (kernel - fold + 1) // 2, bias=False)


def _stem(channels: int, fold: int) -> nn.Module:
    """Return what first looks at the crop."""
    if fold == 1:
        return InvertedResidual(6, channels)
    return nn.Sequential(
        folding(6, channels, fold),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        InvertedResidual(channels, channels),
    )


def _fusion(top: int, fused: int) -> nn.Sequential:
    """Return the family's way from what is seen and what is heard to what is shown."""
    return nn.Sequential(double(2 * top, top), double(top, fused))


class Up(nn.Module):
    """Twice the side by bilinear interpolation, joined with the skip, then a double block."""

    def __init__(self, inputs: int, skip: int, outputs: int, expand: int) -> None:
        super().__init__()
        self.blocks = double(inputs + skip, outputs, expand=expand)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        return cast(Tensor, self.blocks(torch.cat([x, skip], dim=1)))


def closed_lips(poses: Tensor) -> Tensor:
    """Close the lips of poses ``[B, 8]`` that have them hardly open.

    In a voice that it does not know, hearing leaves lips that close ajar by some hundredths. That
    is seen, and lips that are open so little are not.
    """
    opening = poses[:, OPEN : OPEN + 1]
    closing = torch.minimum(opening, CLOSING * (opening - AJAR))
    return torch.cat([poses[:, :OPEN], closing, poses[:, OPEN + 1 :]], dim=1)


class PlacedPose(nn.Module):
    """From a pose ``[B, 8]``, brought into its range, to the bottleneck's ``[B, C, 1, 1]``."""

    low: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(POSE_LOWEST))
        self.body = nn.Sequential(
            nn.Linear(len(POSE_CHANNELS), channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, pose: Tensor) -> Tensor:
        pose = torch.minimum(torch.maximum(pose, self.low), torch.ones_like(self.low))
        return cast(Tensor, self.body(pose))[:, :, None, None]


def _audio_branch(config: GeneratorConfig) -> nn.Module:
    """Return what reads a window."""
    if config.posed:
        return PosedWindow(config.audio_shape, config.ladder, config.window_rank)
    if config.whole_window:
        return WholeWindow(config.audio_shape, config.ladder, config.window_rank)
    return AudioBranch(config.audio_shape, config.ladder)


class GeneratorNet(nn.Module):
    """``(visual [B, 6, S, S], audio [B, 32, 16, 16]) -> [B, 3, S, S]``, all 0..1 but the audio."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        count = config.downs + 1
        # The coarsest channels repeat where the ladder is shorter than the way down.
        ladder = (*config.ladder, *[config.ladder[-1]] * (count - len(config.ladder)))[:count]
        self.stem = _stem(ladder[0], config.fold)
        self.downs = nn.ModuleList(double(a, b, stride=2) for a, b in pairwise(ladder))
        self.audio = _audio_branch(config)
        if config.posed:
            self.place = PlacedPose(ladder[-1])
        fused, is_familys = config.ladder[-2], config.fold == 1
        self.fuse = _fusion(ladder[-1], fused) if is_familys else double(2 * ladder[-1], fused)
        # On the way up each stage gives the channels of the next finer skip, half of its own.
        skips = ladder[-2::-1]
        outputs = (*skips[1:], ladder[0] // 2 if is_familys else ladder[0])
        inputs = (fused, *outputs)
        stages = zip(inputs, skips, outputs, strict=False)
        self.ups = nn.ModuleList(Up(*stage, config.up_expand) for stage in stages)
        planes = (4 if config.gate else 3) * config.fold**2
        self.head = nn.Conv2d(outputs[-1], planes, 1)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Draw the crops ``[B, 3, S, S]``."""
        heard = self.audio(audio)
        return self.show(visual, closed_lips(heard) if self.config.posed else heard)

    def show(self, visual: Tensor, heard: Tensor) -> Tensor:
        """Draw the crop from the reference and the audio branch's output.

        That is a pose ``[B, 8]`` with `posed`, and the bottleneck's ``[B, C, 10, 10]`` without.
        """
        rows, columns = self.config.area
        drawn, _ = self.draw(visual[..., rows, columns], heard)
        if self.config.drawn is None:
            return drawn
        (top, bottom), (left, right) = self.config.drawn
        kept = visual[:, :3]
        beside = (kept[:, :, rows, :left], drawn, kept[:, :, rows, right:])
        return torch.cat((kept[:, :, :top], torch.cat(beside, dim=3), kept[:, :, bottom:]), dim=2)

    def draw(self, visual: Tensor, heard: Tensor) -> tuple[Tensor, Tensor | None]:
        """Draw what is drawn of a crop, the config's `area`, from that part of the reference.

        Returns the pictures ``[B, 3, h, w]`` and, with `gate`, the gate's logits ``[B, 1, h, w]``.
        """
        fold = self.config.fold
        if self.config.posed:
            heard = self.place(heard)
        x = self.stem(visual)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        x = self.fuse(torch.cat([x, heard.expand(-1, -1, *x.shape[2:])], dim=1))
        for up in self.ups:
            x = up(x, skips.pop())
        x = self.head(x)
        x = functional.pixel_shuffle(x, fold) if fold > 1 else x
        values = torch.sigmoid(x)
        if not self.config.gate:
            return values, None
        drawn, kept = values[:, :3], values[:, 3:]
        return drawn + kept * (visual[:, :3] - drawn), x[:, 3:]


class Drawn(NamedTuple):
    """What a `LipSyncNet` makes of a batch."""

    phones: Tensor
    """``[N, K, len(PHONES)]``, logits."""
    poses: Tensor
    """``[N, F, 8]``"""
    pictures: Tensor
    """``[N * P, 3, S, S]``, 0..1"""


class PoseHead(nn.Module):
    """Reads the pose ``[B, 8]`` from an audio branch's ``[B, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.read = nn.Linear(channels, len(POSE_CHANNELS))

    def forward(self, heard: Tensor) -> Tensor:
        return cast(Tensor, self.read(heard.mean(dim=(2, 3))))


class LipSyncNet(nn.Module):
    """Encoder and generator as they are trained: together, from mel to pixels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = (
            TimeEncoderNet(config.encoder_ladder, config.encoder_throats)
            if config.encoder_over_time
            else AudioEncoderNet(config.encoder_ladder)
        )
        self.generator = GeneratorNet(config.generator)
        top = self.generator.config.ladder[-1]
        self.phone_head = nn.Linear(FEATURE_SIZE, len(PHONES))
        self.pose_head = PoseHead(top) if not config.generator.posed else nn.Identity()

    def hearing_parts(self) -> tuple[nn.Module, ...]:
        """Return the parts that see no picture: encoder, audio branch and the heads on them."""
        return self.encoder, self.generator.audio, self.phone_head, self.pose_head

    def hear(self, patches: Tensor) -> Tensor:
        """Turn clips of patches ``[N, K, 1, 80, 16]`` into features ``[N, K, 512]``."""
        return cast(Tensor, self.encoder(patches.flatten(0, 1)).view(*patches.shape[:2], -1))

    def windows(self, features: Tensor, valid: Tensor) -> Tensor:
        """Arrange features ``[N, K, 512]`` in windows ``[N, K - 15, 32, 16, 16]``.

        ``valid`` ``[N, K]`` is 0 for features outside the sound, which are zero in a window.
        """
        clips, count = valid.shape
        windows = (features * valid[..., None]).unfold(1, 16, 1).transpose(2, 3)
        return windows.reshape(clips, count - 15, *self.config.generator.audio_shape)

    def forward(self, patches: Tensor, valid: Tensor, picks: Tensor, visual: Tensor) -> Drawn:
        """Hear and draw; the arguments are those of a `Batch`.

        With no picks (P = 0) nothing is drawn, and the pictures are the references.
        """
        features = self.hear(patches)
        windows = self.windows(features, valid)
        clips, frames = windows.shape[:2]
        heard = self.generator.audio(windows.flatten(0, 1))
        poses = self.pose_head(heard).view(clips, frames, -1)
        pictures = visual[:, :3]
        if picks.numel():
            rows = torch.arange(clips, device=picks.device)[:, None] * frames + picks
            pictures = self.generator.show(visual, heard[rows.flatten()])
        return Drawn(self.phone_head(features), poses, pictures)
