"""Right answers for the `tokens` checks, and the known wrong ones; none of this code is the reference's.

Pieces come from the `tokenizers` library's own pre-tokenizers, the real vocabulary from transformers; training and
merging are counted out by brute force.
"""

from __future__ import annotations

import codecs
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from tokenizers import pre_tokenizers

Pair = tuple[bytes, bytes]

_BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
_DIGITS_FIRST = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _BYTE_LEVEL])


# --- inputs ---------------------------------------------------------------------------------------------------------

WORDS = """the low Lowest néw 日本語 x isn't we'll привет naïve 🙂 3.14 2024 — …?!""".split()
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", " \n ", "\u00a0", "\u3000"]


def text(rng: np.random.Generator, words: int = 12) -> str:
    """A text of mixed scripts, numbers, signs and white space of every kind, also at both ends."""
    parts = [_one(rng, SPACES)]
    for _ in range(words):
        parts += [_one(rng, WORDS), _one(rng, SPACES)]
    return "".join(parts)


def plain_text(rng: np.random.Generator, words: int = 8) -> str:
    """Words, numbers and signs between single and double spaces, without an apostrophe."""
    kinds = ["alpha", "Beta", "tea", "!?", "...", "ok"]
    return "".join(f"{_one(rng, kinds)} {rng.integers(10, 999)}{_one(rng, [' ', '  '])}" for _ in range(words))


def counted_words(rng: np.random.Generator) -> str:
    """A corpus, one word a line, in which no two pairs ever have the same count.

    "zzz" three times, two-letter words five, four and once: six pairs (z, z), then five, four, three (zz, z), one.
    The rarer a word, the smaller its letters, so that counting each word once gives another order.
    """
    a = sorted(chr(code) for code in rng.choice(np.arange(97, 123), size=7, replace=False))
    lines = [a[0] + a[1]] + 4 * [a[2] + a[3]] + 5 * [a[4] + a[5]] + 3 * [3 * a[6]]
    return "\n".join(lines[i] for i in rng.permutation(len(lines)))


def tied_words(rng: np.random.Generator) -> str:
    """Two-letter words, each once, one a line; the first is neither the smallest nor the largest."""
    alphabet = sorted(chr(code) for code in rng.choice(np.arange(97, 123), size=4, replace=False))
    known = sorted(a + b for a in alphabet for b in alphabet if a != b)
    first = known.pop(int(rng.integers(1, len(known) - 1)))
    return "\n".join([first, *(known[i] for i in rng.permutation(len(known)))])


def late_tie(rng: np.random.Generator) -> str:
    """One word a line: after the first merge, (ab, c) and (b, d) have the same count; as bytes "ab" is smaller."""
    a, b, c, d = sorted(chr(code) for code in rng.choice(np.arange(97, 123), size=4, replace=False))
    lines = 3 * [a + b + c] + 3 * [b + d] + 2 * [a + b]
    return "\n".join(lines[i] for i in rng.permutation(len(lines)))


def any_text(rng: np.random.Generator, length: int, *, controls: bool = True) -> str:
    """Characters of Unicode 3.2, on which all libraries agree what is a letter, a number, a space.

    A third is ASCII, a third comes from the basic plane, a third from anywhere; with or without control characters.
    """
    left_out = {"Cn", "Cs"} if controls else {"Cn", "Cs", "Cc"}
    category = unicodedata.ucd_3_2_0.category
    found: list[str] = []
    while len(found) < length:
        one = chr(int(rng.integers((0x80, 0x10000, 0x110000)[len(found) % 3])))
        if category(one) not in left_out:
            found.append(one)
    return "".join(found)


def letters(rng: np.random.Generator, length: int, alphabet: str) -> str:
    """`length` letters drawn from `alphabet`."""
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=length))


def words(rng: np.random.Generator, count: int, alphabet: str, shortest: int, longest: int) -> list[str]:
    """`count` random words."""
    sizes = rng.integers(shortest, longest + 1, size=count)
    return [letters(rng, int(size), alphabet) for size in sizes]


def zipf_corpus(rng: np.random.Generator, distinct: int, total: int, alphabet: str) -> str:
    """`total` words out of `distinct` random ones, a few of them very frequent."""
    known = words(rng, distinct, alphabet, 2, 7)
    weights = 1 / np.arange(1, distinct + 1)
    return " ".join(known[i] for i in rng.choice(distinct, size=total, p=weights / weights.sum()))


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


