"""Measure the summary, the critics and the routers of lesson 6: more than a lesson may take.

Runs the lesson's own cells, and writes 06_agents_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/06_agents_sweep.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from roadmap import artifacts
from roadmap.lessons import sweep
from roadmap.llm.engine import Engine, Sampling
from roadmap.llm.local import ARTIFACT
from roadmap.llm.prompting import DEFAULT_SYSTEM, Turn, encode

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
REQUESTS = HERE / "05_tools_requests.jsonl"
NEEDED = ("endpoint = stack", "def country_of(", "def summarise(", "def figures_of(")
COUNTRIES = 24
ROUNDS = 2


def similar() -> list[list[float]]:
    """The cosine of every two requests, by all-MiniLM-L6-v2: the mean of its token vectors."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = artifacts.path("all-minilm-l6-v2")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    words = [json.loads(line)["words"] for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    batch = tokenizer(words, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state  # (requests, tokens, features)
    mask = batch.attention_mask[..., None]
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    return [[round(float(value), 5) for value in row] for row in vectors @ vectors.T]


def drawn(engine: Engine, messages: list[dict[str, str]], seed: int) -> str:
    """What `say` would say at a temperature of 0.8 and with this seed, which the API does not take."""
    said = [Turn(message["role"], message["content"]) for message in messages]
    turns = [Turn("system", DEFAULT_SYSTEM), *said, Turn("assistant", "", False)]
    sampling = Sampling(temperature=0.8, seed=seed)
    *pieces, _ = engine.complete(encode(turns, engine.tokenize), max_tokens=60, sampling=sampling)
    return "".join(pieces)


def drawn_again(lesson: dict, engine: Engine, number: int, name: str, first: str) -> bool:
    """Whether the first draft or one of ROUNDS fresh ones holds the numbers; the writer is told nothing."""
    drafts = (drawn(engine, lesson["asked"](name), 100 * number + n) for n in range(ROUNDS))
    return not lesson["missing"](name, first) or any(not lesson["missing"](name, draft) for draft in drafts)


def main() -> None:
    """Draft, criticise, write."""
    lesson = sweep.lesson_names(SCRIPT, NEEDED, until=("draft = say(", "sweep = "))
    engine = Engine(artifacts.path(ARTIFACT))
    asked, say, again, missing, doubts = (lesson[name] for name in ("asked", "say", "again", "missing", "doubts"))
    countries = [name for name in lesson["countries"] if len(name) < 15]
    names = countries[:: max(1, len(countries) // COUNTRIES)][:COUNTRIES]
    loops: dict[str, list[bool]] = {way: [] for way in ("first draft", "code critic", "model critic", "draw again")}
    critic: list[tuple[bool, bool]] = []
    drafts: list[str] = []
    copies = repairs = 0
    for number, name in enumerate(names):
        first = say(asked(name))
        good = not missing(name, first)
        drafts.append(first)
        loops["first draft"].append(good)
        draft = first
        for _ in range(ROUNDS):
            if lacks := missing(name, draft):
                old, draft = draft, again(name, draft, f"Missing: {', '.join(lacks)}. Write it again with them.")
                repairs, copies = repairs + 1, copies + (draft == old)
        loops["code critic"].append(not missing(name, draft))
        draft = first
        for turn in range(ROUNDS):
            doubted = doubts(name, draft)
            if turn == 0:
                critic.append((good, doubted))
            if not doubted:
                break
            draft = again(name, draft, "The sentence is not complete. Write it again with all three numbers.")
        loops["model critic"].append(not missing(name, draft))
        loops["draw again"].append(drawn_again(lesson, engine, number, name, first))
        print(name, {way: hits[-1] for way, hits in loops.items()}, critic[-1], flush=True)
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256(REQUESTS.read_bytes()).hexdigest(),
        "summary": lesson["summarise"](lesson["exchanges"][:6]),
        "countries": names,
        "drafts": drafts,
        "loops": loops,
        "critic": critic,
        "repairs": repairs,
        "repairs_that_copy": copies,
        "similar": similar(),
    }
    text = json.dumps(result, indent=1)
    SCRIPT.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
