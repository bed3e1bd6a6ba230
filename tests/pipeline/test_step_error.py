"""Behaviour of the step error: what it comes to, when it is not defined, and that watching is not felt."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from autotune.demo import demo_model_path
from autotune.knob import Setup, Value
from autotune.pipeline.denoiser_calls import (
    UndescribableError,
    denoisers,
    describe,
    like,
    rebuild,
    watched,
    why_other_form,
)
from autotune.pipeline.step_error import STEPS_FILE, Seen, noted_inputs, record_steps, step_errors
from autotune.pipeline.stopwatch import compile_counters
from tests.knobs import tiny, tiny_video
from tests.knobs.conftest import state_put_back
from tests.knobs.workbench import pictures_of, situation_of, turned

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of other packages
CPU = torch.device("cpu")


def demo(**settings: Value) -> Setup:
    """Return the demo model with these settings; what is compiled is only traced."""
    return turned(demo_model_path(), situation_of(demo_model_path(), steps=12), settings)


def errors_of(setup: Setup, folder: Path) -> tuple[tuple[float, ...], str]:
    """Return the step errors of a pipeline, which makes one call for that."""
    with noted_inputs(setup) as seen:
        pictures_of(setup)
    return step_errors(setup, seen, folder)


def recorded(setup: Setup, folder: Path, **how: Any) -> list[dict[str, Any]]:
    """Record steps of a pipeline and return what the file says of them."""
    record_steps(setup, lambda: pictures_of(setup), folder, **how)
    with safe_open(folder / STEPS_FILE, framework="pt") as file:
        return list(json.loads(file.metadata()["steps"]))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the recorded steps of the untuned demo model."""
    folder = tmp_path_factory.mktemp("reference")
    recorded(demo(), folder)
    return folder


def test_the_recorded_steps_are_spread_over_the_call(tmp_path: Path) -> None:
    """The first and the last are among them, and nothing but one whole file is left."""
    steps = recorded(demo(), tmp_path)

    assert [step["call"] for step in steps] == [0, 3, 6, 8, 11]
    assert [path.name for path in tmp_path.iterdir()] == [STEPS_FILE]


@pytest.mark.parametrize(("count", "calls"), [(1, [0]), (2, [0, 10]), (40, list(range(12)))])
def test_no_more_steps_are_kept_than_asked_for(tmp_path: Path, count: int, calls: list[int]) -> None:
    """However many steps a call has; fewer where it has fewer."""
    assert [step["call"] for step in recorded(demo(), tmp_path, count=count)] == calls


def test_a_call_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Steps are recorded whole or not at all, and the denoiser is as it was."""
    setup = demo()
    before = set(vars(setup.pipeline.unet))

    def fail() -> None:
        pictures_of(setup)
        raise RuntimeError("the sky fell")

    with pytest.raises(RuntimeError, match="the sky fell"):
        record_steps(setup, fail, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert set(vars(setup.pipeline.unet)) == before


def test_the_same_recipe_has_no_error(reference: Path) -> None:
    """Nothing is lost between the recording and the answer: every bit is equal."""
    assert errors_of(demo(), reference) == ((0.0,) * 5, "")


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        ({"channels_last": True}, 1e-8, 1e-5),
        ({"attention": "sdpa_math"}, 1e-8, 1e-5),
        ({"attention": "vanilla"}, 1e-8, 1e-5),
        ({"quantization": "int8_weight_only"}, 5e-4, 2e-2),
        ({"dtype": "bfloat16"}, 2e-3, 5e-2),
        ({"layerwise_casting": "float8_e4m3fn"}, 1e-2, 0.3),
        ({"compile": "regional"}, 0.0, 1e-5),
        ({"compile": "full"}, 0.0, 1e-5),
        ({"compile": "full", "dtype": "bfloat16"}, 2e-3, 5e-2),
        ({"trace": True}, 0.0, 1e-5),
        ({"prompt_embeds": "precomputed"}, 0.0, 1e-5),
    ],
)
def test_the_error_tells_how_well_a_recipe_computes(
    reference: Path, settings: dict[str, Value], least: float, most: float
) -> None:
    """Another order of sums is a millionth, fewer bits are a hundredth; nothing is compiled again for it."""
    with state_put_back():
        setup = demo(**settings)
        pictures_of(setup)
        before = compile_counters()
        errors, why = errors_of(setup, reference)
        pictures_of(setup)

        assert compile_counters() == before
    assert why == ""
    assert len(errors) == 5
    assert all(least <= error <= most for error in errors)


def test_another_thread_count_is_a_millionth(reference: Path) -> None:
    """Sums in another order, and nothing else."""
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        errors, why = errors_of(demo(), reference)
    finally:
        torch.set_num_threads(before)

    assert why == ""
    assert max(errors) < 1e-5


@pytest.mark.parametrize(
    "build",
    [tiny.stable_diffusion_xl, tiny.flux, tiny.sana, tiny_video.wan],
    ids=lambda build: build.__name__,
)
def test_denoisers_of_every_kind_are_understood(build: Callable[[], Any], tmp_path: Path) -> None:
    """Whatever a family's denoiser is given, the same recipe has no error and bfloat16 has a small one."""
    folder = tiny.save(build(), tmp_path / "model")
    situation = situation_of(folder)
    recorded(turned(folder, situation, {}), tmp_path)

    errors, why = errors_of(turned(folder, situation, {}), tmp_path)
    assert (set(errors), why) == ({0.0}, "")
    errors, why = errors_of(turned(folder, situation, {"dtype": "bfloat16"}), tmp_path)
    assert why == ""
    assert all(1e-4 < error < 0.1 for error in errors)


