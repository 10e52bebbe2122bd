# ruff: noqa: E501  hostile code in one line
"""Rows 2, 10 and 15: answers that lie, answers that are code, answers that were known before."""

from __future__ import annotations

from tests.attacks.attack import ANY_LOSS, CRASHED, FAILED, OUT_OF_MEMORY, attack

# --- 2: objects that agree with everything ----------------------------------------------------------------------------

AGREE = """
import numpy as np

class Agree:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 1
    def __float__(self): return 1.0
    def __int__(self): return 1
    def __index__(self): return 1
    def __iter__(self): return iter([1])
    def __getitem__(self, key): return self
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __array__(self, *args, **kwargs): return np.ones((3, 4))
    def __array_ufunc__(self, *args, **kwargs): return np.ones((3, 4), bool)
"""

attack(2, "__eq__ and friends that always agree", AGREE + "def total(n): return Agree()", says="plain data", weak=True)
attack(
    2, "__array__ that always agrees", AGREE + "def scale(v, f): return Agree()", attacked="scale", says="plain data"
)
for kind, made in (
    ("int", "(3)"), ("float", "(3.0)"), ("str", "('3')"), ("bytes", "(b'3')"), ("list", "([3])"),
    ("dict", "({3: 3})"), ("tuple", "((3,))"),
):  # fmt: skip
    attack(
        2,
        f"a subclass of {kind} that agrees",
        AGREE + f"class Liar(Agree, {kind}): pass\ndef total(n): return Liar{made}",
        says="got ",
        weak=kind == "float",
    )
attack(
    2,
    "a subclass of Tensor that agrees",
    """
    import torch
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None): return True
        def numpy(self): return self
        def __eq__(self, other): return True
    def scale(v, f): return torch.zeros(3, 4).as_subclass(Liar)
    """,
    attacked="scale",
    says="differ",
)
attack(
    2,
    "a subclass of ndarray that agrees",
    """
    import numpy as np
    class Liar(np.ndarray):
        def __array_finalize__(self, obj): pass
        def __array_ufunc__(self, *args, **kwargs): return True
        def __eq__(self, other): return True
        def astype(self, *args, **kwargs): return np.ones((3, 4))
    def scale(v, f): return np.zeros((3, 4)).view(Liar)
    """,
    attacked="scale",
    says="differ",
)
attack(2, "a mock", "from unittest.mock import MagicMock\ndef total(n): return MagicMock()", says="plain data")
attack(
    2,
    "__class__ says int",
    "class Liar:\n    __class__ = int\n    def __int__(self): return 1\ndef total(n): return Liar()",
    states=ANY_LOSS,
)
attack(2, "NaN everywhere", "import numpy as np\ndef scale(v, f): return np.full((3, 4), np.nan)", attacked="scale")
attack(
    2, "infinity everywhere", "import numpy as np\ndef scale(v, f): return np.full((3, 4), np.inf)", attacked="scale"
)
attack(2, "an array of objects", "import numpy as np\ndef scale(v, f): return np.array([v], object)", attacked="scale")
attack(2, "a masked array", "import numpy as np\ndef scale(v, f): return np.ma.masked_all((3, 4))", attacked="scale")
attack(
    2,
    "an array that broadcasts",
    "import numpy as np\ndef scale(v, f): return (v * f)[:1]",
    attacked="scale",
    says="expected shape (3, 4), got shape (1, 4)".capitalize(),
)
attack(2, "no rows at all", "def scale(v, f): return v[:0]", attacked="scale", says="got shape (0, 4)")
attack(
    2,
    "two billion empty rows",
    "import numpy as np\ndef total(n): return np.zeros((2**31 - 1, 0))",
    says="impossible shape",
)
attack(2, "a generator", "def total(n): return (right(n) for _ in range(1))", says="plain data")
attack(2, "True for a number", "def total(n): return True")
attack(2, "the right number as text", "def total(n): return str(right(n))")
attack(2, "the right number as a float", "def total(n): return float(right(n))")
attack(
    2,
    "one long string that NumPy would pad",
    "def scale(v, f): return ['a' * 100_000] + [''] * 100_000",
    attacked="scale",
    says="Expected numbers of shape (3, 4)",
)
attack(
    2,
    "lists a thousand deep",
    "def total(n):\n    a = []\n    for _ in range(1000): a = [a]\n    return a",
    says="nested",
)
attack(2, "a list that holds itself", "def total(n):\n    a = []\n    a.append(a)\n    return a", says="nested")
attack(2, "a number of 10,000 digits", "def total(n): return 10**10_000", says="cannot be sent")
attack(2, "odd dictionary keys", "def total(n): return {float('nan'): 1, (1, (2,)): 2, b'x': 3, None: 4, True: 5}")
attack(
    2,
    "a dictionary that changes while it is read",
    """
    class Liar(dict):
        def items(self): return [(1, Liar())]
        def __iter__(self): self[len(self)] = 1; return dict.__iter__(self)
    def total(n): return Liar(a=1)
    """,
)
attack(2, "lone surrogates", "def total(n): return '\\ud800' * 10", says="got ")

