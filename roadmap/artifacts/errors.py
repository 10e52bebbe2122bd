"""What can go wrong with an artifact. Every message is two sentences: what happened, and what to do."""


class ArtifactError(Exception):
    """An artifact cannot be had; the message says why and what to do."""


class UnknownArtifact(ArtifactError):
    """The name is not in the registry."""


class ArtifactMissing(ArtifactError):
    """The artifact is not in the cache, or what is there must not be used."""


class ArtifactDamaged(ArtifactMissing):
    """The artifact in the cache is not the one that was fetched: cut short, changed or half written."""


class ArtifactBusy(ArtifactError):
    """Another process works on the artifact."""


class FetchFailed(ArtifactError):
    """The artifact could not be brought into the cache."""
