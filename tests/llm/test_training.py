"""The training data of the tool-calling adapter: apart from the held-out sets, and right in itself."""

from __future__ import annotations

import copy
import itertools
import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest

from roadmap import artifacts
from roadmap.llm import reporting, spans
from roadmap.llm.grammar import Grammar
from roadmap.llm.messages.contract import Tool
from roadmap.llm.training import answers, development, overlap, requests
from roadmap.llm.training.adapter import permuted
from tests.benchmarks.tool_choice import FOLDER as HELD_OUT
from tests.benchmarks.tool_choice import unseen_pairs
from tests.llm.test_grammar import accepts


def test_no_wording_of_the_held_out_sets_and_nothing_on_the_untaught_subjects() -> None:
    found = overlap.compare(HELD_OUT)
    assert found.clean, found.text()
    assert found.templates > 600
    assert found.held_out >= 418


def _unseen() -> list[dict[str, Any]]:
    """The tools of the held-out set `unseen` that count."""
    return [tool for pair in unseen_pairs() for tool in pair["tool"]]


def _kinds() -> list[requests.Kind]:
    """All tools to train or to choose on."""
    return [*requests.kinds().values(), *requests.kinds(development=True).values(), *requests.unfamiliar()]


def _pairs() -> dict[str, str]:
    """The names and descriptions of the tools of `pairs.toml`."""
    return {tool.name: tool.description for item in development.pairs() for tool in item.tools}


def test_no_tool_to_train_or_choose_on_has_the_name_of_an_unseen_one() -> None:
    held, known = {tool["name"] for tool in _unseen()}, {*_pairs(), *(name for kind in _kinds() for name in kind.names)}
    assert len(held) == 12
    shared = len(held & known)  # counted, not shown: nobody is to tune on them
    assert shared == 0


@pytest.mark.slow
def test_no_description_of_an_unseen_tool_is_near_one_to_train_or_choose_on() -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(artifacts.path("all-minilm-l6-v2")), device="cpu")
    says = [*_pairs().values(), *(one for kind in _kinds() for one in kind.says)]
    known = model.encode(says, normalize_embeddings=True)
    held = model.encode([tool["description"] for tool in _unseen()], normalize_embeddings=True)
    nearest = float((held @ known.T).max())
    assert nearest < 0.6


def test_the_comparison_finds_what_it_is_for() -> None:
    first = overlap.frame("What was the price of IBM on 2012-05-14, roughly?")
    assert first == overlap.frame("What was the price of AAPL on 2001-01-01, roughly?")
    assert overlap.common_pairs(first, overlap.frame("What was the cost of AAPL on 2001-01-01?")) >= 0.5
    assert overlap.longest_run(("a", "b", "_", "c", "x"), ("z", "a", "b", "_", "c")) == 3
    assert overlap.BANNED.search("Which restaurants are near?")
    assert overlap.BANNED.search("say it in French")


def test_many_tools_and_the_parts_do_not_share_tools_or_templates() -> None:
    train, held = requests.kinds(), requests.kinds(development=True)
    assert len(train) > 90
    assert set(train) & set(held) == set(requests.TAUGHT)
    for key in requests.TAUGHT:
        assert not set(train[key].templates) & set(held[key].templates)
    assert not set(requests.talk()) & set(requests.talk(development=True))


def test_unfamiliar_tools_share_no_subject_and_no_wording_with_training() -> None:
    known = [kind for development in (False, True) for kind in requests.kinds(development=development).values()]
    strange = requests.unfamiliar()
    assert not {kind.domain for kind in strange} & {kind.domain for kind in known}
    assert not {kind.names[0] for kind in strange} & {name for kind in known for name in kind.names}
    taught = [overlap.frame(text) for text in overlap.wordings()]
    items = development.unfamiliar(1, lists=1)
    near = {item.words for item in items if len(overlap.frame(item.words)) > 2 and overlap.near_any(item.words, taught)}
    assert not near
    assert {item.part for item in items} == {"unfamiliar", "talk", "not offered"}
    assert all(bool(item.calls) == (item.part == "unfamiliar") for item in items)


