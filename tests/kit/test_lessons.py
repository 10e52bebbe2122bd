"""The lesson machinery on a course of one small lesson: it builds, verifies, lints, and every rule can be broken."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from roadmap.cli.main import main
from roadmap.course import Course, UsageError
from roadmap.lessons import answers, build, code_rules, copies, kernel, normalise, style, sweep, syllabus, topics
from roadmap.lessons.execute import environment, execute
from roadmap.lessons.lint import ERROR, PENDING, Finding, lint_anchors, lint_course, lint_notebook, lint_source
from roadmap.lessons.nursery import Nursery
from roadmap.lessons.source import LessonSource, find, read, source_path
from roadmap.lessons.verify import compare, verify, verify_all

TINY = Path(__file__).resolve().parents[1] / "lessons" / "tiny"
SLUG = "01_shares"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny course with its lesson built: copy it before you change it."""
    root = tmp_path_factory.mktemp("built") / "tiny"
    shutil.copytree(TINY, root)
    course = Course.load(root)
    done = build.build(course, read(source_path(course, course.lesson(SLUG))))
    assert done.changed
    assert done.unproven == ()
    return root


@pytest.fixture
def course(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    root = tmp_path / "a cöurse"
    shutil.copytree(built, root)
    monkeypatch.setenv("ROADMAP_COURSE", str(root))
    return Course.load(root)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def source_of(course: Course) -> LessonSource:
    return read(source_path(course, course.lesson(SLUG)))


def edited(course: Course, old: str, new: str) -> LessonSource:
    path = source_path(course, course.lesson(SLUG))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return read(path)


def errors(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings if finding.level == ERROR}


# ---- the source


def test_the_tiny_lesson_keeps_every_rule(course: Course) -> None:
    assert not [str(finding) for finding in lint_course(course) if finding.level == ERROR]


def test_a_source_says_where_things_stand(course: Course) -> None:
    source = source_of(course)
    lines = source.text.splitlines()
    assert source.front is not None
    assert source.front.topics == {"T1.01": ("by-hand",), "T1.02": ("in-numpy",)}
    assert source.anchors == ("by-hand", "in-numpy")
    for cell in source.cells:
        assert lines[cell.line - 1].startswith("# %%")
    for heading in source.headings:
        assert heading.title in lines[heading.line - 1]


@pytest.mark.parametrize("key", ["L1.01", "l1.1", "1.1", "1.01", SLUG, f"{SLUG}#by-hand", f"stages/x/{SLUG}.py"])
def test_a_lesson_is_found_by_any_of_its_names(course: Course, key: str) -> None:
    assert find(course, key).id == "L1.01"


DRAW = "rng = np.random.default_rng(7)"
FIRST_FOLD = "# <details><summary>Nudge</summary>\n#\n# Equal scores, equal shares.\n#\n# </details>\n"
BROKEN = [
    ("front-matter", "#     minutes: 10\n", ""),
    ("front-matter", "minutes: 10", "minutes: 11"),
    ("front-matter", "minutes: 10", "minutes: ten"),
    ("front-matter", "id: L1.01", "id: L1.02"),
    ("front-matter", "prerequisites: []", "prerequisites: [L9.09]"),
    ("front-matter", "prerequisites: []", "prerequisites: [L1.01]"),
    ("front-matter", 'leads_to: ["1.1"]', 'leads_to: ["1.7"]'),
    ("front-matter", 'leads_to: ["1.1"]', "leads_to: [1.1]"),
    ("front-matter", 'leads_to: ["1.1"]', "leads_to: []"),
    ("front-matter", "#     question:", "#     questions:"),
    ("front-matter", "#   lesson:", "#   lessons:"),
    ("topics", "T1.01: by-hand", "T9.01: by-hand"),
    ("topics", "T1.01: by-hand", "T1.01: by-foot"),
    ("topics", ", T1.02: [in-numpy]", ""),
    ("title", "# # From scores to shares", "# # From shares to scores"),
    ("title", "# # From scores to shares\n", "#\n"),
    ("title", "# About a tenth.", "# # Another title\n# About a tenth."),
    ("sections", ' <a id="in-numpy"></a>', ' <a id="numpy"></a>'),
    ("anchors", ' <a id="in-numpy"></a>', ""),
    ("anchors", ' <a id="in-numpy"></a>', ' <a id="by-hand"></a>'),
    ("anchors", "# About a tenth.", '# <a id="tenth"></a>About a tenth.'),
    ("closing", "# ## Recap", "# ### Recap"),
    ("closing", "# ## Further reading", "# ## Quiz"),
    ("prediction", "**Predict.**", "**Guess.**"),
    ("exercises", "# **3. (5 min)**", "# **4. (5 min)**"),
    ("exercises", "# **2. (3 min)**", "# 2. (3 min)"),
    ("exercises", "def exercise_2(answer)", "def exercise_two(answer)"),
    ("exercises", "\nexercise_3(your_answer_3)\n", "\n"),
    ("tiers", FIRST_FOLD, ""),
    ("tiers", "<summary>Approach</summary>", "<summary>Hint</summary>"),
    ("answers", "def exercise_2(answer)", "def exercise_7(answer)"),
    ("quiz", "# (b). Not (a): a score of 0 has the exponential 1.", "# (b)."),
    ("quiz", "<summary>Answer</summary>", "<summary>Solution</summary>"),
    ("quiz", "# - (a) makes every share larger\n# - (b) changes nothing\n", "# changes what?\n"),
    ("command", "`roadmap check 1.1`", "`roadmap check 1.9`"),
    ("command", "`roadmap check 1.1`", "the check"),
    ("folds", "<summary>Nudge</summary>\n#\n", "<summary>Nudge</summary>\n"),
    ("folds", "# $e^3 = 20.09$\n#\n", "# $e^3 = 20.09$\n"),
    ("folds", "# <details><summary>Nudge", "# <details open><summary>Nudge"),
    ("links", "[1](#by-hand)", "[1](#by-foot)"),
    ("links", "[1](#by-hand)", "[1](01_shares.ipynb#by-foot)"),
    ("links", "[1](#by-hand)", "[1](../../nowhere.md)"),
    ("figures", '    alt="Three bars: 0.67, 0.24 and 0.09 for the scores 2, 1 and 0.",\n', ""),
    ("figures", 'caption="The shares again, in numbers."', 'caption="Shares"'),
    ("figures", "style.use()", "style.use()\nplt.rcParams['font.size'] = 20"),
    ("figures", "style.show(\n", "plt.show()\nstyle.show(\n"),
    ("randomness", DRAW, "rng = np.random.default_rng()"),
    ("randomness", DRAW, f"{DRAW}\nnp.random.seed(0)"),
    ("randomness", DRAW, f"{DRAW}\nimport random\nrandom.shuffle([1, 2])"),
    ("randomness", DRAW, f"{DRAW}\nfrom random import choice\nchoice([1, 2])"),
    ("randomness", DRAW, f"{DRAW}\nimport torch\ntorch.randn(3)"),
    ("randomness", DRAW, f"{DRAW}\nimport torch\ntorch.empty(3).normal_()"),
    ("randomness", DRAW, f"{DRAW}\nfrom torch import nn\nnn.Linear(2, 2)"),
    ("randomness", DRAW, f"{DRAW}\nfrom sklearn.cluster import KMeans\nKMeans(2)"),
    ("network", DRAW, f"{DRAW}\naddress = 'https://somewhere.net/data.csv'"),
    ("network", DRAW, f"{DRAW}\nload_dataset('someone/something')"),
    ("network", DRAW, f"{DRAW}\n# !pip install something"),
    ("absolute-path", DRAW, f"{DRAW}\nplace = '/home/me/data.csv'"),
    ("absolute-path", "# About a tenth.", "# Look into /tmp/lesson. About a tenth."),
    ("syntax", DRAW, "rng = = 7"),
    ("voice", "# About a tenth.", "# \u2705 About a tenth."),
    ("written", None, None),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "old", "new"), BROKEN, ids=lambda value: re.sub(r"\W+", "-", str(value))[:24])
