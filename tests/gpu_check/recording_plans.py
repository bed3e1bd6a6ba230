"""Plans of the stage "record": which recipes are measured for the search bench, and how fast one is.

A table is worth what its recipes are many, and minutes of a card are few. So a trial is as short as it can be
while costs keep their proportions:

- SDXL, two pictures of 768 x 768 px a call: with fewer pixels the launches of kernels, not their work, would
  set the pace of a step in 16 bits; with one picture `vae_slicing` would mean nothing.
- 8 steps: text encoding and decoding weigh three to four times as much as in a call of 30, and each is
  recorded by itself, so that a reader can scale them.
- 16 bits only, beside the untuned baseline, which is in 32: everybody leaves those first, and a trial of them
  takes three times as long.
- One warm call, five timed ones, one pair of pictures, no noise floor, no rounds at the end. The untuned
  recipe is measured again after every 30 trials, which is what brings all times to one pace.

What compiles costs several times as much as what does not, and would eat the time of all others in one study:
there are two, as with `make record`. Few of both come first, then many.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

from autotune.budget import Budget
from autotune.demo import DEMO_PROMPTS
from autotune.job import Protocol
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.plan import Plan
from autotune.search.sampling import MOST, searched
from autotune.space import SearchSpace, build_space, why_value_not_offered
from autotune.workload import Workload

Values = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One study of the record.

    Attributes:
        name: Of the study and of its plan's file.
        wanted: The knobs and values to combine, where they are on offer.
        needed: The knob without whose values there is no such study; "" for none.
        few, many: How many recipes are tried before the other parts' turn comes, and at most.
        trial_s: A trial is killed after so many seconds.
    """

    name: str
    wanted: Values
    needed: str = ""
    few: int
    many: int
    trial_s: float


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What is recorded on a kind of device.

    Attributes:
        workload: What every trial makes.
        protocol: How it is timed.
        parts: The studies, in their order.
    """

    workload: Workload
    protocol: Protocol
    parts: tuple[Part, ...]


_SHORT = Protocol(
    settle_min=1,
    settle_max=3,
    busy_s=1.0,
    calls_min=4,
    calls_max=5,
    timing_s=8.0,
    retries=1,
    pairs=1,
    race=False,
    baseline_every=30,
    confirm_rounds=0,
    floor=0,
)
ON_CARD = Recording(
    workload=Workload(
        model="arch:sdxl", prompts=DEMO_PROMPTS[:2], width_px=768, height_px=768, steps=8, batch=2
    ),
    protocol=_SHORT,
    parts=(
        Part(
            name="record-eager",
            wanted={
                "dtype": ("bfloat16", "float16"),
                "attention": ("sdpa", "sdpa_efficient", "sdpa_cudnn", "xformers"),
                "channels_last": (False, True),
                "fuse_qkv": (False, True),
                "quantization": ("none", "int8_weight_only", "float8_dynamic"),
                "offload": ("none", "model", "group_leaf"),
                "vae_slicing": (False, True),
                "vae_tiling": (0, 512),
                "tiny_vae": (False, True),
                "steps": (8, 5),
            },
            few=60,
            many=240,
            trial_s=90.0,
        ),
        Part(
            name="record-compiled",
            wanted={
                "dtype": ("bfloat16", "float16"),
                "compile": ("regional",),
                "compile_mode": ("default", "reduce-overhead"),
                "channels_last": (False, True),
                "fuse_qkv": (False, True),
                "quantization": ("none", "int8_weight_only", "float8_dynamic"),
                "tiny_vae": (False, True),
                "steps": (8, 5),
            },
            needed="compile",
            few=15,
            many=60,
            trial_s=180.0,
        ),
    ),
)
ON_CPU = Recording(
    workload=Workload(model="demo", prompts=DEMO_PROMPTS[:2], steps=3, guidance=3.0, batch=2),
    protocol=replace(
        _SHORT, settle_max=1, busy_s=0.0, calls_min=2, calls_max=2, timing_s=2.0, baseline_every=5
    ),
    parts=(
        Part(
            name="record-eager",
            wanted={
                "dtype": ("float32", "bfloat16"),
                "attention": ("sdpa", "xformers"),
                "vae_slicing": (False, True),
                "tiny_vae": (False, True),
                "steps": (3, 2),
            },
            few=4,
            many=7,
            trial_s=60.0,
        ),
        Part(
            name="record-compiled",
            wanted={"dtype": ("float32",), "compile": ("regional",), "steps": (2,)},
            needed="compile",
            few=2,
            many=2,
            trial_s=120.0,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A part as it is possible here.

    Attributes:
        plan: What is asked for; None where the part is not possible.
        left_out: Why a value, or the whole part, is not there: a sentence for each.
        recipes: How many recipes would be tried in the end, the untuned one among them.
    """

    plan: Plan | None
    left_out: tuple[str, ...] = ()
    recipes: int = 0


def planned(part: Part, recording: Recording, situation: Situation) -> Planned:
    """Return the plan of a part, of the values that are on offer in a situation."""
    offered = {knob.name: knob.domain(situation) for knob in all_knobs() if knob.name in part.wanted}
    kept: dict[str, tuple[Value, ...]] = {}
    left_out: list[str] = []
    for name, values in part.wanted.items():
        choice = offered[name]
        there = (*choice.values, *choice.on_request)
        found = tuple(value for value in values if value in there)
        left_out += [why_value_not_offered(name, value, choice) for value in values if value not in found]
        if found:
            kept[name] = found
    if part.needed and part.needed not in kept:
        return Planned(plan=None, left_out=tuple(left_out))
    plan = Plan(
        study=part.name,
        workload=recording.workload,
        device=situation.target.device,
        sampler="exhaustive",
        warm_from=(),
        min_similarity=None,
        allow_approximate=True,
        budget=Budget(gain=None),
        trial_time_s=part.trial_s,
        protocol=recording.protocol,
        knobs=kept,
    )
    space = space_of(plan, situation)
    recipes = sum(1 for _ in islice(space.valid(), MOST)) + (not space.is_searched(space.defaults))
    return Planned(plan=plan, left_out=tuple(left_out), recipes=recipes)


def space_of(plan: Plan, situation: Situation) -> SearchSpace:
    """Return the space that the study of a plan goes through."""
    whole = build_space(all_knobs(), situation, allow_approximate=True, narrowed=plan.knobs)
    return searched(whole, plan)
