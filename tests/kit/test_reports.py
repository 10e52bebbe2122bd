"""Reports: golden renderings, the published schema, and learner's text that tries to break out of them.

ROADMAP_UPDATE_GOLDEN=1 writes the golden files anew; read the difference before it is kept.
"""

from __future__ import annotations

import copy
import io
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from roadmap.course import Course, UsageError
from roadmap.course.catalogue import checks_of
from roadmap.course.wording import clock, number
from roadmap.grading.report import files, github, gradescope, json_report, junit, plain, terminal
from roadmap.grading.report.words import Background, Sorted, first_failing, verdict_line
from roadmap.grading.text import harmless
from roadmap.grading.verdict import CheckResult, Report, State
from tests.kit.small_course import make_course, report_of, result

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("golden")
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())

SAYS = "Letters were counted where words were asked for."
HOSTILE = (
    "::error::owned\n  ::stop-commands::x\n##[command]rm\n[red]red[/red] </pre><script>1</script> `%0A` | ![i](u) @all"
)


def every_state() -> list[CheckResult]:
    """One check in every state, with a mistake, output, a hidden check and hostile text among them."""
    return [
        result("test_counts", "1.1", State.PASSED, 20),
        result(
            "test_puts",
            "1.1",
            State.FAILED,
            10,
            mistake="counts-letters",
            message=f"{SAYS}\nexpected 2, got 3",
            output="a\nb",
        ),
        result("test_blocked", "1.1", State.BLOCKED, 5, message="Not run: it builds on an earlier check."),
        result("test_open", "1.1", State.NOT_IMPLEMENTED, 5, message="Not written yet: task 1.1: count."),
        result("test_crash", "1.1", State.CRASHED, 5, message="Your code raised E: x\n  words.py:18 in put\n      x"),
        result("test_again", "1.1", State.CRASHED, 5, message="Your code raised E: x\n  words.py:18 in put\n      x"),
        result("test_slow", "1.1", State.TIMED_OUT, 5, message="No answer within 5 s."),
        result("test_big", "1.1", State.OUT_OF_MEMORY, 4.5, message="More than 64 MB."),
        result("test_hidden", "1.1", State.FAILED, 0.5, hidden=True, message="A hidden check failed."),
        result("test_hostile", "1.2", State.FAILED, 20, message=harmless(HOSTILE), output=harmless(HOSTILE)),
        result("test_adds", "1.3", State.NOT_IMPLEMENTED, 20, message="Not written yet: task 1.3: add."),
    ]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


@pytest.fixture
def background(course: Course) -> Background:
    return Background.of(course, course.stage(1))


@pytest.fixture
def report(course: Course) -> Report:
    made = report_of(course.stage(1), every_state())
    made.isolation, made.missing_layers = "partial", ["network namespace"]
    return made


@pytest.fixture
def places(course: Course) -> github.Places:
    stage = course.stage(1)
    return github.Places(stage, course.projects / stage.name, checks_of(course, stage))


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("ROADMAP_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# ---- the golden renderings


def test_golden_json(report: Report) -> None:
    golden("report.json", json_report.render(report))


def test_golden_junit(report: Report, background: Background) -> None:
    golden("junit.xml", junit.render(report, background))


def test_golden_gradescope(report: Report, background: Background) -> None:
    golden("results.json", gradescope.render(report, background))


def test_golden_github(report: Report, background: Background, places: github.Places) -> None:
    golden("summary.md", github.summary(report, background))
    golden("annotations.txt", github.annotations(report, places, background))


def test_golden_plain(report: Report, background: Background) -> None:
    golden("report.txt", plain.render(report, background))
    stream = io.StringIO()
    terminal.show(report, Console(file=stream), background)
    assert stream.getvalue() == plain.render(report, background)


# ---- JSON and its schema


def test_the_schema_is_valid_and_takes_every_report(report: Report) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(report.to_dict(), SCHEMA, cls=jsonschema.Draft202012Validator)
    report.task = "1.1"
    report.checks.append(result("test_broken", "1.3", State.GRADER_ERROR, 1, message="The grader failed."))
    jsonschema.validate(report.to_dict(), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_schema_and_the_report_name_the_same_things(report: Report) -> None:
    data = report.to_dict()
    assert list(data) == list(SCHEMA["properties"])
    assert list(data["tasks"][0]) == list(SCHEMA["$defs"]["task"]["properties"])
    assert list(data["checks"][0]) == list(SCHEMA["$defs"]["check"]["properties"])
    assert SCHEMA["$defs"]["check"]["properties"]["state"]["enum"] == [str(state) for state in State]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.update(schema="roadmap.report/2"),
        lambda data: data.pop("seed"),
        lambda data: data.update(extra=1),
        lambda data: data.update(score="10"),
        lambda data: data.update(isolation="some"),
        lambda data: data["models"].update(tiny="abc"),
        lambda data: data["checks"][0].update(state="skipped"),
        lambda data: data["checks"][0].pop("message"),
        lambda data: data["tasks"][0].update(id="one"),
    ],
)
def test_the_schema_refuses_what_is_wrong(report: Report, spoil: object) -> None:
    data = copy.deepcopy(report.to_dict())
    spoil(data)  # type: ignore[operator]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA, cls=jsonschema.Draft202012Validator)


