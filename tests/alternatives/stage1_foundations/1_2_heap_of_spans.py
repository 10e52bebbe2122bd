# A heap of (rank, start, middle, end) spans instead of a linked list of tokens; the streaming decoder asks Python where
# valid UTF-8 ends.
from functools import lru_cache


class Tokenizer:
    def encode(self, text):
        if not hasattr(self, "cut"):
            self.cut = lru_cache(maxsize=10_000)(self._cut)
        ids = []
        for piece in pretokenize(text, list(self.special_tokens), split_digits=self.split_digits):
            ids.extend([self.special_tokens[piece]] if piece in self.special_tokens else self.cut(piece.encode()))
        return ids

    def _cut(self, data):
        end_of = {start: start + 1 for start in range(len(data))}
        start_of = {start + 1: start for start in range(len(data))}
        heap = []

        def consider(start, middle):
            end = end_of.get(middle)
            if start is not None and end is not None:
                rank = self.rank_of.get((data[start:middle], data[middle:end]))
                if rank is not None:
                    heapq.heappush(heap, (rank, start, middle, end))

        for middle in range(1, len(data)):
            consider(middle - 1, middle)
        while heap:
            _, start, middle, end = heapq.heappop(heap)
            if end_of.get(start) != middle or end_of.get(middle) != end:
                continue
            del end_of[middle], start_of[middle]
            end_of[start], start_of[end] = end, start
            consider(start_of.get(start), start)
            consider(start, end)
        ids = []
        for start in sorted(end_of):
            token = data[start : end_of[start]]
            if token not in self.id_of:
                raise ValueError(f"the vocabulary has no token {token!r}")
            ids.append(self.id_of[token])
        return tuple(ids) if not ids else ids

    def decode(self, ids):
        data = b""
        for number in ids:
            if number in self.bytes_of:
                data += self.bytes_of[number]
            else:
                raise ValueError(f"token id {number} does not exist")
        text = ""
        while data:
            try:
                return text + data.decode("utf-8")
            except UnicodeDecodeError as error:
                text += data[: error.start].decode("utf-8") + "\N{REPLACEMENT CHARACTER}"
                data = data[error.end :]
        return text


class StreamDecoder:
    def push(self, token_id):
        if token_id not in self.tokenizer.bytes_of:
            raise ValueError(f"token id {token_id} does not exist")
        self.pending += self.tokenizer.bytes_of[token_id]
        text = ""
        while self.pending:
            try:
                text += self.pending.decode("utf-8")
                self.pending = b""
            except UnicodeDecodeError as error:
                text += self.pending[: error.start].decode("utf-8")
                if error.reason == "unexpected end of data":
                    self.pending = self.pending[error.start :]
                    break
                text += "\ufffd"
                self.pending = self.pending[error.end :]
        return text

    def flush(self):
        rest = "\ufffd" if self.pending else ""
        self.pending = b""
        return rest
