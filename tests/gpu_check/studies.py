"""The stage "studies": models tuned under several limits, recipes verified, and duels with the guides."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError
from autotune.knob import Situation
from autotune.knobs import all_knobs
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.runners.local import LocalRunner
from autotune.search.stopping import STOPPED
from autotune.search.study import Study
from autotune.space import build_space
from autotune.store.records import TrialRecord
from tests.gpu_check import duels
from tests.gpu_check.commands import GRACE_S, Ran, autotune
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept
from tests.gpu_check.studies_found import KEPT, PLANS, Book, facts_of, forecast_errors
from tests.gpu_check.studies_lines import lines_of
from tests.gpu_check.studies_plans import LISTED, PROOF_THREADS, Asked, asked, listed, offered

DONE, CUT, FAILED, IMPOSSIBLE = "done", "cut", "failed", "not possible here"
_SETTLED = (DONE, IMPOSSIBLE)
_TRIES = 2
"""What failed, or was ended by the time, is begun again so often in all."""
_ENDING_S = GRACE_S + 15.0
_START_S = 15.0  # of a command that measures: processes, a look at the machine


class OutOfTime(Exception):  # noqa: N818 - no error: the same command goes on
    """Too little time is left for the next step."""


@dataclass(kw_only=True)
class Round:
    """One run of the stage.

    Attributes:
        where: Where it runs.
        book: What is known.
        runner: Looks at models; it starts nothing before it is asked.
        is_fresh: Whether nothing was measured in this run yet: what needs more time than is left even then
            is begun all the same.
    """

    where: Where
    book: Book
    runner: LocalRunner
    is_fresh: bool = True
    _situations: dict[str, Situation] = field(default_factory=dict)

    def situation(self, plan: Plan) -> Situation:
        """Return machine, model and workload of a plan."""
        model = plan.workload.model
        if model not in self._situations:
            self._situations[model] = self.runner.probe(plan.workload, plan.device)
        return self._situations[model]

    def command(self, words: list[str | Path]) -> Ran:
        """Run one of autotune's commands, and note that something was measured in this run."""
        ran = autotune(words, self.where)
        self.is_fresh = False
        return ran

    def check_time(self, needed_s: float) -> None:
        """Go on where there is time for a step, or where this run has done nothing else.

        Raises:
            OutOfTime: There is too little.
        """
        if self.where.left_s < _ENDING_S + (0.0 if self.is_fresh else needed_s):
            raise OutOfTime


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
        if _is_settled(this.book.of("studies", one.name)):
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
        this.book.note("studies", name, state=FAILED, message=str(error), tries=_TRIES)
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
        if _is_settled(this.book.of("studies", name)) or not _is_begun(this, first):
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
        study, guides = this.book.study(first.name), this.book.study(f"{first.family}-{LISTED}")
        if _is_settled(known) or study is None or guides is None:
            return
        guide = duels.best_guide(guides)
        tuned = duels.challenger(study, guide) if guide is not None else None
        why = _why_no_duel(guide, tuned)
        if guide is None or tuned is None or why:
            this.book.note("duels", first.family, state=IMPOSSIBLE, message=why)
            return
        rounds = _rounds(this, study, (tuned, guide), most=3)
        paths = [
            _export(this, study, tuned, f"{first.family}-tuned"),
            _export(this, guides, guide, f"{first.family}-guide"),
        ]
        threads = ["--threads", str(PROOF_THREADS)] if this.where.is_proof else []
        ran = this.command(["compare", *paths, "--rounds", str(rounds), *_device(this), *threads, "--json"])
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
        study = this.book.study(one.name)
        if study is None or not study.front() or _is_settled(this.book.of("recipes", name)):
            return
        trial, baseline = study.best_trial(pick), study.baseline()
        twin = _twin(this, one, trial, name)
        if baseline is None or not trial.changed or twin:
            why = f"It is the same recipe as '{twin}'." if twin else "The untuned pipeline is the answer."
            this.book.note("recipes", name, state=IMPOSSIBLE, message=why)
            return
        most = 3 if pick == "fastest" and not one.is_capped and not this.where.is_proof else 2
        rounds = _rounds(this, study, (trial, baseline), most=most)
        file, limit = _export(this, study, trial, name), study.plan.memory_limit_bytes
        words: list[str | Path] = ["verify", file, "--rounds", str(rounds), "--json"]
        words += [*_device(this), *(["--vram", str(limit)] if limit is not None else [])]
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


