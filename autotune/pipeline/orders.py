"""What the fork server can be asked to do: measure a job, probe a model, look at a device."""

from collections.abc import Callable
from typing import Any

from autotune.job import Job
from autotune.pipeline.footprint import survey
from autotune.pipeline.machine import read_target, resolve_device
from autotune.pipeline.probe import probe
from autotune.pipeline.worker import run_trial
from autotune.workload import Workload

Tell = Callable[[str], None]


def measure(content: dict[str, Any], tell: Tell, fork_s: float) -> dict[str, Any]:
    """Run a job and return its outcome as JSON."""
    return run_trial(Job.from_json(content), tell, fork_s=fork_s).to_json()


def probe_model(content: dict[str, Any], tell: Tell, fork_s: float) -> dict[str, Any]:
    """Return the situation of a workload on a device as JSON."""
    del tell, fork_s
    situation = probe(Workload.from_json(content["workload"]), content["device"])
    return {
        "target": situation.target.to_json(),
        "blueprint": situation.blueprint.to_json(),
        "workload": situation.workload.to_json(),
    }


def probe_device(content: dict[str, Any], tell: Tell, fork_s: float) -> dict[str, Any]:
    """Return the target of a device as JSON."""
    del tell, fork_s
    return {"target": read_target(resolve_device(content["device"])).to_json()}


def footprint(content: dict[str, Any], tell: Tell, fork_s: float) -> dict[str, Any]:
    """Return a model's footprint and situation as JSON, from its configuration files alone."""
    del tell, fork_s
    found, situation = survey(Workload.from_json(content["workload"]), content["device"])
    return {
        "footprint": found.to_json(),
        "target": situation.target.to_json(),
        "blueprint": situation.blueprint.to_json(),
        "workload": situation.workload.to_json(),
    }


ORDERS: dict[str, Callable[[dict[str, Any], Tell, float], dict[str, Any]]] = {
    "measure": measure,
    "probe": probe_model,
    "device": probe_device,
    "footprint": footprint,
}