# --- pieces ---------------------------------------------------------------------------------------------------------


def pieces(
    text: str,
    special_tokens: Iterable[str] = (),
    *,
    split_digits: bool = False,
    longest_first: bool = True,
    digits_after: bool = False,
) -> list[str]:
    """What `pretokenize` must return; the last two arguments make it wrong."""
    cut = _DIGITS_FIRST if split_digits and not digits_after else _BYTE_LEVEL
    found: list[str] = []
    for stretch, special in stretches(text, special_tokens, longest_first=longest_first):
        if special:
            found.append(stretch)
        elif stretch:
            parts = [stretch[start:end] for _, (start, end) in cut.pre_tokenize_str(stretch)]
            found += [part for piece in parts for part in _digits_apart(piece)] if digits_after else parts
    return found


def _digits_apart(piece: str) -> list[str]:
    return [part for part in re.split(r"(\d)", piece) if part]


def stretches(text: str, special_tokens: Iterable[str], *, longest_first: bool = True) -> list[tuple[str, bool]]:
    """The text cut at special tokens: `(stretch, is special)`."""
    order = sorted(special_tokens, key=len, reverse=True) if longest_first else list(special_tokens)
    cut: list[tuple[str, bool]] = []
    start = position = 0
    while position < len(text):
        match = next((token for token in order if text.startswith(token, position)), None)
        if match is None:
            position += 1
            continue
        cut += [(text[start:position], False), (match, True)]
        start = position = position + len(match)
    return [*cut, (text[start:], False)]


def pieces_without_spaces(text: str) -> list[str]:
    """Known wrong: the white space is gone."""
    return [piece.strip() for piece in pieces(text) if piece.strip()]


# --- training -------------------------------------------------------------------------------------------------------


def train(
    corpus: str,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    tie: str = "smallest",
    each_piece_once: bool = False,
    across_pieces: bool = False,
    overlaps: bool = True,
    special: str = "excluded",
    special_ids: str = "last",
    size_forgets_special: bool = False,
) -> tuple[dict[int, bytes], list[Pair]]:
    """What `train_bpe` must return, by counting everything again for each merge. The options make it wrong."""
    if special == "text":
        counted = pieces(corpus)
    else:
        cut = pieces(corpus, special_tokens)
        counted = cut if special == "words" else [piece for piece in cut if piece not in special_tokens]
    if across_pieces:
        counted = ["".join(counted)]
    times: dict[str, int] = {}
    for piece in counted:
        times[piece] = 1 if each_piece_once else times.get(piece, 0) + 1
    split = {piece: [bytes([byte]) for byte in piece.encode()] for piece in times}

    age = {bytes([byte]): byte for byte in range(256)}
    merges: list[Pair] = []
    wanted = vocab_size - 256 - (0 if size_forgets_special else len(special_tokens))
    while len(merges) < wanted:
        counts: dict[Pair, int] = {}
        for piece, tokens in split.items():
            for pair in _pairs(tokens, overlaps):
                counts[pair] = counts.get(pair, 0) + times[piece]
        if not counts:
            break
        most = max(counts.values())
        tied = [pair for pair, count in counts.items() if count == most]
        if tie == "smallest":
            best = min(tied)
        elif tie == "largest":
            best = max(tied)
        elif tie == "first seen":
            best = tied[0]
        else:
            best = min(tied, key=lambda pair: (age[pair[0]], age[pair[1]]))
        merges.append(best)
        age.setdefault(b"".join(best), len(age))
        split = {piece: _join(tokens, best) for piece, tokens in split.items()}

    singles = [bytes([byte]) for byte in range(256)]
    joined = [left + right for left, right in merges]
    named = [token.encode() for token in special_tokens]
    order = singles + joined + named if special_ids == "last" else singles + named + joined
    return dict(enumerate(order)), merges


def _pairs(tokens: Sequence[bytes], overlaps: bool) -> Iterable[Pair]:
    position = 0
    while position + 1 < len(tokens):
        yield tokens[position], tokens[position + 1]
        same = position + 2 < len(tokens) and tokens[position] == tokens[position + 1] == tokens[position + 2]
        position += 2 if same and not overlaps else 1


def _join(tokens: Sequence[bytes], pair: Pair) -> list[bytes]:
    joined: list[bytes] = []
    waiting = list(reversed(tokens))
    while waiting:
        token = waiting.pop()
        if waiting and (token, waiting[-1]) == pair:
            token += waiting.pop()
        joined.append(token)
    return joined


