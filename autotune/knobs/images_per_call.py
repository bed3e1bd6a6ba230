"""images_per_call: the pictures of one call made a few at a time, for less memory or better-filled caches."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the numbers that divide the batch evenly."""
    batch = situation.workload.batch
    parts = [count for count in range(batch - 1, 0, -1) if batch % count == 0]
    return Choice((batch, *parts), why="" if parts else "a call makes a single picture: nothing to part")


def turn(setup: Setup, value: int) -> None:
    """Give the pipeline a class of its own, whose call makes this many pictures at a time."""
    import dataclasses
    import functools
    import inspect
    import operator
    from collections.abc import Callable
    from typing import Any

    import torch

    made: list[int] = setup.notes.setdefault("images_per_call_made", [])
    original: Any = type(setup.pipeline)
    signature = inspect.signature(original.__call__)
    per_prompt = ("prompt", "negative_prompt", "pooled_prompt", "negative_pooled_prompt")
    copies = ("num_images_per_prompt", "num_videos_per_prompt")

    def repeated(rows: Any, times: int) -> Any:
        if isinstance(rows, torch.Tensor):
            return rows.repeat_interleave(times, dim=0)
        return [row for row in rows for _ in range(times)]

    # By the name of their kind, what joins the pieces of an output; anything else is the same for all.
    joints: dict[str, Callable[[list[Any]], Any]] = {
        "Tensor": torch.cat,
        "ndarray": lambda pieces: torch.cat([torch.from_numpy(piece) for piece in pieces]).numpy(),
        "list": lambda pieces: [row for piece in pieces for row in piece],
    }

    def joined(pieces: list[Any]) -> Any:
        return joints.get(type(pieces[0]).__name__, operator.itemgetter(0))(pieces)

    @functools.wraps(original.__call__)
    def call(pipeline: Any, *args: object, **kwargs: object) -> Any:
        given: dict[str, Any] = dict(signature.bind(pipeline, *args, **kwargs).arguments)
        given.pop(next(iter(signature.parameters)))
        given |= given.pop("kwargs", {})
        if isinstance(given.get("prompt"), str):
            given["prompt"] = [given["prompt"]]
        names = [name for name in given if name.startswith(per_prompt)]
        rows = {name: given[name] for name in names if isinstance(given[name], (list, torch.Tensor))}
        times = max(given.get(name) or 1 for name in copies) if set(copies) & set(given) else 1
        rows = {name: repeated(part, times) for name, part in rows.items()}
        given |= dict.fromkeys(set(copies) & set(given), 1)
        # One for each picture already: first latents and generators.
        apart = ("latents", "generator")
        rows |= {name: given[name] for name in apart if isinstance(given.get(name), (list, torch.Tensor))}
        count = max((len(part) for part in rows.values()), default=1)
        rows = {name: part for name, part in rows.items() if len(part) == count}
        outputs = []
        for begin in range(0, count, value):
            piece = {name: part[begin : begin + value] for name, part in rows.items()}
            outputs.append(original.__call__(pipeline, **{**given, **piece}))
            made.append(len(next(iter(piece.values()), ())) or 1)
        first = outputs[0]
        if isinstance(first, tuple):
            return tuple(joined(list(column)) for column in zip(*outputs, strict=True))
        names = [field.name for field in dataclasses.fields(first)]
        return type(first)(**{name: joined([getattr(output, name) for output in outputs]) for name in names})

    # Of the same name, for it is written into what the pipeline saves.
    body = {"__call__": call, "__module__": original.__module__, "__doc__": original.__doc__}
    setup.pipeline.__class__ = type(original.__name__, (original,), body)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse slicing a decode of one picture."""
    batch = situation.workload.batch
    if int(settings.get("images_per_call", batch)) == 1 and batch > 1 and settings.get("vae_slicing", False):
        return "images_per_call = 1 decodes single pictures, of which vae_slicing has nothing to slice."
    return None


def applied(setup: Setup, value: int) -> str | None:
    """Look at how many pictures each pass through the pipeline was asked for."""
    made = setup.notes.get("images_per_call_made", [])
    if not made:
        return "The pipeline makes all pictures of a call at once."
    found = ", ".join(map(str, sorted(set(made))))
    return None if set(made) == {value} else f"The pipeline made {found} pictures at a time."


KNOB = Knob(
    name="images_per_call",
    summary="Makes the pictures of a call this many at a time: less memory, and another speed.",
    stage=Stage.CALL,
    order=90,
    touches=frozenset(
        {Touches.TEXT, Touches.STEP, Touches.DECODE, Touches.STEP_MEMORY, Touches.DECODE_MEMORY}
    ),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
