from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from support.backends import skip_unless_available
from support.hand_clock import HandClock
from support.probes import identity_generator, noisy_generator
from viseme.cache import cache_folder
from viseme.engine import Backend, Candidate, FakeBackend, Inferencer, Tensor
from viseme.engine.choice import DEVIATION_MAX, choose, fastest
from viseme.engine.choice_cache import ChoiceCache, choice_key
from viseme.errors import BackendError

TIME, TURN = HandClock(), threading.Lock()
SAMPLES = [{"x": np.full((1, 4), value, np.float32)} for value in (0.25, 0.5)]


def fake(name: str, *, error: float = 0.0, pause_s: float = 0.0) -> Callable[[], FakeBackend]:
    """Make what opens a back end that gives its input back, ``error`` off and after a pause.

    The pause is one of the hand's clock: what is measured must not depend on what else runs.
    """

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        with TURN:
            TIME.s += pause_s
        return [inputs["x"] + np.float32(error)]

    backend = FakeBackend(run, name=name)
    return lambda: backend


def chosen(
    *openers: Callable[[], FakeBackend], workers: int = 2
) -> tuple[Backend, dict[str, Candidate]]:
    backend, candidates = choose(
        {opener().name: opener for opener in openers},
        SAMPLES,
        run=lambda backend, sample: backend.run(sample)[0],
        workers=lambda _: workers,
        clock=TIME,
    )
    return backend, {candidate.name: candidate for candidate in candidates}


@pytest.mark.parametrize("fast_first", [True, False])
def test_the_fastest_is_chosen_and_the_others_closed(fast_first: bool) -> None:
    slow, fast = fake("slow", pause_s=0.03), fake("fast", pause_s=0.01)

    backend, candidates = chosen(*((fast, slow) if fast_first else (slow, fast)))

    assert backend is fast()
    assert not fast().closed
    assert slow().closed
    slow_s, fast_s = candidates["slow"].seconds_per_run, candidates["fast"].seconds_per_run
    assert slow_s is not None
    assert fast_s is not None
    assert slow_s > fast_s > 0


@pytest.mark.parametrize("error", [1.1 * DEVIATION_MAX, -0.5, float("nan"), float("inf")])
def test_one_that_strays_is_refused_however_fast(error: float) -> None:
    exact, straying = fake("exact", pause_s=0.01), fake("straying", error=error)

    backend, candidates = chosen(exact, straying)

    assert backend is exact()
    assert straying().closed
    assert candidates["straying"].seconds_per_run is None
    assert "strays from float32" in candidates["straying"].refused


def test_one_that_strays_in_one_sample_only_is_refused() -> None:
    straying = FakeBackend(
        lambda inputs: [np.where(inputs["x"] == 0.5, np.float32(np.nan), inputs["x"])],
        name="straying",
    )

    _, candidates = chosen(fake("exact"), lambda: straying)

    assert "strays from float32" in candidates["straying"].refused


@pytest.mark.parametrize(
    ("precision", "strays_in"), [("float32", 2), ("bfloat16", 9), ("float16", 9)]
)
def test_what_rounds_is_compared_on_all_samples(precision: str, strays_in: int) -> None:
    """One in float32 is not: that two are enough for it saves the time of the others."""
    compared = []

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        compared.append(float(inputs["x"][0, 0]))
        return [inputs["x"] + np.float32(inputs["x"] == 9)]

    rounded = FakeBackend(run, name="rounded", precision=precision)
    _, candidates = choose(
        {"exact": fake("exact"), "rounded": lambda: rounded},
        [{"x": np.full((1, 4), value, np.float32)} for value in range(1, 17)],
        run=lambda backend, sample: backend.run(sample)[0],
        workers=lambda _: 1,
        clock=TIME,
    )
    strays = "strays from float32" in candidates[1].refused
    assert strays == (strays_in == 9)
    assert max(compared) == strays_in


def test_one_within_half_a_step_may_win() -> None:
    exact, rounded = fake("exact", pause_s=0.03), fake("rounded", error=0.9 * DEVIATION_MAX)

    backend, candidates = chosen(exact, rounded)

    assert backend is rounded()
    deviation = candidates["rounded"].deviation
    assert deviation == pytest.approx(0.9 * DEVIATION_MAX, rel=1e-3)
    assert not candidates["rounded"].refused


