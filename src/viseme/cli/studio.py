"""The command line's door to the studio, which is there only where its extra is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from viseme.errors import MissingExtraError

__all__ = ["studio_module"]


def studio_module(name: str, what: str) -> Any:
    """Import a module of the studio.

    Args:
        name: the module.
        what: needs it, such as "Evaluating".

    Raises:
        MissingExtraError: its libraries are not installed.
    """
    try:
        return import_module(f"viseme.studio.{name}")
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs the training extra ({error}); install it: pip install 'viseme[train]'."
        ) from error
