"""A third party's knob that does what a knob must not: how tests plant faults through the public door."""

from typing import Any

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches

FAULTS = (
    "none",
    "segfault",
    "exit",
    "raise",
    "raise in call",
    "missing package",
    "out of memory",
    "hang",
    "hang with helper",
    "nan pixel",
    "black",
    "flat",
    "noise",
    "ignored",
    "shifted",
    "slower after third call",
    "recompiles",
    "killed",
)


def domain(situation: Situation) -> Choice:
    """Offer every fault everywhere."""
    del situation
    return Choice(FAULTS)


def turn(setup: Setup, value: str) -> None:
    """Break the pipeline in the way that the value says."""
    import ctypes
    import os
    import signal
    import subprocess
    import sys
    import time
    from pathlib import Path

    import torch

    def spoil(change: Any) -> None:
        vae = setup.pipeline.vae
        original = vae.decode

        def decode(*args: Any, **kwargs: Any) -> Any:
            decoded = original(*args, **kwargs)
            if isinstance(decoded, tuple):
                return (change(decoded[0]),)
            decoded.sample = change(decoded.sample)
            return decoded

        vae.decode = decode

    def one_nan(picture: torch.Tensor) -> torch.Tensor:
        picture = picture.clone()
        picture[0, 0, 3, 3] = float("nan")
        return picture

    def slow(picture: torch.Tensor) -> torch.Tensor:
        setup.notes["calls"] = setup.notes.get("calls", 0) + 1
        time.sleep(0.02 * max(0, setup.notes["calls"] - 6))
        return picture

    def fail(_picture: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("the sky fell")

    def hang_with_helper() -> None:
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(os.environ["FAULTY_HELPER_FILE"]).write_text(str(helper.pid), encoding="ascii")
        time.sleep(600)

    def recompile(picture: torch.Tensor) -> torch.Tensor:
        setup.notes["calls"] = setup.notes.get("calls", 0) + 1
        rows = 1 if setup.notes["calls"] < 5 else 2  # a new shape once the timing has begun
        doubled = torch.compile(lambda x: x * 2, backend="eager", dynamic=False)
        setup.notes.setdefault("compiled", doubled)(torch.ones(rows))
        return picture

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    print(f"the fault is {value}")
    {
        "segfault": lambda: ctypes.string_at(0),
        "exit": lambda: os._exit(3),
        "raise": lambda: (_ for _ in ()).throw(ValueError("this value is silly")),
        "raise in call": lambda: spoil(fail),
        "missing package": lambda: __import__("a_package_that_nobody_has"),
        "out of memory": lambda: torch.empty(2**50),
        "hang": lambda: time.sleep(600),
        "hang with helper": hang_with_helper,
        "nan pixel": lambda: spoil(one_nan),
        "black": lambda: spoil(lambda picture: torch.full_like(picture, -1.0)),
        "flat": lambda: spoil(lambda picture: torch.full_like(picture, 0.1)),
        "noise": lambda: spoil(lambda picture: torch.rand_like(picture) * 2 - 1),
        "ignored": lambda: None,
        "shifted": lambda: spoil(lambda picture: picture.roll(9, dims=-1)),
        "slower after third call": lambda: spoil(slow),
        "recompiles": lambda: spoil(recompile),
        "killed": kill,
    }[value]()


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
