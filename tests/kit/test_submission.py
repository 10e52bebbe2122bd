"""What is read of a submission, and what the scan for shortcuts finds in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from roadmap.course import Course, Stage
from roadmap.grading.removal import remove_tree
from roadmap.grading.submission import FILE_LIMIT, SubmissionError, copy, shortcuts
from tests.attacks import small


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The small course's stage."""
    return Course.load(small.write_course(tmp_path_factory.mktemp("course"))).stage(1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A right submission."""
    return small.write_submission(tmp_path / "mein Entwurf ä")


def test_only_the_named_files_are_copied(stage: Stage, source: Path, tmp_path: Path) -> None:
    """Whatever else lies there stays there."""
    for name in ("conftest.py", "notes.txt", "../pytest.ini", "sub/target.py"):
        path = source / small.STAGE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert copy(stage, source, tmp_path / "copy") == []
    copied = {str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*") if p.is_file()}
    assert copied == {f"{small.STAGE}/{name}" for name in ("__init__.py", "__main__.py", "target.py", "other.py")}


def test_missing_files_are_named_and_a_package_stays_a_package(stage: Stage, source: Path, tmp_path: Path) -> None:
    """A missing __init__.py is put there empty."""
    (source / small.STAGE / "target.py").unlink()
    (source / small.STAGE / "__init__.py").unlink()
    assert copy(stage, source, tmp_path / "copy") == ["__init__.py", "target.py"]
    assert (tmp_path / "copy" / small.STAGE / "__init__.py").read_text() == ""


@pytest.mark.parametrize("where", ["nowhere", "file", "empty", "folder/empty"])
def test_what_is_no_submission_is_refused(stage: Stage, tmp_path: Path, where: str) -> None:
    """With one sentence that says what, and one that says what to do."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder" / "empty" / small.STAGE).mkdir(parents=True)
    with pytest.raises(SubmissionError) as caught:
        copy(stage, tmp_path / where, tmp_path / "copy")
    assert str(caught.value.message).endswith(".")
    assert caught.value.advice.endswith(".")
    assert caught.value.exit_code == 2


def test_large_files_are_refused(stage: Stage, source: Path, tmp_path: Path) -> None:
    """10 MB of source is data, and a file at the limit is not too large."""
    (source / small.STAGE / "target.py").write_bytes(b"#" * FILE_LIMIT)
    copy(stage, source, tmp_path / "fits")
    (source / small.STAGE / "target.py").write_bytes(b"#" * 10 * FILE_LIMIT)
    with pytest.raises(SubmissionError, match="10240 kB; at most 1024 kB"):
        copy(stage, source, tmp_path / "copy")


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import math\nx = math.fsum([1])", "math.fsum"),
        ("import math as m\n\n\nx = m.fsum", "line 4"),
        ("from math import fsum as f", "math.fsum"),
        ("def f():\n    from math import fsum", "line 2"),
        ("import torch.nn.functional as F\nF.scaled_dot_product_attention", "scaled_dot_product_attention"),
        ("from torch import nn\nnn.functional.cross_entropy", "cross_entropy"),
        ("import torch\ntorch.optim.AdamW", "torch.optim"),
        ("from torch.optim.lr_scheduler import StepLR", "torch.optim"),
        ("import transformers.models.llama", "transformers"),
        ("if False:\n    import colorsys", "colorsys"),
        ("from . import other", "other.py, line 1"),
        ("import stage1_small.other", "other.py, line 1"),
    ],
)
def test_the_scan_finds_names_through_imports(stage: Stage, tmp_path: Path, code: str, names: str) -> None:
    """Aliases, nested imports and the package's own modules are followed; only the task that forbids loses."""
    files = {"other.py": "from math import fsum\n"} if "other" in code else {}
    small.write_submission(tmp_path, code, dict(files))
    found = shortcuts(stage, tmp_path)
    assert names in found["1.1"]
    if "colorsys" not in code and "transformers" not in code:
        assert "1.2" not in found


@pytest.mark.parametrize(
    "code",
    ["", "import math\nmath.sqrt(2)", "fsum = 1", "'math.fsum'", "# math.fsum", "class math:\n    fsum = 1\nmath.fsum",
     "def f(:", "\0", "import torch.nn.functional as F\nF.binary_cross_entropy", "optim = 1", "import math, fsum"],
)  # fmt: skip
def test_the_scan_accuses_nobody_wrongly(stage: Stage, tmp_path: Path, code: str) -> None:
    """Words, other functions and files that are not Python are no shortcuts."""
    small.write_submission(tmp_path, code)
    assert shortcuts(stage, tmp_path) == {}


@pytest.mark.parametrize(
    "code", ["a" + "+a" * 300_000, "(" * 5000, "-" * 100_000 + "1", "a" + ".a" * 300_000, "[" * 500_000]
)
def test_the_scan_survives_any_source(stage: Stage, tmp_path: Path, code: str) -> None:
    """Depth that a parser chokes on is not the session's end."""
    small.write_submission(tmp_path, code)
    assert shortcuts(stage, tmp_path) == {}


def test_a_source_that_is_not_utf8_is_copied_as_it_is(stage: Stage, source: Path, tmp_path: Path) -> None:
    """Whether it is Python is the interpreter's to say."""
    (source / small.STAGE / "target.py").write_bytes(b"x = '\xff'")
    copy(stage, source, tmp_path / "copy")
    assert shortcuts(stage, tmp_path / "copy") == {}


def test_removing_what_a_stranger_left(tmp_path: Path) -> None:
    """Depth beyond recursion and paths, closed folders and links: all gone, and nothing outside."""
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").write_text("x")
    heap = tmp_path / "heap"
    heap.mkdir()
    here = os.getcwd()
    os.chdir(heap)
    try:
        os.symlink(keep, "link")
        os.mkdir("closed")
        os.mkfifo("closed/pipe")
        os.chmod("closed", 0)
        for _ in range(3000):
            os.mkdir("deep")
            os.chdir("deep")
        Path("last").write_text("x")
    finally:
        os.chdir(here)
    remove_tree(heap)
    assert not heap.exists()
    assert (keep / "file").exists()
    remove_tree(tmp_path / "never was")
