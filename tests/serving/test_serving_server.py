"""A server takes its addresses first, opens its doors last, and ends without breaking work off."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.probes import identity_generator
from support.tiny_avatar import make_avatar
from viseme.errors import AvatarError, ConfigError, UnavailableError
from viseme.serving.config import Address, ServerConfig
from viseme.serving.house import House
from viseme.serving.server import Server

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Doorway:
    """A door that writes down what becomes of it, on a list that several share."""

    def __init__(self, name: str, diary: list[str], *, taken: bool = False) -> None:
        self.name = name
        self.house: House | None = None
        self._diary = diary
        self._taken = taken

    def bind(self) -> Mapping[str, Address]:
        if self._taken:
            raise ConfigError(f"The address of {self.name} is taken.")
        self._diary.append(f"bind {self.name}")
        return {self.name: Address("127.0.0.1", 1)}

    def open(self, house: House) -> None:
        assert house.cast.report.generators, "what is behind a door is warm when it opens"
        self.house = house
        self._diary.append(f"open {self.name}")

    def drain(self) -> None:
        self._diary.append(f"drain {self.name}")

    def close(self, grace_s: float) -> None:
        self._diary.append(f"close {self.name}")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")


def config(*avatars: Path, grace_s: float = 30.0, model: Path | None = None) -> ServerConfig:
    return ServerConfig.model_validate(
        {
            "avatars": tuple(map(str, avatars)),
            "model": model,
            "engine": {"backend": "onnxruntime", "workers": 1, "threads": 1},
            "limits": {"grace_s": grace_s},
        }
    )


def test_doors_are_bound_before_and_opened_after_everything_else(tiny: Path) -> None:
    diary: list[str] = []
    doors = [Doorway("grpc", diary), Doorway("http", diary)]
    with Server(config(tiny), doors) as server:
        assert diary == ["bind grpc", "bind http", "open grpc", "open http"]
        assert server.report.avatars == ("tiny",)
        assert server.report.addresses == {
            name: Address("127.0.0.1", 1) for name in ("grpc", "http")
        }
        assert server.report.limits.streams is not None, "fitted to the machine"
        assert [g.warm_up.backend for g in server.report.generators] == ["onnxruntime"]
    assert diary[4:] == ["close http", "close grpc"]


def test_an_address_that_is_taken_is_told_before_anything_is_warmed_up(tiny: Path) -> None:
    diary: list[str] = []
    doors = [Doorway("grpc", diary), Doorway("http", diary, taken=True)]
    # An avatar that is not there would be the next fault, were it looked for.
    with (
        pytest.raises(ConfigError, match="address of http is taken"),
        Server(config(tiny / "nobody"), doors),
    ):
        pass
    assert diary == ["bind grpc", "close grpc"]


def test_nothing_stays_open_where_an_avatar_is_missing(tiny: Path) -> None:
    diary: list[str] = []
    with (
        pytest.raises(AvatarError, match="nobody"),
        Server(config(tiny / "nobody"), [Doorway("grpc", diary)]),
    ):
        pass
    assert diary == ["bind grpc", "close grpc"]


def test_a_bare_network_is_served_without_an_avatar(tmp_path: Path) -> None:
    model = identity_generator(tmp_path / "bare.onnx")
    with Server(config(model=model), [Doorway("grpc", [])]) as server:
        assert server.report.avatars == ()
        assert [g.model for g in server.report.generators] == [model]


def test_what_runs_may_finish_and_nothing_else_comes_in(tiny: Path) -> None:
    diary: list[str] = []
    door = Doorway("grpc", diary)
    with Server(config(tiny), [door]) as server:
        assert door.house is not None
        admission = door.house.desk.admission
        finished: list[bool] = []
        with admission.request(frames=1):
            draining = threading.Thread(
                target=lambda: finished.append(server.drain(threading.Event()))
            )
            draining.start()
            while not admission.draining:
                pass
            with pytest.raises(UnavailableError), admission.request(frames=1):
                pass
            assert diary[-1] == "drain grpc", "closed only once what runs has finished"
        draining.join()
        assert finished == [True]
        assert diary[-2:] == ["drain grpc", "close grpc"]


@pytest.mark.parametrize("how", ["grace", "hurry"])
def test_the_grace_ends(tiny: Path, how: str) -> None:
    door = Doorway("grpc", [])
    hurry = threading.Event()
    if how == "hurry":
        hurry.set()
    with Server(config(tiny, grace_s=0.1 if how == "grace" else 3000), [door]) as server:
        assert door.house is not None
        with door.house.desk.admission.request(frames=1):
            assert server.drain(hurry) is False
            visual = door.house.cast.tensors.scheduler.inferencer.visual_shape
            assert visual == (6, 320, 320)
