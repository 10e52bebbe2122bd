"""Embed the texts of lesson 8 with MiniLM through sentence-transformers, and write 08_safety_embeddings.npz.

In the course's root:

    python stages/stage2_prompting_tools/data/08_safety_embeddings.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from roadmap import artifacts

HERE = Path(__file__).parent
TEXTS = HERE / "08_safety_texts.jsonl"


def main() -> None:
    """Embed, round to half precision, write with the hash of the texts."""
    artifacts.go_offline()
    from sentence_transformers import SentenceTransformer

    texts = [json.loads(line)["text"] for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    model = SentenceTransformer(str(artifacts.path("all-minilm-l6-v2")), device="cpu")
    vectors = model.encode(texts, normalize_embeddings=True, batch_size=32, show_progress_bar=False)
    write(vectors)


def write(vectors: np.ndarray) -> None:
    """`vectors`: (texts, 384)."""
    digest = hashlib.sha256(TEXTS.read_bytes()).hexdigest()
    np.savez_compressed(TEXTS.with_name("08_safety_embeddings.npz"), vectors=vectors.astype(np.float16), texts=digest)


if __name__ == "__main__":
    main()
