"""Machine: what the check runs on, what it calls it, and of which sources."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_WANTED = (
    *("python", "torch", "diffusers", "transformers", "accelerate", "torchao", "xformers", "optuna"),
    *("device", "compiler", "nvidia driver"),
)
_LOOK_S = 120.0  # to import torch from a cold disk and to open a card
_DOCTOR_S = 240.0

# Runs in a process of its own: this one never opens the card.
_LOOK = """
import json, sys
found = {"processes": None}
try:
    import pynvml
    pynvml.nvmlInit()
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    found["processes"] = len(pynvml.nvmlDeviceGetComputeRunningProcesses(card))
except Exception as error:
    found["no_count"] = str(error)
try:
    import torch
except Exception as error:
    found["problem"] = f"torch cannot be imported: {error}"
else:
    if not torch.cuda.is_available():
        found["problem"] = f"torch {torch.__version__} sees no CUDA device"
    else:
        try:
            free, total = torch.cuda.mem_get_info(0)
            ones = torch.ones(256, 256, device="cuda", dtype=torch.float16)
            if float((ones @ ones)[0, 0]) != 256.0:
                raise ArithmeticError("a product of ones came out wrong")
            torch.cuda.synchronize()
            kind = torch.cuda.get_device_properties(0)
            found |= {"name": kind.name, "capability": f"{kind.major}.{kind.minor}"}
            found |= {"torch": torch.__version__, "cuda": torch.version.cuda, "free": free, "total": total}
        except Exception as error:
            found["problem"] = f"the card cannot be used: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The first card as torch sees it.

    Attributes:
        name: Such as "NVIDIA H200".
        problem: Why nothing can run on it, "" where it answers.
        facts: A line on its memory, what is on it beside us, and on the software.
    """

    name: str
    problem: str
    facts: str


def look_at_card() -> Card:
    """Return what torch sees of CUDA, asked in a process of its own; a small product is computed there."""
    try:
        said = subprocess.run(
            [sys.executable, "-c", _LOOK], capture_output=True, text=True, timeout=_LOOK_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Card(name="", problem=f"torch did not answer within {_LOOK_S:.0f} s", facts="")
    return read_card(said.stdout, said.stderr)


def read_card(out: str, err: str) -> Card:
    """Return a card from what the looking process printed.

    >>> read_card('{"processes": 0, "problem": "torch 2.13.0+cpu sees no CUDA device"}', "").problem
    'torch 2.13.0+cpu sees no CUDA device'
    """
    lines = out.strip().splitlines()
    try:
        found: dict[str, Any] = json.loads(lines[-1])
    except (ValueError, IndexError):
        words = err.strip().splitlines()
        problem = f"torch cannot be asked: {words[-1] if words else 'it said nothing'}"
        return Card(name="", problem=problem, facts="")
    if "problem" in found:
        return Card(name="", problem=str(found["problem"]), facts="")
    beside = found["processes"]
    others = f"processes on it: {'not known' if beside is None else beside}"
    memory = f"{found['free'] / 2**30:.1f} of {found['total'] / 2**30:.1f} GiB free"
    software = f"torch {found['torch']}, CUDA {found['cuda']}, capability {found['capability']}"
    return Card(name=found["name"], problem="", facts=f"{found['name']}: {memory}; {others}; {software}")


def facts_of_machine(device: str) -> dict[str, str]:
    """Return what `autotune doctor` says of this machine, by the name of the check.

    Raises:
        SystemExit: Something is missing without which nothing can be tuned.
    """
    command = [sys.executable, "-m", "autotune", "doctor", "demo", "--device", device, "--json"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_DOCTOR_S, check=False)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"autotune doctor did not answer within {_DOCTOR_S:.0f} s") from None
    try:
        told = json.loads(said.stdout)
        checks: list[Mapping[str, Any]] = told["checks"]
    except (ValueError, KeyError):
        raise SystemExit(f"autotune doctor cannot look at '{device}': {said.stderr.strip()}") from None
    missing = [f"{one['name']}: {one['found']}" for one in checks if one["state"] == "missing"]
    if not told["ok"]:
        raise SystemExit(f"This machine cannot tune: {'; '.join(missing)}")
    return {one["name"]: one["found"].partition(" at /")[0] for one in checks if one["name"] in _WANTED}


def machine_name(device: str) -> str:
    """Return a folder's name for a machine.

    >>> machine_name("NVIDIA H200 (cuda, 139.8 GiB)"), machine_name("AMD EPYC (cpu, 23.5 GiB)")
    ('nvidia-h200', 'amd-epyc-cpu')
    """
    named, _, facts = device.partition(" (")
    words = f"{named} cpu" if facts.startswith("cpu") else named
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


@cache
def commit() -> str:
    """Return the commit of the sources, or a digest of them where there is no git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    except OSError:
        return sources()
    return said.stdout.strip() or sources()


def sources() -> str:
    """Return a digest of the program: equal for equal sources, whatever carried them."""
    digest = hashlib.sha256()
    for folder in ("autotune", "tests/gpu_check"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return f"sources-{digest.hexdigest()[:12]}"
