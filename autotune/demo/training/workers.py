"""Workers: several processes that train one model together, each on its part of a batch.

Where only one process runs, every function here changes nothing.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn


def together(work: Callable[[], None], count: int) -> None:
    """Run ``work``, which must be picklable, in ``count`` processes that know each other."""
    if count == 1:
        work()
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        mp.spawn(_join, args=(work, count, meeting, torch.get_num_threads()), nprocs=count)


def workers() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def worker() -> int:
    """Return the number of this process, 0 for the one that logs and saves."""
    return dist.get_rank() if dist.is_initialized() else 0


def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over all workers."""
    if workers() == 1:
        return
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= workers()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


def first_workers(*numbers: float) -> list[float]:
    """Return the numbers that the first worker gave."""
    if workers() == 1:
        return list(numbers)
    given = torch.tensor(numbers, dtype=torch.float64)
    dist.broadcast(given, 0)
    return [float(number) for number in given]


def _join(rank: int, work: Callable[[], None], count: int, meeting: str, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(rank)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    work()
    dist.destroy_process_group()
