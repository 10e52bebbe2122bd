"""From a source to the notebook that learners open: assembled, executed, normalised."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.artifacts.errors import ArtifactDamaged, ArtifactMissing
from roadmap.course.errors import UsageError
from roadmap.course.files import write_atomic
from roadmap.course.syllabus import Course
from roadmap.lessons import answers
from roadmap.lessons.execute import SECONDS, Execution, execute
from roadmap.lessons.normalise import normalise
from roadmap.lessons.source import LessonSource

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from roadmap.lessons.nursery import Nursery

KIT = Path(__file__).resolve().parents[1]  # the package `roadmap`
CARD = "card"  # the tag of the cell that is made from the front matter
_KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Built:
    """A finished build: what it took, whether the file changed, and what is wrong with its exercises' checks."""

    execution: Execution
    changed: bool
    unproven: tuple[str, ...]


class BuildError(UsageError):
    """A lesson could not be executed to its end."""

    exit_code = 1


def assemble(course: Course, source: LessonSource) -> NotebookNode:
    """The notebook of a source, not executed: its cells, and after the first the card made from its front matter."""
    import nbformat

    cells = []
    for cell in source.cells:
        new = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        cells.append(new(cell.text, metadata={"tags": sorted(cell.tags)} if cell.tags else {}))
    card = nbformat.v4.new_markdown_cell(card_text(course, source), metadata={"tags": [CARD]})
    cells.insert(min(1, len(cells)), card)
    front = source.front
    lesson = (
        {}
        if front is None
        else {
            "id": front.id,
            "question": front.question,
            "objectives": list(front.objectives),
            "minutes": front.minutes,
            "prerequisites": list(front.prerequisites),
            "topics": {topic: list(sections) for topic, sections in front.topics.items()},
            "leads_to": list(front.leads_to),
        }
    )
    metadata = {"kernelspec": dict(_KERNELSPEC), "language_info": {"name": "python"}, "lesson": lesson}
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    normalise(notebook, course.root)
    return notebook


def card_text(course: Course, source: LessonSource) -> str:
    """The front matter as the reader sees it, in Markdown."""
    front = source.front
    if front is None:
        return ""
    lines = [f"**The question.** {front.question}", "", "**You will be able to**", ""]
    lines += [f"- {objective}" for objective in front.objectives]
    needs = ", ".join(_lesson_link(course, key, source.stage) for key in front.prerequisites) or "no other lesson"
    tasks = {task.id: task for stage in course.stages for task in stage.named}
    leads = ", ".join(f"{id} {tasks[id].title}" if id in tasks else id for id in front.leads_to)
    lines += ["", f"**Time** about {front.minutes} minutes. **You need** {needs}.", ""]
    lines += [f"**It leads to** {leads}. **Syllabus** {', '.join(front.topics)}."]
    return "\n".join(lines)


def build(course: Course, source: LessonSource, *, seconds: float = SECONDS) -> Built:
    """Execute the source and write its notebook. The file stays as it is when nothing but time and memory differ.

    Raises `BuildError` when a cell fails or a limit is passed; the old notebook then stays.
    """
    notebook = assemble(course, source)
    execution = run(course, source, notebook, seconds=seconds)
    if execution.fault:
        # A lesson without its artifact is not wrong: the message says what to do.
        missing = execution.fault.startswith((ArtifactMissing.__name__, ArtifactDamaged.__name__))
        raise BuildError(
            f"{source.slug}: {execution.fault.rstrip('.')}{place(source, execution.cell)}.",
            "Build again after that." if missing else "Correct the source.",
        )
    normalise(notebook, course.root)
    record = {
        "seconds": round(execution.seconds),
        "peak_mb": round(execution.peak_bytes / 2**20, -1),
        "inputs": inputs(course, source),
    }
    changed = _write(source.notebook_path, notebook, record)
    return Built(execution, changed, tuple(execution.appended or ()))


