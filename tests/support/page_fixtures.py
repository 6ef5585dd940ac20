"""A browser, pages in it, and a folder in which a server has what they ask for.

For the files that say `pytest_plugins = ["support.page_fixtures"]`; what their tests do with these
is in `support.page`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from support.page import BROWSER_ARGUMENTS, PATIENCE_MS, SECONDS, server
from support.probes import window_painter
from support.speech import babble
from support.tiny_avatar import make_avatar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server runs, and the sound that is spoken is."""
    base = tmp_path_factory.mktemp("page")
    make_avatar(base / "avatars" / "tiny", generator=window_painter)
    soundfile.write(base / "speech.wav", babble(SECONDS, 48_000), 48_000)
    return base


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The page of a server that all may share who do not end it."""
    with server(folder, 0) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own, of which nothing went wrong at the end."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 900}, permissions=["microphone"]
    )
    faults: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []
