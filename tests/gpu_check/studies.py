"""The stage "studies": models tuned under several limits, recipes verified, and duels with the guides."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError
from autotune.knobs import all_knobs
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.runners.local import LocalRunner
from autotune.search.stopping import STOPPED
from autotune.space import build_space
from autotune.store.records import TrialRecord
from tests.gpu_check import duels
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept
from tests.gpu_check.studies_found import KEPT, PLANS, Book, facts_of, forecast_errors
from tests.gpu_check.studies_lines import lines_of
from tests.gpu_check.studies_plans import LISTED, PROOF_THREADS, Asked, asked, listed, offered
from tests.gpu_check.studies_round import (
    CUT,
    DONE,
    FAILED,
    IMPOSSIBLE,
    TRIES,
    OutOfTime,
    Round,
    device_flags,
    export,
    fitting_rounds,
    is_settled,
    note_command,
)

Step = Callable[[Round], None]


def run(where: Where) -> Ended:
    """Go on with the studies, their recipes and the duels, in the order of their worth."""
    book, problems = Book.opened(where), list[str]()
    with LocalRunner() as runner:
        this = Round(where=where, book=book, runner=runner)
        try:
            for step in _steps(asked(is_proof=where.is_proof)):
                problem = _problem_of(step, this)
                if problem:
                    problems.append(problem)
        except OutOfTime:
            return Ended(status=Status.PARTIAL, message=_message(book))
    problems += [f"{name}: {one['message']}" for name, one in _everything(book) if one.get("state") == FAILED]
    if problems:
        return Ended(status=Status.FAILED, message=f"{_message(book)} {'; '.join(problems)}")
    return Ended(status=Status.DONE, message=_message(book))


def lines(results: Path) -> list[str]:
    """Return what the studies came to."""
    return lines_of(kept(results, KEPT))


STAGE = Stage(
    name="studies",
    title="Studies under limits, and duels with the guides",
    weight=3.0,
    run=run,
    lines=lines,
)


def _steps(every: tuple[Asked, ...]) -> Iterator[Step]:
    """All there is to do, the dearest first: model by model, the goals of each before what else there is."""
    for family in dict.fromkeys(one.family for one in every):
        first, *others = (one for one in every if one.family == family)
        yield _tuning(first)
        yield _measuring_guides(first)
        yield _duelling(first)
        yield _proving(first, first.picks[0])
        for other in others:
            yield _tuning(other, first)
        for other in others:
            yield from (_proving(other, pick) for pick in other.picks)
        yield from (_proving(first, pick) for pick in first.picks[1:])
        yield from (_forecasting(one) for one in (first, *others))


def _problem_of(step: Step, this: Round) -> str:
    """Do a step; return what went wrong, a sentence, "" for nothing: the others go on."""
    try:
        step(this)
    except AutotuneError as error:
        this.where.say(f"   {error}")
        return str(error)
    return ""


def _tuning(one: Asked, first: Asked | None = None) -> Step:
    def step(this: Round) -> None:
        if is_settled(this.book.of("studies", one.name)):
            return
        plan = _limited(one, first, this)
        if plan is not None:
            _tune(this, plan, lambda: offered(plan, _whole_space(this, plan)))

    return step


def _limited(one: Asked, first: Asked | None, this: Round) -> Plan | None:
    """The plan with its limit; None where it makes no sense here, which is noted."""
    if first is None:
        return one.plan
    baseline = this.book.of("studies", first.name).get("baseline")
    if one.share is not None and not baseline:
        why = f"The untuned baseline of '{first.name}' was not measured."
        this.book.note("studies", one.name, state=IMPOSSIBLE, message=why)
        return None
    plan = one.with_limit(baseline["memory_bytes"]) if baseline else one.plan
    has = this.book.of("studies", first.name).get("device_bytes")
    if has and plan.memory_limit_bytes and plan.memory_limit_bytes > has:
        why = f"The card has {has / 2**30:.1f} GiB, less than this limit."
        this.book.note("studies", one.name, state=IMPOSSIBLE, message=why)
        return None
    return plan


def _tune(this: Round, plan: Plan, made: Callable[[], Plan]) -> None:
    """Run or go on with a study, by the plan that was written when it began."""
    this.check_time(30.0)
    name, file = plan.study, this.where.results / PLANS / f"{plan.study}.toml"
    try:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(format_plan(made()), encoding="utf-8")
        parse_plan(file.read_text(encoding="utf-8"), source=str(file))
    except AutotuneError as error:
        this.book.note("studies", name, state=FAILED, message=str(error), tries=TRIES)
        return
    this.book.database.parent.mkdir(parents=True, exist_ok=True)
    ran = this.command(["tune", file, "--storage", this.book.database, "--json"])
    known, reason = this.book.of("studies", name), reason_of(ran.out)
    study = this.book.study(name)
    facts = facts_of(study) if study is not None else {}
    if facts and facts["trials"] < known.get("trials", 0):
        facts = {}  # another machine's database: what is known is more
    # A study that was spent may still have nothing that fits: that is an answer too.
    is_over = reason is not None and reason != STOPPED
    state = DONE if is_over else CUT if ran.was_stopped or reason == STOPPED else FAILED
    facts |= {"state": state, "reason": reason, "plan": f"{PLANS}/{file.name}"}
    facts |= {"message": ran.last_words if ran.code not in (0, 130) else ""}
    facts |= {"tries": known.get("tries", 0) + (state == FAILED)}
    this.book.note("studies", name, **facts)
    this.where.say(f"   {name}: {state}, {facts.get('trials', 0)} trials. {facts['message']}".rstrip())
    if state == CUT:
        raise OutOfTime


def reason_of(out: str) -> str | None:
    """Why a study stopped, by its events; None where it did not say."""
    for line in reversed(out.splitlines()):
        if line.startswith('{"event": "study_stopped"'):
            return str(json.loads(line)["reason"])
    return None


def _measuring_guides(first: Asked) -> Step:
    """A study of the guides' recipes and no others, under the workload of the first study."""
    name = f"{first.family}-{LISTED}"

    def step(this: Round) -> None:
        if is_settled(this.book.of("studies", name)) or not _is_begun(this, first):
            return
        situation = this.situation(first.plan)
        most = 3 if this.where.is_proof else duels.MOST
        ladders = duels.ladders_for(first.plan.workload.model)
        recipes, left_out = duels.recipes_of_guides(ladders, situation, most=most)
        if not recipes:
            why = "No published recipe of this model can be run here without changing what is computed."
            this.book.note("studies", name, state=IMPOSSIBLE, message=why, left_out=left_out)
            return
        plan = listed(first, recipes)
        this.book.note("studies", name, left_out=left_out)
        _tune(this, plan, lambda: plan)

    return step


