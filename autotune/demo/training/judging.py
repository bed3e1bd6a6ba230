"""The judge stage: learn to read scenes off drawn and off decoded pictures."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn

from autotune.demo.judge import QUESTIONS, Judge, answers_of
from autotune.demo.training.autoencoder import load_latents
from autotune.demo.training.loop import Losses, Plan, fit
from autotune.demo.training.pictures import HELD_OUT, batch_of, load_pictures, scenes

DECODED = 2_048
"""Number of pictures, at most, the judge also sees decoded from their latents."""

_BATCH = 32
_BLURRED = 0.3


def answer_numbers(indices: range) -> dict[str, Tensor]:
    """Return the number of the true answer to each question for these scenes."""
    known = [answers_of(scene) for scene in scenes(indices)]
    return {
        name: torch.tensor([answers.index(one[name]) for one in known]) for name, answers in QUESTIONS.items()
    }


def train_judge(folder: Path, plan: Plan) -> None:
    """Train the judge, half on drawn and half on decoded pictures; save it as fp16.

    Generated pictures reach it through the decoder, so its blur must not be
    mistaken for disobedience. Noise and blur are added for the same reason.
    """
    device, half_batch = plan.device, plan.batch(_BATCH) // 2
    pictures, rng = load_pictures(folder, device), np.random.default_rng(3)
    truth = {name: right.to(device) for name, right in answer_numbers(range(len(pictures))).items()}
    decoded = _decoded_pictures(folder, device)
    judge = Judge().to(device)

    def losses_of_batch() -> Losses:
        drawn = rng.integers(HELD_OUT, len(pictures), half_batch)
        again = rng.integers(0, len(decoded), half_batch)
        blurred = decoded[torch.from_numpy(again).to(device)].float()
        batch = torch.cat([batch_of(pictures, drawn), blurred])
        places = torch.from_numpy(np.concatenate([drawn, again + HELD_OUT])).to(device)
        scores = judge(_worn(batch, rng))
        parts = [F.cross_entropy(scores[name], truth[name][places]) for name in QUESTIONS]
        return {"loss": torch.stack(parts).sum()}

    def measure(_: nn.Module) -> dict[str, float]:
        return {"accuracy": min(judge_accuracy(judge, batch_of(pictures, range(HELD_OUT))).values())}

    fit(judge, losses_of_batch, plan=plan, folder=folder, measure=measure)
    half = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in judge.state_dict().items()
    }
    save_file(half, folder / "judge.safetensors")


@torch.no_grad()
def judge_accuracy(judge: Judge, held_out: Tensor) -> dict[str, float]:
    """Return the share of right answers to each question on the held-out pictures."""
    truth = answer_numbers(range(len(held_out)))
    training = judge.training
    scores = judge.eval()(held_out)
    judge.train(training)
    right = {name: scores[name].argmax(1).cpu() == truth[name] for name in QUESTIONS}
    return {name: float(known.float().mean()) for name, known in right.items()}


@torch.no_grad()
def _decoded_pictures(folder: Path, device: str) -> Tensor:
    model = AutoencoderKL.from_pretrained(folder / "vae").eval().to(device)
    codes = load_latents(folder, device)[HELD_OUT : HELD_OUT + DECODED].float()
    parts = [model.decode(part + 0.05 * torch.randn_like(part)).sample for part in codes.split(16)]
    return torch.cat(parts).clamp(-1, 1).half()


def _worn(batch: Tensor, rng: np.random.Generator) -> Tensor:
    if rng.random() < _BLURRED:
        small = F.interpolate(batch, size=int(rng.choice([64, 80, 96])), mode="area")
        batch = F.interpolate(small, size=batch.shape[-1], mode="bilinear")
    return batch + torch.randn_like(batch) * float(rng.choice([0.0, 0.03, 0.08]))