def run(
    course: Course,
    source: LessonSource,
    notebook: NotebookNode,
    *,
    seconds: float,
    memory: int | None = None,
    nursery: Nursery | None = None,
) -> Execution:
    """Execute an assembled notebook in place, and prove its exercises' checks in the same kernel."""
    append = None
    if source.answers_path.is_file():
        append = answers.CALL.format(source.answers_path.read_text(encoding="utf-8"))
    limits = {} if memory is None else {"memory": memory}
    return execute(notebook, course.root, seconds=seconds, append=append, nursery=nursery, **limits)


def is_current(course: Course, source: LessonSource) -> bool:
    """Whether the notebook was built from this source, this kit and these pins."""
    stored = read_notebook(source.notebook_path)
    return stored is not None and stored.metadata.get("roadmap", {}).get("inputs") == inputs(course, source)


def read_notebook(path: Path) -> NotebookNode | None:
    """A built notebook, None while there is none. Raises `UsageError` when the file is no notebook."""
    import nbformat

    try:
        notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except FileNotFoundError:
        return None
    except Exception as error:  # nbformat's own, JSON's, the file system's
        raise UsageError(f"{path.name} is no notebook: {error}.", "Delete it and build it again.") from None
    return notebook


def place(source: LessonSource, index: int | None) -> str:
    """Where in the source the cell `index` of the assembled notebook stands, for a sentence; empty when unknown."""
    if index is None:
        return ""
    own = index if index < 1 else index - 1  # the card stands after the first cell
    if own >= len(source.cells):
        return ""
    cell = source.cells[own]
    first = next((line.strip() for line in cell.text.splitlines() if line.strip()), "")
    return f", in the cell at {source.path.name}:{cell.line} ({first[:60]})"


def inputs(course: Course, source: LessonSource) -> str:
    """A digest of what a lesson's outputs rest on: its cells and answers, the kit's modules it imports, the pins."""
    total = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())

    notebook = assemble(course, source)
    cells = [[cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in notebook.cells]
    add("cells", json.dumps(cells).encode())
    for path in (source.answers_path, course.root / "constraints.txt", *kit_files(source)):
        if path.is_file():
            add(path.name, path.read_bytes())
    return total.hexdigest()[:16]


def kit_files(source: LessonSource) -> list[Path]:
    """The files of the kit that a lesson's code imports, directly or not, with the tables beside them."""
    waiting = [name for cell in source.cells if cell.kind == "code" for name in _imports(cell.text)]
    found: set[Path] = set()
    while waiting:
        for path in _module_files(KIT.parent, waiting.pop()):
            if path not in found:
                found.add(path)
                if path.suffix == ".py":
                    waiting += _imports(path.read_text(encoding="utf-8"))
    return sorted(found)


def _imports(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a cell with a magic imports nothing of ours
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "roadmap")
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "roadmap":
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_files(root: Path, name: str) -> list[Path]:
    base = root.joinpath(*name.split("."))
    if base.is_dir():
        return [path for path in (base / "__init__.py", *sorted(base.glob("*.toml"))) if path.is_file()]
    return [base.with_suffix(".py")] if base.with_suffix(".py").is_file() else []


def _lesson_link(course: Course, key: str, stage: str) -> str:
    try:
        lesson = course.lesson(key)
    except UsageError:
        return key
    folder = "" if lesson.stage == stage else f"../{lesson.stage}/"
    return f"[{lesson.id} {lesson.title}]({folder}{lesson.slug}.ipynb)"


def _write(path: Path, notebook: NotebookNode, record: dict[str, Any]) -> bool:
    import nbformat

    stored = read_notebook(path)
    if stored is not None:
        old = stored.metadata.pop("roadmap", {})
        if json.dumps(stored, sort_keys=True) == json.dumps(notebook, sort_keys=True):
            # Nothing that a reader sees has changed: how long it took on this occasion is no reason for a new file.
            record = {**record, **{key: old[key] for key in ("seconds", "peak_mb") if key in old}}
    notebook.metadata["roadmap"] = record
    text = nbformat.writes(notebook, version=4) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    return True