def test_a_module_that_torch_compile_wrapped_is_watched(reference: Path) -> None:
    """`torch.compile(module)` gives another module, which hands its attributes on to the first."""
    with state_put_back():
        setup = demo()
        setup.pipeline.unet = torch.compile(setup.pipeline.unet, backend="eager")
        pictures_of(setup)
        errors, why = errors_of(setup, reference)

    assert why == ""
    assert max(errors) < 1e-5


def test_fewer_pictures_at_a_time_have_no_step_error(reference: Path) -> None:
    """What the denoiser is given has another size: nothing is claimed, and why."""
    errors, why = errors_of(demo(images_per_call=1), reference)

    assert errors == ()
    assert why.startswith("The denoiser is given tensors of other sizes than the reference's: (2, 4, 16, 16)")


def test_another_form_of_the_inputs_has_no_step_error(reference: Path) -> None:
    """A denoiser that is told something else is not compared."""
    setup = demo()
    setup.call["cross_attention_kwargs"] = {}
    errors, why = errors_of(setup, reference)

    assert errors == ()
    assert "'cross_attention_kwargs' is a dict here and a value there" in why


def test_a_reference_without_steps_has_no_step_error(tmp_path: Path) -> None:
    """An older reference, or one of a model without a known denoiser."""
    setup = demo()

    assert step_errors(setup, Seen(), tmp_path) == ((), "The reference has no recorded steps. Make it again.")


def test_a_denoiser_that_refuses_has_no_step_error(reference: Path) -> None:
    """What an engine raises becomes a sentence, and the pipeline works on."""
    setup = demo()
    plain = setup.pipeline.unet.forward
    with noted_inputs(setup) as seen:
        pictures_of(setup)

    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("this engine answers nobody")

    setup.pipeline.unet.forward = refuse
    errors, why = step_errors(setup, seen, reference)
    setup.pipeline.unet.forward = plain

    assert errors == ()
    assert why == ("The denoiser refused the reference's inputs (RuntimeError): this engine answers nobody")
    pictures_of(setup)


def test_values_that_are_not_finite_are_no_error(reference: Path) -> None:
    """NaN never becomes a figure."""
    setup = demo()
    with noted_inputs(setup) as seen:
        pictures_of(setup)
    with torch.no_grad():
        setup.pipeline.unet.conv_out.bias[0] = torch.nan
    errors, why = step_errors(setup, seen, reference)

    assert errors == ()
    assert "not finite" in why


class Foreign:
    """A denoiser that is no module of PyTorch: it hands everything on to one."""

    def __init__(self, inner: Any) -> None:
        """Keep the real one."""
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Answer as the real one."""
        return getattr(self.inner, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the real one."""
        return self.inner(*args, **kwargs)


def test_a_foreign_denoiser_has_no_step_error(reference: Path, tmp_path: Path) -> None:
    """Neither as a trial nor as the reference; both make their pictures all the same."""
    setup = demo()
    setup.pipeline.unet = Foreign(setup.pipeline.unet)
    _, why = errors_of(setup, reference)

    assert why == "The denoiser is a Foreign, which is no module of PyTorch."
    assert recorded(setup, tmp_path) == []
    assert errors_of(demo(), tmp_path) == ((), why)


