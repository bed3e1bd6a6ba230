"""Step error: how far one step of a recipe's denoiser is from the reference, given the reference's inputs.

The smallest rounding can make a sampler paint something else, and then two pictures say nothing about how
well a recipe computes. A single step has no such chaos: the denoiser is given the very inputs that the
reference's denoiser had ("teacher forcing"), and only its answers are compared.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from autotune.knob import Setup
from autotune.pipeline.denoiser_calls import (
    UndescribableError,
    denoisers,
    describe,
    like,
    rebuild,
    watched,
    why_other_form,
    why_unwatchable,
)

STEPS_FILE = "steps.safetensors"
"""In the reference's folder: the denoiser's inputs and outputs at some steps."""


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What one call of a denoiser was given.

    Attributes:
        form: Its arguments, as `denoiser_calls.describe` says.
        examples: Its tensors without values: shape, dtype, strides.
        devices: Where each of them was.
    """

    form: Any
    examples: tuple[Tensor, ...]
    devices: tuple[torch.device, ...]


@dataclass(kw_only=True)
class Seen:
    """What the first call of each denoiser was given.

    Attributes:
        calls: By the name of the denoiser.
        why_not: Why a call could not be noted, "" where it could.
    """

    calls: dict[str, Noted] = field(default_factory=dict)
    why_not: str = ""


def record_steps(setup: Setup, run: Callable[[], object], folder: Path, *, count: int = 5) -> None:
    """Make one call and write what the denoiser was given and answered at some of its calls.

    Where that cannot be written down, the file says why. It appears whole or not at all.

    Args:
        setup: A finished setup, that of the reference.
        run: Makes the pictures of one call.
        folder: Existing folder of the reference.
        count: How many calls of the denoiser are kept at most, evenly spread, the first among them.
    """
    tape = _Tape(count)
    parts = denoisers(setup.pipeline)
    why = next(filter(None, map(why_unwatchable, parts.values())), "" if parts else _NO_DENOISER)
    with ExitStack() as stack:
        for name, part in parts.items() if not why else ():
            stack.enter_context(watched(part, tape.recorder(name)))
        run()
    why = why or tape.why_not or ("" if tape.kept else "The denoiser was never called.")
    tensors: dict[str, Tensor] = {}
    steps = []
    for number, step in enumerate(tape.chosen() if not why else ()):
        tensors |= {f"{number}.{place}": tensor for place, tensor in enumerate(step.tensors)}
        tensors[f"{number}.output"] = step.output
        steps.append({"name": step.name, "call": step.call, "form": step.form, "count": len(step.tensors)})
    partial = folder / (STEPS_FILE + ".partial")
    save_file(tensors, partial, metadata={"why_not": why, "steps": json.dumps(steps)})
    partial.replace(folder / STEPS_FILE)


