"""The page at `/`, and what it loads from `/web`: files of the package, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from viseme.serving.doors.http_call import Call
from viseme.serving.doors.http_errors import NotThereError

__all__ = ["PageRoute"]

_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "flac": "audio/flac",
}
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self' ws: wss:",  # an avatar may be another server's
        "img-src 'self' blob: data:",
        "media-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class _File(NamedTuple):
    data: bytes
    media_type: str
    tag: str


class PageRoute:
    """Answers `/` and `/web/{name}`."""

    def __init__(self) -> None:
        data = files("viseme") / "data"
        self._files = {each.name: _read(each.name, each) for each in (data / "web").iterdir()}
        self._files["example.flac"] = _read("example.flac", data / "speech" / "demo.flac")

    async def __call__(self, call: Call) -> None:
        """Give a file, or say that the client has it."""
        name = call.path_params.get("name", "index.html")
        if name not in self._files:
            raise NotThereError(f"There is nothing at '/web/{name[:80]}'; the page is at '/'.")
        file = self._files[name]
        headers = {
            "etag": file.tag,
            "cache-control": "no-cache",
            "content-security-policy": _POLICY,
            "x-content-type-options": "nosniff",
            # Scripts of other sites may load the avatar's; what they may do is the socket's to say.
            "access-control-allow-origin": "*",
        }
        is_known = file.tag in call.headers.get("if-none-match", "")
        data, status = (b"", 304) if is_known else (file.data, 200)
        await call.answer(data, status=status, media_type=file.media_type, headers=headers)


def _read(name: str, place: Traversable) -> _File:
    data = place.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:32]
    return _File(data, _TYPES[name.rpartition(".")[2]], f'"{digest}"')
