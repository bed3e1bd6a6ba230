"""Document: one self-contained HTML file with the style of every page here."""

from importlib.resources import files

from autotune.report.markup import Child, Html, element

# The browser itself refuses whatever would reach for a network.
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; font-src data:"
)


def document(title: str, *content: Child, version: str = "") -> str:
    """Return a whole HTML file.

    Args:
        title: Of the window.
        content: What the page shows, in order.
        version: Of autotune.

    >>> document("t", element("p", "a & b")).startswith("<!doctype html>")
    True
    """
    style = (files("autotune.report") / "page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(style)),
    )
    footer = element("p", f"Written by autotune {version}".rstrip() + ".", class_="note")
    return "<!doctype html>\n" + element("html", head, element("body", *content, footer), lang="en") + "\n"
