"""The published table: how the grader does on planted bugs, alternative right answers and attacks.

python -m tests.benchmarks.published              # runs all three; writes results/published.json and README's table
python -m tests.benchmarks.published --junit FILE # takes the bank from a test run, which graded every entry of it
python -m tests.benchmarks.published --readme     # only writes README's table again from the stored results
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from roadmap.course import Course, Stage
from roadmap.grading.session import Grader
from tests import bank
from tests.benchmarks import record

BEGIN = "<!-- published: begin, written by python -m tests.benchmarks.published -->"
END = "<!-- published: end -->"


Problems = dict[str, str | None]  # what the grader failed to do about each entry of the bank, by its name


def graded(course: Course, stage: Stage) -> Problems:
    """Grade every bug and every alternative of a stage, two at a time."""

    def problem_with(entry: bank.Entry) -> str | None:
        return bank.problem_with(entry, bank.grade(grader, course, entry))

    entries = [*bank.bugs(course, stage), *bank.alternatives(course, stage)]
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:
        return dict(zip((entry.name for entry in entries), pool.map(problem_with, entries), strict=True))


def tested(junit: Path) -> Problems:
    """What a test run that wrote this JUnit file found: `tests/test_bank.py` is a test for each entry."""
    problems: Problems = {}
    for function, name, case in bank.cases(junit):
        if function in ("test_planted_bug_is_caught_and_named", "test_another_right_answer_is_accepted"):
            failure = next((found for kind in ("failure", "error") for found in case.iter(kind)), None)
            words = "" if failure is None else failure.attrib.get("message", "") or "it failed"
            problems[name] = words.removeprefix("AssertionError: ").partition("\nassert ")[0] or None
    return problems


def bank_results(course: Course, stage: Stage, problems: Problems) -> dict[str, Any]:
    """The rows of a stage. Raises KeyError where an entry of the bank was not tried."""
    bugs, alternatives = list(bank.bugs(course, stage)), list(bank.alternatives(course, stage))
    bug_problems = {bug.name: problems[bug.name] for bug in bugs}
    other_problems = {entry.name: problems[entry.name] for entry in alternatives}
    survived = [name for name, problem in bug_problems.items() if problem and problem.startswith("survived")]
    slugged = [bug.name for bug in bugs if bug.mistake]
    return {
        "bugs": len(bugs),
        "caught": len(bugs) - len(survived),
        "slugged": len(slugged),
        "named": sum(bug_problems[name] is None for name in slugged),
        "mistakes": len({bug.mistake for bug in bugs if bug.mistake}),
        "alternatives": len(alternatives),
        "accepted": sum(problem is None for problem in other_problems.values()),
        "problems": {name: p for name, p in {**bug_problems, **other_problems}.items() if p},
    }


def attack_results() -> dict[str, Any]:
    """Run the attack suite as its own command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attacks.json"
        subprocess.run([sys.executable, "-m", "tests.attacks", "--json", str(path)], cwd=bank.ROOT, check=False)
        rows = json.loads(path.read_text())
    tried = [row for row in rows if not row["documented_gap"]]
    return {
        "rows": len({row["row"] for row in tried}),
        "attacks": len(tried),
        "withstood": sum(row["withstood"] for row in tried),
        "documented_gaps": [row["variant"] for row in rows if row["documented_gap"]],
        "problems": {f"{row['isolation']}/{row['variant']}": row["problem"] for row in tried if row["problem"]},
    }


def measured(stage: Stage) -> bool:
    """Whether every benchmark of the stage has left its result."""
    return all(record.exists(f"{name}_stage{stage.number}") for name in ("mutants", "regrade", "performance"))


