"""Behaviour of judging: everything that is said of pictures beside their references."""

import hashlib

import numpy as np
import pytest
import torch

from autotune.measurement import Likeness
from autotune.pipeline.judging import fingerprints, judge
from autotune.pipeline.likeness import MS_SSIM_LEAST_PX
from autotune.pipeline.pictures import to_image
from tests.pipeline.test_likeness import landscape


def test_equal_pictures_are_exact() -> None:
    """Every figure says so, in the order of the calls."""
    calls = [torch.cat([landscape(1, 192), landscape(2, 192)]), landscape(3, 192)]
    likeness = judge(calls, [call.clone() for call in calls])

    assert likeness.is_exact
    assert likeness.haarpsi == pytest.approx((1.0, 1.0, 1.0), abs=1e-4)
    assert likeness.psnr_db == pytest.approx((100.0, 100.0, 100.0))
    assert likeness.ms_ssim == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)
    assert set(likeness.ratios.values()) == {1.0}
    assert likeness.flaws == ()
    assert len(set(likeness.sha256)) == 3


def test_the_last_bit_counts() -> None:
    """A difference that no eye and no 8 bits show still is not the very same picture."""
    picture = (landscape() * 255).round() / 255
    likeness = judge([picture + 1e-6], [picture])

    assert likeness.is_exact is False
    assert likeness.sha256 == judge([picture], [picture]).sha256


def test_small_pictures_have_no_ms_ssim() -> None:
    """One pixel below the limit nothing is claimed, at the limit it is."""
    small, enough = landscape(size=MS_SSIM_LEAST_PX - 1), landscape(size=MS_SSIM_LEAST_PX)

    assert judge([small], [small]).ms_ssim == ()
    assert len(judge([enough], [enough]).ms_ssim) == 1


def test_flaws_are_told() -> None:
    """What a score hides stands beside it."""
    picture = landscape(size=128)
    shifted = judge([picture.roll(5, -1)], [picture])

    assert any(sentence.startswith("shifted: ") for sentence in shifted.flaws)


def test_a_judgement_is_data() -> None:
    """It passes the border between processes as it is."""
    likeness = judge([landscape(1)], [landscape(2)])

    assert Likeness(**vars(likeness)) == likeness
    assert all(type(value) is float for value in (*likeness.haarpsi, *likeness.ratios.values()))


def test_a_fingerprint_is_that_of_the_8_bit_picture() -> None:
    """Anyone can recompute it from the picture that was saved."""
    picture = landscape()
    saved = np.asarray(to_image(picture[0]))

    assert fingerprints(picture) == (hashlib.sha256(saved.tobytes()).hexdigest(),)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (landscape(size=32), "made 1 picture of 32x32 px, but its reference is 1 picture of 64x64 px"),
        (landscape().repeat(2, 1, 1, 1), "made 2 pictures of 64x64 px, but its reference is 1 picture"),
        (landscape()[0], "a tensor of shape"),
    ],
)
def test_pictures_of_other_size_or_count_are_refused(made: torch.Tensor, message: str) -> None:
    """Nothing is stretched or left out in silence: both sizes are named, and what to do."""
    with pytest.raises(ValueError, match=message) as caught:
        judge([made], [landscape()])

    assert "Make the reference pictures again" in str(caught.value)


def test_calls_without_a_reference_are_refused() -> None:
    """Every call has its reference, and there is at least one."""
    with pytest.raises(ValueError, match="pictures of 2 calls, but reference pictures of 1 call"):
        judge([landscape(), landscape()], [landscape()])
    with pytest.raises(ValueError, match="no pictures to compare"):
        judge([], [])


def test_a_value_that_is_not_finite_is_refused() -> None:
    """No figure is made from NaN."""
    broken = landscape()
    broken[0, 0, 0, 0] = torch.nan

    with pytest.raises(ValueError, match="not finite"):
        judge([broken], [landscape()])
