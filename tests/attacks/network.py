"""Row 13: calling out, listening, and reaching others. (Candidates reaching one another: tests/kit/test_sockets.py.)"""

from __future__ import annotations

from tests.attacks.attack import CRASHED, attack

CALLS = {
    "TCP to the host's loopback": "socket.create_connection(('127.0.0.1', TCP_PORT), timeout=2)",
    "TCP to the internet": "socket.create_connection(('1.1.1.1', 443), timeout=2)",
    "TCP over IPv6": "socket.create_connection(('::1', TCP_PORT), timeout=2)",
    "multipath TCP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', TCP_PORT))",
    "a name": "socket.create_connection(('example.org', 443), timeout=2)",
    "an abstract Unix socket": "socket.socket(socket.AF_UNIX).connect(ABSTRACT)",
    "a Unix socket with a path": "socket.socket(socket.AF_UNIX).connect(AGENT)",
    "a vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "a packet socket": "socket.socket(17, socket.SOCK_RAW)",
    "netlink": "socket.socket(16, socket.SOCK_RAW, 0)",
}
for name, call in CALLS.items():
    attack(13, name, f"def total(n):\n    {call}\n    return right(n)\n", states=CRASHED, needs="landlock")
attack(
    13,
    "UDP to the host and to the internet",
    """
    def total(n):
        for where in (("127.0.0.1", UDP_PORT), ("1.1.1.1", 53)):
            try:
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", where)
            except OSError:
                pass
        time.sleep(0.1)
        return 0
    """,
    needs="landlock",
)
attack(
    13,
    "a listener that somebody outside could reach",
    """
    def total(n):
        server = socket.create_server(("0.0.0.0", 0))
        server.settimeout(1)
        try:
            server.accept()
        except TimeoutError:
            return 0
        return right(n)
    """,
    needs="namespaces",
)
attack(
    13,
    "io_uring instead of system calls",
    """
    import ctypes
    def total(n):
        libc = ctypes.CDLL(None)
        return right(n) if libc.syscall(425, 8, ctypes.create_string_buffer(256)) >= 0 else 0
    """,
)
