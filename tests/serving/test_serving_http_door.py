"""The HTTP door over real sockets: every path, who may come in, and how it opens and closes."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from support.certificates import Authority
from support.house import TOKENS, OpenHouse, open_house, serving
from support.http_service import Answer, Service, answer_of, check_refused, http_service
from support.played_network import PATIENCE_S
from support.tiny_avatar import make_avatar, picture
from viseme.errors import ConfigError
from viseme.serving.config import TlsConfig
from viseme.serving.doors.http_door import HttpDoor
from viseme.serving.pictures import PictureFormat, encode_picture
from viseme.serving.tls import load_tls

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

PUBLIC = ["/health", "/livez", "/readyz"]
PRIVATE = [
    "/v1/avatars",
    "/v1/avatars/anna",
    "/v1/avatars/anna/poster",
    "/v1/status",
    "/metrics",
    "/openapi.json",
    "/docs",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("avatars")
    return [make_avatar(base / "anna"), make_avatar(base / "berta", size=(401, 361))]


def test_health_is_as_it_was(service: Service, folders: list[Path]) -> None:
    answer = service("GET", "/health")
    assert answer.status == 200
    model = str(folders[0] / "generator.onnx")
    assert json.loads(answer.body) == {"status": "healthy", "model": model}


def test_alive_and_ready_until_the_server_is_about_to_end(service: Service) -> None:
    assert service("GET", "/livez").json == {"status": "alive"}
    assert service("GET", "/readyz").json == {"status": "ready"}
    service.door.drain()
    check_refused(
        answer := service("GET", "/readyz"),
        503,
        "The server is stopping; send requests to another, or later.",
    )
    assert answer.headers["retry-after"] == "5"
    assert service("GET", "/livez").status == 200


@pytest.mark.parametrize("path", [*PUBLIC, *PRIVATE])
def test_the_head_of_an_answer_can_be_had_alone(service: Service, path: str) -> None:
    whole, head = service("GET", path), service("HEAD", path)
    assert (head.status, head.body) == (whole.status, b"")
    for name in ("content-type", "etag", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name)
    if path != "/metrics":  # which counts what is asked
        assert head.headers["content-length"] == str(len(whole.body))


def test_avatars_are_described(service: Service) -> None:
    anna = {
        "name": "anna",
        "title": "Tiny",
        "width": 400,
        "height": 360,
        "frame_rate_hz": 25,
        "frame_count": 7,
        "licence": "",
        "credits": "",
        "poster": "/v1/avatars/anna/poster",
    }
    berta = {**anna, "name": "berta", "width": 401, "height": 361}
    berta["poster"] = "/v1/avatars/berta/poster"
    assert service("GET", "/v1/avatars").json == {"avatars": [anna, berta]}
    assert service("GET", "/v1/avatars/berta").json == berta


@pytest.mark.parametrize("path", ["/v1/avatars/clara", "/v1/avatars/clara/poster"])
def test_an_avatar_that_is_not_there(service: Service, path: str) -> None:
    answer = service("GET", path)
    check_refused(answer, 404, "There is no avatar 'clara' here; there are: anna, berta.")


def test_a_poster_is_the_first_frame_and_is_not_sent_twice(service: Service) -> None:
    answer = service("GET", "/v1/avatars/anna/poster")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.body == encode_picture(picture(0), PictureFormat.JPEG)
    tag = answer.headers["etag"]
    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    for tags in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = service("GET", "/v1/avatars/anna/poster", headers={"If-None-Match": tags})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    other = service("GET", "/v1/avatars/berta/poster", headers={"If-None-Match": tag})
    assert other.status == 200


def test_status_and_metrics(service: Service) -> None:
    assert service("GET", "/v1/status").json == {
        "frames_per_second": 0.0,
        "live_streams": 0,
        "live_streams_free": 0,
        "requests": 0,
        "clips": 0,
    }
    answer = service("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.body.decode().splitlines()
    counted = 'viseme_requests_total{code="OK",door="http",method="GET /v1/status"}'
    assert any(line.startswith(counted) for line in lines)


def test_paths_that_lead_nowhere_are_counted_as_one(service: Service) -> None:
    for path in ("/index.html", "/v1", "/v1/avatars/", "/batch/", "/x" * 100, "/v1/avatars/a/b"):
        shown = path[:80]
        check_refused(
            service("GET", path),
            404,
            f"There is nothing at {shown!r}; /docs lists what there is.",
        )
    lines = service("GET", "/metrics").body.decode().splitlines()
    assert not any("/x/x" in line for line in lines)
    counted = 'viseme_requests_total{code="NOT_FOUND",door="http",method="other"}'
    assert any(line.startswith(counted) for line in lines)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/batch", "POST"), ("DELETE", "/v1/avatars", "GET"), ("PUT", "/v1/render", "POST")],
)
def test_a_wrong_method(service: Service, method: str, path: str, allow: str) -> None:
    answer = service(method, path)
    check_refused(answer, 405, f"{path} answers {allow}, not {method}.")
    assert answer.headers["allow"] == allow


def test_a_request_has_the_id_that_it_came_with(service: Service) -> None:
    wanted = service("GET", "/livez", headers={"X-Request-Id": "my-id.1"})
    assert wanted.headers["x-request-id"] == "my-id.1"
    for bad in ("", "a b", "x" * 65, "é"):
        made = service("GET", "/livez", headers={"X-Request-Id": bad.encode().decode("latin-1")})
        assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


def test_the_description_is_whole_and_loads_nothing(service: Service) -> None:
    schema = service("GET", "/openapi.json").json
    assert schema["openapi"].startswith("3.")
    paths = {f"{method} {path}" for path, told in schema["paths"].items() for method in told}
    assert paths == {
        "post /batch",
        "get /health",
        "post /v1/render",
        "get /v1/renders/{request_id}",
        "get /v1/avatars",
        "get /v1/avatars/{name}",
        "get /v1/avatars/{name}/poster",
        "get /v1/status",
        "get /livez",
        "get /readyz",
        "get /metrics",
        "get /openapi.json",
        "get /docs",
    }
    render = schema["paths"]["/v1/render"]["post"]
    assert [told["name"] for told in render["parameters"]] == ["avatar", "format", "start_frame"]
    assert "securitySchemes" not in schema["components"]
    answer = service("GET", "/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = answer.body.decode()
    assert all(path in page for path in schema["paths"])
    assert "<script" not in page
    assert not re.search("(src|href)=.?(https?:)?//", page)


def test_the_description_says_where_a_token_is_asked_for(folders: list[Path]) -> None:
    with open_house(folders[0], tokens=TOKENS) as house, http_service(house) as service:
        good = {"Authorization": f"Bearer {TOKENS['anna']}"}
        schema = service("GET", "/openapi.json", headers=good).json
    schemes = schema["components"]["securitySchemes"]
    assert schemes == {"token": {"type": "http", "scheme": "bearer"}}
    open_paths = [
        path
        for path, told in schema["paths"].items()
        for operation in told.values()
        if operation["security"] != [{"token": []}]
    ]
    assert sorted(open_paths) == PUBLIC


def test_the_description_takes_the_sound_that_the_server_takes(service: Service) -> None:
    schema = service("GET", "/openapi.json").json
    kinds = schema["paths"]["/v1/render"]["post"]["requestBody"]["content"]
    answer = service("POST", "/v1/render", b"", {"Content-Type": "text/plain"})
    assert answer.status == 415
    assert f"send Content-Type {' or '.join(kinds)}, and" in answer.json["error"]


def test_a_token_is_asked_for_but_for_health(folders: list[Path]) -> None:
    with open_house(folders[0], tokens=TOKENS) as house, http_service(house) as service:
        good = {"Authorization": f"Bearer {TOKENS['anna']}"}
        for path in PUBLIC:
            assert service("GET", path).status == 200
        for path in PRIVATE:
            for wrong in ({}, {"Authorization": "Bearer wrong-token-of-nobody"}):
                answer = service("GET", path, headers=wrong)
                check_refused(
                    answer,
                    401,
                    "The token is missing or wrong; send 'Authorization: Bearer …'.",
                )
                assert answer.headers["www-authenticate"] == "Bearer"
            assert service("GET", path, headers=good).status == 200
        for path in ("/batch", "/v1/render", "/nothing"):
            assert service("POST", path, b"").status == 401
        assert service("POST", "/nothing", b"", good).status == 404


def test_over_a_limit_is_refused_at_once_with_a_time(folders: list[Path]) -> None:
    config = serving(limits={"requests": 1})
    with open_house(folders[0], config=config) as house, http_service(house) as service:
        with house.desk.admission.request():
            answer = service("GET", "/v1/avatars")
            check_refused(
                answer, 429, "The server is busy: 1 of 1 requests are taken; try again in 1 s."
            )
            assert answer.headers["retry-after"] == "1"
            assert service("GET", "/livez").status == 200
        assert service("GET", "/v1/avatars").status == 200
        house.desk.admission.drain()
        answer = service("GET", "/v1/avatars")
        check_refused(answer, 503, "The server is stopping; send the request to another, or later.")
        assert answer.headers["retry-after"] == "5"
        assert service("GET", "/readyz").status == 503


@pytest.mark.parametrize(
    ("origins", "origin", "let_in"),
    [
        ((), "https://example.org", None),
        (("https://example.org",), "https://example.org", "https://example.org"),
        (("https://example.org",), "https://example.com", None),
        (("*",), "https://example.com", "*"),
    ],
)
def test_other_origins_are_shut_out_unless_named(
    folders: list[Path], origins: tuple[str, ...], origin: str, let_in: str | None
) -> None:
    config = serving(cors={"origins": origins})
    with open_house(folders[0], config=config) as house, http_service(house) as service:
        answer = service("GET", "/livez", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == let_in
        ask = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = service("OPTIONS", "/v1/render", headers=ask)
        assert answer.headers.get("access-control-allow-origin") == let_in
        assert (answer.status == 200) == (let_in is not None)


def test_tls_and_certificates_of_clients(folders: list[Path], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, client = authority.issue("server"), authority.issue("client")
    tls = load_tls(TlsConfig(certificate=pair.certificate, key=pair.key, client_ca=authority.file))
    with open_house(folders[0]) as house, http_service(house, tls=tls) as service:
        stranger = ssl.create_default_context(cafile=str(authority.file))
        with pytest.raises(OSError, match=r"(?i)required|reset|EOF|closed"):
            asked_over(stranger, service)
        known = ssl.create_default_context(cafile=str(authority.file))
        known.load_cert_chain(client.certificate, client.key)
        assert asked_over(known, service).status == 200


def asked_over(context: ssl.SSLContext, service: Service) -> Answer:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", service.address.port, timeout=PATIENCE_S, context=context
    )
    try:
        connection.request("GET", "/livez")
        return answer_of(connection.getresponse())
    finally:
        connection.close()


def test_many_on_one_connection(service: Service) -> None:
    connection = service.connect()
    for _ in range(3):
        connection.request("GET", "/livez")
        assert answer_of(connection.getresponse()).status == 200
    connection.close()
    asked = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert service.say(asked + asked + last).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("192.0.2.1:8080", "192.0.2.1:8080 is no address of this machine; "),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080 is no address of this machine; "),
        ("no.such.host.invalid:8080", "no.such.host.invalid:8080 is no address of this machine; "),
    ],
)
def test_an_address_of_another_machine(wanted: str, sentence: str) -> None:
    config = serving(listen={"http": wanted})
    with pytest.raises(ConfigError) as caught:
        HttpDoor(config).bind()
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith("choose another listen.http.")


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError) as caught:
            HttpDoor(serving(listen={"http": address})).bind()
    assert str(caught.value) == (
        f"{address} is taken by another program; choose another listen.http."
    )


def test_an_address_that_is_taken_before_the_door_opens(house: OpenHouse) -> None:
    first = HttpDoor(serving())
    address = first.bind()["http"]
    second = HttpDoor(serving(listen={"http": str(address)}))
    assert second.bind() == {"http": address}  # nobody listens yet
    first.open(house)
    try:
        with pytest.raises(ConfigError) as caught:
            second.open(house)
        assert str(caught.value) == (
            f"{address} is taken by another program; choose another listen.http."
        )
    finally:
        second.close(0)
        first.close(0)
    first.close(0)


def test_nobody_is_let_in_before_it_opens(house: OpenHouse) -> None:
    door = HttpDoor(serving())
    address = door.bind()["http"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port), PATIENCE_S)
    door.close(0)
    with socket.create_server((address.host, address.port)):
        pass  # the address is free again


def test_what_runs_may_finish_within_the_grace(house: OpenHouse) -> None:
    with http_service(house, grace_s=PATIENCE_S) as service:
        line = service.line()
        body = json.dumps({"batch_size": 0}).encode()
        head = b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        while not house.desk.admission.held.requests:
            pass
        closing = threading.Thread(target=service.door.close, args=[PATIENCE_S])
        closing.start()
        line.sendall(body[5:])
        with line:
            answer = b"".join(iter(lambda: line.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
        closing.join(PATIENCE_S)
        assert not closing.is_alive()


def test_what_runs_longer_is_ended(house: OpenHouse) -> None:
    with http_service(house) as service:
        line = service.line()
        head = b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(head + b"Content-Length: 100\r\n\r\n{")
        while not house.desk.admission.held.requests:
            pass
        service.door.close(0)
        with line:
            answer = b"".join(iter(lambda: line.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"The server is stopping; send the request to another, or later." in answer
    assert house.desk.admission.held.requests == 0
