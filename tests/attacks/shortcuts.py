# ruff: noqa: E501  hostile code in one line
"""Row 16: calling what the task says to write."""

from __future__ import annotations

from tests.attacks.attack import CRASHED, FAILED, attack

SAYS = "asks you to write"

for name, source in {
    "import": "import math\ndef total(n): return int(math.fsum(n))",
    "import under another name": "import math as m\ndef total(n): return int(m.fsum(n))",
    "from import": "from math import fsum as s\ndef total(n): return int(s(n))",
    "import inside the function": "def total(n):\n    from math import fsum\n    return int(fsum(n))",
    "a blocked package": "import transformers\ndef total(n): return right(n)",
    "a blocked package, tried": "try:\n    import transformers\nexcept ImportError:\n    pass\ndef total(n): return right(n)",
    "another module of the package": "from .other import helped\ndef total(n): return helped(n)",
}.items():
    attack(
        16,
        f"found by the scan: {name}",
        source,
        attacked="both",
        says=SAYS,
        files={"other.py": "import math\ndef double(n): return 2 * n\ndef helped(n): return int(math.fsum(n))\n"}
        if "other" in name
        else {},
        weak=name in ("import", "a blocked package"),
    )
for name, expression in {
    "getattr": "getattr(__import__('math'), 'fs' + 'um')(n)",
    "the module's dictionary": "vars(__import__('math'))['fs' + 'um'](n)",
    "importlib": "__import__('importlib').import_module('ma' + 'th').fsum(n)",
    "eval": "eval('__import__(\"math\").fsum(n)')",
    "sys.modules": "sys.modules['ma' 'th'].fsum(n)",
    "a blocked package by importlib": "__import__('importlib').import_module('trans' + 'formers')",
    "a blocked module by its spec": "__import__('importlib.util').util.find_spec('color' + 'sys').loader",
}.items():
    attack(
        16,
        f"taken away: {name}",
        f"def total(n): return int({expression})",
        states={CRASHED},
        says=SAYS,
        weak=name == "getattr",
    )

TORCH = "def total(n):\n    import torch\n    torch_nn = torch.nn\n    x = torch.ones(1, 1, 2, 2)\n    y = torch.tensor([0, 1])\n"
for name, expression in {
    "getattr": "getattr(torch.nn.functional, 'scaled_dot' + '_product_attention')(x, x, x)",
    "torch._C._nn": "getattr(torch._C, '_nn').scaled_dot_product_attention(x, x, x)",
    "torch.ops.aten": "torch.ops.aten.scaled_dot_product_attention(x, x, x)",
    "torch.ops.aten, default overload": "torch.ops.aten.scaled_dot_product_attention.default(x, x, x)",
    "the math kernel": "torch._scaled_dot_product_attention_math(x, x, x)",
    "the fused kernel": "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)",
    "cross_entropy_loss": "torch.ops.aten.cross_entropy_loss(x[0, 0], y)",
    "a reload": "__import__('importlib').reload(getattr(torch.nn, 'functional')).scaled_dot_product_attention(x, x, x)",
    "CrossEntropyLoss through its function": "torch.nn.CrossEntropyLoss()(x[0, 0], y)",
    "an optimiser's own module": "__import__('importlib').import_module('torch.opt' + 'im.sgd').SGD([x.requires_grad_()], lr=1)",
}.items():
    attack(
        16,
        f"taken away in torch: {name}",
        f"{TORCH}    {expression}\n    return right(n)\n",
        states={CRASHED, FAILED},
        attacked="total",
    )
attack(
    16,
    "taken away: a blocked package, after emptying sys.meta_path",
    """
    import importlib.machinery
    def total(n):
        sys.meta_path[:] = [importlib.machinery.PathFinder]
        __import__("trans" + "formers").AutoModel
        return right(n)
    """,
    states=CRASHED,
    needs="namespaces",
)

# --- what gets past: docs/threat-model.md says so ---------------------------------------------------------------------

attack(
    16,
    "gets past: a blocked module that is a single file, loaded by hand",
    """
    import importlib.machinery
    def total(n):
        spec = importlib.machinery.PathFinder.find_spec("color" + "sys")
        return right(n) if spec is not None and spec.loader.load_module() else 0
    """,
    gap=True,
)
attack(
    16,
    "gets past: an operation looked up in the JIT's registry",
    """
    def total(n):
        import torch
        x = torch.ones(1, 1, 2, 2)
        operation = torch._C._jit_get_operation("aten::scaled_dot" + "_product_attention")[0]
        return right(n) if operation(x, x, x).shape == x.shape else 0
    """,
    gap=True,
)
attack(
    16,
    "gets past: a copy of the library's source",
    "def total(n):\n    s = 0.0\n    for x in n: s += x\n    return int(s)\n",
    gap=True,
)
