"""What a server holds open: each network once, names that are no paths, all closed at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.probes import identity_generator, noisy_generator, painted_window, window_painter
from support.tiny_avatar import make_avatar
from viseme.engine import Tensor
from viseme.errors import AvatarError, BackendError, ModelError, UnavailableError
from viseme.rendering import RenderOptions, render
from viseme.serving import Cast, CastOptions, GeneratorOptions, Lane, RunReport

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

PLAIN = GeneratorOptions(backend="onnxruntime", workers=2, threads=1)


def unheard(_: RunReport) -> None:
    """Count nothing."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two avatars with the same networks, and one with a generator of its own."""
    base = tmp_path_factory.mktemp("avatars")
    return [
        make_avatar(base / "anna"),
        make_avatar(base / "berta"),
        make_avatar(base / "clara", generator=window_painter),
    ]


@pytest.fixture(scope="module")
def everybody(folders: list[Path]) -> Iterator[Cast]:
    with Cast(CastOptions(avatars=tuple(folders), generators=PLAIN), unheard) as cast:
        for avatar in cast.avatars:
            avatar.frame(0)  # starts its thread, which lives as long as the avatar is open
        yield cast


def test_a_network_that_several_bring_is_opened_once(everybody: Cast, folders: list[Path]) -> None:
    assert everybody.report.avatars == ("anna", "berta", "clara")
    assert [avatar.name for avatar in everybody.avatars] == ["anna", "berta", "clara"]
    anna, berta, clara = (everybody.generator(name) for name in everybody.report.avatars)
    assert anna is berta
    assert anna is everybody.tensors
    assert clara.scheduler is not anna.scheduler
    assert everybody.report.generators == (anna.report, clara.report)
    assert anna.report.model == folders[0] / "generator.onnx"
    assert anna.report.workers == 2
    assert anna.report.warm_up.backend == "onnxruntime"
    assert anna.report.batching.frames_per_s > 0
    assert everybody.report.seconds >= anna.report.warm_up.seconds


@pytest.mark.parametrize("lane", Lane)
def test_a_clip_is_what_it_is_without_a_server(
    everybody: Cast, folders: list[Path], lane: Lane
) -> None:
    rng = np.random.default_rng(4)
    babble = (0.1 * rng.standard_normal(4_000)).astype(np.float32)
    options = RenderOptions(backend="onnxruntime", start_frame=5)
    expected = list(render(babble, folders[2], options))
    with everybody.renderer("clara", options, lane=lane) as renderer:
        for frame, wanted in zip(renderer.frames([babble]), expected, strict=True):
            np.testing.assert_array_equal(frame.image, wanted.image)
            assert frame.avatar_frame == wanted.avatar_frame
    assert everybody.avatar("clara").frame(0).shape == (360, 400, 3)  # left open


@pytest.mark.parametrize(
    "name", ["", ".", "..", "dora", "../anna", "/etc/passwd", "anna/", "anna\0", "ANNA", "demo"]
)
def test_a_name_is_looked_up_and_never_a_path(everybody: Cast, name: str) -> None:
    for ask in (everybody.avatar, everybody.generator):
        with pytest.raises(AvatarError) as caught:
            ask(name)
        assert str(caught.value) == (
            f"There is no avatar {name!r} here; there are: anna, berta, clara."
        )
    with pytest.raises(AvatarError, match="There is no avatar"):
        everybody.renderer(name, lane=Lane.BULK)


def test_an_endless_name_is_not_repeated_in_full(everybody: Cast) -> None:
    with pytest.raises(AvatarError) as caught:
        everybody.avatar("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_a_path_of_the_owner_is_known_by_its_folders_name(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders[0])
    with Cast(CastOptions(avatars=(Path(),), generators=PLAIN), unheard) as cast:
        assert cast.report.avatars == ("anna",)


def test_a_bare_model_needs_no_avatar(tmp_path: Path) -> None:
    model = window_painter(tmp_path / "bare.onnx", batch=2)
    runs: list[RunReport] = []
    with Cast(CastOptions(model=model, generators=PLAIN), runs.append) as cast:
        assert cast.report.avatars == ()
        assert [report.model for report in cast.report.generators] == [model]
        window = np.random.default_rng(0).random((32, 16, 16), dtype=np.float32)
        visual = np.zeros((3, 6, 320, 320), np.float32)
        pictures: Tensor = cast.tensors.scheduler.submit(visual, window).result(60)
        for picture in pictures:
            np.testing.assert_array_equal(painted_window(picture), window)
        with pytest.raises(AvatarError) as caught:
            cast.avatar("anna")
        assert str(caught.value) == "There is no avatar 'anna' here; there are: none."
    assert sum(len(run.lanes) for run in runs) == 3


def test_a_model_beside_avatars_is_for_those_who_bring_faces(
    tmp_path: Path, folders: list[Path]
) -> None:
    model = noisy_generator(tmp_path / "other.onnx")
    options = CastOptions(avatars=(folders[0],), model=model, generators=PLAIN)
    with Cast(options, unheard) as cast:
        assert cast.tensors.report.model == model
        assert cast.generator("anna").report.model == folders[0] / "generator.onnx"
        assert len(cast.report.generators) == 2


def test_two_of_one_name_are_refused(folders: list[Path], tmp_path: Path) -> None:
    other = make_avatar(tmp_path / "anna")
    with (
        pytest.raises(AvatarError) as caught,
        Cast(CastOptions(avatars=(folders[0], other)), unheard),
    ):
        pass
    assert str(caught.value) == (
        f"Two avatars are called 'anna', in {folders[0]} and {other}; leave one out, or rename "
        "its folder."
    )


def test_nothing_to_serve_is_refused() -> None:
    with pytest.raises(AvatarError) as caught, Cast(CastOptions(), unheard):
        pass
    assert str(caught.value) == "There is nothing to serve; name an avatar, or give a model."


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    with pytest.raises(ModelError) as caught, Cast(CastOptions(model=missing), unheard):
        pass
    assert str(caught.value) == (
        f"{missing} cannot be read (No such file or directory); check the path and its rights."
    )


def test_a_bad_back_end_leaves_nothing_open(folders: list[Path]) -> None:
    before = set(threading.enumerate())
    options = CastOptions(avatars=(folders[0],), generators=GeneratorOptions(backend="abacus"))
    with pytest.raises(BackendError, match="There is no back end 'abacus'"), Cast(options, unheard):
        pass
    assert set(threading.enumerate()) <= before


def test_closing_ends_schedulers_networks_and_avatars(tmp_path: Path) -> None:
    folder = make_avatar(tmp_path / "dora", generator=identity_generator)
    with Cast(CastOptions(avatars=(folder,), generators=PLAIN), unheard) as cast:
        scheduler, avatar = cast.tensors.scheduler, cast.avatar("dora")
        visual = np.random.default_rng(0).random((2, 6, 320, 320), dtype=np.float32)
        job = scheduler.submit(visual, np.zeros((32, 16, 16), np.float32))
        cast.close(grace_s=60)
        np.testing.assert_array_equal(job.result(0), visual[:, :3])
        with pytest.raises(UnavailableError, match="The server is stopping"):
            scheduler.submit(visual, np.zeros((32, 16, 16), np.float32))
        with pytest.raises(BackendError, match="This Inferencer is closed"):
            scheduler.inferencer.infer(visual[0], np.zeros((32, 16, 16)))
        with pytest.raises(AvatarError):
            avatar.frame(0)