def test_one_that_does_not_open_is_refused_with_its_reason() -> None:
    def broken() -> Backend:
        raise BackendError("This processor does not compute in bfloat16.")

    backend, candidates = choose(
        {"exact": fake("exact"), "broken": broken},
        SAMPLES,
        run=lambda backend, sample: backend.run(sample)[0],
        workers=lambda _: 1,
    )

    assert backend.name == "exact"
    assert candidates[1] == Candidate(
        "broken", refused="This processor does not compute in bfloat16."
    )


def test_one_that_turns_out_to_be_another_is_refused() -> None:
    fallen = fake("onnxruntime")

    _, candidates = choose(
        {"exact": fake("exact"), "cuda": fallen},
        SAMPLES,
        run=lambda backend, sample: backend.run(sample)[0],
        workers=lambda _: 1,
    )

    assert candidates[1].refused == "It is not to be had here and gives onnxruntime."
    assert fallen().closed


def test_a_reference_that_fails_is_an_error() -> None:
    def broken() -> Backend:
        raise BackendError("gone")

    with pytest.raises(BackendError, match="gone"):
        choose(
            {"broken": broken, "exact": fake("exact")},
            SAMPLES,
            run=lambda backend, sample: backend.run(sample)[0],
            workers=lambda _: 1,
        )


def test_candidates_are_measured_with_all_their_workers_busy() -> None:
    together = threading.Barrier(3, timeout=10)
    entering = [len(SAMPLES)]

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if entering[0]:
            entering[0] -= 1  # The runs that are compared come one by one.
        else:
            together.wait()  # Breaks unless three are inside at once.
        return [inputs["x"]]

    backend = FakeBackend(run, name="busy")
    assert chosen(lambda: backend, workers=3)[0] is backend


def test_one_that_has_room_for_more_frames_is_measured_by_the_frame() -> None:
    openers = {"one": fake("one", pause_s=0.01), "eight": fake("eight", pause_s=0.03)}
    backend, _ = choose(
        openers,
        SAMPLES,
        run=lambda backend, sample: backend.run(sample)[0],
        workers=lambda _: 1,
        room=lambda backend: 8 if backend.name == "eight" else 1,
        clock=TIME,
    )
    assert backend.name == "eight"


@pytest.mark.parametrize(
    ("seconds", "winner"),
    [
        ({"a": 1.0}, "a"),
        ({"a": 1.0, "b": 0.5, "c": 0.8}, "b"),
        ({"a": 1.0, "b": 0.95}, "a"),
        ({"a": 1.0, "b": 0.8, "c": 0.75}, "b"),
        ({"a": 1.0, "b": 1.5, "c": 0.7}, "c"),
    ],
)
def test_the_fastest_must_be_clearly_so(seconds: dict[str, float], winner: str) -> None:
    assert fastest(seconds) == winner


KEY: dict[str, str | int | None] = {"model": "abc", "cores": 2, "openvino": None}


