"""Verdict: whether what a recipe's file claims is true here, gate by gate: pass, fail or inconclusive."""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autotune import fingerprint
from autotune.duel import Ratio, Verdict
from autotune.measurement import Measurement
from autotune.samples import median
from autotune.target import Target
from autotune.units import format_bytes, format_duration

_MIB = 2**20
_LIBRARIES = ("torch", "diffusers", "transformers", "torchao")
_DISTURBED = ("noisy", "drifting", "disturbed", "throttled", "swapped", "shared")
_WIDEST = 0.25  # of latency: a machine that varies more proves nothing
_EXPLAINABLE = 1.5  # no disturbance explains that a recipe is half as slow again as it may be
_LIKENESS = 0.01


class Result(enum.StrEnum):
    """What a gate, or all of them together, came to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        """0, 1 or 2.

        >>> [result.exit_code for result in Result]
        [0, 1, 2]
        """
        return list(Result).index(self)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One claim and what became of it.

    Attributes:
        name: "runs", "latency", "memory" or "likeness".
        result: What it came to.
        message: Sentences with the figures.
    """

    name: str
    result: Result
    message: str


@dataclass(frozen=True, kw_only=True)
class Again:
    """What was measured again.

    Attributes:
        recipe: Measurements of the recipe, one a round.
        untuned: Those of the untuned baseline, the same rounds.
        ratio: How many times as fast the recipe is; None where no round was complete.
        memory_bytes: Peak memory of the recipe, measured as a study measures it; None where it was not.
        memory_limit_bytes: Under which the recipe ran, None for none.
        failure: Why the recipe did not run, a sentence; "" where it did.
        untuned_failure: The same of the untuned baseline.
        differences: What differs between this machine and the recorded one, a sentence each.
        notes: Sentences that change no result.
        device: Type of the device: "cpu", "cuda", …
    """

    recipe: Sequence[Measurement]
    untuned: Sequence[Measurement]
    ratio: Ratio | None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    failure: str = ""
    untuned_failure: str = ""
    differences: Sequence[str] = ()
    notes: Sequence[str] = ()
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All gates, and what they come to together.

    Attributes:
        gates: Each claim.
        notes: Sentences beside the gates: what differs here, what disturbed the measurements.
    """

    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> Result:
        """Fail if any gate fails, else inconclusive if any is, else pass."""
        results = {gate.result for gate in self.gates}
        return next(
            (bad for bad in (Result.FAIL, Result.INCONCLUSIVE) if bad in results or not results), Result.PASS
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        gates = [{**asdict(gate), "result": gate.result.value} for gate in self.gates]
        return {"result": self.result.value, "gates": gates, "notes": list(self.notes)}


def judge(recorded: Mapping[str, Any], again: Again) -> Judgement:
    """Return whether the recorded figures of a recipe hold.

    Args:
        recorded: The recipe's `measured`.
        again: What was measured again.
    """
    bare = () if recorded else ("The file holds no figures to check. 'autotune export' writes them.",)
    notes = (*bare, *again.differences, *again.notes, *_disturbances(again))
    if again.untuned_failure:
        message = f"Nothing can be compared: {again.untuned_failure}"
        return Judgement(gates=(Gate(name="runs", result=Result.INCONCLUSIVE, message=message),), notes=notes)
    if again.failure:
        gate = Gate(name="runs", result=Result.FAIL, message=again.failure)
        return Judgement(gates=(gate,), notes=notes)
    if again.ratio is None or not again.recipe:
        raise ValueError("There is neither a measurement nor a failure to judge.")
    gates = [
        _runs(again),
        _latency(recorded, again, again.ratio),
        _memory(recorded, again),
        _likeness(recorded, again),
    ]
    return Judgement(gates=tuple(gates), notes=notes)


def differences(target: Mapping[str, Any], here: Target) -> list[str]:
    """Return what differs between the machine of a recipe and this one, so that seconds cannot be compared.

    Args:
        target: The recipe's `target`, empty where it was never measured.
        here: This machine.

    >>> here = Target(device="cpu", name="Abacus", cores=2, libraries={"torch": "2.13.0"})
    >>> differences(here.to_json(), here)
    []
    >>> differences({**here.to_json(), "name": "Quipu"}, here)
    ['Measured on Quipu, but this is Abacus.']
    """
    if not target:
        return ["The recipe does not say where it was measured."]
    then, now = target.get("name"), here.name
    found = [f"Measured on {then}, but this is {now}."] if then and then != now else []
    kind = str(target.get("device", here.kind)).partition(":")[0]
    if kind != here.kind:
        found.append(f"Measured on {kind}, but this is {here.kind}.")
    elif kind == "cpu" and target.get("cores", here.cores) != here.cores:
        found.append(f"Measured with {target['cores']} CPU cores, but here are {here.cores}.")
    libraries: Mapping[str, str] = target.get("libraries") or here.libraries
    for library in _LIBRARIES:
        was, has = libraries.get(library), here.libraries.get(library)
        if was != has and (was or library in here.libraries):
            found.append(f"Measured with {library} {was or 'missing'}, but here it is {has or 'missing'}.")
    return found


def other_class(recorded: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    """Return what of the environment has changed so that seconds cannot be compared, where it is recorded.

    Args:
        recorded: The recipe's `measured`; its "environment" is that of the recorded measurement.
        environment: That of a measurement made now.

    >>> then = {"target": {"name": "NVIDIA H200"}, "gpu": {"driver": "570"}}
    >>> other_class({"environment": then}, {**then, "gpu": {"driver": "580"}})
    ['Since it was measured, the driver was 570 and is 580.']
    >>> other_class({}, {}), other_class({"environment": then}, then)
    ([], [])
    """
    then = recorded.get("environment")
    if not isinstance(then, Mapping) or fingerprint.is_same_class(then, environment):
        return []
    clauses = fingerprint.differences(then, environment)
    return [f"Since it was measured, {clause}." for clause in clauses] or ["Its environment is not known."]


def other_fingerprint(recorded: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    """Return a sentence where the fingerprint is not the recorded one, and both are known.

    >>> other_fingerprint({"fingerprint": "0f3a"}, {"digest": "77b1"})
    ['The fingerprint of machine and software is 77b1, recorded 0f3a: something about them has changed.']
    >>> other_fingerprint({"fingerprint": "0f3a"}, {"digest": "0f3a"}), other_fingerprint({}, {"digest": "0"})
    ([], [])
    """
    then, now = recorded.get("fingerprint"), environment.get("digest")
    if not then or not now or then == now:
        return []
    changed = "something about them has changed"
    return [f"The fingerprint of machine and software is {now}, recorded {then}: {changed}."]


def tolerance(recorded: Mapping[str, Any], device: str) -> float:
    """Return by which share a recipe may be slower than recorded.

    5 % on a GPU and 10 % on a CPU, or 3 standard deviations of a ratio of two fresh processes where the
    machine that it was recorded on varied more; 25 % at most.

    Args:
        recorded: The recipe's `measured`.
        device: Type of the device.

    >>> tolerance({}, "cuda"), tolerance({}, "cpu"), round(tolerance({"sd_machine": 0.02}, "cuda"), 3)
    (0.05, 0.1, 0.085)
    """
    least = 0.10 if device == "cpu" else 0.05
    return min(max(least, 3 * math.sqrt(2) * (_figure(recorded, "sd_machine") or 0.0)), _WIDEST)


def memory_tolerance_bytes(recorded_bytes: float, device: str) -> float:
    """Return by how many bytes a recipe's peak may be above the recorded one.

    2 % or 64 MiB on a GPU, the larger one; 5 % or 4 MiB on a CPU, where a peak is that of live memory.

    >>> memory_tolerance_bytes(100 * 2**20, "cpu") / 2**20, memory_tolerance_bytes(2**30, "cuda") / 2**20
    (5.0, 64.0)
    """
    share, least = (0.05, 4 * _MIB) if device == "cpu" else (0.02, 64 * _MIB)
    return max(share * recorded_bytes, least)


def _runs(again: Again) -> Gate:
    limit = again.memory_limit_bytes if again.device != "cpu" else None  # there it is checked, not enforced
    under = f" under a limit of {format_bytes(limit)}" if limit is not None else ""
    message = f"It ran in {len(again.recipe)} fresh processes{under}, and every knob took effect."
    return Gate(name="runs", result=Result.PASS, message=message)


def _latency(recorded: Mapping[str, Any], again: Again, ratio: Ratio) -> Gate:
    claimed = _figure(recorded, "speedup")
    said = f"{ratio.describe()} as untuned"
    seconds = _seconds(recorded, again)
    if claimed is None:
        message = f"{said}; the recipe records no speed-up. {seconds}"
        return Gate(name="latency", result=Result.INCONCLUSIVE, message=message)
    said = f"{said}; recorded {claimed:.2f}."
    if again.differences:
        return _latency_elsewhere(claimed, ratio, f"{said} {seconds}")
    allowed = tolerance(recorded, again.device)
    least = claimed / (1 + allowed)
    if ratio.value >= least:
        return Gate(name="latency", result=Result.PASS, message=f"{said} {seconds}")
    missed = f"{said} At least {least:.2f} was needed, {allowed:.0%} below that. {seconds}"
    doubt = _why_doubtful(again, least)
    result = Result.INCONCLUSIVE if doubt else Result.FAIL
    return Gate(name="latency", result=result, message=f"{missed} {doubt}".rstrip())


def _latency_elsewhere(claimed: float, ratio: Ratio, said: str) -> Gate:
    """The gate where speed-ups need not agree: what was faster must not be slower than untuned."""
    if claimed >= 1 and ratio.verdict is Verdict.SLOWER:
        message = f"{said} Here it is slower than untuned."
        return Gate(name="latency", result=Result.FAIL, message=message)
    message = f"{said} Where it was recorded, other things held, so the two need not agree."
    return Gate(name="latency", result=Result.INCONCLUSIVE, message=message)


def _why_doubtful(again: Again, least: float) -> str:
    """Why a recipe that is too slow may not be at fault, a sentence; "" where it is."""
    pairs = list(zip(again.recipe, again.untuned, strict=False))
    ratios = [untuned.latency_s / recipe.latency_s for recipe, untuned in pairs]
    calm = [
        found
        for found, (recipe, untuned) in zip(ratios, pairs, strict=True)
        if not _disturbing(recipe) and not _disturbing(untuned)
    ]
    if any(found >= least for found in calm or ratios):
        return "The rounds do not agree about it: more of them, by --rounds, may."
    if not calm and least / median(ratios) <= _EXPLAINABLE:
        return "Every round was disturbed, which may be why: try again when the machine is quiet."
    return ""


def _seconds(recorded: Mapping[str, Any], again: Again) -> str:
    """Seconds of a call beside the recorded ones, and whether it is the machine that differs."""
    now = median([one.latency_s for one in again.recipe])
    then, claimed = _figure(recorded, "latency_s"), _figure(recorded, "speedup")
    if then is None:
        return f"A call takes {format_duration(now)}."
    said = f"A call takes {format_duration(now)}, recorded {format_duration(then)}."
    if claimed is None or not again.untuned:
        return said
    untuned = median([one.latency_s for one in again.untuned]) / (then * claimed)
    allowed = 1 + tolerance(recorded, again.device)
    if min(untuned, now / then) > allowed:
        return f"{said} Untuned takes {untuned:.2f} times its recorded seconds too: the machine is slower."
    return said


def _memory(recorded: Mapping[str, Any], again: Again) -> Gate:
    claimed, now = _figure(recorded, "memory_bytes"), again.memory_bytes
    if now is None:
        return Gate(name="memory", result=Result.INCONCLUSIVE, message="Its peak memory was not measured.")
    if again.memory_limit_bytes is not None and now > again.memory_limit_bytes:
        message = f"{format_bytes(now)}, above the limit of {format_bytes(again.memory_limit_bytes)}."
        return Gate(name="memory", result=Result.FAIL, message=message)
    if claimed is None:
        message = f"{format_bytes(now)}; the recipe records no memory."
        return Gate(name="memory", result=Result.INCONCLUSIVE, message=message)
    said = f"{format_bytes(now)}, recorded {format_bytes(round(claimed))}."
    most = claimed + memory_tolerance_bytes(claimed, again.device)
    if now <= most or again.differences:
        return Gate(name="memory", result=Result.PASS, message=said)
    message = f"{said} At most {format_bytes(round(most))} was allowed."
    return Gate(name="memory", result=Result.FAIL, message=message)


def _likeness(recorded: Mapping[str, Any], again: Again) -> Gate:
    """The gate of the first round's pictures: it makes all, and the others make some of them again."""
    claimed, pictures = _figure(recorded, "similarity"), recorded.get("pictures")
    first = again.recipe[0]
    now, made = first.similarity, len(first.likeness.haarpsi)
    known = tuple(pictures) if isinstance(pictures, list | tuple) else ()
    shared = min(len(known), len(first.likeness.sha256))
    if shared and all(_starts_alike(one.likeness.sha256, known) for one in again.recipe):
        message = f"Bit-exact: {shared} pictures are the recorded ones to the last bit; similarity {now:.4f}."
        return Gate(name="likeness", result=Result.PASS, message=message)
    if claimed is None:
        message = f"Similarity {now:.4f} of {made} pictures; the recipe records none."
        return Gate(name="likeness", result=Result.INCONCLUSIVE, message=message)
    said = f"Similarity {now:.4f}, recorded {claimed:.4f}."
    if now >= claimed - _LIKENESS:
        return Gate(name="likeness", result=Result.PASS, message=said)
    missed = f"{said} At least {claimed - _LIKENESS:.4f} was needed."
    recorded_of = max(len(known), round(_figure(recorded, "pairs") or 0))
    if recorded_of > made:
        why = f"It was recorded of {recorded_of} pictures, and {made} were made: --pairs {recorded_of}."
        return Gate(name="likeness", result=Result.INCONCLUSIVE, message=f"{missed} {why}")
    return Gate(name="likeness", result=Result.FAIL, message=missed)


def _starts_alike(made: Sequence[str], known: Sequence[str]) -> bool:
    return all(a == b for a, b in zip(made, known, strict=False))


def _disturbances(again: Again) -> list[str]:
    """What disturbed the measurements, each sentence once."""
    sides = (("recipe", again.recipe), ("untuned", again.untuned))
    found = [
        f"{name}, round {number}: {warning}"
        for name, measured in sides
        for number, one in enumerate(measured, 1)
        for warning in _disturbing(one)
    ]
    return list(dict.fromkeys(found))


def _disturbing(measurement: Measurement) -> list[str]:
    return [warning for warning in measurement.warnings if warning.startswith(_DISTURBED)]


def _figure(recorded: Mapping[str, Any], name: str) -> float | None:
    """A recorded figure; None where there is none, or what is there is no amount."""
    value = recorded.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