# ---- JUnit


def test_junit_counts_agree_with_its_cases(report: Report) -> None:
    root = ElementTree.fromstring(junit.render(report))
    assert (root.get("tests"), root.get("skipped"), root.get("errors")) == ("11", "1", "0")
    for suite in [root, *root.iter("testsuite")]:
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(name) == str(len(list(suite.iter(tag)))), (suite.get("name"), name)


def test_junit_takes_any_text(course: Course) -> None:
    text = "".join(map(chr, [*range(32), 0x7F, 0xFFFE, 0xFFFF, 0x1F600])) + "]]><x a='\"'>&"
    check = result("test_x", "1.1", State.FAILED, 60, message=text, output=text, title=text)
    root = ElementTree.fromstring(junit.render(report_of(course.stage(1), [check])))
    assert "]]><x" in (root.find(".//failure").text or "")  # type: ignore[union-attr]


# ---- Gradescope


def test_gradescope_scores_add_up(report: Report) -> None:
    data = json.loads(gradescope.render(report))
    assert data["score"] == sum(test["score"] for test in data["tests"]) == 20
    assert sum(test["max_score"] for test in data["tests"]) == report.max_score
    assert [test["visibility"] for test in data["tests"]].count("hidden") == 1
    assert {test["status"] for test in data["tests"]} == {"passed", "failed"}


def test_gradescope_gets_no_grade_when_the_grader_failed(report: Report) -> None:
    report.checks[0].state = State.GRADER_ERROR
    data = json.loads(gradescope.render(report))
    assert "score" not in data
    assert all("score" not in test for test in data["tests"])
    assert "grader failed" in data["output"]


# ---- GitHub


def test_no_line_from_a_learner_starts_a_command(course: Course, places: github.Places) -> None:
    ends = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "%0A", "\n\t "]
    raw = "".join(f"{end}::error::owned{end}##[error]owned{end}::stop-commands::t" for end in ends)
    for text in (raw, harmless(raw)):
        check = result(
            "test_x", "1.1", State.CRASHED, 60, message=text, output=text, title="T", mistake=text, lesson=text
        )
        report = report_of(course.stage(1), [check])
        commands = github.annotations(report, places).split("\n")
        assert [line.partition(" ")[0] for line in commands if line] == ["::error", "::notice"]
        assert len("\n".join(commands).splitlines()) == 2  # every reader's idea of a line end
        assert not any("##[" in line for line in commands)
    for text in (plain.render(report), plain.defuse(raw.replace("\r", "\n"))):
        for line in re.split("[\n\r]", text):
            assert not line.lstrip().startswith("::")
            assert "##[" not in line


def test_properties_of_a_command_cannot_be_forged() -> None:
    line = github.command("error", {"title": "a,line=1::b%0A\n::error::c"}, "m")
    assert line == "::error title=a%2Cline=1%3A%3Ab%250A%0A%3A%3Aerror%3A%3Ac::m"


def test_the_summary_holds_learners_text_in_escaped_blocks(report: Report, background: Background) -> None:
    text = github.summary(report, background)
    assert "<script>" not in text
    assert text.count("<pre>") == text.count("</pre>")
    outside = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    for danger in ("![i]", "@all", "owned"):
        assert danger not in outside


def test_annotations_point_at_the_learners_lines(course: Course, places: github.Places) -> None:
    source = (places.package / "words.py").read_text().splitlines()
    count = next(i for i, line in enumerate(source, 1) if line.startswith("def count"))
    put = next(i for i, line in enumerate(source, 1) if "def put" in line)
    words = "projects/stage1_small/words.py"
    failed = {"state": State.FAILED, "points": 1}
    trace = "E\n  sums.py:3 in add\n  words.py:99 in count\n  /usr/lib/python3/other.py:7 in x"
    assert places.of(result("test_x", "1.1", message=trace, **failed)) == (words, 99)
    assert places.of(result("test_puts", "1.1", message="no", **failed)) == (words, put)  # what the check calls
    assert places.of(result("test_x", "1.1", title="T", message="count is off", **failed)) == (words, count)
    assert places.of(result("test_x", "1.3", message="m", **failed)) == ("projects/stage1_small/sums.py", 6)
    (places.package / "words.py").write_text("def (:")
    assert places.of(result("test_puts", "1.1", message="no", **failed)) == (words, 1)


