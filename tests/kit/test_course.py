"""The syllabus, the catalogue of checks, the package scan, progress, and giving stubs back."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from roadmap.course import Course, CourseError, UnknownStage, UnknownTask, UsageError, find_root, installed
from roadmap.course.catalogue import checks_of, find_check, mistakes_of
from roadmap.course.errors import NotInstalled
from roadmap.course.files import write_atomic
from roadmap.course.package import digest, imports_of, rests_on, tasks_touched
from roadmap.course.progress import Progress, Record
from roadmap.course.stubs import reference_of, reset_task, restore_stubs, stubs_of
from tests.kit.small_course import SYLLABUS, make_course

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


# ---- the syllabus


def test_a_planned_task_is_named_and_graded_by_nothing(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    path = tmp_path / "stages" / "course.toml"
    path.write_text(path.read_text().replace('id = "1.3"\n', 'id = "1.3"\nplanned = true\n'))
    stage = Course.load(tmp_path).stage(1)
    assert ([task.id for task in stage.tasks], [task.id for task in stage.planned]) == (["1.1", "1.2"], ["1.3"])
    assert stage.package_files == ("__init__.py", "__main__.py", "words.py")
    with pytest.raises(UnknownTask, match=r"Task 1\.3 is planned"):
        Course.load(tmp_path).task("1.3")
    path.write_text(path.read_text().replace("complete = false", "complete = true", 1))
    with pytest.raises(CourseError, match=r"complete and task 1\.3 is planned"):
        Course.load(tmp_path)
    assert course.stage(1).points == 100


def test_a_stage_whose_libraries_are_absent_says_what_installs_them(course: Course) -> None:
    stage = course.stage(1)
    installed.require(stage)
    needy = dataclasses.replace(stage, libraries=("json", "nosuch.part"), judge_libraries=("nothere",), extra="llm")
    with pytest.raises(NotInstalled, match=r"needs nosuch, nothere, not installed.*\.\[llm\]"):
        installed.require(needy)


def test_the_real_syllabus_is_valid() -> None:
    course = Course.load(ROOT)
    stage = course.stage(1)
    assert [one.number for one in course.stages] == [1, 2, 3, 4, 5]
    assert stage.points == 100
    assert stage.modules[:3] == ("tokens", "attention", "positions")
    assert stage.package_files[:3] == ("__init__.py", "__main__.py", "tokens.py")
    assert stage.package_files.count("tokens.py") == 1


def test_the_real_checks_belong_to_tasks_and_sections() -> None:
    course = Course.load(ROOT)
    stage = course.stage(1)
    for info in checks_of(course, stage):
        assert info.task in {task.id for task in stage.tasks}, info.name
        assert course.lesson(info.lesson), info.name
        assert len(info.hints) >= 2, info.name
    assert all(mistake.says for mistake in mistakes_of(course, stage).values())


@pytest.mark.parametrize("key", ["1", 1, "stage1_small", "stage1", "stage1_small/"])
def test_a_stage_is_found_by_number_and_name(course: Course, key: str | int) -> None:
    assert course.stage(key).name == "stage1_small"


def test_a_task_is_found_and_knows_its_stage(course: Course) -> None:
    task = course.task("1.1")
    assert task.stage == "stage1_small"
    assert task.file == "words.py"
    assert task.dotted == ("words.count", "words.Box.put")
    assert course.select("1.1") == (course.stage(1), task)
    assert course.select("1") == (course.stage(1), None)


@pytest.mark.parametrize(
    ("key", "error", "near"),
    [
        ("stage1_smal", UnknownStage, "stage1_small"),
        ("7", UnknownStage, "The stages are 1 and 2."),
        ("1.30", UnknownTask, "1.3"),
        ("2.1", UnknownTask, "Stage 1 has 1.1 to 1.3."),
        ("8.8", UnknownTask, "1.1 to 1.3"),
        ("", UnknownStage, "The stages are"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(course: Course, key: str, error: type[UsageError], near: str) -> None:
    with pytest.raises(error) as caught:
        course.select(key)
    assert near in caught.value.advice
    assert caught.value.exit_code == 2
    assert repr(key) in caught.value.message or "no tasks" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("points = 60", "points = 50", "90 points"),
        ("01_words#adding", "01_words#ading", "01_words#adding"),
        ('id = "1.2"', 'id = "1.1"', "'1.1' is there twice"),
        ('id = "1.2"', 'id = "2.2"', "does not belong"),
        ('functions = ["add"]', 'functions = ["add", "class"]', "'class'"),
        ('functions = ["Box.take"]', 'functions = ["count"]', "'words.count' is there twice"),
        ("difficulty = 2", "difficulty = 9", "difficulty"),
        ("minutes = 75", 'minutes = "75"', "minutes"),
        ("minutes = 75", "minuets = 75", "Did you mean 'minutes'"),
        ("minutes = 75", "", "'minutes' is missing"),
        ('files = ["__init__.py", "__main__.py"]', 'files = ["../x.py"]', "../x.py"),
        ("number = 2", "number = 1", "stage1_"),
        ("[course]", "[course", "not valid TOML"),
    ],
)
def test_a_bad_syllabus_says_what_and_what_to_do(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in SYLLABUS
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "course.toml").write_text(SYLLABUS.replace(old, new, 1))
    with pytest.raises(CourseError) as caught:
        Course.load(tmp_path)
    assert says in str(caught.value)
    assert "course.toml" in caught.value.message
    assert caught.value.advice.endswith((".", "?"))


def test_a_missing_or_unreadable_syllabus(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="does not exist"):
        Course.load(tmp_path)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "course.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CourseError, match="cannot be read"):
        Course.load(tmp_path)


def test_the_root_is_found_upwards_and_by_name(course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROADMAP_COURSE", raising=False)
    deep = tmp_path / "projects" / "stage1_small"
    assert find_root(deep) == tmp_path
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    assert find_root(outside) == ROOT
    monkeypatch.setenv("ROADMAP_COURSE", str(tmp_path))
    assert find_root(outside) == tmp_path
    monkeypatch.setenv("ROADMAP_COURSE", str(outside))
    with pytest.raises(UsageError, match="ROADMAP_COURSE"):
        find_root()


# ---- the catalogue


def test_the_catalogue_reads_checks_without_importing_them(course: Course) -> None:
    checks = checks_of(course, course.stage(1))
    assert [info.name for info in checks] == ["test_counts", "test_puts", "test_adds"]
    first = checks[0]
    assert first.title == "Every word is counted."
    assert first.hints == ("Split first.", "Look at the whole text. Twice.")
    assert (first.weight, first.lesson, first.file) == (2, "01_words#counting", "checks/stage1_small/test_words.py")
    assert first.models == ("tiny",)
    assert first.calls == ("words.count",)
    assert checks[1].needs == ("test_counts",)
    assert checks_of(course, course.stage(1), task="1.3") == checks[2:]
    assert checks_of(course, course.stage(1), task="1.2") == ()
    assert checks[1].calls == ("words.Box.put",)


def test_a_check_is_found_by_its_id(course: Course) -> None:
    checks = checks_of(course, course.stage(1))
    for id in ("test_puts", "test_words.py::test_puts", "a/test_words.py::test_puts[a::b-[1]]"):
        found = find_check(checks, id)
        assert found is not None, id
        assert found.name == "test_puts"
    assert find_check(checks, "test_nothing") is None


def test_a_broken_file_of_checks_is_named(course: Course) -> None:
    (course.checks(course.stage(1)) / "test_broken.py").write_text("def (:")
    with pytest.raises(CourseError, match=r"test_broken\.py is not valid Python"):
        checks_of(course, course.stage(1))


# ---- the package


def test_imports_are_found_in_every_form(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    sources = {
        "a": "from .b import x\nimport os\n",
        "b": "import pack.c\n",
        "c": "from pack import d\nfrom other import e\n",
        "d": "def f():\n    from . import e\n",
        "e": "def (:\n",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text)
    imports = imports_of(package, [f"{name}.py" for name in [*sources, "missing"]])
    assert imports == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"e"}, "e": set(), "missing": set()}
    assert rests_on("a", imports) == {"a", "b", "c", "d", "e"}
    assert rests_on("d", imports) == {"d", "e"}


def test_a_save_touches_the_tasks_that_rest_on_the_file(course: Course) -> None:
    stage = course.stage(1)
    package = course.projects / stage.name

    def touched(*files: str) -> list[str]:
        return [task.id for task in tasks_touched(stage, package, files)]

    assert touched("words.py") == ["1.1", "1.2", "1.3"]
    assert touched("sums.py") == ["1.3"]
    assert touched("__init__.py") == ["1.1", "1.2", "1.3"]
    assert touched("notes.txt", "other.py") == []


def test_a_digest_follows_what_the_task_rests_on(course: Course) -> None:
    stage = course.stage(1)
    package = course.projects / stage.name
    first, last = stage.tasks[0], stage.tasks[2]
    before = digest(stage, package, first), digest(stage, package, last)
    (package / "sums.py").write_text("changed")
    assert digest(stage, package, first) == before[0]
    assert digest(stage, package, last) != before[1]
    (package / "words.py").unlink()
    assert digest(stage, package, first) != before[0]


# ---- progress


RECORD = Record(score=5.0, max_score=10.0, files="abc", when=1.0, failing="test_words.py::test_puts", mistake="slug")


def test_progress_is_remembered(course: Course) -> None:
    stage = course.stage(1)
    first, second, _ = stage.tasks
    Progress(course.root).remember(stage, {first.id: RECORD})
    Progress(course.root).show_hints(stage, first, "test_puts", 2)
    Progress(course.root).remember(stage, {second.id: RECORD})
    again = Progress(course.root)
    assert again.record(stage, first) == again.record(stage, second) == RECORD
    assert not RECORD.passed
    assert again.hints_shown(stage, first, "test_puts") == 2
    assert again.hints_shown(stage, first, "test_counts") == 0
    again.forget_hints(stage, first)
    again.forget(stage, second)
    assert Progress(course.root).hints_shown(stage, first, "test_puts") == 0
    assert Progress(course.root).record(stage, second) is None


def test_progress_knows_that_files_changed(course: Course) -> None:
    stage = course.stage(1)
    task = stage.tasks[0]
    package = course.projects / stage.name
    progress = Progress(course.root)
    assert not progress.changed(course, stage, task)
    files = digest(stage, package, task)
    progress.remember(stage, {task.id: Record(60, 60, files, 1.0)})
    assert not progress.changed(course, stage, task)
    (package / "words.py").write_text("other")
    assert progress.changed(course, stage, task)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff",
        b"[]",
        b'{"stages": 3}',
        b'{"stages": {"stage1_small": []}}',
        b'{"stages": {"stage1_small": {"tasks": {"1.1": {"score": 1}}}}}',
        b'{"stages": {"stage1_small": {"tasks": {"1.1": {"score": NaN, "max_score": 1, "files": "", "when": 1}}}}}',
        b'{"stages": {"stage1_small": {"hints": {"1.1": "many"}}}}',
        b"[" * 100_000,
    ],
)
def test_damaged_progress_is_said_once_and_started_anew(course: Course, content: bytes) -> None:
    path = course.root / ".roadmap" / "progress.json"
    path.parent.mkdir()
    path.write_bytes(content)
    said: list[str] = []
    stage = course.stage(1)
    progress = Progress(course.root, said.append)
    assert progress.record(stage, stage.tasks[0]) is None
    progress.remember(stage, {"1.1": RECORD})
    assert len(said) == 1
    assert str(path) in said[0]
    assert Progress(course.root, said.append).record(stage, stage.tasks[0]) == RECORD
    assert len(said) == 1


def test_progress_that_cannot_be_written_is_said_once(course: Course) -> None:
    (course.root / ".roadmap").write_text("a file where the folder should be")
    said: list[str] = []
    stage = course.stage(1)
    progress = Progress(course.root, said.append)
    progress.remember(stage, {"1.1": RECORD})
    progress.show_hints(stage, stage.tasks[0], "", 1)
    assert len(said) == 1
    assert "cannot be saved" in said[0]
    assert progress.record(stage, stage.tasks[0]) == RECORD


def test_an_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_atomic(path, "old")
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---- stubs


LEARNER = '''"""My words."""
import collections, math

class Box:
    limit = 3
    def __init__(self):
        self.words = ["mine"]

    @staticmethod
    def helper(): return 1

    def put(self, word):
        self.words.append(word)  # mine
        # a last thought

    def take(self):
        return "taken"

def count(text): return len(text)
# after count
def extra(): return 2'''


def test_reset_restores_the_tasks_stubs_only(course: Course) -> None:
    stage = course.stage(1)
    path = course.projects / stage.name / "words.py"
    path.write_text(LEARNER)
    done = reset_task(course, stage, course.task("1.1"))
    text = path.read_text()
    assert text.count("NotImplementedError") == 2
    assert 'raise NotImplementedError("task 1.1: Box.put")' in text
    assert 'raise NotImplementedError("task 1.1: count")' in text
    assert "a last thought" not in text
    for kept in (
        'return "taken"',
        "limit = 3",
        '["mine"]',
        "# after count",
        "def extra(): return 2",
        "collections, math",
    ):
        assert kept in text
    ast.parse(text)
    assert done.functions == ("Box.put", "count")
    assert done.backup is not None
    assert done.backup.read_text() == LEARNER
    assert re.fullmatch(r"words-\d{8}-\d{6}\.py", done.backup.name)
    second = reset_task(course, stage, course.task("1.1"))
    assert second.backup is not None
    assert second.backup != done.backup
    assert path.read_text() == text


def test_reset_adds_what_is_missing(course: Course) -> None:
    stage = course.stage(1)
    path = course.projects / stage.name / "words.py"
    path.write_text("class Box:\n    def take(self):\n        return 1")
    reset_task(course, stage, course.task("1.1"))
    names = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    assert names == {"take", "put", "count"}
    path.write_text("x = 1")
    reset_task(course, stage, course.task("1.2"))
    text = path.read_text()
    assert text.startswith("x = 1\n")
    assert "class Box:" in text
    ast.parse(text)
    path.unlink()
    assert reset_task(course, stage, course.task("1.2")).backup is None
    assert "def given" in path.read_text()


def test_reset_refuses_what_is_not_python_and_changes_nothing(course: Course) -> None:
    stage = course.stage(1)
    path = course.projects / stage.name / "words.py"
    for content in (b"def (:\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="--whole-file"):
            reset_task(course, stage, course.task("1.1"))
        assert path.read_bytes() == content
    done = reset_task(course, stage, course.task("1.1"), whole_file=True)
    assert done.backup is not None
    assert done.backup.read_bytes() == b"\xff\xfe"
    assert "def given" in path.read_text()


def test_reset_in_a_copy_without_references(course: Course) -> None:
    stage = course.stage(1)
    skeleton = (course.projects / stage.name / "words.py").read_text()
    (course.solutions / stage.name / "words.py").unlink()
    with pytest.raises(UsageError, match="no skeleton"):
        reset_task(course, stage, course.task("1.1"))
    kept = course.root / "stages" / stage.name / "skeleton" / "words.py"
    kept.parent.mkdir(parents=True)
    kept.write_text(skeleton)
    path = course.projects / stage.name / "words.py"
    path.write_text(LEARNER)
    reset_task(course, stage, course.task("1.2"))
    assert "return len(text)" in path.read_text()
    assert 'return "taken"' not in path.read_text()


def test_stubs_hold_helpers_that_name_the_task(course: Course) -> None:
    skeleton = 'def a():\n    raise NotImplementedError("task 1.1: a")\n\n\ndef count():\n    pass\n'
    assert stubs_of(skeleton, course.task("1.1")) == ("a", "count")


def test_restoring_keeps_indentation_and_decorators() -> None:
    skeleton = "class A:\n    @property\n    def b(self):\n        '''Doc.'''\n        raise NotImplementedError\n"
    text = "if True:\n  class A:\n    @property\n    def b(self):\n      return 1\n\n    c = 2\n"
    restored = restore_stubs(text, skeleton, ["A.b"])
    assert restored.count("@property") == 1
    assert "c = 2" in restored
    ast.parse(restored)


def test_the_reference_shows_the_tasks_functions(course: Course) -> None:
    stage = course.stage(1)
    shown = reference_of(course, stage, course.task("1.1"))
    assert "self.words.append(word)" in shown
    assert "Counter" in shown
    assert "pop()" not in shown
    assert "solution" not in shown
    ast.parse(shown)
    (course.solutions / stage.name / "words.py").unlink()
    with pytest.raises(UsageError, match="no reference"):
        reference_of(course, stage, course.task("1.1"))


def test_progress_file_is_plain_json(course: Course) -> None:
    stage = course.stage(1)
    Progress(course.root).remember(stage, {"1.1": RECORD})
    data = json.loads((course.root / ".roadmap" / "progress.json").read_text())
    assert data["schema"] == "roadmap.progress/1"
    assert data["stages"]["stage1_small"]["tasks"]["1.1"]["score"] == 5.0
