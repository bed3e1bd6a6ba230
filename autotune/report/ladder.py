"""Ladders of guides as JSON, sentences and Markdown: what was published beside what was measured here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from autotune.ladder import Ladder, Rung
from autotune.recipe import describe_settings
from autotune.report.figures import counted, format_factor
from autotune.search.ladder import LadderHere, RungRow, rung_rows, untuned_row
from autotune.search.study import Study
from autotune.units import format_bytes, format_duration

TITLE = "# Published guides, measured again"
"""The first line of the page."""
MEASURED, FAILED, IMPOSSIBLE, WAITING = "measured", "failed", "not possible here", "waiting"
"""What became of a rung; the last one is not measured yet."""
_SOFTWARE = ("torch", "diffusers", "transformers")
Own: TypeAlias = tuple[LadderHere, Study | None]
"""A recipe of the user's own, as a ladder of one rung, and its study as far as it is."""
_FIGURES = ("latency_s", "interval_s", "latency_at_guide_s", "memory_bytes", "similarity", "tier", "cold_s")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A ladder with all that is known of it here.

    Attributes:
        ladder: The guide's.
        here: It in its situation; None where nobody looked yet.
        study: Of its rungs; None where it was not begun.
        own: The user's own recipes, each as a ladder of one rung and its study.
        is_quick: Whether few calls were made.
        error: Why it could not be measured, a sentence; "" where nothing is wrong.
    """

    ladder: Ladder
    here: LadderHere | None = None
    study: Study | None = None
    own: tuple[Own, ...] = ()
    is_quick: bool = False
    error: str = ""


def guide_json(told: Told) -> dict[str, Any]:
    """Return a ladder and its rows as plain JSON types."""
    ladder, here = told.ladder, told.here
    document: dict[str, Any] = {
        "guide": ladder.name,
        "title": ladder.title,
        "source": ladder.source,
        "published": {
            "hardware": ladder.hardware,
            "model": ladder.model,
            "steps": ladder.steps,
            "guidance": ladder.guidance,
            "batch": ladder.batch,
            "size_px": [ladder.width_px, ladder.height_px],
        },
        "here": None if here is None else _here_json(here),
        "study": told.study.name if told.study is not None else None,
        "is_quick": told.is_quick,
        "note": ladder.note,
        "error": told.error,
    }
    if here is None:
        rows = [_published_json(ladder, rung) | {"status": WAITING, "why": ""} for rung in ladder.rungs]
        return document | {"rows": rows}
    first, *others = rung_rows(here, told.study)
    rows = [_row_json(ladder, row, first) for row in (first, *others)]
    untuned = untuned_row(here, told.study)
    if all(row.recipe is None or row.recipe.digest != _digest(untuned) for row in (first, *others)):
        rows.append(_row_json(ladder, untuned, first) | {"kind": "untuned"})
    for mine, study in told.own:
        row = _row_json(ladder, rung_rows(mine, study)[0], first) | {"kind": "yours"}
        rows.append(row | {"rung": f"yours: {row['rung']}", "untuned_ratio": _drift(mine, study, untuned)})
    return document | {"rows": rows}


def _digest(row: RungRow) -> str:
    return row.recipe.digest if row.recipe is not None else ""


def _here_json(here: LadderHere) -> dict[str, Any]:
    target, workload = here.situation.target, here.situation.workload
    return {
        "device": target.device,
        "target": target.describe(),
        "libraries": {name: target.libraries[name] for name in _SOFTWARE if name in target.libraries},
        "model": workload.model,
        "has_random_weights": here.situation.blueprint.has_random_weights,
        "steps": workload.steps,
        "guidance": workload.guidance,
        "batch": workload.batch,
        "size_px": [workload.width_px, workload.height_px],
    }


def _published_json(ladder: Ladder, rung: Rung) -> dict[str, Any]:
    return {
        "rung": rung.name,
        "kind": "guide",
        "note": rung.note,
        "settings": dict(rung.settings),
        "published_latency_s": rung.latency_s,
        "published_speedup": ladder.published_speedup(rung),
        "published_memory_bytes": rung.memory_bytes,
        "digest": None,
        "same_as": "",
        "failure": None,
        "speedup": None,
        "warnings": [],
        "calls_s": [],
        **dict.fromkeys(_FIGURES),
    }


def _row_json(ladder: Ladder, row: RungRow, first: RungRow) -> dict[str, Any]:
    document = _published_json(ladder, row.rung) | {"same_as": row.same_as}
    if row.recipe is None:
        return document | {"status": IMPOSSIBLE, "why": row.why_not}
    document |= {"digest": row.recipe.digest, "settings": dict(row.recipe.settings)}
    if row.trial is None:
        return document | {"status": WAITING, "why": ""}
    measured = row.measured
    if measured is None or row.study is None:
        failure = row.trial.failure
        kind = failure.kind.value if failure is not None else None
        return document | {"status": FAILED, "failure": kind, "why": why_failed(row)}
    tier = row.study.tier(row.trial)
    at_guide_s, first_s = row.latency_at(ladder.steps), first.latency_at(ladder.steps)
    return document | {
        "status": MEASURED,
        "why": "",
        "latency_s": measured.latency_s,
        "interval_s": list(row.interval_s) if row.interval_s else None,
        "calls_s": list(measured.calls_s),
        "latency_at_guide_s": at_guide_s,
        "speedup": first_s / at_guide_s if first_s and at_guide_s else None,
        "memory_bytes": measured.memory_bytes,
        "similarity": measured.similarity,
        "tier": tier.value if tier is not None else None,
        "cold_s": measured.cold_s,
        "warnings": list(measured.warnings),
    }


def why_failed(row: RungRow) -> str:
    """Return how a rung failed, a sentence; "" where it did not."""
    failure = row.trial.failure if row.trial is not None else None
    if failure is None:
        return ""
    where = f" during {failure.phase}" if failure.phase else ""
    return " ".join(f"{failure.kind.value}{where}: {failure.message}".split())


def _drift(mine: LadderHere, study: Study | None, untuned: RungRow) -> float | None:
    """How many times as long the untuned baseline took when the user's recipe was measured."""
    then, now = untuned_row(mine, study).measured, untuned.measured
    return then.latency_s / now.latency_s if then is not None and now is not None else None


