"""Verdicts that hang on the seed: grade every planted bug and every alternative again and again with fresh seeds.

python -m tests.benchmarks.reseed                # 5 times; writes results/reseed_stage1.json
python -m tests.benchmarks.reseed --task 1.10 --times 30

The check that caught a bug before goes first where `caught_by.json` knows it, so that most gradings take one check.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from roadmap.course import Course
from roadmap.grading.session import Grader
from tests import bank
from tests.benchmarks import record


def main() -> int:
    """Grade, and name the bugs that were not caught and named, and the alternatives not accepted, every time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", default="1")
    parser.add_argument("--task", action="append")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    course = Course.load(bank.ROOT)
    stage = course.stage(options.stage)
    everything: list[bank.Entry] = [*bank.bugs(course, stage), *bank.alternatives(course, stage)]
    entries = [entry for entry in everything if not options.task or entry.task in options.task]
    wrong: dict[str, list[str]] = {}
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:

        def problems(entry: bank.Entry) -> Iterator[str]:
            for _ in range(options.times):
                report = bank.grade(grader, course, entry)
                if problem := bank.problem_with(entry, report):
                    yield f"seed {report.seed}: {problem}"

        for entry, found in zip(entries, pool.map(lambda entry: list(problems(entry)), entries), strict=True):
            if found:
                wrong[entry.name] = found
                print(f"{entry.name}: {len(found)} of {options.times}; {found[0]}", flush=True)
    number = sum(map(len, wrong.values()))
    counts = Counter(type(entry).__name__.lower() for entry in entries)
    row = {"bugs": counts["bug"], "alternatives": counts["alternative"], "times": options.times}
    print(f"{row}: {options.times * len(entries)} gradings, {number} wrong verdicts")
    if not options.task:
        record.write(f"reseed_stage{stage.number}", row | {"wrong": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
