"""The autograder as a script: `python checks/autograde.py 1 --from solutions` is `roadmap check 1 --from solutions`.

For an environment that has the course's dependencies but not its package: the course root goes on the path.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Grade as `roadmap check` does, with this script's arguments; returns the exit code."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("ROADMAP_COURSE", str(ROOT))
    from roadmap.cli.main import main as command

    return command(["check", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
