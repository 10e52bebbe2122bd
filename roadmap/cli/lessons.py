"""`roadmap lessons build|verify|lint|syllabus`: the authors' side of the lessons."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from roadmap.cli.console import load_course
from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course, Lesson


class Action(StrEnum):
    """What can be done with lessons."""

    BUILD = "build"
    VERIFY = "verify"
    LINT = "lint"
    SYLLABUS = "syllabus"


def lessons(
    action: Annotated[Action, typer.Argument(metavar="build|verify|lint|syllabus", help="What to do.")],
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Lessons: L1.06, 1.6 or 06_tokens. Default: all.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", min=1, help="The limit of one lesson in seconds.")
    ] = 120.0,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="How many lessons to verify at a time.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Build lessons whose inputs have not changed as well.")
    ] = False,
) -> int:
    """Build notebooks from their sources, execute and compare them, lint them, or write the syllabus.

    Exit code: 0 all well, 1 something to correct.
    """
    course = load_course()
    if action is Action.SYLLABUS:
        return _syllabus(course)
    chosen = _chosen(course, ids)
    if action is Action.LINT:
        return _lint(course, chosen if ids else None)
    if action is Action.VERIFY:
        return _verify(course, chosen, jobs, seconds)
    return _build(course, chosen, force=force or bool(ids), seconds=seconds)


def _chosen(course: Course, ids: list[str] | None) -> list[Lesson]:
    """The lessons meant: those of `ids`, or every one whose source is written."""
    from roadmap.lessons.source import find, source_path

    if not ids:
        every = [lesson for stage in course.stages for lesson in stage.lessons]
        return [lesson for lesson in every if source_path(course, lesson).is_file()]
    chosen = [find(course, id) for id in ids]
    for lesson in chosen:
        path = source_path(course, lesson)
        if not path.is_file():
            raise UsageError(
                f"{lesson.id} has no source yet.", f"Write {path.relative_to(course.root).as_posix()} first."
            )
    return chosen


def _build(course: Course, chosen: list[Lesson], *, force: bool, seconds: float) -> int:
    from roadmap.lessons import build
    from roadmap.lessons.source import read, source_path

    failed = 0
    for lesson in chosen:
        source = read(source_path(course, lesson))
        for fault in source.faults:
            print(f"{lesson.id}  {fault}")
        if not force and build.is_current(course, source):
            print(f"{lesson.id}  {lesson.slug:<22} as it was; nothing that it rests on has changed")
            continue
        try:
            built = build.build(course, source, seconds=seconds)
        except build.BuildError as error:
            print(f"{lesson.id}  {error}")
            failed += 1
            continue
        state = "written" if built.changed else "the same"
        print(f"{lesson.id}  {lesson.slug:<22} {_cost(built.execution)}  {state}", flush=True)
        for problem in built.unproven:
            print(f"       {problem}")
        failed += bool(built.unproven)
    return 1 if failed else 0


def _verify(course: Course, chosen: list[Lesson], jobs: int, seconds: float) -> int:
    from roadmap.lessons.kernel import can_isolate
    from roadmap.lessons.source import read, source_path
    from roadmap.lessons.verify import Verdict, verify_all

    if not chosen:
        print("No lesson is written yet.")
        return 0
    if not can_isolate():
        print("This system does not let a kernel run without a network, so that a lesson uses none is not proved here.")
    ids = {lesson.slug: lesson.id for lesson in chosen}

    def tell(verdict: Verdict) -> None:
        state = "holds" if verdict.holds else "DIFFERS"
        print(f"{ids[verdict.slug]}  {verdict.slug:<22} {_cost(verdict.execution)}  {state}", flush=True)
        for difference in verdict.differences:
            print(f"       {difference}", flush=True)

    started = time.monotonic()
    sources = [read(source_path(course, lesson)) for lesson in chosen]
    verdicts = verify_all(course, sources, tell, jobs=jobs, seconds=seconds)
    wrong = sum(not verdict.holds for verdict in verdicts)
    end = f"{wrong} of {len(verdicts)} differ" if wrong else f"{len(verdicts)} hold"
    print(f"{end}; {time.monotonic() - started:.0f} s, {min(jobs, len(verdicts))} at a time")
    return 1 if wrong else 0


def _lint(course: Course, chosen: list[Lesson] | None) -> int:
    from roadmap.lessons.lint import ERROR, PENDING, lint_course

    findings = lint_course(course, chosen)
    for finding in findings:
        if finding.level != PENDING or chosen is not None:
            print(finding)
    pending = [finding for finding in findings if finding.level == PENDING]
    if pending and chosen is None:
        print(f"{len(pending)} references to lessons that are planned and not written yet:")
        for finding in pending:
            print(f"  {finding}")
    errors = sum(finding.level == ERROR for finding in findings)
    print(f"{errors} errors" if errors else "No errors.")
    return 1 if errors else 0


def _syllabus(course: Course) -> int:
    from roadmap.lessons.syllabus import SYLLABUS, render, write

    print(f"{SYLLABUS.as_posix()} {'written' if write(course, render(course)) else 'is up to date'}")
    return 0


def _cost(execution) -> str:  # type: ignore[no-untyped-def]  # importing the type would import the machinery
    return f"{execution.seconds:6.1f} s {execution.peak_bytes / 2**20:6.0f} MB"
