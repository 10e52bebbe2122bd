"""Byte-level byte-pair encoding: train a vocabulary, encode text, decode ids, stream decoded text.

Text becomes UTF-8 bytes, so 256 base tokens cover every language and nothing is ever unknown. A merge joins two
neighbouring tokens into a longer one. Training learns an ordered list of merges from a corpus; encoding replays them.

Sources: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units" (BPE);
Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (the byte level and the pattern).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

import regex

# GPT-2's pattern: English contractions, then runs of letters, of digits and of other signs, each with the one space
# before it. White space before a word leaves its last space to that word. Every character matches, so nothing is lost.
PATTERN = regex.compile(r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

DIGIT = regex.compile(r"\p{N}")


def pretokenize(text: str, special_tokens: Collection[str] = (), *, split_digits: bool = False) -> list[str]:
    """Cut `text` into the pieces that merges may not cross.

    Args:
        text: any string.
        special_tokens: strings that stay whole wherever they occur. The text is read from the left; where several
            of them start at the same place, the longest wins, in whatever order they are given.
        split_digits: isolate every number character (`\\p{N}`, so "½" and "٣" too) before `PATTERN` sees the text.
            SmolLM2 does. "a  12" gives "a", "  ", "1", "2"; without it, "a", " ", " 12".

    Returns:
        The pieces in order, without empty ones: special tokens as they are, and the text between them cut by
        `PATTERN`, each stretch on its own. Joined together they are `text` again.
    """
    raise NotImplementedError("task 1.1: pretokenize")


def train_bpe(
    corpus: str, vocab_size: int, special_tokens: Sequence[str] = ()
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learn a byte-level BPE vocabulary from `corpus`.

    Start with every piece of `pretokenize(corpus, special_tokens)` as single bytes. Then, again and again: count the
    neighbouring pairs, merge the most frequent one everywhere, add the joined bytes to the vocabulary.

    - A piece that occurs n times counts n times. Pairs never cross the border of a piece.
    - Every adjacent position counts, overlaps too: "aaa" holds the pair (a, a) twice. Merging goes from left to
      right: "aaa" becomes "aa", "a".
    - Ties: of the pairs with the highest count, the smallest one as a Python tuple of bytes, (left, right).
    - Special tokens are taken out of the corpus before counting.

    Args:
        corpus: the training text.
        vocab_size: the size to reach, in tokens: 256 single bytes, the merges and the special tokens together.
        special_tokens: distinct strings that get an id of their own and take no part in training.

    Returns:
        `(vocab, merges)`. `merges` are the pairs in the order learned. `vocab` maps id to bytes: ids 0 to 255 are the
        single bytes, then come the merged tokens in the order learned, then the special tokens in the order given, in
        UTF-8. Ids have no gap. Training stops early, with a smaller vocabulary, when no pair is left to merge.

    Raises:
        ValueError: `vocab_size` is below 256 + the number of special tokens.

    Time: counts are updated where a merge changed something, never taken again over the whole corpus. One megabyte of
    text and 2,000 merges stay under 20 seconds on one core.

    Example:
        `train_bpe("low low lower", 259)` has the merges (b"l", b"o"), (b"lo", b"w"), (b" ", b"low").
    """
    raise NotImplementedError("task 1.1: train_bpe")


class Tokenizer:
    """Text to ids and back, from a vocabulary and merges such as `train_bpe` returns or SmolLM2 ships.

    Attributes (made for you in `__init__`):
        vocab: id to bytes, as given; special tokens may be in it or not.
        merges: the pairs in the order learned.
        special_tokens: text to id.
        split_digits: whether `encode` isolates every digit, see `pretokenize`.
        bytes_of: id to bytes, special tokens included. What decoding looks up.
        id_of: bytes to id, special tokens left out. What encoding looks up.
        rank_of: pair to its place in `merges`; a lower rank merges first.
    """

    def __init__(
        self,
        vocab: dict[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: dict[str, int] | None = None,
        *,
        split_digits: bool = False,
    ) -> None:
        """Build the lookup tables; the arguments are copied and never changed."""
        self.vocab = dict(vocab)
        self.merges = [(left, right) for left, right in merges]
        self.special_tokens = dict(special_tokens or {})
        self.split_digits = split_digits

        special_ids = set(self.special_tokens.values())
        self.bytes_of = self.vocab | {number: text.encode() for text, number in self.special_tokens.items()}
        self.id_of = {token: number for number, token in self.vocab.items() if number not in special_ids}
        self.rank_of = {pair: rank for rank, pair in enumerate(self.merges)}
        self._ids_of_piece: dict[str, list[int]] = {}

    @classmethod
    def from_pretrained(cls, bpe: Any) -> Tokenizer:
        """The tokenizer of a model loaded by `roadmap.artifacts`: pass the `bpe` of what `load_weights` returns."""
        return cls(bpe.vocab, bpe.merges, bpe.special_tokens, split_digits=bpe.split_digits)

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`.

        Cut with `pretokenize`. A special token gives its own id and is never split. Every other piece becomes UTF-8
        bytes; then the neighbouring pair with the lowest rank is merged, the leftmost first among equals, until no
        neighbours form a known pair. An empty text gives an empty list.

        Raises:
            ValueError: the text needs a byte that the vocabulary lacks. SmolLM2's lacks 21, none in ordinary text.

        Time: looks pairs up by rank and never walks through the list of merges. A single piece of n bytes (10,000
        spaces, or a long word) takes about n log n steps, not n squared. Words repeat: remember the ids of a piece.
        """
        raise NotImplementedError("task 1.2: Tokenizer.encode")

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens included.

        The bytes of all tokens are joined first and decoded as UTF-8 once, because one character may be spread over
        several tokens. Bytes that are not UTF-8 become U+FFFD, as `bytes.decode(errors="replace")` does it.

        Raises:
            ValueError: an id is not in the vocabulary; the message names it.
        """
        raise NotImplementedError("task 1.2: Tokenizer.decode")

    def stream(self) -> StreamDecoder:
        """A decoder for ids that arrive one at a time."""
        return StreamDecoder(self)


class StreamDecoder:
    """Decodes ids one at a time, never showing half a character.

    What `push` returns for each id, and then `flush`, is joined together exactly `Tokenizer.decode` of all the ids,
    also where the bytes are not UTF-8.

    Attributes:
        tokenizer: whose vocabulary is used.
        pending: bytes received and not yet shown.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start with nothing pending."""
        self.tokenizer = tokenizer
        self.pending = b""

    def push(self, token_id: int) -> str:
        """The text that `token_id` makes ready, possibly "".

        Holds back only what may be the start of an unfinished UTF-8 character at the very end: three bytes at most.
        All text before it is returned at once, whatever it is: a real U+FFFD in the text does not wait either.

        Raises:
            ValueError: the id is not in the vocabulary; what is pending stays as it was.

        Source: RFC 3629: a first byte 0xxxxxxx stands alone, 110xxxxx begins two bytes, 1110xxxx three, 11110xxx
        four; each further byte is 10xxxxxx.
        """
        raise NotImplementedError("task 1.2: StreamDecoder.push")

    def flush(self) -> str:
        """The end of the text: what is still pending, as U+FFFD; "" if nothing is. The decoder is then as new."""
        raise NotImplementedError("task 1.2: StreamDecoder.flush")
