"""Halves whose features stay on a device: on the CPU, where bound tensors work as on a GPU."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from support.probes import AUDIO_SHAPES, noisy_generator, write_network
from viseme.bench.full_size import write_full_size
from viseme.engine import (
    BY_CONTENT,
    Backend,
    FeatureOptions,
    Inferencer,
    ModelInfo,
    Question,
    Tensor,
    read_model,
)
from viseme.engine.backends import GPU_BACKENDS
from viseme.engine.bound import BoundOptions, Values
from viseme.engine.choice import DEVIATION_MAX
from viseme.engine.device_halves import (
    Seeing,
    open_on_device,
)
from viseme.engine.features import GUESTS_MIN
from viseme.engine.onnx_runtime import OnnxRuntimeBackend, new_value, open_session
from viseme.engine.parts import parts_of
from viseme.engine.row_inputs import taken_by_rows
from viseme.engine.split import Target, split_at_sound
from viseme.engine.split_backend import SplitBackend
from viseme.errors import BackendError

ROWS = 3
HERE = BoundOptions("onnxruntime", rows=ROWS)
FACES = 4
"""That have names."""


def opened(
    info: ModelInfo, folder: Path, how: BoundOptions = HERE, **options: Any
) -> SplitBackend[Values] | None:
    wanted = FeatureOptions(**{"faces": FACES, "guests": True, "folder": folder, **options})
    parts = parts_of(info, "it", wanted, Target.MATRIX_UNITS)
    assert parts is not None
    return open_on_device(info, parts, wanted, how)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return read_model(noisy_generator(tmp_path_factory.mktemp("device") / "m.onnx"))


@pytest.fixture
def split(info: ModelInfo, tmp_path: Path) -> Iterator[SplitBackend[Values]]:
    backend = opened(info, tmp_path)
    assert backend is not None
    yield backend
    backend.close()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Faces that the first half is shown, as `inputs_of` numbers them."""
    numbers: list[int] = []
    lock, see = threading.Lock(), Seeing.see

    def noted(self: Seeing, visual: Tensor) -> Values:
        with lock:
            numbers.append(round(1000 * float(visual[0, 0, 0, 0])))
        return see(self, visual)

    monkeypatch.setattr(Seeing, "see", noted)
    return numbers


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU's provider pass for those of a GPU, and the host's memory for its memory."""

    def open_as_if(model: Any, *, target: str, **_: Any) -> tuple[Any, str]:
        return open_session(model, target="onnxruntime")[0], target

    monkeypatch.setattr("viseme.engine.bound.open_session", open_as_if)
    for module in ("bound", "device_halves"):
        monkeypatch.setattr(
            f"viseme.engine.{module}.new_value",
            lambda shape, dtype, _: new_value(shape, dtype, "cpu"),
        )
    monkeypatch.setattr("viseme.engine.backends.available_targets", lambda: ("tensorrt", "cuda"))


def inputs_of(*faces: int, seed: int = 0) -> dict[str, Tensor]:
    """Give faces of these numbers, each with a sound of its own."""
    visual = np.stack(
        [np.random.default_rng(face).random((6, 160, 160), dtype=np.float32) for face in faces]
    )
    visual[:, 0, 0, 0] = np.asarray(faces, np.float32) / 1000
    sounds = np.random.default_rng(seed)
    audio = sounds.standard_normal((len(faces), 16, 32, 32), dtype=np.float32)
    return {"input": visual, "audio": audio}


def names_of(faces: Sequence[int]) -> list[str]:
    return [f"face {face}" for face in faces]


def rows_of(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: one[row : row + 1] for name, one in inputs.items()}


def test_the_pictures_are_those_of_the_whole(split: SplitBackend[Values], info: ModelInfo) -> None:
    inputs = inputs_of(1, 2, 3, 4, 5)
    (expected,) = OnnxRuntimeBackend(info.path).run(inputs)
    for names in ([], names_of(range(5)), [BY_CONTENT] * 5):
        (pictures,) = split.run(inputs, names)
        assert float(np.abs(pictures - expected).max()) < DEVIATION_MAX


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_frame_has_the_same_bits_in_any_company(
    info: ModelInfo, tmp_path: Path, precision: str
) -> None:
    split = opened(info, tmp_path, replace(HERE, precision=precision))
    assert split is not None
    assert split.precision == precision
    faces = [1, 2, 1, 3, 9, 2, 1]
    inputs = inputs_of(*faces)
    named = split.run(inputs, names_of(faces))[0]
    for _ in range(3):
        again = split.run(inputs, names_of(faces))[0]
        by_content = split.run(inputs, [BY_CONTENT] * len(faces))[0]
        nameless = split.run(inputs)[0]
        for other in (again, by_content, nameless):
            np.testing.assert_array_equal(other, named)
    for row in range(len(faces)):
        (alone,) = split.run(rows_of(inputs, row), names_of(faces[row : row + 1]))
        np.testing.assert_array_equal(alone[0], named[row])
    split.close()


def test_a_half_that_looks_at_the_picture_again_is_given_it(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["audio"], ["heard"], axes=[1, 2, 3]),
        helper.make_node("Slice", ["input", "start", "stop", "axis"], ["face"]),
        helper.make_node("Sigmoid", ["face"], ["seen"]),
        helper.make_node("Mul", ["seen", "heard"], ["spoken"]),
        helper.make_node("Add", ["spoken", "face"], ["output"]),
    ]
    path = write_network(
        tmp_path / "m.onnx",
        nodes,
        {"start": np.array([0]), "stop": np.array([3]), "axis": np.array([1])},
        inputs={"input": ("batch", 6, 160, 160), "audio": ("batch", *AUDIO_SHAPES[160])},
        outputs={"output": ("batch", 3, 160, 160)},
    )
    split = opened(read_model(path), tmp_path)
    assert split is not None
    inputs = inputs_of(1, 2, 3, 2)
    (expected,) = OnnxRuntimeBackend(path).run(inputs)
    for _ in range(2):
        (pictures,) = split.run(inputs, names_of([1, 2, 3, 2]))
        assert float(np.abs(pictures - expected).max()) < DEVIATION_MAX
    split.close()


def test_a_face_is_sent_once(split: SplitBackend[Values], shown: list[int]) -> None:
    for seed in range(3):
        split.run(inputs_of(1, 2, seed=seed), names_of([1, 2]))
    assert shown == [1, 2]


def test_a_face_without_a_name_is_kept_from_the_second_time_on(
    split: SplitBackend[Values], shown: list[int]
) -> None:
    for seed in range(4):
        split.run(inputs_of(7, 8, seed=seed), [BY_CONTENT] * 2)
    assert shown == [7, 8, 7, 8]


def test_of_more_faces_than_there_is_room_for_the_last_are_kept(
    split: SplitBackend[Values], shown: list[int]
) -> None:
    for face in range(FACES + 2):
        split.run(inputs_of(face), names_of([face]))
    shown.clear()
    for face in (FACES + 1, FACES, FACES - 1, FACES - 2, 0):
        split.run(inputs_of(face), names_of([face]))
    assert shown == [0]


def test_many_threads_get_what_each_asked_for(split: SplitBackend[Values]) -> None:
    threads, calls = 8, 6
    rng = np.random.default_rng(0)
    asked = [
        rng.integers(0, 2 * FACES, size=1 + call % (ROWS + 1)).tolist()
        for call in range(threads * calls)
    ]
    serial = [split.run(inputs_of(*faces, seed=n))[0] for n, faces in enumerate(asked)]
    together = threading.Barrier(threads, timeout=60)

    def ask(thread: int) -> list[Tensor]:
        together.wait()
        pictures = []
        for call in range(calls):
            number = thread * calls + call
            faces = asked[number]
            names = names_of(faces) if number % 2 else [BY_CONTENT] * len(faces)
            pictures += split.run(inputs_of(*faces, seed=number), names)
        return pictures

    with ThreadPoolExecutor(threads) as executor:
        for thread, pictures in enumerate(executor.map(ask, range(threads))):
            for call, picture in enumerate(pictures):
                np.testing.assert_array_equal(picture, serial[thread * calls + call])


def test_closed_it_refuses_and_holds_nothing(
    split: SplitBackend[Values], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []
    see = Seeing.see

    def noted(self: Seeing, visual: Tensor) -> Values:
        features = see(self, visual)
        made.extend(map(weakref.ref, features))
        return features

    monkeypatch.setattr(Seeing, "see", noted)
    inputs = inputs_of(1)
    split.run(inputs, ["known"])
    for _ in range(2):
        split.run(inputs, [BY_CONTENT])
    assert [each() is not None for each in made] == [True, False, True]
    split.close()
    assert [each() for each in made] == [None] * 3
    split.close()
    for name in ("known", "new"):
        with pytest.raises(BackendError, match="is closed; open another"):
            split.run(inputs, [name])


def test_without_memory_it_is_not_opened(
    info: ModelInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(shape: tuple[int, ...], *_: Any) -> Any:
        asked.append(shape[0])
        raise BackendError("There is no memory.")

    monkeypatch.setattr("viseme.engine.device_halves.new_value", refuse)
    assert opened(info, tmp_path, budget_bytes=2**28) is None
    assert 2**28 - 10**6 < asked[0] <= 2**28


def test_with_room_for_few_guests_alone_it_is_not_opened(info: ModelInfo, tmp_path: Path) -> None:
    ten = opened(info, tmp_path, faces=0)
    assert ten is not None
    ten.close()
    item_bytes = 2 * 16 * 80 * 80  # of `noisy_generator`
    parts = parts_of(info, "it", FeatureOptions(guests=True, folder=tmp_path), Target.MATRIX_UNITS)
    assert parts is not None
    few = FeatureOptions(guests=True, budget_bytes=(GUESTS_MIN - 1) * item_bytes, folder=tmp_path)
    assert open_on_device(info, parts, few, HERE) is None


def test_halves_for_different_targets_lie_in_folders_of_their_own(
    info: ModelInfo, tmp_path: Path
) -> None:
    options = FeatureOptions(FACES, folder=tmp_path)
    parts = [parts_of(info, "it", options, target) for target in Target]
    assert len({each.seeing.parent.parent for each in parts if each}) == len(Target)


def test_wide_layers_stay_in_one_piece(tmp_path: Path) -> None:
    write_full_size(tmp_path / "m.onnx")
    info = read_model(tmp_path / "m.onnx")

    def layers(target: Target) -> int:
        halves = split_at_sound(info, target=target)
        assert halves is not None
        model = onnx.load_from_string(halves.speaking)
        return sum(node.op_type == "Conv" for node in model.graph.node)

    assert layers(Target.MATRIX_UNITS) < layers(Target.PROCESSOR)


def test_an_inferencer_runs_in_it(
    split: SplitBackend[Values], info: ModelInfo, shown: list[int]
) -> None:
    inputs = inputs_of(1, 2, 1, 2, 1)
    faces = names_of([1, 2, 1, 2, 1])
    questions = list(map(Question, inputs["input"], inputs["audio"], faces))
    (expected,) = split.run(inputs)
    shown.clear()
    with Inferencer(info.path, backend=split, workers=1) as inferencer:
        pictures = list(inferencer.map(questions))
    np.testing.assert_array_equal(np.stack(pictures), expected)
    assert sorted(shown) == [1, 2]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", GPU_BACKENDS)
@pytest.mark.parametrize("is_worth_it", [True, False])
def test_every_back_end_of_a_gpu_keeps_faces_where_that_pays(
    info: ModelInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shown: list[int],
    name: str,
    is_worth_it: bool,
) -> None:
    def measured(whole: Backend, split: Backend, *_: Any, **__: Any) -> bool:
        assert whole.name == split.name == name
        return is_worth_it

    monkeypatch.setattr("viseme.engine.splitting.is_worth_splitting", measured)
    features = FeatureOptions(FACES, folder=tmp_path)
    inputs = inputs_of(1, 2, 1)
    (expected,) = OnnxRuntimeBackend(info.path).run(inputs)
    questions = list(map(Question, inputs["input"], inputs["audio"], names_of([1, 2, 1])))
    for _ in range(2):  # measured, and as it is remembered
        with Inferencer(info.path, backend=name, features=features) as inferencer:
            assert inferencer.warm_up().backend == name
            assert inferencer.backend.device == "gpu"
            assert isinstance(inferencer.backend, SplitBackend) == is_worth_it
            shown.clear()
            pictures = np.stack(list(inferencer.map(questions)))
            # Runs at once may see a face that neither has kept yet.
            assert set(shown) == ({1, 2} if is_worth_it else set())
            shown.clear()
            list(inferencer.map(questions))
            assert shown == []
        np.testing.assert_allclose(pictures, expected, rtol=0, atol=2 * DEVIATION_MAX)


def test_an_input_in_rows_is_the_input(info: ModelInfo, tmp_path: Path) -> None:
    halves = split_at_sound(info, target=Target.MATRIX_UNITS)
    assert halves is not None
    speaking = halves.typed({"sr.half": (None, 16, 80, 80)})
    model = onnx.load_from_string(taken_by_rows(speaking, ("sr.half",), 2))
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == ["audio", "sr.half.0", "sr.half.1"]
