"""Behaviour of the likeness of pictures and of the gates before it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from autotune.pipeline.likeness import MS_SSIM_LEAST_PX, compare, haarpsi, ms_ssim, psnr_db, why_corrupt


def landscape(seed: int = 0, size: int = 64) -> Tensor:
    """Draw a smooth picture of shape (1, 3, size, size) with a few edges."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 5, generator=generator) * 0.6 + 0.2
    picture = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    picture[..., size // 3 : size // 2, size // 4 : size // 2] *= 0.3
    return picture.clamp(0, 1)


def slow_haarpsi(first: np.ndarray, second: np.ndarray) -> float:
    """Follow the paper's formulas pixel by pixel, as an independent check, on (height, width, 3)."""
    matrix = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])

    def prepared(array: np.ndarray) -> np.ndarray:
        scaled = array.astype(np.float64) * 255
        halved = (scaled[::2, ::2] + scaled[1::2, ::2] + scaled[::2, 1::2] + scaled[1::2, 1::2]) / 4
        return np.asarray(halved @ matrix.T)

    def response(luma: np.ndarray, scale: int, *, vertical: bool) -> np.ndarray:
        size = 2**scale
        kernel = np.ones((size, size)) / size
        kernel[size // 2 :] *= -1
        kernel = kernel if vertical else kernel.T
        padded = np.pad(luma, ((size // 2 - 1, size // 2), (size // 2 - 1, size // 2)))
        rows, columns = luma.shape
        return np.array(
            [
                [abs(float((padded[r : r + size, c : c + size] * kernel).sum())) for c in range(columns)]
                for r in range(rows)
            ]
        )

    def alike(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((2 * x * y + 30.0) / (x * x + y * y + 30.0))

    def mean(chroma: np.ndarray) -> np.ndarray:
        padded = np.pad(chroma, ((0, 1), (0, 1)))
        return np.asarray(abs((padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4))

    a, b = prepared(first), prepared(second)
    values, weights = [], []
    for vertical in (True, False):
        one, two, three = (
            [response(x[..., 0], scale, vertical=vertical) for x in (a, b)] for scale in (1, 2, 3)
        )
        values.append((alike(*one) + alike(*two)) / 2)
        weights.append(np.maximum(*three))
    values.append((alike(mean(a[..., 1]), mean(b[..., 1])) + alike(mean(a[..., 2]), mean(b[..., 2]))) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    sigmoid = [1 / (1 + np.exp(-4.2 * v)) for v in values]
    score = sum((s * w).sum() for s, w in zip(sigmoid, weights, strict=True)) / sum(w.sum() for w in weights)
    return float((np.log(score / (1 - score)) / 4.2) ** 2)


def test_haarpsi_follows_the_papers_formulas() -> None:
    """The fast computation agrees with a slow one that follows the paper pixel by pixel."""
    first = landscape(1, size=40)
    second = (first + 0.05 * torch.randn(first.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)

    arrays = [x[0].permute(1, 2, 0).numpy() for x in (first, second)]
    assert slow_haarpsi(*arrays) == pytest.approx(float(haarpsi(first, second)), abs=2e-4)


def test_equal_pictures_are_alike() -> None:
    """A picture compared with itself scores 1, and its PSNR the 100 dB that stand for identical."""
    picture = landscape()

    assert float(haarpsi(picture, picture)) == pytest.approx(1.0, abs=1e-4)
    assert float(psnr_db(picture, picture)) == pytest.approx(100.0)


def test_equal_flat_pictures_are_alike() -> None:
    """Two pictures without any detail are compared by colour, not divided by nothing."""
    grey, black = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 3, 64, 64)

    assert float(haarpsi(grey, grey)) == pytest.approx(1.0, abs=1e-4)
    assert float(haarpsi(grey, black)) < 1


def test_more_noise_is_less_alike() -> None:
    """Likeness falls as noise grows, whichever picture comes first."""
    picture = landscape()
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    noisy = [(picture + level * noise).clamp(0, 1) for level in (0.0, 0.01, 0.05, 0.2)]
    scores = [float(haarpsi(picture, other)) for other in noisy]

    assert sorted(scores, reverse=True) == scores
    assert scores[1] > 0.95 > scores[2] > scores[3]
    assert float(haarpsi(noisy[2], picture)) == pytest.approx(scores[2], abs=1e-5)


def test_a_lost_colour_is_noticed() -> None:
    """A picture turned grey is no likeness, though its brightness is the same."""
    picture = landscape()
    picture[:, 0] *= 0.3
    grey = picture.mean(1, keepdim=True).expand_as(picture)

    assert float(haarpsi(picture, grey)) < 0.9


def test_a_picture_that_is_not_finite_is_refused() -> None:
    """NaN never becomes a score."""
    broken = landscape()
    broken[0, 1, 2, 3] = float("nan")

    with pytest.raises(ValueError, match="not finite"):
        haarpsi(broken, landscape())


def test_pictures_of_different_size_are_refused() -> None:
    """Nothing is stretched in silence."""
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 64\).*\(1, 3, 32, 32\)"):
        haarpsi(landscape(), landscape(size=32))


def test_large_pictures_are_compared_at_1024_px() -> None:
    """The score of a large picture is that of its reduction, so that it means the same at any size."""
    small = landscape(size=1024)
    large = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    other = (large * 0.9).clamp(0, 1)
    scores, _ = compare(large, other)

    assert scores[0] == pytest.approx(float(haarpsi(small, small * 0.9)), abs=1e-3)


def test_ms_ssim_falls_as_noise_grows() -> None:
    """It is 1 for equal pictures, falls with noise, and comes one for each pair."""
    picture = landscape(size=192)
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    noisy = torch.cat([(picture + level * noise).clamp(0, 1) for level in (0.0, 0.05, 0.2)])
    scores = ms_ssim(noisy, picture.expand_as(noisy))

    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    assert sorted(scores, reverse=True) == scores


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [
        (MS_SSIM_LEAST_PX, MS_SSIM_LEAST_PX, 1),
        (MS_SSIM_LEAST_PX - 1, 512, 0),
        (256, 1024, 1),
        (MS_SSIM_LEAST_PX, 2048, 0),
    ],
)
def test_ms_ssim_is_for_pictures_that_hold_its_five_scales(height: int, width: int, count: int) -> None:
    """Small and very narrow pictures have none, which is no error."""
    picture = landscape(size=16).mean((-1, -2), keepdim=True).expand(1, 3, height, width)

    assert len(ms_ssim(picture, picture)) == count


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda p: p.index_put(
                (torch.tensor([0]), torch.tensor([5]), torch.tensor([5])), torch.tensor(float("nan"))
            ),
            "1 of 12288 values are NaN",
        ),
        (lambda p: p * 0, "black"),
        (lambda p: p * 0 + 0.5, "flat"),
        (lambda p: torch.rand(p.shape, generator=torch.Generator().manual_seed(0)), "noise"),
        (lambda p: (p > p.mean()).float(), "saturated"),
    ],
)
def test_what_is_no_picture_is_named(spoil: object, reason: str) -> None:
    """Each way of not being a picture has its own sentence."""
    picture = spoil(landscape()[0])  # type: ignore[operator]

    assert reason in str(why_corrupt(picture))


def test_a_picture_passes_the_gates() -> None:
    """A drawn picture is none of the corrupt ones."""
    assert [None] * 5 == [why_corrupt(landscape(seed)[0]) for seed in range(5)]
