"""Rows 1, 7, 11 and 18: ending the process, ending the test, never ending, and ending others."""

from __future__ import annotations

from tests.attacks.attack import ANY_LOSS, CRASHED, FAILED, NOT_IMPLEMENTED, OUT_OF_MEMORY, TIMED_OUT, attack

# --- 1: the process ends ----------------------------------------------------------------------------------------------

attack(1, "os._exit(0) at import", "os._exit(0)", attacked="both", states=CRASHED, says="exit code 0", weak=True)
attack(
    1, "os._exit(0) in a graded function", "def total(n): os._exit(0)", states=CRASHED, says="exit code 0", weak=True
)
attack(1, "sys.exit(0) at import", "sys.exit(0)", attacked="both", states=CRASHED, says="SystemExit")
attack(1, "os.abort()", "def total(n): os.abort()", states=CRASHED, says="SIGABRT")
attack(1, "a null pointer", "def total(n): __import__('ctypes').string_at(0)", states=CRASHED, says="SIGSEGV")
attack(1, "exec of another program", "def total(n): os.execv('/bin/true', ['true'])", states=CRASHED)
attack(
    1,
    "os._exit(0) from a thread while the answer is on its way",
    """
    import threading
    def total(n):
        threading.Timer(0.05, os._exit, (0,)).start()
        time.sleep(1)
    """,
    states=CRASHED,
)
attack(1, "a forged 'passed', then the end", "def total(n): forge(msgpack.packb('passed'))", says="'passed'", weak=True)
attack(
    1,
    "a forged 'done' on the wire, then the end",
    "def total(n): put(msgpack.packb({'event': 'done', 'value': 0})); os._exit(0)",
    says="another question",
)

# --- 7: the test ends -------------------------------------------------------------------------------------------------

for expression, state, words, weak in (
    ("__import__('pytest').skip('later')", CRASHED, "Skipped", True),
    ("__import__('pytest').exit('over', 0)", CRASHED, "Exit", False),
    ("__import__('pytest').xfail('known')", CRASHED, "XFailed", False),
    ("raise_(__import__('unittest').SkipTest('later'))", CRASHED, "SkipTest", False),
    ("raise_(SystemExit(0))", CRASHED, "SystemExit", True),
    ("raise_(KeyboardInterrupt())", CRASHED, "KeyboardInterrupt", True),
    ("raise_(GeneratorExit())", CRASHED, "GeneratorExit", False),
    ("raise_(StopIteration(right(n)))", CRASHED, "StopIteration", False),
    ("raise_(NotImplementedError())", NOT_IMPLEMENTED, "Not written yet", False),
    ("raise_(MemoryError())", OUT_OF_MEMORY, "MB of memory", False),
    ("raise_(__import__('roadmap.grading.errors').grading.errors.CheckFailed('fine'))", CRASHED, "fine", False),
    ("raise_(type('Passed', (BaseException,), {})())", CRASHED, "Passed", False),
    ("raise_(type('E', (Exception,), {'__str__': lambda self: os._exit(0)})())", CRASHED, "exit code 0", False),
    ("raise_(type('E', (Exception,), {'__str__': lambda self: 1})())", CRASHED, "E", False),
    ("raise_(ExceptionGroup('g', [ValueError('inner')]))", CRASHED, "ExceptionGroup", False),
):
    attack(
        7,
        f"{expression.removeprefix('raise_')} from graded code",
        f"def raise_(error):\n    raise error\n\n\ndef total(n):\n    return {expression}\n",
        states=state,
        says=words,
        weak=weak,
    )

# --- 11: no end -------------------------------------------------------------------------------------------------------

attack(
    11,
    "an endless loop that swallows every exception",
    """
    import signal
    def total(n):
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    """,
    states=TIMED_OUT,
    says="No answer within",
    weak=True,
)
attack(11, "a loop in C", "def total(n): return sum(1 for _ in iter(int, 1)) or max(iter(int, 1))", states=TIMED_OUT)
attack(11, "a sleep", "def total(n): time.sleep(1e6)", states=TIMED_OUT, weak=True)
attack(
    11,
    "a deadlock with blocked signals",
    """
    import signal, threading
    def total(n):
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    """,
    states=TIMED_OUT,
)
attack(11, "a process that stops itself", "def total(n): os.kill(os.getpid(), 19); time.sleep(60)", states=TIMED_OUT)
attack(
    11,
    "an answer that arrives one byte at a time",
    """
    def total(n):
        wire = socket.socket(fileno=os.dup(3))
        wire.sendall(struct.pack("!I", 1000))
        while True:
            time.sleep(0.5)
            wire.sendall(b"x")
    """,
    states=TIMED_OUT,
)
attack(
    11,
    "an object that never finishes being read",
    """
    class Endless(list):
        def __iter__(self):
            while True:
                yield 1
        def __len__(self):
            return 2**62
    def total(n): return Endless()
    """,
    says="got []",
)

# --- 18: others end ---------------------------------------------------------------------------------------------------

attack(18, "kill(-1, SIGKILL)", "def total(n): os.kill(-1, 9); return 0", needs="namespaces", states={FAILED, CRASHED})
attack(
    18,
    "kill of the parent, the neighbour and the session",
    """
    def total(n):
        hit = 0
        for pid in (os.getppid(), 1, NEIGHBOUR, SESSION):
            try:
                os.kill(pid, 9)
                hit += 1
            except OSError:
                pass
        time.sleep(0.1)
        return right(n) if hit > 2 else 0
    """,
    needs="landlock",
)
attack(
    18,
    "SIGKILL to every process number",
    """
    def total(n):
        for pid in range(2, 5000):
            if pid != os.getpid():
                try:
                    os.kill(pid, 9)
                except OSError:
                    pass
        return 0
    """,
    needs="namespaces",
)
attack(
    18,
    "ptrace and process_vm_readv of the parent and the neighbour",
    """
    import ctypes
    def total(n):
        libc = ctypes.CDLL(None)
        for pid in (os.getppid(), 1, NEIGHBOUR):
            if libc.ptrace(16, pid, 0, 0) == 0:
                return right(n)
            buffer = ctypes.create_string_buffer(8)
            vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
            if libc.process_vm_readv(pid, vector, 1, vector, 1, 0) > 0:
                return right(n)
        return 0
    """,
    needs="landlock",
)
attack(
    18,
    "writing into the memory of process 1",
    """
    def total(n):
        for name in ("/proc/1/mem", f"/proc/{os.getppid()}/mem", "/proc/self/mem"):
            try:
                open(name, "r+b")
                return right(n)
            except OSError:
                pass
        return 0
    """,
    needs="landlock",
)
attack(
    18,
    "stopping the init process and lowering its limits",
    """
    import resource, signal
    def total(n):
        for which in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
            try:
                resource.prlimit(os.getppid(), which, (0, 0))
            except (OSError, ValueError):
                pass
        try:
            os.kill(os.getppid(), signal.SIGSTOP)
        except OSError:
            pass
        return 0
    """,
    needs="namespaces",
    states=ANY_LOSS,
)
