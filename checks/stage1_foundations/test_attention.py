"""Checks of task 1.3: masks, the scaled dot product, heads and groups of heads."""

from __future__ import annotations

import math

import numpy as np
import torch

from checks.stage1_foundations import oracles_attention as oracles
from checks.stage1_foundations import probes_attention as probes
from roadmap.grading import check, expect


def normal(rng, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Random float32 tensor."""
    return torch.from_numpy((rng.normal(size=shape) * scale).astype("float32"))


def some_allowed(rng, *shape: int) -> np.ndarray:
    """Random bool mask with at least one key allowed and one forbidden in each row."""
    mask = rng.random(shape) < 0.5
    columns = np.argsort(rng.random(shape), axis=-1)
    np.put_along_axis(mask, columns[..., :1], True, axis=-1)
    np.put_along_axis(mask, columns[..., 1:2], False, axis=-1)
    return mask


def expect_mask(got, want: np.ndarray, mistakes: dict, what: str) -> None:
    """Same shape, bool, same values."""
    expect.shape(got, want.shape, what=what)
    dtype = str(got.dtype).removeprefix("torch.")
    expect.that(dtype == "bool", f"{what} holds {dtype} values; it must be bool, True where attending is allowed.")
    expect.close(got, want, mistakes=mistakes, what=what)


def call_unchanged(learner, function: str, *arguments):
    """The result of a function that must leave its arguments as they are."""
    got = learner.run(probes.call, function=function, arguments=list(arguments))
    expect.type(got, list, what="the probe's answer")
    expect.that(len(got) == 2, "The probe's answer was tampered with.")
    what = f"the arguments of {function} after the call (they must not change)"
    expect.close(got[1], list(arguments), rtol=0, atol=0, what=what)
    return got[0]


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#masks",
    seconds=0.05,
    hints=[
        "Write the 3 by 3 mask by hand: which keys may token 0 see, and which may token 2?",
        "Compare a row of key positions with a column of query positions, key <= query: torch.arange and unsqueeze.",
    ],
)
def test_causal_mask_lets_a_token_see_itself_and_what_came_before(learner, rng):
    """In a causal mask each token sees itself and every earlier token."""
    for n in (3, 1, int(rng.integers(4, 9))):
        got = learner.call("attention.causal_mask", n, n)
        want = oracles.causal_mask(n, n)
        named = {} if n == 1 else {"mask-true-means-blocked": ~want}
        named["causal-mask-hides-itself"] = oracles.causal_mask(n, n, strict=True)
        expect_mask(got, want, named, f"the causal mask of {n} queries and {n} keys")


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#masks",
    seconds=0.02,
    hints=[
        "With a cache the queries are the last tokens of the text, and the keys are all of them.",
        "Query i is token (keys - queries) + i. The last row of the mask is all True.",
    ],
    needs=["test_causal_mask_lets_a_token_see_itself_and_what_came_before"],
)
def test_causal_mask_puts_the_last_query_at_the_last_key(learner, rng):
    """With more keys than queries, the last query stands at the last key."""
    drawn, past = int(rng.integers(2, 6)), int(rng.integers(1, 6))
    for queries, keys in ((2, 4), (drawn, drawn + past), (1, 5), (4, 2)):
        got = learner.call("attention.causal_mask", queries, keys)
        want = oracles.causal_mask(queries, keys)
        aligned_left = oracles.causal_mask(queries, keys, aligned="left")
        what = f"the causal mask of {queries} queries and {keys} keys"
        expect_mask(got, want, {"causal-mask-aligned-left": aligned_left}, what)


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#masks",
    seconds=0.02,
    hints=[
        "For each sequence, which positions hold real tokens? Compare positions with lengths.",
        "Positions 0 to length - 1 against a column of lengths; then two dimensions of size one in the middle.",
    ],
)
def test_padding_mask_marks_real_tokens(learner, rng):
    """A padding mask is True at real tokens, for padding on either side."""
    length = int(rng.integers(5, 9))
    drawn = rng.integers(1, length, size=4)
    # One sequence is full and one is empty; the third is less than half full, so that the sides cannot be confused.
    lengths = np.concatenate([[length, 0, 1], drawn])
    for arguments, side in (((), "right"), (("left",), "left"), (("right",), "right")):
        got = learner.call("attention.padding_mask", torch.from_numpy(lengths), length, *arguments)
        want = oracles.padding_mask(lengths, length, side)
        other = "left" if side == "right" else "right"
        mistakes = {
            "padding-sides-swapped": oracles.padding_mask(lengths, length, other),
            "padding-mask-one-too-many": oracles.padding_mask(lengths, length, side, extra=1),
            "mask-true-means-blocked": ~want,
        }
        what = f"the padding mask with {f'side={side!r}' if arguments else 'the default side'}"
        expect_mask(got, want, mistakes, what)
    error = learner.error("attention.padding_mask", torch.from_numpy(lengths), length, "middle")
    expect.error(error, "ValueError", what='padding_mask with side="middle"')


@check(
    task="1.3",
    weight=3,
    lesson="07_attention#one-query-by-hand",
    seconds=0.02,
    hints=[
        "Scores are dot products of queries with keys; the softmax turns each query's scores into weights.",
        "q @ k.transpose(-2, -1), divided by sqrt(d), softmax over the last dimension, times v.",
    ],
)
def test_attention_is_a_weighted_mean_of_values(learner, rng):
    """Without a mask: softmax(q k^T / sqrt(d)) v, for any leading dimensions."""
    queries, keys, d, dv = (int(n) for n in rng.choice(np.arange(3, 9), size=4, replace=False))
    for leading in ((), (2, 3)):
        q = normal(rng, *leading, queries, d, scale=1.5)
        k = normal(rng, *leading, keys, d, scale=1.5)
        v = normal(rng, *leading, keys, dv)
        got = call_unchanged(learner, "scaled_dot_product", q, k, v)
        what = f"attention of q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}"
        expect.close(
            got,
            oracles.attention(q, k, v),
            mistakes={
                "attention-not-scaled": lambda: oracles.attention(q, k, v, scale=1.0),
                "attention-scaled-by-d": lambda: oracles.attention(q, k, v, scale=1 / d),
                "softmax-over-queries": lambda: oracles.attention(q, k, v, axis=-2),
            },
            what=what,
        )


@check(
    task="1.3",
    weight=2,
    lesson="07_attention#masks",
    seconds=0.02,
    hints=[
        "A forbidden key must get weight zero, and the weights of the others must still add up to 1.",
        "Where the bool mask is False, put -inf into the scores before the softmax. A small mask broadcasts by itself.",
    ],
    needs=["test_attention_is_a_weighted_mean_of_values"],
)
def test_attention_obeys_a_bool_mask(learner, rng):
    """A bool mask allows the keys where it is True, and no others."""
    queries, keys, d = (int(n) for n in rng.choice(np.arange(4, 9), size=3, replace=False))
    q, k, v = normal(rng, 2, 3, queries, d), normal(rng, 2, 3, keys, d), normal(rng, 2, 3, keys, d)
    for shape in ((queries, keys), (2, 1, 1, keys), (2, 3, queries, keys)):
        mask = some_allowed(rng, *shape)
        got = call_unchanged(learner, "scaled_dot_product", q, k, v, torch.from_numpy(mask))
        expect.close(
            got,
            oracles.attention(q, k, v, mask),
            mistakes={
                "mask-true-means-blocked": lambda mask=mask: oracles.attention(q, k, v, ~mask),
                "mask-after-softmax": lambda mask=mask: oracles.attention(q, k, v, mask, flaw="mask after softmax"),
            },
            what=f"attention under a bool mask of shape {shape}",
        )


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#masks",
    seconds=0.02,
    hints=[
        "A float mask is a bias: it can weaken or strengthen a key, and -inf forbids it. ALiBi is one.",
        "Ask the mask's dtype. A float mask is added to the scores, after they were divided by sqrt(d).",
    ],
    needs=["test_attention_is_a_weighted_mean_of_values"],
)
def test_attention_adds_a_float_mask(learner, rng):
    """A float mask is added to the scaled scores."""
    queries, keys, d = (int(n) for n in rng.choice(np.arange(4, 9), size=3, replace=False))
    q, k, v = normal(rng, 2, 3, queries, d), normal(rng, 2, 3, keys, d), normal(rng, 2, 3, keys, d)
    for shape in ((3, queries, keys), (1, keys)):
        finite = normal(rng, *shape, scale=2.0)
        forbidding = finite.masked_fill(torch.from_numpy(~some_allowed(rng, *shape)), -math.inf)
        for bias in (finite, forbidding):
            got = call_unchanged(learner, "scaled_dot_product", q, k, v, bias)
            expect.close(
                got,
                oracles.attention(q, k, v, bias),
                mistakes={
                    "float-mask-read-as-bool": lambda bias=bias: oracles.attention(q, k, v, bias.numpy() != 0),
                    "bias-added-before-scaling": lambda bias=bias: oracles.attention(
                        q, k, v, bias, flaw="bias before scaling"
                    ),
                },
                what=f"attention with a float mask of shape {shape}",
            )


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#one-query-by-hand",
    seconds=0.02,
    hints=[
        "exp(89) is already too large for float32. What does the softmax not change under?",
        "Subtracting each row's maximum from its scores changes no weight and keeps exp below 1.",
    ],
    needs=["test_attention_is_a_weighted_mean_of_values", "test_attention_obeys_a_bool_mask"],
)
def test_attention_is_stable_for_large_scores(learner, rng):
    """Scores of 1e4 and more give finite, right results, and cannot lift a forbidden key."""
    keys, d = int(rng.integers(4, 8)), 4
    # All keys lie along the query, their scores 100 apart, so that one key takes all the weight.
    direction = np.full(d, 0.5)
    for sign in (1.0, -1.0):
        heights = sign * (1e4 + 100.0 * rng.permutation(keys))
        q = torch.from_numpy(np.tile(direction * math.sqrt(d), (2, 1)).astype("float32"))
        k = torch.from_numpy((heights[:, None] * direction).astype("float32"))
        v = normal(rng, keys, 3)
        best, second = (int(i) for i in np.argsort(-heights)[:2])
        got = learner.call("attention.scaled_dot_product", q, k, v)
        nan = np.full((2, 3), math.nan)
        what = f"attention with scores near {sign * 1e4:.0f}"
        expect.close(got, np.stack([v[best]] * 2), mistakes={"softmax-overflows": nan}, what=what)
        mask = torch.ones(2, keys, dtype=torch.bool)
        mask[:, best] = False
        got = learner.call("attention.scaled_dot_product", q, k, v, mask)
        what = f"attention with scores near {sign * 1e4:.0f} and the best key forbidden"
        expect.close(got, np.stack([v[second]] * 2), mistakes={"softmax-overflows": nan}, what=what)


@check(
    task="1.3",
    weight=2,
    lesson="07_attention#masks",
    seconds=0.02,
    hints=[
        "What is the softmax of a row in which every score is -inf, and what should a query that sees nothing return?",
        "Find the rows without an allowed key. Give them finite scores before the softmax and zero weights after it.",
    ],
    needs=["test_attention_obeys_a_bool_mask"],
)
def test_a_query_that_sees_nothing_gets_zeros(learner, rng):
    """A query with no allowed key gets zeros, never NaN, and spoils no gradient."""
    queries, keys, d = (int(n) for n in rng.choice(np.arange(3, 8), size=3, replace=False))
    q, k, v = normal(rng, queries, d), normal(rng, keys, d), normal(rng, keys, d)
    mask = some_allowed(rng, queries, keys)
    blind = int(rng.integers(queries))
    mask[blind] = False
    want = oracles.attention_and_gradients(q, k, v, mask)
    with_nan = want[0].clone()
    with_nan[blind] = math.nan
    mistakes = {
        "blind-row-nan": with_nan,
        "blind-row-averages": lambda: oracles.attention(q, k, v, mask, flaw="blind rows average"),
    }
    additive = torch.zeros(queries, keys).masked_fill(torch.from_numpy(~mask), -math.inf)
    masks = {"bool": torch.from_numpy(mask), "float": additive}
    for kind, given in masks.items():
        got = learner.call("attention.scaled_dot_product", q, k, v, given)
        what = f"attention under a {kind} mask that forbids every key to query {blind}"
        expect.close(got, want[0], mistakes=mistakes, what=what)
    for kind, given in masks.items():
        got = learner.run(probes.gradients, q=q, k=k, v=v, mask=given)
        expect.type(got, list, what="the result and the gradients")
        expect.that(len(got) == 4, "The probe's answer was tampered with.")
        for name, gradient, right in zip("qkv", got[1:], want[1:], strict=True):
            what = f"the gradient by {name} under a {kind} mask, when query {blind} may see no key"
            expect.type(gradient, expect.ARRAY, what=what)
            finite = bool(torch.isfinite(torch.as_tensor(gradient)).all())
            expect.that(finite, f"NaN or infinity in {what}.", mistake="blind-row-nan-gradient")
            expect.close(gradient, right, rtol=1e-3, what=what)


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#heads",
    seconds=0.02,
    hints=[
        "Every token's vector is cut into runs of d neighbouring features, one run a head.",
        "View the last dimension as (heads, d), then swap length and heads. A plain reshape mixes the tokens.",
    ],
)
def test_split_heads_gives_each_head_a_run_of_features(learner, rng):
    """Head h of every token holds features h * d to (h + 1) * d."""
    batch, length, *drawn = (int(n) for n in rng.choice(np.arange(2, 7), size=4, replace=False))
    for heads, d in (drawn, (1, 5), (3, 1)):
        x = normal(rng, batch, length, heads * d)
        expect.close(
            learner.call("attention.split_heads", x, heads),
            oracles.split_heads(x, heads),
            mistakes={}
            if 1 in (heads, d)
            else {
                "heads-without-transpose": lambda x=x, heads=heads: oracles.split_heads_without_transpose(x, heads),
                "heads-interleaved": lambda x=x, heads=heads: oracles.split_heads_interleaved(x, heads),
            },
            what=f"{heads} heads split from {tuple(x.shape)}",
        )
    error = learner.error("attention.split_heads", normal(rng, 2, 3, 7), 3)
    expect.error(error, "ValueError", what="split_heads of 7 features into 3 heads")


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#heads",
    seconds=0.02,
    hints=[
        "Undo split_heads step by step, in reverse: what was its last step?",
        "Swap heads and length back first; only then are the heads of one token neighbours that can be joined.",
    ],
)
def test_merge_heads_puts_them_back_side_by_side(learner, rng):
    """merge_heads is the inverse of split_heads."""
    batch, heads, length, d = (int(n) for n in rng.choice(np.arange(2, 7), size=4, replace=False))
    x = normal(rng, batch, heads, length, d)
    expect.close(
        learner.call("attention.merge_heads", x),
        oracles.merge_heads(x),
        mistakes={
            "heads-without-transpose": lambda: oracles.merge_heads_without_transpose(x),
            "heads-interleaved": lambda: oracles.merge_heads_interleaved(x),
        },
        what=f"heads merged from {tuple(x.shape)}",
    )


@check(
    task="1.3",
    weight=3,
    lesson="07_attention#heads",
    seconds=0.02,
    hints=[
        "SmolLM2 has 9 query heads and 3 key/value heads: query heads 0, 1, 2 read key/value head 0, and so on.",
        "Repeat each key/value head heads // kv_heads times in a row (repeat_interleave), then attend as before.",
    ],
    needs=["test_attention_is_a_weighted_mean_of_values"],
)
def test_neighbouring_query_heads_share_a_key_value_head(learner, rng):
    """Query head h reads key/value head h // (heads // kv_heads)."""
    queries, keys, d = (int(n) for n in rng.choice(np.arange(3, 8), size=3, replace=False))
    for heads, kv_heads in ((6, 2), (4, 4), (3, 1), (2 * int(rng.integers(2, 5)), 2)):
        q = normal(rng, 2, heads, queries, d, scale=1.5)
        k, v = normal(rng, 2, kv_heads, keys, d, scale=1.5), normal(rng, 2, kv_heads, keys, d)
        got = call_unchanged(learner, "grouped_attention", q, k, v)
        expect.close(
            got,
            oracles.grouped_attention(q, k, v),
            mistakes={}
            if kv_heads in (1, heads)
            else {"kv-heads-tiled": lambda q=q, k=k, v=v: oracles.grouped_attention(q, k, v, tiled=True)},
            what=f"{heads} query heads over {kv_heads} key/value heads",
        )
    for heads, kv_heads in ((5, 2), (2, 4)):
        error = learner.error(
            "attention.grouped_attention",
            normal(rng, 1, heads, 3, 4),
            normal(rng, 1, kv_heads, 3, 4),
            normal(rng, 1, kv_heads, 3, 4),
        )
        expect.error(error, "ValueError", what=f"grouped_attention with {heads} heads over {kv_heads} key/value heads")


@check(
    task="1.3",
    weight=1,
    lesson="07_attention#heads",
    seconds=0.02,
    hints=[
        "One mask may serve all heads, or each query head may have its own.",
        "A mask of shape (heads, queries, keys) has a slice a query head: hand it on when k and v have as many heads.",
    ],
    needs=["test_neighbouring_query_heads_share_a_key_value_head", "test_attention_obeys_a_bool_mask"],
)
def test_grouped_attention_obeys_its_mask(learner, rng):
    """Grouped attention takes bool and float masks, shared by the heads or one for each."""
    heads, kv_heads, queries, keys, d = 6, 2, 3, 5, 4
    q, k, v = normal(rng, 2, heads, queries, d), normal(rng, 2, kv_heads, keys, d), normal(rng, 2, kv_heads, keys, d)
    masks = [
        torch.from_numpy(some_allowed(rng, queries, keys)),
        torch.from_numpy(some_allowed(rng, 2, 1, 1, keys)),
        torch.from_numpy(some_allowed(rng, 2, heads, queries, keys)),
        normal(rng, heads, queries, keys, scale=2.0),
    ]
    for mask in masks:
        expect.close(
            learner.call("attention.grouped_attention", q, k, v, mask),
            oracles.grouped_attention(q, k, v, mask),
            mistakes={"grouped-attention-drops-mask": lambda: oracles.grouped_attention(q, k, v)},
            what=f"grouped attention with a {str(mask.dtype).removeprefix('torch.')} mask of shape {tuple(mask.shape)}",
        )