def seconds_of_one_count(pieces: Sequence[str]) -> float:
    """How long this machine, as busy as it is now, takes to count the pairs of all pieces once."""
    split = [[bytes([byte]) for byte in piece.encode()] for piece in pieces]
    rounds, started = 0, time.perf_counter()
    while time.perf_counter() - started < 0.1:
        counts: dict[Pair, int] = {}
        for tokens in split:
            for pair in pairwise(tokens):
                counts[pair] = counts.get(pair, 0) + 1
        rounds += 1
    return (time.perf_counter() - started) / rounds


# --- encoding -------------------------------------------------------------------------------------------------------

Ids = dict[bytes, int]


def by_rank(tokens: list[bytes], ranks: Mapping[Pair, int]) -> list[bytes]:
    """Merge the pair of lowest rank, the leftmost first, until there is none."""
    while True:
        known = [(ranks[pair], i) for i, pair in enumerate(pairwise(tokens)) if pair in ranks]
        if not known:
            return tokens
        at = min(known)[1]
        tokens = [*tokens[:at], tokens[at] + tokens[at + 1], *tokens[at + 2 :]]


def leftmost_first(tokens: list[bytes], ranks: Mapping[Pair, int]) -> list[bytes]:
    """Known wrong: merge the leftmost known pair, whatever its rank."""
    while True:
        known = [i for i, pair in enumerate(pairwise(tokens)) if pair in ranks]
        if not known:
            return tokens
        tokens = [*tokens[: known[0]], tokens[known[0]] + tokens[known[0] + 1], *tokens[known[0] + 2 :]]


def longest_match(tokens: list[bytes], ranks: Mapping[Pair, int]) -> list[bytes]:
    """Known wrong: from the left, the longest token of the vocabulary that fits."""
    known = {left + right for left, right in ranks}
    rest = b"".join(tokens)
    found = []
    while rest:
        size = next((size for size in range(len(rest), 1, -1) if rest[:size] in known), 1)
        found.append(rest[:size])
        rest = rest[size:]
    return found


def encode(
    text: str,
    vocab: Mapping[int, bytes],
    merges: Sequence[Pair],
    special_tokens: Mapping[str, int] | None = None,
    *,
    split_digits: bool = False,
    merge: Callable[[list[bytes], Mapping[Pair, int]], list[bytes]] = by_rank,
    across_pieces: bool = False,
    special_as_text: bool = False,
) -> list[int]:
    """What `Tokenizer.encode` must return; the last three arguments make it wrong."""
    named = dict(special_tokens or {})
    ids: Ids = {token: number for number, token in vocab.items() if number not in named.values()}
    ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
    known = [] if special_as_text else list(named)
    if across_pieces:
        cut = [stretch for stretch, _ in stretches(text, known) if stretch]
    else:
        cut = pieces(text, known, split_digits=split_digits)
    found: list[int] = []
    for piece in cut:
        if piece in known:
            found.append(named[piece])
        else:
            found += [ids[token] for token in merge([bytes([byte]) for byte in piece.encode()], ranks)]
    return found


def rank_puzzle(rng: np.random.Generator) -> tuple[dict[int, bytes], list[Pair], list[str]]:
    """Four words on which merging by rank, from the left, by longest match and by highest rank all differ.

    "abc": "bc" was learned before "ab". "def": "de" before "ef". "wxyz": "xy" and "wxy" can be reached only past "wx".
    "pqrs": after "qr", "qrs" comes before "pqr", although "pq" had come before both.
    """
    letters = [bytes([code]) for code in rng.choice(np.arange(97, 123), size=14, replace=False).tolist()]
    a, b, c, d, e, f, w, x, y, z, p, q, r, s = letters
    merges = [(b, c), (d, e), (x, y), (q, r), (a, b), (e, f), (p, q), (w, x), (w, x + y), (q + r, s), (p, q + r)]
    tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]
    words = [a + b + c, w + x + y + z, d + e + f, p + q + r + s]
    return dict(enumerate(tokens)), merges, [word.decode() for word in words]


def shuffled_ids(rng: np.random.Generator, vocab: Mapping[int, bytes]) -> dict[int, bytes]:
    """The same tokens under other ids: in a real vocabulary a byte's id is not its value."""
    return {int(number): token for number, token in zip(rng.permutation(len(vocab)), vocab.values(), strict=True)}


