"""Behaviour of the fingerprint that a trial takes of its machine."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from autotune.fingerprint import differences, digest
from autotune.pipeline.environment import distributions_hash, fingerprint, variables
from autotune.pipeline.machine import machine_uuid, read_target
from autotune.target import Target


@pytest.fixture(scope="module")
def target() -> Target:
    """Return this machine's CPU as facts."""
    return read_target("cpu")


def test_it_is_plain_json_with_every_field(target: Target) -> None:
    """What cannot be read is None, and not left out; the name of the stable part is among it."""
    found = fingerprint(target)

    assert json.loads(json.dumps(found)) == found
    assert found["gpu"] is None
    assert found["torch"]["version"] == torch.__version__
    assert found["cpu"]["physical_cores"] is None or found["cpu"]["physical_cores"] >= 1
    assert {"governor", "turbo", "microcode", "numa_nodes", "limit_bytes", "is_virtual"} <= set(found["cpu"])
    assert found["digest"] == digest(found)


def test_two_in_a_row_are_the_same(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment, the study's folders and secrets do not change a fingerprint; a number of threads does."""
    first = fingerprint(target)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/somewhere/else")
    monkeypatch.setenv("TORCH_TOKEN", "12345")
    second = fingerprint(target)
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    third = fingerprint(target)

    assert first["digest"] == second["digest"] != third["digest"]
    assert "12345" not in json.dumps(second)
    assert len(differences(second, third)) == 1
    assert differences(second, third)[0].endswith("and is 77")


def test_reading_flags_leaves_them_as_they_are(target: Target) -> None:
    """Knobs of precision work after a fingerprint was taken: torch forbids to mix its two ways."""
    fingerprint(target)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert torch.get_float32_matmul_precision() == "high"
        assert fingerprint(target)["torch"]["float32_matmul_precision"] == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_it_takes_no_time_worth_counting(target: Target) -> None:
    """It is taken in every trial."""
    fingerprint(target)
    spans = []
    for _ in range(5):
        begun = time.perf_counter()
        fingerprint(target)
        spans.append(time.perf_counter() - begun)

    assert min(spans) < 0.03


@pytest.mark.parametrize(
    ("environ", "kept"),
    [
        ({"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}, True),
        ({"MALLOC_ARENA_MAX": "2"}, True),
        ({"NVIDIA_TF32_OVERRIDE": "0"}, True),
        ({"HF_HUB_OFFLINE": "1"}, True),
        ({"CUDA_VISIBLE_DEVICES": "1"}, False),
        ({"CUDA_HOME": "/usr/local/cuda"}, False),
        ({"TORCHINDUCTOR_CACHE_DIR": "/data/x"}, False),
        ({"TORCH_LOGS_OUT": "~/log"}, False),
        ({"CUDA_SECRET": "x", "HF_TOKEN": "x", "TORCH_API_KEY": "x"}, False),
        ({"HOME": "x"}, False),
    ],
)
def test_only_variables_that_matter_are_kept(environ: Mapping[str, str], *, kept: bool) -> None:
    """Paths differ from study to study, and secrets are nobody's business."""
    assert variables(dict(environ)) == (dict(environ) if kept else {})


def test_the_hash_of_the_packages_changes_with_one_of_them(tmp_path: Any, monkeypatch: Any) -> None:
    """One more package, or another version, is another set of packages."""
    before = distributions_hash()
    (tmp_path / "newcomer-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    assert distributions_hash() != before


def test_the_machine_is_named_without_giving_its_name_away(target: Target) -> None:
    """The CPU's UUID is the same each time, and a hash."""
    assert target.uuid == machine_uuid()
    assert target.uuid.startswith("cpu-")
    assert len(target.uuid) == 20
