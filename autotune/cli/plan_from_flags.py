"""Flags into a Plan: what the command line adds to a plan's file, or says without one. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from autotune.budget import DEFAULT_TRIALS, Budget
from autotune.cli.goals_from_flags import goals_from_flags
from autotune.errors import UsageError
from autotune.job import Protocol
from autotune.knob import Value
from autotune.limit_text import NO_LIMIT
from autotune.plan import Plan
from autotune.units import parse_duration, parse_size
from autotune.workload import Workload

_WORDS: dict[str, Value] = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What was typed after `autotune tune MODEL`; None where nothing was.

    Attributes:
        prompts: The lines of the file that --prompts names.
        knobs: Each --knob as typed, such as "steps=8,12".
        objectives: Each --objective, such as "latency".
        limits: Each --limit as typed, such as "latency<=0.5x".
    """

    model: str
    vram: str | None = None
    host_memory: str | None = None
    min_similarity: str | None = None
    trials: int | None = None
    time: str | None = None
    trial_time: str | None = None
    prompts: tuple[str, ...] | None = None
    size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    batch: int | None = None
    frames: int | None = None
    device: str | None = None
    target: str | None = None
    threads: int | None = None
    study: str | None = None
    seed: int | None = None
    sampler: str | None = None
    warm_from: tuple[str, ...] | None = None
    gain: str | None = None
    allow_approximate: bool | None = None
    confirm: int | None = None
    knobs: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    images: int | None = None
    price: str | None = None


def plan_from_flags(flags: Flags, base: Plan | None = None) -> Plan:
    """Return the plan that the flags ask for.

    Args:
        flags: What was typed.
        base: The plan to start from; without one, a plan for `flags.model` with autotune's own defaults.

    Raises:
        UsageError: A flag is not of the right form or out of range.

    >>> plan = plan_from_flags(Flags(model="models/sd15/", vram="8GiB"))
    >>> plan.study, plan.memory_limit_bytes, plan.budget.trials
    ('sd15', 8589934592, 100)
    """
    plan = base or new_plan(flags.model)
    plan = replace(
        plan,
        workload=_workload(flags, plan.workload),
        budget=_budget(flags, plan),
        trial_time_s=plan.trial_time_s if flags.trial_time is None else parse_duration(flags.trial_time),
        knobs={**plan.knobs, **parse_knobs(flags.knobs)},
        protocol=_protocol(flags, plan.protocol),
        **goals_from_flags(flags, plan),
    )
    same_name = ("device", "target", "threads", "study", "seed", "sampler", "allow_approximate")
    given = {name: value for name in same_name if (value := getattr(flags, name)) is not None}
    if flags.warm_from is not None:
        given["warm_from"] = () if flags.warm_from == ("none",) else flags.warm_from
    return replace(plan, **given)


def _protocol(flags: Flags, base: Protocol) -> Protocol:
    return base if flags.confirm is None else replace(base, confirm_rounds=flags.confirm)


def new_plan(model: str) -> Plan:
    """Return the plan for a model that nothing more is said about.

    The pictures of random weights say nothing about a floor of similarity, so there is none.

    >>> new_plan("arch:sdxl").study, new_plan("arch:sdxl").min_similarity, new_plan("demo").min_similarity
    ('sdxl', None, 0.9)
    """
    plan = Plan(study=study_name(model), workload=Workload(model=model))
    return replace(plan, min_similarity=None) if model.startswith("arch:") else plan


def study_name(model: str) -> str:
    """Return the name of a study of a model that was given none.

    >>> study_name("stabilityai/stable-diffusion-xl-base-1.0"), study_name("./models/sd15/"), study_name("..")
    ('stable-diffusion-xl-base-1.0', 'sd15', 'study')
    """
    last = model.removeprefix("arch:").rstrip("/").rpartition("/")[2]
    return last if last.strip().strip(".") else "study"


def parse_prompts(content: bytes, source: str) -> tuple[str, ...]:
    r"""Return the prompts of a file: one a line; empty lines and lines that start with '#' are left out.

    Raises:
        UsageError: It is no text, or holds no prompt.

    >>> parse_prompts(b"# two\na cat\n\n  a dog\n", "prompts.txt")
    ('a cat', 'a dog')
    """
    if b"\0" in content:
        raise UsageError(_not_text(source))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(_not_text(source)) from None
    lines = (line.strip() for line in text.splitlines())
    prompts = tuple(line for line in lines if line and not line.startswith("#"))
    if not prompts:
        raise UsageError(
            f"'{source}' holds no prompt. Write one a line; lines that start with '#' are comments."
        )
    return prompts


def parse_knobs(flags: Iterable[str]) -> dict[str, tuple[Value, ...]]:
    """Return the values to search for each knob that --knob names; the same knob may be named again.

    Raises:
        UsageError: It is not of the form 'name=value,value'.

    >>> parse_knobs(["steps=8,12", "tf32=false", "steps=20"])
    {'steps': (8, 12, 20), 'tf32': (False,)}
    """
    wanted: dict[str, tuple[Value, ...]] = {}
    for flag in flags:
        name, equals, listed = flag.partition("=")
        words = [word.strip() for word in listed.split(",")]
        if not equals or not name.strip() or not all(words):
            raise UsageError(f"'--knob {flag}' names no values. Write it like '--knob steps=8,12'.")
        values = wanted.get(name.strip(), ()) + tuple(map(_value, words))
        wanted[name.strip()] = _distinct(values)
    return wanted


def _value(word: str) -> Value:
    """A value as TOML would read it; a bare word is text."""
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    for form in (int, float):
        try:
            return form(word)
        except ValueError:
            continue
    return word


def _distinct(values: Sequence[Value]) -> tuple[Value, ...]:
    seen = {(type(value), value): value for value in values}
    return tuple(seen.values())


def _workload(flags: Flags, workload: Workload) -> Workload:
    named = ("prompts", "steps", "guidance", "batch", "frames")
    given = {name: value for name in named if (value := getattr(flags, name)) is not None}
    for name in ("steps", "batch", "frames"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise UsageError(f"'--{name} {value}' makes nothing. It must be 1 or more.")
    if flags.size is not None:
        given["width_px"], given["height_px"] = parse_size(flags.size)
    return replace(workload, **given)


def _budget(flags: Flags, base: Plan) -> Budget:
    budget = base.budget
    trials = budget.trials if flags.trials is None else flags.trials
    seconds = budget.seconds if flags.time is None else parse_duration(flags.time)
    if trials is not None and trials < 1:
        raise UsageError(f"'--trials {trials}' measures nothing. It must be 1 or more.")
    if (flags.sampler or base.sampler) in ("exhaustive", "listed"):
        # It ends when every recipe was tried, whatever those to come may gain.
        return Budget(trials=trials, seconds=seconds, gain=None)
    bound = DEFAULT_TRIALS if trials is None and seconds is None else trials
    return Budget(trials=bound, seconds=seconds, gain=_gain(flags.gain, budget.gain))


def _gain(share: str | None, unchanged: float | None) -> float | None:
    if share is None:
        return unchanged
    if share.lower() in NO_LIMIT:
        return None
    try:
        return float(share[:-1]) / 100 if share.endswith("%") else float(share)
    except ValueError:
        raise UsageError(f"'--gain {share}' is no share. Write it like '0.5%' or 0.005, or 'none'.") from None


def _not_text(source: str) -> str:
    return f"'{source}' is no text file. Prompts are read one a line, in UTF-8."
