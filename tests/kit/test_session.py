"""A run of checks: states, blocking, seeds, hidden checks, callbacks, printed output, the second try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.grading.session import Event, Grader
from roadmap.grading.verdict import CheckResult, Report, State, Stop
from tests.attacks import small

CHECKS = '''
@check(**COMMON)
def test_echo_shows_the_inputs(learner, rng):
    """What was drawn comes out in the message."""
    numbers = [int(n) for n in rng.integers(0, 1000, size=4)]
    expect.fail(f"drawn {numbers}")


@check(**COMMON)
def test_callbacks_are_counted(learner):
    """The function is asked three times, in order."""
    asked = []

    def answer(number):
        asked.append(number)
        return number * 10

    got = learner.call("target.apply", answer, [1, 2, 3])
    expect.equal(asked, [1, 2, 3], what="what the function was asked")
    expect.equal(got, [10, 20, 30])


@check(**COMMON)
def test_callback_survives_anything(learner):
    """A function of the judge that is called with nonsense blames the caller."""
    table = {1: [2]}
    expect.equal(learner.call("target.apply", lambda key: table[key][0], [1]), [2])


@check(**COMMON)
def test_prints_are_shown(learner):
    """What the code prints in a call stands in the result of that check."""
    learner.call("target.say", "here")
    expect.fail("to see the output")


@check(**COMMON)
def test_what_cannot_be_sent_is_the_graders_fault(learner):
    """A check that sends no plain data is broken."""
    learner.call("target.say", object())


def probe_with_secrets(learner):
    """A probe among checks travels alone."""
    import inspect, sys
    return "SECRET" in inspect.getsource(sys.modules["os"]) or "SECRET" in str(globals().get("SECRET"))


SECRET = "SECRET"


@check(**COMMON)
def test_probe_travels_alone(learner):
    """The names beside the probe are not there."""
    expect.equal(learner.run(probe_with_secrets), False)


@check(**COMMON)
def test_second_try(learner):
    """A check that times out is tried once more."""
    expect.equal(learner.call("target.slow_once"), "second")


@check(**COMMON)
def test_program_says_hello(learner):
    """The package is a program."""
    done = learner.program("a", "b c", stdin=b"in")
    expect.equal([done.exit_code, done.stdout, done.stderr], [3, b"a|b c|in", b"err\\n"])
'''

LEARNER = """
import os, time

def apply(function, items):
    return [function(item) for item in items]

def say(text):
    print("said", text)

def slow_once():
    if os.path.exists("mark"):
        return "second"
    open("mark", "w").close()
    time.sleep(30)
"""
MAIN = """
import sys
sys.stdout.write("|".join([*sys.argv[1:], sys.stdin.read()]))
print("err", file=sys.stderr)
sys.exit(3)
"""
RIGHT = small.RIGHT_TARGET


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    """A warm grader with the checks above."""
    with small.warm_grader(tmp_path_factory.mktemp("session"), CHECKS) as grader:
        grader.prepare()
        yield grader


@pytest.fixture(scope="module")
def report(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A submission that does what the checks above ask."""
    source = small.write_submission(tmp_path_factory.mktemp("right"), RIGHT + LEARNER, {"__main__.py": MAIN})
    return grader.check(source, seed=7)


def grade(grader: Grader, folder: Path, target: str, **options: object) -> Report:
    """The report on a submission with this module."""
    return grader.check(small.write_submission(folder, target), **options)  # type: ignore[arg-type]


def find(report: Report, name: str) -> CheckResult:
    """One check's result."""
    return next(check for check in report.checks if check.id.endswith(f"test_{name}"))


@pytest.mark.slow
def test_every_state_is_as_it_should_be(report: Report) -> None:
    """One run, most states."""
    states = small.states(report)
    assert states.pop("echo_shows_the_inputs") == "failed"
    assert states.pop("prints_are_shown") == "failed"
    assert states.pop("what_cannot_be_sent_is_the_graders_fault") == "grader_error"
    assert set(states.values()) == {"passed"}
    assert report.exit_code == 3
    assert report.grader_failed
    assert not report.passed


@pytest.mark.slow
def test_points_add_up(report: Report) -> None:
    """A task's points are its checks', and the stage's are a hundred."""
    assert sum(check.points for check in report.checks) == pytest.approx(100)
    assert report.max_score == 100
    assert report.score == pytest.approx(sum(check.earned for check in report.checks), abs=0.02)
    assert json.loads(json.dumps(report.to_dict()))["seed"] == 7


@pytest.mark.slow
def test_what_was_printed_is_shown_once(report: Report) -> None:
    """With the check that printed it, and with no other."""
    assert find(report, "prints_are_shown").output == "said here"
    assert not find(report, "callbacks_are_counted").output


@pytest.mark.slow
def test_a_callback_called_with_nonsense_blames_the_caller(grader: Grader, tmp_path: Path) -> None:
    """It is the learner's crash, not the grader's error."""
    wrong = LEARNER.replace("function(item) for", "function(99) for")
    result = find(grade(grader, tmp_path, RIGHT + wrong, tasks=["1.1"]), "callback_survives_anything")
    assert result.state is State.CRASHED
    assert "could not work with what it was given: KeyError: 99" in result.message


def test_the_same_seed_draws_the_same(grader: Grader, tmp_path: Path) -> None:
    """A run can be repeated exactly; without a seed each run draws its own, and says which."""
    reports = [
        grade(grader, tmp_path / str(i), RIGHT, tasks=["1.1"], seed=seed)
        for i, seed in enumerate((5, 5, 6, None, None))
    ]
    drawn = [find(report, "echo_shows_the_inputs").message for report in reports]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
    assert reports[3].seed != reports[4].seed


