"""A judge of obedience: does a picture show what its scene says?

A small convolutional network reads every attribute of a scene off a picture. It
stands in, offline, for a CLIP score: blind to beauty, exact about content.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from autotune.demo import demo_model_path
from autotune.demo.postcards import COLOURS, LAND_KINDS, PLACES, SIDE, SIDES, TIMES, Scene

Images = npt.NDArray[np.float32]
"""Pictures from 0 to 1, shape (pictures, 128, 128, 3), as pipelines return them."""

ATTRIBUTES: tuple[str, ...] = ("place", "time", "extra", "kind", "colour")
"""What obedience is averaged over."""

_EXTRAS = ("none", "sun", "moon", "clouds", "stars", "rainbow", "mountains", "balloon")
_KINDS = ("none", *LAND_KINDS, "boat")
_COLOURS = ("none", *COLOURS)

QUESTIONS: dict[str, tuple[str, ...]] = {
    "place": tuple(PLACES),
    "time": tuple(TIMES),
    "extra": _EXTRAS,
    "balloon": _COLOURS,
    **{f"kind_{side}": _KINDS for side in SIDES},
    **{f"colour_{side}": _COLOURS for side in SIDES},
}
"""Every question the judge answers about a picture, with its possible answers."""


class Judge(nn.Module):
    """Answers every question about a batch of pictures."""

    def __init__(self) -> None:
        """Build an untrained judge of about 0.4 million parameters."""
        super().__init__()
        widths = (5, 16, 32, 48, 64, 96, 96)
        strides = (2, 2, 1, 2, 2, 1)
        layers = [
            _block(before, after, stride)
            for before, after, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        ]
        # The picture keeps its layout up to the linear layer: sides matter.
        self.features = nn.Sequential(*layers, _block(widths[-1], 24, 1), nn.Flatten())
        self.hidden = nn.Linear(24 * (SIDE // 16) ** 2, 128)
        self.answers = nn.Linear(128, sum(len(answers) for answers in QUESTIONS.values()))
        line = torch.linspace(-1, 1, SIDE)
        where = torch.stack([line.expand(SIDE, SIDE), line[:, None].expand(SIDE, SIDE)])
        self.register_buffer("where", where, persistent=False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the scores of every answer to every question.

        Args:
            pictures: From -1 to 1, shape (batch, 3, 128, 128).
        """
        where = self.get_buffer("where").expand(len(pictures), -1, -1, -1)
        features = self.features(torch.cat([pictures, where], dim=1))
        scores = self.answers(F.relu(self.hidden(features)))
        sizes = [len(answers) for answers in QUESTIONS.values()]
        return dict(zip(QUESTIONS, scores.split(sizes, dim=1), strict=True))


def answers_of(scene: Scene) -> dict[str, str]:
    """Return the true answer to every question about a scene."""
    known = {"place": scene.place, "time": scene.time, "extra": scene.extra}
    known["balloon"] = scene.balloon
    on_side = {thing.side: thing for thing in scene.things}
    for side in SIDES:
        thing = on_side.get(side)
        known[f"kind_{side}"] = thing.kind if thing else "none"
        known[f"colour_{side}"] = thing.colour if thing else "none"
    return known


def load_judge(folder: Path | None = None) -> Judge:
    """Return a trained judge, by default the one that ships beside the demo model.

    Args:
        folder: Folder that holds ``judge.safetensors``.
    """
    judge = Judge()
    judge.load_state_dict(load_file((folder or demo_model_path()) / "judge.safetensors"))
    return judge.eval()


@torch.no_grad()
def read_pictures(judge: Judge, images: Images) -> list[dict[str, str]]:
    """Return what the judge sees in each picture: an answer to every question."""
    pictures = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() * 2 - 1
    best = {name: scores.argmax(1).tolist() for name, scores in judge(pictures).items()}
    return [{name: QUESTIONS[name][best[name][index]] for name in QUESTIONS} for index in range(len(images))]


def obedience(images: Images, scenes: Sequence[Scene], *, judge: Judge | None = None) -> dict[str, float]:
    """Return which share of what was asked for the pictures show, each 0 to 1.

    Args:
        images: One picture for each scene.
        scenes: What the pictures should show.
        judge: The judge to ask; by default the one that ships.

    Returns:
        A share for each of :data:`ATTRIBUTES`, their ``"mean"``, and ``"empty"``:
        the share of sides left free by the scene on which nothing stands. An
        object counts as right only on its own side; the balloon's colour counts
        with the colours. ``"empty"`` is not part of the mean.
    """
    seen = read_pictures(judge or load_judge(), images)
    marks: dict[str, list[bool]] = {name: [] for name in (*ATTRIBUTES, "empty")}
    for picture, scene in zip(seen, scenes, strict=True):
        for name, right in _marks(picture, scene):
            marks[name].append(right)
    shares = {name: sum(given) / max(1, len(given)) for name, given in marks.items()}
    shares["mean"] = sum(shares[name] for name in ATTRIBUTES) / len(ATTRIBUTES)
    return shares


def _marks(seen: dict[str, str], scene: Scene) -> list[tuple[str, bool]]:
    wanted = answers_of(scene)
    marks = [(name, seen[name] == wanted[name]) for name in ("place", "time", "extra")]
    if scene.balloon != "none":
        marks.append(("colour", seen["balloon"] == scene.balloon))
    for side in SIDES:
        kind, colour = f"kind_{side}", f"colour_{side}"
        if wanted[kind] == "none":
            marks.append(("empty", seen[kind] == "none"))
        else:
            marks.append(("kind", seen[kind] == wanted[kind]))
            marks.append(("colour", seen[colour] == wanted[colour]))
    return marks


def _block(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
