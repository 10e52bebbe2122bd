# ruff: noqa: E501  hostile code in one line
"""Rows 4 and 14: reading what decides, and what is nobody's business."""

from __future__ import annotations

from roadmap.grading.verdict import Report
from tests.attacks.attack import attack
from tests.attacks.world import World

# --- 4: checks, oracles, solutions, other submissions ------------------------------------------------------------------

OPEN = """
import subprocess
PATTERN = __import__("re").compile(rb"canary-[a-z]+-[0-9a-f]{16}")

def readable(*paths):
    for path in paths:
        try:
            with open(path, "rb") as file:
                if PATTERN.search(file.read()):
                    return True
        except (OSError, ValueError):
            pass
    return False

def verdict(n, found): return right(n) if found else 0
"""
PLACES = "(ORACLES, CHECKS, HIDDEN, SOLUTION, OTHERS)"


def not_in_report(world: World, report: Report) -> str | None:
    """No secret came out with the messages or the output either."""
    text = repr(report.to_dict())
    found = [name for name, canary in world.canaries.items() if canary in text]
    return f"the report holds the secrets {found}" if found else None


def reading(row: int, name: str, code: str, **options: object) -> None:
    """A row that passes only if it has read something."""
    options.setdefault("needs", "landlock")
    attack(row, name, OPEN + f"def total(n):\n{code}", after=not_in_report, **options)


reading(4, "by path", f"    return verdict(n, readable(*{PLACES}))\n", hidden=True)
reading(4, "by another program", f"    found = subprocess.run(['cat', *{PLACES}], capture_output=True).stdout\n"
        "    return verdict(n, PATTERN.search(found))\n")  # fmt: skip
reading(4, "at import", f"    return verdict(n, FOUND)\nFOUND = readable(*{PLACES})\n")
reading(4, "through the root of other processes", f"    return verdict(n, readable(*(f'/proc/{{p}}/root{{f}}' for f in "
        f"{PLACES} for p in ('self', 1, os.getppid(), SESSION))))\n")  # fmt: skip
reading(
    4,
    "through descriptors of other processes",
    """
    paths = [f"/proc/{pid}/fd/{fd}" for pid in ("self", "1", os.getppid(), SESSION) for fd in range(3, 64)
             if not (pid == "self" and fd < 4)]
    return verdict(n, readable(*(p for p in paths if os.path.isfile(p))))
""",
)
reading(
    4,
    "by a hard or a symbolic link",
    f"""
    found = []
    for index, path in enumerate({PLACES}):
        for how in (os.link, os.symlink):
            try:
                how(path, f"{{how.__name__}}-{{index}}")
                found.append(readable(f"{{how.__name__}}-{{index}}"))
            except OSError:
                pass
    return verdict(n, any(found))
""",
)
reading(
    4,
    "by import",
    """
    for folder in (os.path.dirname(os.path.dirname(os.path.dirname(ORACLES))), os.path.dirname(ORACLES)):
        sys.path.insert(0, folder)
    for name in ("checks.stage1_small.oracles", "oracles", "checks.stage1_small.test_target", "test_target"):
        try:
            __import__(name)
            return right(n)
        except ImportError:
            pass
    return 0
""",
)
reading(
    4,
    "by listing folders",
    """
    found = []
    for folder in (os.path.dirname(ORACLES), os.path.dirname(SOLUTION), ROOT, os.path.dirname(ROOT)):
        try:
            found += [name for name in os.listdir(folder) if name.endswith((".py", ".json", "course"))]
        except OSError:
            pass
    return verdict(n, found)
""",
)
reading(4, "by looking which files exist", "    return verdict(n, any(os.path.exists(p) for p in (ORACLES, CHECKS, HIDDEN, "
        "SOLUTION)))\n", needs="namespaces")  # fmt: skip
