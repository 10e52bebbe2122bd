"""What the checks compare with: it says what the library says, whatever makes it cheap."""

from __future__ import annotations

import pytest

from checks.stage1_foundations import oracles_greedy as oracles
from roadmap.grading.judge.models import JudgeModel, load

COUNT = 6


@pytest.fixture(scope="module")
def smollm2() -> JudgeModel:
    return load("smollm2-135m-instruct")


def greedy(smollm2: JudgeModel, draft: list[int]) -> oracles.Greedy:
    prompt = oracles.chat(smollm2.tokenizer, "glacier")
    return oracles.greedy(smollm2.model, prompt, COUNT, [smollm2.tokenizer.eos_token_id], draft)


@pytest.mark.slow
def test_a_draft_changes_nothing_about_what_is_greedy(smollm2: JudgeModel) -> None:
    """A right one, a wrong one, one that is too short or too long: the tokens and their logits are generate's."""
    prompt = oracles.chat(smollm2.tokenizer, "glacier")
    plain = greedy(smollm2, [])
    assert plain.logits.shape[0] == len(prompt) + COUNT - 1
    assert plain.tokens == plain.logits[len(prompt) - 1 :].argmax(dim=-1).tolist()
    wrong = [*plain.tokens[:3], (plain.tokens[3] + 1) % smollm2.model.config.vocab_size, *plain.tokens[4:]]
    for draft in (plain.tokens, wrong, plain.tokens[:4], [*plain.tokens, 1], [smollm2.tokenizer.eos_token_id]):
        drafted = greedy(smollm2, draft)
        assert drafted.tokens == plain.tokens
        assert drafted.logits.shape == plain.logits.shape
        assert (drafted.logits - plain.logits).abs().max() < 1e-3


@pytest.mark.slow
def test_the_drafts_are_what_the_model_says(smollm2: JudgeModel) -> None:
    """One pass over each: a file that no longer fits costs every grading seconds."""
    end = smollm2.tokenizer.eos_token_id

    class Silent:
        """The model without `generate`."""

        def __call__(self, ids):
            return smollm2.model(ids)

    for thing, draft in oracles.drafts().items():
        prompt = oracles.chat(smollm2.tokenizer, thing)
        found = oracles.greedy(Silent(), prompt, oracles.COUNT, [end], draft)
        assert found.tokens == draft, f"renew the file: {oracles.COMMAND}"
        assert found.margin > oracles.MARGIN / 2
