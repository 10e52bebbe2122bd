"""Plain data between the judge and a candidate: length-prefixed msgpack, never pickle.

What travels: None, bool, int, float, str, bytes, list, tuple, dict and arrays (NumPy or torch). Subclasses arrive as
their plain base, so an object that lies about itself (`__eq__`, `__float__`, `__array__`) cannot cross.
Everything that is read is checked before it is believed: frame size, depth, dtype, shape against the number of bytes.
"""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np

from .errors import WireError

MAX_FRAME = 256 * 1024 * 1024
MAX_DEPTH = 64
MAX_DIMENSIONS = 8
MAX_ITEMS = 4_000_000  # of lists and dicts together; numbers in bulk travel as arrays
_LONGEST_EMPTY = 1 << 20  # a dimension of an array without values: code that loops over it must come to an end
_LONGEST_INT = 3500  # hexadecimal digits: Python refuses to print more than 4300 decimal ones
_HEADER = struct.Struct("!I")
_ARRAY, _BIG_INT, _CALLBACK, _TUPLE, _PAIRS = 1, 2, 3, 4, 5
_NUMPY_DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()
)
_TORCH_DTYPES = (_NUMPY_DTYPES - {"uint16", "uint32", "uint64"}) | {"bfloat16"}
_FITS = range(-(2**63), 2**64)
_KEYS = frozenset({str, int, float, bool, bytes, tuple, type(None)})
_CONTAINERS = frozenset({list, tuple, dict})


class Timeout(Exception):
    """Nothing complete arrived before the deadline."""


class Closed(Exception):
    """The other side closed the connection."""


# --- encoding -------------------------------------------------------------------------------------------------------


def encode(value: Any, on_callable: Callable[[Callable[..., Any]], int] | None = None) -> bytes:
    """Turn plain data into bytes. `on_callable` registers a function and returns its number (the judge's callbacks).

    Raises WireError, with a sentence about the first thing that is not plain data.
    """
    try:
        return msgpack.packb(_plain(value, 0, on_callable), use_bin_type=True)
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WireError(f"the data cannot be sent: {error}") from None


