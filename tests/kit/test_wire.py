"""The wire: what travels arrives as it was, what does not add up is a WireError, and deadlines hold."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from roadmap.grading import expect, wire
from roadmap.grading.errors import WireError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
)
KEYS = (
    st.text(max_size=5).filter(str.isprintable)
    | st.integers()
    | st.booleans()
    | st.tuples(st.integers(), st.text("ab"))
)
DTYPES = [np.bool_, np.int8, np.int64, np.uint16, np.uint64, np.float16, np.float32, np.float64, np.complex64]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
PLAIN = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PLAIN)
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    """Every kind of plain data survives the journey, types included."""
    arrived = wire.decode(wire.encode(value))
    assert _types(arrived) == _types(value)
    assert expect.same(arrived, value)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return (type(value), [_types(item) for item in value])
    return (value.dtype, value.shape) if isinstance(value, np.ndarray) else type(value)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_data_or_a_wire_error(data: bytes) -> None:
    """No bytes raise anything else, and what comes out is plain."""
    try:
        value = wire.decode(data)
    except WireError:
        return
    wire.encode(value)


@settings(max_examples=200, deadline=None)
@given(PLAIN, st.data())
def test_damaged_messages_are_data_or_a_wire_error(value: Any, draw: st.DataObject) -> None:
    """A message with a byte changed, or cut short, never raises anything but WireError."""
    data = bytearray(wire.encode(value))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] = draw.draw(st.integers(0, 255))
    for damaged in (bytes(data), bytes(data[:place])):
        try:
            arrived = wire.decode(damaged)
        except WireError:
            continue
        wire.encode(arrived)


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.float32, torch.bfloat16, torch.float16, torch.complex64]
)
def test_tensors_arrive_as_tensors(dtype: torch.dtype) -> None:
    """The kind and the dtype are kept; layout and gradient are not."""
    tensor = torch.arange(6).reshape(2, 3).to(dtype).T
    arrived = wire.decode(wire.encode(tensor))
    assert type(arrived) is torch.Tensor
    assert arrived.dtype is dtype
    assert torch.equal(arrived, tensor)


def test_parameters_and_views_arrive_plain() -> None:
    """An nn.Parameter and a conjugate view are tensors like any other."""
    assert type(wire.decode(wire.encode(torch.nn.Parameter(torch.ones(2))))) is torch.Tensor
    lazy = torch.tensor([1 + 2j]).conj()
    assert torch.equal(wire.decode(wire.encode(lazy)), torch.tensor([1 - 2j]))


def test_big_endian_arrays_keep_their_values() -> None:
    """Byte order is not part of the value."""
    assert wire.decode(wire.encode(np.array([1, 2], ">i4"))).tolist() == [1, 2]


class Liar(int):
    """Says something else than it is."""

    def __int__(self) -> int:
        return 99

    def __index__(self) -> int:
        return 99


def test_subclasses_arrive_as_what_they_are() -> None:
    """The value beneath a subclass travels, not what its methods say."""
    arrived = wire.decode(wire.encode([Liar(3), np.float32(2.5), np.bool_(True), np.ma.masked_array([1.0])]))
    assert [type(v) for v in arrived] == [int, float, bool, np.ndarray]
    assert arrived[0] == 3


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, range(3), 1j, lambda: 0, np.array([None]), np.array(["a"]), torch.ones(2).to_sparse()]
)
def test_what_is_not_plain_data_is_refused(value: Any) -> None:
    """With a sentence, not with a traceback."""
    with pytest.raises(WireError):
        wire.encode(value)


def _array(*header: Any) -> bytes:
    return msgpack.packb(msgpack.ExtType(1, msgpack.packb(list(header))))


def _nested(levels: int) -> bytes:
    body = b"\xc0"
    for _ in range(levels):
        body = msgpack.packb(msgpack.ExtType(4, body))
    return body


MALFORMED = {
    "nothing": b"",
    "reserved byte": b"\xc1",
    "rest": b"\x01\x02",
    "cut": b"\x92\x01",
    "unknown extension": msgpack.packb(msgpack.ExtType(99, b"")),
    "callback outside a call": msgpack.packb(msgpack.ExtType(3, b"0")),
    "not UTF-8": b"\xa1\xff",
    "unhashable key": b"\x81\x90\x01",
    "tensor as key": b"\x81" + wire.encode(torch.ones(1)) + b"\xc0",
    "array without header": _array(1, 2),
    "unknown kind": _array("jax", "int8", [1], b"x"),
    "unknown dtype": _array("numpy", "object", [1], b"x" * 8),
    "dtype no text": _array("numpy", ["int8"], [1], b"x"),
    "too few bytes": _array("numpy", "int64", [2], b"x" * 8),
    "too many bytes": _array("numpy", "int8", [2], b"xxx"),
    "negative": _array("numpy", "int8", [-1, -1], b"x"),
    "huge and empty": _array("numpy", "int8", [2**40, 0], b""),
    "large and empty": _array("torch", "int8", [2**31 - 1, 0], b""),
    "dimension no integer": _array("numpy", "int8", [1.0], b"x"),
    "dimension a bool": _array("numpy", "int8", [True], b"x"),
    "too many dimensions": _array("numpy", "int8", [1] * 9, b"x"),
    "lists too deep": b"\x91" * 100 + b"\xc0",
    "extensions too deep": _nested(100),
    "extensions that would exhaust the stack": _nested(3000),
    "too many items": b"\xdd" + struct.pack("!I", 5_000_000) + b"\xc0" * 5_000_000,
    "too many dictionaries": (b"\xdc\xff\xff" + b"\x80" * 65535) * 1,
    "long integer": msgpack.packb(msgpack.ExtType(2, b"f" * 3999)),
    "no integer": msgpack.packb(msgpack.ExtType(2, b"0x")),
}


@pytest.mark.parametrize("name", [name for name in MALFORMED if name != "too many dictionaries"])
def test_malformed_messages_are_refused(name: str) -> None:
    """Each is a WireError."""
    with pytest.raises(WireError):
        wire.decode(MALFORMED[name])


def test_items_are_counted_where_they_are_built() -> None:
    """Empty dictionaries cost one byte to send and 64 to hold: they count."""
    parts = b"\x9a" + b"".join(b"\xdd" + struct.pack("!I", 500_000) + b"\x80" * 500_000 for _ in range(10))
    with pytest.raises(WireError, match="items"):
        wire.decode(parts)


def test_times_become_numbers() -> None:
    """msgpack's own type for times never comes out."""
    assert type(wire.decode(msgpack.packb(msgpack.Timestamp(5)))) is float


