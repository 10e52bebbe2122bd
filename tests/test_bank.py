"""The grader graded: every planted bug is caught and named, every other right answer is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from roadmap.course import Course, Stage
from roadmap.course.catalogue import mistakes_of
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report
from tests import bank
from tests.bank import Alternative, Bug, Entry

COURSE = Course.load(bank.ROOT)
STAGES = [stage for stage in COURSE.stages if stage.tasks]
BUGS = [bug for stage in STAGES for bug in bank.bugs(COURSE, stage)]
ALTERNATIVES = [alternative for stage in STAGES for alternative in bank.alternatives(COURSE, stage)]
GARBAGE = [entry for stage in STAGES for entry in bank.garbage(COURSE, stage)]
WORKERS = 2


@dataclass
class Gradings:
    """Reports of the chosen entries, graded two at a time from one pair of warm bases a stage."""

    futures: dict[str, Future[Report]]

    def of(self, entry: Entry) -> Report:
        return self.futures[entry.name].result()


@pytest.fixture(scope="module")
def gradings(request: pytest.FixtureRequest) -> Iterator[Gradings]:
    chosen = [item.callspec.params["entry"] for item in request.session.items if _is_entry(item)]
    graders = {name: Grader(COURSE, COURSE.stage(name)) for name in {entry.stage for entry in chosen}}
    pool = ThreadPoolExecutor(WORKERS)

    def grade(entry: Entry) -> Report:
        return bank.grade(graders[entry.stage], COURSE, entry, bank.seed_of(entry))

    try:
        yield Gradings({entry.name: pool.submit(grade, entry) for entry in chosen})
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for grader in graders.values():
            grader.close()


def _is_entry(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return item.path.name == "test_bank.py" and callspec is not None and "entry" in callspec.params


@pytest.mark.slow
@pytest.mark.parametrize("entry", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_is_caught_and_named(
    entry: Bug, gradings: Gradings, record_property: Callable[[str, object], None]
) -> None:
    report = gradings.of(entry)
    check = bank.catcher(entry, report)
    if check and entry.caught_by is None:  # all checks ran in their order until then
        record_property(bank.CAUGHT_BY, f"{entry.digest} {check}")
    problem = bank.problem_with_bug(entry, report)
    assert problem is None, problem


@pytest.mark.slow
@pytest.mark.parametrize("entry", ALTERNATIVES, ids=lambda alternative: alternative.name)
def test_another_right_answer_is_accepted(entry: Alternative, gradings: Gradings) -> None:
    problem = bank.problem_with_alternative(gradings.of(entry))
    assert problem is None, problem


@pytest.mark.slow
@pytest.mark.parametrize("entry", GARBAGE, ids=lambda bug: bug.name)
def test_garbage_is_a_failure_and_never_a_grader_error(entry: Bug, gradings: Gradings) -> None:
    problem = bank.problem_with_bug(entry, gradings.of(entry))
    assert problem is None, problem


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_graded_function_has_four_bugs(stage: Stage) -> None:
    count = Counter(bug.function for bug in BUGS if bug.stage == stage.name)
    few = {f"{task.id} {name}": count[name] for task in stage.tasks for name in task.dotted if count[name] < 4}
    assert not few


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_half_of_the_bugs_of_a_task_carry_a_mistake(stage: Stage) -> None:
    for task in stage.tasks:
        bugs = [bug for bug in BUGS if bug.task == task.id]
        assert sum(bug.mistake is not None for bug in bugs) * 2 >= len(bugs), task.id


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_mistake_is_proven_by_two_bugs(stage: Stage) -> None:
    proofs = Counter(bug.mistake for bug in BUGS if bug.stage == stage.name)
    mistakes = mistakes_of(COURSE, stage)
    assert not {slug: proofs[slug] for slug in mistakes if proofs[slug] < 2}
    assert set(proofs) - {None, "forbidden-shortcut"} <= set(mistakes)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_task_has_two_alternatives(stage: Stage) -> None:
    count = Counter(alternative.task for alternative in ALTERNATIVES)
    assert not {task.id: count[task.id] for task in stage.tasks if count[task.id] < 2}


def test_names_are_unique() -> None:
    names = Counter(entry.name for entry in [*BUGS, *ALTERNATIVES, *GARBAGE])
    assert not [name for name, times in names.items() if times > 1]
