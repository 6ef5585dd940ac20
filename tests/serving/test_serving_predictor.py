"""A stream through a lane is the stream through an inferencer of one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from support.played_network import GONE, PATIENCE_S, PlayedNetwork, faces, numbers_of, windows
from support.probes import window_painter
from support.tiny_avatar import make_avatar
from viseme.avatar import load_avatar
from viseme.engine import AudioEncoder, Inferencer, Predictor, Tensor
from viseme.errors import BackendError, DeadlineError, InputError, UnavailableError
from viseme.rendering import Incoming, Networks, Renderer, RenderOptions, render
from viseme.serving import Lane, LanePredictor, Scheduler

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def pairs(*numbers: int) -> Iterator[tuple[Tensor, Tensor]]:
    for number in numbers:
        yield faces(number)[0], windows(1000)[0]


def read(pictures: Iterator[Tensor]) -> list[int]:
    return [numbers_of(picture[None])[0] for picture in pictures]


@pytest.fixture
def scheduler(inferencer: Inferencer) -> Iterator[Scheduler]:
    with Scheduler(inferencer) as scheduler:
        yield scheduler


def test_a_lane_gives_what_the_inferencer_gives(
    inferencer: Inferencer, scheduler: Scheduler
) -> None:
    lane: Predictor = LanePredictor(scheduler, Lane.BULK)
    assert lane.info is inferencer.info
    assert lane.warm_up() is inferencer.warm_up()
    expected = list(inferencer.map(pairs(*range(30))))
    for got, wanted in zip(lane.map(pairs(*range(30))), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_source_may_use_its_arrays_again(scheduler: Scheduler) -> None:
    face, window = faces(0)[0], windows(0)[0]

    def source() -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(20):
            face[:] = number
            window[:] = 100 * number
            yield face, window

    lane = LanePredictor(scheduler, Lane.LIVE)
    assert read(lane.map(source())) == [101 * number for number in range(20)]


def test_a_picture_is_given_though_the_next_pair_is_not_there(scheduler: Scheduler) -> None:
    got_first = threading.Event()

    def source() -> Iterator[tuple[Tensor, Tensor]]:
        yield from pairs(1)
        # As a live stream does, until more is said: a picture held back would never be seen.
        assert got_first.wait(PATIENCE_S)
        yield from pairs(2)

    pictures = LanePredictor(scheduler, Lane.LIVE).map(source())
    assert read(iter([next(pictures)])) == [1001]
    got_first.set()
    assert read(pictures) == [1002]


def test_closing_cancels_what_has_not_begun(scheduler: Scheduler, network: PlayedNetwork) -> None:
    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from pairs(1)

    network.hold()
    network.let_one_go()
    with closing(LanePredictor(scheduler, Lane.BULK).map(endless())) as pictures:
        next(pictures)
        network.wait_until_begun(2)
    assert scheduler.waiting == 0
    network.let_go()


def test_errors_come_out_where_the_stream_is_read(
    scheduler: Scheduler, network: PlayedNetwork
) -> None:
    network.failures[3] = GONE
    lane = LanePredictor(scheduler, Lane.BULK)
    pictures = lane.map(pairs(1, 2, 3, 4))
    assert read(iter([next(pictures), next(pictures)])) == [1001, 1002]
    with pytest.raises(BackendError, match="The device is gone"):
        next(pictures)
    with pytest.raises(InputError, match="The visual batch has shape"):
        list(lane.map([(faces(1), windows(1)[0])]))
    late = LanePredictor(scheduler, Lane.BULK, deadline_s=0.0)
    with pytest.raises(DeadlineError):
        list(late.map(pairs(1)))
    assert scheduler.waiting == 0


def test_a_stream_ends_with_the_scheduler(inferencer: Inferencer) -> None:
    with Scheduler(inferencer) as scheduler:
        pictures = LanePredictor(scheduler, Lane.BULK).map(pairs(*range(100)))
        next(pictures)
        scheduler.close()
        with pytest.raises(UnavailableError, match="The server is stopping"):
            list(pictures)


@pytest.fixture(scope="module")
def painter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose every frame shows what it heard."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@pytest.fixture
def babble() -> Tensor:
    rng = np.random.default_rng(11)
    return (0.1 * rng.standard_normal(8_000)).astype(np.float32)


def test_a_clip_is_the_same_through_a_server(painter_folder: Path, babble: Tensor) -> None:
    plain = RenderOptions(backend="onnxruntime", start_frame=3)
    expected = [frame.image for frame in render(babble, painter_folder, plain)]
    with (
        load_avatar(painter_folder) as avatar,
        Inferencer(avatar.generator, backend="onnxruntime", workers=2) as inferencer,
        AudioEncoder(avatar.audio_encoder) as encoder,
        Scheduler(inferencer) as scheduler,
    ):
        networks = Networks(LanePredictor(scheduler, Lane.BULK), encoder)
        with (
            Renderer(avatar, plain, networks=networks) as one,
            Renderer(avatar, plain, networks=networks) as other,
        ):
            images = [
                (first.image, second.image)
                for first, second in zip(one.frames([babble]), other.frames([babble]), strict=True)
            ]
        assert scheduler.waiting == 0
        inferencer.infer(*(np.zeros(shape) for shape in ((6, 320, 320), (32, 16, 16))))
    assert len(images) == len(expected)
    for (first, second), wanted in zip(images, expected, strict=True):
        np.testing.assert_array_equal(first, wanted)
        np.testing.assert_array_equal(second, wanted)


def test_a_failure_abandons_a_source_that_waits(
    scheduler: Scheduler, network: PlayedNetwork
) -> None:
    nobody_asks = threading.Event()

    def source() -> Iterator[tuple[Tensor, Tensor]]:
        yield from pairs(1, 2)
        assert nobody_asks.wait(PATIENCE_S)

    network.failures[2] = GONE
    asked = Incoming(source(), nobody_asks.set)
    pictures = LanePredictor(scheduler, Lane.LIVE).map(asked)
    assert read(iter([next(pictures)])) == [1001]
    with pytest.raises(BackendError, match="The device is gone"):
        next(pictures)
    assert nobody_asks.is_set()


def test_a_live_speech_can_be_left_while_it_is_silent(painter_folder: Path, babble: Tensor) -> None:
    nobody_listens = threading.Event()

    def microphone() -> Iterator[Tensor]:
        yield np.tile(babble, 3)
        # Stands for a client that says no more.
        assert nobody_listens.wait(PATIENCE_S)

    with (
        load_avatar(painter_folder) as avatar,
        Inferencer(avatar.generator, backend="onnxruntime", workers=2) as inferencer,
        AudioEncoder(avatar.audio_encoder) as encoder,
        Scheduler(inferencer) as scheduler,
    ):
        networks = Networks(LanePredictor(scheduler, Lane.LIVE), encoder)
        with Renderer(avatar, networks=networks) as renderer:
            frames = renderer.frames(Incoming(microphone(), nobody_listens.set))
            # 1.5 s of sound are good for more than 20 frames, though a window hears 465 ms ahead.
            for _ in range(20):
                next(frames)
            assert not nobody_listens.is_set()
            frames.close()
            assert nobody_listens.is_set()
