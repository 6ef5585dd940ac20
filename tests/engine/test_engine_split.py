"""A generator in two halves: the same pictures, and what has been seen is not looked at again."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from support.probes import (
    AUDIO_SHAPES,
    identity_generator,
    noisy_generator,
    window_painter,
    write_network,
)
from viseme.engine import (
    BY_CONTENT,
    FakeBackend,
    FeatureOptions,
    Inferencer,
    Question,
    Tensor,
    read_model,
)
from viseme.engine.choice import DEVIATION_MAX
from viseme.engine.features import GUESTS_MIN, Features, FeatureShelf
from viseme.engine.guests import guests_on_disk
from viseme.engine.host_halves import HostHalves, open_on_host
from viseme.engine.parts import parts_of
from viseme.engine.samples import sample_inputs
from viseme.engine.split import SplitNetwork, split_at_sound
from viseme.engine.split_backend import SplitBackend
from viseme.errors import BackendError, VisemeError

SHAPES = [(1, 2, 3, 4), (1, 5)]
KEY = "a network"


def some_features(seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(shape).astype(np.float16) for shape in SHAPES)


def shelf_in(folder: Path, *, faces: int = 2, budget_bytes: int = 10_000) -> FeatureShelf:
    options = FeatureOptions(faces, budget_bytes=budget_bytes, folder=folder)
    return FeatureShelf(options, KEY, SHAPES)


def halves_of(path: Path) -> SplitNetwork:
    halves = split_at_sound(read_model(path))
    assert halves is not None
    return halves


def run(network: bytes, inputs: Mapping[str, Tensor]) -> list[Any]:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(inputs)))


def test_the_halves_are_the_whole(tmp_path: Path) -> None:
    info = read_model(noisy_generator(tmp_path / "m.onnx"))
    halves = halves_of(info.path)
    assert halves.features == ("sr.half",)
    assert not halves.sees_again
    sample = sample_inputs(info, 1)[0]
    (features,) = run(halves.seeing, {"input": sample["input"]})
    assert features.dtype == np.float16
    speaking = halves.typed({"sr.half": (None, *features.shape[1:])})
    (picture,) = run(speaking, {"audio": sample["audio"], "sr.half": features})
    (expected,) = run(info.path.read_bytes(), sample)
    assert float(np.abs(picture - expected).max()) < DEVIATION_MAX


def test_each_half_has_its_own_weights_alone(tmp_path: Path) -> None:
    halves = halves_of(noisy_generator(tmp_path / "m.onnx"))

    def weights(network: bytes) -> set[str]:
        return {tensor.name for tensor in onnx.load_from_string(network).graph.initializer}

    assert weights(halves.seeing) == {"stem"}
    assert weights(halves.speaking) == {"deep", "ear", "last", "scales"}


def network_with(tmp_path: Path, nodes: list[Any], **constants: Any) -> Path:
    return write_network(
        tmp_path / "m.onnx",
        nodes,
        {name: np.asarray(value) for name, value in constants.items()},
        inputs={"input": ("batch", 6, 160, 160), "audio": ("batch", *AUDIO_SHAPES[160])},
        outputs={"output": ("batch", 3, 160, 160)},
    )


HEARD = helper.make_node("ReduceMean", ["audio"], ["heard"], axes=[1, 2, 3])
BOUNDS = {"start": [0], "stop": [3], "axis": [1]}


def test_what_only_moves_pixels_is_done_again_rather_than_kept(tmp_path: Path) -> None:
    nodes = [
        HEARD,
        helper.make_node("Slice", ["input", "start", "stop", "axis"], ["face"]),
        helper.make_node("Sigmoid", ["face"], ["seen"]),
        helper.make_node("Mul", ["seen", "heard"], ["spoken"]),
        helper.make_node("Add", ["spoken", "face"], ["output"]),
    ]
    halves = halves_of(network_with(tmp_path, nodes, **BOUNDS))
    assert halves.features == ("seen.half",)
    assert halves.sees_again


@pytest.mark.parametrize("make", [identity_generator, window_painter])
def test_where_there_is_nothing_to_keep_it_stays_whole(tmp_path: Path, make: Any) -> None:
    assert split_at_sound(read_model(make(tmp_path / "m.onnx"))) is None


def test_what_hides_its_needs_stays_whole(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["seen"], ["chosen"])],
        "inner",
        [],
        [helper.make_tensor_value_info("chosen", onnx.TensorProto.FLOAT, None)],
    )
    nodes = [
        HEARD,
        helper.make_node("Slice", ["input", "start", "stop", "axis"], ["face"]),
        helper.make_node("Sigmoid", ["face"], ["seen"]),
        helper.make_node("If", ["yes"], ["kept"], then_branch=inner, else_branch=inner),
        helper.make_node("Mul", ["kept", "heard"], ["output"]),
    ]
    path = network_with(tmp_path, nodes, yes=True, **BOUNDS)
    assert split_at_sound(read_model(path)) is None


def test_a_shelf_gives_back_what_was_put(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    assert shelf.open()
    assert shelf.get("one") is None
    shelf.put("one", some_features())
    for found in (shelf.get("one"), shelf_in(tmp_path).get("one")):
        assert found is not None
        for got, put in zip(found, some_features(), strict=True):
            np.testing.assert_array_equal(got, put)
    assert shelf.get("two") is None


def test_there_must_be_room_for_all_faces(tmp_path: Path) -> None:
    needed = 2 * (8 + 2 * (24 + 5))
    assert shelf_in(tmp_path, budget_bytes=needed).open()
    assert not shelf_in(tmp_path, budget_bytes=needed - 1).open()
    assert not shelf_in(tmp_path, budget_bytes=0).open()
    assert not shelf_in(tmp_path, faces=0).open()


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_what_is_damaged_is_as_good_as_none(tmp_path: Path, damage: bytes | None) -> None:
    shelf = shelf_in(tmp_path)
    assert shelf.open()
    shelf.put("one", some_features())
    (path,) = (file for file in tmp_path.rglob("*") if file.is_file())
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert shelf_in(tmp_path).get("one") is None
    shelf.put("one", some_features())
    assert shelf_in(tmp_path).get("one") is not None


def test_the_networks_of_long_ago_make_room(tmp_path: Path) -> None:
    for number in range(6):
        old = tmp_path / "features" / f"old-{number}"
        old.mkdir(parents=True)
        (old / "face").write_bytes(b"features")
        os.utime(old, (number, number))
    assert shelf_in(tmp_path).open()
    left = {folder.name for folder in (tmp_path / "features").iterdir()}
    assert {"old-3", "old-4", "old-5"} < left
    assert len(left) == 4


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("no folder")
    shelf = shelf_in(tmp_path)
    assert not shelf.open()
    shelf.put("one", some_features())
    assert shelf.get("one") is None


@pytest.fixture
def counted(tmp_path: Path) -> tuple[SplitBackend[Features], list[int]]:
    """Give a back end of two made-up halves, and what the first was shown."""
    info = read_model(noisy_generator(tmp_path / "m.onnx"))
    shown: list[int] = []
    lock = threading.Lock()

    def see(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        with lock:
            shown.append(int(inputs["input"][0, 0, 0, 0]))
        return [inputs["input"][:, :1, :1, :1], inputs["input"][:, 0, :1, :5].reshape(-1, 5)]

    def speak(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        return [inputs["a"] + inputs["audio"][:, :1, :1, :1] + 0 * inputs["b"][:, :1, None, None]]

    options = FeatureOptions(9, guests=True, budget_bytes=10_000, folder=tmp_path)
    shapes = [(1, 1, 1, 1), (1, 5)]
    shelf, guests = FeatureShelf(options, KEY, shapes), guests_on_disk(options, shapes)
    assert shelf.open()
    assert guests.count
    halves = HostHalves(
        info, FakeBackend(see), FakeBackend(speak), features=("a", "b"), sees_again=False
    )
    return SplitBackend(info.visual_name, halves, kept=shelf, guests=guests), shown


def inputs_of(*numbers: int) -> dict[str, Tensor]:
    visual = np.zeros((len(numbers), 6, 160, 160), np.float32)
    visual[:, 0, 0, 0] = numbers
    audio = np.full((len(numbers), *AUDIO_SHAPES[160]), 100, np.float32)
    return {"input": visual, "audio": audio}


def test_a_face_is_looked_at_once(counted: tuple[SplitBackend[Features], list[int]]) -> None:
    backend, shown = counted
    for _ in range(3):
        (picture,) = backend.run(inputs_of(1, 2), ["one", "two"])
        assert picture.reshape(-1).tolist() == [101, 102]
    assert shown == [1, 2]


def test_a_face_without_a_name_is_looked_at_each_time(
    counted: tuple[SplitBackend[Features], list[int]],
) -> None:
    backend, shown = counted
    backend.run(inputs_of(7))
    backend.run(inputs_of(7, 1), ["", "one"])
    assert shown == [7, 7, 1]


def test_a_face_is_known_by_its_content_from_the_second_time_on(
    counted: tuple[SplitBackend[Features], list[int]],
) -> None:
    backend, shown = counted
    for _ in range(4):
        (picture,) = backend.run(inputs_of(7, 1), [BY_CONTENT, BY_CONTENT])
        assert picture.reshape(-1).tolist() == [107, 101]
    assert shown == [7, 1, 7, 1]


def test_many_at_once_get_what_each_gets_alone(
    counted: tuple[SplitBackend[Features], list[int]],
) -> None:
    backend, _ = counted

    def ask(number: int) -> float:
        (picture,) = backend.run(inputs_of(number), [f"face {number}"])
        return float(picture.reshape(-1)[0])

    wanted = [number % 9 for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, wanted)) == [100 + number for number in wanted]


def slow_to_see(path: Path) -> Path:
    """Write a generator nearly all of whose work is before the sound."""
    rng = np.random.default_rng(0)
    nodes = [HEARD]
    weights: dict[str, Any] = {"stem": rng.normal(0, 0.1, (32, 6, 3, 3)).astype(np.float32)}
    seen = "input"
    for number in range(6):
        name = f"seen{number}"
        kernel = "stem" if number == 0 else f"kernel{number}"
        weights.setdefault(kernel, rng.normal(0, 0.06, (32, 32, 3, 3)).astype(np.float32))
        stride = [2, 2] if number in (0, 5) else [1, 1]
        nodes.append(
            helper.make_node("Conv", [seen, kernel], [name], pads=[1, 1, 1, 1], strides=stride)
        )
        seen = name
    weights["last"] = rng.normal(0, 0.1, (48, 32, 1, 1)).astype(np.float32)
    nodes += [
        helper.make_node("Conv", [seen, "last"], ["small"]),
        helper.make_node("Add", ["small", "heard"], ["both"]),
        helper.make_node("DepthToSpace", ["both"], ["large"], blocksize=4),
        helper.make_node("Sigmoid", ["large"], ["output"]),
    ]
    return network_with(path.parent, nodes, **weights)


def test_it_pays_is_remembered_and_is_exact_enough(tmp_path: Path) -> None:
    path = slow_to_see(tmp_path / "m.onnx")
    faces = sample_inputs(read_model(path), 4)
    questions = [Question(one["input"][0], one["audio"][0], f"{n}") for n, one in enumerate(faces)]
    with Inferencer(path, backend="onnxruntime") as whole:
        assert not isinstance(whole.backend, SplitBackend)
        expected = list(whole.map(questions))
    features = FeatureOptions(len(faces), folder=tmp_path / "cache")
    answers = []
    for _ in range(2):  # the second one remembers, and finds what the first has seen
        with Inferencer(path, backend="onnxruntime", features=features) as halves:
            assert isinstance(halves.backend, SplitBackend)
            assert halves.backend.name == "onnxruntime"
            answers.append(list(halves.map(questions)))
            alone = halves.infer(questions[0].visual, questions[0].audio)
            np.testing.assert_array_equal(alone, answers[0][0])
    for first, second, wanted in zip(*answers, expected, strict=True):
        np.testing.assert_array_equal(first, second)
        assert float(np.abs(first - wanted).max()) <= DEVIATION_MAX


class Heavy(NamedTuple):
    """A generator that is better in halves, and what to ask of it."""

    path: Path
    features: FeatureOptions
    visual: Tensor
    audio: Tensor


@pytest.fixture
def heavy(tmp_path: Path) -> Heavy:
    path = slow_to_see(tmp_path / "m.onnx")
    (sample,) = sample_inputs(read_model(path), 1)
    features = FeatureOptions(1, folder=tmp_path / "cache")
    return Heavy(path, features, sample["input"], sample["audio"])


def test_what_was_found_of_other_halves_is_not_taken_for_these(
    heavy: Heavy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def is_worth_it(*_: object, **__: object) -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr("viseme.engine.splitting.is_worth_splitting", is_worth_it)
    for number in (1, 1, 2):
        monkeypatch.setattr("viseme.engine.splitting.FORMAT", f"of test {number}")
        with Inferencer(heavy.path, backend="onnxruntime", features=heavy.features) as halves:
            halves.run(heavy.visual, heavy.audio, ["a face"])
    assert len(asked) == 2
    assert len(list((tmp_path / "cache/features").iterdir())) == 2


def test_shapes_that_a_network_leaves_open_are_seen(
    heavy: Heavy, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for known in (True, False):
        if not known:
            monkeypatch.setattr("viseme.engine.parts.Parts.shapes_of_one", lambda _: None)
        with Inferencer(heavy.path, backend="onnxruntime", features=heavy.features) as halves:
            assert isinstance(halves.backend, SplitBackend)
            found += [halves.run(heavy.visual, heavy.audio, ["a face"]) for _ in range(2)]
    for picture in found:
        np.testing.assert_array_equal(picture, found[0])


def test_halves_that_do_not_run_are_not_taken(
    heavy: Heavy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(_: Path, speaking: Path) -> None:
        identity_generator(speaking, size=160, names=("one", "two", "three"))

    monkeypatch.setattr("viseme.engine.parts.prepare_halves", spoil)
    for _ in range(2):
        with Inferencer(heavy.path, backend="onnxruntime", features=heavy.features) as inferencer:
            assert inferencer.infer(heavy.visual[0], heavy.audio[0]).shape == (3, 160, 160)
            assert not isinstance(inferencer.backend, SplitBackend)


@pytest.mark.parametrize("broken", ["seeing", "speaking"])
def test_a_half_is_not_left_open_where_the_other_cannot_be(
    heavy: Heavy, tmp_path: Path, broken: str
) -> None:
    parts = parts_of(read_model(heavy.path), KEY, FeatureOptions(1, folder=tmp_path / "cache"))
    assert parts is not None
    opened: list[FakeBackend] = []

    def open_part(path: Path, _: object) -> FakeBackend:
        if path == getattr(parts, broken):
            raise BackendError("It does not open.")
        opened.append(FakeBackend(lambda _: []))
        return opened[-1]

    with pytest.raises(BackendError, match="It does not open"):
        open_on_host(read_model(heavy.path), parts, heavy.features, KEY, open_part)
    assert [half.closed for half in opened] == [True]


def test_no_face_need_have_a_name(heavy: Heavy, tmp_path: Path) -> None:
    features = FeatureOptions(guests=True, folder=tmp_path / "cache")
    with Inferencer(heavy.path, backend="onnxruntime", features=features) as halves:
        assert isinstance(halves.backend, SplitBackend)
        made = [halves.run(heavy.visual, heavy.audio, [BY_CONTENT]) for _ in range(3)]
        made.append(halves.run(heavy.visual, heavy.audio))
    for picture in made:
        np.testing.assert_array_equal(picture, made[0])
    assert not (tmp_path / "cache/features").exists()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_known_face_need_not_be_given(heavy: Heavy, is_kept: bool) -> None:
    given: list[bool] = []

    def look() -> Tensor:
        given.append(True)
        return heavy.visual

    features = heavy.features if is_kept else None
    with Inferencer(heavy.path, backend="onnxruntime", features=features) as inferencer:
        assert isinstance(inferencer.backend, SplitBackend) == is_kept
        expected = inferencer.run(heavy.visual, heavy.audio)
        for _ in range(3):
            made = inferencer.run(look, heavy.audio, ["a face"])
            np.testing.assert_array_equal(made, expected)
    assert len(given) == (1 if is_kept else 3)


def test_with_room_for_few_faces_that_nobody_counted_it_stays_whole(
    heavy: Heavy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = FeatureOptions(guests=True, folder=tmp_path / "cache")
    monkeypatch.setattr("viseme.engine.guests.PLACES_MAX", GUESTS_MIN - 1)
    with Inferencer(heavy.path, backend="onnxruntime", features=features) as inferencer:
        assert not isinstance(inferencer.backend, SplitBackend)


@pytest.mark.parametrize("wanted", [{"faces": 4}, {"guests": True}, {}])
def test_without_room_it_stays_whole(tmp_path: Path, wanted: dict[str, Any]) -> None:
    path = slow_to_see(tmp_path / "m.onnx")
    features = FeatureOptions(**wanted, budget_bytes=100, folder=tmp_path / "cache")
    with Inferencer(path, backend="onnxruntime", features=features) as inferencer:
        assert not isinstance(inferencer.backend, SplitBackend)


def test_a_fixed_batch_stays_whole(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "m.onnx", batch=4)
    features = FeatureOptions(4, folder=tmp_path / "cache")
    with Inferencer(path, backend="onnxruntime", features=features) as inferencer:
        assert not isinstance(inferencer.backend, SplitBackend)


def test_in_bfloat16_it_need_not_be_nearer_than_the_whole(tmp_path: Path) -> None:
    path = slow_to_see(tmp_path / "m.onnx")
    faces = sample_inputs(read_model(path), 3)
    features = FeatureOptions(len(faces), folder=tmp_path / "cache")
    try:
        whole = Inferencer(path, backend="openvino-bf16")
        whole.warm_up()
    except VisemeError as error:
        pytest.skip(f"bfloat16 is not to be had here: {error}")
    with (
        whole,
        Inferencer(path, backend="openvino-bf16", features=features) as halves,
        Inferencer(path, backend="onnxruntime") as exact,
    ):
        assert isinstance(halves.backend, SplitBackend)
        assert halves.backend.precision == "bfloat16"
        for face in faces:
            pair = face["input"][0], face["audio"][0]
            wanted = exact.infer(*pair)
            strays = float(np.abs(whole.infer(*pair) - wanted).max())
            assert float(np.abs(halves.infer(*pair) - wanted).max()) < max(
                DEVIATION_MAX, 2 * strays
            )
