"""Weather and share prices over HTTP, from recorded data: what the course's tools call, without a network."""

from .addresses import Addresses, connect

__all__ = ["Addresses", "connect"]
