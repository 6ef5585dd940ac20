"""Training learns, resumes where it stopped, and refuses another network's checkpoint."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the studio is not installed")

from torch import Tensor  # noqa: E402

from viseme.audio import mel_spectrogram, windows  # noqa: E402
from viseme.audio.features import features  # noqa: E402
from viseme.studio.batches import Batch, BatchShape, clip_patches, frame_count  # noqa: E402
from viseme.studio.networks import GeneratorConfig, NetworkConfig  # noqa: E402
from viseme.studio.processes import Parcel  # noqa: E402
from viseme.studio.training import Phase, Trainer, TrainingOptions  # noqa: E402

SIZE = 160
OPTIONS = TrainingOptions(
    network=NetworkConfig(
        GeneratorConfig(ladder=(4, 6, 8), fold=4, gate=True, size=SIZE), (4, 4, 4, 4)
    ),
    phases=(
        Phase("hearing", 6, BatchShape(clips=2, frames=3, pictures=0), (1e-2, 1e-3)),
        Phase("both", 4, BatchShape(clips=2, frames=3, pictures=1), (1e-3, 1e-5)),
    ),
    warm_up_steps=1,
    checkpoint_every=5,
    workers=0,
)


AFTER_A_SHEET = """
import sys
from dataclasses import replace
from pathlib import Path

import cv2

sys.path.insert(0, sys.argv[1])
from test_studio_training import OPTIONS, Resized
from viseme.studio.training import Trainer

cv2.setNumThreads(2)
source = Resized()
source.batch(0, OPTIONS.phases[0].shape)
Trainer(source, Path(sys.argv[2]), replace(OPTIONS, workers=1)).run()
assert cv2.getNumThreads() == 2
"""
"""Makes a batch in the training's own process first. A program of its own, since it forks."""


class Beeps:
    """A source of one lesson: loud patches mean an open mouth and a white picture."""

    def batch(self, step: int, shape: BatchShape) -> Batch:
        rng = np.random.default_rng(step)
        loud = rng.permutation(np.arange(shape.clips) % 2).astype(np.float32)
        patches = np.broadcast_to(
            (loud * 8 - 4)[:, None, None, None, None], (shape.clips, shape.frames + 15, 1, 80, 16)
        ).copy()
        pictures = shape.clips * shape.pictures
        white = np.repeat(loud, shape.pictures).astype(np.uint8)[:, None, None, None] * 255
        return Batch(
            patches=patches,
            valid=np.ones(patches.shape[:2], np.float32),
            phones=np.broadcast_to(loud[:, None].astype(np.int64), patches.shape[:2]).copy(),
            poses=np.tile(loud[:, None, None], (1, shape.frames, 8)),
            picks=np.zeros((shape.clips, shape.pictures), np.int64),
            visual=np.full((pictures, 6, SIZE, SIZE), 128, np.uint8),
            target=np.broadcast_to(white, (pictures, 3, SIZE, SIZE)).copy(),
            shown=np.tile(np.repeat(loud, shape.pictures)[:, None], (1, 8)),
            mouth=np.ones((pictures, 1, SIZE, SIZE), np.float32),
        )


class Deaf(Beeps):
    """The same source where nothing is to be heard."""

    def batch(self, step: int, shape: BatchShape) -> Batch:
        nothing = np.empty((shape.clips, 0), np.float32)
        return replace(
            super().batch(step, shape),
            patches=nothing,
            valid=nothing,
            phones=nothing.astype(np.int64),
        )


class Resized(Beeps):
    """The same source where making a batch uses OpenCV on a picture large enough for threads."""

    def __init__(self) -> None:
        self.maker = os.getpid()

    def batch(self, step: int, shape: BatchShape) -> Batch:
        assert os.getpid() == self.maker or cv2.getNumThreads() == 1
        cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (1500, 1500))
        return super().batch(step, shape)


def lay_out_as_a_gpu_does(checkpoint: Path) -> None:
    """Put the channels outermost in an optimizer's moments."""
    state = torch.load(checkpoint, weights_only=True)
    for moments in state["optimizer"]["state"].values():
        for name, value in moments.items():
            moments[name] = value.contiguous()
    torch.save(state, checkpoint)


