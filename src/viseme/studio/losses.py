"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from viseme.studio.mouth import POSE_CHANNELS, MouthPose

__all__ = ["kept_loss", "phone_loss", "picture_loss", "pose_loss"]

MOUTH_WEIGHT = 8.0
"""How much more a pixel of the mouth counts than one of the cheek."""
GRADIENT_WEIGHT = 0.5
SQUARE_WEIGHT = 5.0
"""Of the squared error: an edge at the wrong place is worse than the same error spread out."""
CHANNEL_WEIGHTS = MouthPose(
    jaw=1.2, open=8.0, wide=0.4, round=1.2, press=0.6, tuck=0.8, teeth=0.2, tongue=0.1
)
"""About as much as a picture changes where a channel does, in squared error: the opening by far the
most, teeth and tongue hardly."""
PICTURE_ERROR = 36_000.0
"""The squared error of the mouth's pixels, 0..255, for one of a pose, weighted as above."""
PICTURE_FLOOR = 10.0
"""That of a true pose, drawn by the network and coded as video: about 38 dB."""
DECIBEL_WEIGHT = 0.01
"""Of the logarithm of a picture's error. Squares are mostly about the frames that go wrong, and
settle for a mean of what may be meant, which is nobody's mouth; decibels ask that most be right."""
UNSEEN_ERROR = 1 / 255**2
"""Mean squared error of pixels, 0..1, below which there is little to gain: 48 dB."""
CLOSURE_WEIGHT = 8.0
"""How much more a frame with its lips pressed together counts: it is short, and seen if missed."""
TUCK_WEIGHT = 4.0
"""The same with the lower lip under the teeth: else all that may be a b or a v is drawn as a b."""
ABSOLUTE_WEIGHT = 0.2
"""Of a pose's absolute error. The squared error alone leaves lips ajar wherever it is not sure that
they close; the absolute one decides for what is likelier."""
PHONE_WEIGHT = 0.03
"""Makes the phones count about as much as the poses: an entropy in nats is the larger number."""
KEPT_WEIGHT = 0.03
SAME = 5 / 255
"""No channel of a pixel differs by more between two drawings of the same, one of them out of a
video."""
PRESS = POSE_CHANNELS.index("press")
TUCK = POSE_CHANNELS.index("tuck")


def picture_loss(drawn: Tensor, target: Tensor, mouth: Tensor) -> Tensor:
    """Return the absolute and squared error of pixels and that of their gradients, as one mean.

    ``drawn`` and ``target`` are ``[B, 3, S, S]``, ``mouth`` ``[B, 1, S, S]``, all 0..1, and the
    mouth weighs most: its error in decibels counts once more. The gradient term keeps edges of lips
    and teeth sharp where a plain L1 would blur them.
    """
    weight = 1.0 + MOUTH_WEIGHT * mouth
    weight = weight / weight.mean()
    error = drawn - target
    across = (error[..., :, 1:] - error[..., :, :-1]).abs() * weight[..., :, 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    pixels = (error.abs() + SQUARE_WEIGHT * error.square()) * weight
    of_mouths = (error.square() * mouth).sum((1, 2, 3)) / (3 * mouth.sum((1, 2, 3))).clamp(min=1)
    decibels = DECIBEL_WEIGHT * torch.log1p(of_mouths / UNSEEN_ERROR).mean()
    return pixels.mean() + GRADIENT_WEIGHT * (across.mean() + down.mean()) + decibels


def kept_loss(gate: Tensor, reference: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of the gate's logits ``[B, 1, H, W]`` where nothing is to be drawn.

    That is where reference and target, ``[B, 3, H, W]``, are the same. The pictures alone teach the
    gate nothing any more where it and a dark colour are saturated: a black spot would stay.
    """
    same = ((reference - target).abs().amax(dim=1, keepdim=True) <= SAME).float()
    return KEPT_WEIGHT * (functional.softplus(-gate) * same).mean()


def pose_loss(read: Tensor, poses: Tensor) -> Tensor:
    """Return the error of poses ``[..., 8]``, `POSE_CHANNELS`, absolute, squared, in decibels."""
    channels = torch.from_numpy(CHANNEL_WEIGHTS.array()).to(poses.device)
    frames = 1.0 + CLOSURE_WEIGHT * poses[..., PRESS] + TUCK_WEIGHT * poses[..., TUCK]
    error = read - poses
    squared = (error.square() * channels).mean(-1)
    absolute = (error.abs() * channels).mean(-1)
    decibels = torch.log1p(squared * (PICTURE_ERROR / PICTURE_FLOOR))
    of_a_frame = squared + ABSOLUTE_WEIGHT * absolute + DECIBEL_WEIGHT * decibels
    return (of_a_frame * frames).mean()


def phone_loss(logits: Tensor, phones: Tensor) -> Tensor:
    """Return the weighted cross-entropy of logits ``[N, K, phones]`` with numbers ``[N, K]``."""
    return PHONE_WEIGHT * functional.cross_entropy(logits.flatten(0, 1), phones.flatten())
