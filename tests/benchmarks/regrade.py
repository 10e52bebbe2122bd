"""False verdicts: grade the reference again and again with fresh seeds.

python -m tests.benchmarks.regrade               # 100 times; writes results/regrade_stage1.json
python -m tests.benchmarks.regrade --task 1.6 --times 200
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from roadmap.course import Course
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report, State
from tests import bank
from tests.benchmarks import record


def main() -> int:
    """Grade with the seeds 0, 1, 2, ... so that a false verdict can be repeated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", default="1")
    parser.add_argument("--task", action="append")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    course = Course.load(bank.ROOT)
    stage = course.stage(options.stage)
    wrong = []
    checks = 0
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:

        def grade(seed: int) -> Report:
            return grader.check(course.solutions, tasks=options.task, seed=seed)

        for report in pool.map(grade, range(options.first_seed, options.first_seed + options.times)):
            checks += len(report.checks)
            for check in report.checks:
                if check.state is not State.PASSED:
                    wrong.append(
                        {"seed": report.seed, "check": check.id, "state": check.state, "message": check.message}
                    )
                    print(f"seed {report.seed}: {check.id} {check.state}: {check.message[:300]}", flush=True)
    print(f"{options.times} gradings, {checks} verdicts, {len(wrong)} false")
    if not options.task:
        record.write(f"regrade_stage{stage.number}", {"gradings": options.times, "verdicts": checks, "false": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
