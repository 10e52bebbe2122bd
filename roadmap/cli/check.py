"""`roadmap check STAGE|TASK`: grade, show, and write reports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from roadmap.cli.console import console, load_course, select
from roadmap.cli.submission import digests, package_root, remember
from roadmap.course.catalogue import checks_of
from roadmap.course.errors import UsageError
from roadmap.course.progress import Progress


def check(
    what: Annotated[
        str, typer.Argument(metavar="STAGE|TASK", help="A stage (1 or its folder's name) or a task (1.6).")
    ],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="The folder that holds stage packages.  [projects]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Repeat the run that had this seed.")
    ] = None,
    checks: Annotated[
        list[Path] | None,
        typer.Option("--checks", metavar="DIR", help="More checks, such as an instructor's hidden ones."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write it as JUnit XML.")] = None,
    gradescope: Annotated[
        Path | None, typer.Option("--gradescope", metavar="FILE", help="Write it as Gradescope's results.json.")
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Write GitHub annotations and the job summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result in one line.")] = False,
) -> int:
    """Grade a stage or one task.

    Exit code: 0 at or above the pass mark, 1 below it, 2 wrong usage, 3 the grader failed.
    """
    from roadmap.grading.report.files import ensure_writable

    course = load_course()
    stage, task = select(course, what)
    root = package_root(course, stage, source)
    for folder in checks or ():
        if not folder.is_dir():
            raise UsageError(f"The folder of checks {folder} does not exist.", "Give --checks an existing folder.")
    for path in (json, junit, gradescope):
        if path is not None:
            ensure_writable(path)

    from roadmap.grading.report import github as github_report
    from roadmap.grading.report import gradescope as gradescope_report
    from roadmap.grading.report import json_report, plain, terminal
    from roadmap.grading.report import junit as junit_report
    from roadmap.grading.report.words import Background, verdict_line
    from roadmap.grading.session import Grader

    background = Background.of(course, stage)
    before = digests(course, stage, root)
    live = terminal.LiveProgress(console(stderr=True))
    with live, Grader(course, stage) as grader:
        report = grader.check(
            root,
            tasks=[task.id] if task is not None else None,
            seed=seed,
            checks=[folder.resolve() for folder in checks or ()],
            on_event=None if quiet else live,
        )
    if not checks:
        remember(Progress(course.root), stage, report, before)

    lost = []
    renderers: list[tuple[Path | None, Callable[[], str]]] = [
        (json, lambda: json_report.render(report)),
        (junit, lambda: junit_report.render(report, background)),
        (gradescope, lambda: gradescope_report.render(report, background)),
    ]
    for path, render in renderers:
        if path is not None:
            lost += _save(path, render)
    if github:
        try:
            github_report.append_summary(github_report.summary(report, background))
        except OSError as error:
            lost.append(f"the job summary ({(error.strerror or str(error)).lower()})")
    if quiet and not lost:
        print(plain.defuse(verdict_line(report)))
    elif github:
        print(plain.render(report, background), end="")
    else:
        terminal.show(report, console(), background)
    if github:
        places = github_report.Places(stage, root / stage.name, checks_of(course, stage))
        print(github_report.annotations(report, places, background), end="")
    if lost:
        sys.stdout.flush()
        print(
            f"Could not write {' and '.join(lost)}; the report stands above. Make room, then check again with "
            f"--seed {report.seed}.",
            file=sys.stderr,
        )
        return 3
    return report.exit_code


def _save(path: Path, render: Callable[[], str]) -> list[str]:
    from roadmap.grading.report.files import write_report

    try:
        write_report(path, render())
    except OSError as error:
        return [f"{path} ({(error.strerror or str(error)).lower()})"]
    return []
