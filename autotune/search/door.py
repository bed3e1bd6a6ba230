"""Door: the Python API, which builds a plan as the command line does and runs it on this machine."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from autotune.budget import DEFAULT_TRIALS, Budget
from autotune.errors import PlanError
from autotune.job import Protocol
from autotune.limit_text import read_limit, with_limit
from autotune.objective import full_name, short_name
from autotune.plan import Plan
from autotune.search.events import Listener, Stop, ignore
from autotune.search.expecting import footprint_for
from autotune.search.study import Study, read_study
from autotune.search.tune import run_study
from autotune.store.engine import DEFAULT_URL, open_database
from autotune.units import parse_bytes, parse_duration, parse_size
from autotune.workload import Workload

_ASKED = (
    *("vram", "host_memory", "trials", "time", "objectives", "limits", "images", "price"),
    *("prompts", "size", "steps", "batch", "frames", "confirm", "study"),
)
_FIXED: Mapping[str, Any] = {
    "device": "auto",
    "target": "",
    "min_similarity": 0.9,
    "seed": 0,
    "sampler": "surrogate",
    "warm_from": ("auto",),
    "gain": Budget().gain,
    "allow_approximate": False,
}


def tune(  # noqa: PLR0913 - what a user may say about a study, all by name and optional
    model: str | Plan,
    *,
    vram: str | int | None = None,
    host_memory: str | int | None = None,
    trials: int | None = None,
    time: str | float | None = None,
    gain: float | None = _FIXED["gain"],
    min_similarity: float | None = 0.9,
    objectives: Sequence[str] | None = None,
    limits: Sequence[str] = (),
    images: int | None = None,
    price: str = "",
    prompts: Sequence[str] | None = None,
    size: str | int | None = None,
    steps: int | None = None,
    batch: int | None = None,
    frames: int | None = None,
    confirm: int | None = None,
    device: str = "auto",
    target: str = "",
    study: str | None = None,
    storage: str = DEFAULT_URL,
    seed: int = 0,
    sampler: str = "surrogate",
    warm_from: Sequence[str] = ("auto",),
    allow_approximate: bool = False,
    listen: Listener = ignore,
    stop: Stop | None = None,
) -> Study:
    """Search the fastest, smallest and truest recipes of a model on this machine.

    The same call again goes on with the same study until its budget is spent.

    Args:
        model: "demo", a local diffusers folder or a hub id; or a whole plan, instead of all that follows but
            `storage`, `listen` and `stop`.
        vram: Memory that a recipe may use, such as "8 GiB" or a number of bytes; None for no limit.
        host_memory: Memory that it may use beside that of a GPU; None for no limit.
        trials: How many trials to run in all, fewer where nothing more is expected to be gained; 100 where
            neither this nor `time` is given.
        time: How long trials may run in all, such as "20 min" or a number of seconds.
        gain: The study stops where the front is expected to gain less than this share in the next 20 trials;
            None to go on.
        min_similarity: Smallest likeness to the untuned pictures, 0 to 1; None for no limit.
        objectives: What to be good at: "latency", "memory", "similarity", "first-picture", "host-memory",
            "energy", "amortised" (which needs `images`) and "cost" (which needs `price`); None for the first
            three.
        limits: Further limits, on any objective: "latency<=2s", or "memory<=0.7x" of the untuned baseline's.
        images: Made after one start.
        price: Of an hour of the machine, such as "2.50 USD/h".
        prompts: What to draw.
        size: Such as "1024x768" in pixels; None for the model's own.
        steps: Denoising steps of the untuned baseline.
        batch: Pictures, or clips, made by one call.
        frames: Of a clip; None for as many as the pipeline makes.
        confirm: Rounds in which the best recipes are measured again, 3 where it is None; 0 for none.
        device: Torch device; "auto" takes CUDA where there is one.
        target: A GPU that the device stands in for, such as "rtx-4060": its memory is enforced as a cap.
        study: The study's name; the model's last path component where it is None.
        storage: URL of the database.
        seed: Of the search.
        sampler: What proposes recipes: "surrogate", "tpe", "random" or "exhaustive".
        warm_from: Names of earlier studies in the same database to learn from; "auto" stands for those of the
            same family, and nothing for a cold start.
        allow_approximate: Whether to search knobs that change what is computed, such as fewer steps.
        listen: Is told what happens, as it happens.
        stop: Set its `requested` to stop after the running trial.

    Returns:
        The study; `study.best()` is the answer.

    Raises:
        AutotuneError: Something is wrong with what was asked for; the message says what.
    """
    given: dict[str, Any] = dict(locals())
    from autotune.runners.local import LocalRunner

    asked = {name: given[name] for name in _ASKED} | {"limits": tuple(limits) or None, "price": price or None}
    fixed = {name: given[name] for name in _FIXED} | {"warm_from": tuple(warm_from)}
    plan = _checked(model, asked, fixed) if isinstance(model, Plan) else _plan(model, asked, fixed)
    with LocalRunner() as runner:
        situation = runner.probe(plan.workload, plan.device)
        footprint = footprint_for(plan, runner.footprint, warnings.warn)
        return run_study(
            plan,
            url=storage,
            runner=runner,
            situation=situation,
            listen=listen,
            stop=stop,
            footprint=footprint,
        )


def open_study(name: str, *, storage: str = DEFAULT_URL) -> Study:
    """Return a study as it is now; one that is being tuned can be read too.

    Raises:
        StoreError: There is no such database, or it cannot be read.
        UnknownName: It has no study of this name.
    """
    with open_database(storage, must_exist=True) as database:
        return read_study(database, name)


def _checked(plan: Plan, asked: Mapping[str, Any], fixed: Mapping[str, Any]) -> Plan:
    """Refuse to be asked for one thing in two ways."""
    also = [name for name, value in asked.items() if value is not None]
    also += [name for name, value in fixed.items() if value != _FIXED[name]]
    if also:
        raise PlanError(f"A whole plan was given, and besides it: {', '.join(also)}. Say these in the plan.")
    return plan


def _plan(model: str, asked: Mapping[str, Any], fixed: Mapping[str, Any]) -> Plan:
    """Build the plan of what was asked for, as the command line does."""
    width_px, height_px = (0, 0) if asked["size"] is None else parse_size(str(asked["size"]))
    named = ("steps", "batch", "frames")
    work: dict[str, Any] = {name: asked[name] for name in named if asked[name] is not None}
    if asked["prompts"] is not None:
        work["prompts"] = tuple(asked["prompts"])
    trials = asked["trials"]
    seconds = None if asked["time"] is None else parse_duration(str(asked["time"]))
    plain = {name: value for name, value in fixed.items() if name != "gain"}
    return Plan(
        study=asked["study"] or model.rstrip("/").rpartition("/")[2] or "study",
        workload=Workload(model=model, width_px=width_px, height_px=height_px, **work),
        protocol=Protocol() if asked["confirm"] is None else Protocol(confirm_rounds=asked["confirm"]),
        budget=Budget(
            trials=DEFAULT_TRIALS if trials is None and seconds is None else trials,
            seconds=seconds,
            gain=fixed.get("gain", _FIXED["gain"]),
        ),
        **{**plain, **_goals(asked, fixed)},
    )


def _goals(asked: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a plan that hold its objectives and limits."""
    price, said = asked["price"] or "", list[str]()
    fields: dict[str, Any] = {
        "memory_limit_bytes": _bytes(asked["vram"]),
        "host_memory_limit_bytes": _bytes(asked["host_memory"]),
        "min_similarity": fixed.get("min_similarity", _FIXED["min_similarity"]),
    }
    said += ["memory_bytes"] if asked["vram"] is not None else []
    said += ["host_memory_bytes"] if asked["host_memory"] is not None else []
    for name, bound in map(read_limit, asked["limits"] or ()):
        if name in said:
            raise PlanError(f"There are two limits on {short_name(name)}. Keep one of them.")
        said.append(name)
        fields = with_limit(fields, name, bound, price=price)
    if asked["objectives"] is not None:
        fields["objectives"] = tuple(map(full_name, asked["objectives"]))
    return fields | {"images": asked["images"], "price": price}


def _bytes(amount: str | int | None) -> int | None:
    return None if amount is None else parse_bytes(str(amount))