def _duelling(first: Asked) -> Step:
    def step(this: Round) -> None:
        known = this.book.of("duels", first.family)
        if is_settled(known):
            return
        study, guides = this.study(first.name), this.study(f"{first.family}-{LISTED}")
        if study is None or guides is None:
            return
        guide = duels.best_guide(guides)
        tuned = duels.challenger(study, guide) if guide is not None else None
        why = _why_no_duel(guide, tuned)
        if guide is None or tuned is None or why:
            this.book.note("duels", first.family, state=IMPOSSIBLE, message=why)
            return
        rounds = fitting_rounds(this, study, (tuned, guide), most=3)
        paths = [
            export(this, study, tuned, f"{first.family}-tuned"),
            export(this, guides, guide, f"{first.family}-guide"),
        ]
        threads = ["--threads", str(PROOF_THREADS)] if this.where.is_proof else []
        flags = ["--rounds", str(rounds), *device_flags(this), *threads, "--json"]
        ran = this.command(["compare", *paths, *flags])
        found = duels.duel_json(json.loads(ran.out)) if ran.code == 0 else {}
        facts = {"guide_name": guide.preset, "tuned_trial": tuned.number, **found}
        facts |= {"guides": len(guides.plan.recipes), "unmeasured": duels.unmeasured(guides)}
        note_command(this, "duels", first.family, ran, **facts)

    return step


