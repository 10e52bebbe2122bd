"""`python -m stage2_prompting_tools QUESTION`: runs `cli.main` as a well-behaved program."""

import os
import sys


def run() -> int:
    """Run the command line; an interrupt, a closed pipe, a stub: none ends in a traceback."""
    # Threads that spin while they wait starve each other on a busy machine. The local engine reads this at its start.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # A terminal that cannot show a character gets a question mark instead.
    sys.stdin.reconfigure(errors="replace")
    sys.stdout.reconfigure(errors="replace")
    sys.stderr.reconfigure(errors="replace")

    from .cli import main

    try:
        return main()
    except NotImplementedError as error:
        print(f"Not written yet: {error}. `roadmap next` says where to go on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`). What is left in the buffer has nowhere to go, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(run())