def test_inputs_that_cannot_be_written_down_are_named(tmp_path: Path) -> None:
    """An object among the inputs makes the error undefined, and the call goes on."""
    setup = demo()
    setup.call["cross_attention_kwargs"] = {"thing": Path()}
    unet = setup.pipeline.unet
    plain = unet.forward
    unet.forward = lambda *args, **kwargs: plain(*args, **{**kwargs, "cross_attention_kwargs": None})

    assert recorded(setup, tmp_path) == []
    _, why = errors_of(demo(), tmp_path)
    assert why == "The denoiser is given a PosixPath, which cannot be written down."


@pytest.mark.parametrize("compiled", [False, True])
def test_watching_leaves_nothing_behind(*, compiled: bool) -> None:
    """The module is as it was, also after an error within."""
    module = torch.nn.Linear(2, 2)
    if compiled:
        module.compile(backend="eager")
    before = dict(vars(module))
    calls: list[Any] = []

    def fail(_call: Any, args: Any, _kwargs: Any) -> Any:
        calls.append(args)
        raise RuntimeError("seen")

    with pytest.raises(RuntimeError, match="seen"), watched(module, fail):
        module(torch.ones(1, 2))

    assert len(calls) == 1
    assert vars(module) == before
    module(torch.ones(1, 2))
    assert len(calls) == 1


def test_hooks_of_the_module_still_run() -> None:
    """Offloading lives in such hooks: a watched call passes through them."""
    setup, ran = demo(), []
    part = denoisers(setup.pipeline)["unet"]
    part.register_forward_pre_hook(lambda *_: ran.append("hook"))
    with noted_inputs(setup) as seen:
        pictures_of(setup)

    assert len(ran) == 12
    assert list(seen.calls) == ["unet"]


def test_what_is_described_is_rebuilt() -> None:
    """Tensors, numbers and words come back in their places, in whatever holds them."""
    first, second = torch.ones(2), torch.zeros(3)
    value = {"a": (first, None, 1.5), "b": [True, "x", {"c": second}], "d": {}}
    tensors: list[torch.Tensor] = []
    form = json.loads(json.dumps(describe(value, tensors)))

    assert tensors[0] is first
    assert tensors[1] is second
    assert rebuild(form, tensors) == value
    with pytest.raises(UndescribableError, match="a set, which cannot"):
        describe({"a": {1, 2}}, [])


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        ({"a": 1.5}, {"a": 2.5}, ""),
        ({"a": torch.ones(1)}, {"a": torch.ones(2)}, ""),
        ({"a": None}, {"a": torch.ones(1)}, "'a' is a value here and a tensor there"),
        ({"a": True}, {"a": False}, "'a' is True here and False there"),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, "'b' is 'x' here and 'y' there"),
        ({"a": 1, "b": 2}, {"a": 1}, "'b' is given on one side only"),
        ({"a": [1, 2]}, {"a": [1]}, "2 values are given here and 1 there"),
        ({"a": (1, "x")}, {"a": (1, "y")}, "value 1 is 'x' here and 'y' there"),
    ],
)
def test_where_two_forms_differ_is_said(ours: Any, theirs: Any, why: str) -> None:
    """Numbers and tensors may have other values at each step, all else must be the same."""
    assert why_other_form(describe(ours, []), describe(theirs, [])) == why


def test_a_copy_is_laid_out_as_the_example() -> None:
    """Dtype and strides are those of the example, values those of the tensor."""
    picture = torch.rand(2, 3, 4, 4)
    example = torch.empty(2, 3, 4, 4, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    copy = like(picture, example, CPU)

    assert (copy.dtype, copy.stride()) == (example.dtype, example.stride())
    assert torch.equal(copy, picture.bfloat16())


def test_a_timestep_repeated_for_each_picture_stays_one_value() -> None:
    """A view that repeats one value is made again as such a view; several values do not fit into it."""
    example = torch.tensor(7).expand(3)
    copy = like(torch.tensor([5, 5, 5]), example, CPU)

    assert copy.tolist() == [5, 5, 5]
    assert copy.stride() == (0,)
    with pytest.raises(ValueError, match="one value is repeated"):
        like(torch.tensor([5, 6, 7]), example, CPU)


def test_a_timestep_between_two_whole_numbers_is_not_rounded() -> None:
    """A dtype that cannot hold the reference's values is refused."""
    with pytest.raises(ValueError, match="do not fit"):
        like(torch.tensor([981.5]), torch.tensor([1]), CPU)