def test_a_choice_is_recalled_for_its_key_alone(tmp_path: Path) -> None:
    cache = ChoiceCache(tmp_path)
    cache.remember(KEY, "openvino")

    assert ChoiceCache(tmp_path).recall(KEY) == "openvino"
    assert cache.recall(KEY | {"cores": 3}) is None
    assert [path.suffix for path in (tmp_path / "choices").iterdir()] == [".json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"key": {}, "backend": "cuda"}', b"[" * 60_000]
)
@pytest.mark.usefixtures("no_garbage")
def test_a_damaged_choice_is_forgotten_and_made_again(tmp_path: Path, content: bytes) -> None:
    cache = ChoiceCache(tmp_path)
    cache.remember(KEY, "openvino")
    (entry,) = (tmp_path / "choices").iterdir()
    entry.write_bytes(content)

    assert cache.recall(KEY) is None
    cache.remember(KEY, "onnxruntime")
    assert cache.recall(KEY) == "onnxruntime"


def test_a_folder_that_cannot_be_made_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ChoiceCache(tmp_path / "file")

    cache.remember(KEY, "openvino")

    assert cache.recall(KEY) is None


@pytest.mark.usefixtures("no_home")
def test_without_a_home_nothing_is_kept(tmp_path: Path) -> None:
    assert not cache_folder().exists()
    with Inferencer(identity_generator(tmp_path / "it.onnx")) as inferencer:
        assert inferencer.warm_up().backend
    assert not cache_folder().exists()


def test_old_choices_make_room(tmp_path: Path) -> None:
    cache = ChoiceCache(tmp_path)
    for cores in range(300):
        cache.remember(KEY | {"cores": cores}, "openvino")

    assert len(list((tmp_path / "choices").iterdir())) == 256
    assert cache.recall(KEY | {"cores": 299}) == "openvino"


def test_the_key_follows_the_networks_content(tmp_path: Path) -> None:
    def key(path: Path) -> dict[str, str | int | None]:
        with Inferencer(path, backend="onnxruntime") as inferencer:
            return choice_key(inferencer.info, threads=None, workers=None, runtime="1.0")

    one = key(identity_generator(tmp_path / "one.onnx"))

    assert key(identity_generator(tmp_path / "copy.onnx")) == one
    assert key(noisy_generator(tmp_path / "other.onnx"))["model"] != one["model"]


def test_auto_measures_once_and_remembers(tmp_path: Path, cache_dir: Path) -> None:
    path = noisy_generator(tmp_path / "m.onnx")
    with Inferencer(path) as inferencer:
        first = inferencer.warm_up()
        assert inferencer.backend.name == first.backend
    with Inferencer(path) as inferencer:
        second = inferencer.warm_up()

    assert first.candidates[0].name == "onnxruntime"
    assert first.candidates[0].deviation == 0
    assert first.backend in {one.name for one in first.candidates if not one.refused}
    assert (second.backend, second.candidates) == (first.backend, ())
    (entry,) = (cache_dir / "choices").iterdir()
    assert json.loads(entry.read_text())["backend"] == first.backend


@pytest.mark.parametrize("remembered", ["no-such-back-end", "cuda"])
def test_auto_measures_again_what_cannot_be_had(
    tmp_path: Path, cache_dir: Path, remembered: str
) -> None:
    path = noisy_generator(tmp_path / "m.onnx")
    with Inferencer(path) as inferencer:
        inferencer.warm_up()
    (entry,) = (cache_dir / "choices").iterdir()
    written = json.loads(entry.read_text())
    entry.write_text(json.dumps(written | {"backend": remembered}))

    with Inferencer(path) as inferencer:
        report = inferencer.warm_up()

    assert report.candidates
    assert json.loads(entry.read_text())["backend"] == report.backend != remembered


def test_auto_works_where_nothing_can_be_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("in the way")
    monkeypatch.setenv("VISEME_CACHE_DIR", str(blocked))
    path = identity_generator(tmp_path / "m.onnx", size=160)

    with Inferencer(path) as inferencer:
        visual = np.full(inferencer.visual_shape, 0.5, np.float32)
        picture = inferencer.infer(visual, np.zeros(inferencer.audio_shape, np.float32))

    np.testing.assert_array_equal(picture, visual[:3])


def test_bfloat16_is_measured_against_float32(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "m.onnx")
    skip_unless_available("openvino-bf16", path)
    with Inferencer(path) as inferencer:
        by_name = {one.name: one for one in inferencer.warm_up().candidates}

    exact, rounded = by_name["openvino"].deviation, by_name["openvino-bf16"].deviation
    assert exact is not None
    assert rounded is not None
    assert exact < 1e-4 < rounded


LOADED = """
import json, sys
from viseme.engine import Inferencer
before = {"onnxruntime", "openvino"} & set(sys.modules)
with Inferencer(sys.argv[1]) as inferencer:
    report = inferencer.warm_up()
    print(json.dumps([
        sorted(before), report.backend, "openvino" in sys.modules, len(report.candidates)
    ]))
"""


def test_a_remembered_onnx_runtime_does_not_load_openvino(tmp_path: Path, cache_dir: Path) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160)
    with Inferencer(path) as inferencer:
        inferencer.warm_up()
    (entry,) = (cache_dir / "choices").iterdir()
    written = json.loads(entry.read_text())
    entry.write_text(json.dumps(written | {"backend": "onnxruntime"}))

    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(path)], check=True, capture_output=True, text=True
    )

    assert json.loads(done.stdout) == [[], "onnxruntime", False, 0]
