"""Goals: what --objective, --limit, --vram and the like change in a plan. Pure."""

from collections.abc import Iterator
from typing import Any, Protocol

from autotune.errors import UsageError
from autotune.limit_text import LIMIT_FIELDS, NO_LIMIT, is_share, read_limit, with_limit
from autotune.objective import COST, full_name, short_name
from autotune.plan import Plan
from autotune.units import parse_price


class GoalFlags(Protocol):
    """What was typed about objectives and limits; None or empty where nothing was."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Each --objective, such as "latency"."""

    @property
    def limits(self) -> tuple[str, ...]:
        """Each --limit, such as "latency<=0.5x"."""

    @property
    def images(self) -> int | None:
        """Made after one start."""

    @property
    def price(self) -> str | None:
        """Of an hour."""

    @property
    def vram(self) -> str | None:
        """Memory limit."""

    @property
    def host_memory(self) -> str | None:
        """Limit on the memory beside that of a GPU."""

    @property
    def min_similarity(self) -> str | None:
        """Similarity floor."""


def goals_from_flags(flags: GoalFlags, plan: Plan) -> dict[str, Any]:
    """Return the fields of a plan that hold its objectives and limits, as the flags change them.

    Raises:
        UsageError: A flag is not of the right form, two of them bound one objective, or a price of another
            currency would change what a limit on cost means.
    """
    price = plan.price if flags.price is None else flags.price
    fields: dict[str, Any] = {name: getattr(plan, name) for name in LIMIT_FIELDS}
    said: dict[str, str] = {}
    for flag, name, bound in _bounds(flags):
        if name in said:
            raise UsageError(f"'{said[name]}' and '{flag}' are two limits on {short_name(name)}. Give one.")
        said[name] = flag
        fields = with_limit(fields, name, bound, price=price)
    if COST in fields["bounds"] and COST not in said:
        _check_currency(plan.price, price)
    return {
        **fields,
        "objectives": _objectives(flags.objectives) or plan.objectives,
        "images": plan.images if flags.images is None else flags.images,
        "price": price,
    }


def _bounds(flags: GoalFlags) -> Iterator[tuple[str, str, str]]:
    """Each flag that limits something, as typed, with the name of the objective and the bound as text."""
    if flags.vram is not None:
        yield f"--vram {flags.vram}", "memory_bytes", flags.vram
    if flags.host_memory is not None:
        yield f"--host-memory {flags.host_memory}", "host_memory_bytes", flags.host_memory
    if flags.min_similarity is not None:
        yield f"--min-similarity {flags.min_similarity}", "similarity", _similarity(flags.min_similarity)
    for flag in flags.limits:
        yield f"--limit {flag}", *read_limit(flag)


def _objectives(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(full_name, words)))


def _similarity(floor: str) -> str:
    if floor.lower() in NO_LIMIT or is_share(floor):
        return floor
    try:
        similarity = float(floor)
    except ValueError:
        similarity = float("nan")
    if not 0 <= similarity <= 1:
        raise UsageError(
            f"'--min-similarity {floor}' is no similarity. Give a number from 0 to 1, or 'none'."
        )
    return floor


def _check_currency(before: str, now: str) -> None:
    if before and now and parse_price(before)[1] != parse_price(now)[1]:
        raise UsageError(
            f"The plan's limit on cost is in the currency of its price, '{before}', and the new price is "
            f"'{now}'. Give the limit too, with --limit 'cost<=…'."
        )
