import io
import itertools
import threading
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.played_network import PATIENCE_S
from support.probes import (
    AUDIO_SHAPES,
    identity_generator,
    noisy_generator,
    passthrough_features,
    window_painter,
)
from support.tiny_avatar import FRAME_COUNT, SIZE, box, make_avatar, picture
from viseme import audio
from viseme.avatar import Avatar, load_avatar
from viseme.engine import AudioEncoder, Backend, FakeBackend, Inferencer
from viseme.engine.onnx_runtime import OnnxRuntimeBackend
from viseme.errors import AvatarError, BackendError, InputError, ModelError
from viseme.rendering import Frame, Incoming, Networks, Renderer, RenderOptions, render

PLAIN = RenderOptions(backend="onnxruntime")
Samples = NDArray[np.float32]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def tiny(no_thread_is_left: None, tiny_folder: Path) -> Iterator[Avatar]:
    with load_avatar(tiny_folder) as avatar:
        yield avatar


@pytest.fixture(scope="session")
def babble() -> NDArray[np.float32]:
    """One second of noise that swells and fades, at 16 kHz: every window of it is another."""
    rng = np.random.default_rng(11)
    swell = np.sin(np.linspace(0, 9, 16_000)) ** 2
    return (0.2 * swell * rng.standard_normal(16_000)).astype(np.float32)


def ping_pong(start: int, count: int) -> list[int]:
    there_and_back = [*range(FRAME_COUNT), *range(FRAME_COUNT - 2, 0, -1)]
    return list(itertools.islice(itertools.cycle(there_and_back), start, start + count))


@pytest.mark.parametrize("start", [0, 3, 6, 40])
def test_an_identity_generator_gives_the_avatars_own_frames(
    tiny: Avatar, babble: Samples, start: int
) -> None:
    options = RenderOptions(backend="onnxruntime", start_frame=start)
    frames = list(render(babble, tiny, options))
    assert [frame.avatar_frame for frame in frames] == ping_pong(start, len(frames))
    for frame in frames:
        assert np.array_equal(frame.image, picture(frame.avatar_frame))


@pytest.mark.parametrize("planar", [False, True])
def test_on_a_gpu_the_frames_are_the_same_and_in_order(
    tiny: Avatar, babble: Samples, planar: bool
) -> None:
    def frames(device: str) -> list[tuple[int, bytes]]:
        with Renderer(tiny, RenderOptions(backend=dim(device))) as renderer:
            if planar:
                return [
                    (one.avatar_frame, one.planes.data.tobytes())
                    for one in renderer.planar_frames([babble])
                ]
            return [(one.avatar_frame, one.image.tobytes()) for one in renderer.frames([babble])]

    expected = frames("cpu")
    assert len({picture for _, picture in expected}) == len(expected)
    assert frames("gpu") == expected


def test_on_a_gpu_an_early_end_leaves_no_thread(tiny: Avatar, babble: Samples) -> None:
    with Renderer(tiny, RenderOptions(backend=dim("gpu"))) as renderer:
        frames = renderer.frames([babble])
        assert next(frames).index == 0
        frames.close()


def dim(device: str) -> Backend:
    """Give a network that makes a face as dark as its window is loud, on a device."""

    def paint(inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        loudness = inputs["audio"].std(axis=(1, 2, 3), keepdims=True)
        return [inputs["input"][:, :3] / (1 + loudness)]

    return FakeBackend(paint, device=device)


def test_frames_are_numbered_and_timed(tiny: Avatar, babble: Samples) -> None:
    frames = list(render(babble, tiny, PLAIN))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [frame.time_s for frame in frames] == [i / 25 for i in range(len(frames))]


def test_every_frame_hears_its_own_window(tmp_path: Path, babble: Samples) -> None:
    features = audio.features(audio.mel_spectrogram(babble), passthrough_features)
    expected = audio.windows(features)
    folder = make_avatar(tmp_path / "painter", generator=window_painter)
    frames = list(render(babble, folder, PLAIN))
    assert len(frames) == len(expected)
    for frame, window in zip(frames, expected, strict=True):
        place = box(frame.avatar_frame)
        left, top = place.x1 + 4, place.y1 + 4
        rows = window.size // 320
        painted = frame.image[top : top + rows, left : min(left + 320, SIZE[0]), 0]
        heard = np.clip(window.reshape(-1)[: rows * 320], 0, 1).reshape(rows, 320)
        difference = painted - 255 * heard[:, : painted.shape[1]]
        assert np.abs(difference).max() <= 1.01, frame.index
    assert not np.array_equal(frames[3].image, frames[3 + 2 * (FRAME_COUNT - 1)].image)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 0.5, 1.0, 2.34])
