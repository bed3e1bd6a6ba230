"""`autotune knobs`: every knob, one knob, and what a model offers."""

import json

import pytest

from autotune.knobs import all_knobs
from tests.cli.conftest import Cli


def test_every_knob_is_listed(call: Cli) -> None:
    """In the order in which knobs are turned, those that change the result marked."""
    lines = call("knobs").stdout.splitlines()[2:]

    assert [knob.name for knob in all_knobs()] == [line.split()[0] for line in lines[: len(all_knobs())]]
    assert {knob.name for knob in all_knobs() if knob.changes_result} == {
        line.split()[0] for line in lines if "changes result" in line
    }


def test_one_knob_in_detail(call: Cli) -> None:
    """What it does, where it acts, and what is known of its effect."""
    done = call("knobs", "steps")

    assert done.stdout.startswith("steps: ")
    assert "searched only with --allow-approximate" in done.stdout


def test_json_of_all_and_of_one(call: Cli) -> None:
    """A list, or a single document."""
    listed = json.loads(call("knobs", "--json").stdout)
    one = json.loads(call("knobs", "dtype", "--json").stdout)

    assert one in listed
    assert one["stage"] == "load"


@pytest.mark.slow
def test_what_a_model_offers_here(call: Cli) -> None:
    """Its values, the default first, and why there are no more of them."""
    offered = {
        knob["name"]: knob
        for knob in json.loads(call("knobs", "--model", "demo", "--device", "cpu", "--json").stdout)
    }

    assert offered["dtype"]["values"][0] == "float32"
    assert offered["offload"]["values"] == ["none"]
    assert offered["offload"]["why"]
