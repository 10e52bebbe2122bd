# One long list of tokens with links between positions, as for a corpus that is not cut into distinct words: every merge
# visits the places where its pair stands. The heap holds all pairs with the order built into the entries.
from itertools import chain


def pretokenize(text, special_tokens=(), *, split_digits=False):
    alternatives = [regex.escape(token) for token in sorted(special_tokens, key=lambda token: -len(token))]
    special = regex.compile("|".join(alternatives)) if alternatives else None
    pieces, start = [], 0
    spans = [match.span() for match in special.finditer(text)] if special else []
    for begin, end in chain(spans, [(len(text), len(text))]):
        stretch = text[start:begin]
        parts = regex.findall(r"\p{N}|\P{N}+", stretch) if split_digits else [stretch]
        pieces += [piece for part in parts for piece in PATTERN.findall(part)]
        if end > begin:
            pieces.append(text[begin:end])
        start = end
    return pieces


def train_bpe(corpus, vocab_size, special_tokens=()):
    wanted = vocab_size - 256 - len(special_tokens)
    if wanted < 0:
        raise ValueError(f"at least {256 + len(special_tokens)} tokens are needed")
    excluded = set(special_tokens)
    tokens, weights = [], []
    for piece, count in Counter(p for p in pretokenize(corpus, special_tokens) if p not in excluded).items():
        tokens += [bytes([byte]) for byte in piece.encode("utf-8")] + [None]
        weights += [count] * (len(piece.encode("utf-8")) + 1)
    after = list(range(1, len(tokens) + 1))
    before = list(range(-1, len(tokens) - 1))

    counts, places = Counter(), defaultdict(set)

    def pair_at(i):
        if i < 0 or i >= len(tokens) or tokens[i] is None or tokens[after[i]] is None:
            return None
        return tokens[i], tokens[after[i]]

    touched = set()

    def change(i, sign):
        pair = pair_at(i)
        if pair is not None:
            counts[pair] += sign * weights[i]
            (places[pair].add if sign > 0 else places[pair].discard)(i)
            touched.add(pair)

    for i in range(len(tokens)):
        change(i, +1)
    heap = [(-counts[pair], *pair) for pair in counts]
    heapq.heapify(heap)

    merges = []
    while heap and len(merges) < wanted:
        negative, left, right = heapq.heappop(heap)
        pair = (left, right)
        if counts[pair] != -negative or negative == 0:
            continue
        merges.append(pair)
        touched.clear()
        for i in sorted(places[pair]):
            if pair_at(i) != pair:
                continue  # its left token went into the merge before it
            j = after[i]
            for place in (before[i], i, j):
                change(place, -1)
            tokens[i] = left + right
            tokens[j] = None
            after[i] = after[j]
            before[after[j]] = i
            for place in (before[i], i):
                change(place, +1)
        for changed in touched:
            if counts[changed] > 0:
                heapq.heappush(heap, (-counts[changed], *changed))
    vocab = {number: bytes([number]) for number in range(256)}
    for left, right in merges:
        vocab[len(vocab)] = left + right
    for token in special_tokens:
        vocab[len(vocab)] = token.encode()
    return vocab, [list(pair) for pair in merges]
