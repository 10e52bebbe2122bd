"""`python -m roadmap`: the same as the command `roadmap`."""

import sys

from roadmap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
