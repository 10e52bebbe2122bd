"""Checks of task 1.4: rotary tables, the rotation, ALiBi's slopes and bias."""

from __future__ import annotations

import torch

from checks.stage1_foundations import oracles_positions as oracles
from checks.stage1_foundations import probes_positions as probes
from roadmap.grading import check, expect


def normal(rng, *shape: int) -> torch.Tensor:
    """Random float32 tensor."""
    return torch.from_numpy(rng.normal(size=shape).astype("float32"))


def call_unchanged(learner, function: str, *arguments):
    """The result of a function that must leave its arguments as they are."""
    got = learner.run(probes.call, function=function, arguments=list(arguments))
    expect.type(got, list, what="the probe's answer")
    expect.that(len(got) == 2, "The probe's answer was tampered with.")
    what = f"the arguments of {function} after the call (they must not change)"
    expect.close(got[1], list(arguments), rtol=0, atol=0, what=what)
    return got[0]


def expect_tables(got, want: list, what: str, atol: float = 1e-4, mistakes: dict | None = None) -> None:
    """A pair of float32 tables of the right shape and values."""
    expect.type(got, list, what=what)
    expect.that(len(got) == 2, f"{what}: expected two tables, cos and sin, got {len(got)}.")
    for table, name, right in zip(got, ("cos", "sin"), want, strict=True):
        expect.shape(table, right.shape, what=f"{name} of {what}")
        dtype = str(table.dtype).removeprefix("torch.")
        expect.that(dtype == "float32", f"{name} of {what} is {dtype}; it must be float32.")
    expect.close(got, want, rtol=0, atol=atol, mistakes=mistakes or {}, what=what)


@check(
    task="1.4",
    weight=3,
    lesson="08_positions#rope",
    seconds=0.05,
    hints=[
        "For head_dim 4 and theta 10000 there are two pairs: one turns by 1 radian a token, the other by 0.01.",
        "An outer product of positions and speeds gives the angles of the pairs; two copies fill the head.",
    ],
)
def test_each_pair_turns_at_its_own_speed(learner, rng):
    """Pair i turns by theta ** (-2 i / head_dim) radians a token."""
    for head_dim, theta in ((4, 10000.0), (2 * int(rng.integers(3, 9)), float(rng.uniform(50, 5000))), (2, 100.0)):
        positions = torch.arange(int(rng.integers(6, 20)))
        got = call_unchanged(learner, "rope_tables", head_dim, positions, theta)
        right = (head_dim, positions, theta)
        expect_tables(
            got,
            oracles.rope_tables(*right),
            what=f"the rotary tables for head_dim {head_dim}, {len(positions)} positions and theta {theta:.4g}",
            mistakes={
                "rope-sin-before-cos": lambda right=right: oracles.rope_tables(*right)[::-1],
                "rope-theta-ignored": lambda right=right: oracles.rope_tables(*right[:2], 10000.0),
                "rope-tables-interleaved": lambda right=right: oracles.rope_tables_interleaved(*right),
                "rope-speeds-rise": lambda right=right: oracles.rope_tables(*right, exponent="rising"),
                "rope-exponent-without-two": lambda right=right: oracles.rope_tables(*right, exponent="half as steep"),
            },
        )


@check(
    task="1.4",
    weight=2,
    lesson="08_positions#rope",
    seconds=0.02,
    hints=[
        "While generating, the one new token stands at position 37, say, and the table has one row.",
        "Row j belongs to positions[j], whatever its value: use the positions, do not count rows.",
    ],
    needs=["test_each_pair_turns_at_its_own_speed"],
)
def test_tables_follow_the_positions_they_are_given(learner, rng):
    """Tables start at any offset, follow any order, and take theta 10000 unless told."""
    head_dim = 2 * int(rng.integers(3, 9))
    start = int(rng.integers(20, 40))
    cases = [
        torch.tensor([start]),
        torch.arange(start, start + 5),
        torch.from_numpy(rng.permutation(50)[:7]),
        torch.tensor([1800, 0, 1801]),
    ]
    for positions in cases:
        got = learner.call("positions.rope_tables", head_dim, positions)
        counted = oracles.rope_tables(head_dim, range(len(positions)), 10000.0)
        # float32 cannot hold an angle of 1800 radians more precisely than to 1e-4.
        expect_tables(
            got,
            oracles.rope_tables(head_dim, positions, 10000.0),
            atol=1e-3 if positions.max() > 1000 else 1e-4,
            what=f"the rotary tables at positions {positions.tolist()}",
            mistakes={"rope-positions-ignored": counted},
        )
    error = learner.error("positions.rope_tables", head_dim + 1, torch.arange(3))
    expect.error(error, "ValueError", what="rope_tables with an odd head_dim")


@check(
    task="1.4",
    weight=3,
    lesson="08_positions#rope",
    seconds=0.02,
    hints=[
        "Each pair is a point in the plane, turned by its angle: (a cos - b sin, b cos + a sin).",
        "x * cos plus its halves swapped, the new first half negated, * sin. chunk(2, dim=-1) and torch.cat do it.",
    ],
)
def test_rope_turns_the_halves_against_each_other(learner, rng):
    """Feature i and feature i + head_dim / 2 are turned as a pair, in every head."""
    n, head_dim = int(rng.integers(2, 7)), 2 * int(rng.integers(2, 7))
    positions = rng.permutation(60)[:n]
    cos, sin = (torch.from_numpy(t.astype("float32")) for t in oracles.rope_tables(head_dim, positions, 1000.0))
    for leading in ((), (2, 3)):
        x = normal(rng, *leading, n, head_dim)
        expect.close(
            call_unchanged(learner, "apply_rope", x, cos, sin),
            oracles.apply_rope(x, cos, sin),
            mistakes={
                "rope-pairs-are-neighbours": lambda x=x: oracles.apply_rope_neighbours(x, cos, sin),
                "rope-turns-backwards": lambda x=x: oracles.apply_rope(x, cos, -sin),
                "rope-halves-not-negated": lambda x=x: oracles.apply_rope_without_sign(x, cos, sin),
            },
            what=f"the rotation of x {tuple(x.shape)}",
        )


