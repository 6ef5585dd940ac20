"""What a command ends with: a result, a sentence about an error, and an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from viseme.errors import VisemeError, VisemeWarning

__all__ = ["INTERRUPTED", "Reporter", "Stopped", "say", "show_json"]

INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell gives for a program that SIGPIPE has ended
_UNEXPECTED = 1
_WRONG_COMMAND_LINE = 2


def say(sentence: str) -> None:
    """Tell the person at the terminal something; results go to standard output instead.

    It is written in one piece, since a warning may come from another thread meanwhile.
    """
    print(f"{sentence}\n", end="", file=sys.stderr, flush=True)


def show_json(value: Any) -> None:
    """Print one JSON object to standard output, in one line."""
    print(json.dumps(value, ensure_ascii=False, default=str))


class Stopped(BaseException):
    """Carries what stopped a command past Typer, which would deal with it in its own way."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class Reporter:
    """Turns exceptions into one sentence on standard error and an exit code.

    With `--json` among the arguments the error is also one JSON object on standard output, and
    with `--debug` the traceback comes along. Both are looked up here and not where the options
    are parsed, since parsing can fail as well.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._json = "--json" in arguments
        self._debug = "--debug" in arguments
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> Self:
        self._warnings.__enter__()
        if not self._debug:
            warnings.simplefilter("ignore")  # other libraries' affairs
        warnings.simplefilter("always", VisemeWarning)
        warnings.showwarning = _show_warning
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._warnings.__exit__(None, None, None)
        if isinstance(error, Stopped):
            error = error.cause
        if isinstance(error, SystemExit):
            if self._json and error.code == _WRONG_COMMAND_LINE:  # Typer has said what is wrong
                show_json(_error("UsageError", "The command line is wrong.", _WRONG_COMMAND_LINE))
            error = _flushed() or error
            if not isinstance(error, BrokenPipeError):
                return
        if error is None:
            error = _flushed()
        if error is not None:
            sys.exit(self._code(error))

    def _code(self, error: BaseException) -> int:
        """Report an error and return what to exit with."""
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has gone; Python would complain of it once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE
        if self._debug:
            traceback.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            return self._report("Interrupted", "Interrupted; nothing was written.", INTERRUPTED)
        if isinstance(error, VisemeError):
            return self._report(type(error).__name__, str(error), error.exit_code)
        sentence = (
            f"Something went wrong that viseme did not expect ({type(error).__name__}: {error}); "
            "run it again with --debug and report what it says."
        )
        return self._report(type(error).__name__, sentence, _UNEXPECTED)

    def _report(self, kind: str, sentence: str, code: int) -> int:
        say(sentence if code == INTERRUPTED else f"Error: {sentence}")
        if self._json:
            show_json(_error(kind, sentence, code))
        return code


def _error(kind: str, sentence: str, code: int) -> dict[str, Any]:
    return {"error": {"type": kind, "message": sentence, "exit_code": code}}


def _flushed() -> BrokenPipeError | None:
    """Write out what is left of standard output, while a broken pipe can still be reported."""
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        return error
    return None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of ours as one line, and another's as Python does."""
    if issubclass(category, VisemeWarning):
        say(f"Warning: {message}")
    else:
        say(warnings.formatwarning(message, category, filename, lineno, line).rstrip())
