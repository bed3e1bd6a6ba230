"""Bytes, durations and sizes: what is read, what is refused, what is printed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import UsageError
from autotune.units import (
    format_bytes,
    format_duration,
    format_money,
    parse_bytes,
    parse_duration,
    parse_energy,
    parse_money,
    parse_price,
    parse_size,
)

LAW = settings(max_examples=100, deadline=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GiB", 8 * 2**30),
        ("8 GiB", 8 * 2**30),
        (" 8 gib ", 8 * 2**30),
        ("8G", 8 * 2**30),
        ("1.5 MiB", 3 * 2**19),
        (".5 KiB", 512),
        ("512MB", 512 * 10**6),
        ("8 GB", 8 * 10**9),
        ("2 TB", 2 * 10**12),
        ("1073741824", 2**30),
        ("1e9", 10**9),
        ("7 b", 7),
    ],
)
def test_an_amount_of_memory_is_read_in_bytes(text: str, expected: int) -> None:
    """Binary and decimal units, bare letters and bare numbers are all understood, in any case."""
    amount = parse_bytes(text)

    assert expected == amount


@pytest.mark.parametrize(
    "text", ["", "GiB", "8 GiBs", "8 X", "8 GiB 2", "-8 GiB", "8,5 GiB", "inf", "nan", "True"]
)
def test_what_is_no_amount_of_memory_is_refused_with_an_example(text: str) -> None:
    """The message quotes the text and shows what is right."""
    with pytest.raises(UsageError) as refusal:
        parse_bytes(text)

    assert f"'{text}' is no amount of memory. Write it like '8 GiB', '512 MB' or '1073741824'." == str(
        refusal.value
    )


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", "no amount"), ("0 GiB", "no amount"), ("0.4", "no amount"), ("1e999", "an endless amount")],
)
def test_no_memory_and_endless_memory_are_refused(text: str, amount: str) -> None:
    """A limit of nothing or of everything makes no sense."""
    with pytest.raises(UsageError) as refusal:
        parse_bytes(text)

    assert f"'{text}' is {amount} of memory. Write it like '8 GiB'." == str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20m", 1200.0),
        ("2 h", 7200.0),
        ("45 ms", 0.045),
        ("90", 90.0),
        ("900.0", 900.0),
        ("1e-05", 1e-05),
        ("1h30m", 5400.0),
        ("1.5 min", 90.0),
        ("2 min 30 s", 150.0),
        ("1 Day", 86400.0),
        ("1 h 1 min 1 s 500 ms", 3661.5),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, expected: float) -> None:
    """Units go alone or together, with or without spaces; a bare number counts seconds."""
    seconds = parse_duration(text)

    assert expected == seconds


@pytest.mark.parametrize(
    "text", ["", "min", "1h30", "30 s 2 min", "1 h 1 h", "5 weeks", "-5 s", "1h, 5m", "nan", "0x10"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """The message quotes the text and shows what is right; units out of order are a mistake, not a sum."""
    with pytest.raises(UsageError) as refusal:
        parse_duration(text)

    assert f"'{text}' is no duration. Write it like '20 min', '1h30m', '45 ms' or '90' (seconds)." == str(
        refusal.value
    )


@pytest.mark.parametrize(
    ("text", "amount"), [("0", "no amount"), ("0 h 0 s", "no amount"), ("1e999", "an endless amount")]
)
def test_no_time_and_endless_time_are_refused(text: str, amount: str) -> None:
    """A limit of nothing or of everything makes no sense."""
    with pytest.raises(UsageError) as refusal:
        parse_duration(text)

    assert f"'{text}' is {amount} of time. Write it like '20 min'." == str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1024", (1024, 1024)),
        ("1024x768", (1024, 768)),
        ("1024×768", (1024, 768)),
        (" 640 X 480 ", (640, 480)),
    ],
)
def test_a_size_is_width_and_height(text: str, expected: tuple[int, int]) -> None:
    """One number is a square."""
    size = parse_size(text)

    assert expected == size


@pytest.mark.parametrize("text", ["", "big", "1024x", "1024 768", "-8x8", "8.5x8", "1x2x3"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    """The message quotes the text and shows what is right."""
    with pytest.raises(UsageError) as refusal:
        parse_size(text)

    expected = f"'{text}' is no size of a picture. Write it like '1024' or '1024x768' (width x height)."
    assert expected == str(refusal.value)


@pytest.mark.parametrize("text", ["0", "0x768", "1024x0"])
def test_a_picture_without_pixels_is_refused(text: str) -> None:
    """Neither side of a picture is zero."""
    with pytest.raises(UsageError) as refusal:
        parse_size(text)

    expected = f"'{text}' is an empty picture. Write it like '1024' or '1024x768' (width x height)."
    assert expected == str(refusal.value)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (23.74 * 2**30, "23.7 GiB"),
        (1000 * 2**20, "1000 MiB"),
        (1023.7 * 2**20, "1 GiB"),
        (3 * 2**40, "3 TiB"),
        (5000 * 2**40, "5000 TiB"),
        (-512 * 2**20, "-512 MiB"),
    ],
)
def test_an_amount_of_memory_is_printed_in_the_unit_that_fits(amount: float, expected: str) -> None:
    """What rounds up to the next unit is printed in it."""
    text = format_bytes(amount)

    assert expected == text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0 s"),
        (1.2e-5, "12 µs"),
        (0.045, "45 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min"),
        (125, "2 min 5 s"),
        (3599.6, "1 h"),
        (3725, "1 h 2 min"),
        (7200, "2 h"),
        (200_000, "55 h 33 min"),
        (-2.0, "-2 s"),
        (float("inf"), "inf s"),
        (float("nan"), "nan s"),
    ],
)
def test_a_duration_is_printed_in_the_units_that_fit(seconds: float, expected: str) -> None:
    """Three digits below a minute, two units above."""
    text = format_duration(seconds)

    assert expected == text


@LAW
@given(st.integers(1, 2**50))
def test_printed_memory_is_read_back_within_half_a_percent(amount: int) -> None:
    """What is printed can be typed in again."""
    again = parse_bytes(format_bytes(amount))

    assert amount == pytest.approx(again, rel=0.005)


@LAW
@given(st.floats(1e-6, 1e8))
def test_a_printed_duration_is_read_back_within_a_percent(seconds: float) -> None:
    """What is printed can be typed in again."""
    again = parse_duration(format_duration(seconds))

    assert seconds == pytest.approx(again, rel=0.01)


@LAW
@given(st.floats(0, 2**50), st.floats(0, 2**50))
def test_more_memory_never_prints_as_less(a: float, b: float) -> None:
    """Rounding keeps the order, across units too."""
    small, large = sorted((a, b))
    printed = [
        0 if text == "0 B" else parse_bytes(text)
        for text in (format_bytes(small + 1), format_bytes(large + 1))
    ]

    assert printed == sorted(printed)


@LAW
@given(st.floats(1e-300, 1e300))
def test_seconds_written_in_full_are_read_back_exactly(seconds: float) -> None:
    """A plan holds durations as plain numbers, and loses nothing."""
    again = parse_duration(str(seconds))

    assert seconds == again


@LAW
@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No input ends in another error."""
    for parse in (parse_bytes, parse_duration, parse_size):
        try:
            parse(text)
        except UsageError as refusal:
            said = str(refusal)
        else:
            said = f"'{text}' is understood"

        assert said.startswith(f"'{text}' is ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.50 USD/h", (2.5, "USD")),
        ("2.50USD / hour", (2.5, "USD")),
        ("$0.40/h", (0.4, "$")),
        ("3 € per hour", (3.0, "€")),
        ("12 kr/h", (12.0, "kr")),
    ],
)
def test_a_price_is_an_amount_and_a_currency(text: str, expected: tuple[float, str]) -> None:
    """The currency stays as it was written."""
    assert expected == parse_price(text)


