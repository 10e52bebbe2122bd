"""The syllabus: stages, tasks and lessons as `stages/course.toml` states them."""

from __future__ import annotations

import difflib
import keyword
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadmap.course.errors import CourseError, UnknownStage, UnknownTask, UsageError
from roadmap.course.root import SYLLABUS, is_learner_copy

STAGE_POINTS = 100
_LIBRARIES = ("numpy",)


@dataclass(frozen=True)
class Task:
    """One graded task. `functions` are named within the module (`Tokenizer.encode`); `stage` is the stage's name."""

    id: str
    title: str
    module: str
    functions: tuple[str, ...]
    points: float
    minutes: int
    difficulty: int
    lessons: tuple[str, ...]
    topics: tuple[str, ...]
    forbid: tuple[str, ...]
    stage: str

    @property
    def file(self) -> str:
        """The module's file name within the stage's package."""
        return f"{self.module}.py"

    @property
    def dotted(self) -> tuple[str, ...]:
        """The graded functions with their module: `tokens.Tokenizer.encode`."""
        return tuple(f"{self.module}.{name}" for name in self.functions)


@dataclass(frozen=True)
class Lesson:
    """One lesson and the anchors of its sections. Written elsewhere as `slug#section`."""

    id: str
    slug: str
    title: str
    minutes: int
    sections: tuple[str, ...]
    stage: str

    @property
    def anchors(self) -> tuple[str, ...]:
        """Every section as it is referred to: `10_decoding#top-p`."""
        return tuple(f"{self.slug}#{section}" for section in self.sections)


@dataclass(frozen=True)
class Stage:
    """One stage: its capstone's tasks, its lessons and what its package may hold."""

    number: int
    name: str
    title: str
    goal: str
    complete: bool
    pass_mark: float
    models: tuple[str, ...] = ()
    libraries: tuple[str, ...] = _LIBRARIES  # warm beside the learner's code
    judge_libraries: tuple[str, ...] = _LIBRARIES  # warm beside the checks
    extra: str = ""  # of the course's package: what installs the libraries
    blocked: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    planned: tuple[Task, ...] = ()  # named, and not there yet: nothing grades them
    lessons: tuple[Lesson, ...] = ()

    @property
    def named(self) -> tuple[Task, ...]:
        """Every task that the syllabus names: those that are there, then those that are planned."""
        return (*self.tasks, *self.planned)

    @property
    def modules(self) -> tuple[str, ...]:
        """The task modules, each once, in the order of the tasks."""
        return tuple(dict.fromkeys(task.module for task in self.tasks))

    @property
    def package_files(self) -> tuple[str, ...]:
        """Every file of the package that is read from a submission."""
        return tuple(dict.fromkeys([*self.files, *(f"{module}.py" for module in self.modules)]))

    @property
    def points(self) -> float:
        """What the stage's tasks add up to."""
        return sum(task.points for task in self.tasks)

    @property
    def minutes(self) -> int:
        """What the stage's tasks take, as estimated."""
        return sum(task.minutes for task in self.tasks)

    def tasks_of(self, module: str) -> tuple[Task, ...]:
        """The tasks that `module` belongs to."""
        return tuple(task for task in self.tasks if task.module == module)