def test_there_are_as_many_frames_as_feature_vectors(tiny: Avatar, seconds: float) -> None:
    samples = np.zeros(round(seconds * 16_000), np.float32)
    mel_frames = max(16, 1 + len(samples) // 200)
    assert len(list(render(samples, tiny, PLAIN))) == int((mel_frames - 16) / 80 * 25) + 4


def test_rendering_twice_gives_the_same_pixels(tmp_path: Path, babble: Samples) -> None:
    folder = make_avatar(tmp_path / "painter", generator=window_painter, side=200)
    one = RenderOptions(backend="onnxruntime", workers=1, threads=1)
    four = RenderOptions(backend="onnxruntime", workers=4, threads=1)
    runs = [list(render(babble, folder, options)) for options in (one, four, four)]
    for first, *others in zip(*runs, strict=True):
        assert all(np.array_equal(first.image, other.image) for other in others)


def test_frames_belong_to_the_caller(tiny: Avatar, babble: Samples) -> None:
    for frame in render(babble, tiny, PLAIN):
        assert np.array_equal(frame.image, picture(frame.avatar_frame))
        frame.image[:] = 0


def wave_bytes(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return data.getvalue()


def test_speech_comes_in_many_forms(tmp_path: Path, babble: Samples) -> None:
    folder = make_avatar(tmp_path / "painter", generator=window_painter)
    short = np.round(babble[:8_000] * 32767).astype(np.int16)
    path = tmp_path / "speech.wav"
    path.write_bytes(wave_bytes(short, 16_000))
    expected = [frame.image for frame in render(short, folder, PLAIN)]
    stereo = np.stack([short, short], axis=1)
    with path.open("rb") as file:
        for speech in (path, str(path), file, (short, 16_000), stereo, short / np.float32(32768)):
            images = [frame.image for frame in render(speech, folder, PLAIN)]
            assert all(map(np.array_equal, images, expected))
            assert len(images) == len(expected)


def test_other_rates_are_resampled(tiny: Avatar) -> None:
    silence = np.zeros(48_000, np.int16)
    assert len(list(render((silence, 48_000), tiny, PLAIN))) == 24


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_early_ends_every_thread(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples, taken: int
) -> None:
    frames = render(np.tile(babble, 60), tiny_folder, PLAIN)
    assert len(list(itertools.islice(frames, taken))) == taken
    frames.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("viseme")] == []


def test_a_sound_without_end_costs_no_more_than_its_frames(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples
) -> None:
    pulled = 0

    def endless() -> Iterator[Samples]:
        nonlocal pulled
        while True:
            pulled += 1
            yield babble

    with Renderer(tiny_folder, PLAIN) as renderer:
        frames = renderer.frames(endless())
        assert len(list(itertools.islice(frames, 30))) == 30
        frames.close()
    # 30 frames are 1.2 s; two seconds of windows may wait, and the next may be under way.
    assert pulled <= 6


def test_a_silent_microphone_keeps_nobody(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples
) -> None:
    nobody_listens = threading.Event()

    def microphone() -> Iterator[Samples]:
        yield np.tile(babble, 2)
        assert nobody_listens.wait(PATIENCE_S)

    with Renderer(tiny_folder, PLAIN) as renderer:
        frames = renderer.frames(Incoming(microphone(), nobody_listens.set))
        assert len(list(itertools.islice(frames, 20))) == 20
        assert not nobody_listens.is_set()
        frames.close()
        assert nobody_listens.is_set()


class FailingBackend(Backend):
    """Works for a while, then fails as a device does that is lost."""

    name, device, precision = "failing", "cpu", "float32"

    def __init__(self, model: Path, good_runs: int) -> None:
        self._backend = OnnxRuntimeBackend(model, threads=1)
        self._runs = itertools.count(1)
        self._good_runs = good_runs
        self.closed = False

    def run(self, inputs: Mapping[str, Samples]) -> list[Samples]:
        if next(self._runs) > self._good_runs:
            raise BackendError("The device is gone; start again.")
        return self._backend.run(inputs)

    def close(self) -> None:
        self.closed = True
        self._backend.close()


def test_a_back_end_that_fails_midway_ends_the_render(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples
) -> None:
    backend = FailingBackend(tiny_folder / "generator.onnx", good_runs=12)
    frames: list[Frame] = []
    with pytest.raises(BackendError, match=r"The device is gone; start again\."):
        frames.extend(render(babble, tiny_folder, RenderOptions(backend=backend, workers=2)))
    assert backend.closed


def test_a_back_end_is_closed_where_the_avatar_is_unknown(tiny_folder: Path) -> None:
    backend = FailingBackend(tiny_folder / "generator.onnx", good_runs=1)
    with pytest.raises(AvatarError):
        next(render(np.zeros(16_000), "nobody", RenderOptions(backend=backend)))
    assert backend.closed


def test_samples_that_are_no_numbers_end_the_render(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples
) -> None:
    broken = np.tile(babble, 3)
    broken[40_000] = np.nan
    with pytest.raises(InputError, match=r"2\.5"):
        list(render(broken, tiny_folder, PLAIN))


@pytest.mark.parametrize("speech", [np.zeros(0), np.zeros((2, 2, 2)), np.float32(1)])
def test_arrays_of_other_shapes_are_refused(tiny: Avatar, speech: Samples) -> None:
    with pytest.raises(InputError, match="The speech is an array of shape"):
        next(render(speech, tiny, PLAIN))


def test_a_pair_of_three_is_refused(tiny: Avatar, babble: Samples) -> None:
    with pytest.raises(InputError, match="The speech is 3 values; give a pair of samples and"):
        next(render((babble, 16_000, 1), tiny, PLAIN))  # type: ignore[arg-type]


def test_another_generator_can_stand_behind_the_avatar(
    tmp_path: Path, tiny: Avatar, babble: Samples
) -> None:
    other = window_painter(tmp_path / "other.onnx")
    options = RenderOptions(backend="onnxruntime", model=other)
    frame = next(render(babble, tiny, options))
    assert not np.array_equal(frame.image, picture(0))


def test_a_generator_that_hears_other_windows_is_refused(
    no_thread_is_left: None, tmp_path: Path, tiny_folder: Path, babble: Samples
) -> None:
    other = noisy_generator(tmp_path / "other.onnx", size=160)
    found = list(AUDIO_SHAPES[160])
    with pytest.raises(ModelError) as caught:
        next(render(babble, tiny_folder, RenderOptions(model=other)))
    assert str(caught.value) == (
        f"{other} hears windows of {found}, and the audio encoder gives [32, 16, 16]: use a "
        "generator that was trained with such an encoder."
    )


def test_an_encoder_that_is_a_generator_is_refused(
    tmp_path: Path, tiny: Avatar, babble: Samples
) -> None:
    other = identity_generator(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="is not an audio encoder"):
        next(render(babble, tiny, RenderOptions(audio_encoder=other)))


def test_negative_options_are_refused() -> None:
    with pytest.raises(ValueError, match="start_frame is -1; it must be 0 or more"):
        RenderOptions(start_frame=-1)
    with pytest.raises(ValueError, match="feather is -2; it must be 0 or more"):
        RenderOptions(feather=-2)


def test_a_renderer_serves_one_speech_after_another(
    no_thread_is_left: None, tiny_folder: Path, babble: Samples
) -> None:
    with load_avatar(tiny_folder) as avatar, Renderer(avatar, PLAIN) as renderer:
        assert renderer.warm_up().backend == "onnxruntime"
        first = [frame.avatar_frame for frame in renderer.frames([babble])]
        second = [frame.avatar_frame for frame in renderer.frames(np.split(babble, 20))]
        assert first == second


def test_a_speech_goes_on_where_the_one_before_has_ended(tiny: Avatar, babble: Samples) -> None:
    with Renderer(tiny, RenderOptions(backend="onnxruntime", start_frame=4)) as renderer:
        shown = [frame.avatar_frame for frame in renderer.frames([babble])]
        frames = renderer.frames([babble], start_frame=4 + len(shown))
        shown += [frame.avatar_frame for frame in frames]
        assert shown == ping_pong(4, len(shown))
        assert next(renderer.frames([babble], start_frame=0)).avatar_frame == 0


def test_networks_that_are_given_are_used_and_left_open(
    no_thread_is_left: None, tmp_path: Path, tiny: Avatar, babble: Samples
) -> None:
    other = window_painter(tmp_path / "other.onnx")
    options = RenderOptions(backend="onnxruntime", model=other)
    expected = [frame.image for frame in render(babble, tiny, options)]
    with (
        Inferencer(other, backend="onnxruntime") as generator,
        AudioEncoder(tiny.audio_encoder) as encoder,
    ):
        for _ in range(2):
            with Renderer(tiny, networks=Networks(generator, encoder)) as renderer:
                assert renderer.warm_up() is generator.warm_up()
                frames = renderer.frames([babble])
                assert all(
                    np.array_equal(frame.image, image)
                    for frame, image in zip(frames, expected, strict=True)
                )
        generator.infer(*(np.zeros(shape) for shape in ((6, 320, 320), (32, 16, 16))))
        encoder(np.zeros((1, 1, 80, 16)))


def test_networks_that_are_given_must_fit(
    no_thread_is_left: None, tmp_path: Path, tiny: Avatar
) -> None:
    with (
        Inferencer(noisy_generator(tmp_path / "other.onnx", size=160)) as generator,
        AudioEncoder(tiny.audio_encoder) as encoder,
        pytest.raises(ModelError, match="hears windows of"),
        Renderer(tiny, networks=Networks(generator, encoder)),
    ):
        pass