def _why_no_duel(guide: TrialRecord | None, tuned: TrialRecord | None) -> str:
    if guide is None:
        return "No recipe of a guide was measured and fit."
    if tuned is None:
        return "No tuned recipe was measured and fit."
    if tuned.digest == guide.digest:
        return f"The search's answer is the guide's recipe itself: {guide.preset}."
    return ""


def _proving(one: Asked, pick: str) -> Step:
    """Export a pick of a study and verify it; the same recipe under the same limit is verified once."""
    name = f"{one.name}-{pick}"

    def step(this: Round) -> None:
        if is_settled(this.book.of("recipes", name)):
            return
        study = this.study(one.name)
        if study is None or not study.front():
            return
        trial, baseline = study.best_trial(pick), study.baseline()
        twin = _twin(this, one, trial, name)
        if baseline is None or not trial.changed or twin:
            why = f"It is the same recipe as '{twin}'." if twin else "The untuned pipeline is the answer."
            this.book.note("recipes", name, state=IMPOSSIBLE, message=why)
            return
        most = 3 if pick == "fastest" and not one.is_capped and not this.where.is_proof else 2
        rounds = fitting_rounds(this, study, (trial, baseline), most=most)
        file, limit = export(this, study, trial, name), study.plan.memory_limit_bytes
        words: list[str | Path] = ["verify", file, "--rounds", str(rounds), "--json"]
        words += [*device_flags(this), *(["--vram", str(limit)] if limit is not None else [])]
        ran = this.command(words)
        told = json.loads(ran.out) if ran.out.startswith("{") else {}
        names = ("result", "gates", "notes", "ratio", "seconds", "memory_bytes", "similarity")
        facts = {key: told[key] for key in names if key in told}
        facts |= {"study": one.name, "pick": pick, "trial": trial.number, "digest": trial.digest}
        note_command(this, "recipes", name, ran, is_told=bool(told), limit_bytes=limit, **facts)

    return step


def _twin(this: Round, one: Asked, trial: TrialRecord, name: str) -> str:
    """Another recipe of this study that is the same and was verified, "" for none."""
    for other, known in this.book.known["recipes"].items():
        if other != name and known.get("digest") == trial.digest and known.get("study") == one.name:
            return str(other)
    return ""


def _forecasting(one: Asked) -> Step:
    """Hold what was forecast against what was measured; where the model cannot be surveyed, say why."""

    def step(this: Round) -> None:
        known = this.book.of("studies", one.name)
        study = None if known.get("forecast_of") == known.get("trials") else this.study(one.name)
        if study is None:
            return
        this.check_time(45.0)
        try:
            errors, why = forecast_errors(study, this.runner), ""
        except AutotuneError as error:
            errors, why = {}, str(error)
        this.book.note(
            "studies", one.name, forecast_errors=errors, why_no_forecast=why, forecast_of=known.get("trials")
        )

    return step


def _whole_space(this: Round, plan: Plan) -> Any:
    return build_space(all_knobs(), this.situation(plan), allow_approximate=plan.allow_approximate)


def _is_begun(this: Round, first: Asked) -> bool:
    return this.study(first.name) is not None


def _everything(book: Book) -> list[tuple[str, dict[str, Any]]]:
    return [pair for kind in ("studies", "recipes", "duels") for pair in book.known[kind].items()]


def _message(book: Book) -> str:
    begun = [one for one in book.known["studies"].values() if one.get("trials")]
    studies = [one for one in begun if one.get("state") == DONE]
    verified = [one for one in book.known["recipes"].values() if one.get("result") == "pass"]
    fought = [one for one in book.known["duels"].values() if one.get("state") == DONE]
    trials = sum(one["trials"] for one in begun)
    return (
        f"{trials} trials in {len(begun)} studies, {len(studies)} of them to their end; "
        f"{len(verified)} recipes verified; {len(fought)} duels."
    )