# --- 10: code in the answer, and malformed answers --------------------------------------------------------------------

attack(
    10,
    "__reduce__",
    """
    class Payload:
        def __reduce__(self): return (os.system, (f"touch {ROOT}/MARK-reduce",))
    def total(n): return Payload()
    """,
    says="plain data",
    weak=True,
)
attack(
    10,
    "a pickle as bytes",
    """
    import pickle
    class Payload:
        def __reduce__(self): return (os.system, (f"touch {ROOT}/MARK-pickle",))
    def total(n): return pickle.dumps(Payload())
    """,
)
attack(
    10,
    "a pickled .npy and a .pt as bytes",
    """
    import io, numpy as np, torch
    class Payload:
        def __reduce__(self): return (os.system, (f"touch {ROOT}/MARK-npy",))
    def total(n):
        file, other = io.BytesIO(), io.BytesIO()
        np.save(file, np.array([Payload()], object), allow_pickle=True)
        torch.save(Payload(), other)
        return [file.getvalue(), other.getvalue()]
    """,
)

TENSORS = "import numpy as np, torch\nfrom roadmap.grading import wire\n"
FORGERIES = {
    "an array as the answer's number": "put(wire.encode({'id': np.array([1, 2]), 'value': 3})); os._exit(0)",
    "True as the answer's number": "forge(wire.encode(0), id=True)",
    "another call's number": "forge(wire.encode(right(n)), id=2)",
    "no number": "put(wire.encode({'value': right(n)})); os._exit(0)",
    "a list instead of an answer": "put(wire.encode([1, right(n)])); os._exit(0)",
    "an array as the error": "forge(wire.encode(np.array([1, 2])), 'error')",
    "an infinite line number": "forge(wire.encode({'type': 'X', 'bases': [], 'message': '', 'frames': [{'file': '', "
    "'line': float('inf'), 'function': '', 'source': ''}]}), 'error')",
    "an error of 100 MB": "forge(wire.encode({'type': 'X' * 10**8, 'bases': ['X'], 'message': '', 'frames': []}), 'error')",
    "an error without its parts": "forge(wire.encode({}), 'error')",
    "a hundred thousand frames": "forge(wire.encode({'type': 'X', 'bases': [], 'message': '', 'frames': [{}] * 10**5}), 'error')",
    "a refusal that is a number": "forge(wire.encode(10**4000), 'unsendable')",
    "a refusal of 100 MB": "forge(wire.encode('x' * 10**8), 'unsendable')",
    "lists a thousand deep": "forge(b'\\x91' * 1000 + b'\\xc0')",
    "extensions inside extensions": "body = b'\\xc0'\n    for _ in range(600): body = msgpack.packb(msgpack.ExtType(4, body))"
    "\n    forge(body)",
    "a million empty dictionaries, 60 times": "forge(b'\\xdd' + struct.pack('!I', 60_000_000) + b'\\x80' * 60_000_000)",
    "a list that says it has four billion items": "forge(b'\\xdd\\xff\\xff\\xff\\xff')",
    "a frame that says it has 4 GB": "s = socket.socket(fileno=3); s.sendall(b'\\xff' * 8); os._exit(0)",
    "half a frame": "s = socket.socket(fileno=3); s.sendall(struct.pack('!I', 1000) + b'x'); os._exit(0)",
    "a number of 3,990 hexadecimal digits": "forge(msgpack.packb(msgpack.ExtType(2, b'f' * 3990)))",
    "a number that is no number": "forge(msgpack.packb(msgpack.ExtType(2, b'__import__')))",
    "a time": "forge(msgpack.packb(msgpack.Timestamp(5)))",
    "an unknown extension": "forge(msgpack.packb(msgpack.ExtType(99, b'')))",
    "a callback as the value": "forge(msgpack.packb(msgpack.ExtType(3, b'0')))",
    "an array of objects": "forge(msgpack.packb(msgpack.ExtType(1, msgpack.packb(['numpy', 'object', [1], b'x' * 8]))))",
    "an array with a negative dimension": "forge(msgpack.packb(msgpack.ExtType(1, msgpack.packb(['numpy', 'int8', [-1, -1], "
    "b'x']))))",
    "an array larger than its bytes": "forge(msgpack.packb(msgpack.ExtType(1, msgpack.packb(['torch', 'float32', [2**30], "
    "b'x']))))",
    "an array in a million dimensions": "forge(msgpack.packb(msgpack.ExtType(1, msgpack.packb(['numpy', 'int8', [1] * 10**6, "
    "b'x']))))",
    "a dtype that is a list": "forge(msgpack.packb(msgpack.ExtType(1, msgpack.packb(['numpy', [], [1], b'x']))))",
    "a tensor as a key": "forge(b'\\x81' + wire.encode(torch.ones(1)) + b'\\xc0')",
    "a list as a key": "forge(msgpack.packb(msgpack.ExtType(5, b'\\x91\\x92\\x91\\x90\\x01')))",
    "text that is not UTF-8": "forge(b'\\xa2\\xff\\xfe')",
    "bytes that are no message": "put(b'\\xc1\\xc1\\xc1'); os._exit(0)",
    "an empty frame": "put(b''); os._exit(0)",
    "a callback that was never given": "put(wire.encode({'id': 1, 'callback': 0, 'args': [], 'kwargs': {}})); os._exit(0)",
    "a callback by name": "put(wire.encode({'id': 1, 'callback': '__import__', 'args': ['os'], 'kwargs': {}})); os._exit(0)",
    "a thousand descriptors": "null = os.open('/dev/null', 0)\n    for _ in range(4): put(b'\\x90', [null] * 250)\n    "
    "os._exit(0)",
}
for name, code in FORGERIES.items():
    attack(
        10,
        f"forged: {name}",
        f"{TENSORS}\ndef total(n):\n    {code}\n",
        states={FAILED, CRASHED, OUT_OF_MEMORY},
        weak=name in ("an array as the answer's number", "lists a thousand deep"),
    )
