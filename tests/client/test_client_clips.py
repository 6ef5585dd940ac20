"""Whole clips: sound in as a stream, parts out as they come, files whole or not at all."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from client_callers import CALLERS, STREAMERS, Caller, call_sync, stream_async, stream_sync

from support.scripted_server import ScriptedServer, refuse
from viseme.client import (
    AsyncClient,
    Client,
    ClientOptions,
    ClipHeader,
    ClipOptions,
    ClipPicture,
    ClipSummary,
    Pictures,
    RawSound,
    Video,
    VideoPiece,
)
from viseme.errors import AvatarError, InputError, OutputError, WireError
from viseme.wire import services
from viseme.wire.messages import v1

RENDER = services.RENDER.path
SOUND = bytes(range(256)) * 1000


class Renderer:
    """Answers with a header, the sound that it has got in two pieces or pictures, a summary."""

    def __init__(self) -> None:
        self.requests: list[v1.RenderRequest] = []

    def __call__(self, stream: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        self.requests = [v1.RenderRequest.FromString(data) for data in stream]
        header = v1.RenderHeader(
            width=400, height=360, frame_rate_hz=25, media_type="video/mp4", avatar="anna"
        )
        yield v1.RenderResponse(header=header).SerializeToString()
        yield b"\xa2\x06\x01a"  # a message of a later version of the contract
        if self.requests[0].start.WhichOneof("output") == "pictures":
            picture = v1.Picture(index=0, time_s=0.0, avatar_frame=6, data=b"jpeg")
            yield v1.RenderResponse(picture=picture).SerializeToString()
        else:
            for piece in (self.sound[:100], self.sound[100:]):
                yield v1.RenderResponse(video=piece).SerializeToString()
        summary = v1.RenderSummary(pictures=25, duration_s=1.0, next_frame=3, warnings=["Cut."])
        yield v1.RenderResponse(summary=summary).SerializeToString()

    @property
    def sound(self) -> bytes:
        return b"".join(request.sound for request in self.requests)


HEADER = ClipHeader((400, 360), 25.0, "video/mp4", "anna")
SUMMARY = ClipSummary(25, 1.0, 3, ("Cut.",))


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def options(renderer: Renderer) -> Iterator[ClientOptions]:
    with ScriptedServer(streams={RENDER: renderer}) as server:
        yield ClientOptions(server.address)


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_clip_comes_in_parts(stream: Caller, options: ClientOptions) -> None:
    parts = stream(options, "render", SOUND)
    assert parts == [HEADER, VideoPiece(SOUND[:100]), VideoPiece(SOUND[100:]), SUMMARY]


@pytest.mark.parametrize("stream", STREAMERS)
def test_pictures_come_one_by_one(stream: Caller, options: ClientOptions) -> None:
    parts = stream(options, "render", SOUND, ClipOptions(output=Pictures("png")))
    assert parts[1:] == [ClipPicture(b"jpeg", 0, 0.0, 6), SUMMARY]


@pytest.mark.parametrize("stream", STREAMERS)
@pytest.mark.parametrize("form", ["bytes", "path", "str", "file", "pieces"])
def test_a_sound_in_any_form(
    stream: Caller, options: ClientOptions, renderer: Renderer, form: str, tmp_path: Path
) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(SOUND)
    forms: dict[str, Any] = {
        "bytes": SOUND,
        "path": path,
        "str": str(path),
        "file": io.BytesIO(SOUND),
        "pieces": iter([SOUND[:7], b"", SOUND[7:]]),
    }
    stream(options, "render", forms[form])
    assert renderer.sound == SOUND
    assert max(len(request.sound) for request in renderer.requests) <= 2**16
    assert [request.HasField("start") for request in renderer.requests[:2]] == [True, False]


def test_a_sound_that_is_waited_for(options: ClientOptions, renderer: Renderer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(SOUND), 100_000):
            await asyncio.sleep(0)
            yield SOUND[start : start + 100_000]

    stream_async(options, "render", pieces())
    assert renderer.sound == SOUND


@pytest.mark.parametrize("stream", STREAMERS)
def test_no_sound_is_a_request_all_the_same(
    stream: Caller, options: ClientOptions, renderer: Renderer
) -> None:
    stream(options, "render", b"")
    assert renderer.requests == [v1.RenderRequest(start=v1.RenderStart(video=v1.VideoOutput(
        container=v1.CONTAINER_MP4)))]  # fmt: skip


def test_what_is_wanted_is_said_in_the_contracts_words(
    options: ClientOptions, renderer: Renderer
) -> None:
    wanted = ClipOptions(
        avatar="anna",
        output=Pictures("jpeg", 75),
        raw=RawSound(48_000, 2, "f32"),
        start_frame=9,
    )
    stream_sync(options, "render", b"", wanted)
    assert renderer.requests[0].start == v1.RenderStart(
        avatar="anna",
        raw=v1.RawSound(rate_hz=48_000, channels=2, format=v1.SAMPLE_FORMAT_F32),
        pictures=v1.PictureOutput(format=v1.PICTURE_FORMAT_JPEG, jpeg_quality=75),
        start_frame=9,
    )


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_sound_that_breaks_off_is_not_taken_for_the_whole(
    stream: Caller, options: ClientOptions
) -> None:
    def pieces() -> Iterator[bytes]:
        yield SOUND
        raise RuntimeError("the microphone is gone")

    with pytest.raises(RuntimeError, match=r"^the microphone is gone$"):
        stream(options, "render", pieces())


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_sound_of_something_else_than_bytes(stream: Caller, options: ClientOptions) -> None:
    expected = "The sound has a piece that is a str; give bytes, such as `samples.tobytes()`."
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        stream(options, "render", ["text"])


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_sound_that_is_not_there(stream: Caller, tmp_path: Path) -> None:
    path = tmp_path / "no.wav"
    expected = f"The sound '{path}' cannot be read: No such file or directory; check the path."
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        stream(ClientOptions("127.0.0.1:1"), "render", path)


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_clip_is_refused(stream: Caller) -> None:
    def answer(_: Iterator[bytes], context: grpc.ServicerContext) -> Iterable[Any]:
        refuse(context, grpc.StatusCode.NOT_FOUND, "There is no avatar 'dora' here.")

    with (
        ScriptedServer(streams={RENDER: answer}) as server,  # type: ignore[dict-item]
        pytest.raises(AvatarError, match=r"^There is no avatar 'dora' here\.$"),
    ):
        stream(ClientOptions(server.address), "render", SOUND, ClipOptions(avatar="dora"))


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_clip_without_a_summary_is_not_whole(stream: Caller) -> None:
    def answer(stream: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        yield v1.RenderResponse(video=b"a").SerializeToString()

    expected = "The clip ended without its summary, so a part of it is missing; try again."
    with (
        ScriptedServer(streams={RENDER: answer}) as server,
        pytest.raises(WireError, match=f"^{re.escape(expected)}$"),
    ):
        stream(ClientOptions(server.address), "render", SOUND)


def test_whoever_stops_reading_ends_the_call() -> None:
    ended = threading.Event()

    def answer(_: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(ended.set)
        while True:
            yield v1.RenderResponse(video=b"a" * 1000).SerializeToString()

    with (
        ScriptedServer(streams={RENDER: answer}) as server,
        Client(server.address) as client,
    ):
        with closing(client.render(SOUND)) as parts:
            next(parts)
        assert ended.wait(30)


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize(("name", "container"), [("a.mp4", "mp4"), ("a.WebM", "webm")])
def test_a_file(
    call: Caller,
    options: ClientOptions,
    renderer: Renderer,
    name: str,
    container: str,
    tmp_path: Path,
) -> None:
    wanted = ClipOptions(avatar="anna", output=Pictures())
    assert call(options, "render_file", SOUND, tmp_path / name, wanted) == SUMMARY
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]
    assert (tmp_path / name).read_bytes() == SOUND
    start = renderer.requests[0].start
    assert start.avatar == "anna"
    assert start.video == Video(container).message()  # type: ignore[arg-type]


@pytest.mark.parametrize("call", CALLERS)
def test_half_a_clip_leaves_no_file(call: Caller, tmp_path: Path) -> None:
    def answer(_: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        yield v1.RenderResponse(video=b"a").SerializeToString()
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "The sound is no sound.")

    (tmp_path / "a.mp4").write_bytes(b"before")
    with (
        ScriptedServer(streams={RENDER: answer}) as server,
        pytest.raises(InputError, match=r"^The sound is no sound\.$"),
    ):
        call(ClientOptions(server.address), "render_file", SOUND, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.mp4"]


def test_a_folder_is_no_file(options: ClientOptions, tmp_path: Path) -> None:
    expected = (
        f"Cannot write '{tmp_path / 'a'}': a server's clip goes into .mp4 or .webm; for single "
        "pictures, go through render() with Pictures() as its output."
    )
    with pytest.raises(OutputError, match=f"^{re.escape(expected)}$"):
        call_sync(options, "render_file", SOUND, tmp_path / "a")


def test_a_refusal_is_told_however_much_is_still_being_sent() -> None:
    """gRPC for asyncio covers it with a status of its own now and then; see `AsyncEnding`."""

    def answer(_: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        refuse(context, grpc.StatusCode.NOT_FOUND, "There is no avatar 'dora' here.")

    async def ask(client: AsyncClient) -> str:
        with pytest.raises(AvatarError) as caught:
            await anext(client.render([bytes(2**16)] * 64))
        return str(caught.value)

    async def run(address: str) -> set[str]:
        async with AsyncClient(address) as client:
            return {await ask(client) for _ in range(50)}

    with ScriptedServer(streams={RENDER: answer}) as server:
        assert asyncio.run(run(server.address)) == {"There is no avatar 'dora' here."}
