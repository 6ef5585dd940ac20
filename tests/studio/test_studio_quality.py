"""The built-in avatar on a voice and a sentence that it was not trained on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skia", reason="the studio is not installed")
pytest.importorskip("matplotlib", reason="the studio is not installed")
if shutil.which("flite") is None:
    pytest.skip("flite is not installed", allow_module_level=True)

from support.tiny_avatar import make_avatar
from viseme.audio import Latency
from viseme.avatar import load_avatar
from viseme.errors import AvatarError
from viseme.studio.evaluation import Evaluation, evaluate
from viseme.studio.report import write_report
from viseme.studio.speech.corpus import padded
from viseme.studio.speech.flite import speak_with_flite
from viseme.studio.speech.noise import speechless
from viseme.studio.speech.texts import held_out_sentences


@pytest.fixture(scope="module")
def evaluations() -> list[Evaluation]:
    rng = np.random.default_rng(0)
    spoken = [padded(speak_with_flite(t, "slt"), 0.4, 0.4) for t in held_out_sentences()[:3]]
    with load_avatar("demo") as avatar:
        return evaluate(avatar, [*spoken, speechless(2.0, None, -60.0, rng)])


def test_the_mouth_follows_unseen_speech(evaluations: list[Evaluation]) -> None:
    figures = evaluations[0].figures
    assert figures.correlation > 0.8
    assert abs(figures.best_offset) <= 1
    assert figures.closures_seen >= 0.7 * figures.closures > 0
    assert figures.mouth_psnr_db > figures.untouched_psnr_db + 3
    assert figures.at_rest >= 0.99 * figures.silent > 0


def test_it_still_does_where_pictures_come_sooner(evaluations: list[Evaluation]) -> None:
    assert [evaluation.latency for evaluation in evaluations] == list(Latency)
    exact, low = (evaluation.figures for evaluation in evaluations)
    assert exact.correlation - 0.05 < low.correlation < exact.correlation
    assert abs(low.best_offset) <= 1
    assert exact.mouth_psnr_db - 1.5 < low.mouth_psnr_db < exact.mouth_psnr_db
    assert low.at_rest >= 0.98 * low.silent
    same = ("frames", "silent", "closures", "untouched_psnr_db")
    assert [getattr(low, name) for name in same] == [getattr(exact, name) for name in same]


def test_a_report_has_its_tables_and_its_figure(
    evaluations: list[Evaluation], tmp_path: Path
) -> None:
    page = write_report(evaluations, "demo", tmp_path).read_text("utf-8")
    exact, low = (f"{evaluation.figures.correlation:.3f}" for evaluation in evaluations)
    assert "Written by `viseme evaluate demo --out docs`" in page
    assert f"| {exact} | 0.90 |" in page
    assert "| figure | exact | low |" in page
    assert "| sound after a frame that it waits for, at 16 kHz | 452.5 ms | 132.5 ms |" in page
    assert f"| correlation of the mouth's opening | {exact} | {low} |" in page
    assert (tmp_path / "images" / "quality.png").stat().st_size > 10_000


def test_a_report_of_one_latency_says_which(evaluations: list[Evaluation], tmp_path: Path) -> None:
    page = write_report(evaluations[1:], "demo", tmp_path).read_text("utf-8")
    assert "Written by `viseme evaluate demo --latency low --out docs`" in page
    assert f"| {evaluations[1].figures.correlation:.3f} | 0.90 |" in page
    assert "## Sooner" not in page


def test_an_avatar_that_was_not_drawn_here_has_no_truth(tmp_path: Path) -> None:
    with (
        load_avatar(make_avatar(tmp_path / "tiny")) as tiny,
        pytest.raises(AvatarError, match="was not drawn by the studio"),
    ):
        evaluate(tiny)