def test_ten_annotations_at_most(course: Course, places: github.Places) -> None:
    checks = [result(f"test_{i}", "1.1", State.FAILED, 2, message="m") for i in range(30)]
    text = github.annotations(report_of(course.stage(1), checks), places)
    assert text.count("::error ") == github.ANNOTATIONS


def test_the_summary_is_appended_and_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert not github.append_summary("x")
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    assert github.append_summary("one\n")
    assert github.append_summary("two\n" * 500_000)
    text = path.read_text()
    assert text.startswith("one\ntwo\n")
    assert text.endswith("The rest is in report.json.\n")
    assert len(text) < 2**20


# ---- the terminal


def test_the_terminal_shows_learners_text_literally(report: Report, background: Background) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system="truecolor", markup=True)
    terminal.show(report, console, background)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "[red]red[/red]" in text
    assert "counts-letters" in text
    assert text.count(SAYS) == 1
    assert "roadmap hint 1.1" in text


def test_no_color_is_honoured(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    terminal.show(report, Console(file=stream, force_terminal=True, width=100))
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", stream.getvalue())


def test_live_progress_counts_and_is_silent_elsewhere(report: Report) -> None:
    for is_terminal in (True, False):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=is_terminal, width=100)
        with terminal.LiveProgress(console) as live:
            live(SimpleNamespace(kind="collected", check=None, checks=tuple(report.checks)))
            for check in report.checks[:2]:
                live(SimpleNamespace(kind="started", check=check, checks=()))
                live(SimpleNamespace(kind="finished", check=check, checks=()))
            console.print(live._line())
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
        assert "2/11" in text
        assert "1 failed" in text
        if not is_terminal:
            assert text.count("2/11") == 1  # only what this test printed


# ---- the words


def test_the_groups_of_a_report(report: Report) -> None:
    groups = Sorted.of(report)
    assert groups.open_tasks == ("1.3",)
    assert [check.id for check in groups.open_checks] == ["test_words.py::test_open"]
    assert len(groups.failed) == 7
    assert len(groups.blocked) == 1
    assert not groups.not_graded


def test_an_untouched_skeleton_is_told_where_to_begin(course: Course, background: Background) -> None:
    checks = [result(f"test_{n}", f"1.{n}", State.NOT_IMPLEMENTED, 20) for n in (1, 2, 3)]
    checks.append(result("test_4", "1.3", State.BLOCKED, 20))
    report = report_of(course.stage(1), checks)
    for text in (plain.render(report, background), github.summary(report, background)):
        assert "`roadmap next` says where to begin" in text
        assert "Not started" not in text


def test_the_first_failing_check_is_a_visible_one(report: Report) -> None:
    first = first_failing(report, "1.1")
    assert first is not None
    assert first.id == "test_words.py::test_puts"
    report.checks = [check for check in report.checks if check.hidden or check.state is State.PASSED]
    assert first_failing(report, "1.1") is None


def test_the_verdict_in_one_line(report: Report) -> None:
    assert verdict_line(report) == "Stage 1: 20 of 100, pass mark 70: not passed yet."
    report.checks[0].state = State.GRADER_ERROR
    assert "this is not a score" in verdict_line(report)
    assert "The grader failed" in plain.render(report)


@pytest.mark.parametrize(("value", "text"), [(10.0, "10"), (0.0, "0"), (2.5, "2.5"), (100 / 3, "33.33"), (0.001, "0")])
def test_points_read_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("minutes", "text"), [(45, "45 min"), (60, "1 h"), (90, "1 h 30 min"), (0, "0 min")])
def test_times_read_as_people_say_them(minutes: float, text: str) -> None:
    assert clock(minutes) == text


def test_a_broken_mistakes_file_costs_only_its_sentences(course: Course, report: Report) -> None:
    (course.checks(course.stage(1)) / "mistakes.toml").write_text("[broken")
    background = Background.of(course, course.stage(1))
    assert "mistake: counts-letters\n" in plain.render(report, background)


# ---- files


def test_report_paths_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "r.json", "does not exist"),
        (tmp_path / "file" / "r.json", "does not exist"),
        (tmp_path / ("x" * 300), "cannot be written"),
        (tmp_path / "a\0b", "cannot be written"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            files.ensure_writable(path)
        assert caught.value.advice
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_reports_go_to_files_and_devices(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    files.ensure_writable(path)
    assert path.read_text() == "old"
    files.write_report(path, "new")
    assert path.read_text() == "new"
    files.ensure_writable(Path("/dev/null"))
    files.write_report(Path("/dev/null"), "x")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    files.write_report(link, "linked")
    assert link.is_symlink()
    assert path.read_text() == "linked"