def test_pairs_of_tools_to_choose_on_are_apart_from_training_and_right_in_themselves() -> None:
    known = [kind for development in (False, True) for kind in requests.kinds(development=development).values()]
    items = development.pairs()
    tools = {tool.name: tool for item in items for tool in item.tools}
    assert len(tools) == 24
    assert not set(tools) & {name for kind in known for name in kind.names}
    taught = [overlap.frame(text) for text in overlap.wordings()]
    said = {item.words for item in items if len(set(overlap.frame(item.words)) - {"_"}) > 2}  # else values alone
    near = {words for words in said if overlap.near_any(words, taught)}
    assert not near
    assert [item.part for item in items].count("call") == 288
    for item in items:
        for call in item.calls:
            schema = {**tools[call["tool"]].input_schema, "additionalProperties": False}
            jsonschema.validate(call["arguments"], schema)


def test_generated_calls_fit_their_schemas_and_the_spans() -> None:
    rng = random.Random(11)
    kinds = list(requests.kinds().values())
    for turn in range(60):
        kind = rng.choice(kinds)
        asked = (requests.ask_twice(kind, rng) if turn % 4 == 0 else None) or requests.ask(kind, rng)
        shown = requests.show([kind], rng)
        calls = shown.calls(asked)
        for call in calls:
            jsonschema.validate(call["arguments"], {**shown.tools[0].input_schema, "additionalProperties": False})
        said = spans.read(asked.words)
        text = json.dumps([_without_the_unnamed(call, shown.tools[0], said) for call in calls], ensure_ascii=False)
        grammar = Grammar(shown.tools, said)
        assert accepts(grammar.calls(shown.tools[0].name, most=4), text), (asked.words, text)


def _without_the_unnamed(call: dict[str, Any], tool: Tool, said: spans.Said) -> dict[str, Any]:
    """A call without the members of optional enums that the request means and does not name: the grammar has none."""
    schema = tool.input_schema
    kept = {
        key: value
        for key, value in call["arguments"].items()
        if key in schema["required"] or "enum" not in schema["properties"][key] or said.mentions(value)
    }
    return {**call, "arguments": kept}


def test_equal_seeds_draw_equal_data() -> None:
    one, two = (development.items(5, seed) for seed in (3, 3))
    assert one == two
    assert one != development.items(5, 4)
    first, second = random.Random(1), random.Random(1)
    assert [answers.draw(first) for _ in range(20)] == [answers.draw(second) for _ in range(20)]


def test_generated_answers_state_every_figure_or_the_failure() -> None:
    rng = random.Random(2)
    for _ in range(200):
        done = answers.draw(rng)
        for result in done.results:
            kind, _, text = result.partition(": ")
            if kind == "Error":
                continue
            assert reporting._figures(text) <= reporting._figures(done.answer + done.question), (text, done.answer)


def test_rows_are_permuted_as_rotary_embeddings_need_them() -> None:
    rows = np.arange(2 * 6)[:, None]  # two heads of six
    assert permuted(rows, 2)[:, 0].tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@pytest.mark.slow
def test_branches_of_a_tree_do_not_see_one_another() -> None:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from roadmap.llm.training import lora, tree_attention
    from roadmap.llm.training.conversations import Branch, Tree

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    ordinary = AutoModelForCausalLM.from_config(config).eval()
    model = AutoModelForCausalLM.from_config(copy.copy(config), attn_implementation=tree_attention.NAME).eval()
    model.load_state_dict(ordinary.state_dict())

    class Wrapped:
        """As PEFT wraps a model."""

        def get_base_model(self) -> Any:
            return model

    trunk, one, two = [3, 7, 9, 4], [5, 8, 6], [11, 2, 13, 17]
    branches = [Branch(ids, [0.0, *[1.0] * (len(ids) - 1)]) for ids in (one, two)]
    both, weight = lora.loss(Wrapped(), Tree(trunk, branches))
    alone = sum(lora.loss(Wrapped(), Tree(trunk, [branch]))[0] for branch in branches)
    assert weight == 5
    torch.testing.assert_close(both, alone)
    plain = 0.0
    for ids in (one, two):
        logits = ordinary(torch.tensor([trunk + ids])).logits[0].detach().log_softmax(-1)
        plain -= sum(
            float(logits[place, token]) for place, token in itertools.islice(enumerate(trunk[1:] + ids), 4, None)
        )
    assert both.item() == pytest.approx(plain, rel=1e-4)
