"""The doctor: every row says what is wrong and what to do, and nothing that is broken stops it."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from roadmap.artifacts import registry, store
from roadmap.artifacts.errors import ArtifactDamaged, ArtifactMissing
from roadmap.cli import doctor
from roadmap.cli.doctor import OK, PROBLEM, WARNING, Row
from roadmap.cli.main import main


def test_an_old_python_is_a_problem():
    assert doctor.python((3, 10, 4)).status == PROBLEM
    assert "3.11 or newer" in doctor.python((3, 10, 4)).do
    assert doctor.python((3, 11, 0)) == Row("python", OK, doctor.python((3, 11, 0)).says)
    assert doctor.python((4, 0, 0)).status == OK


def test_a_missing_pip_is_a_problem(monkeypatch):
    assert doctor.pip().status == OK
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert doctor.pip().status == PROBLEM
    assert "ensurepip" in doctor.pip().do


@pytest.mark.parametrize(("free", "status"), [(10**8, PROBLEM), (10**9, WARNING), (10**10, OK)])
def test_disk_room_is_compared_with_what_is_missing(monkeypatch, tmp_path, free, status):
    monkeypatch.setenv("ROADMAP_HOME", str(tmp_path / "not" / "there"))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    row = doctor.disk()
    assert row.status == status
    assert "665 MB needed" in row.says  # all that the present stages need, and twice the largest wheel
    assert bool(row.do) == (status != OK)


def test_a_disk_with_all_models_needs_no_room(monkeypatch, tmp_path):
    monkeypatch.setenv("ROADMAP_HOME", str(tmp_path))
    for artifact in registry.needed_now():
        store.location(artifact).mkdir(parents=True)
    assert "0 MB needed" in doctor.disk().says


@pytest.mark.parametrize(("free", "status"), [(1e9, PROBLEM), (3e9, WARNING), (8e9, OK), (None, OK)])
def test_memory(monkeypatch, free, status):
    monkeypatch.setattr(doctor, "available_memory", lambda: free)
    assert doctor.memory().status == status


def test_memory_of_a_container_is_its_limit(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    assert doctor.available_memory(meminfo, tmp_path) == 8_192_000_000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert doctor.available_memory(meminfo, tmp_path) == 8_192_000_000
    (tmp_path / "memory.max").write_text("3000\n")
    assert doctor.available_memory(meminfo, tmp_path) == 2000


@pytest.fixture
def torch_build(monkeypatch, tmp_path):
    """An installed torch of a given build, with 3 MB of its own and 5 MB of CUDA libraries."""

    def install(cuda: str | None, gpu: bool = False):
        folder = tmp_path / "torch"
        folder.mkdir()
        (folder / "version.py").write_text(f"__version__ = '2.13.0'\ncuda = {cuda!r}\nhip = None\n")
        (folder / "lib").write_bytes(bytes(3_000_000))
        (tmp_path / "nvidia").mkdir()
        (tmp_path / "nvidia" / "lib").write_bytes(bytes(5_000_000))
        spec = SimpleNamespace(submodule_search_locations=[str(folder)])
        monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: spec)
        monkeypatch.setattr(doctor, "has_nvidia", lambda: gpu)
        return doctor.torch()

    return install


def test_a_cpu_build_is_fine(torch_build):
    assert torch_build(None) == Row("torch", OK, "2.13.0, cpu build, 3 MB installed")


def test_a_cuda_build_without_a_gpu_is_a_waste(torch_build):
    row = torch_build("12.9")
    assert (row.status, row.says) == (WARNING, "2.13.0, cuda build, 8 MB installed")
    assert "CPU build" in row.do


def test_a_cuda_build_with_a_gpu_is_fine(torch_build):
    assert torch_build("12.9", gpu=True).status == OK


def test_a_missing_torch_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert doctor.torch().status == PROBLEM


def test_the_torch_that_is_installed_is_told_without_importing_it():
    code = "import sys; from roadmap.cli import doctor; print(doctor.torch().status, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert done.stdout == "ok False\n", done.stderr


def test_missing_layers_of_isolation_are_warnings(monkeypatch):
    from roadmap.grading import sandbox

    layers = [("namespaces", False, "the system forbids them"), ("landlock", True, "version 7")]
    monkeypatch.setattr(sandbox, "describe", lambda: layers)
    weak, strong = doctor.isolation()
    assert (weak.status, weak.says) == (WARNING, "namespaces: the system forbids them")
    assert "--allow-weak-isolation" in weak.do
    assert strong == Row("isolation", OK, "landlock: version 7")
    monkeypatch.delattr(sandbox, "describe")
    assert doctor.isolation()[0].status == WARNING


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setenv("ROADMAP_HOME", str(tmp_path))
    assert doctor.cache() == Row("cache", OK, str(tmp_path))
    monkeypatch.setattr(doctor.os, "access", lambda *arguments: False)
    assert doctor.cache().status == WARNING
    assert "ROADMAP_HOME" in doctor.cache().do


def test_models_are_told_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("ROADMAP_HOME", str(tmp_path))
    good, bad, extra, *_ = registry.all_artifacts()
    monkeypatch.setattr(registry, "needed_now", lambda: (good, bad))
    store.location(extra).mkdir(parents=True)

    def check(artifact):
        if artifact is bad:
            raise ArtifactMissing(f"{bad.name} is not in the cache. Run: roadmap fetch {bad.name}")
        if artifact is extra:
            raise ArtifactDamaged(f"{extra.name} in the cache cannot be used: x has changed. Run: roadmap fetch it")

    monkeypatch.setattr(store, "check", check)
    assert doctor.models() == [
        Row("model", OK, f"{good.name}, verified"),
        Row("model", PROBLEM, f"{bad.name} is not in the cache.", f"Run: roadmap fetch {bad.name}"),
        Row("model", WARNING, f"{extra.name} in the cache cannot be used: x has changed.", "Run: roadmap fetch it"),
    ]


def test_a_mirror_that_is_not_there_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.delenv("ROADMAP_ARTIFACTS", raising=False)
    assert doctor.mirror() == []
    monkeypatch.setenv("ROADMAP_ARTIFACTS", str(tmp_path))
    assert doctor.mirror()[0].status == OK
    monkeypatch.setenv("ROADMAP_ARTIFACTS", str(tmp_path / "gone"))
    assert doctor.mirror()[0].status == PROBLEM


@pytest.fixture
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_proxy_is_told_without_its_password(no_proxy, monkeypatch):
    assert doctor.proxies().status == OK
    monkeypatch.setenv("https_proxy", "http://ada:secret@proxy.example:3128")
    row = doctor.proxies()
    assert row.status == WARNING
    assert "secret" not in row.says
    assert "ada" not in row.says
    assert "proxy.example:3128" in row.says
    assert "NO_PROXY" in row.do
    monkeypatch.setenv("NO_PROXY", "localhost, 127.0.0.1")
    assert doctor.proxies().status == OK


def test_a_row_that_fails_to_look_does_not_stop_the_others(monkeypatch):
    def broken():
        raise RuntimeError("no such thing")

    broken.__name__ = "memory"
    monkeypatch.setattr(doctor, "memory", broken)
    rows = {row.what: row for row in doctor.examine()}
    assert rows["memory"].status == WARNING
    assert "no such thing" in rows["memory"].says
    assert "python" in rows
    assert "proxy" in rows


@pytest.mark.parametrize(("status", "code", "summary"), [
    (OK, 0, "no problems, no warnings."),
    (WARNING, 0, "no problems, 1 warning."),
    (PROBLEM, 1, "1 problem, no warnings."),
])  # fmt: skip
def test_the_command_says_all_and_ends_with_1_only_for_a_problem(monkeypatch, capsys, status, code, summary):
    rows = [Row("python", OK, "3.11"), Row("disk", status, "little [room]", "" if status == OK else "Make room.")]
    monkeypatch.setattr(doctor, "examine", lambda: rows)
    assert main(["doctor"]) == code
    out = capsys.readouterr().out
    assert "little [room]" in out
    assert ("Make room." in out) == (status != OK)
    assert out.rstrip().endswith(summary)
    assert "\x1b" not in out
