"""Effects in words: pairs of settings and the share of each knob, for the terminal and the page."""

from autotune.recipe import describe_settings
from autotune.search.explain import Effects
from autotune.search.explain_estimate import Estimate

NO_PAIR = "No pair does clearly more or less together."
_LEAST_SHARE = 0.01


def basis(effects: Effects) -> str:
    """Return what the effects rest on, in words."""
    return (
        f"from {effects.trials} measured trials; averaged over {effects.tried} recipes that were tried, the "
        f"front first, and {effects.even} drawn from the space"
    )


def pair_lines(effects: Effects) -> list[str]:
    """Return a line for each pair of settings that does clearly more or less than each alone."""
    return [
        f"{describe_settings(dict(effect.settings))}: {each.objective.label} {effect.change.describe()}"
        for each in effects.objectives
        for effect in each.pairs
    ]


def share_lines(effects: Effects) -> list[str]:
    """Return a line for each objective: the share of its variance by knob, the largest first."""
    lines = []
    for each in effects.objectives:
        shown = [(name, share) for name, share in each.shares.items() if share.value >= _LEAST_SHARE]
        listed = ", ".join(f"{name} {_percent(share)}" for name, share in shown)
        lines.append(f"{each.objective.label}: {listed or 'on none'}")
    return lines


def _percent(share: Estimate) -> str:
    if share.low is None or share.high is None:
        return f"{100 * share.value:.0f} %"
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"
