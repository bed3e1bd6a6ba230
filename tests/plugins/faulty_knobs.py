"""A third party's knob that does what a knob must not: how tests plant faults through the public door."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer every fault everywhere."""
    del situation
    return Choice(("none", *DEEDS, *SPOILERS))


def turn(setup: Setup, value: str) -> None:
    """Break the pipeline in the way that the value says."""
    print(f"the fault is {value}")
    if value in SPOILERS:
        spoil(setup, SPOILERS[value])
    else:
        DEEDS[value]()


def spoil(setup: Setup, change: Callable[[Setup, torch.Tensor], torch.Tensor]) -> None:
    """Change every decoded picture."""
    vae = setup.pipeline.vae
    original = vae.decode

    def decode(*args: Any, **kwargs: Any) -> Any:
        decoded = original(*args, **kwargs)
        if isinstance(decoded, tuple):
            return (change(setup, decoded[0]),)
        decoded.sample = change(setup, decoded.sample)
        return decoded

    vae.decode = decode


def one_nan(_setup: Setup, picture: torch.Tensor) -> torch.Tensor:
    """Return the picture with one value that is not finite."""
    picture = picture.clone()
    picture[0, 0, 3, 3] = float("nan")
    return picture


def slow(setup: Setup, picture: torch.Tensor) -> torch.Tensor:
    """Take longer with every call after the sixth."""
    setup.notes["calls"] = setup.notes.get("calls", 0) + 1
    time.sleep(0.02 * max(0, setup.notes["calls"] - 6))
    return picture


def seam(_setup: Setup, picture: torch.Tensor) -> torch.Tensor:
    """Return the picture with its right half brighter by 10 of 255, as of two tiles that do not fit."""
    picture = picture.clone()
    picture[..., picture.shape[-1] // 2 :] += 2 * 10 / 255
    return picture


def fail(_setup: Setup, _picture: torch.Tensor) -> torch.Tensor:
    """Raise what nobody expects."""
    raise RuntimeError("the sky fell")


def recompile(setup: Setup, picture: torch.Tensor) -> torch.Tensor:
    """Compile once more when the timing has begun."""
    setup.notes["calls"] = setup.notes.get("calls", 0) + 1
    doubled = torch.compile(lambda x: x * 2, backend="eager", dynamic=False)
    setup.notes.setdefault("compiled", doubled)(torch.ones(1 if setup.notes["calls"] < 5 else 2))
    return picture


def leak(setup: Setup, picture: torch.Tensor) -> torch.Tensor:
    """Keep 16 MiB more with every call."""
    setup.notes.setdefault("leaked", []).append(torch.full((2**22,), 1.0, device=picture.device))
    return picture


def raise_error() -> None:
    """Refuse the value."""
    raise ValueError("this value is silly")


def hang_with_helper() -> None:
    """Start a helper process and never return."""
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["FAULTY_HELPER_FILE"]).write_text(str(helper.pid), encoding="ascii")
    time.sleep(600)


DEEDS: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "raise": raise_error,
    "missing package": lambda: importlib.import_module("a_package_that_nobody_has"),
    "out of memory": lambda: torch.empty(2**50),
    "hang": lambda: time.sleep(600),
    "hang with helper": hang_with_helper,
    "ignored": lambda: None,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}
SPOILERS: dict[str, Callable[[Setup, torch.Tensor], torch.Tensor]] = {
    "raise in call": fail,
    "nan pixel": one_nan,
    "black": lambda _setup, picture: torch.full_like(picture, -1.0),
    "flat": lambda _setup, picture: torch.full_like(picture, 0.1),
    "noise": lambda _setup, picture: torch.rand_like(picture) * 2 - 1,
    "shifted": lambda _setup, picture: picture.roll(9, dims=-1),
    "slower after third call": slow,
    "recompiles": recompile,
    "seam": seam,
    "leaks": leak,
}


def applied(setup: Setup, value: str) -> str | None:
    """Find out that the fault named "ignored" did nothing."""
    del setup
    return "nothing about the pipeline has changed" if value == "ignored" else None


FAULT = Knob(
    name="fault",
    summary="Breaks a trial in a chosen way.",
    stage=Stage.COMPILE,
    touches=frozenset({Touches.DECODE}),
    domain=domain,
    turn=turn,
    applied=applied,
)
