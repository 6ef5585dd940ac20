"""Fixtures of files that share a house: `pytest_plugins = ["support.house_fixtures"]`.

They are not in `conftest.py`, for whoever runs another file need not load a web server. A file
says what is behind the door: the `folders` of avatars, or a `house` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.house import OpenHouse, open_house
from support.http_service import Service, http_service


@pytest.fixture(scope="module")
def house(folders: list[Path]) -> Iterator[OpenHouse]:
    """Open a house of a file's avatars, whose every thread runs."""
    with open_house(*folders) as house:
        for avatar in house.cast.avatars:
            avatar.frame(0)  # starts its thread, which lives as long as the avatar is open
        yield house


@pytest.fixture
def service(house: OpenHouse) -> Iterator[Service]:
    """Open the HTTP door of the house, for one test."""
    with http_service(house) as service:
        yield service
