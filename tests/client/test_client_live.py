"""Live streams of both clients: what is said, what comes, and how each end may end it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Literal

import grpc
import pytest

from support.scripted_server import ScriptedServer, refuse
from viseme.client import (
    AsyncClient,
    AsyncLive,
    Client,
    ClientOptions,
    Interrupted,
    LiveNotice,
    LiveOptions,
    LivePicture,
    LiveReady,
    LiveSound,
    Pictures,
    RawSound,
    Refused,
    Saying,
    SpeechEnded,
)
from viseme.errors import AvatarError, DeadlineError, InputError, UnavailableError, WireError
from viseme.wire import services
from viseme.wire.messages import v1

LIVE = services.LIVE.path
OPTIONS = LiveOptions(
    raw=RawSound(16_000),
    avatar="anna",
    pictures=Pictures("png"),
    start_frame=2,
    behind_samples=1_600,
    latency="low",
    sound_back="opus",
    rest=True,
    size=(320, 0),
)
READY = v1.LiveReady(
    avatar="anna",
    width=400,
    height=360,
    frame_rate_hz=25,
    lookahead_samples=7440,
    media_type="image/png",
    idle_timeout_s=30,
    voices=["deep", "high"],
    text_characters=40,
    sound_rate_hz=48_000,
    sound_skip_samples=312,
)
SAID = LiveReady(
    "anna", 25.0, 7440, "image/png", (400, 360), 30.0, "", ("deep", "high"), 40, 48_000, 312
)


def spoken(say: v1.Say) -> list[v1.LiveResponse]:
    """Say a text in a voice; refuse to where there is none."""
    if not say.voice:
        refused = v1.Refused(code="INVALID_ARGUMENT", text=f"No {say.text}.", next_sample=7)
        return [v1.LiveResponse(refused=refused)]
    sound = v1.LiveSound(index=3, start_sample=5, duration_samples=9, data=say.text.encode())
    return [
        v1.LiveResponse(saying=v1.Saying(start_sample=5, voice=say.voice)),
        v1.LiveResponse(sound=sound),
    ]


class Speaker:
    """Answers each message of sound with a picture that holds it, and the others by the rules."""

    def __init__(self) -> None:
        self.hello = v1.LiveHello()
        self.pieces: list[int] = []
        self.key_frames = 0

    def __call__(self, stream: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        requests = (v1.LiveRequest.FromString(data) for data in stream)
        self.hello = next(requests).hello
        yield v1.LiveResponse(ready=READY).SerializeToString()
        position = index = 0
        for request in requests:
            kind = request.WhichOneof("message")
            if kind == "sound":
                self.pieces.append(len(request.sound))
                picture = v1.LivePicture(
                    index=index,
                    start_sample=position,
                    duration_samples=640,
                    avatar_frame=index,
                    data=request.sound[:4],
                    key_frame=index == 0,
                )
                yield v1.LiveResponse(picture=picture).SerializeToString()
                position += len(request.sound) // 2
                index += 1
            elif kind == "key_frame":
                self.key_frames += 1
            elif kind == "say":
                for told in spoken(request.say):
                    yield told.SerializeToString()
            elif kind == "interrupt":
                answer = v1.Interrupted(next_sample=position, next_index=index)
                yield v1.LiveResponse(interrupted=answer).SerializeToString()
            else:
                yield b"\xa2\x06\x01a"  # a message of a later version of the contract
                notice = v1.LiveNotice(
                    kind=v1.NOTICE_KIND_BEHIND, text="Late.", sample=5, late_samples=7
                )
                yield v1.LiveResponse(notice=notice).SerializeToString()
                ended = v1.SpeechEnded(next_sample=position, next_index=index)
                yield v1.LiveResponse(speech_ended=ended).SerializeToString()


EVENTS = [
    LivePicture(b"\1\1\1\1", 0, 0, 640, 0),
    Interrupted(640, 1),
    LivePicture(b"\2\2\2\2", 1, 640, 640, 1, is_key=False),
    LiveNotice("behind", "Late.", 5, 7),
    SpeechEnded(1280, 2),
]


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def options(speaker: Speaker) -> Iterator[ClientOptions]:
    with ScriptedServer(streams={LIVE: speaker}) as server:
        yield ClientOptions(server.address)


def test_what_is_said_and_what_comes(options: ClientOptions, speaker: Speaker) -> None:
    with Client(options) as client, client.live(OPTIONS) as live:
        assert live.ready == SAID
        live.push(b"\1" * 1280)
        live.interrupt()
        live.key_frame()
        live.push(b"\2" * 1280)
        live.end()
        live.finish()
        assert list(live.events()) == EVENTS
    assert speaker.key_frames == 1
    assert speaker.hello == v1.LiveHello(
        avatar="anna",
        raw=v1.RawSound(rate_hz=16_000, channels=1, format=v1.SAMPLE_FORMAT_S16),
        pictures=v1.PictureOutput(format=v1.PICTURE_FORMAT_PNG, jpeg_quality=90),
        start_frame=2,
        behind_samples=1_600,
        latency=v1.LATENCY_LOW,
        sound_back=v1.SOUND_BACK_OPUS,
        rest=True,
        size=v1.PictureSize(width=320),
    )


def test_the_same_in_tasks(options: ClientOptions, speaker: Speaker) -> None:
    async def speak(live: AsyncLive) -> None:
        await live.push(b"\1" * 1280)
        await live.interrupt()
        await live.key_frame()
        await live.push(b"\2" * 1280)
        await live.end()
        await live.finish()

    async def run() -> None:
        async with AsyncClient(options) as client, client.live(OPTIONS) as live:
            assert live.ready == SAID
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speak(live))
                assert [event async for event in live.events()] == EVENTS

    asyncio.run(run())
    assert speaker.key_frames == 1


TEXT_EVENTS = [
    Saying(5, "high"),
    LiveSound("\u00e4h".encode(), 3, 5, 9),
    Refused("INVALID_ARGUMENT", "No one.", 7),
]
HALF = (
    "^The text is not Unicode \\('utf-8' codec can't encode character '\\\\ud83d' in position 2: "
    "surrogates not allowed\\); send whole characters\\.$"
)


def test_texts_and_what_comes_of_them(options: ClientOptions) -> None:
    with Client(options) as client, client.live(OPTIONS) as live:
        with pytest.raises(InputError, match=HALF):
            live.say("Hm\ud83d")
        live.say("\u00e4h", "high")
        live.say("one")
        live.finish()
        assert list(live.events()) == TEXT_EVENTS


def test_texts_in_tasks(options: ClientOptions) -> None:
    async def run() -> None:
        async with AsyncClient(options) as client, client.live(OPTIONS) as live:
            with pytest.raises(InputError, match=HALF):
                await live.say("Hm\ud83d")
            await live.say("\u00e4h", "high")
            await live.say("one")
            await live.finish()
            assert [event async for event in live.events()] == TEXT_EVENTS

    asyncio.run(run())


@pytest.mark.parametrize("way", ["none", "s16"])
def test_how_the_sound_is_to_come(
    options: ClientOptions, speaker: Speaker, way: Literal["none", "s16"]
) -> None:
    wanted = LiveOptions(raw=RawSound(16_000), sound_back=way)
    with Client(options) as client, client.live(wanted):
        pass
    assert v1.SoundBack.Name(speaker.hello.sound_back) == f"SOUND_BACK_{way.upper()}"


def test_pictures_alone_from_another_thread(options: ClientOptions) -> None:
    with Client(options) as client, client.live(OPTIONS) as live:

        def speak() -> None:
            for _ in range(200):
                live.push(b"\1" * 1280)
            live.finish()

        speaking = threading.Thread(target=speak)
        speaking.start()
        assert [picture.index for picture in live.pictures()] == list(range(200))
        speaking.join()


def test_pictures_alone_from_another_task(options: ClientOptions) -> None:
    async def run() -> None:
        async with AsyncClient(options) as client, client.live(OPTIONS) as live:
            await live.push(b"\1" * 1280)
            await live.end()
            await live.finish()
            assert [picture.index async for picture in live.pictures()] == [0]

    asyncio.run(run())


def test_long_sound_is_cut_between_samples(options: ClientOptions, speaker: Speaker) -> None:
    wide = LiveOptions(raw=RawSound(48_000, 3, "f32"))  # 12 bytes each, which 65,536 are not
    with Client(options) as client, client.live(wide) as live:
        live.push(bytes(12 * 10_000))
        live.finish()
        assert len(list(live.events())) == 2
    assert speaker.pieces == [65_532, 120_000 - 65_532]


def refusing(_: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    refuse(context, grpc.StatusCode.NOT_FOUND, "There is no avatar 'anna' here.")


def test_a_stream_is_refused() -> None:
    with ScriptedServer(streams={LIVE: refusing}) as server:
        with (
            Client(server.address) as client,
            pytest.raises(AvatarError, match=r"^There is no avatar 'anna' here\.$"),
            client.live(OPTIONS),
        ):
            pass

        async def run() -> None:
            async with AsyncClient(server.address) as client, client.live(OPTIONS):
                pass

        with pytest.raises(AvatarError, match=r"^There is no avatar 'anna' here\.$"):
            asyncio.run(run())


def breaking(stream: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    next(stream)
    yield v1.LiveResponse(ready=READY).SerializeToString()
    next(stream)
    refuse(context, grpc.StatusCode.UNAVAILABLE, "The server is stopping; try another.")


def test_a_stream_that_the_server_ends_tells_whoever_pushes_and_whoever_reads() -> None:
    sentence = r"^The server is stopping; try another\.$"
    with ScriptedServer(streams={LIVE: breaking}) as server:
        with Client(server.address) as client, client.live(OPTIONS) as live:
            live.push(b"\1\1")
            with pytest.raises(UnavailableError, match=sentence):
                list(live.events())
            with pytest.raises(UnavailableError, match=sentence):
                live.push(b"\1\1")

        async def run() -> None:
            async with AsyncClient(server.address) as client, client.live(OPTIONS) as live:
                await live.push(b"\1\1")
                with pytest.raises(UnavailableError, match=sentence):
                    [event async for event in live.events()]
                with pytest.raises(UnavailableError, match=sentence):
                    await live.push(b"\1\1")

        asyncio.run(run())


def test_nothing_can_be_said_after_the_end(options: ClientOptions) -> None:
    ended = r"^The live stream has ended; begin another\.$"
    with Client(options) as client, client.live(OPTIONS) as live:
        live.finish()
        with pytest.raises(UnavailableError, match=ended):
            live.push(b"\1\1")

    async def run() -> None:
        async with AsyncClient(options) as client, client.live(OPTIONS) as live:
            await live.finish()
            with pytest.raises(UnavailableError, match=ended):
                await live.push(b"\1\1")

    asyncio.run(run())


def test_a_server_that_never_says_ready() -> None:
    released = threading.Event()

    def hang(stream: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        released.wait(30)
        yield from ()

    with ScriptedServer(streams={LIVE: hang}) as server:
        options = ClientOptions(server.address, timeout_s=0.3)
        expected = (
            f"^{re.escape(server.address)} did not answer within 0\\.3 s; give it longer with "
            "timeout_s\\.$"
        )
        with (
            Client(options) as client,
            pytest.raises(DeadlineError, match=expected),
            client.live(OPTIONS),
        ):
            pass

        async def run() -> None:
            async with AsyncClient(options) as client, client.live(OPTIONS):
                pass

        with pytest.raises(DeadlineError, match=expected):
            asyncio.run(run())
        released.set()


def test_a_server_that_says_something_else_first() -> None:
    def answer(_: Iterator[bytes], __: grpc.ServicerContext) -> Iterator[bytes]:
        yield v1.LiveResponse(notice=v1.LiveNotice(text="x")).SerializeToString()

    expected = r"^The live stream began with something else than `ready`; try again\.$"
    with (
        ScriptedServer(streams={LIVE: answer}) as server,
        Client(server.address) as client,
        pytest.raises(WireError, match=expected),
        client.live(OPTIONS),
    ):
        pass


def test_sound_that_nobody_takes_is_not_kept_without_end() -> None:
    ended = threading.Event()

    def deaf(stream: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(ended.set)
        next(stream)
        yield v1.LiveResponse(ready=READY).SerializeToString()
        ended.wait(30)

    with (
        ScriptedServer(streams={LIVE: deaf}) as server,
        Client(server.address) as client,
        client.live(OPTIONS) as live,
    ):
        expected = (
            "The server has taken no sound for 0.2 s; read the pictures on another thread than "
            "the one that pushes."
        )
        with pytest.raises(DeadlineError, match=f"^{re.escape(expected)}$"):
            live.push(bytes(2**26), timeout_s=0.2)
    assert ended.wait(30)


def test_leaving_ends_the_call_and_all_threads(options: ClientOptions) -> None:
    before = set(threading.enumerate())
    with Client(options) as client, client.live(OPTIONS) as live:
        live.push(b"\1\1")
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("scripted"):
            thread.join(30)
            assert not thread.is_alive()


def test_a_closed_client_says_so() -> None:
    client = Client()
    client.close()
    client.close()
    for use in (client.health, lambda: client.live(OPTIONS), lambda: list(client.render(b""))):
        with pytest.raises(UnavailableError, match=r"^This client is closed; open another\.$"):
            use()

    async def run() -> None:
        client = AsyncClient()
        await client.close()
        await client.close()
        with pytest.raises(UnavailableError, match=r"^This client is closed; open another\.$"):
            await client.health()

    asyncio.run(run())
