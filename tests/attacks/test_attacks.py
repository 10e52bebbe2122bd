"""Every row of the attack matrix, as a regression test. `python -m tests.attacks` prints the same as a table."""

from __future__ import annotations

import os

import pytest

from tests.attacks.attack import Attack
from tests.attacks.registry import MODES, ROWS, selected
from tests.attacks.world import Outcome, World

CASES = [(mode, entry) for mode in MODES for entry in selected(mode)]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[int, Outcome]:
    """The outcomes of all attacks that were asked for, run side by side: most of them wait for a limit."""
    mine = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    wanted = {item.callspec.params["index"] for item in mine}
    found: dict[int, Outcome] = {}
    for mode, libraries in MODES.items():
        entries = {
            index: entry for index, (its_mode, entry) in enumerate(CASES) if its_mode == mode and index in wanted
        }
        if entries:
            with World(mode, libraries) as world:
                found |= zip(entries, world.run_all(list(entries.values())), strict=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(CASES)), ids=[f"{mode}-{e.row}-{e.name[:60]}" for mode, e in CASES])
def test_attack_is_withstood(outcomes: dict[int, Outcome], index: int) -> None:
    """A wrong submission scores nothing on what it attacks, everything on the rest, and does no harm."""
    assert outcomes[index].problem is None


@pytest.mark.slow
def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the world changes for its attackers is what it found again afterwards: the tests that follow rely on it."""
    monkeypatch.setenv("ROADMAP_HOME", "elsewhere")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    before = dict(os.environ)
    with World("limits", ("numpy",)):
        assert os.environ["ROADMAP_HOME"] != "elsewhere"
    assert dict(os.environ) == before


def test_every_row_has_an_attack() -> None:
    """No row of the matrix is empty, and no attack stands twice."""
    assert {entry.row for _, entry in CASES} == set(ROWS)
    names = [(mode, entry.row, entry.name) for mode, entry in CASES]
    assert len(names) == len(set(names))


def _gaps() -> list[Attack]:
    return [entry for mode, entry in CASES if mode == "auto" and entry.gap]


def test_what_gets_past_is_documented() -> None:
    """The threat model speaks of each known gap."""
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "threat-model.md").read_text(encoding="utf-8")
    for entry in _gaps():
        assert entry.name.removeprefix("gets past: ") in text, entry.name