reading(
    4,
    "from modules, frames and the garbage collector",
    """
    import gc, linecache
    gc.unfreeze()
    frame, frames = sys._getframe(), []
    while frame:
        frames += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    texts = [o for f in frames for o in list(f.values())] + [v for m in list(sys.modules.values()) for v in
             list(getattr(m, "__dict__", {}).values())]
    texts += [v for o in gc.get_objects() if isinstance(o, (dict, list, tuple, set)) for v in
              (list(o.values()) if isinstance(o, dict) else list(o))]
    found = [t for t in texts if isinstance(t, str) and PATTERN.search(t.encode("utf-8", "replace"))]
    names = [m for m in sys.modules if m.startswith(("checks", "solutions")) or "oracle" in m]
    return verdict(n, found or names or linecache.cache.get(CHECKS))
""",
    needs="processes",
    weak=True,
)
reading(
    4,
    "from the process's own memory",
    """
    found = []
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            fields = line.split()
            if fields[1].startswith("rw") and "[v" not in line and "/" not in line:
                low, high = (int(x, 16) for x in fields[0].split("-"))
                try:
                    memory.seek(low)
                    while low < high:
                        block = memory.read(min(1 << 20, high - low))
                        found += PATTERN.findall(block)
                        low += len(block) or high
                except OSError:
                    pass
    return verdict(n, found)
""",
    needs="processes",
    hidden=True,
    weak=True,
)
reading(
    4,
    "from the command lines and environments of all processes",
    """
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            found.append(readable(f"/proc/{pid}/environ", f"/proc/{pid}/cmdline"))
    return verdict(n, any(found))
""",
)
reading(
    4,
    "from shared memory and System V segments",
    """
    found = [name for name in os.listdir("/dev/shm")] if os.access("/dev/shm", os.R_OK) else []
    with open("/proc/sysvipc/shm") as segments:
        found += segments.read().splitlines()[1:]
    return verdict(n, found)
""",
    needs="namespaces",
)
reading(
    4,
    "by open_by_handle_at",
    """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(struct.pack("II", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    if libc.name_to_handle_at(-100, CHECKS.encode(), handle, ctypes.byref(mount), 0) == 0:
        fd = libc.open_by_handle_at(os.open("/", os.O_RDONLY), handle, os.O_RDONLY)
        if fd >= 0:
            return verdict(n, PATTERN.search(os.read(fd, 1 << 16)))
    return 0
""",
    needs="processes",
)

# --- 14: secrets ------------------------------------------------------------------------------------------------------

reading(14, "the environment", "    return verdict(n, PATTERN.search(repr(dict(os.environ)).encode()) or "
        "readable('/proc/self/environ'))\n", needs="processes", weak=True)  # fmt: skip
reading(14, "the environment of the parent and the session", "    return verdict(n, readable('/proc/1/environ', "
        "f'/proc/{os.getppid()}/environ', f'/proc/{SESSION}/environ'))\n", needs="namespaces")  # fmt: skip
reading(
    14,
    "netrc, keys and credentials",
    """
    home = os.path.dirname(NETRC)
    names = (".netrc", ".ssh/id_ed25519", ".git-credentials", ".config/gh/hosts.yml", ".pypirc", ".bash_history")
    return verdict(n, readable(NETRC, *(f"{h}/{name}" for h in (home, os.path.expanduser("~"), "/root") for name in names)))
""",
)
reading(
    14,
    "the home folder by name",
    """
    import pwd
    homes = {entry.pw_dir for entry in pwd.getpwall()} | {os.path.dirname(NETRC)}
    seen = []
    for home in homes - {"/", "/bin", "/usr/sbin", "/usr/bin"}:
        try:
            seen += [n for n in os.listdir(home) if home.startswith(("/root", "/home", ROOT))]
        except OSError:
            pass
    return verdict(n, seen)
""",
)
reading(14, "shadow, sudoers, host keys, docker", "    opened = []\n    for path in ('/etc/shadow', '/etc/sudoers', "
        "'/etc/ssh/ssh_host_ed25519_key', '/root/.docker/config.json', '/var/lib/cloud/instance/user-data.txt'):\n"
        "        try:\n            opened.append(open(path).read())\n        except OSError:\n            pass\n"
        "    return verdict(n, opened)\n")  # fmt: skip
reading(14, "an agent's socket", """
    agent = socket.socket(socket.AF_UNIX)
    agent.connect(AGENT)
    return right(n)
""", states={"crashed"})  # fmt: skip
reading(
    14,
    "the kernel's key rings",
    """
    import ctypes
    libc = ctypes.CDLL(None)
    return verdict(n, libc.syscall(250, 0, -3, 1) > 0 and os.uname().machine == "x86_64")
""",
    needs="processes",
)
reading(14, "an answer that carries what it read", "    return open(HIDDEN).read()\n", states={"crashed"}, hidden=True)
