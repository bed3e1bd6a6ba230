"""Flaws: what is wrong with pictures that a score hides, or why it is low, a sentence each."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from autotune.measurement import UNRELATED
from autotune.pipeline.likeness import haarpsi
from autotune.pipeline.seams import find_seams
from autotune.samples import median

_LOW, _HIGH = 0.85, 1.15
_SAME_CONTENT = 0.60
_GAIN, _ALIGNED = 0.10, 0.80
_SHIFT_PX = 16
_ENOUGH = 5
_COLOURED = 0.02
_OPPOSED = 0.3
_LUMA = (0.299, 0.587, 0.114)
_CHROMA = ((0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_WORDS = {
    "sharpness": ("softer", "sharper"),
    "contrast": ("contrast", "contrast"),
    "chroma": ("colour", "colour"),
    "level": ("brightness", "brightness"),
}
_MOVES: Mapping[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "mirrored": ("show the reference with left and right exchanged", lambda picture: picture.flip(-1)),
    "upside down": ("show the reference upside down", lambda picture: picture.flip(-2)),
    "swapped": ("show the reference with red and blue exchanged", lambda picture: picture.flip(-3)),
    "turned": ("show the reference with rows and columns exchanged", lambda picture: picture.mT),
}


def find_flaws(
    pictures: Tensor, references: Tensor, scores: Sequence[float], figures: Mapping[str, float]
) -> tuple[str, ...]:
    """Return what is wrong with pictures, one sentence each, which begins with the name of the flaw.

    "seam", "shifted", "mirrored", "upside down", "swapped" (channels), "turned", "scrambled" (blocks),
    "inverted", "softer", "sharper", "contrast", "colour", "brightness" and "diverged".

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1, finite.
        references: The same shape.
        scores: HaarPSI of each pair.
        figures: What `ratios` says of them.
    """
    pairs = list(zip(pictures, references, scores, strict=True))
    found = [_seams(pairs), _shift(pairs), *_moves(pairs), _scrambled(pairs), *_opposed(pairs)]
    unrelated = sum(score < UNRELATED for score in scores)
    # Of a few pictures that show other things, some are darker or more colourful for that alone.
    if 2 * unrelated < len(pairs) or len(pairs) >= _ENOUGH:
        found += _out_of_range(figures, len(pairs))
    if unrelated:
        found.append(
            f"diverged: {unrelated} of {len(pairs)} pictures show other things than the reference, with a "
            f"similarity below {UNRELATED:.2f}."
        )
    return tuple(sentence for sentence in found if sentence)


def ratios(pictures: Tensor, references: Tensor) -> dict[str, float]:
    """Return four figures of the pictures relative to the reference, each the median over the pairs.

    They need no pair to match, so that they hold where pictures show other things.

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1, finite.
        references: The same shape.

    Returns:
        1 where nothing changed: "sharpness" (root mean square of the luma's Laplacian, as a share of its
        spread), "contrast" (spread of the luma), "chroma" (strength of colour: mean length of
        YIQ's I and Q), "level" (mean luma).
    """
    ours, theirs = (
        [_figures(picture) for picture in pictures],
        [_figures(picture) for picture in references],
    )
    # A little on both sides, so that black and grey pictures have a ratio as well.
    small = 1 / 255
    return {
        name: median([(a[name] + small) / (b[name] + small) for a, b in zip(ours, theirs, strict=True)])
        for name in _WORDS
    }


_Pairs = list[tuple[Tensor, Tensor, float]]


def _seams(pairs: _Pairs) -> str:
    """A seam is claimed where a third of the pictures with the reference's content have it, at one place.

    A single picture is enough if it is near its reference: else its horizon may only have moved.
    """
    looked_at = [pair for pair in pairs if pair[2] >= _SAME_CONTENT]
    heights: dict[tuple[str, int], list[float]] = {}
    near: set[tuple[str, int]] = set()
    for picture, reference, score in looked_at:
        for place, height in find_seams(picture, reference).items():
            heights.setdefault(place, []).append(height)
            near |= {place} if score >= 1 - _GAIN else set()
    common = {
        place: found
        for place, found in heights.items()
        if 3 * len(found) >= len(looked_at) and (len(found) > 1 or place in near)
    }
    if not common:
        return ""
    places = ", ".join(f"{name} {number}" for name, number in sorted(common)[:6])
    more = f" and {len(common) - 6} more" if len(common) > 6 else ""
    height = max(median(found) for found in common.values())
    count = max(len(found) for found in common.values())
    return (
        f"seam: a straight step of {height * 255:.0f}/255 runs through {count} of {len(looked_at)} pictures "
        f"at {places}{more}; the reference has none there."
    )


def _shift(pairs: _Pairs) -> str:
    gains: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for picture, reference, score in pairs:
        if score < 1 - _GAIN:
            place = likely_shift(picture, reference)
            aligned = haarpsi(*overlap(picture[None], reference[None], place)).item() if any(place) else 0.0
            if aligned >= max(_ALIGNED, score + _GAIN):
                gains.setdefault(place, []).append((score, aligned))
    found = max(gains.items(), key=lambda item: len(item[1]), default=None)
    if found is None or 2 * len(found[1]) < len(pairs):
        return ""
    (right, down), scores = found
    parts = [f"{abs(right)} px to the {'right' if right > 0 else 'left'}"] if right else []
    parts += [f"{abs(down)} px {'down' if down > 0 else 'up'}"] if down else []
    return (
        f"shifted: {len(scores)} of {len(pairs)} pictures lie {' and '.join(parts)}: their similarity is "
        f"{median([score for score, _ in scores]):.2f}, and {median([good for _, good in scores]):.2f} once "
        f"they are put back."
    )


def likely_shift(picture: Tensor, reference: Tensor) -> tuple[int, int]:
    """Return how far a picture most likely lies to the right and below its reference, at most 16 px.

    Phase correlation. Source: C. D. Kuglin and D. C. Hines, The Phase Correlation Image Alignment Method,
    IEEE Conference on Cybernetics and Society, 1975.

    Args:
        picture: Shape (3, height, width).
        reference: The same shape.
    """
    ours, theirs = (torch.fft.rfft2(_luma(part) - _luma(part).mean()) for part in (picture, reference))
    cross = ours * theirs.conj()
    height, width = picture.shape[-2:]
    peaks = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-9), s=(height, width))
    down, right = min(_SHIFT_PX, height // 4), min(_SHIFT_PX, width // 4)
    near = peaks.roll((down, right), (0, 1))[: 2 * down + 1, : 2 * right + 1]
    best = int(near.argmax())
    return best % near.shape[1] - right, best // near.shape[1] - down


def overlap(pictures: Tensor, references: Tensor, shift: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the parts of two pictures that show the same when the first lies shifted right and down."""
    right, down = shift
    height, width = pictures.shape[-2:]
    ours = pictures[..., max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    theirs = references[..., max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
    return ours, theirs


def _moves(pairs: _Pairs) -> list[str]:
    found = []
    for name, (what, move) in _MOVES.items():
        better = 0
        for picture, reference, score in pairs:
            moved = move(reference)
            if score < 1 - _GAIN and moved.shape == picture.shape:
                better += haarpsi(picture[None], moved[None]).item() >= max(_ALIGNED, score + _GAIN)
        if 2 * better >= len(pairs):
            found.append(f"{name}: {better} of {len(pairs)} pictures {what}.")
    return found


def _scrambled(pairs: _Pairs) -> str:
    """Blocks of the reference that stand elsewhere in the picture, in most of the pictures."""
    shares = [max(map(_misplaced, *_blocks(picture, reference))) for picture, reference in _unlike(pairs)]
    bad = [share for share in shares if share >= 1 / 2]
    if not bad or 2 * len(bad) < len(pairs):
        return ""
    return (
        f"scrambled: in {len(bad)} of {len(pairs)} pictures, {median(bad):.0%} of the blocks show what "
        f"stands elsewhere in the reference."
    )


def _unlike(pairs: _Pairs) -> list[tuple[Tensor, Tensor]]:
    return [(picture, reference) for picture, reference, score in pairs if score < 1 - _GAIN]


def _blocks(picture: Tensor, reference: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Both pictures cut into 2 x 2, 4 x 4 and 8 x 8 blocks, each reduced to at most 8 x 8 pixels."""
    cut: tuple[list[Tensor], list[Tensor]] = ([], [])
    for part, blocks in zip((picture, reference), cut, strict=True):
        for grid in (2, 4, 8):
            side = min(8, min(part.shape[-2:]) // grid)
            small = torch.nn.functional.adaptive_avg_pool2d(part.float(), grid * side)
            apart = small.unflatten(1, (grid, side)).unflatten(3, (grid, side)).permute(1, 3, 0, 2, 4)
            blocks.append(apart.reshape(grid * grid, -1))
    return cut


def _misplaced(ours: Tensor, theirs: Tensor) -> float:
    """Share of the blocks that are far nearer to another block of the reference, each to one of its own."""
    errors = torch.cdist(ours, theirs).square() / ours.shape[1]
    own, (best, place) = errors.diagonal(), errors.min(1)
    moved = (best < 0.1 * own) & (own > 1e-3)
    return len(place[moved].unique()) / len(ours)


def _opposed(pairs: _Pairs) -> list[str]:
    """HaarPSI takes magnitudes alone: neither a negative nor opposite hues change it."""
    looked_at = [(a, b) for a, b, score in pairs if score >= _SAME_CONTENT]
    count = len(looked_at)
    negative = sum(
        _agreement(_luma(a) - _luma(a).mean(), _luma(b) - _luma(b).mean()) < 0 for a, b in looked_at
    )
    hues = [
        _agreement(_chroma(a), _chroma(b)) < _OPPOSED
        for a, b in looked_at
        if min(_chroma(part).norm(dim=0).mean().item() for part in (a, b)) > _COLOURED
    ]
    found = []
    if negative and 2 * negative >= count:
        found.append(f"inverted: in {negative} of {count} pictures, what is dark in the reference is bright.")
    if any(hues) and 2 * sum(hues) >= count:
        found.append(f"colour: {sum(hues)} of {count} pictures have other hues than the reference.")
    return found


def _out_of_range(found: Mapping[str, float], count: int) -> list[str]:
    sentences = []
    for name, (less, more) in _WORDS.items():
        ratio = found[name]
        if not _LOW <= ratio <= _HIGH:
            word = less if ratio < 1 else more
            how = f" (the median of {count} pairs)" if count > 1 else ""
            sentences.append(f"{word}: the pictures' {name} is {ratio:.2f} times the reference's{how}.")
    return sentences


def _figures(picture: Tensor) -> dict[str, float]:
    luma = _luma(picture)
    spread = float(luma.std())
    inside = luma[1:-1, 1:-1]
    bends = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inside
    detail = float(bends.square().mean().sqrt())
    return {
        "sharpness": detail / max(spread, 1 / 255),
        "contrast": spread,
        "chroma": float(_chroma(picture).norm(dim=0).mean()),
        "level": float(luma.mean()),
    }


def _luma(picture: Tensor) -> Tensor:
    return torch.einsum("c,chw->hw", torch.tensor(_LUMA), picture.float())


def _chroma(picture: Tensor) -> Tensor:
    return torch.einsum("kc,chw->khw", torch.tensor(_CHROMA), picture.float())


def _agreement(ours: Tensor, theirs: Tensor) -> float:
    """Cosine of the angle between two pictures seen as vectors, -1 to 1."""
    return float((ours * theirs).sum() / (ours.norm() * theirs.norm()).clamp_min(1e-9))
