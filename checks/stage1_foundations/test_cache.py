"""Checks of task 1.7: the key/value cache, a model that uses it, and greedy decoding one token a step.

Equality and cost are judged apart. Tokens fed are counted here, where the model's weights are, never by the candidate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from checks.stage1_foundations import oracles_cache as oracles
from checks.stage1_foundations import probes_cache as probes
from roadmap.grading import check, expect

KV_CACHE = "10_decoding#kv-cache"
LAYERS = 3

Part = tuple[torch.Tensor, torch.Tensor]


def keys_and_values(rng, new: int) -> Part:
    """Random keys (2, 3, new, 4) and values (2, 3, new, 5)."""
    k, v = rng.normal(size=(2, 3, new, 4)), rng.normal(size=(2, 3, new, 5))
    return torch.from_numpy(k.astype("float32")), torch.from_numpy(v.astype("float32"))


def joined(parts: Sequence[Part], axis: int = -2) -> list[np.ndarray]:
    """All keys and all values, joined along an axis; [] if that cannot be done."""
    if axis != -2 and len({k.shape for k, _ in parts}) > 1:
        return []
    return [np.concatenate(tensors, axis) for tensors in zip(*parts, strict=True)]


def expect_answers(got, count: int, what: str) -> None:
    """A list of `count` answers."""
    expect.type(got, list, what=what)
    expect.that(len(got) == count, f"{what}: {count} answers were expected, {len(got)} came back.")


def expect_held(
    answer, parts: Sequence[Part], everything: Sequence[Part], what: str, mistakes: dict | None = None
) -> None:
    """What append answered is what the layer holds, and its arguments are unchanged. `everything`: of all layers."""
    expect_answers(answer, 4, what)
    expect.close(
        answer[:2],
        joined(parts),
        what=f"all keys and all values {what}",
        mistakes=mistakes
        or {
            "cache-returns-only-the-new-part": lambda: joined(parts[-1:]),
            "cache-joins-along-heads": lambda: joined(parts, axis=-3),
            "cache-prepends": lambda: joined(parts[::-1]),
            "cache-mixes-layers": lambda: joined(everything),
        },
    )
    expect.close(answer[2:], list(parts[-1]), what=f"the arguments k and v {what} (they must not change)")


def weightless(attention: oracles.Attention) -> dict:
    """What a probe needs to build the attention model, all weights but the last staying here."""
    out = torch.from_numpy(attention.out.astype("float32"))
    return {"layers": attention.layers, "embed": attention.embed, "project": attention.project, "out": out}


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.08,
    hints=[
        "What does attention in one layer need from the cache, after a new position was added?",
        "Join the layer's old and new tensors along the positions, dim=-2; keep the result for that layer, return it.",
    ],
)
def test_append_returns_all_that_a_layer_holds(learner, rng):
    """Append adds positions to one layer and returns all of that layer's keys and values."""
    # Equal sizes come first: a wrong join still has a shape there, and can be named.
    for sizes in ((2, 2), (2, 1, 3, 1)):
        script: list[list] = []
        wants = []
        held: list[list[Part]] = [[] for _ in range(LAYERS)]
        everything: list[Part] = []
        for new in sizes:
            for layer in (int(layer) for layer in rng.permutation(LAYERS)):
                part = keys_and_values(rng, new)
                held[layer].append(part)
                everything.append(part)
                script.append(["append", layer, *part])
                wants.append((list(held[layer]), list(everything), f"after append {len(everything)}, to layer {layer}"))
            script.append(["length"])
            wants.append(sum(k.shape[-2] for k, _ in held[0]))
        answers = learner.run(probes.cache_script, layers=LAYERS, script=script)
        expect_answers(answers, len(script), "the cache")
        for answer, want in zip(answers, wants, strict=True):
            if isinstance(want, int):
                expect.equal(answer, want, what="the length of the cache")
            else:
                expect_held(answer, *want)


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.02,
    needs=["test_append_returns_all_that_a_layer_holds"],
    hints=[
        "Which positions should be left after truncate(2), and in which layers?",
        "Slice keys and values of every layer with [..., :length, :]; raise ValueError for a length that is not held.",
    ],
)
def test_truncate_forgets_what_comes_after(learner, rng):
    """Truncate keeps the first positions of every layer, and refuses lengths it does not hold."""
    total = int(rng.integers(6, 9))
    keep = int(rng.integers(2, total // 2))
    first = [keys_and_values(rng, total) for _ in range(LAYERS)]
    second = [keys_and_values(rng, 2) for _ in range(LAYERS)]
    third = [keys_and_values(rng, 1) for _ in range(LAYERS)]

    def append_to_all(parts: Sequence[Part]) -> list[list]:
        return [["append", layer, *part] for layer, part in enumerate(parts)]

    script = [
        *append_to_all(first),
        ["refuses", total + 1],
        ["refuses", -1],
        ["length"],
        ["truncate", total],
        ["length"],
        ["truncate", keep],
        ["length"],
        ["refuses", total],
        *append_to_all(second),
        ["length"],
        ["truncate", 0],
        ["length"],
        *append_to_all(third),
        ["length"],
    ]
    answers = learner.run(probes.cache_script, layers=LAYERS, script=script)
    expect_answers(answers, len(script), "the cache")
    steps = iter(answers[LAYERS:])
    expect.equal(next(steps), True, what=f"truncate({total + 1}) of a cache of {total} raises ValueError")
    expect.equal(next(steps), True, what="truncate(-1) raises ValueError")
    expect.equal(next(steps), total, what="the length after a truncate that was refused")
    expect.equal(next(steps), None, what="what truncate returns")
    expect.equal(next(steps), total, what=f"the length after truncate({total}) of a cache of {total}")
    next(steps)
    expect.equal(next(steps), keep, what=f"the length after truncate({keep})")
    expect.equal(next(steps), True, what=f"truncate({total}) of a cache of {keep} raises ValueError")
    for layer, (old, new) in enumerate(zip(first, second, strict=True)):
        kept = tuple(tensor[..., :keep, :] for tensor in old)
        end = tuple(tensor[..., -keep:, :] for tensor in old)
        expect_held(
            next(steps),
            [kept, new],
            [],
            f"when layer {layer} was cut from {total} to {keep} positions and 2 were appended",
            mistakes={"truncate-keeps-the-end": lambda end=end, new=new: joined([end, new])},
        )
    expect.equal(next(steps), keep + 2, what=f"the length after truncate({keep}) and two new positions")
    next(steps)
    expect.equal(next(steps), 0, what="the length after truncate(0)")
    for layer, new in enumerate(third):
        expect_held(next(steps), [new], [new], f"when layer {layer} was emptied and one position was appended")
    expect.equal(next(steps), 1, what="the length after truncate(0) and one new position")


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.03,
    needs=["test_truncate_forgets_what_comes_after"],
    hints=[
        "What should the cache hold when the call begins, and what should it hold when it ends?",
        "self.cache.truncate(past), then self.model(torch.tensor([ids]), self.cache)[0] without gradients.",
    ],
)
def test_a_cached_model_gives_the_logits_of_the_full_sequence(learner, rng):
    """With the cache the logits are those of the whole sequence, also after going back."""
    attention = oracles.Attention(rng)

    def some(count: int) -> list[int]:
        return [int(token) for token in rng.integers(attention.vocab, size=count)]

    calls = [[some(5), 0], [some(1), 5], [some(3), 6], [some(2), 4], [some(1), 6], [some(4), 0], [some(1), 3]]
    answers = learner.run(probes.cached_model, model=weightless(attention), calls=calls)
    expect_answers(answers, 2, "the cached model")
    answers, records = answers
    expect_answers(answers, len(calls), "the cached model")
    sequence: list[int] = []
    stale: list[int] = []
    for answer, (ids, past) in zip(answers, calls, strict=True):
        went_back = past < len(sequence)
        sequence = sequence[:past] + ids
        stale = stale + ids
        want = attention.logits(sequence)[past:]
        expect.close(
            answer,
            want,
            rtol=1e-3,
            atol=1e-3,
            what=f"the logits of {len(ids)} ids with past = {past}" + (", after going back" if went_back else ""),
            mistakes={
                "cached-model-returns-the-last-row-only": want[-1:],
                "cached-model-keeps-stale-positions": lambda stale=stale, ids=ids: attention.logits(stale)[-len(ids) :],
            },
        )
    expect.that(records is False, "The logits still record gradients. Run the model under torch.no_grad().")


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.02,
    hints=[
        "How many tokens does the model see in a call with one id and a past of 100?",
        "Make the cache once, in __init__, and feed nothing but `ids`, in one call of the model.",
    ],
)
def test_a_cached_model_feeds_only_the_new_ids(learner, rng):
    """A cached model feeds each call's ids, and no token of the past again."""
    attention = oracles.Attention(rng)
    length = int(rng.integers(12, 20))
    ids = [int(token) for token in rng.integers(attention.vocab, size=length + 9)]
    calls = [[ids[:length], 0], *([[ids[at]], at] for at in range(length, length + 6)), [ids[length + 6 :], length + 6]]
    learner.run(probes.cached_model, model=weightless(attention), calls=calls)
    expect.equal(
        attention.fed,
        calls,
        what="what the model was fed, as [ids, position of the first]",
        mistakes={"cached-model-recomputes-the-prefix": lambda: [[ids[: past + len(new)], 0] for new, past in calls]},
    )