@check(
    task="1.4",
    weight=1,
    lesson="08_positions#rope",
    seconds=0.02,
    hints=[
        "Turn two vectors by the same angle: their dot product stays as it was.",
        "If both functions are right alone, look at whether tables and rotation agree on which features make a pair.",
    ],
    needs=["test_tables_follow_the_positions_they_are_given", "test_rope_turns_the_halves_against_each_other"],
)
def test_scores_depend_on_distance_alone(learner, rng):
    """Moving all tokens by the same number of positions changes no score, and position 0 changes no vector."""
    head_dim, theta = 2 * int(rng.integers(2, 7)), float(rng.uniform(50, 5000))
    q, k = normal(rng, 2, 4, head_dim), normal(rng, 2, 5, head_dim)
    at_q, at_k = torch.from_numpy(rng.permutation(30)[:4]), torch.from_numpy(rng.permutation(30)[:5])
    shift = int(rng.integers(5, 50))
    got = [
        learner.run(probes.scores, q=q, k=k, query_positions=at_q + by, key_positions=at_k + by, theta=theta)
        for by in (0, shift)
    ]
    for scores in got:
        expect.shape(scores, (2, 4, 5), what="the scores of turned queries and keys")
    expect.close(got[1], got[0], rtol=1e-3, atol=1e-3, what=f"the scores after all tokens moved by {shift} positions")
    zeros = torch.zeros(4, dtype=torch.int64)
    still = learner.run(probes.scores, q=q, k=k, query_positions=zeros, key_positions=zeros[:1].repeat(5), theta=theta)
    expect.close(still, q @ k.transpose(-2, -1), what="the scores when every token stands at position 0")


@check(
    task="1.4",
    weight=1,
    lesson="08_positions#alibi",
    seconds=0.05,
    hints=[
        "For 8 heads: 1/2, 1/4, ... 1/256. For 4 heads: 1/4, 1/16, 1/64, 1/256. What is the rule?",
        "Slope number i, counted from 1, is 2 ** (-8 i / heads).",
    ],
)
def test_slopes_are_a_geometric_series(learner, rng):
    """For a power of two, slope i is 2 ** (-8 i / heads), counted from 1."""
    for heads in (8, 4, 1, 2, int(rng.choice([16, 32, 64]))):
        expect.close(
            learner.call("positions.alibi_slopes", heads),
            oracles.alibi_slopes(heads),
            rtol=1e-4,
            atol=0,
            mistakes={"alibi-series-from-one": lambda heads=heads: oracles.alibi_series(heads, first=0)},
            what=f"the slopes of {heads} heads",
        )
    for heads in (0, -1):
        expect.error(learner.error("positions.alibi_slopes", heads), "ValueError", what=f"alibi_slopes({heads})")


@check(
    task="1.4",
    weight=2,
    lesson="08_positions#alibi",
    seconds=0.02,
    hints=[
        "For 12 heads the first 8 slopes are those of 8 heads. The other 4 come from the series for 16.",
        "The series for twice the power, every second one from the first: [::2], then as many as are missing.",
    ],
    needs=["test_slopes_are_a_geometric_series"],
)
def test_slopes_for_other_numbers_of_heads(learner, rng):
    """Other counts are filled up with every second slope of the series for twice the power of two."""
    for heads in (3, 12, 7, int(rng.integers(17, 32)), int(rng.integers(33, 64))):
        expect.close(
            learner.call("positions.alibi_slopes", heads),
            oracles.alibi_slopes(heads),
            rtol=1e-4,
            atol=0,
            mistakes={
                "alibi-series-for-any-count": lambda heads=heads: oracles.alibi_series(heads),
                "alibi-filled-in-order": lambda heads=heads: oracles.alibi_slopes_filled_in_order(heads),
            },
            what=f"the slopes of {heads} heads",
        )


@check(
    task="1.4",
    weight=3,
    lesson="08_positions#alibi",
    seconds=0.02,
    hints=[
        "Write the matrix of distances for 3 tokens: 0 on the diagonal, 1 and 2 to its left. What is to its right?",
        "Distances: a column of query positions (from keys - queries) minus a row of key positions, clamped at 0.",
    ],
    needs=["test_slopes_are_a_geometric_series"],
)
def test_bias_grows_with_distance_to_the_left(learner, rng):
    """The bias is minus slope times distance to the left, and 0 on the diagonal and to its right."""
    queries = int(rng.integers(2, 6))
    sizes = [(2, 3, 3), (4, queries, queries), (8, queries, queries + int(rng.integers(2, 6))), (2, 1, 5), (1, 4, 2)]
    for heads, rows, columns in sizes:
        size = (heads, rows, columns)
        expect.close(
            learner.call("positions.alibi_bias", *size),
            oracles.alibi_bias(*size),
            rtol=1e-4,
            atol=1e-6,
            mistakes={
                "alibi-rewards-distance": lambda size=size: oracles.alibi_bias(*size, sign=1),
                "alibi-penalises-the-future": lambda size=size: oracles.alibi_bias(*size, right="distance"),
                "alibi-aligned-left": lambda size=size: oracles.alibi_bias(*size, aligned="left"),
            },
            what=f"the bias of {heads} heads, {rows} queries and {columns} keys",
        )
