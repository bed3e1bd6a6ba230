"""Behaviour of the search for flaws, on the demo model's pictures: what is named, and what must not be."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autotune.knob import Value
from autotune.pipeline.flaws import find_flaws, likely_shift, ratios
from autotune.pipeline.likeness import compare, why_corrupt
from autotune.pipeline.seams import find_seams
from tests.knobs.conftest import state_put_back
from tests.pipeline.demo_pictures import demo_pictures

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of other packages, while pictures are made

BENIGN: dict[str, dict[str, Value]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"quantization": "int8_weight_only"},
    "other layout": {"channels_last": True},
    "fewer steps": {"steps": 12},
    "other scheduler": {"scheduler": "unipc"},
    "merged tokens": {"token_merging": 0.5},
    "reused features": {"deep_cache": 3},
}


@pytest.fixture(scope="module")
def references() -> Tensor:
    """Four pictures of the demo model."""
    return demo_pictures()


@pytest.fixture(scope="module")
def in_bfloat16() -> Tensor:
    """The same pictures, computed in bfloat16."""
    return demo_pictures(dtype="bfloat16")


def flaws(pictures: Tensor, references: Tensor) -> tuple[str, ...]:
    """Return the flaws of pictures."""
    return find_flaws(pictures, references, compare(pictures, references)[0], ratios(pictures, references))


def names(pictures: Tensor, references: Tensor) -> set[str]:
    """Return the first words of the flaws' sentences."""
    return {sentence.partition(":")[0] for sentence in flaws(pictures, references)}


def with_seam(pictures: Tensor, height: float, *, column: int = 64) -> Tensor:
    """Return pictures that are brighter by so much of 255 from a column on."""
    pictures = pictures.clone()
    pictures[..., column:] += height / 255
    return pictures.clamp(0, 1)