def _plain(value: Any, depth: int, on_callable: Callable[[Callable[..., Any]], int] | None) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is bytes:
        return value
    if kind is str:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not value.isascii() else value
    if kind is int:
        return value if value in _FITS else _plain_big_int(value)
    if depth > MAX_DEPTH:
        raise WireError(f"the data is nested more than {MAX_DEPTH} levels deep")
    depth += 1
    if kind is list:
        return [_plain(item, depth, on_callable) for item in value]
    if kind is tuple:
        items = [_plain(item, depth, on_callable) for item in value]
        return msgpack.ExtType(_TUPLE, msgpack.packb(items, use_bin_type=True))
    if kind is dict:
        return _plain_dict(value, depth, on_callable)
    if isinstance(value, np.ndarray):
        return _plain_array(np.ndarray.view(value, np.ndarray))
    if isinstance(value, np.generic):
        return _plain(value.item(), depth, on_callable)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _plain_tensor(torch, value)
    # Subclasses: read through the base class, whose methods the object cannot override.
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return _plain(int.__int__(value), depth, on_callable)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return _plain(str.__str__(value), depth, on_callable)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(memoryview(value))
    if isinstance(value, list):
        return [_plain(item, depth, on_callable) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return _plain(tuple(tuple.__iter__(value)), depth, on_callable)
    if isinstance(value, dict):
        return _plain_dict(dict(dict.items(value)), depth, on_callable)
    if on_callable is not None and callable(value):
        return msgpack.ExtType(_CALLBACK, str(on_callable(value)).encode())
    raise WireError(
        f"a {kind.__name__} is not plain data (None, bool, int, float, str, bytes, list, tuple, dict, array or tensor)"
    )


def _plain_big_int(value: int) -> msgpack.ExtType:
    digits = hex(value).encode()
    if len(digits) > _LONGEST_INT:
        raise WireError(f"an integer of more than {_LONGEST_INT} hexadecimal digits cannot be sent")
    return msgpack.ExtType(_BIG_INT, digits)


def _plain_dict(value: dict[Any, Any], depth: int, on_callable: Callable[[Callable[..., Any]], int] | None) -> Any:
    if all(type(key) is str for key in value):
        return {key: _plain(item, depth, on_callable) for key, item in value.items()}
    pairs = [[_plain(key, depth, None), _plain(item, depth, on_callable)] for key, item in value.items()]
    return msgpack.ExtType(_PAIRS, msgpack.packb(pairs, use_bin_type=True))


def _plain_array(value: np.ndarray) -> msgpack.ExtType:
    if value.dtype.name not in _NUMPY_DTYPES:
        raise WireError(f"an array of dtype {value.dtype} cannot be sent")
    body = value.astype(value.dtype.newbyteorder("="), copy=False).tobytes()
    header = ["numpy", value.dtype.name, list(value.shape), body]
    return msgpack.ExtType(_ARRAY, msgpack.packb(header, use_bin_type=True))


def _plain_tensor(torch: Any, value: Any) -> msgpack.ExtType:
    with torch._C.DisableTorchFunctionSubclass():
        layout, device = torch.Tensor.layout.__get__(value), torch.Tensor.device.__get__(value)
        if layout != torch.strided or device.type != "cpu":
            raise WireError(f"a tensor on {device} with layout {layout} cannot be sent; return a dense CPU tensor")
        tensor = torch.Tensor.as_subclass(torch.Tensor.detach(value), torch.Tensor)
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _TORCH_DTYPES:
        raise WireError(f"a tensor of dtype {name} cannot be sent")
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    body = (tensor.view(torch.int16) if name == "bfloat16" else tensor).numpy().tobytes()
    return msgpack.ExtType(_ARRAY, msgpack.packb(["torch", name, list(tensor.shape), body], use_bin_type=True))


# --- decoding -------------------------------------------------------------------------------------------------------


def decode(
    data: bytes, *, tuples_as_lists: bool = False, callback: Callable[[int], Callable[..., Any]] | None = None
) -> Any:
    """Turn bytes into exact builtin types and arrays. Raises WireError for anything that does not add up."""

    items = depth = 0

    def unpack(body: bytes) -> Any:
        # An extension inside an extension costs stack, which a process does not survive running out of.
        nonlocal depth
        if depth > MAX_DEPTH:
            raise WireError(f"a message nested more than {MAX_DEPTH} levels deep")
        depth += 1
        most = min(MAX_ITEMS, len(body))
        value = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            timestamp=1,  # msgpack's own type for times is no plain data: it becomes a float
            ext_hook=extension,
            list_hook=counted,
            object_hook=counted,
            max_array_len=most,
            max_map_len=most,
            max_ext_len=MAX_FRAME,
            max_bin_len=MAX_FRAME,
        )
        depth -= 1
        return value

    def counted(container: Any) -> Any:
        # One byte of a frame can become an empty dict of 64 bytes: what counts is what is built, not what is sent.
        nonlocal items
        items += len(container) + 1
        if items > MAX_ITEMS:
            raise WireError(f"a message of more than {MAX_ITEMS} items")
        return container

    def extension(code: int, body: bytes) -> Any:
        if code == _ARRAY:
            return _array(msgpack.unpackb(body, raw=False))
        if code == _BIG_INT and len(body) <= _LONGEST_INT:
            return int(body, 16)
        if code == _TUPLE:
            items = unpack(body)
            return items if tuples_as_lists else tuple(items)
        if code == _PAIRS:
            return {_hashable(key): item for key, item in unpack(body)}
        if code == _CALLBACK and callback is not None:
            return callback(int(body))
        raise WireError(f"unknown extension {code}")

    try:
        value = unpack(data)
        _check_containers(value)
        return value
    except WireError:
        raise
    except Exception as error:  # msgpack, struct, unicode, recursion: all mean the same here
        raise WireError(f"not a message: {type(error).__name__}: {error}") from None


def _check_containers(value: Any) -> None:
    """Refuse depth and dictionary keys that no encoder here would have sent."""
    level = [value]
    for _ in range(MAX_DEPTH + 2):
        inner: list[Any] = []
        for item in level:
            if type(item) is dict:
                if not all(type(key) in _KEYS for key in item):
                    raise WireError("a dictionary key that is not plain")
                inner.extend(item.values())
            elif type(item) is list or type(item) is tuple:
                inner.extend(item)
        level = [item for item in inner if type(item) in _CONTAINERS]
        if not level:
            return
    raise WireError(f"a message nested more than {MAX_DEPTH} levels deep")


