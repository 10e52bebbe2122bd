"""Checks of task 1.6: temperature, filters, repetition penalty, draw, and their order.

Draws are judged by Chernoff bounds (oracles_sampling.first_unlikely): a right answer fails by chance less than once in
ten million runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from checks.stage1_foundations import oracles_sampling as oracles
from checks.stage1_foundations import probes_sampling as probes
from roadmap.grading import check, expect

MARGIN = 1e-4  # thresholds keep this distance from every probability, so that rounding never decides


def normal(rng, *shape: int, scale: float = 2.0) -> torch.Tensor:
    """Random logits, float32, with at least one above 0 and one below in each row."""
    logits = rng.normal(size=shape) * scale
    logits[..., 0], logits[..., 1] = np.abs(logits[..., 0]) + 0.1, -np.abs(logits[..., 1]) - 0.1
    return torch.from_numpy(rng.permuted(logits, axis=-1).astype("float32"))


def telling(draw: Callable, right: Callable, wrong: dict[str, Callable]) -> tuple[tuple, np.ndarray]:
    """Draw arguments until the right answer and all known wrong ones differ; return them with the right answer.

    Three tokens or more stay in the first row and two go: smaller sets are hit by accident.
    """
    for _ in range(1000):
        args = draw()
        want = right(*args)
        kept = np.isfinite(want.reshape(-1, want.shape[-1])[0]).sum()
        answers = {
            np.asarray(answer, dtype="float32").tobytes() for answer in (want, *(f(*args) for f in wrong.values()))
        }
        if len(answers) == len(wrong) + 1 and 3 <= kept <= want.shape[-1] - 2:
            break
    return args, want


def expect_filtered(got, args: tuple, want: np.ndarray, wrong: dict[str, Callable], what: str) -> None:
    """The filtered logits are right; a wrong answer that is known is named."""
    named = {slug: lambda mistaken=mistaken: mistaken(*args) for slug, mistaken in wrong.items()}
    expect.close(got, want, mistakes=named, what=what)


def expect_tokens(got, count: int, vocab: int, what: str) -> None:
    """A list of `count` token ids, each a Python int below `vocab`."""
    expect.type(got, list, what=what)
    expect.that(len(got) == count, f"{what}: {count} token ids were expected, {len(got)} came back.")
    for token in got:
        expect.type(token, int, what=f"{what}: a token id")
        expect.that(0 <= token < vocab, f"{what}: there is no token {token} in a vocabulary of {vocab}.")


def spread_p(rng, logits) -> float:
    """A p at a safe distance from every sum that top-p compares it with."""
    ordered = np.sort(oracles.softmax(logits).reshape(-1, np.shape(logits)[-1]), axis=-1)[:, ::-1]
    sums = np.concatenate([np.cumsum(ordered, axis=-1).ravel(), np.cumsum(oracles.softmax(logits), axis=-1).ravel()])
    while True:
        p = float(rng.uniform(0.3, 0.9))
        if np.abs(sums - p).min() > MARGIN:
            return p


def spread_min_p(rng, logits) -> float:
    """A share at a safe distance from every ratio that min-p compares it with."""
    probabilities = oracles.softmax(logits)
    ratios = np.concatenate([
        (probabilities / probabilities.max(axis=-1, keepdims=True)).ravel(),
        (probabilities / probabilities.max()).ravel(),
        probabilities.ravel(),
    ])  # fmt: skip
    while True:
        share = float(rng.uniform(0.03, 0.4))
        if np.abs(ratios - share).min() > MARGIN:
            return share


@check(
    task="1.6",
    weight=1,
    lesson="10_decoding#temperature",
    seconds=0.07,
    hints=[
        "What should happen to the gap between two logits when the temperature is 2?",
        "One division of the whole tensor is enough; guard it with `if not temperature > 0: raise ValueError(...)`.",
    ],
)
def test_temperature_divides_the_logits(learner, rng):
    """Temperature divides the logits; zero and below are refused."""
    logits = normal(rng, 5)
    for shape, temperature in (((5,), float(rng.uniform(1.5, 4))), ((2, 3, 7), float(rng.uniform(0.2, 0.8)))):
        logits = normal(rng, *shape)
        got = learner.call("sampling.apply_temperature", logits, temperature)
        warm = logits.numpy().astype("float64") / temperature
        expect.close(
            got,
            warm,
            what=f"logits of shape {shape} at temperature {temperature:.2f}",
            mistakes={
                "temperature-multiplies": logits.numpy() * temperature,
                "temperature-returns-probabilities": lambda warm=warm: oracles.softmax(warm),
            },
        )
    ruled_out = torch.tensor([1.0, float("-inf"), -2.0])
    got = learner.call("sampling.apply_temperature", ruled_out, 2.0)
    expect.close(got, torch.tensor([0.5, float("-inf"), -1.0]), what="logits with a -inf at temperature 2")
    for temperature in (0.0, -1.0, -0.5):
        info = learner.error("sampling.apply_temperature", logits, temperature)
        expect.error(info, "ValueError", what=f"apply_temperature at temperature {temperature}")


@check(
    task="1.6",
    weight=2,
    lesson="10_decoding#top-k",
    seconds=0.02,
    hints=[
        "Which value must a logit reach to be among the k highest of its row?",
        "torch.topk gives the k-th highest of every row; all below it becomes -inf. Mind a k above the vocabulary.",
    ],
)
def test_top_k_keeps_the_k_highest(learner, rng):
    """Top-k keeps the k highest logits of each row, ties included."""
    name = "sampling.top_k_filter"
    wrong = {
        "top-k-keeps-one-too-many": lambda logits, k: oracles.top_k(logits, k + 1),
        "filtered-logits-set-to-zero": lambda logits, k: oracles.zero_filled(oracles.top_k(logits, k)),
    }
    args, want = telling(lambda: (normal(rng, 7), int(rng.integers(3, 6))), oracles.top_k, wrong)
    expect_filtered(learner.call(name, *args), args, want, wrong, f"7 logits, k = {args[1]}")

    wrong["filter-mixes-rows"] = lambda logits, k: oracles.mixing_rows(oracles.top_k, logits, k)
    args, want = telling(lambda: (normal(rng, 2, 3, 12), int(rng.integers(2, 10))), oracles.top_k, wrong)
    expect_filtered(learner.call(name, *args), args, want, wrong, f"a batch of logits (2, 3, 12), k = {args[1]}")

    logits = normal(rng, 9)
    for k in (1, 8, 9, 10, 50):
        expect.close(learner.call(name, logits, k), oracles.top_k(logits, k), what=f"9 logits, k = {k}")
    tied = torch.tensor([1.0, 3.0, 2.0, 2.0, 0.5])
    expect.close(learner.call(name, tied, 2), oracles.top_k(tied, 2), what="logits [1, 3, 2, 2, 0.5], k = 2 (a tie)")
    narrowed = torch.tensor([0.5, float("-inf"), 1.0, float("-inf")])
    expect.close(learner.call(name, narrowed, 3), narrowed, what="logits [0.5, -inf, 1, -inf], k = 3")
    for k in (0, -1):
        expect.error(learner.error(name, logits, k), "ValueError", what=f"top_k_filter with k = {k}")


@check(
    task="1.6",
    weight=3,
    lesson="10_decoding#top-p",
    seconds=0.02,
    hints=[
        "Sort the probabilities from the highest down and add them up. What happens to the token that crosses p?",
        "Keep a token while the sum before it (cumulative sum minus its own probability) is below p, then bring the "
        "mask back to the tokens' own order with scatter and the sort's indices.",
    ],
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(learner, rng):
    """Top-p keeps the smallest set of tokens whose probability reaches p."""
    name = "sampling.top_p_filter"
    wrong = {
        "top-p-drops-crossing-token": lambda logits, p: oracles.top_p(logits, p, keep_crossing=False),
        "top-p-in-index-order": oracles.top_p_in_index_order,
        "top-p-mask-left-in-sorted-order": oracles.top_p_sorted_mask,
        "filtered-logits-set-to-zero": lambda logits, p: oracles.zero_filled(oracles.top_p(logits, p)),
    }

    def case(*shape: int) -> tuple:
        logits = normal(rng, *shape, scale=1.2)
        return logits, spread_p(rng, logits)

    args, want = telling(lambda: case(8), oracles.top_p, wrong)
    expect_filtered(learner.call(name, *args), args, want, wrong, f"8 logits, p = {args[1]:.4f}")

    wrong["filter-mixes-rows"] = lambda logits, p: oracles.mixing_rows(oracles.top_p, logits, p)
    args, want = telling(lambda: case(2, 3, 12), oracles.top_p, wrong)
    expect_filtered(learner.call(name, *args), args, want, wrong, f"a batch of logits (2, 3, 12), p = {args[1]:.4f}")

    sure = torch.tensor([0.0, 9.0, 1.0])
    got = learner.call(name, sure, 0.5)
    expect.close(got, oracles.top_p(sure, 0.5), what="logits [0, 9, 1], p = 0.5 (the first token alone is above p)")
    narrowed = torch.tensor([1.0, float("-inf"), 0.5, float("-inf"), -4.0])
    got = learner.call(name, narrowed, 0.7)
    expect.close(got, oracles.top_p(narrowed, 0.7), what="logits with two tokens at -inf, p = 0.7")


@check(
    task="1.6",
    weight=1,
    lesson="10_decoding#top-p",
    seconds=0.02,
    needs=["test_top_p_keeps_the_smallest_set_that_reaches_p"],
    hints=[
        "What is the smallest set when two tokens are equally probable and one of them is enough?",
        "Sort with stable=True, compare with < and not <=, and return early for p = 1: a rounded sum can reach 1 soon.",
    ],
)
def test_top_p_at_its_edges(learner, rng):
    """Top-p breaks ties by the lower id, keeps all at p = 1, and refuses other values."""
    name = "sampling.top_p_filter"
    for vocab, p in ((2, 0.5), (4, 0.5), (4, 0.75)):
        even = torch.zeros(vocab)
        expect.close(learner.call(name, even, p), oracles.top_p(even, p), what=f"{vocab} equal logits, p = {p}")
    even = torch.zeros(40)
    got = learner.call(name, even, 0.312)
    expect.close(got, oracles.top_p(even, 0.312), what="40 equal logits, p = 0.312")
    # The first probability is 1 in float32, so a plain cumulative sum has reached p = 1 before the tail begins.
    tail = torch.from_numpy(np.append(0.0, rng.uniform(-30, -20, size=9)).astype("float32"))
    expect.close(learner.call(name, tail, 1.0), tail, what="one logit at 0 and nine below -20, p = 1 (all are kept)")
    expect.close(
        learner.call(name, torch.tensor([[2.0]]), 0.1), torch.tensor([[2.0]]), what="a vocabulary of one, p = 0.1"
    )
    logits = normal(rng, 5)
    for tiny in (float(rng.uniform(1e-4, 1e-3)), 1e-50):  # in float32 the second is 0
        expect.close(learner.call(name, logits, tiny), oracles.top_k(logits, 1), what=f"5 logits, p = {tiny:.5g}")
    for p in (0.0, -0.5, 1.5):
        expect.error(learner.error(name, logits, p), "ValueError", what=f"top_p_filter with p = {p}")


@check(
    task="1.6",
    weight=2,
    lesson="10_decoding#min-p",
    seconds=0.02,
    hints=[
        "The threshold depends on the row's most probable token. How?",
        "Take the softmax, then compare with min_p * probabilities.amax(dim=-1, keepdim=True); keep what equals it.",
    ],
)
def test_min_p_scales_with_the_highest_probability(learner, rng):
    """Min-p keeps the tokens with at least a share of the highest probability."""
    name = "sampling.min_p_filter"
    wrong = {
        "min-p-is-not-scaled": oracles.min_p_unscaled,
        "min-p-on-logits": oracles.min_p_on_logits,
        "filtered-logits-set-to-zero": lambda logits, share: oracles.zero_filled(oracles.min_p(logits, share)),
    }

    def case(*shape: int) -> tuple:
        logits = normal(rng, *shape, scale=1.5)
        return logits, spread_min_p(rng, logits)

    args, want = telling(lambda: case(10), oracles.min_p, wrong)
    expect_filtered(learner.call(name, *args), args, want, wrong, f"10 logits, min_p = {args[1]:.4f}")

    wrong["filter-mixes-rows"] = oracles.min_p_mixing_rows
    args, want = telling(lambda: case(2, 3, 12), oracles.min_p, wrong)
    expect_filtered(
        learner.call(name, *args), args, want, wrong, f"a batch of logits (2, 3, 12), min_p = {args[1]:.4f}"
    )

    logits = normal(rng, 8)
    expect.close(learner.call(name, logits, 0.0), logits, what="8 logits, min_p = 0 (all are kept)")
    tied = torch.tensor([1.0, 3.0, 3.0, float("-inf"), 2.5])
    expect.close(learner.call(name, tied, 1.0), oracles.min_p(tied, 1.0), what="logits [1, 3, 3, -inf, 2.5], min_p = 1")
    got = learner.call(name, tied, 0.05)
    expect.close(got, oracles.min_p(tied, 0.05), what="logits [1, 3, 3, -inf, 2.5], min_p = 0.05")
    for share in (-0.1, 1.1):
        expect.error(learner.error(name, logits, share), "ValueError", what=f"min_p_filter with min_p = {share}")


@check(
    task="1.6",
    weight=2,
    lesson="10_decoding#repetition",
    seconds=0.02,
    hints=[
        "Does dividing -3 by 1.2 make a token less likely, or more?",
        "For each token of set(previous): divide its logit where it is above 0, multiply where it is below.",
    ],
)
def test_repetition_penalty_moves_seen_tokens_down(learner, rng):
    """The repetition penalty lowers the logits of tokens seen before, once each."""
    name = "sampling.apply_repetition_penalty"
    for vocab, penalty in ((5, float(rng.uniform(1.2, 2))), (30, float(rng.uniform(0.4, 0.8)))):
        logits = normal(rng, vocab)
        # One seen token above 0 and one below, both repeated; the rest of the vocabulary is partly unseen.
        seen = [int(logits.argmax()), int(logits.argmin())]
        others = [int(t) for t in rng.permutation(vocab)[: vocab // 3]]
        previous = [int(t) for t in rng.permutation(seen * 2 + others)]
        expect.close(
            learner.call(name, logits, previous, penalty),
            oracles.penalised(logits, previous, penalty),
            what=f"{vocab} logits, penalty {penalty:.3f}, previous tokens {previous}",
            mistakes={
                "repetition-penalty-boosts-negative-logits": oracles.penalised(logits, previous, penalty, divide=True),
                "repetition-penalty-counts-repeats": oracles.penalised(logits, previous, penalty, every_time=True),
            },
        )
    expect.close(learner.call(name, logits, [], 1.7), logits, what="no previous tokens")
    expect.close(learner.call(name, logits, previous, 1.0), logits, what="a penalty of 1")
    ruled_out = torch.tensor([1.0, float("-inf"), -2.0, 0.0])
    got = learner.call(name, ruled_out, [0, 1, 2, 3], 2.0)
    expect.close(
        got, torch.tensor([0.5, float("-inf"), -4.0, 0.0]), what="logits [1, -inf, -2, 0], all seen, penalty 2"
    )
    for penalty in (0.0, -1.2):
        info = learner.error(name, logits, previous, penalty)
        expect.error(info, "ValueError", what=f"a penalty of {penalty}")
        info = learner.error(name, logits, [], penalty)
        expect.error(info, "ValueError", what=f"a penalty of {penalty} with no previous tokens")


@check(
    task="1.6",
    weight=1,
    lesson="10_decoding#temperature",
    seconds=0.02,
    needs=[  # a function that does nothing changes nothing
        "test_temperature_divides_the_logits",
        "test_top_k_keeps_the_k_highest",
        "test_top_p_keeps_the_smallest_set_that_reaches_p",
        "test_min_p_scales_with_the_highest_probability",
        "test_repetition_penalty_moves_seen_tokens_down",
    ],
    hints=[
        "Print the logits before and after your function has run: are they the same?",
        "masked_fill and torch.where make new tensors; masked_fill_, /= and assignments into the argument do not. "
        "Clone before you assign.",
    ],
)
def test_the_given_logits_are_not_changed(learner, rng):
    """No function changes the logits that it is given."""
    for name, shape, args in (
        ("apply_temperature", (2, 6), [0.5]),
        ("top_k_filter", (2, 6), [2]),
        ("top_p_filter", (2, 6), [0.5]),
        ("min_p_filter", (2, 6), [0.3]),
        ("apply_repetition_penalty", (6,), [[0, 1, 2, 3], 1.5]),
    ):
        same = learner.run(probes.is_unchanged, name=name, logits=normal(rng, *shape), args=args)
        expect.that(same is True, f"{name} changed the logits that it was given.", mistake="logits-changed-in-place")


@check(
    task="1.6",
    weight=2,
    lesson="10_decoding#temperature",
    seconds=0.15,
    hints=[
        "Over many draws, how often should a token of probability 0.2 come up?",
        "Softmax the logits, then torch.multinomial(probabilities, 1, generator=generator); return a Python int.",
    ],
)
def test_draws_follow_the_probabilities(learner, rng):
    """Each token is drawn as often as its probability says."""
    vocab, seeds, count = 6, [int(s) for s in rng.integers(1, 2**31, size=12)], 150
    while True:
        logits = normal(rng, vocab, scale=1.0)
        logits[int(rng.integers(vocab))] = float("-inf")
        probabilities = oracles.softmax(logits)
        even = np.where(probabilities > 0, 1 / (vocab - 1), 0.0)
        if probabilities.max() < 0.6 and oracles.told_apart(probabilities, even, len(seeds) * count):
            break
    logits += float(rng.uniform(100, 300))  # exp of these alone overflows; softmax does not care
    drawn = learner.run(probes.draws, logits=logits, seeds=seeds, count=count)
    expect.type(drawn, list, what="the draws")
    expect.that(len(drawn) == len(seeds), "The draws of some seeds are missing.")
    for row in drawn:
        expect_tokens(row, count, vocab, "the draws")
    tokens = [token for row in drawn for token in row]
    likeliest = int(np.argmax(probabilities))
    expect.that(
        set(tokens) != {likeliest},
        f"All of {len(tokens)} draws gave token {likeliest}, whose probability is {probabilities[likeliest]:.2f}.",
        mistake="draw-takes-the-most-likely",
    )
    expect.that(
        not all(len(set(row)) == 1 for row in drawn),
        f"A generator gave one and the same token {count} times in a row.",
        mistake="draw-restarts-the-generator",
    )
    counts = np.bincount(tokens, minlength=vocab)
    odd = oracles.first_unlikely(counts, probabilities)
    expect.that(
        odd is None,
        ""
        if odd is None
        else f"Token {odd} of probability {probabilities[odd]:.3f} came up {counts[odd]} times in {len(tokens)} draws.",
        mistake="draw-ignores-the-probabilities" if oracles.first_unlikely(counts, even) is None else None,
    )


@check(
    task="1.6",
    weight=1,
    lesson="10_decoding#temperature",
    seconds=0.03,
    needs=["test_draws_follow_the_probabilities"],
    hints=[
        "Where does the randomness of your draw come from?",
        "Pass `generator=generator` to the torch function that draws, and call nothing else that is random.",
    ],
)
def test_draws_are_repeated_by_their_seed(learner, rng):
    """The same seed gives the same draws, another seed gives others."""
    logits, count = normal(rng, 8, scale=0.5), 60
    first, second = (int(s) for s in rng.choice(2**31, size=2, replace=False))
    drawn = learner.run(probes.draws, logits=logits, seeds=[first, first, second], count=count)
    expect.type(drawn, list, what="the draws")
    expect.that(len(drawn) == 3, "The draws of some seeds are missing.")
    for row in drawn:
        expect_tokens(row, count, 8, "the draws")
    expect.that(
        drawn[0] == drawn[1],
        f"Two generators with the same seed gave different draws: {drawn[0][:6]}... and {drawn[1][:6]}...",
        mistake="draw-ignores-the-generator",
    )
    expect.that(drawn[0] != drawn[2], f"Generators with different seeds gave the same {count} draws.")
    only = int(rng.integers(5))
    single = torch.full((5,), float("-inf"))
    single[only] = float(rng.normal())
    drawn = learner.run(probes.draws, logits=single, seeds=[first], count=3)
    expect.equal(drawn, [[only] * 3], what="three draws with one token allowed")
    info = learner.run_error(probes.draw_once, logits=torch.full((4,), float("-inf")), seed=first)
    expect.error(info, "ValueError", what="draw when every logit is -inf")


@check(
    task="1.6",
    weight=2,
    lesson="10_decoding#greedy",
    seconds=0.02,
    needs=["test_repetition_penalty_moves_seen_tokens_down"],
    hints=[
        "Temperature 0 cannot be divided by. Which step of the order still comes before it?",
        "Apply the repetition penalty, then return int(logits.argmax()) if the temperature is 0.",
    ],
)
def test_next_token_is_greedy_at_temperature_zero(learner, rng):
    """Temperature 0, or one too small to divide by, takes the highest logit after the repetition penalty."""

    def choose(logits, previous, **params):
        seed = int(rng.integers(2**31))
        got = learner.run(probes.next_tokens, logits=logits, previous=previous, params=params, seed=seed, count=3)
        expect_tokens(got, 3, len(logits), "next_token")
        return got

    for _ in range(3):
        logits = normal(rng, 12)
        best = int(logits.argmax())
        expect.equal(choose(logits, [best]), [best] * 3, what="next_token with the default settings")
        got = choose(logits, [], top_k=4, top_p=0.6, min_p=0.2)
        expect.equal(got, [best] * 3, what="next_token at temperature 0 with filters set")
        previous = [int(t) for t in rng.permutation([best] * 2 + [(best + 1) % 12])]
        logits[(best + 2) % 12] = float(logits[best]) * 0.9
        want = int(np.argmax(oracles.penalised(logits, previous, 1.5)))
        expect.equal(
            choose(logits, previous, repetition_penalty=1.5),
            [want] * 3,
            what=f"next_token at temperature 0 with penalty 1.5 and previous tokens {previous}",
            mistakes={"greedy-skips-the-penalty": [best] * 3},
        )
    tied = torch.tensor([0.0, 2.0, 1.0, 2.0])
    expect.equal(choose(tied, []), [1, 1, 1], what="next_token for logits [0, 2, 1, 2] (a tie)")
    for shift in (0.0, -100.0):  # the quotients leave float32 upwards, and downwards
        logits = normal(rng, 12) + shift
        got = choose(logits, [], temperature=1e-300)
        expect.equal(got, [int(logits.argmax())] * 3, what="next_token at temperature 1e-300")
    same = learner.run(
        probes.next_token_leaves_logits,
        logits=normal(rng, 6),
        previous=[1, 2, 1],
        params={"temperature": 0.7, "top_k": 3, "top_p": 0.5, "min_p": 0.3, "repetition_penalty": 1.4},
        seed=int(rng.integers(2**31)),
    )
    expect.that(same is True, "next_token changed the logits or the previous tokens that it was given.")
    cold = {"temperature": -1.0}
    info = learner.run_error(
        probes.next_tokens, logits=normal(rng, 6), previous=[], params=cold, seed=int(rng.integers(2**31)), count=1
    )
    expect.error(info, "ValueError", what="next_token at temperature -1")


@check(
    task="1.6",
    weight=3,
    lesson="10_decoding#top-p",
    seconds=0.6,
    needs=[
        "test_temperature_divides_the_logits",
        "test_top_k_keeps_the_k_highest",
        "test_top_p_keeps_the_smallest_set_that_reaches_p",
        "test_min_p_scales_with_the_highest_probability",
        "test_repetition_penalty_moves_seen_tokens_down",
        "test_draws_follow_the_probabilities",
    ],
    hints=[
        "Does top-p see the distribution before or after the temperature, before or after top-k?",
        "Call your own functions in this order: penalty, temperature, top-k, top-p, min-p, draw. Skip a top-k of 0.",
    ],
)
def test_next_token_takes_the_steps_in_order(learner, rng):
    """Penalty, temperature, top-k, top-p, min-p, draw: in this order, each if it is on."""
    vocab, draws = 7, 300

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    # What to set, and the other orders that must be told apart, with the mistake that each shows. A step that an order
    # does not name is left out.
    scenarios = [
        ("temperature alone", lambda: {"temperature": uniform(1.5, 2.5)}, {(): None}),
        (
            "temperature and top-p",
            lambda: {"temperature": uniform(1.8, 3), "top_p": uniform(0.5, 0.85)},
            {("top_p", "temperature"): "next-token-temperature-last", ("temperature",): None},
        ),
        (
            "temperature and min-p",
            lambda: {"temperature": uniform(1.8, 3), "min_p": uniform(0.15, 0.5)},
            {("min_p", "temperature"): "next-token-temperature-last", ("temperature",): None},
        ),
        (
            "top-k and top-p",
            lambda: {"temperature": 1.0, "top_k": int(rng.integers(2, 5)), "top_p": uniform(0.5, 0.9)},
            {("top_p", "top_k"): "next-token-top-p-before-top-k", ("top_p",): None, ("top_k",): None},
        ),
        (
            "top-p and min-p",
            lambda: {"temperature": 1.0, "top_p": uniform(0.6, 0.9), "min_p": uniform(0.1, 0.4)},
            {("min_p", "top_p"): None},
        ),
        (
            "the penalty and top-k",
            lambda: {"temperature": 1.0, "top_k": 3, "repetition_penalty": uniform(1.8, 3)},
            {("top_k", "penalty"): None, ("top_k",): None},
        ),
        (
            "everything",
            lambda: {
                "temperature": uniform(0.8, 1.6),
                "top_k": int(rng.integers(3, 6)),
                "top_p": uniform(0.6, 0.9),
                "min_p": uniform(0.05, 0.3),
                "repetition_penalty": uniform(1.1, 1.8),
            },
            {},
        ),
    ]
    for label, settings, orders in scenarios:
        logits, previous, params, right = told_apart(rng, vocab, draws, settings, orders)
        seed = int(rng.integers(2**31))
        got = learner.run(probes.next_tokens, logits=logits, previous=previous, params=params, seed=seed, count=draws)
        expect_tokens(got, draws, vocab, f"next_token with {label}")
        counts = np.bincount(got, minlength=vocab)
        odd = oracles.first_unlikely(counts, right)
        if odd is None:
            continue
        slug = None
        for order, named in orders.items():
            wrong = oracles.distribution(logits, previous, params, order)
            if named and oracles.first_unlikely(counts, wrong) is None:
                slug = named
        shown = ", ".join(f"{name} {value:.3g}" for name, value in params.items())
        expect.fail(
            f"With {shown} token {odd} has probability {right[odd]:.3f}; it came up {counts[odd]} times in {draws}.",
            mistake=slug,
        )


def told_apart(rng, vocab: int, draws: int, settings: Callable[[], dict], orders: dict) -> tuple:
    """Logits, previous tokens and settings under which every wrong order gives a clearly different distribution."""
    for _ in range(2000):
        logits = normal(rng, vocab, scale=1.0)
        previous = [int(t) for t in rng.integers(vocab, size=4)]
        params = settings()
        right = oracles.distribution(logits, previous, params)
        # Thresholds at a safe distance: moving them a little rules out the same tokens.
        thresholds = {name: params[name] for name in ("top_p", "min_p") if name in params}
        nudged = [{**params, **{name: t * by for name, t in thresholds.items()}} for by in (1 - MARGIN, 1 + MARGIN)]
        stable = all(np.allclose(oracles.distribution(logits, previous, near), right) for near in nudged)
        wrong = (oracles.distribution(logits, previous, params, order) for order in orders)
        if stable and all(oracles.told_apart(right, other, draws) for other in wrong):
            break
    return logits, previous, params, right