def weights(trainer: Trainer) -> Tensor:
    joined: Tensor = torch.cat([p.detach().flatten() for p in trainer.net.parameters()])
    return joined


@pytest.mark.parametrize("from_a_gpu", [False, True])
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, *, from_a_gpu: bool) -> None:
    unbroken = Trainer(Beeps(), tmp_path / "a", OPTIONS)
    unbroken.run()

    def stop_at_the_first_checkpoint(_net: object, _step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(Beeps(), tmp_path / "b", OPTIONS).run(stop_at_the_first_checkpoint)
    if from_a_gpu:
        lay_out_as_a_gpu_does(tmp_path / "b" / "checkpoint.pt")
    resumed = Trainer(Beeps(), tmp_path / "b", OPTIONS)
    assert resumed.step == 5
    resumed.run()
    torch.testing.assert_close(weights(resumed), weights(unbroken), rtol=1e-4, atol=1e-5)


def test_training_learns_the_lesson(tmp_path: Path) -> None:
    phases = (replace(OPTIONS.phases[0], steps=60), OPTIONS.phases[1])
    options = replace(OPTIONS, phases=phases, checkpoint_every=1000)
    trainer = Trainer(Beeps(), tmp_path, options)
    before = weights(trainer)
    net = trainer.run()
    assert not torch.equal(before, weights(trainer))
    batch = Beeps().batch(10_000, BatchShape(clips=8, frames=3, pictures=0))
    with torch.no_grad():
        trainer.net.eval()
        drawn = trainer.net(
            torch.from_numpy(batch.patches),
            torch.from_numpy(batch.valid),
            torch.zeros(8, 0, dtype=torch.int64),
            torch.zeros(0, 6, SIZE, SIZE),
        )
    error = np.abs(drawn.poses.numpy() - batch.poses).mean()
    assert error < 0.25
    assert (drawn.phones.argmax(-1).numpy() == batch.phones).mean() > 0.9
    assert not net.training


def test_batches_come_from_another_process_whatever_opencv_did_in_this_one(tmp_path: Path) -> None:
    script = (sys.executable, "-c", AFTER_A_SHEET, str(Path(__file__).parent), str(tmp_path))
    subprocess.run(script, check=True, timeout=150)


def test_a_parcel_opens_as_what_was_put_into_it() -> None:
    put = Beeps().batch(3, BatchShape(clips=2, frames=3, pictures=1)).arrays()
    put["picks"] = put["picks"][:0]  # nothing, between others
    opened = Parcel.of(put).to(torch.device("cpu")).opened()
    assert list(opened) == list(put)
    for name, tensor in opened.items():
        assert tensor.numpy().dtype == put[name].dtype
        np.testing.assert_array_equal(tensor.numpy(), put[name])


@pytest.mark.parametrize(
    ("able", "taken"),
    [({"avx2": True, "avx512_bf16": False}, "float32"), ({"avx512_bf16": True}, "bfloat16")],
)
def test_a_processor_learns_in_what_it_has_instructions_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], taken: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    trainer = Trainer(Beeps(), tmp_path, OPTIONS)
    computed: set[Any] = set()
    trainer.net.register_forward_hook(lambda *call: computed.add(call[-1].poses.dtype))
    trainer.run()
    assert computed == {getattr(torch, taken)}


def test_hearing_that_rests_stays_as_it_is(tmp_path: Path) -> None:
    drawing = replace(OPTIONS.phases[1], hearing_rests=True)
    trainer = Trainer(Beeps(), tmp_path, replace(OPTIONS, phases=(drawing,)))
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.run()
    moved = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, value in trainer.net.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {f"generator.{part}" for part in ("stem", "downs", "fuse", "ups", "head")}


def test_norms_that_rest_keep_their_statistics(tmp_path: Path) -> None:
    phase = replace(OPTIONS.phases[1], norms_rest=True)
    trainer = Trainer(Beeps(), tmp_path, replace(OPTIONS, phases=(phase,)))
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.run()
    after = trainer.net.state_dict()
    kept = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert {name for name in after if "running" in name} <= kept
    assert not any(name.endswith("bias") and "generator" in name for name in kept)


