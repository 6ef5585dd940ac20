"""Makes the built-in avatar from nothing: draws it, speaks its lessons, trains it, packs it.

``python -m viseme.studio.demo`` does all of it and goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from viseme.avatar import About, Box, crop_face, load_avatar, save_bundle
from viseme.engine.machine import available_cores
from viseme.studio.batches import Batch, BatchShape
from viseme.studio.drawn import DrawnSource
from viseme.studio.export import export
from viseme.studio.networks import GeneratorConfig, LipSyncNet, NetworkConfig
from viseme.studio.presenter import FRAME_COUNT, Presenter
from viseme.studio.processes import Parcel
from viseme.studio.sheet import write_sheet
from viseme.studio.speech import build_corpus
from viseme.studio.training import Phase, Trainer, TrainingOptions

__all__ = ["make_demo"]

FEW_PICTURES = BatchShape(4, 90, 2, heard=False, between=0.3)
RECIPE = TrainingOptions(
    network=NetworkConfig(
        GeneratorConfig(
            ladder=(48, 80, 128, 256),
            fold=4,
            up_expand=1,
            posed=True,
            window_rank=64,
            gate=True,
            drawn=((64, 288), (32, 288)),  # mouth, jaw and throat, with the box's sway
        ),
        encoder_ladder=(256, 256, 320),
        encoder_over_time=True,
        encoder_throats=(0.87, 1.0, 1.15, 1.32),
    ),
    phases=(
        Phase("hearing", 3500, BatchShape(8, 48, 0), (1.5e-3, 1e-3)),
        Phase("other accents", 7000, BatchShape(8, 48, 0, accent=1.25), (1e-3, 2e-5)),
        Phase("own accents", 18000, BatchShape(8, 48, 0), (1e-3, 1e-5)),
        Phase(
            "drawing",
            2000,
            BatchShape(3, 90, 4, heard=False, between=0.3),
            (1.5e-3, 5e-4),
            hearing_rests=True,
        ),
        Phase(
            "drawing, finer",
            1000,
            FEW_PICTURES,
            (8e-4, 2e-4),
            hearing_rests=True,
        ),
        Phase(
            "drawing as in use",
            3500,
            FEW_PICTURES,
            (1.2e-3, 1e-5),
            hearing_rests=True,
            norms_rest=True,
        ),
        Phase(
            "drawing as in use, once more",
            6000,
            FEW_PICTURES,
            (1e-3, 1e-5),
            hearing_rests=True,
            norms_rest=True,
        ),
    ),
    seed=7,
)
CORPUS_MINUTES = 180.0
MINUTES_TOLD = 15
PICTURES = 9600
"""Drawn beforehand; training goes by each some eleven times."""
PICTURES_TOLD = 2400
MATERIAL = {"corpus_minutes": CORPUS_MINUTES, "pictures": PICTURES}
ABOUT = About(
    name="demo",
    title="Demo, the built-in presenter",
    licence="Apache-2.0",
    credits="Drawn and trained by the viseme project.",
)
SHEET_SHAPE = BatchShape(clips=8, frames=8, pictures=1)
SHEET_STEP = 2**31
"""A step that no training reaches: the sheets show clips that were not trained on."""

Crops = NDArray[np.uint8]


def make_demo(folder: Path, work: Path, options: TrainingOptions = RECIPE) -> None:
    """Draw, train and write the bundle into ``folder``, replacing what is there.

    ``work`` holds what takes long to make (speech, checkpoints) and can be used again.
    """
    presenter = Presenter()
    corpus = build_corpus(work / "speech", minutes=CORPUS_MINUTES, progress=_minutes_told())
    print("Drawing the presenter, as rendering will see her.", flush=True)
    references = _references(presenter, work / "draft", options)
    source = DrawnSource(presenter, references, corpus, seed=options.seed)
    drawn = _pictures_folder(work, references, corpus.recipe, options.seed)
    source.draw_beforehand(drawn, PICTURES, FEW_PICTURES, _tell_pictures, available_cores())
    sheets, shown = work / "sheets", source.batch(SHEET_STEP, SHEET_SHAPE)
    net = Trainer(source, work / "training", options).run(
        lambda averaged, step: _draw_sheet(averaged, shown, sheets / f"step-{step:05}.png")
    )
    _pack(presenter, net, folder, work, options)


def _minutes_told() -> Callable[[float], None]:
    """Give what says every quarter of an hour how much has been spoken."""
    told_min = 0

    def tell(seconds: float) -> None:
        nonlocal told_min
        if seconds >= 60 * (told_min + MINUTES_TOLD):
            told_min += MINUTES_TOLD
            print(f"{told_min} of {CORPUS_MINUTES:.0f} minutes of lessons are spoken.", flush=True)

    return tell


def _tell_pictures(drawn: int) -> None:
    if drawn % PICTURES_TOLD == 0:
        print(f"{drawn} of {PICTURES} pictures are drawn.", flush=True)


def _pictures_folder(work: Path, references: Crops, speech: str, seed: int) -> Path:
    """Name a folder after what its pictures depend on: another drawing has others."""
    told = repr((seed, FEW_PICTURES, speech)).encode()
    return work / f"pictures-{hashlib.sha256(told + references.tobytes()).hexdigest()[:12]}"


def _references(presenter: Presenter, draft: Path, options: TrainingOptions) -> Crops:
    """Return the crops of the avatar's frames as rendering will see them, out of its video."""
    shutil.rmtree(draft, ignore_errors=True)
    _pack(presenter, LipSyncNet(options.network).eval(), draft, draft.parent, options)
    with load_avatar(draft) as avatar:
        return np.stack(
            [
                crop_face(avatar.frame(i), avatar.box(i), avatar.geometry)
                for i in range(avatar.frame_count)
            ]
        )


