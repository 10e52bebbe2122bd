# Merges every occurrence of the best pair in one pass, as training does; streams with the standard library's decoder.
import codecs


class Tokenizer:
    def encode(self, text):
        ids = []
        for piece in pretokenize(text, set(self.special_tokens), split_digits=self.split_digits):
            special = self.special_tokens.get(piece)
            if special is not None:
                ids.append(special)
            else:
                ids.extend(self._merge_in_passes(piece.encode("utf-8")))
        return ids

    def _merge_in_passes(self, piece):
        word = [piece[i : i + 1] for i in range(len(piece))]
        never = len(self.rank_of)
        while len(word) > 1:
            best = min(zip(word, word[1:], strict=False), key=lambda pair: self.rank_of.get(pair, never))
            if best not in self.rank_of:
                break
            left, right = best
            joined, i = [], 0
            while i < len(word):
                if word[i] == left and i + 1 < len(word) and word[i + 1] == right:
                    joined.append(left + right)
                    i += 2
                else:
                    joined.append(word[i])
                    i += 1
            word = joined
        unknown = [token for token in word if token not in self.id_of]
        if unknown:
            raise ValueError(f"no token for the bytes {unknown}")
        return [self.id_of[token] for token in word]

    def decode(self, ids):
        try:
            parts = [self.bytes_of[number] for number in ids]
        except KeyError as error:
            raise ValueError(f"unknown token id {error.args[0]}") from None
        return str(b"".join(parts), encoding="utf-8", errors="replace")


class StreamDecoder:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id):
        data = self.tokenizer.bytes_of.get(token_id)
        if data is None:
            raise ValueError(f"unknown token id {token_id}")
        return self.utf8.decode(data)

    def flush(self):
        rest = self.utf8.decode(b"", final=True)
        self.utf8.reset()
        return rest
