"""Other shapes of generator on the built-in avatar's hearing, learned from true drawings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the studio is not installed")

from support.drawn import small_corpus, small_source
from viseme.avatar import load_avatar
from viseme.engine import AudioEncoder, Inferencer
from viseme.errors import OutputError
from viseme.studio import shapes
from viseme.studio.batches import BatchShape
from viseme.studio.networks import GeneratorConfig
from viseme.studio.shapes import SHAPES, HeardSource, shape_options, train_shape

TINY = GeneratorConfig(ladder=(8, 8, 8, 8, 8), fold=4)


def test_windows_are_what_the_avatar_hears_of_the_frames_that_are_drawn(tmp_path: Path) -> None:
    drawn = small_source(small_corpus(tmp_path))
    with load_avatar("demo") as avatar, AudioEncoder(avatar.audio_encoder) as encode:
        heard = HeardSource(drawn, encode)
        for shape in (BatchShape(3, 6, 2), BatchShape(3, 6, 0)):
            given, batch = drawn.batch(7, shape), heard.batch(7, shape)
            frames = given.picks if shape.pictures else np.arange(6)[None].repeat(3, axis=0)
            assert len(batch.windows) == len(batch.shown) == frames.size
            rows = [(clip, frame) for clip in range(3) for frame in frames[clip]]
            for window, pose, (clip, frame) in zip(batch.windows, batch.shown, rows, strict=True):
                patches = given.patches[clip, frame : frame + 16]
                valid = given.valid[clip, frame : frame + 16, None]
                np.testing.assert_allclose(
                    window.reshape(16, 512), encode(patches) * valid, rtol=0, atol=1e-4
                )
                np.testing.assert_array_equal(pose, given.poses[clip, frame])
            np.testing.assert_array_equal(batch.target, given.target)
            assert batch.patches.size == batch.poses.size == batch.phones.size == 0


def test_a_shape_is_trained_and_takes_the_generators_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shapes, "HEARING_STEPS", 2)
    monkeypatch.setattr(shapes, "build_corpus", lambda folder, minutes: small_corpus(folder))
    options = replace(shape_options(TINY, 4), workers=0, checkpoint_every=1)
    with load_avatar("demo") as avatar:
        train_shape(avatar, options, tmp_path / "tiny", tmp_path / "work")
        told = capsys.readouterr().out
        assert [name in told for name in ("step 2/6  pose ", "step 6/6  picture ")] == [True, True]
        with load_avatar(tmp_path / "tiny") as tiny:
            mine, theirs = tiny.manifest, avatar.manifest
            assert mine.sha256.generator != theirs.sha256.generator
            assert mine.sha256.audio_encoder == theirs.sha256.audio_encoder
            assert mine.recipe == json.loads(json.dumps(options.as_recipe()))
            with Inferencer(tiny.generator, backend="onnxruntime") as network:
                visual = np.full((6, 320, 320), 0.5, np.float32)
                picture = network.infer(visual, np.zeros((32, 16, 16), np.float32))
            assert 0 < picture.min() <= picture.max() < 1
        with pytest.raises(OutputError, match="tiny"):
            train_shape(avatar, options, tmp_path / "tiny", tmp_path / "work")


def test_the_shapes_are_the_familys_two_and_the_one_that_is_taught() -> None:
    assert SHAPES["full"] == GeneratorConfig()
    assert [shape.fold for shape in SHAPES.values()] == [1, 1, 4]
    small = SHAPES["small"]
    assert small.whole_window
    assert small.gate
    assert not small.posed
    for shape in SHAPES.values():
        assert sum(phase.steps for phase in shape_options(shape, 10).phases[1:]) == 10
