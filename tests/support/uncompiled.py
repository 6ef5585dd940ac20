"""In numba's place: librosa has it compile, for half a minute, what no test of ours calls."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["UncompiledNumba"]


class UncompiledNumba(ModuleType):
    """A numba whose decorators leave functions as they are."""

    def __getattr__(self, name: str) -> Any:
        """Give a decorator, whatever its name."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _as_it_is


def _as_it_is(*given: Any, **_: Any) -> Any:
    """Stand for `@jit` as well as for `@jit(…)`."""
    return given[0] if len(given) == 1 and callable(given[0]) else _as_it_is