def test_bools_are_zero_or_one() -> None:
    """Any other byte in an array of bools would compare oddly."""
    value = wire.decode(_array("numpy", "bool", [3], b"\x00\x02\xff"))
    assert value.view("uint8").tolist() == [0, 1, 1]


# --- frames -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Any:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_frames_arrive_whole(pair: Any) -> None:
    """Also when they are larger than the socket's buffer."""
    data = os.urandom(1 << 20)
    sender = threading.Thread(target=wire.send, args=(pair[0], data))
    sender.start()
    assert wire.receive(pair[1], time.monotonic() + 10) == data
    sender.join()


def test_a_byte_drip_does_not_move_the_deadline(pair: Any) -> None:
    """The deadline is absolute, however often a byte arrives."""
    stop = threading.Event()

    def drip() -> None:
        pair[0].sendall(struct.pack("!I", 1000))
        while not stop.wait(0.05):
            pair[0].sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    started = time.monotonic()
    with pytest.raises(wire.Timeout):
        wire.receive(pair[1], started + 0.4)
    assert time.monotonic() - started < 2.0
    stop.set()
    thread.join()


def test_a_reader_that_does_not_read_does_not_move_the_deadline(pair: Any) -> None:
    """Sending has a deadline, too."""
    with pytest.raises(wire.Timeout):
        wire.send(pair[0], bytes(16 << 20), deadline=time.monotonic() + 0.3)


def test_a_closed_line_is_closed(pair: Any) -> None:
    """At the start of a frame, in the middle of one, and while sending."""
    pair[0].sendall(struct.pack("!I", 10) + b"abc")
    pair[0].close()
    with pytest.raises(wire.Closed):
        wire.receive(pair[1], time.monotonic() + 5)
    with pytest.raises(wire.Closed):
        wire.send(pair[1], bytes(1 << 20))


def test_frames_of_impossible_size_are_refused(pair: Any) -> None:
    """Before anything is read or kept."""
    pair[0].sendall(b"\xff\xff\xff\xff")
    with pytest.raises(WireError):
        wire.receive(pair[1], time.monotonic() + 5)


def test_descriptors_arrive_only_where_they_are_wanted(pair: Any) -> None:
    """receive_with_fds passes them on, not inheritable; receive never sees them."""
    with open(os.devnull) as null:
        wire.send(pair[0], b"1", (null.fileno(),))
        data, fds = wire.receive_with_fds(pair[1], time.monotonic() + 5)
        assert data == b"1"
        assert not os.get_inheritable(fds[0])
        os.close(fds[0])
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            wire.send(pair[0], b"2", (null.fileno(),) * 4)
            assert wire.receive(pair[1], time.monotonic() + 5) == b"2"
        assert len(os.listdir("/proc/self/fd")) == before
