# ruff: noqa: E501  hostile code in one line
"""Row 12: more of everything than the machine has."""

from __future__ import annotations

from tests.attacks.attack import ANY_LOSS, CRASHED, FAILED, OUT_OF_MEMORY, TIMED_OUT, attack

attack(
    12,
    "a fork bomb",
    """
    def total(n):
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """,
    states=CRASHED,
    says="more processes",
    needs="namespaces",
)
attack(
    12,
    "processes that outlive the call",
    """
    def total(n):
        for _ in range(20):
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
                os._exit(0)
        return 0
    """,
    needs="namespaces",
)
attack(
    12,
    "a thread bomb",
    """
    import threading
    def total(n):
        try:
            for _ in range(5000):
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        except (RuntimeError, MemoryError):
            pass
        return 0
    """,
    needs="namespaces",
    states=ANY_LOSS,
)
BALLOONS = {
    "bytes": "    kept = []\n    while True: kept.append(bytearray(os.urandom(1) * (8 << 20)))\n",
    "swallowing every MemoryError": "    kept = []\n    while True:\n        try:\n            kept.append(bytearray(b'x' * (8 << "
    "20)))\n        except MemoryError:\n            time.sleep(0.01)\n",
    "in a shared mapping, shared with a child": "    import mmap\n    kept = []\n    for _ in range(150):\n        m = mmap.mmap(-1,"
    " 8 << 20)\n        m.write(b'x' * (8 << 20))\n        kept.append(m)\n    if os.fork() == 0: time.sleep(60)\n    time.sleep(60)\n",
    "in children": "    kept = bytearray(b'x' * (180 << 20))\n    if os.fork() == 0: kept = bytearray(b'y' * (180 << 20))\n"
    "    if os.fork() == 0: kept = bytearray(b'z' * (180 << 20))\n    time.sleep(60)\n",
}
for name, code in BALLOONS.items():
    attack(12, f"a memory balloon: {name}", f"def total(n):\n{code}", states={OUT_OF_MEMORY, CRASHED})
attack(
    12,
    "memory that is charged to nobody: memfd, System V, a full /dev/shm",
    """
    import ctypes
    def total(n):
        libc = ctypes.CDLL(None, use_errno=True)
        got = 0
        for _ in range(100):
            try:
                fd = os.memfd_create("x")
                got += os.write(fd, b"x" * (8 << 20))
            except OSError:
                break
        got += sum(8 << 20 for _ in range(10) if libc.shmget(0, 8 << 20, 0o1600) >= 0)
        try:
            with open("/dev/shm/x", "wb") as file:
                for _ in range(100):
                    got += file.write(b"x" * (8 << 20))
        except OSError:
            pass
        return right(n) if got > 128 << 20 else 0
    """,
    needs="namespaces",
)
attack(
    12,
    "a file without end",
    """
    def total(n):
        with open("big", "wb", 0) as file:
            while True:
                file.write(b"x" * (8 << 20))
    """,
    states={CRASHED},
)
attack(
    12,
    "many files without end",
    """
    def total(n):
        for index in range(10**6):
            with open(f"big{index}", "wb", 0) as file:
                file.write(b"x" * (32 << 20))
    """,
    states={CRASHED, TIMED_OUT},
)
attack(
    12,
    "deleted files that stay open",
    """
    def total(n):
        kept = []
        for index in range(200):
            kept.append(open("big", "wb", 0))
            os.unlink("big")
            kept[-1].write(b"x" * (32 << 20))
        time.sleep(60)
    """,
    states={CRASHED, TIMED_OUT},
)
attack(
    12,
    "a million empty files",
    """
    def total(n):
        for index in range(10**6):
            os.close(os.open(f"f{index}", os.O_CREAT | os.O_WRONLY))
        time.sleep(60)
    """,
    states={CRASHED, TIMED_OUT},
)
attack(
    12,
    "every descriptor",
    """
    def total(n):
        kept = []
        try:
            while True:
                kept.append(os.pipe())
        except OSError:
            return 0 if len(kept) < 1000 else right(n)
    """,
)
attack(12, "recursion without end", "def total(n): return total(n)", states=CRASHED, says="RecursionError")
attack(
    12,
    "an answer of 300 MB",
    "import numpy as np\ndef scale(v, f): return np.zeros(300 << 20, np.uint8)",
    attacked="scale",
    states={OUT_OF_MEMORY, FAILED, CRASHED},
)
