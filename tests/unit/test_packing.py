import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.adapters.archives import ustar
from orchestrator.adapters.archives.tarball import chunks, contents, digest, secret_in, stage, stream, write
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import File
from tests.support.archives import Made, described, pack

WEIGHTS = bytes(range(256)) * 10_000


def test_content_that_is_made_while_it_is_read_is_packed_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    forms = [Member("w", str(tmp_path / "weights")), Member("w", WEIGHTS), Member("w", Made(WEIGHTS))]
    assert len({described(member) for member in forms}) == 1
    assert len({b"".join(stream([member], [described(member)])) for member in forms}) == 1


def test_content_may_come_as_numbers_of_any_width_and_number() -> None:
    class Wide(Made):
        def chunks(self) -> Iterator[bytes | memoryview]:
            yield memoryview(self.whole).cast("I")
            yield memoryview(b"").cast("I")
            yield np.empty((0, 3), np.float32).data

    assert described(Member("w", Wide(WEIGHTS))) == described(Member("w", WEIGHTS))


def test_whoever_watches_is_told_of_every_byte_that_was_hashed() -> None:
    moved: list[int] = []
    size = digest(Member("w", WEIGHTS), moved.append).size_bytes
    assert sum(moved) == size == len(WEIGHTS)
    assert max(moved) <= 1024**2


@pytest.mark.parametrize("known", [lambda file: file, lambda file: replace(file, crc32=None)])
@pytest.mark.parametrize("now", [b"WEIGHTS", b"weight", b"weightss", b""])
def test_content_that_is_no_longer_what_was_hashed_is_refused_with_or_without_a_checksum(
    now: bytes, known: Callable[[File], File]
) -> None:
    before = known(described(Member("w", b"weights")))
    assert b"".join(chunks(Member("w", b"weights"), before)) == b"weights"
    with pytest.raises(ArtifactError, match="'w' changed while it was being packaged"):
        list(chunks(Member("w", now), before))


def test_never_more_is_read_than_was_hashed() -> None:
    before = described(Member("w", b"x"))
    given: list[bytes] = []
    with pytest.raises(ArtifactError, match="changed"):
        given.extend(chunks(Member("w", Made(WEIGHTS)), before))
    assert given == []


def test_an_archive_that_failed_is_no_archive(tmp_path: Path) -> None:
    members = [Member("a", WEIGHTS), Member("z", str(tmp_path / "z"))]
    (tmp_path / "z").write_bytes(b"before")
    files = [described(member) for member in members]
    (tmp_path / "z").write_bytes(b"behind")
    out = tmp_path / "out.tar.gz"
    with pytest.raises(ArtifactError, match="'z' changed"):
        write(str(out), stream(members, files))
    with pytest.raises(ArtifactError, match="damaged or incomplete"):
        contents(str(out))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="'w' cannot be put into the archive: it is no regular file"):
        described(Member("w", str(tmp_path / "pipe")))


@pytest.mark.parametrize("size", [0, 511, 8 * 1024**3 - 1, 8 * 1024**3, 19 * 1024**3])
@pytest.mark.parametrize("path", ["a", "x" * 101, "é", "y" * 90 + "/" + "x" * 90])
def test_a_header_is_read_as_it_was_written_by_us_and_by_the_standard_library(path: str, size: int) -> None:
    file = io.BytesIO(ustar.header_of(path, size))
    header, _ = next(ustar.members(file.read))
    assert (header.path, header.size_bytes, header.is_folder) == (path, size, False)
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as tar:
        known = tar.next()
    assert known is not None
    assert (known.name, known.size, known.mode, known.mtime) == (path, size, 0o644, 0)


def test_members_are_staged_where_the_container_finds_them(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    (tmp_path / "net.py").write_bytes(b"code")
    stage(
        str(tmp_path / "model"),
        [
            Member("model.safetensors", str(tmp_path / "weights")),
            Member("config.json", b"{}"),
            Member("other.safetensors", Made(WEIGHTS)),
            Member("code/src/net.py", str(tmp_path / "net.py")),
        ],
    )
    staged = tmp_path / "model"
    assert staged.stat().st_mode & 0o777 == 0o700
    found = {path.relative_to(staged).as_posix(): path for path in staged.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "model.safetensors": WEIGHTS,
        "config.json": b"{}",
        "other.safetensors": WEIGHTS,
        "code/src/net.py": b"code",
    }
    # A link costs nothing; a module's own place must not lead back into the project.
    assert [name for name, path in found.items() if path.is_symlink()] == ["model.safetensors"]
    assert found["model.safetensors"].readlink().is_absolute()


def test_nothing_is_staged_over_something_or_outside(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written: File exists"):
        stage(str(tmp_path), [])
    with pytest.raises(ArtifactError, match="unusable member"):
        stage(str(tmp_path / "model"), [Member("../x", b"")])
    assert list(tmp_path.iterdir()) == []


def test_the_writer_keeps_the_readers_limit_on_what_an_archive_unpacks_to(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="200 times"):
        pack(str(tmp_path / "out"), [Member("zeros", bytes(32 * 1024**2))])
    pack(str(tmp_path / "out"), [Member("zeros", bytes(15 * 1024**2))])
    assert [file.path for file in contents(str(tmp_path / "out")).files] == ["zeros"]


def test_a_secret_is_found_by_name_and_by_content_and_a_large_file_is_not_read_to_its_end(
    tmp_path: Path,
) -> None:
    key = "-----BEGIN PRIVATE " + "KEY-----\nMIIEvQIBADANBgkqhkiG\n"
    (tmp_path / "text").write_text(key)
    assert secret_in(Member("code/text", str(tmp_path / "text"))) == "it holds a private key"
    assert secret_in(Member("code/.env", b"A=1")) == "it is a file of environment variables"
    assert secret_in(Member("code/net.py", b"import torch")) == ""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1024**4)
    assert secret_in(Member("code/large", str(tmp_path / "large"))) == ""
