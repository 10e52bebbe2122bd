"""Run the attacks and publish the table.

python -m tests.attacks                      # all of them, under the isolation that this system offers
python -m tests.attacks --row 11 --json FILE
python -m tests.attacks --mode landlock      # those that a weaker isolation must withstand
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from tests.attacks.registry import MODES, ROWS, selected
from tests.attacks.world import World


def main() -> int:
    """Run from the command line; 1 when an attack was not withstood."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", type=int, action="append")
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    for mode in options.mode or MODES:
        entries = [e for e in selected(mode) if (not options.row or e.row in options.row) and options.only in e.name]
        if not entries:
            continue
        with World(mode, MODES[mode]) as world:
            for outcome in world.run_all(entries):
                entry = outcome.attack
                word = "GETS PAST" if entry.gap and not outcome.problem else "BAD" if outcome.problem else "ok"
                print(
                    f"{word:9} {mode:8} {entry.row:2} {outcome.seconds:5.1f} s  {entry.name} {outcome.problem or ''}",
                    flush=True,
                )
                results.append(
                    {
                        "row": entry.row,
                        "attack": ROWS[entry.row],
                        "variant": entry.name,
                        "isolation": mode,
                        "withstood": outcome.problem is None and not entry.gap,
                        "documented_gap": entry.gap,
                        "problem": outcome.problem,
                    }
                )
    print("\nrow  withstood  attack")
    tried = Counter(r["row"] for r in results if not r["documented_gap"])
    held = Counter(r["row"] for r in results if r["withstood"])
    for row in sorted(tried):
        print(f"{row:3}  {held[row]:3} of {tried[row]:<3} {ROWS[row]}")
    bad = [r for r in results if r["problem"]]
    gaps = sum(r["documented_gap"] for r in results)
    print(f"{sum(held.values())} of {sum(tried.values())} withstood; {gaps} known gaps")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
