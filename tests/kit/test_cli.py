"""The command line: every verb on a small course, with a grader that answers at once; and what can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from roadmap.artifacts.errors import ArtifactMissing
from roadmap.cli.main import VERBS, _is_plain, main
from roadmap.course import Course
from roadmap.course.progress import Progress
from roadmap.grading.errors import GraderError
from roadmap.grading.report import files
from roadmap.grading.submission import SubmissionError
from roadmap.grading.verdict import CheckResult, State
from tests.kit.small_course import FakeGrader, make_course, result

ROOT = Path(__file__).resolve().parents[2]
SAYS = "Letters were counted where words were asked for."


def verdicts(source: Path) -> list[CheckResult]:
    """Task 1.1 passes once its code is written; 1.3 fails with a named mistake; 1.2 is not started."""
    written = "Counter" in (source / "stage1_small" / "words.py").read_text()
    first = State.PASSED if written else State.NOT_IMPLEMENTED
    return [
        result("test_counts", "1.1", first, 40),
        result("test_puts", "1.1", first, 20),
        result("test_takes", "1.2", State.NOT_IMPLEMENTED, 20),
        result("test_adds", "1.3", State.FAILED, 20, mistake="counts-letters", message=f"{SAYS}\ngot 4"),
    ]


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    made = make_course(tmp_path / "a cöurse")
    monkeypatch.setenv("ROADMAP_COURSE", str(made.root))
    monkeypatch.delenv("ROADMAP_DEBUG", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> FakeGrader:
    fake = FakeGrader(verdicts)
    monkeypatch.setattr("roadmap.grading.session.Grader", fake)
    return fake


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


Run = Callable[..., tuple[int, str, str]]


# ---- status, next, lesson


def test_status_shows_stages_tasks_and_what_is_next(course: Course, run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert "1.1   Count words" in out
    assert "not checked, 2 h" in out
    assert "Later" in out
    assert "Next: 1.1 Count words (1 h 15 min)" in out
    assert "\x1b" not in out
    assert run("status")[1] == out


def test_status_follows_checks_and_changes(course: Course, grader: FakeGrader, run: Run) -> None:
    words = course.projects / "stage1_small" / "words.py"
    words.write_text((course.solutions / "stage1_small" / "words.py").read_text())
    run("check", "1")
    _, out, _ = run()
    assert "60 of 100" in out
    assert "60 / 60  passed" in out
    assert "last check on this machine" in out
    assert "Next: 1.2" in out
    words.write_text(words.read_text() + "\n# changed\n")
    assert "60 / 60  changed since" in run()[1]
    assert "Next: 1.1" in run()[1]


def test_next_says_everything_needed(course: Course, run: Run) -> None:
    code, out, _ = run("next")
    assert code == 0
    for needed in (
        "1.1  Count words",
        "1 h 15 min, difficulty 2 of 5, 60 points",
        "projects/stage1_small/words.py",
        "Box.put",
        "01_words#counting (L1.01 Words)",
        "roadmap check 1.1",
    ):
        assert needed in out
    assert "brief" not in out
    (course.projects / "stage1_small" / "README.md").touch()
    assert "projects/stage1_small/README.md" in run("next")[1]


def test_next_when_all_is_done(course: Course, grader: FakeGrader, run: Run) -> None:
    grader.verdicts = lambda source: [
        result(f"t{n}", f"1.{n}", State.PASSED, p) for n, p in ((1, 60), (2, 20), (3, 20))
    ]
    assert run("check", "1")[0] == 0
    assert "Every task passed" in run("next")[1]
    assert "100 of 100, passed" in run()[1]


def test_lessons_are_listed(course: Course, run: Run) -> None:
    code, out, _ = run("lesson")
    assert code == 0
    assert "L1.01  01_words" in out
    assert "40 min" in out
    assert "not written yet" in out
    notebook = course.root / "stages" / "stage1_small" / "01_words.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    notebook.touch()
    assert "not written yet" not in run("lesson", "1")[1]
    for key in ("L1.01", "01_words", "01_words#adding"):
        out = run("lesson", key)[1]
        assert "01_words#adding  (task 1.3)" in out
        assert "stages/stage1_small/01_words.ipynb" in out
    code, _, err = run("lesson", "L1.02")
    assert code == 2
    assert "Did you mean L1.01?" in err


# ---- hint


def test_hints_escalate_and_are_remembered(course: Course, run: Run) -> None:
    first, second, third = (run("hint", "1.1")[1] for _ in range(3))
    assert "not checked yet" in first
    assert "Hint 1 of 3: Split first." in first
    assert "Hint 2 of 3: Look at the whole text. Twice." in second
    assert "Hint 3 of 3: Reread 01_words#counting (L1.01 Words)." in third
    assert "One more" not in third
    fourth = run("hint", "1.1")[1]
    assert "all the hints" in fourth
    assert "2. Look at the whole text. Twice." in fourth
    assert "Hint 1 of 3" in run("hint", "1.1", "--reset")[1]


def test_hints_follow_the_failing_check_and_end_with_the_mistake(course: Course, grader: FakeGrader, run: Run) -> None:
    run("check", "1.3")
    hints = [run("hint", "1.3")[1] for _ in range(4)]
    assert "Two numbers are added." in hints[0]
    assert "not checked yet" not in hints[0]
    assert "Hint 1 of 4: Use +." in hints[0]
    assert f"Hint 4 of 4: {SAYS} Split the text at blanks." in hints[3]


def test_hints_without_checks_point_to_the_lesson(course: Course, run: Run) -> None:
    assert "Hint 1 of 1: Reread 01_words#counting" in run("hint", "1.2")[1]


def test_no_hint_for_what_passes(course: Course, grader: FakeGrader, run: Run) -> None:
    words = course.projects / "stage1_small" / "words.py"
    words.write_text((course.solutions / "stage1_small" / "words.py").read_text())
    run("check", "1.1")
    code, out, _ = run("hint", "1.1")
    assert code == 0
    assert "roadmap solution 1.1" in out


# ---- reset, solution, run


def test_reset_says_where_the_old_file_is(course: Course, run: Run) -> None:
    path = course.projects / "stage1_small" / "sums.py"
    path.write_text("def add(a, b):\n    return 1\n")
    code, out, _ = run("reset", "1.3")
    assert code == 0
    assert "NotImplementedError" in path.read_text()
    saved = out.rsplit(" ", 1)[1].strip().rstrip(".")
    assert (course.root / saved).read_text() == "def add(a, b):\n    return 1\n"


def test_solution_only_after_the_own_code_passes(course: Course, grader: FakeGrader, run: Run) -> None:
    code, out, _ = run("solution", "1.1")
    assert code == 1
    assert "0 of 60 points" in out
    assert "Counter" not in out
    Progress(course.root).remember(course.stage(1), {})
    words = course.projects / "stage1_small" / "words.py"
    words.write_text((course.solutions / "stage1_small" / "words.py").read_text())
    code, out, _ = run("solution", "1.1")
    assert code == 0
    assert "Counter" in out
    assert grader.calls[-1].tasks == ["1.1"]
    assert grader.calls[-1].source == course.projects.resolve()


def test_a_forged_progress_file_shows_no_solution(course: Course, grader: FakeGrader, run: Run) -> None:
    path = course.root / ".roadmap" / "progress.json"
    path.parent.mkdir()
    record = {"score": 60, "max_score": 60, "files": "x", "when": 1}
    path.write_text(json.dumps({"stages": {"stage1_small": {"tasks": {"1.1": record}}}}))
    code, out, _ = run("solution", "1.1")
    assert code == 1
    assert "Counter" not in out


def test_run_passes_arguments_and_exit_code(course: Course, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "1", "--", "--model", "x y", "-h"]) == 3
    assert "['--model', 'x y', '-h']" in capfd.readouterr().out
    assert main(["run", "1", "--from", "solutions"]) == 0
    package = course.projects / "stage1_small"
    (package / "__main__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert main(["run", "stage1_small"]) == 128 + signal.SIGKILL
    (package / "__main__.py").write_text(
        "import os, roadmap.course, stage1_small.sums\nprint(os.environ['OMP_WAIT_POLICY'], os.getcwd())\n"
    )
    assert main(["run", "1"]) == 0
    assert f"passive {course.root}" in capfd.readouterr().out
    (package / "__main__.py").unlink()
    assert main(["run", "1"]) == 2
    assert "__main__.py" in capfd.readouterr().err
    syllabus = course.root / "stages" / "course.toml"
    text = syllabus.read_text().replace(', "__main__.py"]', "]").replace('id = "1.3"\n', 'id = "1.3"\nplanned = true\n')
    syllabus.write_text(text)
    assert main(["run", "1"]) == 2
    assert "no program yet: its task 1.3 is planned" in capfd.readouterr().err


# ---- check


def test_check_reports_and_remembers(course: Course, grader: FakeGrader, run: Run) -> None:
    code, out, err = run("check", "1")
    assert (code, err) == (1, "")
    assert out.startswith("Stage 1: 0 of 100, pass mark 70: not passed yet.")
    assert "mistake: counts-letters" in out
    assert "Not started:\n  1.1   Count words\n  1.2" in out
    record = Progress(course.root).record(course.stage(1), course.task("1.3"))
    assert record is not None
    assert (record.failing, record.mistake) == ("test_words.py::test_adds", "counts-letters")
    assert grader.closed == 1


def test_check_of_a_task_with_every_option(course: Course, grader: FakeGrader, run: Run, tmp_path: Path) -> None:
    extra = tmp_path / "extra checks"
    extra.mkdir()
    code, out, _ = run("check", "1.3", "--from", "solutions", "--seed", 5, "--checks", extra, "--quiet")
    assert code == 1
    assert out == "Task 1.3: 0 of 20, pass mark 14: not passed yet.\n"
    call = grader.calls[0]
    assert (call.source, call.tasks, call.seed) == (course.solutions.resolve(), ["1.3"], 5)
    assert call.checks == [extra.resolve()]
    assert Progress(course.root).record(course.stage(1), course.task("1.3")) is None


def test_exit_codes_follow_the_report(course: Course, grader: FakeGrader, run: Run) -> None:
    grader.verdicts = lambda source: [result("test_counts", "1.1", State.PASSED, 60)]
    assert run("check", "1.1")[0] == 0
    assert run("check", "1")[0] == 1
    grader.verdicts = lambda source: [result("test_counts", "1.1", State.GRADER_ERROR, 60, message="It broke.")]
    Progress(course.root).forget(course.stage(1), course.task("1.1"))
    code, out, _ = run("check", "1.1")
    assert code == 3
    assert "The grader failed" in out
    assert Progress(course.root).record(course.stage(1), course.task("1.1")) is None


def test_check_writes_every_report(
    course: Course, grader: FakeGrader, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    out = tmp_path / "out"
    out.mkdir()
    paths = [out / "r.json", out / "r.xml", out / "results.json"]
    code, printed, _ = run(
        "check", "1", "--json", paths[0], "--junit", paths[1], "--gradescope", paths[2], "--github", "--quiet"
    )
    assert code == 1
    assert json.loads(paths[0].read_text())["schema"] == "roadmap.report/1"
    assert "<testsuites" in paths[1].read_text()
    assert json.loads(paths[2].read_text())["score"] == 0
    assert (tmp_path / "summary.md").read_text().startswith("## Stage 1: 0 of 100")
    assert "::error file=projects/stage1_small/sums.py,line=6," in printed
    assert sorted(path.name for path in out.iterdir()) == ["r.json", "r.xml", "results.json"]


def test_a_full_disk_after_grading_loses_nothing(
    course: Course, grader: FakeGrader, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "write_report", full)
    (tmp_path / "r.json").write_text("old")
    code, out, err = run("check", "1", "--json", tmp_path / "r.json", "--quiet")
    assert code == 3
    assert "1.3  Title of test_adds." in out
    assert "r.json (no space left on device)" in err
    assert "--seed 7" in err
    assert err.count("\n") == 1
    assert (tmp_path / "r.json").read_text() == "old"


def test_report_paths_are_checked_before_grading(course: Course, grader: FakeGrader, run: Run, tmp_path: Path) -> None:
    for option in ("--json", "--junit", "--gradescope"):
        code, _, err = run("check", "1", option, tmp_path / "missing" / "r")
        assert code == 2
        assert "does not exist" in err
    assert grader.calls == []


# ---- what a person can do wrong: one sentence what, one sentence what to do


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["chekc"], "No such command"),
        (["check"], "Missing argument"),
        (["check", "1", "--sede", "3"], "No such option"),
        (["check", "1", "--seed", "many"], "Invalid value"),
        (["check", "1", "--seed", "-1"], "Invalid value"),
        (["check", "9"], "There is no stage '9'"),
        (["check", "1.9"], "There is no task '1.9'"),
        (["check", "2"], "Stage 2 has no tasks yet"),
        (["check", "1", "--from", "nowhere"], "nowhere does not exist"),
        (["check", "1", "--from", "stages/course.toml"], "is not a folder"),
        (["check", "1", "--from", "projects/stage1_small"], "Give --from the folder above it"),
        (["check", "1", "--from", "stages"], "holds no folder stage1_small"),
        (["check", "1", "--checks", "nowhere"], "nowhere does not exist"),
        (["hint", "1.9"], "There is no task"),
        (["hint", "1"], "There is no task"),
        (["reset", "x"], "There is no task"),
        (["solution", "2.1"], "Stage 2 has no tasks yet"),
        (["run", "2"], "holds no folder stage2_later"),
        (["watch", "9"], "There is no stage"),
        (["watch", "2"], "Stage 2 has no tasks yet"),
        (["lesson", "zzz"], "There is no lesson"),
    ],
)
def test_wrong_usage_gets_two_sentences_and_exit_2(
    course: Course, grader: FakeGrader, run: Run, argv: list[str], says: str
) -> None:
    code, out, err = run(*argv)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert len(err.replace("?", ".").split(". ")) >= 2
    assert grader.calls == []


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (SubmissionError("words.py is a link.", "Put a plain file in its place."), 2, "Put a plain file"),
        (ArtifactMissing("tiny is not in the cache. Run: roadmap fetch tiny"), 2, "Run: roadmap fetch tiny"),
        (GraderError("The base died.", "Try again."), 3, "The base died. Try again."),
        (PermissionError(13, "Permission denied", "x.py"), 3, "x.py: permission denied."),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (ZeroDivisionError("division by zero"), 3, "ROADMAP_DEBUG=1"),
    ],
)
def test_every_error_has_its_words_and_exit_code(
    course: Course, grader: FakeGrader, run: Run, error: BaseException, code: int, says: str
) -> None:
    grader.error = error
    got, _, err = run("check", "1")
    assert got == code
    assert says in err
    assert "Traceback" not in err
    assert grader.closed == 1


def test_debug_shows_the_traceback(course: Course, grader: FakeGrader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADMAP_DEBUG", "1")
    grader.error = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError):
        main(["check", "1"])


def test_a_broken_course_is_said(course: Course, run: Run) -> None:
    (course.root / "stages" / "course.toml").write_text("[course]\n")
    code, _, err = run()
    assert code == 2
    assert "course.toml" in err


def test_an_unreadable_progress_file_stops_nothing(course: Course, grader: FakeGrader, run: Run) -> None:
    (course.root / ".roadmap").write_text("a file")
    code, out, err = run("check", "1")
    assert code == 1
    assert "Stage 1: 0 of 100" in out
    assert err.count("cannot be saved") == 1


# ---- watch


def test_watch_checks_what_a_save_touched(
    course: Course, grader: FakeGrader, capfd: pytest.CaptureFixture[str]
) -> None:
    import threading

    package = course.projects / "stage1_small"

    def save() -> None:
        time.sleep(0.6)
        (package / "sums.py").write_text("def add(a, b):\n    return 4\n")

    saver = threading.Thread(target=save)
    saver.start()
    code = main(["watch", "1", "--once"])
    saver.join()
    out = capfd.readouterr().out
    assert code == 1
    assert [call.tasks for call in grader.calls] == [["1.3"]]
    assert "mistake: counts-letters" in out
    assert "1.3   0 / 20  Add sums" in out


def test_watch_does_own_tasks_first_and_survives_mistakes(
    course: Course, grader: FakeGrader, capsys: pytest.CaptureFixture[str]
) -> None:
    from roadmap.cli.watch import Saves, Session
    from roadmap.grading.report.words import Background

    stage = course.stage(1)
    grader(course, stage)
    root = course.projects
    session = Session(course, stage, root, grader, Background.of(course, stage))  # type: ignore[arg-type]
    saves = Saves(root / stage.name, stage.package_files)
    assert session.cycle({"words.py"}, saves)
    assert [call.tasks for call in grader.calls] == [["1.1"], ["1.3"]]  # 1.2 has no check
    (root / stage.name / "words.py").write_text("def count(:\n")
    assert not session.cycle({"words.py"}, saves)
    assert len(grader.calls) == 2
    assert "words.py, line 1: " in capsys.readouterr().out
    (root / stage.name / "words.py").write_text("import collections\n")
    grader.error = SubmissionError("It is a link.", "Put a file there.")
    assert not session.cycle({"words.py"}, saves)
    assert "It is a link. Put a file there." in capsys.readouterr().out
    grader.error = None
    assert session.cycle({"words.py"}, saves)
    assert session.cycle({"__main__.py"}, saves)
    assert "No check rests on this file." in capsys.readouterr().out


def test_watch_ends_cleanly_on_ctrl_c(course: Course) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import roadmap.grading.session as session\n"
        "from tests.kit.small_course import FakeGrader\n"
        "session.Grader = FakeGrader(lambda source: [])\n"
        "from roadmap.cli.main import main\n"
        "sys.exit(main(['watch', '1']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "Watching" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Stopped watching." in out
    assert err == ""


# ---- demo


def test_demo_grades_reference_and_skeleton(
    course: Course, grader: FakeGrader, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("roadmap.cli.demo._fetch", lambda stage: 0)
    monkeypatch.setattr("roadmap.cli.demo._model", lambda stage: "tiny")
    monkeypatch.setattr("roadmap.cli.demo.run_program", lambda stage, root, arguments: seen.append(arguments) or 0)

    def both(source: Path) -> list[CheckResult]:
        state = State.PASSED if source == course.solutions else State.NOT_IMPLEMENTED
        return [result(f"t{n}", f"1.{n}", state, p) for n, p in ((1, 60), (2, 20), (3, 20))]

    grader.verdicts = both
    (course.projects / "stage1_small" / "words.py").write_text("my own work")
    code, out, _ = run("demo")
    assert code == 0
    assert "reference   100 of 100" in out
    assert "skeleton      0 of 100" in out
    assert seen[0][0] == "Explain what a transformer is:"
    assert grader.calls[1].source != course.projects
    grader.verdicts = verdicts
    code, _, err = run("demo")
    assert code == 3
    assert "grades wrongly" in err


def test_demo_in_a_learners_copy_grades_their_own(
    course: Course, grader: FakeGrader, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (course.root / ".roadmap-learner").touch()
    monkeypatch.setattr("roadmap.cli.demo._fetch", lambda stage: 0)
    monkeypatch.setattr("roadmap.cli.demo._model", lambda stage: "tiny")
    monkeypatch.setattr("roadmap.cli.demo._speak", lambda stage: print("It speaks."))
    code, out, _ = run("demo")
    assert code == 0
    assert "It speaks." in out
    assert "Stage 1: 0 of 100" in out
    assert [call.source for call in grader.calls] == [course.projects.resolve()]


def test_demo_stops_when_models_cannot_be_fetched(
    course: Course, grader: FakeGrader, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadmap.cli.demo._fetch", lambda stage: 3)
    assert run("demo")[0] == 3
    assert grader.calls == []


# ---- starting


@pytest.mark.parametrize("argv", [[], ["next"], ["hint", "1.1"], ["--help"], ["lesson"], ["check", "--help"]])
def test_light_commands_import_nothing_heavy(course: Course, argv: list[str]) -> None:
    script = (
        "import sys\n"
        "from roadmap.cli.main import main\n"
        f"code = main({argv!r})\n"
        "heavy = {'torch', 'numpy', 'transformers', 'pytest', 'watchfiles', 'roadmap.grading'}\n"
        f"heavy |= {{'pydantic'}} if {_is_plain(argv)} else set()\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("argv", "plain"),
    [
        ([], True),
        (["next"], True),
        (["hint", "1.6"], True),
        (["hint"], False),
        (["hint", "--reset"], False),
        (["hint", "1.6", "--reset"], False),
        (["next", "1.6"], False),
        (["--help"], False),
        (["check", "1"], False),
    ],
)
def test_only_a_plain_line_is_read_without_typer(argv: list[str], plain: bool) -> None:
    assert _is_plain(argv) is plain


def test_every_verb_has_help(course: Course, run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in out
        code, text, err = run(verb, "--help")
        assert (code, err) == (0, ""), verb
        assert "Usage: roadmap" in text


def test_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("roadmap 0.")


def test_a_closed_pipe_is_no_error(course: Course) -> None:
    done = subprocess.run(
        f"{sys.executable} -m roadmap lesson | true; {sys.executable} -m roadmap | head -1",
        shell=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "A small course\n"


def test_the_script_form_is_the_same_command(course: Course) -> None:
    script = course.root / "checks" / "autograde.py"
    script.write_text((ROOT / "checks" / "autograde.py").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # in a real course the kit lies beside the script
    del environment["ROADMAP_COURSE"]
    said = []
    for command in ([str(script)], ["-m", "roadmap", "check"]):
        done = subprocess.run(
            [sys.executable, *command, "1.9"],
            env=environment,
            cwd=course.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        said.append(done.stderr)
    assert said[0] == said[1]
    assert "There is no task '1.9'" in said[0]
