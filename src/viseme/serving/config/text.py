"""Writes a configuration as TOML that reads back to the same."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from viseme.serving.config.keys import section_of
from viseme.serving.config.model import ServerConfig
from viseme.serving.config.values import Address

__all__ = ["print_config"]

_COLUMNS = 98


def print_config(config: ServerConfig) -> str:
    """Write every key with what it means, as TOML that `load_config` reads back to an equal one.

    A key that is not set stands there as a comment. Secrets are not part of a configuration, so
    there are none to be printed.
    """
    lines = _keys(config)
    for name, field in type(config).model_fields.items():
        section = section_of(field)
        if section is not None:
            lines += [*_comment(section.__doc__ or ""), f"[{name}]", *_keys(getattr(config, name))]
    return "\n".join(lines).rstrip() + "\n"


def _keys(section: BaseModel) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        if section_of(field) is None:
            lines += [*_comment(_meaning(field)), _line(name, getattr(section, name))]
    return [*lines, ""]


def _meaning(field: FieldInfo) -> str:
    return field.description or ""


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _COLUMNS)]


def _line(name: str, value: object) -> str:
    return f"# {name} is not set" if value is None else f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    """Write a value that a configuration may have."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str() | Path() | Address():
            return _quoted(str(value))
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case Mapping():
            return _table({_quoted(str(name)): entry for name, entry in value.items()})
        case BaseModel():
            return _table({name: entry for name, entry in value if entry is not None})
        case _:
            raise TypeError(f"a configuration has no values of the type {type(value).__name__}")


def _table(entries: Mapping[str, object]) -> str:
    inside = ", ".join(f"{name} = {_toml(entry)}" for name, entry in entries.items())
    return f"{{ {inside} }}" if inside else "{}"


def _quoted(text: str) -> str:
    """Write a basic string: JSON's, but for the one control character that JSON lets through."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
