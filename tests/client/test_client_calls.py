"""Calls of one question and one answer, of both clients, over a real line."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from client_callers import CALLERS, Caller

from support.certificates import Authority
from support.scripted_server import ScriptedServer, Unary, identity_answer, refuse
from viseme.client import ClientOptions, ServedAvatar, ServerHealth
from viseme.errors import (
    AuthError,
    AvatarError,
    DeadlineError,
    InputError,
    OverloadedError,
    UnavailableError,
    WireError,
)
from viseme.wire import encode_batch_response, parse_batch_request, services
from viseme.wire.messages import lipsync, v1

SIZE = 160
WINDOW = np.zeros((32, 16, 16), np.float32)
INFER = services.INFER_BATCH.path

pytestmark = pytest.mark.parametrize("call", CALLERS)


def faces(count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((count, 6, SIZE, SIZE), np.float32)


def at(server: ScriptedServer, **others: object) -> ClientOptions:
    return ClientOptions(server.address, **others)  # type: ignore[arg-type]


def text(sentence: str) -> str:
    return f"^{re.escape(sentence)}$"


@pytest.mark.parametrize("count", [1, 5, 25])
def test_faces_come_back_as_they_are(call: Caller, count: int) -> None:
    visual = faces(count)
    with ScriptedServer({INFER: identity_answer}) as server:
        result = call(at(server), "infer_batch", visual, WINDOW)
    assert result.output.shape == (count, 3, SIZE, SIZE)
    assert result.output.dtype == np.float32
    np.testing.assert_array_equal(result.output, visual[:, :3])
    assert result.inference_time_ms == 1.5


def test_what_is_sent_is_what_was_given(call: Caller) -> None:
    seen = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append(parse_batch_request(request))
        return identity_answer(request, context)

    windows = np.random.default_rng(1).random((2, 32, 16, 16))  # float64: converted
    with ScriptedServer({INFER: answer}) as server:
        call(at(server), "infer_batch", faces(2), windows, start_frame=16)
    assert (seen[0].batch_size, seen[0].start_frame_idx) == (2, 16)
    np.testing.assert_array_equal(seen[0].audio, windows.astype(np.float32).reshape(-1))


def test_a_refused_batch_is_an_input_error_in_the_servers_words(call: Caller) -> None:
    def answer(_: bytes, __: grpc.ServicerContext) -> bytes:
        error = "Invalid batch size: 26 (must be 1-25)"
        return encode_batch_response(np.empty(0, np.float32), 0, success=False, error=error)

    with (
        ScriptedServer({INFER: answer}) as server,
        pytest.raises(InputError, match=text("Invalid batch size: 26 (must be 1-25)")),
    ):
        call(at(server), "infer_batch", faces(1), WINDOW)


def test_an_answer_of_another_size_is_not_believed(call: Caller) -> None:
    def answer(_: bytes, __: grpc.ServicerContext) -> bytes:
        return encode_batch_response(np.zeros(12, np.float32), 1, success=True)

    expected = (
        "The server answered with 12 values where [1, 3, 160, 160] were expected; is its network "
        "of another size?"
    )
    with ScriptedServer({INFER: answer}) as server, pytest.raises(WireError, match=text(expected)):
        call(at(server), "infer_batch", faces(1), WINDOW)


@pytest.mark.parametrize("method", ["infer_batch", "composite_batch"])
@pytest.mark.parametrize("shape", [(6, 160, 160), (1, 3, 160, 160), (1, 6, 160, 100)])
def test_faces_of_another_shape_are_not_sent(
    call: Caller, method: str, shape: tuple[int, ...]
) -> None:
    expected = f"The visual frames are an array of shape {list(shape)}; give them as [B, 6, S, S]."
    with pytest.raises(InputError, match=text(expected)):
        call(ClientOptions("127.0.0.1:1"), method, np.zeros(shape, np.float32), WINDOW)


def test_pictures_with_their_times(call: Caller) -> None:
    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        count = parse_batch_request(request).batch_size
        return lipsync.CompositeBatchResponse(
            composited_frames=[b"png %d" % index for index in range(count)],
            inference_time_ms=1,
            composite_time_ms=2,
            total_time_ms=4,
            success=True,
        ).SerializeToString()

    with ScriptedServer({services.INFER_BATCH_COMPOSITE.path: answer}) as server:
        result = call(at(server), "composite_batch", faces(2), WINDOW, start_frame=3)
    assert result.pictures == [b"png 0", b"png 1"]
    times = (result.inference_time_ms, result.composite_time_ms, result.total_time_ms)
    assert times == (1, 2, 4)


def test_refused_pictures(call: Caller) -> None:
    def answer(_: bytes, __: grpc.ServicerContext) -> bytes:
        return lipsync.CompositeBatchResponse().SerializeToString()

    expected = "The server refused the batch and did not say why."
    with (
        ScriptedServer({services.INFER_BATCH_COMPOSITE.path: answer}) as server,
        pytest.raises(InputError, match=text(expected)),
    ):
        call(at(server), "composite_batch", faces(1), WINDOW)


def test_health(call: Caller) -> None:
    message = lipsync.HealthResponse(healthy=True, model_path="a.onnx", cuda_available=True)
    with ScriptedServer({services.HEALTH.path: always(message.SerializeToString())}) as server:
        assert call(at(server), "health") == ServerHealth(True, "a.onnx", True)


def test_an_answer_that_is_damaged(call: Caller) -> None:
    with (
        ScriptedServer({services.HEALTH.path: always(b"\xff\xff")}) as server,
        pytest.raises(WireError, match=r"^The server's answer is damaged \(.+\)\.$"),
    ):
        call(at(server), "health")


def test_avatars(call: Caller) -> None:
    anna = v1.Avatar(
        name="anna",
        title="Anna",
        width=400,
        height=360,
        frame_rate_hz=25,
        frame_count=7,
        licence="free",
        credits="me",
    )
    wanted = ServedAvatar("anna", "Anna", (400, 360), 25.0, 7, "free", "me")
    listed = v1.ListAvatarsResponse(avatars=[anna])

    def describe(request: bytes, context: grpc.ServicerContext) -> bytes:
        if v1.GetAvatarRequest.FromString(request).name != "anna":
            refuse(context, grpc.StatusCode.NOT_FOUND, "There is no such avatar; ask for anna.")
        return anna.SerializeToString()

    with ScriptedServer(
        {
            services.LIST_AVATARS.path: always(listed.SerializeToString()),
            services.GET_AVATAR.path: describe,
        }
    ) as server:
        assert call(at(server), "avatars") == [wanted]
        assert call(at(server), "avatar", "anna") == wanted
        with pytest.raises(AvatarError, match=text("There is no such avatar; ask for anna.")):
            call(at(server), "avatar", "berta")


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_what_was_refused_is_tried_again(call: Caller, code: grpc.StatusCode) -> None:
    refusals = Refusals(2, code, "Not now.", retry_after="0")
    with ScriptedServer({INFER: refusals}) as server:
        result = call(at(server, retries=2), "infer_batch", faces(1), WINDOW)
    assert refusals.calls == 3
    np.testing.assert_array_equal(result.output, faces(1)[:, :3])


def test_what_was_refused_too_often_is_an_error_with_the_time_to_wait(call: Caller) -> None:
    refusals = Refusals(9, grpc.StatusCode.RESOURCE_EXHAUSTED, "Busy.", retry_after="0.01")
    with (
        ScriptedServer({INFER: refusals}) as server,
        pytest.raises(OverloadedError, match=text("Busy.")) as caught,
    ):
        call(at(server, retries=1), "infer_batch", faces(1), WINDOW)
    assert refusals.calls == 2
    assert caught.value.retry_after_s == 0.01


def test_a_server_that_says_to_wait_longer_than_one_can_is_not_waited_for(call: Caller) -> None:
    refusals = Refusals(9, grpc.StatusCode.RESOURCE_EXHAUSTED, "Busy.", retry_after="60")
    with (
        ScriptedServer({INFER: refusals}) as server,
        pytest.raises(OverloadedError, match=text("Busy.")),
    ):
        call(at(server, timeout_s=50), "infer_batch", faces(1), WINDOW)
    assert refusals.calls == 1


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT])
def test_what_would_fail_again_is_not_tried_again(call: Caller, code: grpc.StatusCode) -> None:
    refusals = Refusals(9, code, "No.")
    with ScriptedServer({INFER: refusals}) as server, pytest.raises(Exception, match=text("No.")):
        call(at(server), "infer_batch", faces(1), WINDOW)
    assert refusals.calls == 1


def test_a_deadline_bounds_the_whole(call: Caller) -> None:
    released = threading.Event()

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        released.wait(30)
        return identity_answer(request, context)

    with ScriptedServer({INFER: hang}) as server:
        options = at(server)
        expected = (
            f"{server.address} did not answer in time; give it longer with timeout_s, or ask for "
            "less at a time."
        )
        with pytest.raises(DeadlineError, match=text(expected)):
            call(options, "infer_batch", faces(1), WINDOW, timeout_s=0.3)
        released.set()


def test_no_time_at_all(call: Caller) -> None:
    expected = "There was no answer within 0 s; give it longer with timeout_s."
    with pytest.raises(DeadlineError, match=text(expected)):
        call(ClientOptions("127.0.0.1:1"), "health", timeout_s=0)


def test_nobody_is_there(call: Caller) -> None:
    with ScriptedServer() as server:
        address = server.address
    with pytest.raises(UnavailableError) as caught:
        call(ClientOptions(address, retries=1), "health")
    assert str(caught.value).startswith(f"No server can be reached at {address} (")


def test_the_token_is_sent_with_every_call(call: Caller) -> None:
    def ask(request: bytes, context: grpc.ServicerContext) -> bytes:
        sent = dict(context.invocation_metadata())
        if sent.get("authorization") != "Bearer s3cret":
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "The token is missing or wrong.")
        return identity_answer(request, context)

    with ScriptedServer({INFER: ask}) as server:
        call(at(server, token="s3cret"), "infer_batch", faces(1), WINDOW)
        with pytest.raises(AuthError, match=text("The token is missing or wrong.")):
            call(at(server, token="other"), "infer_batch", faces(1), WINDOW)


def test_a_message_over_the_limit_is_refused_without_trying_again(call: Caller) -> None:
    refusals = Refusals(0, grpc.StatusCode.OK, "")
    with (
        ScriptedServer({INFER: refusals}) as server,
        pytest.raises(InputError, match=r"is too large .* raise message_bytes"),
    ):
        call(at(server, message_bytes=1000), "infer_batch", faces(1), WINDOW)
    assert refusals.calls == 0


def test_both_ends_may_have_to_be_certified(call: Caller, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server_pair, client_pair = authority.issue("server"), authority.issue("client")
    credentials = grpc.ssl_server_credentials(
        [(server_pair.key.read_bytes(), server_pair.certificate.read_bytes())],
        authority.file.read_bytes(),
        require_client_auth=True,
    )
    with ScriptedServer({INFER: identity_answer}, credentials=credentials) as server:
        known = at(
            server, ca=authority.file, certificate=client_pair.certificate, key=client_pair.key
        )
        assert call(known, "infer_batch", faces(1), WINDOW).output.shape == (1, 3, SIZE, SIZE)
        stranger = at(server, ca=authority.file, retries=0)
        with pytest.raises(UnavailableError):
            call(stranger, "infer_batch", faces(1), WINDOW, timeout_s=20)


class Refusals:
    """Refuses so many calls, and answers all others as the identity generator does."""

    def __init__(
        self, count: int, code: grpc.StatusCode, sentence: str, retry_after: str | None = None
    ) -> None:
        self._count, self._code, self._sentence = count, code, sentence
        self._retry_after = retry_after
        self.calls = 0

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        if self.calls <= self._count:
            refuse(context, self._code, self._sentence, self._retry_after)
        return identity_answer(request, context)


def always(answer: bytes) -> Unary:
    give: Callable[[bytes, grpc.ServicerContext], bytes] = lambda _, __: answer  # noqa: E731
    return give
