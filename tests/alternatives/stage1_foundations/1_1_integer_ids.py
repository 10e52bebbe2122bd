# Integer ids instead of byte strings, a scan by hand for special tokens, counts kept by difference and a plain minimum
# over all pairs instead of a heap.
def pretokenize(text, special_tokens=(), *, split_digits=False):
    pieces = []

    def ordinary(start, stop):
        if not split_digits:
            pieces.extend(match.group() for match in PATTERN.finditer(text[start:stop]))
            return
        run = start
        for at in range(start, stop):
            if DIGIT.match(text[at]):
                pieces.extend(PATTERN.findall(text[run:at]))
                pieces.append(text[at])
                run = at + 1
        pieces.extend(PATTERN.findall(text[run:stop]))

    start = at = 0
    while at < len(text):
        here = [token for token in special_tokens if text.startswith(token, at)]
        if here:
            ordinary(start, at)
            pieces.append(max(here, key=len))
            at += len(pieces[-1])
            start = at
        else:
            at += 1
    ordinary(start, len(text))
    return tuple(pieces)


def train_bpe(corpus, vocab_size, special_tokens=()):
    if vocab_size - len(special_tokens) < 256:
        raise ValueError("vocab_size is too small for the bytes and the special tokens")
    vocab = [bytes([number]) for number in range(256)]
    words, times = [], []
    for piece, count in Counter(pretokenize(corpus, special_tokens)).items():
        if piece not in special_tokens:
            words.append(list(piece.encode()))
            times.append(count)

    counts, homes = {}, {}

    def note(index, sign):
        word = words[index]
        for pair in zip(word, word[1:], strict=False):
            counts[pair] = counts.get(pair, 0) + sign * times[index]
            homes.setdefault(pair, set()).add(index)
            if counts[pair] == 0:
                del counts[pair]

    for index in range(len(words)):
        note(index, +1)

    merges = []
    while counts and len(vocab) + len(special_tokens) < vocab_size:
        top = max(counts.values())
        tied = [pair for pair, count in counts.items() if count == top]
        left, right = min(tied, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        new = len(vocab)
        for index in homes.pop((left, right)):
            note(index, -1)
            out = []
            for number in words[index]:
                if out and number == right and out[-1] == left:
                    out[-1] = new
                else:
                    out.append(number)
            words[index] = out
            note(index, +1)
        merges.append((vocab[left], vocab[right]))
        vocab.append(vocab[left] + vocab[right])
    vocab.extend(token.encode("utf-8") for token in special_tokens)
    return {number: token for number, token in enumerate(vocab)}, merges