def test_a_broken_rule_is_found(course: Course, rule: str, old: str | None, new: str) -> None:
    if old is None:
        source_path(course, course.lesson(SLUG)).unlink()
        assert rule in errors(lint_course(course))
        return
    found = lint_source(course, edited(course, old, new))
    assert rule in errors(found), [str(finding) for finding in found]
    assert all(finding.line > 0 for finding in found if finding.rule in ("links", "quiz", "randomness", "folds"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(0)\ntorch.randn(3)",
        "import torch\ntorch.randn(3, generator=torch.Generator().manual_seed(1))",
        "import random\ndice = random.Random(7)\ndice.shuffle([1, 2])",
        "rng.normal(size=3); rng.choice([1, 2])",
        "address = 'http://localhost:8000/v1/messages'",
        "path = '/v1/messages'",
        "%time 1 + 1",
        "rest = (\n    7\n    % 3\n    != 2\n)",
    ],
)
def test_what_is_seeded_and_local_is_no_error(course: Course, code: str) -> None:
    source = edited(course, DRAW, f"{DRAW}\n{code}")
    assert not errors(lint_source(course, source)) - {"built"}


@pytest.mark.slow
def test_anchors_of_checks_exist(course: Course) -> None:
    assert not lint_anchors(course)
    edited(course, ' <a id="by-hand"></a>', "")
    assert errors(lint_anchors(course)) == {"check-anchor"}
    checks = course.checks(course.stage(1)) / "test_shares.py"
    checks.write_text(checks.read_text().replace("01_shares#by-hand", "01_shares#elsewhere"))
    assert any(finding.file.startswith("checks/") for finding in lint_anchors(course))