@dataclass(frozen=True)
class Course:
    """The whole syllabus, with the folder it was read from."""

    root: Path
    title: str
    pass_mark: float
    stages: tuple[Stage, ...]
    _anchors: dict[str, Lesson] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> Course:
        """Read and validate `root/stages/course.toml`. Raises `CourseError` that says what is wrong and where."""
        path = Path(root) / SYLLABUS
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CourseError(f"{path} does not exist.", "Run this in the folder of the course.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise CourseError(f"{path} cannot be read: {error}.", "Check its permissions and encoding.") from None
        except tomllib.TOMLDecodeError as error:
            raise CourseError(f"{path} is not valid TOML: {error}.", "Correct that line.") from None
        return _Reader(path).course(Path(root), data)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task of every stage, in order."""
        return tuple(task for stage in self.stages for task in stage.tasks)

    @property
    def learner_copy(self) -> bool:
        """Whether this is a learner's copy, without the authors' parts."""
        return is_learner_copy(self.root)

    @property
    def projects(self) -> Path:
        """Where learners write."""
        return self.root / "projects"

    @property
    def solutions(self) -> Path:
        """Where the reference implementations are; a learner's copy has none."""
        return self.root / "solutions"

    def checks(self, stage: Stage) -> Path:
        """The folder of the stage's checks."""
        return self.root / "checks" / stage.name

    def stage(self, key: str | int) -> Stage:
        """The stage of that number or name: `1`, `"1"`, `"stage1_foundations"`. Raises `UnknownStage`."""
        wanted = str(key).strip().strip("/")
        for stage in self.stages:
            if wanted in (str(stage.number), stage.name, f"stage{stage.number}"):
                return stage
        names = [name for stage in self.stages for name in (str(stage.number), stage.name)]
        near = _nearest(wanted, names)
        listing = f"The stages are {_listing([str(stage.number) for stage in self.stages])}."
        raise UnknownStage(f"There is no stage {wanted!r}.", f"Did you mean {near}? {listing}" if near else listing)

    def task(self, key: str) -> Task:
        """The task of that number, such as `"1.6"`. Raises `UnknownTask`."""
        wanted = str(key).strip()
        for task in self.tasks:
            if task.id == wanted:
                return task
        stage = next((stage for stage in self.stages if wanted.partition(".")[0] == str(stage.number)), None)
        if stage is not None and wanted in {task.id for task in stage.planned}:
            raise UnknownTask(f"Task {wanted} is planned and not there yet.", "`roadmap` shows the tasks that are.")
        if stage is not None and not stage.tasks:
            first = next((other for other in self.stages if other.tasks), None)
            advice = f"Stage {first.number} has {_span(first)}." if first else "Update the course."
            raise UnknownTask(f"Stage {stage.number} has no tasks yet.", advice)
        known = stage.tasks if stage is not None else self.tasks
        near = _nearest(wanted, [task.id for task in known])
        holder = stage if stage is not None else next((other for other in self.stages if other.tasks), None)
        listing = f"The tasks of stage {holder.number} are {_span(holder)}." if holder else "Update the course."
        raise UnknownTask(f"There is no task {wanted!r}.", f"Did you mean {near}? {listing}" if near else listing)

    def select(self, key: str) -> tuple[Stage, Task | None]:
        """A stage, or a task with its stage: what a command takes as STAGE|TASK."""
        wanted = str(key).strip()
        if re.fullmatch(r"\d+\.\w+", wanted):
            task = self.task(wanted)
            return self.stage(task.stage), task
        return self.stage(wanted), None

    def lesson(self, key: str) -> Lesson:
        """The lesson of that id (`L1.06`), slug or anchor. Raises `UsageError`."""
        wanted = str(key).strip()
        if wanted in self._anchors:
            return self._anchors[wanted]
        for lesson in (lesson for stage in self.stages for lesson in stage.lessons):
            if wanted.lower() in (lesson.id.lower(), lesson.slug):
                return lesson
        names = [name for stage in self.stages for lesson in stage.lessons for name in (lesson.id, lesson.slug)]
        near = _nearest(wanted, names)
        advice = f"Did you mean {near}?" if near else "`roadmap lesson` lists them."
        raise UsageError(f"There is no lesson {wanted!r}.", advice)


def _nearest(wanted: str, names: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(wanted, list(names), n=1, cutoff=0.5)
    return found[0] if found else None


def _listing(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _span(stage: Stage) -> str:
    first, last = stage.tasks[0].id, stage.tasks[-1].id
    return first if first == last else f"{first} to {last}"


class _Reader:
    """Turns TOML data into the syllabus and says where it is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wrong(self, where: str, what: str, advice: str) -> CourseError:
        return CourseError(f"{self.path}: {where}: {what}.", advice)

    def take(
        self, table: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str, default: Any = None
    ) -> Any:
        if key not in table:
            if default is not None:
                return default
            raise self.wrong(where, f"{key!r} is missing", f"Add {key!r}.")
        value = table[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(one.__name__ for one in kinds)
            raise self.wrong(where, f"{key!r} is {value!r}", f"Give it as {names}.")
        return value

    def names(self, table: Mapping[str, Any], key: str, where: str, *, required: bool = False) -> tuple[str, ...]:
        values = self.take(table, key, list, where, None if required else [])
        if not all(isinstance(value, str) and value for value in values):
            raise self.wrong(where, f"{key!r} is {values!r}", "Give it as a list of names.")
        if len(set(values)) != len(values):
            raise self.wrong(where, f"{key!r} names something twice", "Keep it once.")
        if required and not values:
            raise self.wrong(where, f"{key!r} is empty", "Name at least one.")
        return tuple(values)

    def known(self, table: Mapping[str, Any], keys: set[str], where: str) -> None:
        for key in table:
            if key not in keys:
                near = _nearest(key, keys)
                advice = f"Did you mean {near!r}?" if near else f"It may hold {_listing(sorted(keys))}."
                raise self.wrong(where, f"{key!r} is not known", advice)

    def unique(self, values: Iterable[Any], what: str) -> None:
        seen: set[Any] = set()
        for value in values:
            if value in seen:
                raise self.wrong(what, f"{value!r} is there twice", "Give each its own.")
            seen.add(value)

    def course(self, root: Path, data: Mapping[str, Any]) -> Course:
        self.known(data, {"course", "stage"}, "top level")
        head = self.take(data, "course", dict, "top level")
        self.known(head, {"title", "pass_mark"}, "[course]")
        pass_mark = self.mark(head, "[course]", 70)
        stages = tuple(self.stage(table, pass_mark) for table in self.take(data, "stage", list, "top level"))
        if not stages:
            raise self.wrong("[[stage]]", "there is no stage", "Add one.")
        self.unique((stage.number for stage in stages), "stage numbers")
        self.unique((stage.name for stage in stages), "stage names")
        self.unique((task.id for stage in stages for task in stage.tasks), "task ids")
        self.unique((lesson.id for stage in stages for lesson in stage.lessons), "lesson ids")
        self.unique((lesson.slug for stage in stages for lesson in stage.lessons), "lesson slugs")
        anchors = {
            anchor: lesson for stage in stages for lesson in stage.lessons for anchor in (lesson.slug, *lesson.anchors)
        }
        for task in (task for stage in stages for task in stage.tasks):
            for anchor in task.lessons:
                if anchor not in anchors:
                    near = _nearest(anchor, anchors)
                    advice = f"Did you mean {near!r}?" if near else "Add the section to its lesson."
                    raise self.wrong(f"task {task.id}", f"there is no lesson section {anchor!r}", advice)
        return Course(root, self.take(head, "title", str, "[course]"), pass_mark, stages, anchors)

    def mark(self, table: Mapping[str, Any], where: str, default: float) -> float:
        mark = float(self.take(table, "pass_mark", (int, float), where, default))
        if not 0 <= mark <= 100:
            raise self.wrong(where, f"'pass_mark' is {mark:g}", "Give it in per cent, 0 to 100.")
        return mark

    def stage(self, table: Mapping[str, Any], pass_mark: float) -> Stage:
        number = self.take(table, "number", int, "[[stage]]")
        where = f"stage {number}"
        keys = {"number", "name", "title", "goal", "complete", "pass_mark", "models", "libraries", "judge_libraries"}
        self.known(table, keys | {"extra", "blocked", "files", "task", "lesson"}, where)
        name = self.take(table, "name", str, where)
        if not re.fullmatch(rf"stage{number}_[a-z0-9_]+", name):
            raise self.wrong(where, f"'name' is {name!r}", f"Write it like 'stage{number}_topic'.")
        tables = self.take(table, "task", list, where, [])
        tasks = tuple(self.task(one, number, name) for one in tables)
        if tasks and abs(sum(task.points for task in tasks) - STAGE_POINTS) > 1e-9:
            total = sum(task.points for task in tasks)
            raise self.wrong(where, f"its tasks add up to {total:g} points", f"Make them {STAGE_POINTS}.")
        self.unique((name for task in tasks for name in task.dotted), f"{where}, graded functions")
        planned = tuple(
            t for t, one in zip(tasks, tables, strict=True) if self.take(one, "planned", bool, where, False)
        )
        if planned and self.take(table, "complete", bool, where):
            raise self.wrong(where, f"it is complete and task {planned[0].id} is planned", "Make it one or the other.")
        files = self.names(table, "files", where)
        for file in files:
            if not re.fullmatch(r"[A-Za-z0-9_]+\.[a-z0-9]+", file):
                raise self.wrong(where, f"'files' names {file!r}", "Name files of the package itself, without folders.")
        return Stage(
            number=number,
            name=name,
            title=self.take(table, "title", str, where),
            goal=self.take(table, "goal", str, where),
            complete=self.take(table, "complete", bool, where),
            pass_mark=self.mark(table, where, pass_mark),
            models=self.names(table, "models", where),
            libraries=self.names(table, "libraries", where) or _LIBRARIES,
            judge_libraries=self.names(table, "judge_libraries", where) or _LIBRARIES,
            extra=self.take(table, "extra", str, where, ""),
            blocked=self.names(table, "blocked", where),
            files=files,
            tasks=tuple(task for task in tasks if task not in planned),
            planned=planned,
            lessons=tuple(self.lesson(one, name, where) for one in self.take(table, "lesson", list, where, [])),
        )

    def task(self, table: Mapping[str, Any], number: int, stage: str) -> Task:
        id = self.take(table, "id", str, f"a task of stage {number}")
        where = f"task {id}"
        if not re.fullmatch(rf"{number}\.[1-9]\d*", id):
            raise self.wrong(where, "its id does not belong to its stage", f"Number it {number}.1, {number}.2, ...")
        keys = {"id", "title", "module", "functions", "points", "minutes", "difficulty", "lessons", "topics", "forbid"}
        self.known(table, keys | {"planned"}, where)
        module = self.take(table, "module", str, where)
        functions = self.names(table, "functions", where, required=True)
        for name in (module, *(part for function in functions for part in function.split("."))):
            if not name.isidentifier() or keyword.iskeyword(name):
                raise self.wrong(where, f"{name!r} cannot be a Python name", "Correct 'module' or 'functions'.")
        difficulty = self.take(table, "difficulty", int, where)
        if not 1 <= difficulty <= 5:
            raise self.wrong(where, f"'difficulty' is {difficulty}", "Give it as 1 to 5.")
        return Task(
            id=id,
            title=self.take(table, "title", str, where),
            module=module,
            functions=functions,
            points=self.positive(table, "points", where),
            minutes=self.positive(table, "minutes", where),
            difficulty=difficulty,
            lessons=self.names(table, "lessons", where, required=True),
            topics=self.names(table, "topics", where),
            forbid=self.names(table, "forbid", where),
            stage=stage,
        )

    def lesson(self, table: Mapping[str, Any], stage: str, where: str) -> Lesson:
        id = self.take(table, "id", str, f"a lesson of {where}")
        where = f"lesson {id}"
        self.known(table, {"id", "slug", "title", "minutes", "sections"}, where)
        return Lesson(
            id=id,
            slug=self.take(table, "slug", str, where),
            title=self.take(table, "title", str, where),
            minutes=self.positive(table, "minutes", where),
            sections=self.names(table, "sections", where, required=True),
            stage=stage,
        )

    def positive(self, table: Mapping[str, Any], key: str, where: str) -> Any:
        value = self.take(table, key, (int, float), where)
        if value <= 0:
            raise self.wrong(where, f"{key!r} is {value}", "Give a number above zero.")
        return value