@check(
    task="1.7",
    weight=1,
    lesson=KV_CACHE,
    seconds=0.02,
    needs=["test_a_cached_model_gives_the_logits_of_the_full_sequence"],
    hints=[
        "What is wrong with a past of 6 when the cache holds 5 positions?",
        "Before the model runs, raise ValueError for no ids, for a negative past, and for a past that is not held.",
    ],
)
def test_a_cached_model_refuses_what_it_cannot_continue(learner, rng):
    """No ids, a negative past or one that was never fed: ValueError, and the model is not run."""
    for ids, past, why in (([], 5, "no ids"), ([1], 6, "past = 6 and 5 positions held"), ([1], -1, "past = -1")):
        attention = oracles.Attention(rng)
        prompt = [int(token) for token in rng.integers(attention.vocab, size=5)]
        calls = [[prompt, 0], [ids, past]]
        info = learner.run_error(probes.cached_model, model=weightless(attention), calls=calls)
        expect.error(info, "ValueError", what=f"CachedModel with {why}")
        expect.equal(attention.fed, calls[:1], what=f"what the model was fed before ValueError ({why})")
    info = learner.run_error(probes.cached_model, model=weightless(attention), calls=[[[1], 1]])
    expect.error(info, "ValueError", what="a new CachedModel with past = 1")


