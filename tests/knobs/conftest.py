"""What the tests of knobs share: model folders, un-turned pipelines, global state put back afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.demo import demo_model_path
from autotune.knob import Setup, Situation
from tests.knobs import tiny, tiny_video
from tests.knobs.workbench import pictures_of, situation_of, turned

BUILDERS: dict[str, Callable[[], Any]] = {
    "stable_diffusion": tiny.stable_diffusion,
    "stable_diffusion_2": tiny.stable_diffusion_2,
    "stable_diffusion_xl": tiny.stable_diffusion_xl,
    "stable_diffusion_3": tiny.stable_diffusion_3,
    "flux": tiny.flux,
    "pixart": tiny.pixart,
    "sana": tiny.sana,
    "ltx": tiny_video.ltx,
    "wan": tiny_video.wan,
}
FAMILIES = tuple(BUILDERS)
MODELS = (*FAMILIES, "demo")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from the name of a model to its folder."""

    @cache
    def folder(name: str) -> Path:
        if name == "demo":
            return demo_model_path()
        return tiny.save(BUILDERS[name](), tmp_path_factory.mktemp("models") / name)

    return folder


@pytest.fixture(scope="session")
def situated(folder_of: Callable[[str], Path]) -> Callable[[str], Situation]:
    """A function from the name of a model to its situation on this CPU."""

    @cache
    def situation(name: str) -> Situation:
        return situation_of(folder_of(name))

    return situation


@pytest.fixture(scope="session")
def untuned(
    folder_of: Callable[[str], Path], situated: Callable[[str], Situation]
) -> Callable[[str], tuple[Setup, torch.Tensor]]:
    """A function from the name of a model to its pipeline as diffusers ships it, and its pictures."""

    @cache
    def baseline(name: str) -> tuple[Setup, torch.Tensor]:
        setup = turned(folder_of(name), situated(name), {})
        return setup, pictures_of(setup)

    return baseline


@pytest.fixture(autouse=True)
def _state_put_back() -> Iterator[None]:
    """Leave a process to the next test as it was."""
    with state_put_back():
        yield


@contextmanager
def state_put_back() -> Iterator[None]:
    """Undo what a trial may leave behind in its own process, but a test must not in this one."""
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry
    from torch._dynamo.eval_frame import cached_backends
    from torch._inductor import config as inductor

    flags = (
        "coordinate_descent_tuning",
        "coordinate_descent_check_all_directions",
        "force_fuse_int_mm_with_mul",
        "freezing",
    )
    kept: dict[str, Any] = {flag: getattr(inductor, flag) for flag in flags}
    backend, precision = _AttentionBackendRegistry._active_backend, torch.get_float32_matmul_precision()
    sums_in_float16 = torch.backends.cuda.matmul.allow_fp16_accumulation
    yield
    for flag, value in kept.items():
        setattr(inductor, flag, value)
    _AttentionBackendRegistry.set_active_backend(backend)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cuda.matmul.allow_fp16_accumulation = sums_in_float16
    if cached_backends:
        cached_backends.clear()  # torch 2.13 loops over them while resetting one may forget another
        torch._dynamo.reset()
