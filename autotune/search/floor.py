"""Floor: how unlike the reference pictures are that should be equal to it, measured once per study."""

from collections.abc import Iterator, Mapping
from itertools import islice

from autotune.knob import Settings, Value
from autotune.search.session import Session, check_folder, run_check
from autotune.search.study import Study
from autotune.space import SearchSpace
from autotune.store.records import Purpose

# Each computes the very same in another order: other kernels, sums or layouts. The first of its values that
# is on offer is taken; of those that are possible the first are measured, as many as the protocol says.
_HARMLESS: Mapping[str, tuple[Value, ...]] = {
    "attention": ("sdpa_math", "vanilla", "sdpa_efficient", "efficient"),
    "images_per_call": (1,),
    "channels_last": (True,),
    "tf32": (True,),
    "fuse_qkv": (True,),
}


def harmless(space: SearchSpace) -> Iterator[Settings]:
    """Yield settings that should change nothing, the untuned ones first."""
    yield {}
    for name, values in _HARMLESS.items():
        offered = space.offered.get(name)
        others = offered.values[1:] if offered is not None else ()
        value = next((value for value in values if value in others), None)
        settings = {**space.defaults, name: value} if value is not None else None
        if settings is None or space.why_not(settings):
            continue
        yield dict(space.recipe(settings).settings)


def measure_floor(session: Session, study: Study) -> Study:
    """Measure the noise floor as far as that was not done yet; return the study with it."""
    wanted = list(islice(harmless(session.space), session.plan.protocol.floor))
    known = {check.digest for check in study.checks if check.purpose is Purpose.FLOOR}
    for number, changed in enumerate(wanted):
        recipe = session.recipe({**session.space.defaults, **changed})
        if recipe.digest in known or session.stop.requested:
            continue
        folder = check_folder(session, Purpose.FLOOR, number, recipe.digest)
        job = session.job(recipe, folder, role="pictures", memory_limit_bytes=None)
        study, _ = run_check(session, study, job, purpose=Purpose.FLOOR, number=number, of=len(wanted))
    return study
