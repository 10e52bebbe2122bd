"""Grade a pull request: checks and kit from the base branch, and of the pull request only files under `projects/`.

    python checks/pull_request.py --base BASE --head HEAD --out FOLDER [--github]

Run it in a checkout of the base branch in which HEAD has been fetched. It grades the stages whose files the pull
request changes, writes FOLDER/stage*/report.json, and ends with 0 when every one reaches the pass mark, 1 when one does
not, 2 when a submission cannot be read, 3 when the grader itself failed. Nothing of the pull request is checked out or
imported: its files are read from git's object store, and the learner's code runs in the sandbox only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from roadmap.course import Course, Stage  # noqa: E402
from roadmap.grading import sandbox  # noqa: E402
from roadmap.grading.submission import FILE_LIMIT  # noqa: E402

REGULAR_FILES = ("100644", "100755")


def main(argv: list[str] | None = None) -> int:
    """Grade each changed stage; returns the worst exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="the base branch's commit")
    parser.add_argument("--head", required=True, help="the pull request's commit")
    parser.add_argument("--out", type=Path, required=True, help="folder for the reports")
    parser.add_argument("--github", action="store_true", help="write the job summary and annotations")
    parser.add_argument("--allow-weak-isolation", action="store_true", help="grade without the whole sandbox")
    options = parser.parse_args(argv)
    course = Course.load(ROOT)
    missing = sandbox.layers(sandbox.requested_mode()).missing
    if missing and not options.allow_weak_isolation:
        print(f"This machine lacks a layer of the sandbox: {', '.join(missing)}.", file=sys.stderr)
        print("Allow user namespaces (docs/threat-model.md says how), or pass --allow-weak-isolation.", file=sys.stderr)
        return 3
    stages = changed_stages(course, options.base, options.head)
    if not stages:
        print("The pull request changes no project of a stage that has checks; there is nothing to grade.")
        return 0
    worst = 0
    for stage in stages:
        with tempfile.TemporaryDirectory() as folder:
            refused = extract(stage, options.head, Path(folder))
            if refused:
                print(f"{refused} is not a plain file of at most {FILE_LIMIT // 1024} kB.", file=sys.stderr)
                print("Put your code in plain files, without links.", file=sys.stderr)
                worst = max(worst, 2)
                continue
            worst = max(worst, grade(stage, Path(folder), options.out / stage.name, options.github))
    return worst


def changed_stages(course: Course, base: str, head: str) -> list[Stage]:
    """The stages with checks whose project the pull request changes, compared with where it left the base branch."""
    names = _git("diff", "--name-only", "-z", f"{base}...{head}", "--", "projects").split("\0")
    touched = {Path(name).parts[1] for name in names if len(Path(name).parts) > 2}
    return [stage for stage in course.stages if stage.tasks and stage.name in touched]


def extract(stage: Stage, head: str, target: Path) -> str | None:
    """Write the stage's package files of commit `head` into `target`; returns the name of one that may not travel."""
    package = target / stage.name
    package.mkdir()
    for name in stage.package_files:
        path = f"projects/{stage.name}/{name}"
        entry = _git("ls-tree", "-l", "-z", head, "--", path).rstrip("\0")
        if not entry:
            continue
        mode, _, _, size = entry.partition("\t")[0].split()
        if mode not in REGULAR_FILES or int(size) > FILE_LIMIT:
            return path
        blob = subprocess.run(
            ["git", "cat-file", "blob", f"{head}:{path}"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        (package / name).write_bytes(blob)
    return None


def grade(stage: Stage, source: Path, out: Path, github: bool) -> int:
    """Grade one stage as `checks/autograde.py` does, with fresh seeds."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(ROOT / "checks" / "autograde.py"), str(stage.number), "--from", str(source)]
    command += ["--json", str(out / "report.json"), "--junit", str(out / "junit.xml")]
    return subprocess.run([*command, *(["--github"] if github else [])], cwd=ROOT).returncode


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