@contextmanager
def noted_inputs(setup: Setup) -> Iterator[Seen]:
    """Note what the first call of each denoiser is given while inside; nothing is copied.

    Args:
        setup: A finished setup, that of a trial.
    """
    seen = Seen()

    def noting(name: str) -> Callable[[Callable[..., Any], Any, Any], Any]:
        def note(call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if name not in seen.calls and not seen.why_not:
                try:
                    seen.calls[name] = _noted(args, kwargs)
                except UndescribableError as error:
                    seen.why_not = str(error)
            return call(*args, **kwargs)

        return note

    with ExitStack() as stack:
        for name, part in denoisers(setup.pipeline).items():
            seen.why_not = seen.why_not or why_unwatchable(part)
            if not seen.why_not:
                stack.enter_context(watched(part, noting(name)))
        yield seen


def step_errors(setup: Setup, seen: Seen, folder: Path) -> tuple[tuple[float, ...], str]:
    """Return how far this recipe's denoiser is from the reference's at each recorded step.

    Each error is the L2 norm of the difference of the two outputs relative to that of the reference's, over
    all pictures of the call: 0 for the very same bits, about 1e-6 for another order of float32 sums, 1e-2 for
    bfloat16.

    Args:
        setup: A finished setup, that of a trial.
        seen: What `noted_inputs` noted of it.
        folder: Of the reference, where `record_steps` wrote.

    Returns:
        The errors in the order of the steps, and ""; or nothing, and a sentence that says why the error is
        not defined: other inputs, such as fewer pictures at a time, or a denoiser that refuses.
    """
    path = folder / STEPS_FILE
    if not path.exists():
        return (), "The reference has no recorded steps. Make it again."
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        why = metadata["why_not"] or seen.why_not
        steps = json.loads(metadata["steps"])
        errors = []
        try:
            for number, step in enumerate(steps if not why else ()):
                tensors = [file.get_tensor(f"{number}.{place}") for place in range(step["count"])]
                why = _why_other_inputs(step, tensors, seen)
                if why:
                    break
                output = _answer(setup, seen.calls[step["name"]], step, tensors)
                errors.append(_relative_error(output, file.get_tensor(f"{number}.output")))
        except Exception as error:  # noqa: BLE001 - engines and kernels raise whatever they like
            why = f"The denoiser refused the reference's inputs ({type(error).__name__}): {_brief(error)}"
        finally:
            getattr(setup.pipeline, "maybe_free_model_hooks", lambda: None)()
    return ((), why) if why else (tuple(errors), "")


_NO_DENOISER = "The pipeline has no denoiser that is known here."


@dataclass(frozen=True, kw_only=True)
class _Step:
    name: str
    call: int
    form: Any
    tensors: list[Tensor]
    output: Tensor


class _Tape:
    """Keeps calls evenly spread, however many there will be: when full, every other one goes."""

    def __init__(self, count: int) -> None:
        self.count, self.every, self.calls = count, 1, 0
        self.kept: list[_Step] = []
        self.why_not = ""

    def recorder(self, name: str) -> Callable[[Callable[..., Any], Any, Any], Any]:
        def record(call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if self.why_not or number % self.every:
                return call(*args, **kwargs)
            tensors: list[Tensor] = []
            try:
                form = describe({"args": list(args), "kwargs": kwargs}, tensors)
            except UndescribableError as error:
                self.why_not = str(error)
                return call(*args, **kwargs)
            copies = [_copy(tensor) for tensor in tensors]  # before the call, which may write to them
            found = call(*args, **kwargs)
            try:
                output = _copy(_first(found))
            except UndescribableError as error:
                self.why_not = str(error)
                return found
            self._keep(_Step(name=name, call=number, form=form, tensors=copies, output=output))
            return found

        return record

    def _keep(self, step: _Step) -> None:
        self.kept.append(step)
        if len(self.kept) > 4 * self.count:
            self.kept, self.every = self.kept[::2], 2 * self.every

    def chosen(self) -> list[_Step]:
        """At most `count` of the calls, evenly spread from the first to the last that was kept."""
        places = torch.linspace(0, len(self.kept) - 1, min(self.count, len(self.kept))).round().int().tolist()
        return [self.kept[place] for place in places]


def _noted(args: Any, kwargs: Any) -> Noted:
    tensors: list[Tensor] = []
    form = describe({"args": list(args), "kwargs": kwargs}, tensors)
    examples = tuple(
        torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        for tensor in tensors
    )
    return Noted(form=form, examples=examples, devices=tuple(tensor.device for tensor in tensors))


def _why_other_inputs(step: dict[str, Any], tensors: list[Tensor], seen: Seen) -> str:
    noted = seen.calls.get(step["name"])
    if noted is None:
        return f"The reference used the part '{step['name']}', which this recipe did not call."
    why = why_other_form(noted.form, step["form"])
    if why:
        return f"The denoiser is not given what the reference's was: {why} (in the reference)."
    for example, tensor in zip(noted.examples, tensors, strict=True):
        if example.shape != tensor.shape:
            return (
                f"The denoiser is given tensors of other sizes than the reference's: {tuple(example.shape)} "
                f"where that had {tuple(tensor.shape)}."
            )
    return ""


def _answer(setup: Setup, noted: Noted, step: dict[str, Any], tensors: list[Tensor]) -> Tensor:
    part = denoisers(setup.pipeline)[step["name"]]
    # As calls are timed: in inference mode, and without compiling anything again.
    with torch.inference_mode(), torch.compiler.set_stance("fail_on_recompile"):
        places = zip(tensors, noted.examples, noted.devices, strict=True)
        given = [like(*place) for place in places]
        call = rebuild(step["form"], given)
        return _copy(_first(part(*call["args"], **call["kwargs"])))


def _relative_error(output: Tensor, expected: Tensor) -> float:
    if output.shape != expected.shape:
        raise ValueError(
            f"it answers {tuple(output.shape)} where the reference answered {tuple(expected.shape)}"
        )
    difference = (output.double() - expected.double()).norm()
    error = float(difference / expected.double().norm().clamp_min(1e-30))
    if not error < float("inf"):
        raise ValueError("it answers with values that are not finite")
    return error


def _first(output: Any) -> Tensor:
    """The tensor that a denoiser answers with, alone or first among others."""
    try:
        found = output if isinstance(output, Tensor) else output[0]
    except (KeyError, IndexError, TypeError):
        found = None
    if not isinstance(found, Tensor):
        raise UndescribableError(f"The denoiser answers with a {type(output).__name__}, not with a tensor.")
    return found


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no reason was given."]
    return lines[0][:300]