@pytest.mark.slow
def test_what_is_planned_is_pending_until_the_stage_is_complete(course: Course) -> None:
    path = course.root / "stages" / "course.toml"
    path.write_text(path.read_text().replace("complete = true", "complete = false"))
    source_path(course, course.lesson(SLUG)).unlink()
    findings = lint_course(Course.load(course.root))
    assert not errors(findings)
    assert {finding.rule for finding in findings if finding.level == PENDING} == {"written", "check-anchor"}


@pytest.mark.slow
def test_strays_are_found(course: Course) -> None:
    (source_of(course).path.parent / "02_more.py").write_text("# %%\n1\n")
    (course.root / "stages" / "stage1_shares" / "03_rest.ipynb").write_text("{}")
    assert sum(finding.rule == "stray" for finding in lint_course(course)) == 2


# ---- the notebook


def change(course: Course, edit: Callable[[Any], None]) -> LessonSource:
    """Change the built notebook; returns the lesson's source."""
    source = source_of(course)
    notebook = nbformat.read(source.notebook_path, as_version=4)
    edit(notebook)
    nbformat.write(notebook, source.notebook_path)
    return source


def code_cell(notebook: Any, words: str) -> Any:
    return next(cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source)


NOTEBOOK_RULES: list[tuple[str, Callable[[Any], None]]] = [
    ("built", lambda nb: nb.cells.pop()),
    ("built", lambda nb: code_cell(nb, "softmax").update(source="1 + 1")),
    ("built", lambda nb: nb.metadata["lesson"].update(minutes=99)),
    ("limits", lambda nb: nb.metadata["roadmap"].update(seconds=121)),
    ("limits", lambda nb: nb.metadata["roadmap"].update(peak_mb=5000)),
    ("limits", lambda nb: nb.metadata.pop("roadmap")),
    ("executed", lambda nb: code_cell(nb, "softmax").update(execution_count=None)),
    (
        "executed",
        lambda nb: code_cell(nb, "softmax").outputs.append(nbformat.v4.new_output("error", ename="E", evalue="e")),
    ),
    (
        "stderr",
        lambda nb: code_cell(nb, "softmax").outputs.append(
            nbformat.v4.new_output("stream", name="stderr", text="Warning: soon")
        ),
    ),
    ("figures", lambda nb: code_cell(nb, "style.show").outputs[0].metadata.pop("roadmap")),
    ("absolute-path", lambda nb: code_cell(nb, "round(share").outputs[0].update(text="/home/me/course\n")),
    ("size", lambda nb: code_cell(nb, "round(share").outputs[0].update(text="0123456789" * 450_000)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "edit"), NOTEBOOK_RULES, ids=[rule for rule, _ in NOTEBOOK_RULES])
def test_a_notebook_that_breaks_a_rule_is_found(course: Course, rule: str, edit: Callable[[Any], None]) -> None:
    assert rule in errors(lint_notebook(course, change(course, edit)))


