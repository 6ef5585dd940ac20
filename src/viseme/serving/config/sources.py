"""Where a configuration comes from: a file, then the environment, then the command line.

Every source becomes the same thing, a value for each key's path with the place where it was given,
so overriding is taking the later one, and an error can name its source. Keys are checked here,
where their source is known; values by the model.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from viseme.errors import ConfigError
from viseme.serving.config.faults import Given, Location, Values, begun, fault_of, unknown_key
from viseme.serving.config.keys import KeyPath, dotted, find_key, section_of
from viseme.serving.config.model import ServerConfig
from viseme.serving.config.values import Anchor
from viseme.serving.files import read_bounded

__all__ = ["PREFIX", "load_config"]

PREFIX: Final = "VISEME_SERVE_"
"""What the names of environment variables begin with: `VISEME_SERVE_LIMITS__STREAMS`."""

_MAX_FILE_BYTES = 2**20


def load_config(
    *,
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> ServerConfig:
    """Make a configuration of its sources, each overriding the one before, key by key.

    Args:
        file: a TOML file. Relative paths in it count from its folder.
        environment: such as `os.environ`; variables that begin with `VISEME_SERVE_` are keys, with
            two underscores for the dot. Lists are separated by commas, tables are JSON, and an
            empty text unsets a key that need not be set. None reads no variables.
        overrides: what the command line says, by dotted key; those that are None were not given.

    Raises:
        ConfigError: a key is unknown or a value does not fit; says which, where, what was got and
            what was expected. Or the file cannot be read.
    """
    values = {
        **(_from_file(Path(file)) if file is not None else {}),
        **_from_environment(environment or {}),
        **_from_overrides(overrides or {}),
    }
    try:
        return ServerConfig.model_validate(_nested(values))
    except ValidationError as error:
        raise fault_of(error, values) from None  # pydantic's own text would repeat the values


def _from_file(path: Path) -> Values:
    try:
        document = tomllib.loads(read_bounded(path, "configuration", _MAX_FILE_BYTES).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"The configuration {path} is not UTF-8; save it so.") from error
    except (ValueError, RecursionError) as error:  # a number of too many digits is a ValueError
        fault = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"The configuration {path} is not TOML: {fault}.") from error

    def named(location: Location) -> str:
        return f"{dotted(location)} in {path}"

    folder = path.absolute().parent
    return {
        key: Given(_anchored(_field(key, named), value, folder), named)
        for key, value in _flat(document, (), named).items()
    }


def _flat(
    document: Mapping[str, Any], above: KeyPath, named: Callable[[Location], str]
) -> dict[KeyPath, object]:
    """Go through a file's tables down to the keys that have a value."""
    flat: dict[KeyPath, object] = {}
    for name, value in document.items():
        path = (*above, name)
        field = find_key(path)
        if field is None:
            raise unknown_key(named(path), path)
        if section_of(field) is not None and isinstance(value, dict):
            flat |= _flat(value, path, named)
        else:
            flat[path] = value
    return flat


def _from_environment(environment: Mapping[str, str]) -> Values:
    values = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX)
        named = _always(f"the environment variable {variable}")
        if key != key.upper():
            raise unknown_key(named(()), tuple(key.lower().split("__")))
        path = tuple(key.lower().split("__"))
        field = _field(path, named)
        values[path] = Given(_from_text(field, environment[variable], named), named)
    return values


def _from_overrides(overrides: Mapping[str, object]) -> Values:
    values = {}
    for key, value in overrides.items():
        if value is None:
            continue
        named = _always(f"{key} on the command line")
        path = tuple(key.split("."))
        field = _field(path, named)
        text = isinstance(value, str)
        values[path] = Given(_from_text(field, str(value), named) if text else value, named)
    return values


def _always(name: str) -> Callable[[Location], str]:
    return lambda _location: name


def _field(path: KeyPath, named: Callable[[Location], str]) -> FieldInfo:
    """Find the field of a key that has a value.

    Raises:
        ConfigError: there is no such key, or it is a section.
    """
    field = find_key(path)
    if field is None:
        raise unknown_key(named(path), path)
    if section_of(field) is not None:
        raise ConfigError(f"{begun(named(path))} is a section; set the keys in it instead.")
    return field


def _anchored(field: FieldInfo, value: object, folder: Path) -> object:
    for mark in field.metadata:
        if isinstance(mark, Anchor):
            return mark.apply(value, folder)
    return value


def _from_text(field: FieldInfo, text: str, named: Callable[[Location], str]) -> object:
    """Read lists and tables out of a text; the model reads everything else."""
    kind = get_origin(field.annotation)
    if kind is tuple:
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    if kind is Mapping:
        try:
            return json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{begun(named(()))} is not JSON; write a table such as "
                '{"name": {"requests": 4}}.'
            ) from error
    return text


def _nested(values: Values) -> dict[str, Any]:
    """Put the values in tables, as the model has them."""
    document: dict[str, Any] = {}
    for path, given in values.items():
        table = document
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = given.value
    return document
