"""Plans of the stage "studies": which models are tuned under which limits, making what, and for how long.

On a card the models are `arch:sdxl` and `arch:flux-dev`, full-size with random weights: speed and memory are
those of the real models, and likeness is numerical drift and nothing else. So knobs that change what is
computed are left alone, and a recipe must stay in the tier "indistinguishable".

A minute of a card is dear, which is what the sizes below come from:

- One picture of 1024 x 1024 a call, of one prompt and one seed: all that is timed is in one call, and the
  untuned baseline in 32 bits, which every process of `verify` makes again, is the slowest of all.
- SDXL takes 20 steps and Flux 4. The seconds of a step are the same for more of them, and so are the ratios
  but for text encoder and decoder, whose share is smaller then.
- Three timed calls a trial and no rounds at the end: `verify` and `compare` measure the winners in rounds.
- What compiles for minutes is not searched (`max-autotune`, the guides' coordinate descent, tracing), nor
  what writes weights to a disk that is smaller than those of Flux. The guides' own recipes may take longer.

Why 0.97 for random weights: of the demo model with weights drawn as an architecture's are, pictures in
bfloat16 are 0.993 like those in 32 bits (0.998 with its own weights), and 0.9999 in float16.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotune.budget import Budget
from autotune.demo import DEMO_PROMPTS
from autotune.job import Protocol
from autotune.knob import Value
from autotune.plan import Plan
from autotune.space import SearchSpace
from autotune.tiers import Tier
from autotune.workload import Workload

GIB = 2**30
PROOF_THREADS = 1
"""Of a trial on a CPU: two threads that wait for each other are slow on cores that others use."""
INDISTINGUISHABLE = 0.97
"""The least similarity of that tier; `test_studies` holds it against `tiers.tier`."""
LISTED = "guides"
"""The ending of a study's name that measures the recipes of published guides."""

