"""What each path of the HTTP door does, for OpenAPI, and a page of it that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, Final

from viseme.serving.doors.http_schemas import (
    ADMITTED,
    BINARY,
    BODY,
    NUMBERS,
    PRIVATE,
    PUBLIC,
    TAG_HEADER,
    TEXT,
    WHOLE,
    Schema,
    fields,
    json_of,
    named,
    not_modified,
    parameter,
    responses,
)

__all__ = ["DESCRIPTION", "DOCUMENTATION", "page"]

DESCRIPTION: Final = (
    "Makes a face speak: sound and an avatar in, a lip-synced video out. Each answer has the "
    "request's id in X-Request-Id, and a request may bring its own. An error is a sentence that "
    "says what is wrong and what to do; any other path answers 404, and a path that is asked with "
    "another method 405 and Allow. What is no request at all, and who comes when all connections "
    "are taken, is told so in an `error` alone, with 400 or 503."
)

_NAME: Final = parameter("name", TEXT, "As /v1/avatars has it.", where="path", example="demo")
_SOUND: Final = ("audio/*", "video/*", "application/ogg", "application/octet-stream")
_AVATAR_EXAMPLE: Final = {
    "name": "demo",
    "title": "Demo",
    "width": 720,
    "height": 720,
    "frame_rate_hz": 25,
    "frame_count": 250,
    "licence": "CC0-1.0",
    "credits": "",
    "poster": "/v1/avatars/demo/poster",
}

DOCUMENTATION: Final[Mapping[str, dict[str, Any]]] = {
    "POST /batch": {
        "summary": "Predict faces for the same window of sound, as numbers.",
        "description": "The contract of existing clients. `visual_frames` is [B, 6, S, S], "
        "`audio_features` one window for all or one for each, both flattened; `batch_size` is B, "
        "1 to 25. The answer's `output_frames` is [B, 3, S, S], flattened. An error has "
        "`success: false` and no frames. `viseme testdata faces` makes what can be sent.",
        "responses": responses(
            json_of(
                fields(
                    output_frames=NUMBERS,
                    inference_time_ms={"type": "number"},
                    success={"const": True},
                ),
                {"output_frames": [0.5, 0.25, 0.125], "inference_time_ms": 8.5, "success": True},
            ),
            BODY,
            batch=True,
        ),
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "description": "The example's lists are cut short.",
                "content": json_of(
                    fields(
                        visual_frames=NUMBERS,
                        audio_features=NUMBERS,
                        batch_size={"type": "integer", "minimum": 1, "maximum": 25},
                        optional={"start_frame_idx": {**WHOLE, "default": 0}},
                    ),
                    {
                        "visual_frames": [0.5, 0.25, 0.125],
                        "audio_features": [0.0, -1.5, 3.0],
                        "batch_size": 1,
                        "start_frame_idx": 0,
                    },
                ),
            }
        },
    },
    "GET /health": {
        "summary": "Tell that the server runs, and its model, as before.",
        "responses": responses(
            json_of(
                fields(status={"const": "healthy"}, model=TEXT),
                {"status": "healthy", "model": "generator.onnx"},
            ),
            PUBLIC,
        ),
    },
    "POST /v1/render": {
        "summary": "Make an avatar speak: a sound file in, a video out.",
        "description": "The video comes while it is made, and plays while it comes. Where it "
        "fails on the way, the connection is broken off; why, and what was passed over in the "
        "sound, is told at /v1/renders/{request_id}.",
        "responses": responses(
            {"video/mp4": {"schema": BINARY}, "video/webm": {"schema": BINARY}},
            (404, *BODY),
            said={
                400: "There is no format 'gif'; there are: mp4, webm.",
                415: f"The body is 'text/plain'; send Content-Type {' or '.join(_SOUND)}, and a "
                "body that is that.",
            },
        ),
        "openapi_extra": {
            "parameters": [
                parameter(
                    "avatar", TEXT, "Who speaks; the first avatar if left out.", example="demo"
                ),
                parameter(
                    "format",
                    {"type": "string", "enum": ["mp4", "webm"], "default": "mp4"},
                    "H.264 and AAC, or VP9 and Opus.",
                ),
                parameter(
                    "start_frame",
                    {**WHOLE, "maximum": 2**32 - 1, "default": 0},
                    "The avatar's frame to begin with, in the order in which they are played.",
                ),
            ],
            "requestBody": {
                "required": True,
                "description": "WAV, FLAC, MP3, M4A, Ogg, WebM and whatever else FFmpeg reads.",
                "content": {kind: {"schema": BINARY} for kind in _SOUND},
            },
        },
    },
    "GET /v1/renders/{request_id}": {
        "summary": "Tell what became of a video that was asked for.",
        "description": "Of the last 1,000 that have begun, to who asked for them. A video that "
        "is done has `pictures`, `duration_s`, `next_frame` (the `start_frame` of one that is to "
        "go on without a jump) and `warnings`: what was wrong with the sound and was passed over, "
        "a sentence each. One that failed has `error`.",
        "responses": responses(
            json_of(
                fields(
                    state={"type": "string", "enum": ["running", "done", "failed"]},
                    avatar=TEXT,
                    optional={
                        "pictures": WHOLE,
                        "duration_s": {"type": "number"},
                        "next_frame": WHOLE,
                        "warnings": {"type": "array", "items": TEXT},
                        "error": TEXT,
                    },
                ),
                {
                    "state": "done",
                    "avatar": "demo",
                    "pictures": 371,
                    "duration_s": 14.84,
                    "next_frame": 227,
                    "warnings": [],
                },
            ),
            (404, *ADMITTED),
            said={
                404: "No video of yours that has begun is known by that request's id; the last "
                "1000 are."
            },
        ),
        "openapi_extra": {
            "parameters": [
                parameter(
                    "request_id",
                    TEXT,
                    "X-Request-Id of the answer that is the video.",
                    where="path",
                    example="9af59284478a464dbc85604f0c6908a3",
                )
            ]
        },
    },
    "GET /v1/avatars": {
        "summary": "Describe all avatars; the first is the one that speaks if none is named.",
        "responses": responses(
            json_of(
                fields(avatars={"type": "array", "items": named("Avatar")}),
                {"avatars": [_AVATAR_EXAMPLE]},
            ),
            ADMITTED,
        ),
    },
    "GET /v1/avatars/{name}": {
        "summary": "Describe one avatar.",
        "responses": responses(json_of(named("Avatar"), _AVATAR_EXAMPLE), (404, *ADMITTED)),
        "openapi_extra": {"parameters": [_NAME]},
    },
    "GET /v1/avatars/{name}/poster": {
        "summary": "Show an avatar: its first frame.",
        "responses": {
            **responses({"image/jpeg": {"schema": BINARY}}, (404, *ADMITTED), headers=TAG_HEADER),
            **not_modified("The picture is one of those that If-None-Match names."),
        },
        "openapi_extra": {
            "parameters": [
                _NAME,
                parameter(
                    "If-None-Match",
                    TEXT,
                    "The ETag of a poster that need not be sent again.",
                    where="header",
                ),
            ]
        },
    },
    "GET /v1/status": {
        "summary": "Tell how busy the server is, and how many live streams still fit.",
        "responses": responses(
            json_of(
                fields(
                    frames_per_second={"type": "number"},
                    live_streams=WHOLE,
                    live_streams_free=WHOLE,
                    requests=WHOLE,
                    clips=WHOLE,
                ),
                {
                    "frames_per_second": 49.87,
                    "live_streams": 1,
                    "live_streams_free": 3,
                    "requests": 2,
                    "clips": 1,
                },
            ),
            PRIVATE,
        ),
    },
    "GET /livez": {
        "summary": "Tell that the server runs.",
        "responses": responses(
            json_of(fields(status={"const": "alive"}), {"status": "alive"}), PUBLIC
        ),
    },
    "GET /readyz": {
        "summary": "Tell whether the server takes requests.",
        "responses": responses(
            json_of(fields(status={"const": "ready"}), {"status": "ready"}), PUBLIC
        ),
    },
    "GET /metrics": {
        "summary": "Give all counts, for Prometheus.",
        "responses": responses({"text/plain": {"schema": TEXT}}, PRIVATE),
    },
    "GET /openapi.json": {
        "summary": "Give this description in OpenAPI.",
        "responses": responses(json_of({"type": "object"}), PRIVATE),
    },
    "GET /docs": {
        "summary": "Show this description.",
        "responses": responses({"text/html": {"schema": TEXT}}, PRIVATE),
    },
}

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 .2rem}"
    "p{margin:.2rem 0}ul{margin:.2rem 0;padding-left:1.2rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#9cf}}"
)


def page(schema: Schema) -> str:
    """Write an OpenAPI description as a page for people."""
    info = schema["info"]
    lines = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{html.escape(info["title"])}</title>',
        f"<style>{_STYLE}</style>",
        f"<h1>{html.escape(info['title'])} {html.escape(info['version'])}</h1>",
        f"<p>{html.escape(info['description'])}</p>",
        '<p>For programs: <a href="/openapi.json">/openapi.json</a></p>',
    ]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            lines.append(f"<h2>{method.upper()} {html.escape(path)}</h2>")
            lines += _operation(operation)
    return "\n".join([*lines, "</html>", ""])


def _operation(operation: Schema) -> list[str]:
    lines = [f"<p>{html.escape(operation['summary'])}</p>"]
    if "description" in operation:
        lines.append(f"<p>{html.escape(operation['description'])}</p>")
    items = [
        f"<li><code>{html.escape(parameter['name'])}</code>: "
        f"{html.escape(parameter['description'])}</li>"
        for parameter in operation.get("parameters", ())
    ]
    items += [
        f"<li>{status}: {html.escape(answer['description'])}</li>"
        for status, answer in operation["responses"].items()
    ]
    return [*lines, "<ul>", *items, "</ul>"]
