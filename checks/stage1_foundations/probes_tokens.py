"""Runs beside the learner's `tokens` module: builds tokenizers, calls them, returns plain data."""

from contextlib import suppress


def _tokenizer(learner, vocab, merges, special_tokens, split_digits):
    pairs = [(left, right) for left, right in merges]
    options = {"split_digits": True} if split_digits else {}
    return learner.tokens.Tokenizer(vocab, pairs, special_tokens, **options)


def encode(learner, *, vocab, merges, texts, special_tokens, split_digits=False):
    """The ids of each text."""
    tokenizer = _tokenizer(learner, vocab, merges, special_tokens, split_digits)
    return [tokenizer.encode(text) for text in texts]


def round_trip(learner, *, vocab, merges, texts):
    """The text that the ids of each text decode to."""
    tokenizer = _tokenizer(learner, vocab, merges, {}, False)
    return [tokenizer.decode(tokenizer.encode(text)) for text in texts]


def encode_after_change(learner, *, vocab, merges, texts):
    """The ids of each text once more, after the lists that two earlier calls returned were changed by their owner."""
    tokenizer = _tokenizer(learner, vocab, merges, {}, False)
    for text in [*texts, *texts]:
        ids = tokenizer.encode(text)
        if isinstance(ids, list):
            ids.append(-1)
    return [tokenizer.encode(text) for text in texts]


def decode(learner, *, vocab, special_tokens, id_lists):
    """The text of each list of ids."""
    tokenizer = _tokenizer(learner, vocab, [], special_tokens, False)
    return [tokenizer.decode(ids) for ids in id_lists]


def stream(learner, *, vocab, special_tokens, id_lists):
    """For each list of ids, on a decoder of its own: what each push showed, and what the flush showed."""
    tokenizer = _tokenizer(learner, vocab, [], special_tokens, False)
    results = []
    for ids in id_lists:
        decoder = tokenizer.stream()
        results.append([[decoder.push(token_id) for token_id in ids], decoder.flush()])
    return results


def stream_twice(learner, *, vocab, first, second):
    """What is shown of `first`, the flush, an empty flush, `second`, and the last flush, on one decoder."""
    decoder = _tokenizer(learner, vocab, [], {}, False).stream()
    return [
        "".join([decoder.push(token_id) for token_id in first]),
        decoder.flush(),
        decoder.flush(),
        "".join([decoder.push(token_id) for token_id in second]),
        decoder.flush(),
    ]


def push_unknown(learner, *, vocab, before, unknown):
    """Push `before`, then an id that the vocabulary lacks."""
    decoder = _tokenizer(learner, vocab, [], {}, False).stream()
    for token_id in before:
        decoder.push(token_id)
    return decoder.push(unknown)


def push_unknown_and_go_on(learner, *, vocab, before, unknown, after):
    """What `after` shows when an id that the vocabulary lacks was refused between it and `before`."""
    decoder = _tokenizer(learner, vocab, [], {}, False).stream()
    for token_id in before:
        decoder.push(token_id)
    with suppress(ValueError):
        decoder.push(unknown)
    return [decoder.push(token_id) for token_id in after]


def pretrained(learner, models, *, name, texts):
    """The ids of each text in the real model's tokenizer, and the text that they decode to."""
    bpe = models[name].bpe
    tokenizer = learner.tokens.Tokenizer(
        dict(bpe.vocab), list(bpe.merges), dict(bpe.special_tokens), split_digits=bpe.split_digits
    )
    results = []
    for text in texts:
        ids = tokenizer.encode(text)
        results.append([ids, tokenizer.decode(ids)])
    return results
