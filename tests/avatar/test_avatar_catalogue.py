"""Avatars found by name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from avatar_samples import FRAME_COUNT, HEIGHT, WIDTH, make_bundle

from viseme.avatar import list_avatars, load_avatar
from viseme.errors import AvatarError


@pytest.fixture
def own_avatars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only avatars there are, beside the built-in ones, are those of this folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("VISEME_AVATARS", str(tmp_path / "avatars"))
    return tmp_path / "avatars"


def listed() -> dict[str, Any]:
    return {info.name: info for info in list_avatars() if not info.built_in}


def test_avatars_are_found_by_name(own_avatars: Path) -> None:
    make_bundle(own_avatars.parent, "anna")
    make_bundle(own_avatars.parent, "bert", count=5)
    anna, bert = listed()["anna"], listed()["bert"]
    assert (anna.title, anna.size, anna.frames) == ("Anna", (WIDTH, HEIGHT), FRAME_COUNT)
    assert (bert.path, bert.frames, bert.fault) == (own_avatars / "bert", 5, None)
    with load_avatar("bert") as avatar:
        assert avatar.name == "bert"


def test_avatars_of_the_users_data_folder(own_avatars: Path) -> None:
    make_bundle(own_avatars.parent / "data" / "viseme", "carla")
    make_bundle(own_avatars.parent, "carla", count=2)
    assert listed()["carla"].frames == 2  # the variable comes first
    shutil.rmtree(own_avatars)
    assert listed()["carla"].frames == FRAME_COUNT


def test_a_broken_avatar_does_not_hide_the_others(own_avatars: Path) -> None:
    make_bundle(own_avatars.parent, "anna")
    broken = make_bundle(own_avatars.parent, "bad")
    (broken / "avatar.json").write_text("{")
    (own_avatars / "no-avatar").mkdir()
    (own_avatars / "a-file").touch()
    found = listed()
    assert set(found) == {"anna", "bad"}
    assert "is not valid JSON" in found["bad"].fault
    with pytest.raises(AvatarError, match="is not valid JSON"):
        load_avatar("bad")


def test_an_unknown_name_is_answered_with_those_there_are(own_avatars: Path) -> None:
    make_bundle(own_avatars.parent, "anna")
    make_bundle(own_avatars.parent, "bert")
    with pytest.raises(AvatarError, match=r"no avatar 'cleo'; there are: .*anna, bert\.$"):
        load_avatar("cleo")


def test_several_folders_and_missing_ones(
    own_avatars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(own_avatars.parent / "more", "anna")
    places = [str(own_avatars.parent / "missing"), "", str(own_avatars.parent / "more" / "avatars")]
    monkeypatch.setenv("VISEME_AVATARS", os.pathsep.join(places))
    assert set(listed()) == {"anna"}


def test_a_path_is_no_name(own_avatars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_bundle(own_avatars.parent, "anna")
    monkeypatch.chdir(folder.parent.parent)
    for path in ("avatars/anna", "./avatars/anna", str(folder), folder):
        load_avatar(path).close()
    with pytest.raises(AvatarError, match="There is no avatar"):
        load_avatar("avatars/nobody")


@pytest.mark.usefixtures("no_home")
def test_who_has_no_home_has_the_other_avatars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(tmp_path, "anna")
    monkeypatch.setenv("VISEME_AVATARS", os.pathsep.join(["~/avatars", str(tmp_path / "avatars")]))
    assert [info.name for info in list_avatars()] == ["demo", "anna"]
    with load_avatar("demo") as avatar:
        assert avatar.name == "demo"