@pytest.mark.slow
def test_a_lesson_without_its_notebook_is_found(course: Course) -> None:
    source = source_of(course)
    source.notebook_path.unlink()
    assert errors(lint_notebook(course, source)) == {"built"}
    assert verify(course, source).differences == ("it is not built",)


@pytest.mark.slow
def test_figures_and_tables_carry_their_words(course: Course) -> None:
    outputs = code_cell(build.read_notebook(source_of(course).notebook_path), "style.show").outputs
    figure, caption, table = outputs
    assert figure.metadata["roadmap"]["kind"] == "figure"
    assert figure.metadata["image/png"]["alt"].startswith("Three bars")
    assert normalise.png_size(figure.data["image/png"]) == (5 * style.DPI, 3 * style.DPI)
    assert "Equal steps" in caption.data["text/html"]
    assert "Three bars" in caption.data["text/html"]
    assert table.metadata["roadmap"]["caption"] == "The shares again, in numbers."
    assert "0.665" in table.data["text/plain"]


# ---- building and verifying


@pytest.mark.slow
def test_a_second_build_changes_nothing(course: Course) -> None:
    source = source_of(course)
    before = source.notebook_path.read_bytes()
    assert build.is_current(course, source)
    assert not build.build(course, source).changed
    assert source.notebook_path.read_bytes() == before
    assert not build.is_current(course, edited(course, "About a tenth", "Close to a tenth"))


@pytest.mark.slow
def test_a_lesson_that_fails_leaves_the_old_notebook_and_names_the_cell(course: Course) -> None:
    source = edited(course, "noise = rng.normal(size=(4, 3))", "noise = nothing")
    before = source.notebook_path.read_bytes()
    with pytest.raises(
        build.BuildError, match=r"NameError: name 'nothing' is not defined, in the cell at 01_shares.py:"
    ):
        build.build(course, source)
    assert source.notebook_path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ArtifactMissing", "ArtifactDamaged"])
def test_a_lesson_without_its_artifact_is_not_called_wrong(course: Course, name: str) -> None:
    raising = f"from roadmap.artifacts.errors import {name}\nraise {name}('The model is not there. Fetch it.')"
    with pytest.raises(build.BuildError, match=name) as caught:
        build.build(course, edited(course, "noise = rng.normal(size=(4, 3))", raising))
    assert caught.value.advice == "Build again after that."


@pytest.mark.slow
def test_verify_finds_a_changed_stable_output_and_nothing_else(course: Course) -> None:
    def edit(notebook: Any) -> None:
        code_cell(notebook, "round(share").outputs[0].text = "[0.665, 0.245, 0.1]\n"
        code_cell(notebook, "noise").outputs[0].data["text/plain"] = "array([1., 1., 1.])"  # not stable: kind counts
        figure = code_cell(notebook, "style.show").outputs[0]
        figure.data["image/png"] = figure.data["image/png"][:200]  # the same size in pixels

    verdict = verify(course, change(course, edit))
    assert len(verdict.differences) == 1
    assert "stored is '[0.665, 0.245, 0.1]'" in verdict.differences[0]
    assert "01_shares.py:" in verdict.differences[0]


def test_other_kinds_numbers_and_sizes_differ() -> None:
    def notebook(*outputs: Any) -> Any:
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=list(outputs))])

    def picture(width: int) -> Any:
        head = b"\x89PNG\r\n\x1a\n" + bytes(8) + width.to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes(40)
        return nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(head).decode()})

    text = nbformat.v4.new_output("stream", text="a")
    other = nbformat.v4.new_output("stream", text="b")
    assert compare(notebook(text), notebook(other)) == []
    assert len(compare(notebook(text), notebook())) == 1
    assert len(compare(notebook(text), notebook(picture(5)))) == 1
    assert compare(notebook(picture(5)), notebook(picture(5))) == []
    assert len(compare(notebook(picture(5)), notebook(picture(6)))) == 1