def test_a_posed_drawing_learns_from_poses_without_sound(tmp_path: Path) -> None:
    generator = replace(OPTIONS.network.generator, posed=True)
    drawing = Phase(
        "drawing", 80, BatchShape(2, 3, 1, heard=False), (3e-2, 1e-3), hearing_rests=True
    )
    options = replace(
        OPTIONS, network=replace(OPTIONS.network, generator=generator), phases=(drawing,)
    )
    net = Trainer(Deaf(), tmp_path, options).run()
    with torch.no_grad():
        poses = torch.tensor([[0.0] * 8, [1.0] * 8])
        faces = torch.full((2, 6, SIZE, SIZE), 0.5)
        dark, bright = net.generator.show(faces, poses).mean((1, 2, 3))
    assert dark < 0.2
    assert bright > 0.8


@pytest.mark.parametrize("shape", [{"heard": False}, {"between": 0.5}])
@pytest.mark.parametrize(("posed", "rests"), [(True, False), (False, True)])
def test_poses_that_are_not_heard_are_for_drawing_alone(
    shape: dict[str, Any], *, posed: bool, rests: bool
) -> None:
    generator = replace(OPTIONS.network.generator, posed=posed)
    phase = Phase("wrong", 1, BatchShape(2, 3, 1, **shape), (1e-3, 1e-3), hearing_rests=rests)
    with pytest.raises(ValueError, match="the phase 'wrong' draws poses that are not heard"):
        replace(OPTIONS, network=replace(OPTIONS.network, generator=generator), phases=(phase,))


def test_the_average_forgets_the_first_weights(tmp_path: Path) -> None:
    """With the plain decay, 0.998 ^ 16 = 0.97 of them would be left after 16 steps."""
    trainer = Trainer(Beeps(), tmp_path, replace(OPTIONS, phases=OPTIONS.phases[:1]))
    for parameter in trainer.net.parameters():
        parameter.data.zero_()
    for _ in range(16):
        trainer.average.follow()
        for parameter in trainer.net.parameters():
            parameter.data.fill_(1.0)
    averaged = torch.cat([p.flatten() for p in trainer.averaged().parameters()])
    assert 0.9 < averaged.min() <= averaged.max() < 1


def test_every_phase_begins_its_average_anew(tmp_path: Path) -> None:
    """A part that has just begun to learn would show its first weights for long."""
    trainer = Trainer(Beeps(), tmp_path, OPTIONS)
    trainer.run()
    assert trainer.average.steps == OPTIONS.phases[1].steps


def test_rates_fall_within_a_phase_and_begin_anew_with_the_next(tmp_path: Path) -> None:
    phase, done = OPTIONS.phase_at(5)
    assert (phase.name, done) == ("hearing", 5)
    phase, done = OPTIONS.phase_at(6)
    assert (phase.name, done) == ("both", 0)
    trainer = Trainer(Beeps(), tmp_path, OPTIONS)
    trainer.run()
    last = [group["lr"] for group in trainer.optimizer.param_groups]
    assert 1e-5 < last[0] < 1e-3
    with pytest.raises(IndexError, match="past its end"):
        OPTIONS.phase_at(10)


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    Trainer(Beeps(), tmp_path, replace(OPTIONS, phases=OPTIONS.phases[:1])).run()
    other = replace(OPTIONS, network=NetworkConfig())
    with pytest.raises(ValueError, match="holds another network"):
        Trainer(Beeps(), tmp_path, other)


def test_a_clip_hears_what_the_pipeline_hears() -> None:
    mel = mel_spectrogram(np.random.default_rng(0).standard_normal(30_000).astype(np.float32))
    table = np.random.default_rng(1).standard_normal((1280, 512)).astype(np.float32)

    def encode(patches: np.ndarray) -> np.ndarray:
        return patches.reshape(len(patches), -1) @ table / 40

    expected = windows(features(mel, encode))
    count = frame_count(len(mel))
    assert len(expected) == count
    for first in (0, 3, count - 10):
        patches, valid = clip_patches(mel, first, 10)
        heard = encode(patches) * valid[:, None]
        got = np.stack([heard[i : i + 16].reshape(32, 16, 16) for i in range(10)])
        np.testing.assert_allclose(got, expected[first : first + 10], atol=1e-4)
