"""Bytes, durations and picture sizes as people write them: the only place where units are spelt."""

import math
import re

from autotune.errors import UsageError

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_MINUTES_IN_HOUR = 60
_LEAST_PERCENT, _ALMOST_ALL = 0.01, 99
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_BYTES = (
    {"": 1, "b": 1}
    | dict(_BINARY)
    | {f"{letter}ib": size for letter, size in _BINARY.items()}
    | {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
)
_SECONDS = (
    dict.fromkeys(("us", "µs", "μs"), 1e-6)
    | dict.fromkeys(("ms",), 1e-3)
    | dict.fromkeys(("s", "sec", "second", "seconds"), 1.0)
    | dict.fromkeys(("m", "min", "minute", "minutes"), 60.0)
    | dict.fromkeys(("h", "hour", "hours"), 3600.0)
    | dict.fromkeys(("d", "day", "days"), 86400.0)
)
_BYTES_FORM = re.compile(rf"({_NUMBER}(?:e[+-]?\d+)?)\s*([a-z]*)", re.IGNORECASE)
_PLAIN_FORM = re.compile(rf"{_NUMBER}(?:e[+-]?\d+)?", re.IGNORECASE)
_PIECE = re.compile(rf"\s*({_NUMBER})\s*([a-zµμ]+)\s*", re.IGNORECASE)
_PRICE_FORM = re.compile(
    rf"(?P<before>[^\s\d./,-]*)\s*(?P<amount>{_NUMBER})\s*(?P<after>[^\s\d./,-]*)\s*(?:/|per)\s*(?:h|hour)",
    re.IGNORECASE,
)
_SIZE_FORM = re.compile(r"(\d+)(?:\s*[x×]\s*(\d+))?", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Return an amount of memory in bytes, at least 1.

    "GiB" and the bare letter "G" count in 1024s, "GB" in 1000s; a bare number counts bytes. Case does not
    matter.

    Raises:
        UsageError: It is no amount of memory, or none above zero.

    >>> parse_bytes("8GiB") == parse_bytes("8 G") == 8 * 2**30
    True
    >>> parse_bytes("512MB"), parse_bytes("1073741824")
    (512000000, 1073741824)
    """
    form = _BYTES_FORM.fullmatch(text.strip())
    factor = _BYTES.get(form[2].lower()) if form else None
    if form is None or factor is None:
        raise UsageError(f"'{text}' is no amount of memory. Write it like '8 GiB', '512 MB' or '1073741824'.")
    number = form[1]
    amount = int(number) * factor if number.isdigit() else float(number) * factor
    if not 1 <= amount < math.inf:
        raise UsageError(f"'{text}' is {_what_is_wrong(amount)} of memory. Write it like '8 GiB'.")
    return round(amount)


def parse_duration(text: str) -> float:
    """Return a duration in seconds, above zero.

    A bare number counts seconds. Several units go together, the largest first.

    Raises:
        UsageError: It is no duration, or none above zero.

    >>> parse_duration("1h30m"), parse_duration("2 min 30 s"), parse_duration("45 ms"), parse_duration("90")
    (5400.0, 150.0, 0.045, 90.0)
    """
    bare = text.strip()
    seconds = float(bare) if _PLAIN_FORM.fullmatch(bare) else _sum_of_pieces(bare)
    if seconds is None:
        raise UsageError(
            f"'{text}' is no duration. Write it like '20 min', '1h30m', '45 ms' or '90' (seconds)."
        )
    if not 0 < seconds < math.inf:
        raise UsageError(f"'{text}' is {_what_is_wrong(seconds)} of time. Write it like '20 min'.")
    return seconds


def parse_size(text: str) -> tuple[int, int]:
    """Return the size of a picture as (width, height) in pixels, both at least 1.

    Raises:
        UsageError: It is no size, or has a side of zero.

    >>> parse_size("1024"), parse_size("1024x768"), parse_size("1024 × 768")
    ((1024, 1024), (1024, 768), (1024, 768))
    """
    form = _SIZE_FORM.fullmatch(text.strip())
    if form is None:
        raise UsageError(
            f"'{text}' is no size of a picture. Write it like '1024' or '1024x768' (width x height)."
        )
    width, height = int(form[1]), int(form[2] or form[1])
    if not width or not height:
        raise UsageError(
            f"'{text}' is an empty picture. Write it like '1024' or '1024x768' (width x height)."
        )
    return width, height


def parse_price(text: str) -> tuple[float, str]:
    """Return the price of an hour as (amount, currency): above zero, and the currency as it was written.

    Raises:
        UsageError: It is no price of an hour, or none above zero.

    >>> parse_price("2.50 USD/h"), parse_price("$0.4/h"), parse_price("3 € per hour")
    ((2.5, 'USD'), (0.4, '$'), (3.0, '€'))
    """
    form = _PRICE_FORM.fullmatch(text.strip())
    currency = (form["before"] or form["after"]) if form else ""
    if form is None or not currency or (form["before"] and form["after"]):
        raise UsageError(f"'{text}' is no price of an hour. Write it like '2.50 USD/h'.")
    amount = float(form["amount"])
    if not 0 < amount < math.inf:
        raise UsageError(f"'{text}' is no price above zero. Write it like '2.50 USD/h'.")
    return amount, currency


def parse_money(text: str, currency: str) -> float:
    """Return an amount of money in a currency, which may be written beside it or left out.

    Raises:
        UsageError: It is no such amount, or none above zero.

    >>> parse_money("1.20 USD", "USD"), parse_money("$1.20", "$"), parse_money("1.2", "USD")
    (1.2, 1.2, 1.2)
    """
    return _amount(text, currency, what=f"amount of {currency}", example=f"1.20 {currency}")


def parse_energy(text: str) -> float:
    """Return joules; a bare number counts joules.

    Raises:
        UsageError: It is no amount of energy, or none above zero.

    >>> parse_energy("50 J"), parse_energy("1.5 kJ"), parse_energy("50")
    (50.0, 1500.0, 50.0)
    """
    bare = text.strip()
    is_thousands = bare.lower().endswith("kj")
    joules = _amount(bare[:-2] if is_thousands else bare, "J", what="amount of energy", example="50 J")
    return joules * 1000 if is_thousands else joules


def format_money(amount: float, currency: str) -> str:
    """Return an amount of money for a person: to the hundredth, or two digits that matter where it is small.

    >>> format_money(12.345, "USD"), format_money(0.0123, "USD"), format_money(0.5, "€")
    ('12.35 USD', '0.012 USD', '0.50 €')
    """
    digits = f"{amount:.2f}" if abs(amount) >= 0.1 or amount == 0 else f"{amount:.2g}"
    return f"{digits} {currency}"


def format_bytes(amount_bytes: float) -> str:
    """Return an amount of memory for a person, with three digits at most before it is rounded.

    >>> format_bytes(8 * 2**30), format_bytes(512 * 2**20), format_bytes(1.5 * 2**30), format_bytes(0)
    ('8 GiB', '512 MiB', '1.5 GiB', '0 B')
    >>> format_bytes(2**20 - 1), format_bytes(-(2**30))
    ('1 MiB', '-1 GiB')
    """
    if amount_bytes < 0:
        return f"-{format_bytes(-amount_bytes)}"
    for unit, size, next_larger in (
        ("B", 1, 1024),
        ("KiB", 2**10, 1024),
        ("MiB", 2**20, 1024),
        ("GiB", 2**30, 1024),
    ):
        digits = _three_digits(amount_bytes / size)
        if float(digits) < next_larger:
            return f"{digits} {unit}"
    return f"{_three_digits(amount_bytes / 2**40)} TiB"


def format_duration(duration_s: float) -> str:
    """Return a duration for a person, accepted by `parse_duration` when it is above zero.

    >>> format_duration(0.045), format_duration(1.234), format_duration(125), format_duration(3725)
    ('45 ms', '1.23 s', '2 min 5 s', '1 h 2 min')
    >>> format_duration(59.97), format_duration(3599.7), format_duration(0), format_duration(-2)
    ('1 min', '1 h', '0 s', '-2 s')
    """
    if duration_s < 0:
        return f"-{format_duration(-duration_s)}"
    if duration_s == 0 or not math.isfinite(duration_s):
        return f"{duration_s:g} s"
    for unit, size_s, next_larger in (("µs", 1e-6, 1000), ("ms", 1e-3, 1000), ("s", 1.0, 60)):
        digits = _three_digits(duration_s / size_s)
        if float(digits) < next_larger:
            return f"{digits} {unit}"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < _MINUTES_IN_HOUR:
        return f"{minutes} min" + (f" {seconds} s" if seconds else "")
    hours, minutes = divmod(round(duration_s / 60), 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")


def format_share(share: float) -> str:
    """Return a share of 1 in per cent, with two digits that count below 10 %.

    >>> format_share(0.005), format_share(0.00213), format_share(0.0817), format_share(0.5), format_share(0.0)
    ('0.5 %', '0.21 %', '8.2 %', '50 %', '0 %')
    >>> format_share(3e-6), format_share(0.9999)
    ('less than 0.01 %', 'almost 100 %')
    """
    percent = 100 * share
    if 0 < percent < _LEAST_PERCENT:
        return f"less than {_LEAST_PERCENT} %"
    if _ALMOST_ALL < percent < 100:
        return "almost 100 %"
    return f"{percent:.2g} %" if percent < _ALMOST_ALL else f"{percent:.0f} %"


def _sum_of_pieces(text: str) -> float | None:
    """Seconds of "1 h 30 min", or None where a piece is no number with a unit or the units do not fall."""
    total, smallest, end = 0.0, math.inf, 0
    while end < len(text):
        piece = _PIECE.match(text, end)
        factor = _SECONDS.get(piece[2].lower()) if piece else None
        if piece is None or factor is None or factor >= smallest:
            return None
        total, smallest, end = total + float(piece[1]) * factor, factor, piece.end()
    return total if text else None


def _amount(text: str, unit: str, *, what: str, example: str) -> float:
    """The number of a text that has a unit before it, after it, or none."""
    bare = text.strip()
    number = (bare.removeprefix(unit) if bare.startswith(unit) else bare.removesuffix(unit)).strip()
    if not _PLAIN_FORM.fullmatch(number):
        raise UsageError(f"'{text}' is no {what}. Write it like '{example}'.")
    if not 0 < float(number) < math.inf:
        raise UsageError(f"'{text}' is {_what_is_wrong(float(number))}. Write it like '{example}'.")
    return float(number)


def _three_digits(number: float) -> str:
    """A number with up to three digits, or all those before its point: 1.23, 12.3, 123, 1234."""
    whole_digits = len(str(int(float(f"{number:.3g}"))))
    text = f"{number:.{max(0, 3 - whole_digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _what_is_wrong(amount: float) -> str:
    return "an endless amount" if amount == math.inf else "no amount"
