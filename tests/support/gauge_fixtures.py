"""A browser with pages whose figures are taken, and a folder with what they ask for.

For the files that import them: so they take the place of the plugin's of the same names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.page import BROWSER_ARGUMENTS
from support.page_gauge import gauged_page, make_folder

__all__ = ["browser", "folder", "page"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    # The microphone hears the bursts again and again; pages may be heard without a click.
    arguments = [
        *BROWSER_ARGUMENTS,
        "--autoplay-policy=no-user-gesture-required",
        f"--use-file-for-fake-audio-capture={folder / 'bursts.wav'}",
    ]
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    with gauged_page(browser, folder) as gauged:
        yield gauged
