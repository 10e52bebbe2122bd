"""Holding a built notebook to its word: executed again in a fresh kernel, it must say what it says."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course
from roadmap.lessons import build, kernel
from roadmap.lessons.execute import MEMORY, SECONDS, Execution, environment
from roadmap.lessons.normalise import normalise, png_size, text_of
from roadmap.lessons.source import LessonSource

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from roadmap.lessons.nursery import Nursery

STABLE = "stable"  # the tag of cells whose text must be the same on every machine
AT_A_TIME = 2


@dataclass(frozen=True)
class Verdict:
    """What a verification found. `differences` is empty when the lesson holds."""

    slug: str
    execution: Execution
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the lesson ran within its limits and said the same."""
        return not self.differences


def verify(
    course: Course,
    source: LessonSource,
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    nursery: Nursery | None = None,
) -> Verdict:
    """Execute the lesson afresh and compare it with the stored notebook. Never writes it.

    Raises `UsageError` when the stored file is no notebook.
    """
    stored = build.read_notebook(source.notebook_path)
    if stored is None:
        return Verdict(source.slug, Execution(), ("it is not built",))
    fresh = build.assemble(course, source)
    if [(cell.cell_type, cell.source) for cell in fresh.cells] != [
        (cell.cell_type, cell.source) for cell in stored.cells
    ]:
        return Verdict(source.slug, Execution(), ("it is not what its source says now: build it again",))
    execution = build.run(course, source, fresh, seconds=seconds, memory=memory, nursery=nursery)
    if execution.fault:
        where = build.place(source, execution.cell)
        return Verdict(source.slug, execution, (f"{execution.fault}{where}",))
    normalise(fresh, course.root)
    differences = [f"{says}{build.place(source, index)}" for index, says in compare(copy.deepcopy(stored), fresh)]
    return Verdict(source.slug, execution, (*differences, *(execution.appended or ())))


def verify_all(
    course: Course,
    sources: Iterable[LessonSource],
    on_verdict: Callable[[Verdict], None],
    *,
    jobs: int = AT_A_TIME,
    seconds: float = SECONDS,
) -> list[Verdict]:
    """Verify several lessons, `jobs` at a time; `on_verdict` hears of each as it ends. Returns them as given.

    The longest begin first, so that none of them is left to run alone at the end. Their kernels are forked from one
    process that has loaded the libraries, where the system allows kernels without a network.
    """
    chosen = list(sources)
    with contextlib.ExitStack() as stack:
        nursery = None
        if len(chosen) > jobs and kernel.can_isolate():
            from roadmap.lessons.nursery import Nursery

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lessons-")))
            nursery = stack.enter_context(Nursery(environment(course.root, folder)))
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=jobs))
        runs = {
            source.slug: pool.submit(verify, course, source, seconds=seconds, nursery=nursery)
            for source in sorted(chosen, key=_recorded_seconds, reverse=True)
        }
        for run in as_completed(runs.values()):
            on_verdict(run.result())
    return [runs[source.slug].result() for source in chosen]


def _recorded_seconds(source: LessonSource) -> float:
    """What the stored notebook's build took; 0 where it does not say."""
    try:
        stored = build.read_notebook(source.notebook_path)
    except UsageError:  # told when the lesson's turn comes
        return 0.0
    return float(stored.metadata.get("roadmap", {}).get("seconds") or 0) if stored is not None else 0.0


def compare(stored: NotebookNode, fresh: NotebookNode) -> list[tuple[int, str]]:
    """Where two notebooks of the same cells differ in what counts: the cell's index, and what differs.

    The text of a cell tagged `stable` counts by value; of any other only the kinds and the number of outputs. Of a
    picture its size in pixels counts.
    """
    found: list[tuple[int, str]] = []
    for index, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        if old.cell_type != "code":
            continue
        was, now = [_kind(output) for output in old.outputs], [_kind(output) for output in new.outputs]
        if was != now:
            found.append((index, f"the outputs are {_listing(now)}, stored are {_listing(was)}"))
            continue
        for before, after in zip(old.outputs, new.outputs, strict=True):
            sizes = png_size(_png(before)), png_size(_png(after))
            if sizes[0] != sizes[1]:
                found.append((index, f"the figure has {sizes[1]} pixels, stored are {sizes[0]}"))
            if STABLE in old.metadata.get("tags", ()) and _texts(before) != _texts(after):
                found.append((index, _first_difference(_texts(before), _texts(after))))
    return found


def _kind(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.name)
    if output.output_type == "error":
        return "error"
    return "+".join(sorted(output.data))


def _texts(output: Any) -> list[str]:
    if output.output_type == "stream":
        return [text_of(output.text)]
    data = output.get("data", {})
    return [text_of(data[kind]) for kind in sorted(data) if kind.startswith("text/") and "image/png" not in data]


def _png(output: Any) -> str:
    return text_of(output.get("data", {}).get("image/png", ""))


def _first_difference(before: list[str], after: list[str]) -> str:
    for old, new in zip("\n".join(before).splitlines(), "\n".join(after).splitlines(), strict=False):
        if old != new:
            return f"a stable output says {new.strip()[:80]!r}, stored is {old.strip()[:80]!r}"
    return "a stable output has another length than the stored one"


def _listing(kinds: list[str]) -> str:
    return ", ".join(kinds) or "none"
