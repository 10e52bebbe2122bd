"""Training of the adapters that the repository ships; needs the extra `train`."""
