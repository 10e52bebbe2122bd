"""Skeletons: what stripping a reference takes out, what it keeps, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.course import Course, CourseError
from roadmap.course.strip import differences, main, strip_source, strip_tree, tasks_of_module
from tests.kit.small_course import WORDS, make_course

ROOT = Path(__file__).resolve().parents[2]
ONE = {"f": "1.6", "C.m": "1.7"}.get


def test_the_projects_are_what_stripping_the_solutions_gives() -> None:
    course = Course.load(ROOT)
    for stage in course.stages:
        source = course.solutions / stage.name
        if source.is_dir():
            assert differences(source, course.projects / stage.name, stage) == []


def test_a_region_becomes_one_raise() -> None:
    text = 'def f(x):\n    """Doc."""\n    # >>> solution\n    y = 1\n    return y\n    # <<< solution\n'
    assert strip_source(text, task_of=ONE) == (
        'def f(x):\n    """Doc."""\n    raise NotImplementedError("task 1.6: f")\n'
    )


def test_everything_else_stays_byte_for_byte() -> None:
    text = "# é\r\nx = 1   \r\n\r\n\r\ndef f():\r\n\t# >>> solution\r\n\tpass\r\n\t# <<< solution\r\n\r\ny = 2"
    assert strip_source(text, task_of=ONE) == (
        '# é\r\nx = 1   \r\n\r\n\r\ndef f():\r\n\traise NotImplementedError("task 1.6: f")\n\r\ny = 2'
    )


def test_methods_have_qualified_names_and_nesting_is_followed() -> None:
    body = "        if True:\n            # >>> solution\n            return 1\n            # <<< solution\n"
    text = "class C:\n    def m(self):\n" + body
    assert 'raise NotImplementedError("task 1.7: C.m")' in strip_source(text, task_of={"C.m": "1.7"})


def test_regions_outside_functions_are_removed(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    skeleton = strip_source(WORDS, task_of=tasks_of_module(course.stage(1), "words"))
    assert "_clean" not in skeleton
    assert "class Box" in skeleton
    assert "self.words = []" in skeleton
    assert "\n\n\n\n" not in skeleton
    assert skeleton.count("NotImplementedError") == 3


def test_a_class_level_region_is_removed() -> None:
    text = "class C:\n    a = 1\n\n    # >>> solution\n    b = 2\n    # <<< solution\n\n    c = 3\n"
    assert strip_source(text, task_of=ONE) == "class C:\n    a = 1\n\n    c = 3\n"


def test_markers_in_strings_are_no_markers() -> None:
    text = 'def f():\n    """\n    # >>> solution\n    """\n    return "# <<< solution"\n'
    assert strip_source(text, task_of=ONE) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f():\n    # >>> solution\n    return 1\n", "never closed"),
        ("def f():\n    return 1\n    # <<< solution\n", "closes nothing"),
        (
            "def f():\n    # >>> solution\n    # >>> solution\n    return 1\n    # <<< solution\n",
            "inside the one of line 2",
        ),
        ("def f():\n    # >>> solutions\n    return 1\n", "is no marker"),
        ("def f():\n    #>>> solution\n    return 1\n", "is no marker"),
        ("def f():\n    x = 1  # >>> solution\n    return 1\n    # <<< solution\n", "stands after code"),
        ("def f():\n    # >>> solution\n    return 1\n# <<< solution\n", "indented differently"),
        ("def g():\n    # >>> solution\n    return 1\n    # <<< solution\n", "belongs to no task"),
        ("class C:\n    # >>> solution\n    a = 1\n    # <<< solution\n", "not Python"),
        ("def f(:\n", "not valid Python"),
        (
            "if 1:\n    def f():\n        pass\n    # >>> solution\n    x = 1\n    # <<< solution\ny = (\n",
            "not valid Python",
        ),
    ],
)
def test_bad_markers_are_refused_with_the_line(text: str, says: str) -> None:
    with pytest.raises(CourseError) as caught:
        strip_source(text, task_of=ONE, name="sampling.py")
    assert says in caught.value.message
    assert "sampling.py" in caught.value.message
    assert caught.value.advice


def test_which_task_a_function_belongs_to(tmp_path: Path) -> None:
    task_of = tasks_of_module(make_course(tmp_path).stage(1), "words")
    assert task_of("count") == "1.1"
    assert task_of("count.inner") == "1.1"
    assert task_of("Box.take") == "1.2"
    assert task_of("Box.__init__") is None  # two tasks have methods of that class
    assert task_of("_helper") is None
    assert tasks_of_module(make_course(tmp_path).stage(1), "sums")("_helper") == "1.3"


def test_the_command_writes_compares_and_leaves_whole_files_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    course = make_course(tmp_path)
    monkeypatch.setenv("ROADMAP_COURSE", str(tmp_path))
    package = course.projects / "stage1_small"
    assert main(["--check"]) == 0
    (course.solutions / "stage1_small" / "secret.py").write_text("# whole-file: solution\nx = 1\n")
    (package / "words.py").write_text("changed\n")
    (package / "extra.py").write_text("")
    (package / "sums.py").unlink()
    capsys.readouterr()
    assert main(["1", "--check"]) == 1
    out = capsys.readouterr().out
    assert "words.py differs from line 1" in out
    assert "extra.py is not made from the reference" in out
    assert "sums.py is missing" in out
    assert main([]) == 0
    assert not (package / "secret.py").exists()
    (package / "extra.py").unlink()
    assert main(["--check"]) == 0


def test_the_command_refuses_a_learners_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    course = make_course(tmp_path)
    monkeypatch.setenv("ROADMAP_COURSE", str(tmp_path))
    mine = course.projects / "stage1_small" / "words.py"
    mine.write_text("my work\n")
    (tmp_path / ".roadmap-learner").touch()
    assert main([]) == 2
    assert "learner's copy" in capsys.readouterr().err
    assert mine.read_text() == "my work\n"
    assert main(["9"]) == 2


def test_strip_tree_says_what_it_wrote(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    written = strip_tree(course.solutions / "stage1_small", tmp_path / "elsewhere")
    assert [path.name for path in written] == ["__init__.py", "__main__.py", "sums.py", "words.py"]
