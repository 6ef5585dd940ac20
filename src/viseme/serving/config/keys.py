"""The keys of the model: finding one by its path, and saying which was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from viseme.serving.config.model import ServerConfig

__all__ = ["KeyPath", "dotted", "find_key", "keys", "nearest", "section_of"]

KeyPath = tuple[str, ...]


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as people do: `limits.streams`."""
    return ".".join(map(str, path))


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Give the model of a section, or None for a key that has a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def keys(section: type[BaseModel] = ServerConfig) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Go through all keys that have a value, in the order of the model."""
    for name, field in section.model_fields.items():
        inner = section_of(field)
        if inner is None:
            yield (name,), field
        else:
            yield from (((name, *path), below) for path, below in keys(inner))


def find_key(path: KeyPath) -> FieldInfo | None:
    """Give the field of a key or section; None where there is no such key."""
    section: type[BaseModel] | None = ServerConfig
    field = None
    for name in path:
        field = None if section is None else section.model_fields.get(name)
        if field is None:
            return None
        section = section_of(field)
    return field


def nearest(path: tuple[str | int, ...]) -> str | None:
    """Guess which key was meant by one that there is not."""
    known = {dotted(known): known for known, _ in keys()}
    close = difflib.get_close_matches(dotted(path), known, n=1, cutoff=0.75)
    if close:
        return close[0]
    same_name = [name for name, known_path in known.items() if known_path[-1] == path[-1]]
    return same_name[0] if len(same_name) == 1 else None
