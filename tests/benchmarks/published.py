"""The published table: how the grader does on planted bugs, alternative right answers and attacks.

python -m tests.benchmarks.published              # runs all three; writes results/published.json and README's table
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


def bank_results(course: Course, stage: Stage) -> dict[str, Any]:
    """Grade every bug and every alternative of a stage, two at a time."""
    bugs, alternatives = list(bank.bugs(course, stage)), list(bank.alternatives(course, stage))
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:

        def of_bug(bug: bank.Bug) -> str | None:
            return bank.problem_with_bug(bug, bank.grade_bug(grader, course, bug))

        def of_alternative(entry: bank.Alternative) -> str | None:
            return bank.problem_with_alternative(
                bank.grade_source(grader, course, entry.task, entry.module, entry.source)
            )

        bug_problems = dict(zip((b.name for b in bugs), pool.map(of_bug, bugs), strict=True))
        other_problems = dict(zip((a.name for a in alternatives), pool.map(of_alternative, alternatives), strict=True))
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


def table() -> str:
    """README's table, from the result files."""
    published, mutants = record.read("published"), record.read("mutants")
    regrade, speed = record.read("regrade"), record.read("performance")
    banks, attacks = published["bank"], published["attacks"]
    cold, stage = speed["check_cold"]["median"], speed["stage"]
    cheap = next(value for name, value in speed.items() if name.startswith("task_"))
    unexplained = sum(len(row["unexplained"]) for row in mutants["tasks"].values())

    def against(row: dict[str, Any], digits: int) -> str:
        warm, plain = row["warm"]["median"], row["plain"]["median"]
        return f"{warm:.{digits}f} s against {plain:.1f} s: {row['times_faster']} times faster"

    rows = [
        ("planted bugs caught", f"{banks['caught']} of {banks['bugs']}"),
        ("bugs with a named misconception: named", f"{banks['named']} of {banks['slugged']}"),
        ("alternative right answers accepted", f"{banks['accepted']} of {banks['alternatives']}"),
        ("attacks withstood", f"{attacks['withstood']} of {attacks['attacks']}, in {attacks['rows']} classes"),
        (
            "syntax-tree mutants killed",
            f"{mutants['killed']} of {mutants['mutants']} ({mutants['rate']:.1%}); {unexplained} survivors unexplained",
        ),
        (
            "false verdicts",
            f"{len(regrade['false'])} in {regrade['gradings']} re-gradings ({regrade['verdicts']} checks)",
        ),
        (
            "whole stage, warm, against a fresh pytest process",
            against(stage, 1),
        ),
        (
            "one task without a model, warm, against a fresh pytest process",
            against(cheap, 2),
        ),
        ("sandbox, per candidate", f"{1000 * speed['candidate']['median']:.0f} ms"),
        ("`roadmap check 1`, cold", f"{cold:.0f} s"),
        ("`roadmap`, from start to end", f"{speed['light_commands']['roadmap']['median']:.2f} s"),
    ]
    lines = ["| stage 1, measured | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    cores = speed["machine"]["cores"]
    note = f"Measured on {cores} cores; the files in `tests/benchmarks/results/` say with which command and commit."
    return "\n".join([BEGIN, "", *lines, "", note, "", END])


def write_readme() -> None:
    """Put the table between README's markers."""
    path = bank.ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    new = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: table(), text, flags=re.DOTALL)
    path.write_text(new, encoding="utf-8")


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    problems: dict[str, str] = {}
    if not options.readme:
        course = Course.load(bank.ROOT)
        found = {"bank": bank_results(course, course.stage(1)), "attacks": attack_results()}
        record.write("published", found)
        problems = found["bank"]["problems"] | found["attacks"]["problems"]
        for name, problem in problems.items():
            print(f"{name}: {problem}")
    write_readme()
    print(table())
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
