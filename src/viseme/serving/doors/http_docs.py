"""What each path of the HTTP door does, for OpenAPI, and a page of it that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["DOCUMENTATION", "page"]

Schema = Mapping[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_NUMBERS: Final[Schema] = {"type": "array", "items": {"type": "number"}}
_BINARY: Final[Schema] = {"type": "string", "format": "binary"}
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong, and what to do."},
        "request_id": {"type": "string", "description": "As in the header X-Request-Id."},
    },
}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


_AVATAR: Final = _object(
    name=_TEXT,
    title=_TEXT,
    width=_WHOLE,
    height=_WHOLE,
    frame_rate_hz={"type": "number"},
    frame_count=_WHOLE,
    licence=_TEXT,
    credits=_TEXT,
    poster=_TEXT,
)


def _json(schema: Schema) -> Mapping[str, Any]:
    return {"application/json": {"schema": schema}}


def _responses(content: Mapping[str, Any], **others: str) -> dict[int | str, dict[str, Any]]:
    """Describe a good answer, and by their status what else may come."""
    told: dict[int | str, dict[str, Any]] = {200: {"description": "Done.", "content": content}}
    for status, description in others.items():
        told[int(status.removeprefix("e"))] = {
            "description": description,
            "content": _json(_ERROR),
        }
    return told


_LIMITS: Final = {
    "e401": "No token, or a wrong one.",
    "e429": "A limit of the server is reached; Retry-After says when to try again.",
    "e503": "The server is stopping, or its network fails.",
}
_BODY: Final = {
    "e400": "The request cannot be used.",
    "e408": "The body does not come, or too slowly.",
    "e413": "The body is too large.",
    "e415": "The body is of another type.",
    **_LIMITS,
}


def _parameter(name: str, schema: Schema, description: str, *, where: str = "query") -> Schema:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": description,
    }


_NAME: Final = {
    "parameters": [_parameter("name", _TEXT, "As /v1/avatars has it.", where="path")],
}

DOCUMENTATION: Final[Mapping[str, dict[str, Any]]] = {
    "POST /batch": {
        "summary": "Predict faces for the same window of sound, as numbers.",
        "description": "The contract of existing clients. `visual_frames` is [B, 6, S, S], "
        "`audio_features` one window for all or one for each, both flattened; `batch_size` is B, "
        "1 to 25. An error has `success: false` and no frames.",
        "responses": _responses(
            _json(
                _object(
                    output_frames=_NUMBERS,
                    inference_time_ms={"type": "number"},
                    success={"type": "boolean"},
                )
            ),
            **_BODY,
        ),
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": _json(
                    _object(
                        visual_frames=_NUMBERS,
                        audio_features=_NUMBERS,
                        batch_size={"type": "integer", "minimum": 1, "maximum": 25},
                        start_frame_idx=_WHOLE,
                    )
                ),
            }
        },
    },
    "GET /health": {
        "summary": "Tell that the server runs, and its model, as before.",
        "responses": _responses(_json(_object(status=_TEXT, model=_TEXT))),
    },
    "POST /v1/render": {
        "summary": "Make an avatar speak: a sound file in, a video out.",
        "description": "The video comes while it is made, and plays while it comes. Where it "
        "fails on the way, the connection is broken off.",
        "responses": _responses(
            {"video/mp4": {"schema": _BINARY}, "video/webm": {"schema": _BINARY}},
            e404="There is no such avatar.",
            **_BODY,
        ),
        "openapi_extra": {
            "parameters": [
                _parameter("avatar", _TEXT, "Who speaks; the first avatar if left out."),
                _parameter(
                    "format",
                    {"type": "string", "enum": ["mp4", "webm"], "default": "mp4"},
                    "H.264 and AAC, or VP9 and Opus.",
                ),
                _parameter(
                    "start_frame",
                    {**_WHOLE, "maximum": 2**32 - 1, "default": 0},
                    "The avatar's frame to begin with, in the order in which they are played.",
                ),
            ],
            "requestBody": {
                "required": True,
                "description": "WAV, FLAC, MP3, M4A, Ogg, WebM and whatever else FFmpeg reads.",
                "content": {
                    kind: {"schema": _BINARY}
                    for kind in ("audio/*", "video/*", "application/octet-stream")
                },
            },
        },
    },
    "GET /v1/avatars": {
        "summary": "Describe all avatars; the first is the one that speaks if none is named.",
        "responses": _responses(
            _json(_object(avatars={"type": "array", "items": _AVATAR})), **_LIMITS
        ),
    },
    "GET /v1/avatars/{name}": {
        "summary": "Describe one avatar.",
        "responses": _responses(_json(_AVATAR), e404="There is no such avatar.", **_LIMITS),
        "openapi_extra": _NAME,
    },
    "GET /v1/avatars/{name}/poster": {
        "summary": "Show an avatar: its first frame.",
        "responses": _responses(
            {"image/jpeg": {"schema": _BINARY}}, e404="There is no such avatar.", **_LIMITS
        ),
        "openapi_extra": _NAME,
    },
    "GET /v1/status": {
        "summary": "Tell how busy the server is, and how many live streams still fit.",
        "responses": _responses(
            _json(
                _object(
                    frames_per_second={"type": "number"},
                    live_streams=_WHOLE,
                    live_streams_free=_WHOLE,
                    requests=_WHOLE,
                    clips=_WHOLE,
                )
            ),
            e401=_LIMITS["e401"],
        ),
    },
    "GET /livez": {
        "summary": "Tell that the server runs.",
        "responses": _responses(_json(_object(status=_TEXT))),
    },
    "GET /readyz": {
        "summary": "Tell whether the server takes requests.",
        "responses": _responses(_json(_object(status=_TEXT)), e503="It is stopping."),
    },
    "GET /metrics": {
        "summary": "Give all counts, for Prometheus.",
        "responses": _responses({"text/plain": {"schema": _TEXT}}, e401=_LIMITS["e401"]),
    },
    "GET /openapi.json": {
        "summary": "Give this description in OpenAPI.",
        "responses": _responses(_json({"type": "object"}), e401=_LIMITS["e401"]),
    },
    "GET /docs": {
        "summary": "Show this description.",
        "responses": _responses({"text/html": {"schema": _TEXT}}, e401=_LIMITS["e401"]),
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
