"""Target: what knobs ask of the machine."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.target import Target

LAW = settings(max_examples=60, deadline=None)
TARGETS = st.builds(
    Target,
    device=st.sampled_from(["cpu", "cuda", "cuda:1", "mps"]),
    name=st.text(),
    memory_bytes=st.integers(0, 2**50),
    compute_capability=st.none() | st.tuples(st.integers(0, 12), st.integers(0, 9)),
    cores=st.integers(1, 256),
    libraries=st.dictionaries(st.text(), st.text(), max_size=3),
    backends=st.frozensets(st.text(), max_size=3),
    has_compiler=st.booleans(),
    uuid=st.text(),
)


@LAW
@given(TARGETS)
def test_a_target_survives_json(target: Target) -> None:
    """The probe's answer crosses a process border and lands in a database."""
    again = Target.from_json(json.loads(json.dumps(target.to_json())))

    assert target == again


@pytest.mark.parametrize(
    ("device", "kind"), [("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda"), ("xpu:0", "xpu")]
)
def test_the_kind_of_a_device_leaves_its_number_out(device: str, kind: str) -> None:
    """Knobs ask for the kind only."""
    assert kind == Target(device=device).kind


@pytest.mark.parametrize(
    ("capability", "major", "minor", "expected"),
    [
        ((8, 9), 8, 9, True),
        ((8, 6), 8, 9, False),
        ((12, 0), 8, 9, True),
        ((9, 0), 9, 0, True),
        (None, 0, 0, False),
    ],
)
def test_compute_capabilities_are_compared_as_versions(
    capability: tuple[int, int] | None, major: int, minor: int, *, expected: bool
) -> None:
    """12.0 is newer than 8.9, and a CPU is older than everything."""
    target = Target(device="cuda", compute_capability=capability)

    assert expected == target.is_at_least(major, minor)


def test_an_installed_package_is_had() -> None:
    """Whatever its version."""
    target = Target(device="cpu", libraries={"torchao": ""})

    assert target.has("torchao")
    assert not target.has("xformers")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            Target(device="cpu", name="AMD EPYC", memory_bytes=24 * 2**30, cores=2),
            "AMD EPYC (cpu, 24 GiB, 2 cores)",
        ),
        (Target(device="cpu", memory_bytes=2**30), "cpu (cpu, 1 GiB, 1 core)"),
        (
            Target(device="cuda:0", name="NVIDIA H200", memory_bytes=141 * 2**30, compute_capability=(9, 0)),
            "NVIDIA H200 (cuda:0, 141 GiB, sm_90)",
        ),
        (Target(device="mps", memory_bytes=2**34), "mps (mps, 16 GiB)"),
    ],
)
def test_a_target_is_described_in_one_line(target: Target, expected: str) -> None:
    """With what matters for its kind of device."""
    assert expected == target.describe()
