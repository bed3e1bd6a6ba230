"""Markup: HTML from Python in which everything is escaped unless it was made here."""

import html
from collections.abc import Sequence
from typing import TypeAlias

_EMPTY = frozenset({"img", "meta", "br"})  # elements without an end tag


class Html(str):
    """Text that is HTML already: made by `element`, or by a library that escapes for itself."""

    __slots__ = ()


Child: TypeAlias = str | int | float | None


def element(tag: str, /, *children: Child, **attributes: str | int) -> Html:
    """Return an element; plain text inside it is escaped, and None is left out.

    A trailing underscore of an attribute is dropped (`class_`), the others become hyphens.

    >>> element("p", "1 < 2", element("b", "yes"), class_="note")
    '<p class="note">1 &lt; 2<b>yes</b></p>'
    >>> element("img", src="data:,", alt='a "cat"')
    '<img src="data:," alt="a &quot;cat&quot;">'
    """
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    opening = f"<{tag}{given}>"
    return Html(opening if tag in _EMPTY else f"{opening}{joined(*children)}</{tag}>")


def joined(*children: Child) -> Html:
    """Return pieces one after the other; plain text is escaped, and None is left out.

    >>> joined("a & b", element("br"), None)
    'a &amp; b<br>'
    """
    return Html("".join(_escaped(child) for child in children if child is not None))


def table(headings: tuple[str, ...], lines: Sequence[Sequence[Child]], *, classes: Sequence[str]) -> Html:
    """Return a table; cells of columns whose heading ends in '>' are flush right.

    Args:
        headings: One a column.
        lines: Cells of each line.
        classes: The class of each line.
    """
    sides = ["number" if heading.endswith(">") else "text" for heading in headings]
    head = element(
        "tr", *(element("th", h.removesuffix(">"), class_=s) for h, s in zip(headings, sides, strict=True))
    )
    body = [
        element("tr", *(element("td", c, class_=s) for c, s in zip(cells, sides, strict=True)), class_=kind)
        for cells, kind in zip(lines, classes, strict=True)
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll")


def _escaped(child: Child) -> str:
    return child if isinstance(child, Html) else html.escape(str(child))