def rows_of(stage: Stage) -> list[tuple[str, str]]:
    """What was measured of a stage, as names and values."""
    published, number = record.read("published"), stage.number
    mutants, regrade = record.read(f"mutants_stage{number}"), record.read(f"regrade_stage{number}")
    speed, banks = record.read(f"performance_stage{number}"), published["banks"][stage.name]
    overhead = speed["overhead"]
    cheap = next(value for name, value in speed.items() if name.startswith("task_"))
    unexplained = sum(len(row["unexplained"]) for row in mutants["tasks"].values())

    def against(row: dict[str, Any], digits: int) -> str:
        warm, plain = row["warm"]["median"], row["plain"]["median"]
        return f"{warm:.{digits}f} s against {plain:.1f} s: {row['times_faster']} times faster"

    return [
        ("planted bugs caught", f"{banks['caught']} of {banks['bugs']}"),
        ("bugs with a named misconception: named", f"{banks['named']} of {banks['slugged']}"),
        ("alternative right answers accepted", f"{banks['accepted']} of {banks['alternatives']}"),
        (
            "syntax-tree mutants killed",
            f"{mutants['killed']} of {mutants['mutants']} ({mutants['rate']:.1%}); {unexplained} survivors unexplained",
        ),
        (
            "false verdicts",
            f"{len(regrade['false'])} in {regrade['gradings']} re-gradings ({regrade['verdicts']} checks)",
        ),
        ("whole stage, warm, against a fresh pytest process", against(speed["stage"], 1)),
        ("one task without a model, warm, against a fresh pytest process", against(cheap, 2)),
        (
            "tasks without a program, warm, against the learner's code alone, both on one core",
            f"{overhead['warm']['median']:.1f} s against {overhead['learner']['median']:.1f} s: "
            f"{abs(overhead['share']):.0%} {'on top' if overhead['share'] >= 0 else 'less'}",
        ),
        ("`roadmap check` of the stage, cold", f"{speed['check_cold']['median']:.0f} s"),
    ]


def table(stages: list[Stage]) -> str:
    """README's table, from the result files: a column a stage, then what holds for all."""
    columns = [rows_of(stage) for stage in stages]
    lines = [
        f"| measured | {' | '.join(f'stage {stage.number}' for stage in stages)} |",
        "| --- " * (len(stages) + 1) + "|",
    ]
    lines += [
        f"| {same_row[0][0]} | {' | '.join(value for _, value in same_row)} |"
        for same_row in zip(*columns, strict=True)
    ]
    attacks, speed = record.read("published")["attacks"], record.read(f"performance_stage{stages[0].number}")
    whole = [
        ("attacks withstood", f"{attacks['withstood']} of {attacks['attacks']}, in {attacks['rows']} classes"),
        (
            "a candidate, from the request to its first answer",
            f"{1000 * speed['candidate']['median']:.0f} ms, of which the sandbox takes "
            f"{1000 * speed['candidate']['sandbox']:.0f} ms",
        ),
        ("`roadmap`, from start to end", f"{speed['light_commands']['roadmap']['median']:.2f} s"),
    ]
    lines += ["", "| the grader as a whole | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in whole)]
    cores = speed["machine"]["cores"]
    note = f"Measured on {cores} cores; the files in `tests/benchmarks/results/` say with which command and commit."
    return "\n".join([BEGIN, "", *lines, "", note, "", END])


def write_readme(text_of_table: str) -> None:
    """Put the table between README's markers."""
    path = bank.ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    new = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: text_of_table, text, flags=re.DOTALL)
    path.write_text(new, encoding="utf-8")


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--junit", type=Path)
    options = parser.parse_args()
    course = Course.load(bank.ROOT)
    stages = [stage for stage in course.stages if stage.tasks]
    problems: dict[str, str] = {}
    if not options.readme:
        found = tested(options.junit) if options.junit else None
        banks = {
            stage.name: bank_results(course, stage, graded(course, stage) if found is None else found)
            for stage in stages
        }
        attacks = attack_results()
        record.write("published", {"banks": banks, "attacks": attacks})
        for rows in (*banks.values(), attacks):
            problems |= rows["problems"]
        for name, problem in problems.items():
            print(f"{name}: {problem}")
    text = table([stage for stage in stages if stage.complete and measured(stage)])
    write_readme(text)
    print(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
