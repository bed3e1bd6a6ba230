"""Which recipe is meant: the space of a study as it was frozen, and a recipe named by a person."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autotune.errors import UnknownName, UsageError, nearest
from autotune.knob import Choice, Knob, Settings, Value, is_same
from autotune.search.choose import picks_of
from autotune.search.study import Study
from autotune.space import SearchSpace, why_value_not_offered

BEST = "best"
UNTUNED = "untuned"
_DIGEST_DIGITS = 12
_TRUTHS: Mapping[str, bool] = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}


def space_of(study: Study, knobs: Sequence[Knob]) -> SearchSpace:
    """Return the space of a study: the values that it froze, and the conflicts of the knobs of today.

    What a knob offers beside them and lacks is asked of the study's situation, so that a value that was not
    searched has its reason. A knob that is no longer there keeps its values and has no conflicts.

    Args:
        study: Says its choices, its plan and its situation.
        knobs: Every knob there is.
    """
    known = {knob.name: knob for knob in knobs if knob.name in study.choices}
    wanted = study.plan.knobs
    offered = {
        name: _offered(values, known.get(name), study, wanted.get(name, ()))
        for name, values in study.choices.items()
    }
    searched = {
        name: tuple(v for v in values if name not in wanted or any(is_same(v, w) for w in wanted[name]))
        for name, values in study.choices.items()
    }
    why = {name: offered[name].why for name, values in searched.items() if len(values) == 1}
    ordered = [name for name in study.choices if name in known]
    return SearchSpace(
        knobs=tuple(known[name] for name in ordered),
        situation=study.situation,
        offered=offered,
        choices={name: values or study.choices[name] for name, values in searched.items()},
        why_fixed=why,
    )


def recipe_meant(study: Study, space: SearchSpace, text: str) -> dict[str, Value]:
    """Return the full settings of a recipe that a person named.

    Args:
        study: Has the trials.
        space: Of the study; see `space_of`.
        text: A pick ("best" is the knee), "untuned", the number of a trial, a digest, or settings as
            `Recipe.describe` prints them: "compile=full dtype=bfloat16 vae_slicing".

    Raises:
        BudgetError: A pick, but nothing is on the front.
        UnknownName: There is no such trial or knob.
        UsageError: A knob does not offer such a value, or is named twice.
    """
    word = text.strip()
    if word in (BEST, *picks_of(study.plan.measured_objectives())):
        return space.complete(_known(study.best_trial("knee" if word == BEST else word).settings, space))
    trial = next((trial for trial in study.trials if trial.digest == word), None)
    if trial is None and word.isdecimal() and len(word) < _DIGEST_DIGITS:
        trial = next((trial for trial in study.trials if trial.number == int(word)), None)
        if trial is None:
            raise UnknownName("trial", word, [str(known.number) for known in study.trials])
    if trial is not None:
        return space.complete(_known(trial.settings, space))
    return space.complete(parse_settings(text, space.offered))


def parse_settings(text: str, offered: Mapping[str, Choice]) -> dict[str, Value]:
    """Return settings from the text that `describe_settings` prints; "untuned" or nothing means none.

    Args:
        text: Such as "compile=full vae_slicing"; a name alone means that it is on.
        offered: What each knob offers.

    Raises:
        UnknownName: There is no such knob.
        UsageError: A knob does not offer such a value, or is named twice.

    >>> offered = {"vae_slicing": Choice((False, True)), "steps": Choice((20, 8))}
    >>> parse_settings("steps=8 vae_slicing", offered)
    {'steps': 8, 'vae_slicing': True}
    >>> parse_settings("steps=9", offered)
    Traceback (most recent call last):
    autotune.errors.UsageError: Knob 'steps' does not offer '9' here. It offers: 20, 8.
    """
    settings: dict[str, Value] = {}
    for word in _words(text):
        name, equals, value = word.partition("=")
        if name not in offered:
            raise UnknownName("knob", name, offered, remedy=_remedy(name, offered, text))
        if name in settings:
            raise UsageError(f"Knob '{name}' is named twice in '{text}'. Name it once.")
        settings[name] = _value(name, value if equals else "true", offered[name])
    return settings


def trial_settings(settings: Settings, space: SearchSpace) -> dict[str, Value]:
    """Return a trial's settings with a value for every knob of the space."""
    return space.complete(_known(settings, space))


def _offered(values: tuple[Value, ...], knob: Knob | None, study: Study, wanted: Sequence[Value]) -> Choice:
    if knob is None:
        return Choice(values)
    now = knob.domain(study.situation).with_requested(wanted)
    more = tuple(value for value in now.values if not any(is_same(value, known) for known in values))
    everything = (*values, *more)
    left = tuple(value for value in now.on_request if not any(is_same(value, known) for known in everything))
    lacking = {value: why for value, why in now.lacking.items() if value not in values}
    why = now.why if len(everything) == 1 else ""
    return replace(now, values=everything, why=why, lacking=lacking, on_request=left)


def _known(settings: Settings, space: SearchSpace) -> dict[str, Value]:
    return {name: value for name, value in settings.items() if name in space.offered}


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"'{text}' cannot be read: {error}. Write settings as in 'steps=8 compile=full'."
        ) from None
    return [] if words == [UNTUNED] else words


def _remedy(name: str, offered: Mapping[str, Choice], text: str) -> str:
    if nearest(name, offered) is not None:
        return ""
    return (
        f"'{text}' is no pick, trial or digest of this study either: name a recipe as 'best', a trial's "
        "number, or settings such as 'steps=8 compile=full'."
    )


def _value(name: str, text: str, choice: Choice) -> Value:
    """The value that a text means: as it is spelt, as a truth, as a number."""
    values = (*choice.values, *choice.on_request)
    found = next((value for value in values if str(value) == text), None)
    if found is None and text.lower() in _TRUTHS:
        found = next((value for value in values if value is _TRUTHS[text.lower()]), None)
    if found is None:
        found = next((value for value in values if _is_number(value, text)), None)
    if found is not None:
        return found
    if choice.takes(text):
        return text
    lacking = next((value for value in choice.lacking if str(value) == text or _is_number(value, text)), text)
    raise UsageError(why_value_not_offered(name, lacking, choice))


def _is_number(value: Value, text: str) -> bool:
    try:
        return not isinstance(value, (bool, str)) and value == float(text)
    except ValueError:
        return False
