"""The walls of the house: a room imports only the rooms before it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import viseme

SOURCE = Path(viseme.__file__).parent
ROOMS = [
    *("audio", "avatar", "engine", "compose", "rendering", "video"),
    *("wire", "voices", "serving", "client", "bench", "cli"),
]
OPEN_TO_ALL = {"allocator", "cache", "errors", "_version"}
# The studio makes avatars and may use every room; the command line opens its door when asked to.
MAY_USE_STUDIO = {"cli", "studio"}


def imported_rooms(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "viseme":
                names |= {f"viseme.{alias.name}" for alias in node.names}
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("viseme.")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    files = sorted((SOURCE / room).rglob("*.py"))
    assert files, f"the room {room} is gone: correct the list here and in CONTRIBUTING.md"
    allowed = {*ROOMS[: ROOMS.index(room) + 1], *OPEN_TO_ALL}
    if room in MAY_USE_STUDIO:
        allowed.add("studio")
    for path in files:
        strangers = imported_rooms(path) - allowed
        if room == "cli":  # the one room after the public names, which it may use
            strangers -= set(viseme.__all__)
        assert not strangers, f"{path.relative_to(SOURCE)} imports {sorted(strangers)}"


def test_every_folder_is_a_room_of_the_map() -> None:
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert folders == {*ROOMS, "studio"}


def test_what_is_run_first_is_where_the_makefile_looks_for_it() -> None:
    tests = Path(__file__).parent
    marks = {f"pytest.mark.{name}" for name in ("alone", "in_time", "waiting")}
    first = {
        path.parent.name
        for path in tests.rglob("test_*.py")
        if any(
            isinstance(node, ast.Attribute) and ast.unparse(node) in marks
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    }
    makefile = (tests.parent / "Makefile").read_text("utf-8")
    assert f"FIRST := {' '.join(f'tests/{name}' for name in sorted(first))}\n" in makefile


def test_the_soaks_have_what_they_ask_for() -> None:
    """They are run by hand and seldom: at least their fixtures are there when they are."""
    soaks = str(Path(__file__).parent / "soak")
    plan = [sys.executable, "-m", "pytest", "-m", "soak", "--setup-plan", "-q", soaks]
    planned = subprocess.run(plan, capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stdout
    for name in ("soak", "soak_page", "soak_render"):
        assert f"test_{name}.py::" in planned.stdout