def number_text(rng: np.random.Generator, words: int) -> str:
    """Few words and numbers, so that the same ones meet again and again."""
    return "".join(_one(rng, ["at", "to", "12", "7", "at 12", "!"]) + _one(rng, [" ", "  "]) for _ in range(words))


# --- decoding -------------------------------------------------------------------------------------------------------

SINGLES = {number: bytes([number]) for number in range(256)}


def decode(ids: Iterable[int], vocab: Mapping[int, bytes], *, errors: str = "replace") -> str:
    """What `Tokenizer.decode` must return; `errors="ignore"` makes it wrong."""
    return b"".join(vocab[number] for number in ids).decode("utf-8", errors)


def decode_one_by_one(ids: Iterable[int], vocab: Mapping[int, bytes]) -> str:
    """Known wrong: each token is decoded alone."""
    return "".join(vocab[number].decode("utf-8", "replace") for number in ids)


def shown(ids: Iterable[int], vocab: Mapping[int, bytes]) -> list[Any]:
    """What a stream must show of valid text: `[one text a push, the text of the flush]`."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [[decoder.decode(vocab[number]) for number in ids], decoder.decode(b"", True)]


def shown_one_by_one(ids: Iterable[int], vocab: Mapping[int, bytes]) -> list[Any]:
    """Known wrong: half a character is shown as U+FFFD."""
    return [[vocab[number].decode("utf-8", "replace") for number in ids], ""]


def shown_when_clean(ids: Iterable[int], vocab: Mapping[int, bytes], *, waits_on_replacement: bool) -> list[Any]:
    """Known wrong: nothing is shown while the end is unfinished, or while the text ends in U+FFFD."""
    waiting, pushes = b"", []
    for number in ids:
        waiting += vocab[number]
        text = waiting.decode("utf-8", "replace")
        unfinished = codecs.utf_8_decode(waiting, "replace", False)[1] < len(waiting)
        if text.endswith("\ufffd") if waits_on_replacement else unfinished:
            pushes.append("")
        else:
            pushes.append(text)
            waiting = b""
    return [pushes, waiting.decode("utf-8", "replace")]


def shown_without_reset(rest: Sequence[int]) -> list[str]:
    """Known wrong: a flush that leaves `rest` pending, between two texts "a" and "bé"."""
    return ["a", "\ufffd", "\ufffd", "\ufffdbé", ""]


def joined(answer: Any) -> Any:
    """The pushes and the flush of one stream as one string; anything else as it is."""
    match answer:
        case [[*pushes], str() as end] if all(type(text) is str for text in pushes):
            return "".join(pushes) + end
    return answer


def items(answer: Any, count: int) -> list[Any]:
    """The items of a list of `count`; of anything else, the thing itself as each of them."""
    return answer if isinstance(answer, list) and len(answer) == count else [answer] * count


UNFINISHED = [[0xC3], [0xE2], [0xE2, 0x82], [0xF0], [0xF0, 0x9F], [0xF0, 0x9F, 0x99], [0x80], [0xF5], [0xED, 0xA0]]


def torn_utf8(rng: np.random.Generator, length: int) -> list[int]:
    """Bytes that are UTF-8 in places: first bytes, further bytes and letters in any order, a bad one for certain."""
    likely = [0x41, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x99, 0x82, 0xED, 0xA0, 0xE0, 0xF4, 0xC0, 0xFF]
    bytes_ = [likely[i] for i in rng.integers(len(likely), size=length)]
    bytes_[int(rng.integers(length))] = 0xFF
    return bytes_


def torn_tokens(rng: np.random.Generator, text: str) -> tuple[dict[int, bytes], dict[str, int], list[int]]:
    """A text as tokens of one to six bytes, cut anywhere, with special tokens between: `(vocab, special, ids)`."""
    data = text.encode()
    ids: dict[bytes, int] = {}
    special = {"<|im_end|>": 9_000}
    sequence: list[int] = []
    start = 0
    while start < len(data):
        token = data[start : start + int(rng.integers(1, 7))]
        start += len(token)
        sequence.append(ids.setdefault(token, 300 + len(ids)))
        if start == len(data) or data[start] & 0xC0 != 0x80:
            sequence += [9_000] * (rng.random() < 0.2)
    return {number: token for token, number in ids.items()}, special, sequence