@pytest.mark.slow
def test_a_lesson_that_runs_too_long_is_stopped_and_the_other_goes_on(course: Course) -> None:
    folder = source_of(course).path.parent
    good = folder / "02_again.py"
    shutil.copy(folder / f"{SLUG}.py", good)
    shutil.copy(folder.parent / f"{SLUG}.ipynb", folder.parent / "02_again.ipynb")
    slow = edited(course, "noise = rng.normal(size=(4, 3))", "while True:\n    pass\nnoise = rng.normal(size=(4, 3))")
    notebook = nbformat.read(slow.notebook_path, as_version=4)
    fresh = build.assemble(course, slow)
    for cell, old in zip(fresh.cells, notebook.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs = old.outputs
    nbformat.write(fresh, slow.notebook_path)
    told: list[str] = []
    verdicts = verify_all(course, [slow, read(good)], lambda verdict: told.append(verdict.slug), seconds=25)
    assert sorted(told) == [SLUG, "02_again"]
    assert verdicts[1].holds, verdicts[1].differences
    assert "it ran longer than 25 s and was stopped" in verdicts[0].differences[0]
    assert "noise" in verdicts[0].differences[0] or "def softmax" in verdicts[0].differences[0]


def cells(*texts: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery | None]:
    """A process that forks kernels, where that is possible."""
    if not kernel.can_isolate():
        yield None
        return
    with Nursery(environment(TINY, tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


@pytest.fixture(params=["new interpreter", "forked"])
def nursery(request: pytest.FixtureRequest) -> Nursery | None:
    """How a kernel starts."""
    return request.getfixturevalue("forking") if request.param == "forked" else None


@pytest.mark.slow
def test_a_lesson_that_takes_too_much_memory_is_stopped(tmp_path: Path, nursery: Nursery | None) -> None:
    notebook = cells(
        "import time\nblock = bytearray(900_000_000)\nblock[::4096] = b'1' * len(block[::4096])\ntime.sleep(30)"
    )
    result = execute(notebook, tmp_path, memory=800 * 2**20, nursery=nursery)
    assert result.fault == "it used more than 0.781 GiB and was stopped"
    assert result.seconds < 25


@pytest.mark.slow
def test_a_lesson_finds_no_network_no_key_and_quiet_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: Nursery | None
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    notebook = cells(
        "import os, socket\nprint(os.environ.get('ANTHROPIC_API_KEY'), os.environ['OMP_NUM_THREADS'], os.listdir('.'))",
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "print(socket.create_connection(server.getsockname()) is not None)",
        "try:\n    socket.create_connection(('192.0.2.1', 80), 3)\nexcept OSError as error:\n    print(error.strerror)",
    )
    result = execute(notebook, tmp_path, nursery=nursery)
    assert result.fault is None
    said = [cell.outputs[0].text.strip() for cell in notebook.cells]
    assert said[:2] == ["None 1 []", "True"]
    if kernel.can_isolate():
        assert said[2] == "Network is unreachable"


@pytest.mark.slow
def test_a_kernel_that_dies_is_reported(tmp_path: Path, nursery: Nursery | None) -> None:
    result = execute(cells("import os", "os._exit(1)"), tmp_path, nursery=nursery)
    assert (result.fault, result.cell) == ("the kernel died", 1)


@pytest.mark.slow
def test_forked_kernels_know_nothing_of_one_another(tmp_path: Path, forking: Nursery | None) -> None:
    """Each has its own names, library state, random numbers and working folder; none outlives its lesson."""
    if forking is None:
        pytest.skip("needs namespaces")
    texts = (
        "import os, random\nimport numpy, torch\nprint(os.getpid(), random.random(), numpy.random.rand(), os.getcwd())",
        "print('left' in dir(torch), 'name' in dir())\ntorch.left = name = 1",
    )
    lines = []
    for _ in range(2):
        notebook = cells(*texts)
        assert execute(notebook, tmp_path, nursery=forking).fault is None
        first, second = (cell.outputs[0].text.split() for cell in notebook.cells)
        assert second == ["False", "False"]
        lines.append(first)
    assert not set(lines[0]) & set(lines[1])
    assert not any(Path("/proc", line[0], "cwd").exists() for line in lines)


@pytest.mark.slow
def test_the_end_of_the_process_that_forks_is_reported(tmp_path: Path) -> None:
    if not kernel.can_isolate():
        pytest.skip("needs namespaces")
    with Nursery({**environment(TINY, tmp_path), "PYTHONPATH": "/nowhere"}) as broken:
        os.kill(broken.pid, signal.SIGKILL)
        result = execute(cells("1"), tmp_path, nursery=broken)
    assert result.fault is not None
    assert result.fault.startswith("the kernel did not start: the process that forks kernels has ended")


# ---- answers


def exercise_1(answer: Any) -> str:
    if answer is None:
        return "Not attempted: add."
    assert answer == 2, "Not yet."
    return "Right."


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('RIGHT = {"exercise_1": [2]}\nWRONG = {"exercise_1": [1, 3]}', None),
        ('RIGHT = {"exercise_1": [3]}\nWRONG = {"exercise_1": [1, 3]}', "refuses the right answer 3"),
        ('RIGHT = {"exercise_1": [2]}\nWRONG = {"exercise_1": [1, 2]}', "does not refuse the wrong answer 2"),
        ('RIGHT = {"exercise_1": [2]}\nWRONG = {"exercise_1": [1]}', "needs at least one right answer and two wrong"),
        ('RIGHT = {"exercise_2": [2]}\nWRONG = {"exercise_1": [1, 3]}', "exercise_2 has answers"),
        ("RIGHT = 1 / 0", "ZeroDivisionError"),
        ("RIGHT = {}", "define no mappings"),
    ],
)
def test_answers_prove_a_check(source: str, problem: str | None) -> None:
    found = answers.prove({"exercise_1": exercise_1}, source)
    assert any(problem in one for one in found) if problem else found == []


def test_a_check_that_forgets_the_reader_who_did_nothing_is_found() -> None:
    source = 'RIGHT = {"exercise_1": [2]}\nWRONG = {"exercise_1": [1, 3]}'

    def strict(answer: Any) -> str:
        assert answer == 2, "Not yet."
        return "Right."

    def lenient(answer: Any) -> str:
        return "Not attempted." if answer is None else "Right."

    assert "exercise_1(None)" in answers.prove({"exercise_1": strict}, source)[0]
    assert len(answers.prove({"exercise_1": lenient}, source)) == 2


# ---- normalising


def test_what_differs_from_run_to_run_is_taken_out(tmp_path: Path) -> None:
    text = f"<f at 0x7f00deadbeef> {tmp_path}/stages /tmp/lesson-ab_9/work/x /tmp/ipykernel_12/345.py\n10%\r20%\rdone\n"
    assert normalise.clean(text, tmp_path) == "<f at 0x…> <course>/stages ./x <cell>\ndone\n"


def test_streams_are_merged_and_ids_follow_the_content(tmp_path: Path) -> None:
    notebook = cells("print(1)", "print(1)")
    out = nbformat.v4.new_output
    notebook.cells[0].outputs = [
        out("stream", text="a"),
        out("stream", text="b"),
        out("display_data"),
        out("stream", text="c"),
    ]
    normalise.normalise(notebook, tmp_path)
    assert [output.get("text") for output in notebook.cells[0].outputs] == ["ab", None, "c"]
    first, second = (cell.id for cell in notebook.cells)
    assert second == f"{first}-2"


def test_tables_take_what_lessons_have(capsys: pytest.CaptureFixture[str]) -> None:
    style.table([[1, "a", 0.12345], [20_000, "b", float("nan")]], columns=["n", "name", "share"], caption="Two rows.")
    assert "20,000" in style._plain(*_cells([[20_000]]))
    with pytest.raises(ValueError, match="no column names"):
        style.table([[1]], caption="One row.")
    with pytest.raises(ValueError, match="A row has 1 values"):
        style.table([[1]], columns=["a", "b"], caption="One row.")
    with pytest.raises(ValueError, match="no caption"):
        style.table([[1]], columns=["a"], caption=" ")


def _cells(rows: list[list[Any]]) -> tuple[list[str], list[list[str]]]:
    return ["n"], [[style._cell(value, 3) for value in row] for row in rows]


def test_paths_of_one_machine_are_told_from_other_slashes() -> None:
    for text in ("open('/home/me/x')", "see /tmp/x", "C:\\Users\\me", "in /Users/me/x"):
        assert code_rules.machine_path(text), text
    for text in ("/v1/messages", "a/home/b", "https://host/home/x", "and/or", "`roadmap/data/x`", "~/data/x"):
        assert not code_rules.machine_path(text), text


# ---- topics and the syllabus


@pytest.mark.slow
def test_the_syllabus_follows_its_sources(course: Course, run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("lessons", "syllabus")[1] == "stages/syllabus.md written\n"
    assert run("lessons", "syllabus")[1] == "stages/syllabus.md is up to date\n"
    text = (course.root / syllabus.SYLLABUS).read_text()
    assert "[L1.01 1. Three scores by hand](stage1_shares/01_shares.ipynb#by-hand) | 1.1 Shares |" in text
    assert "reading: It needs a machine of its own." in text
    assert "| T2.01 | Something for later | planned |" in text
    edited(course, "T1.01: by-hand, ", "")
    assert syllabus.render(course) != text


@pytest.mark.slow
def test_a_complete_stage_owes_its_topics(course: Course) -> None:
    stage = course.stage(1)
    assert syllabus.untaught(course, stage) == []
    edited(course, "T1.01: by-hand, ", "")
    assert [topic.id for topic in syllabus.untaught(course, stage)] == ["T1.01"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[stage9_none]\n"T9.01" = { topic = "x" }', "there is no stage"),
        ('[stage1_shares]\n"T1.01" = "x"', "is not a topic"),
        ('[stage1_shares]\n"T1.01" = { planned = "01_shares#by-hand" }', "has no words"),
        ('[stage1_shares]\n"T1.01" = { topic = "x", planned = "01_shares#nothing" }', "no lesson has"),
        ('[all]\n"T1.01" = { topic = "x" }\n[stage1_shares]\n"T1.01" = { topic = "x" }', "is there twice"),
        ("[all\n", "cannot be read"),
        (
            "[all]\n" + "\n".join(f'"T0.0{n}" = {{ topic = "x", reading = "y" }}' for n in range(1, 7)),
            "more than 5 topics are reading only",
        ),
    ],
)
def test_wrong_topics_are_refused(tmp_path: Path, text: str, says: str) -> None:
    shutil.copytree(TINY, tmp_path / "tiny")
    (tmp_path / "tiny" / topics.TOPICS).write_text(text)
    with pytest.raises(UsageError, match=says):
        topics.load(Course.load(tmp_path / "tiny"))


# ---- a learner's copy


@pytest.mark.slow
def test_a_copy_is_private_empty_and_kept(course: Course, run: Callable[..., tuple[int, str, str]]) -> None:
    edited_source = edited(course, "[1](#by-hand)", "[1](../course.toml)")
    original = change(course, lambda nb: nb.cells[5].update(source=edited_source.cells[4].text)).notebook_path
    code, out, _ = run("lesson", "1.1")
    assert code == 0
    assert ".roadmap/lessons/stage1_shares/01_shares.ipynb" in out
    path = copies.copy_path(course, course.lesson(SLUG))
    data = nbformat.read(path, as_version=4)
    nbformat.validate(data)
    assert all(not cell.outputs and cell.execution_count is None for cell in data.cells if cell.cell_type == "code")
    links = re.findall(r"\[1\]\(([^)]*)\)", "".join(cell.source for cell in data.cells))
    assert links
    assert all((path.parent / link).resolve().is_file() for link in links)
    assert any(cell.get("outputs") for cell in nbformat.read(original, as_version=4).cells)

    path.write_text(path.read_text().replace("About a tenth", "My own words"))
    assert "as you left it" in run("lesson", "1.1")[1]
    assert "My own words" in path.read_text()
    assert "saved" in run("lesson", "1.1", "--fresh")[1]
    assert "My own words" not in path.read_text()
    assert any("My own words" in other.read_text() for other in path.parent.glob("01_shares-*.ipynb"))


@pytest.mark.slow
def test_a_lesson_is_done_when_the_learner_says_so(course: Course, run: Callable[..., tuple[int, str, str]]) -> None:
    assert "done" not in run("lesson")[1]
    assert run("lesson", "L1.01", "--done")[0] == 0
    assert "From scores to shares  done" in run("lesson", "1")[1]
    assert run("lesson", "1.1", "--not-done")[0] == 0
    assert "done" not in run("lesson")[1]
    (course.root / ".roadmap" / "lessons.json").write_text("not JSON")
    assert run("lesson")[0] == 0
    assert run("lesson", "--done")[0] == 2
    assert "There is no lesson" in run("lesson", "7.1")[2]


# ---- the command line and the magic


@pytest.mark.slow
def test_authors_commands(course: Course, run: Callable[..., tuple[int, str, str]]) -> None:
    assert "nothing that it rests on has changed" in run("lessons", "build")[1]
    code, out, _ = run("lessons", "lint", "1.1")
    assert (code, out.splitlines()[-1]) == (0, "No errors.")
    code, out, _ = run("lessons", "verify", "1.1")
    assert code == 0, out
    assert "holds" in out
    assert re.search(r"\d+\.\d s +\d+ MB", out)
    edited(course, "**Predict.**", "Guess.")
    code, out, _ = run("lessons", "lint")
    assert code == 1
    assert "stages/stage1_shares/source/01_shares.py: error: the lesson asks for no prediction" in out
    assert run("lessons", "dance")[0] == 2


def test_nothing_heavy_is_imported_at_the_start() -> None:
    script = (
        "import sys, roadmap.cli.main, roadmap.cli.lesson, roadmap.cli.lessons, roadmap.cli.magics\n"
        "heavy = {'nbclient', 'nbformat', 'jupytext', 'matplotlib', 'IPython', 'numpy', 'torch', 'roadmap.grading'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_magic_shows_the_verdict_and_explains_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from roadmap.cli import magics
    from roadmap.grading.verdict import CheckResult, State
    from tests.kit.small_course import FakeGrader, make_course

    monkeypatch.delenv("ROADMAP_COURSE", raising=False)
    small = make_course(tmp_path / "small")
    monkeypatch.setenv("ROADMAP_COURSE", str(small.root))
    verdicts = [
        CheckResult("t.py::test_counts", "1.1", "It counts <b>words</b>.", State.FAILED, 60, message="got <script>"),
        CheckResult("t.py::test_puts", "1.1", "It puts.", State.PASSED, 0),
    ]
    monkeypatch.setattr("roadmap.grading.session.Grader", FakeGrader(lambda source: verdicts))
    monkeypatch.setattr(magics, "_graders", {})
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    magics.check("1.1 --seed 5")
    page = shown[0]["text/html"]
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "not passed yet" in page
    assert "1.1" in shown[0]["text/plain"]
    capsys.readouterr()
    magics.check("1.77")
    magics.check("")
    said = capsys.readouterr().out
    assert "There is no task '1.77'" in said
    assert "Write it as: %check 1.6" in said
    assert len(shown) == 1


def test_the_extension_registers_the_magic() -> None:
    import roadmap

    class Shell:
        names: tuple[str, ...] = ()

        def register_magic_function(self, function: Any, kind: str, name: str) -> None:
            self.names = (*self.names, f"{kind} {name}")

    shell = Shell()
    roadmap.load_ipython_extension(shell)
    assert shell.names == ("line check",)


def test_json_of_marks_is_readable(course: Course) -> None:
    copies.mark(course, course.lesson(SLUG), True)
    assert json.loads((course.root / ".roadmap" / "lessons.json").read_text())["done"] == ["L1.01"]


def test_a_sweep_runs_the_cells_of_its_lesson_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    script = tmp_path / "stages" / "one" / "data" / "01_x_sweep.py"
    lesson = tmp_path / "stages" / "one" / "source" / "01_x.py"
    for file in (script, lesson):
        file.parent.mkdir(parents=True)
    lesson.write_text("# %%\nA = B + 1\nprint(A / 0)\n\n# %%\nC = 1 / 0\n\n# %% [markdown]\n# A = B\n")
    assert sweep.lesson_names(script, ["A = B"], until=["print("], given={"B": 1})["A"] == 2
    first = sweep.Kept(tmp_path / "x.partial.json")
    assert first.row("a", lambda: [1]) == first.row("a", lambda: 1 / 0) == [1]
    assert sweep.Kept(first.path).row("a", lambda: 1 / 0) == [1]
    stated = sweep.provenance(script, "pytest")
    assert stated["command"] == "python stages/one/data/01_x_sweep.py"
    assert stated["machine"].endswith(f"pytest {pytest.__version__}")
