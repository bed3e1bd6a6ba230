"""Experiments of the stage "trust" on likeness: what pictures differ by though nothing of note changed."""

from collections.abc import Mapping
from functools import partial

from tests.gpu_check.trust_trials import (
    ONCE,
    Finding,
    Settings,
    Trials,
    demo,
    full_size,
    is_good,
    table,
    why_missing,
)

FLOOR, DRIFT = "noise floor", "numerical drift"
_BF16: Settings = {"dtype": "bfloat16"}
_HARMLESS: dict[str, Settings] = {
    "again": {},
    "bfloat16": _BF16,
    "float16": {"dtype": "float16"},
    "tf32": {"tf32": True},
    "channels_last": {"channels_last": True},
    "sdpa_math": {"attention": "sdpa_math"},
    "bfloat16, sdpa_flash": {**_BF16, "attention": "sdpa_flash"},
    "bfloat16, sdpa_cudnn": {**_BF16, "attention": "sdpa_cudnn"},
    "one picture at a time": {"images_per_call": 1},
}
_HARMLESS_ON_CPU = ("again", "bfloat16", "channels_last", "sdpa_math", "tf32", "one picture at a time")
_LARGE: dict[str, Settings] = {
    "bfloat16": _BF16,
    "float16": {"dtype": "float16"},
    "tf32": {"tf32": True},
}


def measure_floor(trials: Trials) -> None:
    """Compare pictures of the trained demo model with those of 32 bits, recipe by recipe."""
    is_proof = trials.where.is_proof
    workload = demo(steps=4, batch=2, prompts=2) if is_proof else demo(steps=20, batch=4, prompts=8)
    for name in _HARMLESS_ON_CPU if is_proof else _HARMLESS:
        settings = _HARMLESS[name]
        trials.once(
            FLOOR,
            name,
            partial(trials.measure, workload, settings, ONCE),
            needs_s=8.0,
        )


def measure_drift(trials: Trials) -> None:
    """Compare what SDXL in full size makes of random weights: pictures mean nothing, numbers drift."""
    if trials.where.is_proof:
        reason = "a CPU takes minutes for one call of SDXL"
        trials.once(DRIFT, "arch:sdxl", lambda: {"impossible": reason}, needs_s=0.0)
        return
    workload = full_size("arch:sdxl", side_px=1024)
    for name, settings in _LARGE.items():
        trials.once(
            DRIFT,
            f"arch:sdxl, {name}",
            partial(trials.measure, workload, settings, ONCE),
            needs_s=30.0,
        )


def floor_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "noise floor" found, as Markdown."""
    return [
        *_table(found),
        (
            "Against the pictures of 32 bits of the same machine, by the trained demo model; HaarPSI is 1 "
            "for equal pictures. Below these figures no recipe can be told to be worse than its reference."
        ),
        "",
    ]


def drift_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "numerical drift" found, as Markdown."""
    return [
        *_table(found),
        (
            "Numerical drift only: the weights are random, so that likeness of these pictures says nothing "
            "about pictures of a trained model."
        ),
        "",
    ]


def _table(found: Mapping[str, Finding]) -> list[str]:
    rows = []
    for name, one in found.items():
        if not is_good(one):
            rows.append([name, *["-"] * 4, why_missing(one)])
            continue
        error = one["step_error"]
        rows.append(
            [
                name,
                f"{one['similarity']:.4f}",
                f"{one['least_similarity']:.4f}",
                f"{error:.1e}" if error is not None else f"none: {one['why_no_step_error']}",
                {True: "yes", False: "no", None: "not told"}[one["is_exact"]],
                "; ".join(one["flaws"]),
            ]
        )
    return table(["recipe", "HaarPSI", "least", "step error", "equal to the last bit", ""], rows)
