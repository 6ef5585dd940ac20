"""What the descriptions of the HTTP door are made of: schemas, errors, headers, parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = [
    "ADMITTED",
    "BINARY",
    "BODY",
    "NUMBERS",
    "PRIVATE",
    "PUBLIC",
    "SCHEMAS",
    "TAG_HEADER",
    "TEXT",
    "WHOLE",
    "Schema",
    "fields",
    "json_of",
    "named",
    "not_modified",
    "parameter",
    "responses",
]

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBERS: Final[Schema] = {"type": "array", "items": {"type": "number"}}
BINARY: Final[Schema] = {"type": "string", "format": "binary"}
_NO_FRAMES: Final[Schema] = {"type": "array", "maxItems": 0}
_ERROR_FIELDS: Final[Schema] = {
    "error": {"type": "string", "description": "What is wrong, and what to do."},
    "request_id": {"type": "string", "description": "As in the header X-Request-Id."},
}


def fields(*, optional: Schema | None = None, **required: Schema) -> Schema:
    """Describe a JSON object by the schemas of its fields."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": properties}


_AVATAR: Final = fields(
    name=TEXT,
    title=TEXT,
    width=WHOLE,
    height=WHOLE,
    frame_rate_hz={"type": "number"},
    frame_count=WHOLE,
    licence=TEXT,
    credits=TEXT,
    poster=TEXT,
)


SCHEMAS: Final[Mapping[str, Schema]] = {
    "Avatar": _AVATAR,
    "Error": fields(**_ERROR_FIELDS),
    "BatchError": fields(
        output_frames=_NO_FRAMES,
        inference_time_ms={"type": "number"},
        success={"const": False},
        **_ERROR_FIELDS,
    ),
}
"""What the descriptions refer to by name."""


def named(name: str) -> Schema:
    """Refer to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(schema: Schema, example: object = None) -> Schema:
    """Describe a body in JSON."""
    told = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"application/json": told}


def _header(description: str, schema: Schema = TEXT, *, always: bool = False) -> Schema:
    return {"description": description, "schema": schema, "required": always}


_EXAMPLE_ID: Final = "9af59284478a464dbc85604f0c6908a3"
_ID_HEADER: Final = {
    "X-Request-Id": _header("The request in the server's log.", always=True),
}
TAG_HEADER: Final = {"ETag": _header("What tells this picture from others.", always=True)}
_RETRY: Final = "The seconds after which to try again."
_TOKEN_HEADER: Final = {"WWW-Authenticate": _header("Bearer.", always=True)}

_ERRORS: Final[Mapping[int, tuple[str, str, Schema]]] = {
    400: (
        "The request cannot be used.",
        "Invalid batch size: 26 (must be 1-25)",
        {},
    ),
    401: (
        "No token, or a wrong one.",
        "The token is missing or wrong; send 'Authorization: Bearer …'.",
        _TOKEN_HEADER,
    ),
    404: (
        "What was named is not there.",
        "There is no avatar 'clara' here; there are: demo.",
        {},
    ),
    408: (
        "The body does not come, or too slowly.",
        "Nothing of the body came for 20 s; send it again, without a pause.",
        {},
    ),
    413: (
        "The body is too large.",
        "The body is larger than 100000 bytes, the most that is taken; send less at once.",
        {},
    ),
    415: (
        "The body is of another type.",
        "The body is 'text/plain'; send Content-Type application/json, and a body that is that.",
        {},
    ),
    429: (
        "A limit of the server is reached.",
        "The server is busy: 8 of 8 clips are taken; try again in 1 s.",
        {"Retry-After": _header(_RETRY, WHOLE, always=True)},
    ),
    500: (
        "The server failed; its log has the request.",
        f"The server failed in a way that was not foreseen; its log has request {_EXAMPLE_ID}.",
        {},
    ),
    503: (
        "The server is stopping, or its network fails.",
        "The server is stopping; send the request to another, or later.",
        {"Retry-After": _header(_RETRY, WHOLE)},
    ),
}
"""What an error means, a sentence that comes with it, and its headers."""

PUBLIC: Final = (500, 503)
PRIVATE: Final = (401, *PUBLIC)
ADMITTED: Final = (401, 429, *PUBLIC)
BODY: Final = (400, 401, 408, 413, 415, 429, *PUBLIC)
_NO_ANSWER: Final = {"output_frames": [], "inference_time_ms": 0.0, "success": False}


def responses(
    content: Mapping[str, Any],
    errors: Iterable[int],
    *,
    headers: Schema | None = None,
    said: Mapping[int, str] | None = None,
    batch: bool = False,
) -> dict[int | str, dict[str, Any]]:
    """Describe what may come, by its status.

    Args:
        content: the body of a good answer.
        errors: the statuses of others.
        headers: of a good answer, besides the one that all have.
        said: examples of errors that are said in other words here.
        batch: whether errors have the fields of an answer to a batch too.
    """
    told: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "Done.",
            "content": content,
            "headers": {**_ID_HEADER, **(headers or {})},
        }
    }
    for status in sorted(errors):
        description, sentence, others = _ERRORS[status]
        # Who has no token is turned away before anyone looks at what is asked.
        old = batch and status != 401
        error = {"error": (said or {}).get(status, sentence), "request_id": _EXAMPLE_ID}
        told[status] = {
            "description": description,
            "content": json_of(
                named("BatchError" if old else "Error"), {**(_NO_ANSWER if old else {}), **error}
            ),
            "headers": {**_ID_HEADER, **others},
        }
    return told


def not_modified(description: str) -> dict[int | str, dict[str, Any]]:
    """Describe the answer to one who has the right picture already."""
    return {304: {"description": description, "headers": {**_ID_HEADER, **TAG_HEADER}}}


def parameter(
    name: str,
    schema: Schema,
    description: str,
    *,
    where: str = "query",
    example: str | None = None,
) -> Schema:
    """Describe a part of the address, or a header."""
    told = {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": description,
    }
    return told if example is None else {**told, "example": example}