def _pack(
    presenter: Presenter, net: LipSyncNet, folder: Path, work: Path, options: TrainingOptions
) -> None:
    generator, audio_encoder = work / "generator.onnx", work / "audio_encoder.onnx"
    export(net, generator, audio_encoder)
    shutil.rmtree(folder, ignore_errors=True)
    save_bundle(
        folder,
        frames=_frames(presenter),
        boxes=[Box(*presenter.box(i)) for i in range(FRAME_COUNT)],
        generator=generator,
        audio_encoder=audio_encoder,
        about=replace(ABOUT, recipe=options.as_recipe() | MATERIAL),
    )


def _frames(presenter: Presenter) -> Iterator[NDArray[np.uint8]]:
    for index in range(FRAME_COUNT):
        yield presenter.frame(index)


def _draw_sheet(net: LipSyncNet, batch: Batch, path: Path) -> None:
    """Show true and drawn faces of a batch, one above the other."""
    device = next(net.parameters()).device
    given = Parcel.of(batch.arrays()).to(device).opened()
    with torch.no_grad():
        visual = given["visual"].float().div(255)
        drawn = net(given["patches"], given["valid"], given["picks"], visual)
    pictures = drawn.pictures.mul(255).round().byte().cpu().numpy()
    write_sheet(
        path,
        [
            [(np.ascontiguousarray(p.transpose(1, 2, 0)), name) for p in row]
            for row, name in ((batch.target, "true"), (pictures, "drawn"))
        ],
    )


def main() -> None:
    """Parse the command line and make the avatar."""
    parser = argparse.ArgumentParser(prog="python -m viseme.studio.demo", description=__doc__)
    built_in = Path(__file__).parents[1] / "data" / "avatars" / "demo"
    parser.add_argument("--out", type=Path, default=built_in, help="where the bundle goes")
    parser.add_argument("--work", type=Path, default=Path(".make/demo"), help="working folder")
    parser.add_argument("--device", default=RECIPE.device, help="cpu or cuda")
    parser.add_argument("--workers", type=int, help="processes that make batches")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    # A GPU waits for its batches; a processor trains on the other cores itself.
    waits = options.device != "cpu"
    recipe = replace(
        RECIPE,
        device=options.device,
        workers=options.workers or max(1, available_cores() - 1 if waits else 1),
        checkpoint_every=1000 if waits else RECIPE.checkpoint_every,
    )
    make_demo(options.out, options.work, recipe)
    print(f"The avatar is in {options.out}.")


if __name__ == "__main__":
    main()
