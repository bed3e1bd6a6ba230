"""Scenes, captions and pictures of the demo model's data."""

import random
from dataclasses import replace

import numpy as np
import pytest

from autotune.demo.postcards import (
    SIDE,
    Scene,
    Thing,
    caption,
    draw_scene,
    full_caption,
    render,
)

SCENE = Scene(
    place="meadow",
    time="day",
    extra="balloon",
    things=(Thing("house", "red", "left"), Thing("tree", "blue", "right")),
    balloon="orange",
    seed=7,
)


def test_rendering_is_deterministic() -> None:
    """The same scene gives the same picture, at the documented size and type."""
    picture = render(SCENE)

    expected = (SIDE, SIDE, 3)

    assert expected == picture.shape
    assert np.uint8 == picture.dtype
    assert np.array_equal(picture, render(SCENE))


def test_seed_changes_only_details() -> None:
    """Another seed moves things a little but keeps the picture recognisable."""
    other = render(replace(SCENE, seed=8)).astype(float)
    change = np.abs(other - render(SCENE)).mean()

    assert 0 < change < 25


@pytest.mark.parametrize(
    "other",
    [
        replace(SCENE, place="snow"),
        replace(SCENE, time="night"),
        replace(SCENE, extra="rainbow"),
        replace(SCENE, balloon="green"),
        replace(SCENE, things=(Thing("house", "blue", "left"), SCENE.things[1])),
    ],
)
def test_every_field_shows_in_the_picture(other: Scene) -> None:
    """What a caption can say about a scene changes its picture."""
    picture = render(other)

    assert not np.array_equal(picture, render(SCENE))


def test_full_caption_names_everything() -> None:
    """The full caption mentions both objects, their sides, place, time and extra."""
    expected = (
        "a red house on the left and a blue tree on the right in a meadow by day with an orange balloon"
    )

    assert expected == full_caption(SCENE)


def test_captions_mention_only_what_is_drawn() -> None:
    """Shortened captions use no word that the full caption lacks, and keep objects."""
    rng = random.Random(3)
    for _ in range(200):
        scene = draw_scene(rng)
        words = caption(scene, rng).split()

        assert set(words) <= set(full_caption(scene).split()) | {"a", "an"}
        assert all(thing.kind in words and thing.colour in words for thing in scene.things)


def test_boats_are_drawn_at_sea_only() -> None:
    """Random scenes put boats, and nothing else, at sea."""
    rng = random.Random(4)
    for scene in (draw_scene(rng) for _ in range(300)):
        kinds = {thing.kind for thing in scene.things}

        assert (scene.place == "sea") == (kinds == {"boat"})