@check(
    task="1.7",
    weight=2,
    lesson="10_decoding#greedy",
    seconds=0.05,
    hints=[
        "Which row of the logits scores the token after the prompt?",
        "Take int(logits[-1].argmax()), collect it, and feed it in the next call.",
    ],
)
def test_greedy_takes_the_most_likely_token(learner, rng):
    """Greedy decoding returns the most likely continuation, and nothing else."""
    for length, count in ((4, 3), (1, 6), (int(rng.integers(5, 12)), 12)):
        language = oracles.Language(rng, 30)
        prompt = language.prompt(rng, length)
        want = language.greedy(prompt, count)
        feed = oracles.Feed(language, past_mistake="greedy-counts-past-wrongly")
        expect.equal(
            learner.call("cache.greedy", feed, prompt, count),
            want,
            what=f"{count} new tokens after a prompt of {length}",
            mistakes={
                "greedy-returns-the-prompt": prompt + want,
                "greedy-reads-the-first-row": language.greedy_from_the_first_row(prompt, count),
            },
        )
    tied = oracles.Language(rng, 12, levels=3)
    prompt = tied.prompt(rng, 3)
    got = learner.call("cache.greedy", oracles.Feed(tied), prompt, 10)
    expect.equal(got, tied.greedy(prompt, 10), what="10 new tokens where several logits are equal (the lowest id wins)")
    after = learner.run(probes.prompt_after_greedy, step=oracles.Feed(tied), prompt=prompt, count=3)
    expect.equal(after, prompt, what="the prompt after greedy decoding (it must not change)")


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.02,
    hints=[
        "How many tokens need to be fed for the second new token, when the cache holds all the others?",
        "Keep ids and past in variables: after a call, past += len(ids) and ids = [the new token]. Stop before feeding "
        "a token whose logits you will not read.",
    ],
)
def test_greedy_feeds_one_token_a_step(learner, rng):
    """The prompt is fed once, then one token a step; the last token is not fed."""
    for length, count in ((5, 4), (1, 3), (int(rng.integers(8, 14)), 10), (3, 1), (3, 0)):
        language = oracles.Language(rng, 30)
        prompt = language.prompt(rng, length)
        feed = oracles.Feed(language, past_mistake="greedy-counts-past-wrongly")
        learner.call("cache.greedy", feed, prompt, count)
        new_tokens = language.greedy(prompt, count)
        extra = language.greedy(prompt, count + 1)
        expect.equal(
            feed.calls,
            oracles.feeding(prompt, new_tokens),
            what=f"the calls of step, as [ids, past], for a prompt of {length} and {count} new tokens",
            mistakes={
                "greedy-feeds-the-whole-sequence": oracles.feeding_everything(prompt, new_tokens),
                "greedy-feeds-the-last-token": oracles.feeding(prompt, extra),
            },
        )
    for prompt, count in (([], 3), ([], 0), ([1, 2], -1)):
        feed = oracles.Feed(oracles.Language(rng, 30))
        info = learner.error("cache.greedy", feed, prompt, count)
        expect.error(info, "ValueError", what=f"greedy with the prompt {prompt} and max_new_tokens = {count}")
        expect.equal(feed.calls, [], what="the calls of step before that ValueError")


