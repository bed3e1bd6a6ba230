"""Tables of what a study knows: effects of settings, one recipe without each of its settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.cli.console import plain_table, say, say_table
from autotune.recipe import describe_settings
from autotune.report.effect_lines import NO_PAIR, basis, pair_lines, share_lines
from autotune.search.explain_ablation import Basis, PutBack
from autotune.search.explain_effects import Effect, Setting

if TYPE_CHECKING:
    from rich.table import Table

    from autotune.search.explain import Effects, Explanation
    from autotune.search.explain_estimate import Change


def say_explanation(found: "Explanation") -> None:
    """Print what a study knows: the effects where they were asked for, then the recipe."""
    if found.effects is not None:
        say_effects(found.effects)
    if found.why is None:
        say("No recipe is within the limits yet.")
        return
    if found.effects is not None:
        say()
    say(f"Recipe: {found.recipe} ({found.digest})")
    say(found.why.message)
    if found.ablation:
        say()
        say("Without each of its settings, against the recipe itself:")
        say()
        say_table(ablation_table(found.ablation))


def say_effects(effects: "Effects") -> None:
    """Print the effect of each setting, of pairs, and how much depends on each knob."""
    say(f"What each setting does instead of its knob's default, {basis(effects)}:")
    say()
    used = [setting for setting, trials in effects.uses.items() if trials]
    clear = [setting for setting in used if _is_clear(effects, setting)]
    say_table(effects_table(effects, clear))
    unused = [setting for setting in effects.uses if setting not in used]
    unclear = [setting for setting in used if setting not in clear]
    for title, listed in (("No clear effect on anything", unclear), ("In no measured trial", unused)):
        if listed:
            say()
            say(f"{title}: {', '.join(_named([setting]) for setting in listed)}.")
    pairs = pair_lines(effects)
    title = "Pairs that do more or less together than each alone:" if pairs else NO_PAIR
    _say_lines(title, pairs)
    _say_lines("Share of what differs over the space that depends on each knob:", share_lines(effects))


def effects_table(effects: "Effects", listed: Sequence[Setting]) -> "Table":
    """Return the table of effects: a setting a row, an objective a column.

    Args:
        effects: Of all settings.
        listed: Which to show.
    """
    table = plain_table("setting", "trials>", *(f"{each.objective.label}>" for each in effects.objectives))
    by_setting = [{e.settings[0]: e for e in each.settings} for each in effects.objectives]
    for setting in listed:
        cells = [_cell(of_one.get(setting)) for of_one in by_setting]
        table.add_row(_named([setting]), str(effects.uses[setting]), *cells)
    return table


def ablation_table(ablation: Sequence[PutBack]) -> "Table":
    """Return the table of a recipe without each of its settings."""
    objectives = list(dict.fromkeys(c.objective.name for put_back in ablation for c in put_back.changes))
    labels = {c.objective.name: c.objective.label for put_back in ablation for c in put_back.changes}
    table = plain_table("without", "back to", *(f"{labels[name]}>" for name in objectives), "known how")
    for put_back in ablation:
        told = {change.objective.name: change for change in put_back.changes}
        cells = [_told(told[name], put_back.basis) if name in told else "-" for name in objectives]
        also = f" (and {', '.join(put_back.also)})" if put_back.also else ""
        without = _named([(put_back.knob, put_back.value)])
        table.add_row(without + also, str(put_back.default), *cells, how(put_back))
    return table


def how(put_back: PutBack) -> str:
    """Return how it is known what a recipe is like without a setting, such as "measured, trial 3"."""
    trial = f", trial {put_back.trial}" if put_back.trial is not None else ""
    reason = f": {put_back.reason}" if put_back.reason else ""
    works = f", works with {100 * put_back.works:.0f} %" if put_back.works is not None else ""
    return f"{put_back.basis.value}{trial}{works}{reason}"


def _is_clear(effects: "Effects", setting: Setting) -> bool:
    return any(
        effect.change.is_clear
        for each in effects.objectives
        for effect in each.settings
        if effect.settings == (setting,)
    )


def _cell(effect: Effect | None) -> str:
    if effect is None:
        return "-"
    return effect.change.describe() if effect.change.is_clear else "no clear effect"


def _told(change: "Change", basis: Basis) -> str:
    is_sure = basis is Basis.MEASURED or change.is_clear
    return change.describe() if is_sure else "no clear change"


def _say_lines(title: str, lines: Sequence[str]) -> None:
    say()
    say(title)
    for line in lines:
        say(f"  {line}")


def _named(settings: Sequence[Setting]) -> str:
    return describe_settings(dict(settings))