def blurred(pictures: Tensor, sigma_px: float) -> Tensor:
    """Return pictures under a Gaussian blur."""
    line = torch.exp(-torch.arange(-4.0, 5.0).square() / (2 * sigma_px**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    padded = functional.pad(pictures, (4, 4, 4, 4), mode="reflect")
    return functional.conv2d(padded, kernel.expand(3, 1, 9, 9), groups=3)


def scrambled(pictures: Tensor, grid: int) -> Tensor:
    """Return pictures whose grid x grid blocks stand in another order."""
    side = pictures.shape[-1] // grid
    blocks = pictures.unflatten(-1, (grid, side)).unflatten(-3, (grid, side)).permute(0, 2, 4, 1, 3, 5)
    order = torch.randperm(grid * grid, generator=torch.Generator().manual_seed(1))
    moved = blocks.flatten(1, 2)[:, order].unflatten(1, (grid, grid))
    return moved.permute(0, 3, 1, 4, 2, 5).flatten(-2).flatten(-3, -2)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", BENIGN)
def test_recipes_that_draw_well_have_no_flaws(recipe: str, references: Tensor) -> None:
    """Nothing is said against the pictures of recipes that merely round or step otherwise."""
    with state_put_back():
        pictures = demo_pictures(**BENIGN[recipe])

    assert flaws(pictures, references) == ()
    for picture, reference in zip(pictures, references, strict=True):
        assert "seam" not in names(picture[None], reference[None])


def test_the_reference_has_no_flaws(references: Tensor) -> None:
    """Equal pictures have none, and all their ratios are 1."""
    assert flaws(references, references) == ()
    assert ratios(references, references) == dict.fromkeys(("sharpness", "contrast", "chroma", "level"), 1.0)


@pytest.mark.parametrize("height", [3, 10, -10])
def test_a_seam_is_found_where_it_is(references: Tensor, in_bfloat16: Tensor, height: float) -> None:
    """A step through the whole picture is found, with its place and height, also in pictures that differ."""
    for pictures in (references, in_bfloat16):
        seam, *others = flaws(with_seam(pictures, height), references)

        assert seam == (
            f"seam: a straight step of {abs(height)}/255 runs through 4 of 4 pictures at column 64; the "
            "reference has none there."
        )
        assert others == []


def test_the_seams_of_tiles_are_found_in_one_picture(references: Tensor, in_bfloat16: Tensor) -> None:
    """Four tiles, each a little off in its own direction, show the borders between them."""
    tiled = in_bfloat16[1:2].clone()
    tiled[..., :48, :80] += 4 / 255
    tiled[..., 48:, 80:] += 4 / 255
    tiled[..., 48:, :80] -= 4 / 255
    found = find_seams(tiled[0].clamp(0, 1), references[1])

    assert set(found) == {("column", 80), ("row", 48)}
    assert "column 80, row 48" in flaws(tiled.clamp(0, 1), references[1:2])[0]


def test_noise_is_no_seam(references: Tensor) -> None:
    """However much noise there is, no line of it is straight and full-length."""
    generator = torch.Generator().manual_seed(0)
    for level in (2, 8, 30):
        noisy = references + level / 255 * torch.randn(references.shape, generator=generator)

        assert "seam" not in names(noisy.clamp(0, 1), references)


def test_an_outline_that_moved_is_no_seam(references: Tensor) -> None:
    """Horizons of other pictures are straight, but their own."""
    assert "seam" not in names(references.roll(1, 0), references)
    assert "seam" not in names(references.roll(1, -2), references)


def test_a_softened_or_recoloured_outline_is_no_seam(references: Tensor) -> None:
    """The reference steps there as well, however long and straight the outline is."""
    horizon = references.clone()
    horizon[..., 64:, :] = (horizon[..., 64:, :] + 10 / 255).clamp(0, 1)
    recoloured = horizon.clone()
    recoloured[..., 64:, :] += 4 / 255

    assert "seam" not in names(blurred(horizon, 1.0), horizon)
    assert "seam" not in names(recoloured.clamp(0, 1), horizon)


@pytest.mark.parametrize(
    ("right", "down", "where"),
    [(9, 0, "9 px to the right"), (-16, 0, "16 px to the left"), (2, -3, "2 px to the right and 3 px up")],
)
def test_a_shift_is_measured(
    references: Tensor, in_bfloat16: Tensor, right: int, down: int, where: str
) -> None:
    """Pictures that only lie elsewhere are told apart from other pictures, with how far they lie."""
    pictures = in_bfloat16.roll((right, down), (-1, -2))

    assert f"shifted: 4 of 4 pictures lie {where}" in flaws(pictures, references)[0]
    assert likely_shift(pictures[0], references[0]) == (right, down)


def test_other_pictures_have_diverged(references: Tensor) -> None:
    """Pictures of other things are counted, and nothing else is said of so few."""
    pictures = references.clone()
    pictures[2:] = references[2:].roll(1, 0)

    assert flaws(pictures, references) == (
        "diverged: 2 of 4 pictures show other things than the reference, with a similarity below 0.30.",
    )


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda pictures: blurred(pictures, 1.0), "softer"),
        (lambda pictures: blurred(pictures, 0.5), "softer"),
        (lambda pictures: pictures + 8 / 255 * torch.randn(pictures.shape), "sharper"),
        (lambda pictures: (pictures - 0.5) * 1.4 + 0.5, "contrast"),
        (lambda pictures: pictures * 0.5, "contrast"),
        (lambda pictures: pictures * 0.5, "brightness"),
        (lambda pictures: pictures + 0.2, "brightness"),
        (lambda pictures: pictures * 2 - 1, "brightness"),
        (lambda pictures: pictures.mean(1, keepdim=True).lerp(pictures, 0.7), "colour"),
    ],
)
def test_what_changed_as_a_whole_is_named(
    references: Tensor, spoil: Callable[[Tensor], Tensor], name: str
) -> None:
    """Softness, contrast, colour and brightness are told from the ratios."""
    assert name in names(spoil(references).clamp(0, 1), references)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda pictures: pictures.flip(-1), "mirrored"),
        (lambda pictures: pictures.flip(-2), "upside down"),
        (lambda pictures: pictures.flip(1), "swapped"),
        (lambda pictures: pictures.mT, "turned"),
        (lambda pictures: 1 - pictures, "inverted"),
        (lambda pictures: (2 * pictures.mean(1, keepdim=True) - pictures).clamp(0, 1), "colour"),
    ],
)
def test_what_a_score_cannot_see_is_named(
    references: Tensor, spoil: Callable[[Tensor], Tensor], name: str
) -> None:
    """A negative and opposite hues score high; a mirror image scores low for one reason alone."""
    assert name in names(spoil(references), references)


@pytest.mark.parametrize("grid", [2, 4, 8, 16, 32, 64])
def test_scrambled_blocks_are_named(references: Tensor, grid: int) -> None:
    """Blocks that changed places never pass in silence, whatever their size."""
    found = names(scrambled(references, grid), references)

    assert ("scrambled" if grid <= 8 else "sharper") in found or "diverged" in found
    assert grid > 8 or "scrambled" in found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pictures: pictures * 2 - 1,  # from 0..1 to -1..1 twice
        lambda pictures: pictures / 2 + 0.5,  # from -1..1 to 0..1 twice
        lambda pictures: pictures * 255,
        lambda pictures: pictures / 255,
        lambda pictures: pictures * 0.18215,  # latents divided by their scale once too often
        lambda pictures: pictures.flatten(1).roll(64).view(pictures.shape).flip(-1),
        lambda pictures: pictures.permute(0, 2, 3, 1).reshape(pictures.shape),  # channels last, read as first
        lambda pictures: functional.interpolate(pictures[..., 32:96, 32:96], scale_factor=2.0),
    ],
)
def test_garbled_pictures_never_pass_in_silence(
    references: Tensor, spoil: Callable[[Tensor], Tensor]
) -> None:
    """Wrong scaling, wrong order and wrong cuts are caught by a gate or named by a flaw."""
    pictures = spoil(references).clamp(0, 1)
    caught = all(why_corrupt(picture) for picture in pictures)

    assert caught or names(pictures, references)
