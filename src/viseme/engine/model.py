"""What a network's file says of itself: names, shapes, batch, and which of our families it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from viseme.engine.onnx_runtime import TensorSpec, read_signature
from viseme.errors import ModelError

__all__ = ["EncoderInfo", "ModelInfo", "read_encoder", "read_model"]

AUDIO_FORMS: dict[int, tuple[tuple[int, int, int], ...]] = {
    320: ((32, 16, 16),),
    160: ((16, 32, 32), (32, 32, 32), (256, 16, 32), (128, 16, 32)),
}
"""For each size of picture, the shapes of an audio window that its networks were trained with."""

MEL_PATCH = (1, 80, 16)
"""What the audio encoder sees: one channel, 80 mel bins, 16 mel frames."""
FEATURE_SIZE = 512
"""How many numbers the audio encoder makes of it."""

_GENERATOR_FORM = (
    "a visual input [B, 6, S, S], an audio input and an output [B, 3, S, S], all float32, where "
    "S is 320 with audio [B, 32, 16, 16], or 160 with audio [B, 16, 32, 32], [B, 32, 32, 32], "
    "[B, 256, 16, 32] or [B, 128, 16, 32]"
)
_ENCODER_FORM = "an input [B, 1, 80, 16] and an output [B, 512], both float32"


@dataclass(frozen=True)
class ModelInfo:
    """A generator, as its file declares it."""

    path: Path
    visual_name: str
    audio_name: str
    output_name: str
    output_index: int
    """Which of the network's outputs is the picture."""
    size: int
    """Height and width of the picture in pixels: 320 or 160."""
    audio_shape: tuple[int, int, int]
    """The shape of one audio window."""
    batch: int | None
    """How many frames one run takes; ``None`` where any number will do."""

    @property
    def visual_shape(self) -> tuple[int, int, int]:
        """The shape of one visual input: reference and masked crop, three channels each."""
        return (6, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """The shape of one prediction."""
        return (3, self.size, self.size)


@dataclass(frozen=True)
class EncoderInfo:
    """An audio encoder, as its file declares it."""

    path: Path
    input_name: str
    output_name: str
    output_index: int
    batch: int | None
    """How many patches one run takes; ``None`` where any number will do."""


class _Fit(NamedTuple):
    """One way of taking a file's tensors for those of a generator."""

    visual: TensorSpec
    audio: TensorSpec
    output: TensorSpec
    size: int
    audio_shape: tuple[int, int, int]


def read_model(path: str | Path) -> ModelInfo:
    """Read a generator's file and tell its tensors apart by their shapes.

    Extents that the file leaves open are filled in where only one of the families fits.

    Raises:
        ModelError: if it cannot be read or is no generator; says what was expected and found.
    """
    path = Path(path)
    inputs, outputs = read_signature(path)
    fits = list(_generator_fits(inputs, outputs))
    if not fits:
        raise _misfit(path, "a generator of a known family", _GENERATOR_FORM, inputs, outputs)
    if len(fits) > 1:
        raise ModelError(
            f"{path} leaves so many extents open that its family cannot be told "
            f"({_listed(inputs, outputs)}); export it with fixed heights, widths and channels."
        )
    fit = fits[0]
    return ModelInfo(
        path=path,
        visual_name=fit.visual.name,
        audio_name=fit.audio.name,
        output_name=fit.output.name,
        output_index=outputs.index(fit.output),
        size=fit.size,
        audio_shape=fit.audio_shape,
        batch=_batch(path, (fit.visual, fit.audio, fit.output)),
    )


def read_encoder(path: str | Path) -> EncoderInfo:
    """Read an audio encoder's file.

    Raises:
        ModelError: if it cannot be read or is no audio encoder.
    """
    path = Path(path)
    inputs, outputs = read_signature(path)
    vectors = [spec for spec in outputs if _matches(spec, (FEATURE_SIZE,))]
    if len(inputs) != 1 or not _matches(inputs[0], MEL_PATCH) or len(vectors) != 1:
        raise _misfit(path, "an audio encoder", _ENCODER_FORM, inputs, outputs)
    return EncoderInfo(
        path=path,
        input_name=inputs[0].name,
        output_name=vectors[0].name,
        output_index=outputs.index(vectors[0]),
        batch=_batch(path, (inputs[0], vectors[0])),
    )


def _generator_fits(
    inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> Iterator[_Fit]:
    """Try every family on every pair of inputs."""
    if len(inputs) != 2:
        return
    for size, audio_forms in AUDIO_FORMS.items():
        pictures = [spec for spec in outputs if _matches(spec, (3, size, size))]
        for visual, audio in permutations(inputs):
            if len(pictures) != 1 or not _matches(visual, (6, size, size)):
                continue
            for form in audio_forms:
                if _matches(audio, form):
                    yield _Fit(visual, audio, pictures[0], size, form)


def _matches(spec: TensorSpec, form: tuple[int, ...]) -> bool:
    """Tell whether a tensor is a batch of ``form``; an extent left open fits any."""
    return (
        spec.dtype == "float"
        and len(spec.shape) == len(form) + 1
        and all(got in (None, want) for got, want in zip(spec.shape[1:], form, strict=True))
    )


def _batch(path: Path, specs: tuple[TensorSpec, ...]) -> int | None:
    """Find the batch that the tensors agree on."""
    fixed = {spec.shape[0] for spec in specs} - {None}
    if len(fixed) > 1 or 0 in fixed:
        listed = ", ".join(str(spec) for spec in specs)
        raise ModelError(
            f"The tensors of {path} have different batches or none ({listed}); export it with "
            "one batch for all, or a dynamic one."
        )
    return fixed.pop() if fixed else None


def _misfit(
    path: Path,
    kind: str,
    form: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> ModelError:
    return ModelError(
        f"{path} is not {kind}: expected {form}; got {_listed(inputs, outputs)}. "
        "Give the file of another network."
    )


def _listed(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> str:
    return (
        f"inputs {', '.join(map(str, inputs)) or 'none'} and "
        f"outputs {', '.join(map(str, outputs)) or 'none'}"
    )