def test_a_check_waits_for_what_it_needs(grader: Grader, tmp_path: Path) -> None:
    """One mistake does not fail two checks: the second is blocked, and says for what it waits."""
    source = small.write_submission(tmp_path, RIGHT, {"other.py": "def double(n): return 3 * n\n"})
    report = grader.check(source, tasks=["1.2"])
    assert small.states(report) == {"double_doubles": "failed", "double_of_zero_is_zero": "blocked"}
    assert report.task == "1.2"
    assert (report.score, report.max_score, report.pass_mark) == (0, 40, 28)
    assert "test_double_doubles" in report.checks[1].message


def test_stopping_at_the_first_failure(grader: Grader, tmp_path: Path) -> None:
    """What was not run is left out."""
    report = grade(grader, tmp_path, "def total(n): return 0", tasks=["1.1"], stop_at=Stop.CAUGHT)
    assert [check.state for check in report.checks].count(State.FAILED) == 1
    assert all(check.state in (State.FAILED, State.PASSED) for check in report.checks)


def test_stopping_at_the_first_named_mistake(grader: Grader, tmp_path: Path) -> None:
    """A failure without a name does not end the run, one with a name does."""
    unnamed = grade(grader, tmp_path / "1", "def total(n): return 0", tasks=["1.1"], stop_at=Stop.NAMED)
    assert len(unnamed.checks) == len(grade(grader, tmp_path / "2", RIGHT, tasks=["1.1"]).checks)
    named = grade(grader, tmp_path / "3", "def total(n): return sum(n[:-1])", tasks=["1.1"], stop_at=Stop.NAMED)
    assert len(named.checks) < len(unnamed.checks)
    assert named.checks[-1].mistake == "total-leaves-out-the-last"


def test_chosen_checks_go_first_with_what_they_need(grader: Grader, tmp_path: Path) -> None:
    """Nothing else changes: the others follow in their order."""
    usual = [check.id for check in grade(grader, tmp_path / "1", RIGHT).checks]
    last = "test_other.py::test_double_of_zero_is_zero"
    events: list[Event] = []
    grade(grader, tmp_path / "2", RIGHT, first=[last, "unknown"], stop_at=Stop.CAUGHT, on_event=events.append)
    order = [event.check.id for event in events if event.kind == "started" and event.check]
    assert order[:2] == ["test_other.py::test_double_doubles", last]
    assert order[2:] == [name for name in usual if name not in order[:2]][: len(order) - 2]


def test_events_come_in_order(grader: Grader, tmp_path: Path) -> None:
    """Collected once, then started and finished for each check."""
    events: list[Event] = []
    grade(grader, tmp_path, RIGHT, tasks=["1.2"], on_event=events.append)
    assert [event.kind for event in events] == ["collected", *["started", "finished"] * 2]
    assert len(events[0].checks) == 2


HIDDEN = '''
from roadmap.grading import check, expect

COMMON = dict(task="1.1", lesson="01_small#numbers", hints=["a", "b"], seconds=0.05)


@check(**COMMON)
def test_hidden_fails(learner):
    """Hidden one."""
    expect.equal(learner.call("target.total", [123454321]), 0)


@check(**COMMON)
def test_hidden_crashes(learner):
    """Hidden two."""
    learner.call("target.show", 123454321)


@check(**COMMON)
def test_hidden_is_broken(learner):
    """Hidden three."""
    raise IndexError(123454321)


@check(**COMMON)
def test_hidden_names_a_mistake(learner):
    """Hidden four."""
    expect.equal(learner.call("target.total", [123454321, 1]), 5, mistakes={"total-leaves-out-the-last": 123454322})
'''


def test_hidden_checks_never_show_their_input(grader: Grader, tmp_path: Path) -> None:
    """Not when they fail, not when the code or the check breaks, not in what was printed."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "test_secret.py").write_text(HIDDEN)
    show = RIGHT + "\n\ndef show(n):\n    print('input', n)\n    raise RuntimeError(f'input {n}')\n"
    report = grade(grader, tmp_path / "submission", show, tasks=["1.1"], checks=[folder])
    hidden = {check.id.partition("::")[2]: check for check in report.checks if check.hidden}
    assert {name: str(check.state) for name, check in hidden.items()} == {
        "test_hidden_fails": "failed",
        "test_hidden_crashes": "crashed",
        "test_hidden_is_broken": "grader_error",
        "test_hidden_names_a_mistake": "failed",
    }
    assert "123454321" not in json.dumps(report.to_dict())
    assert hidden["test_hidden_names_a_mistake"].message == "The last number was left out."
    assert sum(check.points for check in report.checks) == pytest.approx(60)


def test_the_stages_own_hidden_checks_join_only_when_asked(grader: Grader, tmp_path: Path) -> None:
    """`grade` asks, `check` does not."""
    source = small.write_submission(tmp_path, RIGHT)
    for hidden in (False, True):
        report = grader.check(source, tasks=["1.1"], hidden=hidden)
        assert any(check.hidden for check in report.checks) == hidden
        assert report.max_score == 60


def test_a_shortcut_is_named(grader: Grader, tmp_path: Path) -> None:
    """With the line, for every check of the task, and nothing of it is run."""
    report = grade(grader, tmp_path, "\nimport math\nraise SystemExit(math.fsum)\n", tasks=["1.1"])
    assert {check.mistake for check in report.checks} == {"forbidden-shortcut"}
    assert "target.py, line 2, uses math.fsum" in report.checks[0].message or "line 3" in report.checks[0].message
