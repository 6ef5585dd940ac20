"""Works in processes of their own: what they make, and what is said of those that fail."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.halves import run_in_halves, seen_faces
from support.probes import noisy_generator
from support.tiny_avatar import make_avatar
from viseme.audio import probe
from viseme.avatar import load_avatar
from viseme.bench.contest import Contestant, Entry, Score, hold
from viseme.bench.engine import EngineOptions, EngineReport, measure_engine
from viseme.bench.render import RenderReport, RenderTask, measure_render
from viseme.bench.spread import Spread
from viseme.bench.work import Spec
from viseme.bench.works import WAYS, open_work
from viseme.errors import UnavailableError

STAGE_BACKENDS = {
    "stage-faces": "opencv",
    "stage-composing": "opencv",
    "stage-encoding": "libx264",
    "stage-pixels": "opencv",
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    base = tmp_path_factory.mktemp("bench")
    speech = base / "speech.flac"
    soundfile.write(speech, 0.1 * np.random.default_rng(3).standard_normal(8_000), 16_000)
    avatar = make_avatar(base / "tiny", side=240)
    return Spec("plain", str(avatar), str(speech), backend="onnxruntime")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_makes_the_frames_that_it_is_told(way: str, spec: Spec) -> None:
    whole_speech = 11  # frames of half a second
    expected = whole_speech if way.endswith(("frames", "mp4")) else 5
    for compose in (True, False):
        with open_work(replace(spec, way=way, size=3, compose=compose)) as work:
            assert work.make(5) == expected
            assert work.backend == STAGE_BACKENDS.get(way, "onnxruntime")


def test_faces_that_were_seen_before_are_not_seen_again(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in_halves(monkeypatch, tmp_path / "cache")
    seen = seen_faces(monkeypatch)
    model = noisy_generator(tmp_path / "noisy.onnx", size=320)
    with open_work(replace(spec, way="seen-before", model=str(model))) as work:
        assert seen
        seen.clear()
        assert work.make(5) == 5
    assert not seen


def test_works_take_turns(spec: Spec) -> None:
    steps: list[str] = []
    entries = [
        Entry(name, name, replace(spec, way=name, size=2), frames)
        for name, frames in (("plain", 3), ("workers", 4))
    ]
    scores = hold(entries, 3, steps.append)
    assert steps == ["Opening: plain.", "Opening: workers."] + [
        f"Round {number} of 3." for number in (1, 2, 3)
    ]
    for score in scores:
        assert len(score.seconds_per_frame) == 3
        figures = score.figures()
        assert figures["rounds"] == 3
        assert figures["peak_mib"] > 20
        assert figures["warm_up_s"] > 0
        assert figures["first_ms"] > 0


def test_a_work_that_cannot_open_is_told_and_left_out(spec: Spec) -> None:
    missing = Entry("missing", "missing", replace(spec, model="no.onnx"), 2)
    there = Entry("plain", "plain", spec, 2)
    refused, score = hold([missing, there], 1, lambda step: None)
    assert "no.onnx" in refused.refused
    assert refused.figures() == {
        "name": "missing",
        "title": "missing",
        "frames": 2,
        "refused": refused.refused,
    }
    assert len(score.seconds_per_frame) == 1


def test_a_work_that_dies_is_told_by_its_last_words(spec: Spec) -> None:
    entry = Entry("odd", "odd way", replace(spec, way="odd"), 2)
    with pytest.raises(UnavailableError, match=r"(?s)\(odd way\).*KeyError: 'odd'"):
        hold([entry], 1, lambda step: None)
    with Contestant(Entry("plain", "plain", spec, 2)) as contestant:
        contestant._process.kill()
        contestant._process.wait()
        with pytest.raises(UnavailableError, match=r"\(plain\) ended or does not answer"):
            contestant.make()


def test_no_process_is_left(spec: Spec) -> None:
    contestant = Contestant(Entry("plain", "plain", spec, 2))
    with suppress(KeyboardInterrupt), contestant:
        raise KeyboardInterrupt
    assert contestant._process.poll() is not None
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert spec.speech not in listed.stdout


def test_for_a_gpu_there_are_batches_at_once(spec: Spec) -> None:
    options = EngineOptions(frames=(5,), workers=(1,), batches=(2,), rounds=1)
    report = measure_engine(replace(spec, backend="cuda"), options, lambda step: None)
    last = report.scores[5][-1]
    assert (last.entry.name, last.entry.title) == ("batches-at-once-2", "5 batches of 2")
    assert len(last.seconds_per_run) == 3
    assert last.run_ms is not None
    assert last.figures()["ms_per_run"]["median"] == round(last.run_ms.median, 3)


def test_clips_have_their_length_and_long_ones_no_reference(spec: Spec) -> None:
    task = RenderTask(seconds=(0.6, 1.2), plain_seconds_max=1, rounds=1, stage_frames=2)
    task = replace(task, full_size=load_avatar(spec.avatar).generator)
    report = measure_render(spec, task, lambda step: None)
    short = ("plain-frames", "frames", "plain-mp4", "mp4", "plain-full-size")
    assert [(row["seconds"], row["name"]) for row in report.figures()["works"]] == [
        *((0.6, name) for name in short),
        *((1.2, name) for name in ("frames", "mp4")),
    ]
    assert report.ratio(1.2, report.scores[1.2][0]) is None
    assert report.ratio_to_full_size(0.6) is not None
    stages = report.figures()["stages"]
    assert [stage["frames"] for stage in stages] == [2] * 6
    assert sum(stage["share"] for stage in stages[:-1]) == pytest.approx(1, abs=0.01)
    assert "share" not in stages[-1]  # what a film has not
    assert probe(spec.speech).duration_s == pytest.approx(0.5)


def test_the_network_alone_is_run_by_what_ran_it_among_the_others(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Sequence[Entry]] = []

    def hold_nothing(entries: Sequence[Entry], *_: object) -> list[Score]:
        held.append(entries)
        return [Score(entry, backend="openvino") for entry in entries]

    monkeypatch.setattr("viseme.bench.render.hold", hold_nothing)
    measure_render(replace(spec, backend="auto"), RenderTask(seconds=(1,)), lambda step: None)
    works, stages = held
    assert {entry.spec.backend for entry in works} == {"auto"}
    assert {entry.spec.backend for entry in stages} == {"openvino"}


def test_ratios_are_of_medians() -> None:
    def score(name: str, *seconds: float) -> Score:
        spec = Spec(name, "", "")
        return Score(
            Entry(name, name, spec, 1),
            seconds_per_frame=list(seconds),
            core_seconds_per_frame=[2 * each for each in seconds],
            peak_bytes=2**21,
        )

    plain, ours = score("plain", 0.1, 0.2, 0.9), score("workers-2", 0.05, 0.1, 0.1)
    assert EngineReport({1: [plain, ours]}).ratio(1, ours) == 2
    assert ours.ms == Spread(100, 75, 100)
    assert ours.figures()["peak_mib"] == 2
    film, stage = score("mp4", 0.02), score("stage-network", 0.02)
    stages = [stage, score("stage-faces", 0.01), pixels := score("stage-pixels", 0.05)]
    report = RenderReport({1.0: [score("plain-mp4", 0.1), film]}, stages)
    assert report.share(stage) == pytest.approx(2 / 3)
    assert report.share(pixels) is None
    assert report.ratio(1.0, film) == 5
    assert report.figures()["works"][1]["real_time_factor"] == 0.5
    assert report.ratio_to_full_size(1.0) is None
    beside = {1.0: [score("frames", 0.02), score("plain-full-size", 0.1)]}
    assert RenderReport(beside, [film]).figures()["works"][0]["ratio_to_full_size"] == 5
