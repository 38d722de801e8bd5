"""The same project makes the same archive, whoever packs it, wherever and with whichever Python.

Each packing is a process of its own, in surroundings of its own. What other versions of Python have to agree
on is what our own code and the standard library decide: names, order, manifest and tar headers. They need not
agree on compression, which is ISA-L's, and which the archive's identity does not depend on.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.pythons import INTERPRETERS, Version, pythons

PACK = """
import hashlib, os, random, sys
from pathlib import Path
from orchestrator.adapters import sources
from orchestrator.adapters.archives.tarball import digest, stream
from orchestrator.core.archive import MANIFEST, Member
from orchestrator.core.manifest import manifest_of

project, umask, seed = sys.argv[1], int(sys.argv[2], 8), int(sys.argv[3])
os.umask(umask)
if seed:
    # A disk that lists its files in another order, which no real one can be asked for.
    scandir, chance = os.scandir, random.Random(seed)
    class Shuffled:
        def __init__(self, path):
            with scandir(path) as found:
                self.entries = sorted(found, key=lambda _: chance.random())
        def __enter__(self): return iter(self.entries)
        def __exit__(self, *_): pass
        def __iter__(self): return iter(self.entries)
    os.scandir = Shuffled
members = list(sources.collect(project, [], ["**"]))
if seed:
    chance.shuffle(members)
files = [digest(member, lambda _: None) for member in members]
manifest = manifest_of(files, (("torch", "2.6"),))
listed = Member(MANIFEST, manifest.to_bytes())
packed = b"".join(stream([*members, listed], [*files, digest(listed, lambda _: None)]))
Path(sys.argv[4]).write_bytes(packed)
print(manifest.identity)
"""
# Needs nothing but the standard library, and so runs on interpreters that have nothing else.
PURE = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from orchestrator.adapters.archives.ustar import header_of
from orchestrator.core.manifest import File, manifest_of

sizes = [0, 1, 511, 512, 8 * 1024**3, 19 * 1024**3]
names = ["a", "code/predict.py", "code/" + "y" * 90 + "/" + "x" * 60, "x" * 101, "d/" * 15 + "x" * 255]
names += ["\\u00e9/\\u540d", "a b"]
headers = b"".join(header_of(name, size) for name in names for size in sizes)
files = [File(name, len(name), hashlib.sha256(name.encode()).hexdigest()) for name in names]
manifest = manifest_of(reversed(files), (("torch", "2.6"),), "MIT")
print(manifest.identity, hashlib.sha256(manifest.to_bytes()).hexdigest(), hashlib.sha256(headers).hexdigest())
"""
SURROUNDINGS: dict[str, tuple[dict[str, str], str, int]] = {
    "UTC": ({"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}, "022", 0),
    "Kathmandu": ({"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"}, "022", 0),
    "C locale": ({"LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "2"}, "077", 0),
    "POSIX locale without UTF-8 mode": ({"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, "000", 0),
    "another user's name": ({"USER": "somebody", "LOGNAME": "somebody", "HOME": "/nowhere"}, "027", 0),
    "files in another order": ({"PYTHONHASHSEED": "3"}, "022", 7),
    "files in a third order": ({"TZ": "America/St_Johns", "PYTHONHASHSEED": "4"}, "022", 8),
}


def write_project(root: Path, *, reverse: bool = False) -> None:
    """Write a project; in reverse, with other times and modes, as another checkout might."""
    files = {f"src/{name}.py": name.encode() for name in ("net", "Über", "a b", "z")}
    files |= {"model.safetensors": bytes(range(256)) * 20_000, "empty": b"", "deep/er/x.txt": b"x" * 3000}
    for number, (path, content) in enumerate(sorted(files.items(), reverse=reverse)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(0o755 if reverse else 0o600)
        os.utime(root / path, (10_000_000 * (number + reverse), 10_000_000 * (number + 3 * reverse)))


def run(python: str, code: str, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what ``code`` prints, run in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    # Another Python must not leave its bytecode in our tree.
    surroundings = {**kept, "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})}
    command = [python, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings).stdout


def pack(
    project: Path, out: Path, umask: str = "022", seed: int = 0, environ: Mapping[str, str] | None = None
) -> str:
    """Pack ``project`` to ``out``, and return its identity."""
    return run(sys.executable, PACK, str(project), umask, str(seed), str(out), environ=environ).strip()


def difference(one: Path, other: Path) -> str:
    """Return where two archives differ, for whoever has to find out why; empty if nowhere."""
    left, right = one.read_bytes(), other.read_bytes()
    if left == right:
        return ""
    place = next((at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), -1)
    same = "the same" if gzip.decompress(left) == gzip.decompress(right) else "other content"
    return (
        f"{one} ({len(left)} bytes) and {other} ({len(right)} bytes) from byte {place} on; unpacked: {same}"
    )


def test_surroundings_change_neither_the_identity_nor_a_byte(tmp_path: Path) -> None:
    write_project(tmp_path / "project")
    packed = {
        name: pack(tmp_path / "project", tmp_path / name, umask, seed, environ)
        for name, (environ, umask, seed) in SURROUNDINGS.items()
    }
    assert packed == dict.fromkeys(SURROUNDINGS, packed["UTC"])
    assert [found for name in packed if (found := difference(tmp_path / "UTC", tmp_path / name))] == []


def test_another_checkout_of_the_project_changes_neither_the_identity_nor_a_byte(tmp_path: Path) -> None:
    write_project(tmp_path / "one")
    write_project(tmp_path / "elsewhere" / "two", reverse=True)
    here, there = tmp_path / "here", tmp_path / "there"
    assert pack(tmp_path / "one", here) == pack(tmp_path / "elsewhere" / "two", there)
    assert difference(here, there) == ""


def test_another_content_changes_the_identity_and_the_bytes(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write_project(project)
    before = pack(project, tmp_path / "before")
    (project / "empty").write_bytes(b"x")
    assert pack(project, tmp_path / "after") != before
    assert difference(tmp_path / "before", tmp_path / "after").endswith("other content")


def other_pythons() -> dict[Version, str]:
    """Return interpreters of other versions than this one, from 3.11 on."""
    ours = sys.version_info[:2]
    return {
        version: python for version, python in pythons().items() if version >= (3, 11) and version != ours
    }


def test_other_versions_of_python_make_the_same_manifest_and_the_same_tar_headers() -> None:
    others = other_pythons()
    if not others:
        pytest.skip(f"no other Python of 3.11 or later on PATH, in pyenv's folder or in ${INTERPRETERS}")
    root = str(Path(__file__).parents[2])
    ours = run(sys.executable, PURE, root)
    assert {version: run(python, PURE, root) for version, python in others.items()} == dict.fromkeys(
        others, ours
    )