def _rounds(this: Round, study: Study, trials: tuple[TrialRecord, ...], *, most: int) -> int:
    """How many rounds there is time for, as long as their trials took: each in a process of its own.

    Raises:
        OutOfTime: Not one.
    """
    baseline = study.baseline()
    reference = _START_S + (baseline.seconds if baseline is not None else 0.0)
    each = sum(trial.seconds for trial in trials)
    this.check_time(reference + each)
    fitting = int((this.where.left_s - _ENDING_S - reference) / max(each, 1.0))
    return min(max(fitting, 1), most)


def _export(this: Round, study: Study, trial: TrialRecord, name: str) -> Path:
    file = this.book.recipe_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    storage: list[str | Path] = ["--storage", this.book.database, "--force"]
    ran = autotune(["export", study.name, "-o", file, "--trial", str(trial.number), *storage], this.where)
    if ran.code != 0:
        raise OutOfTime if ran.was_stopped else AutotuneError(f"'{name}' was not exported: {ran.last_words}")
    return file


def note_command(
    this: Round, kind: str, name: str, ran: Ran, *, is_told: bool | None = None, **facts: Any
) -> None:
    """Keep what a command came to. One that was ended in time is begun again by the next run, once.

    Raises:
        OutOfTime: The time was over.
    """
    has_answer = ran.code == 0 if is_told is None else is_told
    tries = this.book.of(kind, name).get("tries", 0) + (not has_answer)
    state = DONE if has_answer else CUT if ran.was_stopped else FAILED
    message = "" if has_answer else ran.last_words
    if state == CUT and tries >= _TRIES:
        state, message = IMPOSSIBLE, "It needs more time than one run has."
    this.book.note(kind, name, state=state, code=ran.code, tries=tries, message=message, **facts)
    this.where.say(f"   {name}: {facts.get('result', state)}. {message}".rstrip())
    if ran.was_stopped:
        raise OutOfTime


def _forecasting(one: Asked) -> Step:
    """Hold what was forecast against what was measured; where the model cannot be surveyed, say why."""

    def step(this: Round) -> None:
        known, study = this.book.of("studies", one.name), this.book.study(one.name)
        if study is None or known.get("forecast_of") == known.get("trials"):
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


def _device(this: Round) -> list[str]:
    return ["--device", this.where.device]


def _is_begun(this: Round, first: Asked) -> bool:
    return this.book.study(first.name) is not None


def _is_settled(known: dict[str, Any]) -> bool:
    """Whether nothing more is to be done about something."""
    state = known.get("state")
    return state in _SETTLED or (state == FAILED and known.get("tries", 0) >= _TRIES)


def _everything(book: Book) -> list[tuple[str, dict[str, Any]]]:
    return [pair for kind in ("studies", "recipes", "duels") for pair in book.known[kind].items()]


def _message(book: Book) -> str:
    studies = [one for one in book.known["studies"].values() if one.get("state") == DONE]
    verified = [one for one in book.known["recipes"].values() if one.get("result") == "pass"]
    fought = [one for one in book.known["duels"].values() if one.get("state") == DONE]
    trials = sum(one.get("trials", 0) for one in book.known["studies"].values())
    return (
        f"{trials} trials in {len(book.known['studies'])} studies, {len(studies)} of them to their end; "
        f"{len(verified)} recipes verified; {len(fought)} duels."
    )
