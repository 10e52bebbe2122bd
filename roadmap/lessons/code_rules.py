"""What the code of a lesson must not hold: unseeded draws, addresses on the network, paths of one machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_TORCH_DRAWS = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "bernoulli"),
    *("multinomial", "poisson"),
}
_TENSOR_DRAWS = {"normal_", "uniform_", "bernoulli_", "exponential_", "random_", "multinomial", "geometric_"}
_LAYERS = {
    *(
        "Linear",
        "Bilinear",
        "Embedding",
        "EmbeddingBag",
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "LSTM",
        "GRU",
        "RNN",
        "LSTMCell",
    ),
    *("GRUCell", "RNNCell", "MultiheadAttention", "Transformer", "TransformerEncoderLayer", "TransformerDecoderLayer"),
    *("Dropout", "LazyLinear"),
}
_ESTIMATORS = {
    *("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    *("MLPClassifier", "MLPRegressor", "KMeans", "MiniBatchKMeans", "TruncatedSVD", "TSNE", "train_test_split"),
    *(
        "RandomizedSearchCV",
        "make_classification",
        "make_regression",
        "make_blobs",
        "make_moons",
        "permutation_importance",
    ),
    *("SGDClassifier", "LatentDirichletAllocation", "NMF", "IsolationForest", "ShuffleSplit", "StratifiedShuffleSplit"),
}
_STDLIB_DRAWS = {
    *("random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss", "normalvariate"),
    *("betavariate", "expovariate", "getrandbits", "randbytes", "triangular"),
}
_FETCHERS = {"from_pretrained", "load_dataset", "hf_hub_download", "snapshot_download"}
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
_ADDRESS = re.compile(
    r"https?://(?!localhost\b|127\.0\.0\.1\b|\[::1\]|[\w.-]*\bexample\.(com|org|net)\b|[\w.-]*\.(test|invalid)\b|\{)"
)
_MACHINE = re.compile(
    r"(?<![\w.<~/:-])/(home|Users|root|tmp|work|mnt|media|var|opt|usr|private|content|kaggle|workspace|data|etc)/\S"
    r"|(?<![\w])[A-Z]:\\\\?[A-Za-z]"
)
_SHELL = re.compile(r"^(!(?!=)|%pip|%conda|%%bash|%%sh|%sx)", re.MULTILINE)


class Seeds:
    """What has been seeded so far, read cell by cell in the lesson's order."""

    def __init__(self) -> None:
        self.torch = False
        self.stdlib = False
        self.stdlib_names: set[str] = set()  # functions imported from the module `random`

    def faults(self, tree: ast.Module) -> Iterator[tuple[int, str]]:
        """Each draw of the cell that nothing seeds, with its line within the cell (from 0)."""
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                self.stdlib_names |= {alias.asname or alias.name for alias in node.names}
        for call in calls:
            name = _dotted(call.func)
            self.torch = self.torch or name in ("torch.manual_seed", "torch.random.manual_seed")
            self.torch = self.torch or name.endswith("set_seed")
            self.stdlib = self.stdlib or name == "random.seed"
        for call in calls:
            fault = self._fault(call, _dotted(call.func), {word.arg for word in call.keywords})
            if fault:
                yield call.lineno - 1, fault

    def _fault(self, call: ast.Call, name: str, words: set[str | None]) -> str:
        head, _, last = name.rpartition(".")
        if head in ("np.random", "numpy.random"):
            if last == "default_rng":
                return "" if call.args or call.keywords else "default_rng() has no seed"
            if last not in ("Generator", "SeedSequence", "PCG64", "Philox"):
                return f"{name} draws from NumPy's global state; use numpy.random.default_rng(seed)"
            return ""
        if name in ("random.Random", "Random") and not call.args:
            return "random.Random() has no seed"
        if head == "random" and last in _STDLIB_DRAWS and not self.stdlib:
            return f"{name} is not seeded; use random.Random(seed)"
        if not head and last in self.stdlib_names and last != "Random" and not self.stdlib:
            return f"{name} of the module random is not seeded; use random.Random(seed)"
        if last in _ESTIMATORS and "random_state" not in words:
            return f"{last} has no random_state"
        if last in ("KFold", "StratifiedKFold") and "shuffle" in words and "random_state" not in words:
            return f"{last} shuffles without random_state"
        if last == "sample" and ({"n", "frac"} & words) and "random_state" not in words:
            return "sample() has no random_state"
        if self.torch or "generator" in words:
            return ""
        if (
            (head == "torch" and last in _TORCH_DRAWS)
            or (head and last in _TENSOR_DRAWS and not re.search(r"rng|random|generator", head))
            or (last in _LAYERS and head.split(".")[-1] in ("nn", ""))
            or head.endswith("nn.init")
            or (last == "DataLoader" and "shuffle" in words)
        ):
            return f"{name or last} draws from torch's global state; call torch.manual_seed(seed) before it"
        return ""


def network_faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each address of another machine, and each model or data set by its name on a hub."""
    inside = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in inside and (match := _ADDRESS.search(node.value)):
                yield node.lineno - 1, f"the code names an address on the network, {node.value[match.start() :][:60]!r}"
        elif isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in _FETCHERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and _HUB_NAME.match(first.value):
                yield node.lineno - 1, f"{first.value!r} is a name on a hub; load it through roadmap.artifacts"


def shell_faults(text: str) -> Iterator[tuple[int, str]]:
    """Each line that hands over to a shell or an installer."""
    for match in _SHELL.finditer(text):
        yield text.count("\n", 0, match.start(1)), "the cell calls a shell or an installer"


def machine_path(text: str) -> str:
    """The first path of one machine in `text`; empty without one."""
    match = _MACHINE.search(text)
    return match[0] if match else ""


def _dotted(node: ast.expr) -> str:
    """`np.random.rand` of a name or attribute; the known tail of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))