@check(
    task="1.7",
    weight=2,
    lesson=KV_CACHE,
    seconds=0.04,
    needs=[
        "test_a_cached_model_gives_the_logits_of_the_full_sequence",
        "test_a_cached_model_feeds_only_the_new_ids",
        "test_greedy_takes_the_most_likely_token",
        "test_greedy_feeds_one_token_a_step",
    ],
    hints=[
        "Each part works alone. Which of them remembers the number of positions held?",
        "Print ids and past of every step: the prompt with 0, then one id with len(prompt), len(prompt) + 1, ...",
    ],
)
def test_decoding_with_the_cache_equals_decoding_without(learner, rng):
    """Greedy decoding with the cache gives the tokens of full recomputation, at one token a step."""
    count = 12
    margin = 0.0
    while margin < 0.02:  # no two tokens so close that rounding decides
        attention = oracles.Attention(rng)
        prompt = [int(token) for token in rng.integers(attention.vocab, size=int(rng.integers(6, 14)))]
        want, margin = attention.greedy(prompt, count)
    got = learner.run(probes.cached_greedy, model=weightless(attention), prompt=prompt, count=count)
    expect.equal(got, want, what=f"{count} new tokens, against recomputing the whole sequence each time")
    sizes = [len(ids) for ids, _ in attention.fed]
    expect.equal(sizes, [len(prompt)] + [1] * (count - 1), what="how many tokens the model was fed in each step")