@pytest.mark.parametrize(
    "text", ["", "2.50", "2.50 USD", "2.50/h", "$2 USD/h", "-1 USD/h", "0 USD/h", "USD/h", "2,50 €/h"]
)
def test_what_is_no_price_is_refused_with_an_example(text: str) -> None:
    """Without a currency, an amount above zero or the hour."""
    with pytest.raises(UsageError, match=r"Write it like '2\.50 USD/h'"):
        parse_price(text)


def test_joules_and_money_are_read_with_their_unit_or_without() -> None:
    """Another unit is refused."""
    assert (50.0, 1500.0, 0.5) == (parse_energy("50J"), parse_energy("1.5 kJ"), parse_energy("0.5"))
    assert (1.2, 1.2, 1.2) == (parse_money("1.2", "€"), parse_money("€1.20", "€"), parse_money("1.20 €", "€"))
    with pytest.raises(UsageError, match="'3 Wh' is no amount of energy"):
        parse_energy("3 Wh")
    with pytest.raises(UsageError, match="'1 USD' is no amount of €"):
        parse_money("1 USD", "€")


@LAW
@given(st.floats(1e-6, 1e9))
def test_money_is_shown_near_to_what_it_is(amount: float) -> None:
    """Within a twentieth, and read again as such."""
    assert pytest.approx(amount, rel=0.06) == parse_money(format_money(amount, "USD"), "USD")
