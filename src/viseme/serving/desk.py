"""Where every request passes, whatever its door: named, let in, counted and written down."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal

from viseme.errors import AuthError, VisemeError
from viseme.serving.limits import Admission, Guest
from viseme.serving.logs import access, event, request_context
from viseme.serving.metrics import Metrics
from viseme.serving.tokens import Tokens
from viseme.serving.tracing import Tracer

__all__ = ["CANCELLED", "OK", "Desk", "Visit"]

_log = logging.getLogger(__name__)

OK: Final = "OK"
CANCELLED: Final = "CANCELLED"
"""The code of a request whose client went away before it was answered."""
_UNFORESEEN = "The server failed in a way that was not foreseen; its log has request {id}."


class Visit:
    """One request, from its beginning to the end of its answer.

    A door writes down what it knows: `code`, if it is not `OK`, and `fields` for the log. What
    costs something it does within `admit`.
    """

    def __init__(self, admission: Admission, request_id: str, caller: str | None) -> None:
        self._admission = admission
        self.request_id = request_id
        """To be given to the client."""
        self.caller = caller
        """The name of the token that it came with; None where tokens are not asked for."""
        self.code = OK
        self.fields: dict[str, object] = {}

    def admit(
        self, *, frames: int = 0, request_bytes: int = 0, streams: int = 0, clips: int = 0
    ) -> AbstractContextManager[Guest]:
        """Let the request in for as long as the `with` statement lasts; see `Admission.request`.

        Raises:
            OverloadedError, UnavailableError, InputError: as there.
        """
        return self._admission.request(
            frames=frames,
            request_bytes=request_bytes,
            streams=streams,
            clips=clips,
            caller=self.caller,
        )


class Desk:
    """Receives every request of every door; for any thread, and for tasks of asyncio.

    Args:
        admission: lets in what fits.
        tokens: who is let in; None where everyone is.
        metrics: counts.
        tracer: makes a span of each; None where nothing is traced.
    """

    def __init__(
        self,
        admission: Admission,
        tokens: Tokens | None,
        metrics: Metrics,
        tracer: Tracer | None = None,
    ) -> None:
        self.admission = admission
        self.metrics = metrics
        self._tokens = tokens
        self._tracer = tracer

    @property
    def asks_tokens(self) -> bool:
        """Whether a request needs a token, unless it is public."""
        return self._tokens is not None

    @contextmanager
    def visit(
        self,
        door: Literal["grpc", "http"],
        method: str,
        *,
        authorization: str | None = None,
        wanted_id: str | None = None,
        traceparent: str | None = None,
        public: bool = False,
    ) -> Iterator[Visit]:
        """Receive a request for as long as the `with` statement lasts.

        Whatever is raised within is counted and logged, and raised on for the door to answer; what
        nobody foresaw is logged with its traceback and raised as a `VisemeError` that says so and
        nothing else.

        Args:
            door: which it came through.
            method: what is called; a name or a route, of which there are few.
            authorization: the header or the metadata of that name.
            wanted_id: the id that the client would have the request known by.
            traceparent: the header or the metadata of that name, which says what trace it is of.
            public: whether it is answered without a token, as health is.

        Raises:
            AuthError: no token, or one that nobody has.
        """
        start_s = time.monotonic()
        with request_context(wanted_id) as request_id:
            caller = self._tokens.caller(authorization) if self._tokens else None
            visit = Visit(self.admission, request_id, caller)
            span = self._tracer.began(door, method, traceparent) if self._tracer else None
            try:
                if self._tokens and caller is None and not public:
                    raise AuthError(
                        "The token is missing or wrong; send 'Authorization: Bearer …'."
                    )
                yield visit
            except VisemeError as error:
                visit.code = error.grpc_status
                raise
            except Exception as error:
                visit.code = VisemeError.grpc_status
                event(_log, "a request failed", level=logging.ERROR, error=error)
                raise VisemeError(_UNFORESEEN.format(id=request_id)) from error
            except BaseException:
                visit.code = CANCELLED
                raise
            finally:
                seconds = time.monotonic() - start_s
                self.metrics.request_done(door, method, visit.code, seconds)
                if caller is not None:
                    visit.fields.setdefault("caller", caller)
                access(door, method, visit.code, seconds, **visit.fields)
                if self._tracer:
                    told = {"request_id": request_id, **visit.fields}
                    self._tracer.answered(span, visit.code, told)