_ON_CARD = Protocol(
    settle_max=5,
    busy_s=2.0,
    calls_max=3,
    timing_s=25.0,
    retries=1,
    pairs=1,
    baseline_every=0,
    confirm_rounds=0,
    floor=0,
)
_ON_CPU = replace(_ON_CARD, settle_max=2, busy_s=0.0, timing_s=3.0)
_QUICK_ON_CARD: Mapping[str, tuple[Value, ...]] = {
    "compile_mode": ("default", "reduce-overhead"),
    "compile_flags": ("none",),
    "compile_dynamic": ("auto",),
    "trace": (False,),
    "offload_disk": (False,),
}
_QUICK_ON_CPU: Mapping[str, tuple[Value, ...]] = {
    "compile": ("none",),
    "compile_vae": (False,),
    "compile_text_encoder": (False,),
    "engine": ("torch",),
    "engine_vae": ("torch",),
    "trace": (False,),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One study that is to be made.

    Attributes:
        name: Of the study, such as "sdxl-8gib".
        family: Of the studies of one model, such as "sdxl".
        plan: What is asked for; its memory limit is still to be filled in where `share` is given.
        picks: Which picks are exported and verified, the dearest first.
        share: Memory limit as a share of what the untuned baseline of the first study needs; None for a limit
            that the plan has, or for none.
    """

    name: str
    family: str
    plan: Plan
    picks: tuple[str, ...] = ("fastest",)
    share: float | None = None

    @property
    def is_capped(self) -> bool:
        """Whether it has a memory limit."""
        return self.share is not None or self.plan.memory_limit_bytes is not None

    def with_limit(self, untuned_bytes: int) -> Plan:
        """Return the plan with the limit that its share comes to, in whole MiB."""
        if self.share is None:
            return self.plan
        return replace(self.plan, memory_limit_bytes=round(self.share * untuned_bytes / 2**20) * 2**20)


def asked(*, is_proof: bool) -> tuple[Asked, ...]:
    """Return the studies in the order of their worth: a run that ends early has made the first ones.

    >>> [one.name for one in asked(is_proof=True)]
    ['demo', 'demo-95', 'demo-90']
    >>> [one.name for one in asked(is_proof=False)][:4]
    ['sdxl', 'sdxl-5gib', 'sdxl-8gib', 'sdxl-12gib']
    """
    return _of_demo() if is_proof else (*_of_sdxl(), *_of_flux())


def listed(first: Asked, recipes: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Return the study that measures recipes as another study measures its own, and no others.

    Args:
        first: The study without a limit of the model.
        recipes: By name, in the order in which they are tried.
    """
    is_proof = first.plan.workload.model == "demo"
    return replace(
        first.plan,
        study=f"{first.family}-{LISTED}",
        sampler="listed",
        recipes=recipes,
        knobs={},
        budget=Budget(seconds=40.0 if is_proof else 260.0, gain=None),
        trial_time_s=first.plan.trial_time_s if is_proof else 240.0,
    )


def offered(plan: Plan, space: SearchSpace) -> Plan:
    """Return a plan that asks only for values of knobs that a machine offers: another may lack a compiler.

    Args:
        plan: Names values.
        space: Of the machine and the plan's model, nothing narrowed.
    """
    kept = {
        name: tuple(value for value in values if value in space.offered[name].values)
        for name, values in plan.knobs.items()
    }
    return replace(plan, knobs={name: values for name, values in kept.items() if values})


def is_exact(likeness: Tier | str | None) -> bool:
    """Whether a recipe's likeness is at least "indistinguishable".

    >>> is_exact("equivalent"), is_exact("close"), is_exact(None)
    (True, False, False)
    """
    return likeness in (Tier.EQUIVALENT, Tier.INDISTINGUISHABLE)


def _of_sdxl() -> Sequence[Asked]:
    """5 GiB has a study of its own: the fastest recipe of one under 8 GiB is free to need all 8."""
    work = Workload(model="arch:sdxl", prompts=DEMO_PROMPTS[:1], width_px=1024, height_px=1024, steps=20)
    first = _card_plan("sdxl", work, trials=26, seconds=330.0, trial_time_s=150.0)
    found = [Asked(name="sdxl", family="sdxl", plan=first, picks=("fastest", "smallest", "knee"))]
    for gib, trials, seconds in ((5, 12, 170.0), (8, 12, 150.0), (12, 10, 120.0), (24, 8, 120.0)):
        found.append(_capped(found[0], gib, Budget(trials=trials, seconds=seconds, gain=None)))
    return found


def _of_flux() -> Sequence[Asked]:
    """32-bit weights are 63 GiB, a minute's start: the untuned baseline has them, and no other recipe."""
    work = Workload(model="arch:flux-dev", prompts=DEMO_PROMPTS[:1], width_px=1024, height_px=1024, steps=4)
    plan = _card_plan("flux", work, trials=14, seconds=400.0, trial_time_s=180.0)
    first = replace(plan, knobs={**plan.knobs, "dtype": ("bfloat16", "float16")})
    found = [Asked(name="flux", family="flux", plan=first, picks=("fastest", "smallest"))]
    for gib, trials, seconds in ((24, 8, 300.0), (12, 8, 300.0), (8, 8, 300.0)):
        found.append(_capped(found[0], gib, Budget(trials=trials, seconds=seconds, gain=None)))
    return found


def _card_plan(study: str, work: Workload, *, trials: int, seconds: float, trial_time_s: float) -> Plan:
    return Plan(
        study=study,
        workload=work,
        device="cuda",
        min_similarity=INDISTINGUISHABLE,
        budget=Budget(trials=trials, seconds=seconds),
        trial_time_s=trial_time_s,
        knobs=_QUICK_ON_CARD,
        protocol=_ON_CARD,
    )


def _capped(first: Asked, gib: int, budget: Budget) -> Asked:
    name = f"{first.family}-{gib}gib"
    plan = replace(first.plan, study=name, memory_limit_bytes=gib * GIB, budget=budget)
    return Asked(name=name, family=first.family, plan=plan)


def _of_demo() -> tuple[Asked, ...]:
    """The demo model stands in for all of them; compiling it takes a CPU longer than all else together."""
    work = Workload(
        model="demo", prompts=DEMO_PROMPTS[:1], width_px=128, height_px=128, steps=6, guidance=3.0
    )
    first = Plan(
        study="demo",
        workload=work,
        device="cpu",
        min_similarity=INDISTINGUISHABLE,
        budget=Budget(trials=7, seconds=120.0, gain=None),
        trial_time_s=45.0,
        knobs=_QUICK_ON_CPU,
        threads=PROOF_THREADS,
        protocol=_ON_CPU,
    )
    found = [Asked(name="demo", family="demo", plan=first, picks=("fastest", "smallest"))]
    for share in (0.95, 0.9):
        name = f"demo-{share:.0%}".removesuffix("%")
        plan = replace(first, study=name, budget=Budget(trials=4, seconds=60.0, gain=None))
        found.append(Asked(name=name, family="demo", plan=plan, share=share))
    return tuple(found)
