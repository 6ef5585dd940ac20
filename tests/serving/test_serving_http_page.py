"""`/` and `/web` over real sockets: the files of the page, and no others."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from support.http_service import Service, check_refused
from support.tiny_avatar import make_avatar

pytest_plugins = ["support.house_fixtures"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")]


def test_the_page_loads_nothing_that_is_not_there(service: Service) -> None:
    page = service("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    text = page.body.decode()
    wanted = set(re.findall(r'(?:src|href)="(/[^"]+)"', text))
    assert wanted == {"/web/style.css", "/web/page.js"}
    assert "//" not in re.sub(r"<!doctype[^>]*>", "", text)
    scripts = {"/web/page.js"}
    seen: set[str] = set()
    while scripts:
        path = scripts.pop()
        seen.add(path)
        script = service("GET", path)
        assert (script.status, script.headers["content-type"]) == (
            200,
            "text/javascript; charset=utf-8",
        )
        found = re.findall(r'(?:from|URL\()\s*"(?:\./)?(\w+\.js)"', script.body.decode())
        scripts |= {f"/web/{name}" for name in found} - seen
    shipped = (files("viseme") / "data" / "web").iterdir()
    assert seen == {f"/web/{each.name}" for each in shipped if each.name.endswith(".js")}
    assert service("GET", "/web/example.flac").body.startswith(b"fLaC")


def test_what_a_browser_has_is_not_sent_again(service: Service) -> None:
    tag = service("GET", "/web/embed.js").headers["etag"]
    again = service("GET", "/web/embed.js", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


def test_scripts_of_other_sites_may_load_the_element(service: Service) -> None:
    answer = service("GET", "/web/embed.js", headers={"Origin": "https://other.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("name", ["nothing.js", "%2e%2e%2fbundle.json", "..%2f..%2ferrors.py"])
def test_nothing_else_is_there(service: Service, name: str) -> None:
    answer = service("GET", f"/web/{name}")
    assert answer.status == 404


def test_a_load_balancer_may_ask_for_the_head(service: Service) -> None:
    answer = service("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


def test_other_methods_are_not_for_a_page(service: Service) -> None:
    check_refused(service("POST", "/"), 405, "/ answers GET, not POST.")
