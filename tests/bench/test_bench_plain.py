"""The plain reference makes the very frames that the pipeline makes, by other means."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from support.probes import identity_generator, window_painter
from support.tiny_avatar import make_avatar
from viseme.avatar import load_avatar
from viseme.bench.plain import X264_OPTIONS, PlainReference, encode_plainly
from viseme.rendering import RenderOptions, render
from viseme.video.container import MP4
from viseme.video.steady import steady_x264

SIDE = 240  # all boxes lie inside the frame, and are resized


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(3).standard_normal(12_000), 16_000)
    return path


@pytest.mark.parametrize("generator", [identity_generator, window_painter])
def test_its_frames_are_ours(generator, tmp_path: Path, speech: Path) -> None:  # type: ignore[no-untyped-def]
    folder = make_avatar(tmp_path / "tiny", generator=generator, side=SIDE)
    with load_avatar(folder) as avatar:
        plain = list(PlainReference(avatar.generator, avatar.geometry).render(speech, avatar))
        ours = [f.image for f in render(speech, avatar, RenderOptions(backend="onnxruntime"))]
    assert len(plain) == len(ours) > 15
    for one, other in zip(plain, ours, strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_film_has_all_frames_and_the_sound(tmp_path: Path, speech: Path) -> None:
    folder = make_avatar(tmp_path / "tiny", side=SIDE)
    out = tmp_path / "plain.mp4"
    with load_avatar(folder) as avatar:
        frames = PlainReference(avatar.generator, avatar.geometry).render(speech, avatar)
        count = encode_plainly(frames, speech, out, avatar)
    with av.open(str(out)) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in film.decode(video=0)) == count
    with av.open(str(out)) as film:
        heard = sum(frame.samples for frame in film.decode(audio=0)) / 48_000
    assert heard == pytest.approx(0.75, abs=0.05)


def test_it_encodes_with_our_settings() -> None:
    plain = {**X264_OPTIONS, "x264-params": steady_x264(X264_OPTIONS["x264-params"])}
    assert MP4.picture.options == plain
