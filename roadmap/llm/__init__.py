"""Language models behind an API: the Messages contract, a scripted server for checks, and what serves them."""

from .endpoint import Endpoint, EndpointError, connect

__all__ = ["Endpoint", "EndpointError", "connect"]
