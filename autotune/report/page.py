"""The page: a study as one self-contained HTML file, the answer first."""

import shlex

from autotune.plan_file import format_plan
from autotune.report.document import document
from autotune.report.figures import (
    Row,
    answer,
    caution,
    counted,
    front_rows,
    further_objectives,
    heading,
    rows,
)
from autotune.report.markup import Html, element, joined, table
from autotune.report.pictures import picture_grid
from autotune.report.plot import plot
from autotune.report.trust import flaws_of, legend, trust_lines
from autotune.search.study import Study
from autotune.units import format_duration

_FRONT = (
    "trial>",
    "pick",
    "latency>",
    "a picture>",
    "speed-up>",
    "memory>",
    "similarity>",
    "likeness",
    "cold start>",
)
_ALL = (
    "trial>",
    "standing",
    "latency>",
    "speed-up>",
    "memory>",
    "similarity>",
    "likeness",
    "took>",
    "recipe",
)


def page(study: Study, *, storage_flag: str = "", version: str = "") -> str:
    """Return the page of a study.

    Args:
        study: As it is now.
        storage_flag: What its commands need to name the database, such as " --storage first.db".
        version: Of autotune.
    """
    every = rows(study)
    sections = (
        _answer(study, every),
        _section("Picks", _picks(study, every)),
        _section("All measured trials", _plot(every)),
        _section("Pictures", _pictures(study, every)),
        _section("Every trial", _trials(every)),
        _section("Machine", _machine(study)),
        _section("Plan", element("pre", format_plan(study.plan))),
        _section("Do it again", _again(study, storage_flag)),
    )
    return document(f"autotune: {study.name}", *sections, version=version)


def _section(title: str, *content: Html) -> Html:
    return element("section", element("h2", title), *content)


def _answer(study: Study, every: tuple[Row, ...]) -> Html:
    """The answer in a sentence, and its figures beside the baseline's."""
    workload, target = study.situation.workload, study.situation.target
    done = sum(trial.counts for trial in study.trials)
    about = (
        f"{workload.batch} × {workload.width_px} × {workload.height_px} px a call in {workload.steps} steps, "
        f"{counted(done, 'trial')}. Limits: {study.describe_limits()}."
    )
    chosen = next((row for row in every if "knee" in row.picks), None)
    baseline = next((row for row in every if row.is_baseline), None)
    return element(
        "header",
        element("h1", f"{workload.model} on {target.describe()}"),
        element("p", answer(every), class_="answer"),
        _cards(chosen, baseline) if chosen is not None else None,
        element("p", about, class_="note"),
        element("p", caution(study), class_="note") if caution(study) else None,
    )


def _cards(chosen: Row, baseline: Row | None) -> Html:
    untold = baseline.further_figures if baseline else ("-",) * len(chosen.further)
    figures = (
        ("latency of a call", chosen.latency, baseline.latency if baseline else "-"),
        ("memory", chosen.memory, baseline.memory if baseline else "-"),
        ("host memory", chosen.host_memory, baseline.host_memory if baseline else "-"),
        ("similarity", chosen.similarity, baseline.similarity if baseline else "-"),
        ("cold start", chosen.cold_start, baseline.cold_start if baseline else "-"),
        *zip(
            (objective.label for objective, _ in chosen.further), chosen.further_figures, untold, strict=True
        ),
    )
    cards = (
        element("div", element("dt", name), element("dd", here, element("small", f"untuned {untuned}")))
        for name, here, untuned in figures
        if here
    )
    recipe = element("p", "Recipe: ", element("b", chosen.trial.describe()))
    return joined(element("dl", *cards, class_="cards"), recipe)


def _picks(study: Study, every: tuple[Row, ...]) -> Html:
    listed = front_rows(every)
    lines: list[tuple[str, ...]] = [
        (
            str(row.trial.number),
            ", ".join((*(["untuned"] if row.is_baseline else []), *row.picks)),
            row.latency,
            row.latency_per_picture,
            row.speed,
            row.memory,
            row.similarity,
            row.likeness,
            row.cold_start,
            *row.further_figures,
            row.trial.describe(),
        )
        for row in listed
    ]
    further = (f"{heading(objective)}>" for objective in further_objectives(study))
    classes = [("baseline" if row.is_baseline else "front" if row.picks else "") for row in listed]
    warnings = [element("li", sentence, class_="warning") for sentence in flaws_of(listed)]
    words = [element("li", sentence) for sentence in (*legend(listed), *trust_lines(study))]
    front = counted(len(study.front()), "recipe")
    note = f"The untuned baseline, and the front: {front} that no other beats in everything."
    return joined(
        element("p", note, class_="note"),
        table((*_FRONT, *further, "recipe"), lines, classes=classes),
        element("ul", *warnings) if warnings else None,
        element("ul", *words, class_="note") if words else None,
    )


def _plot(every: tuple[Row, ...]) -> Html:
    if not any(row.trial.measurement for row in every):
        return element("p", "Nothing has been measured yet.", class_="note")
    without = "The plot needs JavaScript; the tables hold the same figures."
    return joined(element("div", plot(every), class_="plot"), element("noscript", element("p", without)))


def _pictures(study: Study, every: tuple[Row, ...]) -> Html:
    note = "The same prompts and first noise everywhere, so that differences are due to the recipe."
    return joined(element("p", note, class_="note"), picture_grid(study, every))


def _trials(every: tuple[Row, ...]) -> Html:
    lines: list[tuple[str, ...]] = [
        (
            str(row.trial.number),
            row.verdict,
            row.latency,
            row.speed,
            row.memory,
            row.similarity,
            row.likeness,
            format_duration(row.trial.seconds),
            row.recipe,
        )
        for row in every
    ]
    return table(_ALL, lines, classes=[row.standing.value for row in every])


def _machine(study: Study) -> Html:
    target = study.situation.target
    blueprint = study.situation.blueprint
    lines: list[tuple[str, ...]] = [("device", target.describe()), ("pipeline", blueprint.pipeline_class)]
    lines += [(library, version) for library, version in sorted(target.libraries.items())]
    baseline = study.baseline()
    if baseline is not None and baseline.measurement is not None:
        plain = baseline.measurement.environment.items()
        known = {name for name, _ in lines}
        lines += [
            (name, str(value)) for name, value in plain if isinstance(value, (str, int)) and name not in known
        ]
    return table(("what", "found"), list(lines), classes=["" for _ in lines])


def _again(study: Study, storage_flag: str) -> Html:
    name = shlex.quote(study.name)
    commands = (
        "# save the plan above as plan.toml",
        f"autotune tune plan.toml{storage_flag}",
        f"autotune show {name} --all{storage_flag}",
        f"autotune export {name} -o recipe.json --pick knee{storage_flag}",
        'autotune generate recipe.json "a prompt" -o out.png',
    )
    program = (
        "import autotune",
        'pipe = autotune.load_pipeline("recipe.json")',
        'image = pipe(prompt=["a prompt"], **pipe.autotune_call).images[0]',
    )
    return joined(
        element("pre", "\n".join(commands)), element("p", "In Python:"), element("pre", "\n".join(program))
    )