def headings(document: Mapping[str, Any]) -> list[str]:
    """Return the headings of a ladder's table; one that ends in '>' is of a column that is flush right."""
    scaled = [f"at {document['published']['steps']} steps>"] if _is_scaled(document) else []
    likeness = "drift>" if (document["here"] or {}).get("has_random_weights") else "likeness"
    return [
        "rung",
        "a call>",
        *scaled,
        "speed-up>",
        "published>",
        "memory>",
        "published>",
        likeness,
        "cold start>",
        "here",
    ]


def cells(document: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """Return a row's cells, one a heading."""
    scaled = [_text(row["latency_at_guide_s"], format_duration)] if _is_scaled(document) else []
    return [
        row["rung"],
        _text(row["latency_s"], format_duration),
        *scaled,
        _text(row["speedup"], format_factor),
        _published(row),
        _text(row["memory_bytes"], format_bytes),
        _text(row["published_memory_bytes"], format_bytes),
        _likeness(document, row),
        _text(row["cold_s"], format_duration),
        what_ran(row),
    ]


def _text(figure: float | None, show: Callable[[float], str]) -> str:
    return "-" if figure is None else show(figure)


def _published(row: Mapping[str, Any]) -> str:
    factor, seconds = row["published_speedup"], row["published_latency_s"]
    if factor is None or seconds is None:
        return _text(seconds, format_duration)
    return f"{format_factor(factor)} ({format_duration(seconds)})"


def _likeness(document: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    if row["similarity"] is None:
        return "-"
    number = f"{row['similarity']:.4f}"
    is_drift = (document["here"] or {}).get("has_random_weights")
    return number if is_drift else " ".join(filter(None, (number, row["tier"])))


def what_ran(row: Mapping[str, Any]) -> str:
    """Return what a rung is here, or why it has no figures.

    >>> what_ran({"status": "not possible here", "why": "It needs CUDA.", "same_as": ""})
    'not possible here: It needs CUDA.'
    """
    if row["status"] == WAITING:
        return "not measured yet"
    if row["status"] in (IMPOSSIBLE, FAILED):
        return f"{row['status']}: {row['why']}"
    recipe = describe_settings(row["settings"]) or "untuned"
    return f"{recipe} (the same here as '{row['same_as']}')" if row["same_as"] else recipe


def _is_scaled(document: Mapping[str, Any]) -> bool:
    here = document["here"]
    return here is not None and here["steps"] != document["published"]["steps"]


def sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of a ladder before its table, a sentence or two each."""
    published, here = document["published"], document["here"]
    lines = [f"Published: {document['source']}, measured on {published['hardware']}; {_call(published)}."]
    if here is None:
        lines.append("Here: not looked at yet.")
    else:
        software = ", ".join(f"{name} {version}" for name, version in here["libraries"].items())
        lines.append(f"Here: {here['target']}{', ' if software else ''}{software}; {_call(here)}.")
        lines += _cautions(document)
    return [*lines, *filter(None, (document["note"], document["error"]))]


def _call(of: Mapping[str, Any]) -> str:
    width_px, height_px = of["size_px"]
    return (
        f"{of['model']}, a call makes {of['batch']} × {width_px} × {height_px} px in "
        f"{counted(of['steps'], 'step')}, guidance {of['guidance']:g}"
    )


def _cautions(document: Mapping[str, Any]) -> list[str]:
    published, here, lines = document["published"], document["here"], list[str]()
    names = {"model": "model", "steps": "steps", "guidance": "guidance", "batch": "batch", "size_px": "size"}
    others = [word for name, word in names.items() if published[name] != here[name]]
    if others:
        lines.append(f"Not as in the guide: {', '.join(others)}.")
    if _is_scaled(document):
        lines.append(
            f"Speed-ups are for the guide's {published['steps']} steps: the steps that were measured, scaled "
            "up, and all else that a call does as measured."
        )
    first = document["rows"][0]
    over = f"Speed-ups are over '{first['rung']}', the guide's first rung"
    if first["status"] in (FAILED, IMPOSSIBLE):
        lines.append(f"{over}; it has no figures here, so there are none.")
    else:
        lines.append(f"{over}. Compare them, not seconds: the hardware is another one.")
    if document["is_quick"]:
        lines.append("A quick look: three timed calls a rung, each in one process.")
    if here["has_random_weights"]:
        lines.append(
            "The weights are random: speed and memory are the real model's, and likeness is numerical drift "
            "only."
        )
    return lines


def footnotes(document: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of single rows: notes of the guide's rungs, warnings, figures in doubt."""
    lines = list[str]()
    for row in document["rows"]:
        said = [row["note"], *row["warnings"]]
        ratio = row.get("untuned_ratio")
        if ratio is not None:
            took = f"{format_factor(ratio)} as long"
            said.append(f"measured in a study of its own, in which the untuned baseline took {took}")
        lines += [f"{row['rung']}: {sentence}" for sentence in said if sentence]
    return lines


def waiting(documents: Iterable[Mapping[str, Any]]) -> int:
    """Return how many rows are not measured yet."""
    return sum(row["status"] == WAITING for document in documents for row in document["rows"])


def guide_lines(document: Mapping[str, Any], *, level: int = 2) -> list[str]:
    """Return a ladder as lines of Markdown.

    Args:
        document: As `guide_json` made it.
        level: Of its heading.
    """
    names = headings(document)
    rule = ["---:" if name.endswith(">") else "---" for name in names]
    table = [_line(name.removesuffix(">") for name in names), _line(rule)]
    table += [_line(cells(document, row)) for row in document["rows"]]
    notes = [f"- {line}" for line in footnotes(document)]
    head = f"{'#' * level} {document['title']} ({document['guide']})"
    return [
        head,
        "",
        *(f"{line}  " for line in sentences(document)),
        "",
        *table,
        *([""] if notes else []),
        *notes,
    ]


def page(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of all ladders as Markdown."""
    lines = [TITLE, "", "Written by `autotune bench-guides`."]
    left = waiting(documents)
    if left:
        lines.append(f"{counted(left, 'row')} not measured yet: the same command goes on.")
    for document in documents:
        lines += ["", *guide_lines(document)]
    return "\n".join(lines) + "\n"


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(text.split()).replace('|', '/') for text in texts)} |"
