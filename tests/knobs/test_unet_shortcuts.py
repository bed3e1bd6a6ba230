"""DeepCache and token merging: what a UNet is really spared, and what each package leaves to be mended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autotune.knob import Situation, Value
from autotune.knobs import knob_named
from tests.knobs.places import BARE, FLUX, NOTHING, UNET, choice
from tests.knobs.workbench import difference, pictures_of, turned

DEEP, MERGING = knob_named("deep_cache"), knob_named("token_merging")
pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]


def enough(situation: Situation) -> Situation:
    """The same situation with steps enough for a cache."""
    return replace(situation, workload=replace(situation.workload, steps=9))


@pytest.mark.parametrize(("value", "computed"), [(2, 5), (3, 3), (5, 2)])
def test_deep_layers_are_computed_every_so_many_steps(
    value: int, computed: int, folder_of: Folders, situated: Situations
) -> None:
    """Counted at a layer that knows nothing of DeepCache; the pictures are those of the package itself."""
    from DeepCache import DeepCacheSDHelper

    name = "stable_diffusion_xl"
    setup = turned(folder_of(name), enough(situated(name)), {"deep_cache": value})
    calls: list[int] = []
    setup.pipeline.unet.mid_block.resnets[0].conv1.register_forward_pre_hook(lambda *_: calls.append(1))
    pictures = pictures_of(setup)
    own = turned(folder_of(name), enough(situated(name)), {})
    helper = DeepCacheSDHelper(pipe=own.pipeline)
    helper.set_params(cache_interval=value, cache_branch_id=0)
    helper.enable()

    assert torch.equal(pictures_of(own), pictures)
    assert len(calls) == computed
    assert setup.notes["deep_cache_seen"] == {"steps": 9, "deep": computed}
    assert DEEP.applied(setup, value) is None
    assert "not in one of" in str(DEEP.applied(setup, 9 * value))
    assert torch.equal(pictures, pictures_of(setup))  # a call begins anew


def test_deep_layers_that_are_always_computed_are_found(folder_of: Folders, situated: Situations) -> None:
    """An interval of one is no interval."""
    name = "stable_diffusion"
    setup = turned(folder_of(name), enough(situated(name)), {"deep_cache": 2})
    pictures_of(setup)
    setup.notes["deep_cache_seen"]["deep"] = 9

    assert "in 9 of 9 steps" in str(DEEP.applied(setup, 2))


@pytest.mark.slow
def test_a_compiled_unet_knows_the_step_without_being_compiled_anew(
    folder_of: Folders, situated: Situations
) -> None:
    """The package's own look at the list of timesteps is compiled again at every step of every call."""
    name = "stable_diffusion"
    settings: dict[str, Value] = {"deep_cache": 3, "compile": "regional"}
    setup = turned(folder_of(name), enough(situated(name)), settings)
    plain = turned(folder_of(name), enough(situated(name)), {"deep_cache": 3})
    pictures_of(setup)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert difference(pictures_of(plain), pictures_of(setup)) < 1e-4
    assert DEEP.applied(setup, 3) is None


@pytest.mark.parametrize("model", ["stable_diffusion", "stable_diffusion_2", "stable_diffusion_xl"])
def test_fewer_tokens_are_attended_to(model: str, folder_of: Folders, situated: Situations) -> None:
    """Half of them at 0.5, and the same ones at each call; SDXL's are found where the package looks not."""
    setup = turned(folder_of(model), situated(model), {"token_merging": 0.5})
    lengths: list[int] = []
    blocks = [module for module in setup.pipeline.unet.modules() if hasattr(type(module), "_parent")]
    blocks[0].attn1.to_q.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    whole: list[int] = []
    blocks[0].norm1.register_forward_pre_hook(lambda _, inputs: whole.append(inputs[0].shape[1]))
    first, second = pictures_of(setup), pictures_of(setup)

    assert [2 * length for length in lengths] == whole
    assert torch.equal(first, second)
    assert MERGING.applied(setup, 0.5) is None
    assert "a share of 0.5" in str(MERGING.applied(setup, 0.3))
    assert {"BasicTransformerBlock"} == {type(block).__name__ for block in blocks}
    assert len({type(block) for block in blocks}) == 1


def test_blocks_that_merge_nothing_are_found(folder_of: Folders, situated: Situations) -> None:
    """As SDXL's would, with the depth that the package looks at by itself."""
    setup = turned(folder_of("stable_diffusion_xl"), situated("stable_diffusion_xl"), {"token_merging": 0.5})
    setup.pipeline.unet._tome_info["args"]["max_downsample"] = 1
    pictures_of(setup)

    assert "attended to all tokens" in str(MERGING.applied(setup, 0.5))


@pytest.mark.slow
def test_patched_blocks_are_compiled_whole_and_as_one(folder_of: Folders, situated: Situations) -> None:
    """Left as the package makes them, they are not found by their name, nor do they share a graph."""
    name = "stable_diffusion_xl"
    settings: dict[str, Value] = {"token_merging": 0.5, "compile": "regional"}
    before = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    setup = turned(folder_of(name), situated(name), settings)
    plain = turned(folder_of(name), situated(name), {"token_merging": 0.5})

    assert difference(pictures_of(plain), pictures_of(setup)) < 1e-4
    # One for the block that is watched, one for all others.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 2
    assert MERGING.applied(setup, 0.5) is None


@pytest.mark.parametrize("name", ["deep_cache", "token_merging"])
def test_they_are_for_unets_and_need_their_package(name: str, situated: Situations) -> None:
    """A transformer is told so, and a machine without the package which one it is."""
    here = situated("stable_diffusion").target
    assert len(choice(name, here, UNET).values) > 2
    assert "UNets" in choice(name, here, FLUX).why
    assert "no denoiser" in choice(name, here, NOTHING).why
    assert "needs the package" in choice(name, BARE, UNET).why
    assert name != "deep_cache" or "fewer than 8 steps" in choice(name, here, UNET, steps=7).why


def test_too_few_steps_are_refused(situated: Situations) -> None:
    """Also where another knob takes them away."""
    situation = enough(situated("stable_diffusion"))
    assert DEEP.conflict({"deep_cache": 3}, situation) is None
    assert "steps = 4" in str(DEEP.conflict({"deep_cache": 3, "steps": 4}, situation))
