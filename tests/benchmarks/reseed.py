"""Bugs that only some seeds catch: grade every planted bug again and again with fresh seeds.

python -m tests.benchmarks.reseed                # 5 times; writes results/reseed_stage1.json
python -m tests.benchmarks.reseed --task 1.10 --times 30

The check that caught a bug before goes first where `caught_by.json` knows it, so that most gradings take one check.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from roadmap.course import Course
from roadmap.grading.session import Grader
from tests import bank
from tests.benchmarks import record


def main() -> int:
    """Grade, and name the bugs that were not caught, or not named, every time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", default="1")
    parser.add_argument("--task", action="append")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    course = Course.load(bank.ROOT)
    stage = course.stage(options.stage)
    bugs = [bug for bug in bank.bugs(course, stage) if not options.task or bug.task in options.task]
    missed: dict[str, list[str]] = {}
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:

        def problems(bug: bank.Bug) -> Iterator[str]:
            for _ in range(options.times):
                report = bank.grade_bug(grader, course, bug)
                if problem := bank.problem_with_bug(bug, report):
                    yield f"seed {report.seed}: {problem}"

        for bug, found in zip(bugs, pool.map(lambda bug: list(problems(bug)), bugs), strict=True):
            if found:
                missed[bug.name] = found
                print(f"{bug.name}: {len(found)} of {options.times}; {found[0]}", flush=True)
    print(f"{len(bugs)} bugs, {options.times * len(bugs)} gradings, {sum(map(len, missed.values()))} missed")
    if not options.task:
        record.write(f"reseed_stage{stage.number}", {"bugs": len(bugs), "times": options.times, "missed": missed})
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
