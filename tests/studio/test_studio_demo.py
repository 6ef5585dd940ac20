"""The built-in avatar's recipe, and what the avatar that ships says of it."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the studio is not installed")

from viseme.avatar import load_avatar
from viseme.studio.demo import MATERIAL, RECIPE


def test_what_ships_was_made_by_this_recipe() -> None:
    with load_avatar("demo") as avatar:
        told = avatar.manifest.recipe
    assert told == json.loads(json.dumps(RECIPE.as_recipe() | MATERIAL))


def test_a_recipe_tells_what_decides_the_weights_and_no_more() -> None:
    elsewhere = replace(RECIPE, device="cuda", workers=15, checkpoint_every=1000)
    assert elsewhere.as_recipe() == RECIPE.as_recipe()
    assert replace(RECIPE, seed=8).as_recipe() != RECIPE.as_recipe()