def _hashable(key: Any) -> Any:
    return tuple(_hashable(item) for item in key) if isinstance(key, list | tuple) else key


def _array(header: Any) -> Any:
    if not (isinstance(header, list) and len(header) == 4):
        raise WireError("an array without its header")
    kind, dtype, shape, body = header
    allowed = {"numpy": _NUMPY_DTYPES, "torch": _TORCH_DTYPES}.get(kind if isinstance(kind, str) else "", frozenset())
    if dtype not in allowed or not isinstance(body, bytes) or not isinstance(shape, list):
        raise WireError(f"an array of unknown kind or dtype: {kind!r}, {dtype!r}")
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise WireError(f"an array of impossible shape: {shape!r:.200}")
    stored = np.dtype("int16" if dtype == "bfloat16" else dtype)
    count = 1
    for n in shape:
        count *= n
    if count * stored.itemsize != len(body):
        raise WireError(f"an array whose shape {shape!r:.200} and {len(body)} bytes disagree")
    if not count and max(shape) > _LONGEST_EMPTY:
        raise WireError(f"an array of impossible shape: {shape!r:.200}")
    value = np.frombuffer(bytearray(body), dtype=stored).reshape(shape)
    if dtype == "bool":
        value = np.asarray(value.view("uint8") != 0)  # any other byte than 0 and 1 would compare oddly
    if kind == "numpy":
        return value
    import torch

    tensor = torch.from_numpy(value)
    return tensor.view(torch.bfloat16) if dtype == "bfloat16" else tensor


# --- frames on a socket ---------------------------------------------------------------------------------------------


def send(sock: socket.socket, data: bytes, fds: tuple[int, ...] = (), deadline: float | None = None) -> None:
    """Send one frame, with file descriptors beside it where `fds` has some. `deadline` is a time.monotonic() value."""
    if len(data) > MAX_FRAME:
        raise WireError(f"a message of {len(data)} bytes is larger than {MAX_FRAME}")
    buffer = memoryview(_HEADER.pack(len(data)) + data)
    try:
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            buffer = buffer[sock.sendmsg([buffer], rights) :]
        while buffer:
            if deadline is not None:
                _wait(sock, deadline, write=True)
                buffer = buffer[sock.send(buffer, socket.MSG_DONTWAIT) :]
            else:
                buffer = buffer[sock.send(buffer) :]
    except (BrokenPipeError, ConnectionResetError):
        raise Closed from None


def receive(sock: socket.socket, deadline: float | None = None) -> bytes:
    """Receive one frame. The deadline is absolute: bytes that drip in do not move it.

    File descriptors that come with it are closed by the kernel: a stranger must not fill this process's table.
    """
    return _frame(sock, deadline, None)


def receive_with_fds(sock: socket.socket, deadline: float | None = None) -> tuple[bytes, list[int]]:
    """Receive one frame and the file descriptors that came with it."""
    fds: list[int] = []
    return _frame(sock, deadline, fds), fds


def _frame(sock: socket.socket, deadline: float | None, fds: list[int] | None) -> bytes:
    (size,) = _HEADER.unpack(_read(sock, _HEADER.size, deadline, fds))
    if size > MAX_FRAME:
        raise WireError(f"a message of {size} bytes is larger than {MAX_FRAME}")
    return _read(sock, size, deadline, fds)


def _read(sock: socket.socket, size: int, deadline: float | None, fds: list[int] | None) -> bytes:
    chunks = bytearray()
    while len(chunks) < size:
        if deadline is not None:
            _wait(sock, deadline, write=False)
        wanted = min(size - len(chunks), 1 << 20)
        try:
            chunk, ancillary, _, _ = sock.recvmsg(wanted, 0 if fds is None else socket.CMSG_SPACE(8 * 4))
        except ConnectionResetError:
            raise Closed from None
        if fds is not None:
            fds.extend(_descriptors(ancillary))
        if not chunk:
            raise Closed
        chunks += chunk
    return bytes(chunks)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> Iterator[int]:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
            for number in numbers:
                os.set_inheritable(number, False)
                yield number


def _wait(sock: socket.socket, deadline: float, *, write: bool) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise Timeout
    poller = select.poll()  # select() fails on descriptors above 1023
    poller.register(sock, select.POLLOUT if write else select.POLLIN)
    if not poller.poll(remaining * 1000):
        raise Timeout
