"""Fingerprint: what of an environment must be the same for two measurements to be of the same machine.

An environment is what `pipeline.environment` took down beside an outcome: plain JSON, each field None where
it could not be read. What is unknown on one side never counts as a difference.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

PROTOCOL_VERSION = 1
"""Counts up when the same recipe on the same machine would come to other figures."""

_MOMENTARY = frozenset({"now", "load_average", "digest"})
_SAID_ONCE = frozenset({"torch.version", "torch.git", "distributions", "target.memory_bytes", "target.uuid"})
_SHOWN = 4
_LABELS = {
    "target.kind": "the kind of device",
    "target.name": "the device",
    "target.stands_for": "the card that is stood in for",
    "target.cores": "the number of cores",
    "target.uuid": "the card or machine",
    "target.memory_bytes": "the device's memory in bytes",
    "torch.cuda": "torch's CUDA",
    "torch.cudnn": "cuDNN",
    "torch.threads": "the number of threads",
    "gpu.name": "the GPU",
    "gpu.uuid": "the card",
    "gpu.ecc": "error correction (ECC)",
    "gpu.driver": "the driver",
    "gpu.power_limit_mw": "the power limit (mW)",
    "cpu.name": "the processor",
    "protocol": "the protocol of measuring",
    "autotune": "autotune",
    "kernel": "the kernel",
    "python": "Python",
    "distributions": "the hash of all installed packages",
}
# What moves seconds: two environments that agree in these may be compared by them.
_CLASS = (
    "protocol",
    *("target.kind", "target.name", "target.stands_for", "target.cores", "target.compute_capability"),
    *("torch.cuda", "torch.cudnn", "torch.threads", "torch.float32_matmul_precision"),
    *("gpu.driver", "gpu.power_limit_mw", "gpu.mig", "cpu.name", "cpu.governor", "cpu.quota_cores"),
)
_CLASS_LIBRARIES = frozenset(
    {"torch", "diffusers", "transformers", "accelerate", "torchao", "triton", "xformers", "kernels"}
    | {"flash-attn", "flash_attn_3", "sageattention", "openvino", "onnxruntime", "onnxruntime-gpu"}
)


def stable(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment without what changes from moment to moment, such as load and temperature.

    The number of the device is left out too: the same card may be "cuda:0" in one program and "cuda:1" in
    another.

    >>> stable({"kernel": "6.8", "load_average": 0.4, "gpu": {"driver": "580", "now": {"temperature_c": 41}}})
    {'kernel': '6.8', 'gpu': {'driver': '580'}}
    """
    kept = {
        name: stable(value) if isinstance(value, Mapping) else value
        for name, value in environment.items()
        if name not in _MOMENTARY
    }
    if isinstance(kept.get("target"), dict) and "device" in kept["target"]:
        device = str(kept["target"].pop("device"))
        kept["target"]["kind"] = device.partition(":")[0]
    return kept


def digest(environment: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that name the stable part of an environment.

    >>> digest({"kernel": "6.8", "load_average": 0.4}) == digest({"load_average": 7.1, "kernel": "6.8"})
    True
    """
    text = json.dumps(stable(environment), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what has changed from one environment to another, a clause each, the machine first.

    >>> differences({"kernel": "6.8", "python": None}, {"kernel": "6.11", "python": "3.12.1"})
    ['the kernel was 6.8 and is 6.11']
    """
    return [clause for _, clause in _changes(then, now)]


def is_same_class(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether seconds of two environments may be compared: the same model of device, the same software.

    Two cards of one model are of one class. An environment whose device is unknown is of no class.

    >>> here = {"target": {"name": "NVIDIA H200", "uuid": "GPU-1"}, "kernel": "6.8"}
    >>> is_same_class(here, {"target": {"name": "NVIDIA H200", "uuid": "GPU-2"}, "kernel": "6.11"})
    True
    >>> is_same_class(here, {"target": {"name": "NVIDIA L4"}}), is_same_class({}, {})
    (False, False)
    """
    named = all(_flat(stable(each)).get("target.name") for each in (one, other))
    return bool(named) and not any(_is_of_class(path) for path, _ in _changes(one, other))


def warnings_about(environments: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each group of trials that ran elsewhere than most of a study's trials.

    Args:
        environments: A trial's number to its environment; empty ones are left out.

    >>> usual = {"kernel": "6.8"}
    >>> warnings_about({0: usual, 1: usual, 4: {"kernel": "6.11"}})
    ['Trial 4 has another fingerprint than the other 2: the kernel was 6.8 and is 6.11.']
    """
    names = {number: digest(found) for number, found in sorted(environments.items()) if found}
    if not names:
        return []
    usual = max(Counter(names.values()).items(), key=lambda item: item[1])[0]
    first = {name: number for number, name in reversed(names.items())}
    sentences = []
    for name, number in sorted(first.items(), key=lambda item: item[1]):
        clauses = differences(environments[first[usual]], environments[number])
        if not clauses:
            continue
        group = [number for number, each in names.items() if each == name]
        rest = f" and {len(clauses) - _SHOWN} more" if len(clauses) > _SHOWN else ""
        who = f"Trial {group[0]} has" if len(group) == 1 else f"Trials {_ranges(group)} have"
        others = sum(each == usual for each in names.values())
        than = f"the other {others}" if others > 1 else f"trial {first[usual]}"
        sentences.append(f"{who} another fingerprint than {than}: {', '.join(clauses[:_SHOWN])}{rest}.")
    return sentences


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field that changed, by its path, with a clause that says so."""
    before, after = _flat(stable(then)), _flat(stable(now))
    found = [
        (path, _clause(path, before.get(path), after.get(path)))
        for path in {**before, **after}
        if before.get(path) != after.get(path) and _is_known(path, before, after)
    ]
    plain = [(path, clause) for path, clause in found if path not in _SAID_ONCE]
    found = plain or found  # a hash tells something only where nothing plainer does
    order = list(_LABELS)
    yield from sorted(found, key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def _is_known(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether both sides tell about a field; in a list of names, what is missing is known to be missing."""
    group = _group(path)
    if group:
        return all(f"{group} " in side for side in (before, after))
    return before.get(path) is not None and after.get(path) is not None


def _group(path: str) -> str:
    """The list of names that a path belongs to, or "": names in it are free, so that none has a label."""
    return next((group for group in ("target.libraries", "variables") if path.startswith(f"{group}.")), "")


def _is_of_class(path: str) -> bool:
    if _group(path) == "target.libraries":
        return path.removeprefix("target.libraries.") in _CLASS_LIBRARIES
    return path.startswith(_CLASS)


def _clause(path: str, was: Any, now: Any) -> str:  # noqa: ANN401 - any JSON value
    group = _group(path)
    name, missing = path.removeprefix(f"{group}."), "not installed"
    if group == "variables":
        name, missing = f"the variable {name}", "not set"
    elif not group:
        name = _LABELS.get(path, path.replace(".", " ").replace("_", " "))
    return f"{name} was {_spelt(was, missing)} and is {_spelt(now, missing)}"


def _spelt(value: Any, missing: str) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return missing
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return str(value) or "nothing"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree as paths such as "torch.cuda"; each list of names leaves a mark, "NAME ", that it is there."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= {f"{path} ": True, **_flat(value, f"{path}.")}
        else:
            flat[path] = value
    return flat


def _ranges(numbers: list[int]) -> str:
    """Numbers in order as "3, 5 to 8 and 11".

    >>> _ranges([3, 5, 6, 7, 8, 11]), _ranges([1, 2])
    ('3, 5 to 8 and 11', '1 and 2')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
