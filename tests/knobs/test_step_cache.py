"""Step caches: what each of them really skips, where they are offered, and why not elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.knob import Setup, Situation, Value
from autotune.knobs import knob_named
from tests.knobs.conftest import FAMILIES
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

KNOB = knob_named("step_cache")
STEPS = 16
pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]


def enough(situation: Situation) -> Situation:
    """The same situation with steps enough for a cache."""
    return replace(situation, workload=replace(situation.workload, steps=STEPS))


def counted_blocks(setup: Setup) -> list[int]:
    """Count the forwards of the last block that are really computed, beneath the cache's hooks."""
    part = setup.pipeline.transformer
    lists = [child for child in part.children() if isinstance(child, torch.nn.ModuleList)]
    calls: list[int] = []
    for module in lists[-1][-1].modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda *_: calls.append(1))
            return calls
    raise AssertionError("the last block has no linear layer")


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("flux", "first_block:0.2"),
        ("flux", "taylorseer_lite:3"),
        ("flux", "magcache:0.24"),
        ("ltx", "first_block:0.2"),
        ("wan", "taylorseer_lite:5"),
    ],
)
def test_what_is_counted_as_skipped_was_not_computed(
    model: str, value: str, folder_of: Folders, situated: Situations
) -> None:
    """The count of the first hook is that of the last block, whose layers know nothing of caches."""
    setup = turned(folder_of(model), enough(situated(model)), {"step_cache": value})
    calls = counted_blocks(setup)
    pictures_of(setup)
    seen = setup.notes["step_cache_seen"]

    assert seen["computed"] == len(calls) < seen["asked"]
    assert KNOB.applied(setup, value) is None


@pytest.mark.parametrize("model", ["flux", "ltx", "wan"])
def test_attention_is_predicted_where_diffusers_would_hook_nothing(
    model: str, folder_of: Folders, situated: Situations
) -> None:
    """Wan and LTX call their layers attn1 and attn2, which the pattern of diffusers 0.42 does not match."""
    from diffusers.hooks import TaylorSeerCacheConfig

    setup = turned(folder_of(model), enough(situated(model)), {"step_cache": "taylorseer:3"})
    own = turned(folder_of(model), enough(situated(model)), {})
    own.pipeline.transformer.enable_cache(TaylorSeerCacheConfig())

    assert len(_hooks(setup)) > len(_hooks(own))
    assert bool(_hooks(own)) == (model == "flux")


def test_a_cache_that_skips_nothing_is_found(folder_of: Folders, situated: Situations) -> None:
    """A threshold that is never met leaves every step as it was."""
    setup = turned(folder_of("ltx"), enough(situated("ltx")), {"step_cache": "first_block:0.05"})
    pictures_of(setup)
    setup.notes["step_cache_seen"].update(asked=9, computed=9)

    assert "Nothing was skipped" in str(KNOB.applied(setup, "first_block:0.05"))
    assert "has a hook of the cache 'pab:2'" in str(KNOB.applied(setup, "pab:2"))


def test_a_cache_starts_anew_with_each_call(folder_of: Folders, situated: Situations) -> None:
    """Nothing of one call's pictures is left in the next."""
    setup = turned(folder_of("flux"), enough(situated("flux")), {"step_cache": "magcache:0.06"})

    assert difference(pictures_of(setup), pictures_of(setup)) == 0


def test_fewer_steps_are_what_magcache_counts_on(folder_of: Folders, situated: Situations) -> None:
    """Its ratios belong to places along the way, so that it must know how many steps there will be."""
    settings: dict[str, Value] = {"step_cache": "magcache:0.24", "steps": 10}
    setup = turned(folder_of("flux"), enough(situated("flux")), settings)
    pictures_of(setup)

    assert [10] == list({len(hook.config.mag_ratios) for hook in _hooks(setup)})
    assert setup.notes["step_cache_seen"]["asked"] == 10


def test_what_is_broadcast_would_reach_the_other_pass_of_wan(
    folder_of: Folders, situated: Situations
) -> None:
    """Why it is not offered there: the unguided pass is handed the attention of the guided one."""
    from diffusers.hooks import PyramidAttentionBroadcastConfig

    situation = enough(situated("wan"))
    setup = turned(folder_of("wan"), situation, {})
    part = setup.pipeline.transformer
    part.enable_cache(
        PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
        )
    )
    passes, given = [], []
    part.register_forward_pre_hook(
        lambda _, __, inputs: passes.append(inputs["encoder_hidden_states"]), with_kwargs=True
    )
    part.blocks[0].attn1.register_forward_hook(lambda _, __, output: given.append(output))
    pictures_of(setup)

    assert not torch.equal(passes[0], passes[1])  # guided, then unguided
    assert given[0] is given[1]
    assert "calls of their own" in KNOB.domain(situation).lacking["pab:2"]
    unguided = replace(situation, workload=replace(situation.workload, guidance=1.0))
    assert {"pab:2", "fastercache:2"} <= set(KNOB.domain(unguided).values)


@pytest.mark.parametrize("model", FAMILIES)
def test_families_without_caches_say_so(model: str, situated: Situations) -> None:
    """UNets, SD3, PixArt and Sana have no 'enable_cache'; few steps leave nothing to any family."""
    choice, few = KNOB.domain(enough(situated(model))), KNOB.domain(situated(model))

    assert few.is_fixed
    assert choice.is_fixed == (model not in ("flux", "ltx", "wan"))
    assert ("magcache:0.06" in choice.values) == (model == "flux")
    assert ("no 'enable_cache'" in choice.why) == choice.is_fixed
    assert model not in ("flux", "ltx", "wan") or "fewer than 8 steps" in few.why


@pytest.mark.parametrize("value", ["first_block:0.1", "pab:2", "magcache:0.06"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 5}, "too little to use again"),
        ({"steps": 10}, None),
        ({"compile": "regional"}, "torch.compiler.disable"),
    ],
)
def test_what_a_cache_does_not_go_with(
    value: str, settings: dict[str, Any], words: str | None, folder_of: Folders
) -> None:
    """Too few steps for all, and what is compiled for the one whose hooks forbid it."""
    situation = situation_of(folder_of("flux"), steps=STEPS)
    sentence = KNOB.conflict({**settings, "step_cache": value}, situation)
    if words is None or ("compile" in settings and not value.startswith("magcache")):
        assert sentence is None
    else:
        assert words in str(sentence)


@pytest.mark.slow
def test_a_cache_goes_with_compiled_blocks(folder_of: Folders, situated: Situations) -> None:
    """The same pictures as uncompiled, still skipping, and nothing is compiled anew at the third call."""
    settings: dict[str, Value] = {"step_cache": "first_block:0.2"}
    plain = turned(folder_of("wan"), enough(situated("wan")), settings)
    compiled: dict[str, Value] = {**settings, "compile": "regional", "compile_fullgraph": False}
    setup = turned(folder_of("wan"), enough(situated("wan")), compiled)
    wanted, _, _ = pictures_of(plain), pictures_of(setup), pictures_of(setup)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert difference(wanted, pictures_of(setup)) < 1e-4
    assert KNOB.applied(setup, "first_block:0.2") is None


def _hooks(setup: Setup) -> list[Any]:
    """All hooks of caches in the denoiser."""
    registries = [getattr(m, "_diffusers_hook", None) for m in setup.pipeline.transformer.modules()]
    return [hook for registry in registries if registry is not None for hook in registry.hooks.values()]
