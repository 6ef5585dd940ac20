"""The paths of the HTTP door, and what is told of each in OpenAPI."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Executor
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from viseme._version import __version__
from viseme.audio import FRAME_RATE_HZ
from viseme.avatar import Avatar
from viseme.errors import UnavailableError, VisemeError
from viseme.serving.doors.http_batch import BatchRoute
from viseme.serving.doors.http_call import Call, Handler
from viseme.serving.doors.http_clips import ClipRoute
from viseme.serving.doors.http_docs import DESCRIPTION, DOCUMENTATION, page
from viseme.serving.doors.http_errors import MethodError, NotThereError
from viseme.serving.doors.http_live import LIVE_PATH, LiveRoute
from viseme.serving.doors.http_page import PageRoute
from viseme.serving.doors.http_renders import RenderNotes
from viseme.serving.doors.http_reply import Reply
from viseme.serving.doors.http_schemas import SCHEMAS
from viseme.serving.house import House
from viseme.serving.metrics import CONTENT_TYPE
from viseme.serving.pictures import PictureFormat, encode_picture

__all__ = ["HttpApp"]

_PATH_SHOWN_MAX: Final = 80
_TOKEN: Final = "token"
_OTHER: Final = "other"
"""What paths that do not exist are counted as: clients can think of any number."""


class _Poster(NamedTuple):
    """A picture, and what tells it from others."""

    data: bytes
    tag: str


class HttpApp:
    """The application that uvicorn runs: routes onto a house.

    Args:
        house: what is behind the door.
        pool: threads for what costs time.
    """

    def __init__(self, house: House, pool: Executor) -> None:
        self._house = house
        self._pool = pool
        self._draining = False
        self._posters: dict[str, _Poster] = {}
        self._poster_lock = threading.Lock()
        self.app = FastAPI(
            title="viseme",
            version=__version__,
            description=DESCRIPTION,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            # FastAPI's own pages load scripts from elsewhere.
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self.app.add_exception_handler(HTTPException, self._refuse)
        self._add_routes()
        origins = house.config.cors.origins
        if origins:
            self.app.add_middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=("GET", "POST"),
                allow_headers=("authorization", "content-type", "x-request-id"),
                expose_headers=("x-request-id", "retry-after"),
            )
        self._openapi = self._description()

    def drain(self) -> None:
        """Say that the server is about to end, to those who ask whether it is ready."""
        self._draining = True

    def _add_routes(self) -> None:
        self._add("POST", "/batch", BatchRoute(self._house))
        self._add("GET", "/health", self._health, public=True)
        notes = RenderNotes()
        self._add("POST", "/v1/render", ClipRoute(self._house, notes))
        self._add("GET", "/v1/renders/{request_id}", notes.answer)
        self._add("GET", "/v1/avatars", self._avatars)
        self._add("GET", "/v1/avatars/{name}", self._avatar)
        self._add("GET", "/v1/avatars/{name}/poster", self._poster)
        self._add("GET", "/v1/status", self._status)
        self._add("GET", "/livez", self._live, public=True)
        self._add("GET", "/readyz", self._ready, public=True)
        # Names of models and the load are no stranger's business; Prometheus can send a token.
        self._add("GET", "/metrics", self._metrics)
        self._add("GET", "/openapi.json", self._schema)
        self._add("GET", "/docs", self._docs)
        page = PageRoute()
        self._add_route("GET", "/", page, include_in_schema=False)
        self._add_route("GET", "/web/{name}", page, include_in_schema=False)
        self.app.routes.append(WebSocketRoute(LIVE_PATH, LiveRoute(self._house).answer))

    def _add(self, method: str, path: str, handler: Handler, *, public: bool = False) -> None:
        named = f"{method} {path}"
        told = DOCUMENTATION[named]
        if self._house.desk.asks_tokens:
            lock: list[dict[str, list[str]]] = [] if public else [{_TOKEN: []}]
            told = {**told, "openapi_extra": {**told.get("openapi_extra", {}), "security": lock}}

        self._add_route(
            method,
            path,
            handler,
            public=public,
            operation_id=named.lower().translate(_TO_NAME),
            **told,
        )

    def _add_route(
        self, method: str, path: str, handler: Handler, *, public: bool = True, **told: Any
    ) -> None:
        async def respond() -> Response:
            return Reply(self._house.desk, self._pool, f"{method} {path}", handler, public=public)

        self.app.add_api_route(path, respond, methods=[method], response_class=Response, **told)
        if method == "GET":  # the same without the body, which load balancers ask for
            self.app.add_api_route(path, respond, methods=["HEAD"], include_in_schema=False)

    def _description(self) -> dict[str, Any]:
        """Write the description in OpenAPI, with what its operations refer to."""
        components: dict[str, Any] = {"schemas": SCHEMAS}
        if self._house.desk.asks_tokens:
            components["securitySchemes"] = {_TOKEN: {"type": "http", "scheme": "bearer"}}
        return {**self.app.openapi(), "components": components}

    async def _refuse(self, request: Request, error: Exception) -> Response:
        """Answer what leads nowhere."""
        assert isinstance(error, HTTPException)
        path = request.scope["path"][:_PATH_SHOWN_MAX]
        fault: VisemeError
        if error.status_code == 405:
            allow = (error.headers or {}).get("allow", "") or (error.headers or {}).get("Allow", "")
            fault = MethodError(f"{path} answers {allow}, not {request.method}.", allow=allow)
        else:
            fault = NotThereError(f"There is nothing at {path!r}; /docs lists what there is.")

        async def fail(_: Call) -> None:
            raise fault

        return Reply(self._house.desk, self._pool, _OTHER, fail)

    async def _health(self, call: Call) -> None:
        model = self._house.cast.tensors.report.model
        await call.answer_json({"status": "healthy", "model": str(model)})

    async def _live(self, call: Call) -> None:
        await call.answer_json({"status": "alive"})

    async def _ready(self, call: Call) -> None:
        if self._draining or self._house.desk.admission.draining:
            raise UnavailableError("The server is stopping; send requests to another, or later.")
        await call.answer_json({"status": "ready"})

    async def _metrics(self, call: Call) -> None:
        await call.answer(self._house.desk.metrics.text(), media_type=CONTENT_TYPE)

    async def _status(self, call: Call) -> None:
        now = self._house.desk.metrics.now()
        held = self._house.desk.admission.held
        await call.answer_json(
            {
                "frames_per_second": round(now.frames_per_s, 2),
                "live_streams": now.streams,
                "live_streams_free": now.streams_free,
                "requests": held.requests,
                "clips": held.clips,
            }
        )

    async def _avatars(self, call: Call) -> None:
        with call.visit.admit():
            cast = self._house.cast
            names = cast.report.avatars
            await call.answer_json({"avatars": [_described(n, cast.avatar(n)) for n in names]})

    async def _avatar(self, call: Call) -> None:
        with call.visit.admit():
            name = call.path_params["name"]
            await call.answer_json(_described(name, self._house.cast.avatar(name)))

    async def _poster(self, call: Call) -> None:
        with call.visit.admit():
            poster = await call.on_thread(self._poster_of, call.path_params["name"])
            # To be asked for each time, since an avatar may have changed with the server.
            headers = {"etag": poster.tag, "cache-control": "no-cache"}
            named = call.headers.get("if-none-match", "").split(",")
            # What passes through a proxy that packs may come back as a weak tag.
            wanted = [tag.strip().removeprefix("W/") for tag in named]
            if poster.tag in wanted or "*" in wanted:
                await call.answer(b"", status=304, media_type="image/jpeg", headers=headers)
            else:
                await call.answer(poster.data, media_type="image/jpeg", headers=headers)

    def _poster_of(self, name: str) -> _Poster:
        """Make a picture of an avatar, once; there are no more of them than avatars."""
        avatar = self._house.cast.avatar(name)
        with self._poster_lock:
            if name not in self._posters:
                data = encode_picture(avatar.frame(0), PictureFormat.JPEG)
                self._posters[name] = _Poster(data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
            return self._posters[name]

    async def _schema(self, call: Call) -> None:
        await call.answer_json(self._openapi)

    async def _docs(self, call: Call) -> None:
        # Nothing but what is on the page may be loaded or run, whatever gets into it.
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        text = page(self._openapi).encode()
        await call.answer(text, media_type="text/html; charset=utf-8", headers=policy)


_TO_NAME = str.maketrans({" ": "_", "/": "_", "{": None, "}": None, ".": "_"})


def _described(name: str, avatar: Avatar) -> dict[str, object]:
    """Tell of an avatar what gRPC's Avatar tells."""
    width, height = avatar.size
    return {
        "name": name,
        "title": avatar.title,
        "width": width,
        "height": height,
        "frame_rate_hz": FRAME_RATE_HZ,
        "frame_count": avatar.frame_count,
        "licence": avatar.manifest.licence,
        "credits": avatar.manifest.credits,
        "poster": f"/v1/avatars/{quote(name)}/poster",
    }
