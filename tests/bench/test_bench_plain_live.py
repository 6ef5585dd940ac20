"""The plain reference for live streams makes the frames of its films, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import av
import cv2
import numpy as np
import pytest
import soundfile

from support.probes import window_painter
from support.tiny_avatar import make_avatar
from viseme.avatar import Avatar, load_avatar
from viseme.bench.plain import PlainReference
from viseme.bench.plain_live import LIVE_ENCODERS, PlainLiveServer
from viseme.client import Client, LiveOptions, LivePicture, LiveVideo, Pictures, RawSound
from viseme.video.live_encoder import LIVE_RECIPES, LiveCodec
from viseme.video.steady import steady_x264

SAMPLES = (3000 * np.random.default_rng(3).standard_normal(16_000)).astype("<i2")
QUALITY = 77


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Avatar]:
    base = tmp_path_factory.mktemp("avatars")
    with load_avatar(make_avatar(base / "tiny", generator=window_painter)) as avatar:
        yield avatar


@pytest.fixture(scope="module")
def frames(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    speech = tmp_path_factory.mktemp("speech") / "speech.flac"
    soundfile.write(speech, SAMPLES, 16_000)
    reference = PlainReference(avatar.generator, avatar.geometry)
    return list(reference.render(speech, avatar))


def spoken(avatar: Avatar, pictures: Pictures | LiveVideo) -> list[LivePicture]:
    server = PlainLiveServer(avatar)
    options = LiveOptions(raw=RawSound(16_000), pictures=pictures)
    with Client(server.address) as client, client.live(options) as live:
        assert (live.ready.avatar, live.ready.size) == ("tiny", avatar.size)
        for start in range(0, len(SAMPLES), 640):
            live.push(SAMPLES[start : start + 640].tobytes())
        live.finish()
        made = list(live.pictures())
    server.close()
    return made


def test_single_pictures_are_those_of_a_film(avatar: Avatar, frames: list[np.ndarray]) -> None:
    made = spoken(avatar, Pictures(jpeg_quality=QUALITY))
    assert [(p.index, p.start_sample) for p in made] == [(i, 640 * i) for i in range(len(frames))]
    for picture, frame in zip(made, frames, strict=True):
        expected = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        assert picture.data == expected.tobytes()


@pytest.mark.parametrize("codec", LiveCodec)
def test_a_stream_of_video_is_one(codec: LiveCodec, avatar: Avatar, frames: list[object]) -> None:
    made = spoken(avatar, LiveVideo(codec.value))
    decoder = av.CodecContext.create(codec.value, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoded = [frame for picture in made for frame in decoder.decode(av.Packet(picture.data))]
    decoded += decoder.decode(None)
    assert len(decoded) == len(made) == len(frames)
    assert (decoded[0].width, decoded[0].height) == avatar.size


@pytest.mark.parametrize("codec", LiveCodec)
def test_it_encodes_with_our_settings(codec: LiveCodec) -> None:
    name, options = LIVE_ENCODERS[codec.value]
    if "x264-params" in options:
        options = {**options, "x264-params": steady_x264(options["x264-params"])}
    assert (name, options) == (LIVE_RECIPES[codec].encoder, LIVE_RECIPES[codec].options)