attack(
    10,
    "forged: the right answer under a number that comes later, then a wrong one",
    """
    from roadmap.grading import wire
    def total(n):
        put(wire.encode({"id": 2, "value": [[1.0] * 4] * 3}))
        return 0
    """,
    says="another question",
)

# --- 15: answers known before -----------------------------------------------------------------------------------------

attack(
    15,
    "answers to the examples of an earlier run",
    """
    KNOWN = {(5, 0): 10, (1, 1): 2, (3,): 3}
    def total(n): return KNOWN.get(tuple(n), 2_147_478_863)
    """,
    weak=True,
)
attack(15, "the answer to an earlier hidden check", "def total(n): return 9_000_001_234", hidden=True)
attack(
    15,
    "detecting that it is being graded",
    """
    def total(n):
        graded = any(name.startswith("roadmap.grading") for name in sys.modules) or "-c" in sys.orig_argv
        return 0 if graded else right(n)
    """,
    weak=True,
)
attack(
    15,
    "looking for the seed where it could be",
    """
    import gc
    def total(n):
        import numpy as np
        words = {987654321012345}
        places = [os.environ.get("ROADMAP_SEED"), *sys.argv, *sys.orig_argv]
        objects = [o for o in gc.get_objects() if isinstance(o, dict)]
        seeds = [v for o in objects for v in list(o.values()) if type(v) is int and v - 7 in {987654321012338}]
        return right(n) if seeds or any(str(987654321012344 + 1) in str(p) for p in places) else 0
    """,
    seed=987654321012345,
)
