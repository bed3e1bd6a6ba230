"""Behaviour of the energy meter, on counters laid out in files as Linux shows them."""

from pathlib import Path

import pytest

from autotune.pipeline.energy import EnergyMeter


def lay_out(folder: Path, zone: str, name: str, microjoules: int, full: int = 1_000_000_000) -> Path:
    """Write one zone of RAPL and return its counter."""
    (folder / zone).mkdir(parents=True, exist_ok=True)
    (folder / zone / "name").write_text(f"{name}\n", encoding="ascii")
    (folder / zone / "max_energy_range_uj").write_text(f"{full}\n", encoding="ascii")
    counter = folder / zone / "energy_uj"
    counter.write_text(f"{microjoules}\n", encoding="ascii")
    return counter


def test_the_joules_of_all_processors_are_summed(tmp_path: Path) -> None:
    """Two sockets; what lies within one, and the zone that holds all, is not counted twice."""
    first = lay_out(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = lay_out(tmp_path, "intel-rapl:1", "package-1", 2_000_000)
    within = lay_out(tmp_path, "intel-rapl:0:0", "core", 0)
    whole = lay_out(tmp_path, "intel-rapl:2", "psys", 0)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()
    for counter, value in ((first, 4_000_000), (second, 2_500_000), (within, 9_000_000), (whole, 9_000_000)):
        counter.write_text(str(value), encoding="ascii")

    assert pytest.approx(3.5) == meter.joules(shortest_s=0.0)


def test_a_counter_that_begins_again_is_followed(tmp_path: Path) -> None:
    """A full counter goes on at 0."""
    counter = lay_out(tmp_path, "intel-rapl:0", "package-0", 262_000_000, full=262_143_999)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()
    counter.write_text("856000", encoding="ascii")

    assert pytest.approx(1.0) == meter.joules(shortest_s=0.0)


def test_a_short_window_has_no_answer(tmp_path: Path) -> None:
    """The counters advance in steps: a fraction of a second says little."""
    lay_out(tmp_path, "intel-rapl:0", "package-0", 5)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()

    assert meter.joules() is None


def test_without_a_counter_there_is_no_answer(tmp_path: Path) -> None:
    """No folder, a counter for root alone, a GPU that is not there: None, never 0."""
    for device, folder in (("cpu", tmp_path / "missing"), ("cuda:4711", tmp_path)):
        meter = EnergyMeter(device, folder)
        meter.start()

        assert meter.joules(shortest_s=0.0) is None
    lay_out(tmp_path, "intel-rapl:0", "package-0", 5).unlink()
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()

    assert meter.joules(shortest_s=0.0) is None


def test_a_part_of_the_energy_is_no_answer(tmp_path: Path) -> None:
    """One socket that cannot be read makes the sum unknown; so does a window that never began."""
    lay_out(tmp_path, "intel-rapl:0", "package-0", 5)
    lay_out(tmp_path, "intel-rapl:1", "package-1", 5).unlink()
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()

    assert meter.joules(shortest_s=0.0) is None
    lay_out(tmp_path, "intel-rapl:1", "package-1", 5)
    assert EnergyMeter("cpu", tmp_path).joules(shortest_s=0.0) is None
