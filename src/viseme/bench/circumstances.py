"""Where, when and with what something was measured."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from viseme._version import __version__
from viseme.engine.machine import available_cores, cpu_model, gpu_models

__all__ = ["circumstances", "circumstances_words"]


def circumstances(bench: str, options: dict[str, Any], packages: Sequence[str]) -> dict[str, Any]:
    """Tell what was measured, on what machine and with which versions of what.

    Args:
        bench: the measurement's name.
        options: what was asked for.
        packages: whose versions count; those that are not installed are left out.
    """
    machine = {"cpu": cpu_model(), "cores": available_cores()}
    versions = {"viseme": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "bench": bench,
        "command": shlex.join(["viseme", *sys.argv[1:]]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine | ({"gpus": gpus} if (gpus := gpu_models()) else {}),
        "versions": versions,
        "options": options,
    }


def circumstances_words(figures: Mapping[str, Any]) -> str:
    """Say on what machine, when and with what the figures of a measurement were found."""
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    machine = figures["machine"]
    gpus = "".join(f", {name}" for name in machine.get("gpus", ()))
    where = f"{machine['cores']} cores of {machine['cpu']}{gpus}, {figures['time'][:10]}"
    # Where a server ran the network it is the server that knows in what.
    ran = figures["works"] if "works" in figures else figures["server"].get("networks", ())
    backends = dict.fromkeys(each["backend"] for each in ran if "backend" in each)
    return f"{where}; {versions}{'; in ' * bool(backends)}{' and '.join(backends)}."
