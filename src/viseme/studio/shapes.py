"""The built-in avatar with generators of other shapes, so that shapes can be compared.

``python -m viseme.studio.shapes full OUT`` trains the family's generator of full size on what the
built-in avatar hears and on true drawings, and writes the avatar with it in place of its own. Each
shape hears the same speech and sees the same drawings in the same steps; `viseme evaluate` tells
which draws better, and `viseme distill` has a teacher of full size.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from viseme.audio.windows import BEFORE, windows
from viseme.avatar import Avatar, load_avatar
from viseme.avatar.saving import check_place, save_variant
from viseme.engine import AudioEncoder
from viseme.studio.batches import Batch, BatchShape, Source
from viseme.studio.demo import RECIPE
from viseme.studio.distilling import small_generator
from viseme.studio.drawn import DrawnSource
from viseme.studio.export import export_generator
from viseme.studio.lessons import Faces
from viseme.studio.networks import FULL_LADDER, MOBILE_LADDER, GeneratorConfig, NetworkConfig
from viseme.studio.presenter import Presenter
from viseme.studio.speech import build_corpus
from viseme.studio.training import Phase, Trainer, TrainingOptions

__all__ = ["SHAPES", "HeardSource", "shape_options", "train_shape"]

SHAPES: Final = {
    "full": GeneratorConfig(ladder=FULL_LADDER),
    "mobile": GeneratorConfig(ladder=MOBILE_LADDER),
    "small": small_generator(RECIPE.network.generator.drawn),
}
"""The family's two, and the one that `distill` teaches."""
CORPUS_MINUTES: Final = 30.0
HEARING_STEPS: Final = 1500
RESTING_SHARE: Final = 0.7
"""Of the steps that draw, those that go by the norms' statistics in use."""


class HeardSource:
    """Speech as an avatar hears it, with what is drawn of it.

    Args:
        source: gives what there is to hear, and the true pictures.
        encode: the avatar's hearing.
    """

    def __init__(self, source: Source, encode: AudioEncoder) -> None:
        self._source = source
        self._encode = encode

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step: windows of the pictures, or of all frames without any."""
        batch = self._source.batch(step, shape)
        clips, count = batch.valid.shape
        features = self._encode(batch.patches.reshape(-1, *batch.patches.shape[2:]))
        features = features.reshape(clips, count, -1) * batch.valid[..., None]
        heard = np.stack([windows(each)[BEFORE:][: shape.frames] for each in features])
        frames = batch.picks if shape.pictures else np.arange(shape.frames)[None]
        picked = (np.arange(clips)[:, None], frames)
        nothing = np.empty(0, np.float32)
        return replace(
            batch,
            patches=nothing,
            valid=nothing,
            phones=nothing.astype(np.int64),
            poses=nothing,
            windows=heard[picked].reshape(-1, *heard.shape[2:]),
            shown=batch.poses[picked].reshape(-1, batch.poses.shape[2]),
        )


def train_shape(avatar: Avatar, options: TrainingOptions, folder: Path, work: Path) -> None:
    """Train a generator for an avatar that the studio draws, and write the avatar with it.

    What was interrupted goes on when it is called again.

    Args:
        avatar: its faces and its hearing are taken as they are.
        options: those of `shape_options`.
        folder: that of the new avatar; must not exist, or be empty.
        work: where speech and checkpoints are kept.
    """
    check_place(folder)
    corpus = build_corpus(work / "speech", minutes=CORPUS_MINUTES)
    drawn = DrawnSource(Presenter(), Faces.of(avatar).crops, corpus, seed=options.seed)
    with AudioEncoder(avatar.audio_encoder) as encode:
        net = Trainer(HeardSource(drawn, encode), work / "training", options).run()
    generator = work / "generator.onnx"
    export_generator(net.generator, generator)
    save_variant(avatar, folder, generator=generator, recipe=options.as_recipe())


def shape_options(shape: GeneratorConfig, steps: int) -> TrainingOptions:
    """Return the recipe of a shape; `steps` of two pictures each draw."""
    resting = round(RESTING_SHARE * steps)
    hearing, drawing = BatchShape(clips=8, frames=6, pictures=0), BatchShape(2, 16, 1)
    return TrainingOptions(
        network=NetworkConfig(shape),
        phases=(
            Phase("hearing", HEARING_STEPS, hearing, (1.5e-3, 1e-5)),
            Phase("drawing", steps - resting, drawing, (1.5e-3, 5e-4), hearing_rests=True),
            Phase(
                "drawing as in use",
                resting,
                drawing,
                (1e-3, 1e-5),
                hearing_rests=True,
                norms_rest=True,
            ),
        ),
    )


def _has_amx() -> bool:
    """Tell whether the processor has matrix units; without them bfloat16 saves no time here."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def main() -> None:
    """Parse the command line and train a shape."""
    parser = argparse.ArgumentParser(prog="python -m viseme.studio.shapes", description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=Path, help="folder of the avatar")
    parser.add_argument("--steps", type=int, default=6000, help="of two pictures")
    parser.add_argument("--work", type=Path, help="working folder; one for each shape")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    options = shape_options(SHAPES[arguments.shape], arguments.steps)
    has_matrix_units = arguments.device != "cpu" or _has_amx()
    options = replace(options, device=arguments.device, bfloat16=has_matrix_units)
    with load_avatar("demo") as avatar:
        work = arguments.work or Path(".make/shapes") / arguments.shape
        train_shape(avatar, options, arguments.out, work)
    print(f"The avatar is in {arguments.out}.")


if __name__ == "__main__":
    main()
