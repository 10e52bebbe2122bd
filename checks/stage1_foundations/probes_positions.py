"""What runs beside the learner's code for task 1.4."""


def call(learner, *, function, arguments):
    """The result of one function of `positions`, and its arguments as they are afterwards."""
    result = getattr(learner.positions, function)(*arguments)
    return [result, arguments]


def scores(learner, *, q, k, query_positions, key_positions, theta):
    """Dot products of all turned queries with all turned keys."""
    rope_tables, apply_rope = learner.positions.rope_tables, learner.positions.apply_rope
    q = apply_rope(q, *rope_tables(q.shape[-1], query_positions, theta))
    k = apply_rope(k, *rope_tables(k.shape[-1], key_positions, theta))
    return q @ k.transpose(-2, -1)
