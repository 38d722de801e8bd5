"""Mutants of good archives: each is read or refused, in words of ours, and stays where it was put."""

import gzip
import random
import tarfile
from pathlib import Path

import pytest

from orchestrator.adapters.archives.tarball import contents, extract
from orchestrator.core.errors import ArtifactError
from tests.support.archives import member, tarred

SEEDS = 24
MUTANTS_EACH = 40
BLOCK = 512
GOOD = [
    tarred(
        member("model.safetensors", bytes(range(256)) * 9),
        member("code/", b"", type=tarfile.DIRTYPE),
        member(f"code/{'y' * 80}/é{'x' * 60}", b"text", mtime=1.5),
        member("code/predict.py", b"pass"),
        form=form,
    )
    for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT)
]
# What changes the meaning of a header rather than its looks.
TOKENS = [
    b"../../../x\0",
    b"/etc/x\0",
    b"\x80\0\0\0\0\0\0\0\x7f",
    b"\xff" * 12,
    b"77777777777\0",
    b"99999 path=../x\n",
    b"12 path=../x\n",
    b"size=-1\n",
    b"GNU.sparse.major=1",
    b"ustar  \0",
    b"ustar\00000",
    b"\0" * 100,
    "é".encode(),
    b"\xc3\x28",
    *(kind for kind in (b"0", b"1", b"2", b"3", b"5", b"6", b"g", b"x", b"L", b"S", b"\0")),
]
FIELDS = [0, 100, 124, 136, 148, 156, 157, 257, 263, 345]


def mutant(whole: bytes, chance: random.Random) -> bytes:
    """Return ``whole`` with a few changes, most of them in headers whose checksum is made right again."""
    content = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        header = chance.randrange(len(content) // BLOCK) * BLOCK
        match chance.randrange(5):
            case 0:
                content[chance.randrange(len(content))] ^= chance.randint(1, 255)
            case 1:
                token, start = chance.choice(TOKENS), header + chance.choice(FIELDS)
                content[start : start + len(token)] = token
            case 2:
                content[header:header] = content[: BLOCK * chance.randint(1, 3)]
            case 3:
                del content[header : header + BLOCK * chance.randint(1, 2)]
            case _:
                start = header + chance.randrange(BLOCK)
                content[start : start + 4] = chance.randbytes(4)
        content.extend(bytes(-len(content) % BLOCK) or (b"" if content else bytes(BLOCK)))
        repair(content, header)
    return bytes(content)


def repair(content: bytearray, header: int) -> None:
    """Make the checksum right, as whoever does harm would."""
    if header + BLOCK <= len(content):
        blanked = content[header : header + 148] + b" " * 8 + content[header + 156 : header + BLOCK]
        content[header + 148 : header + 156] = b"%06o\0 " % sum(blanked)


def feed(path: Path, archive: bytes) -> bool:
    """Let both readers have the archive; tell whether they took it."""
    path.write_bytes(archive)
    into = path.parent / "out" / "model"
    into.parent.mkdir(exist_ok=True)
    try:
        held = contents(str(path))
        extract(str(path), str(into))
    except ArtifactError:
        assert list(into.parent.iterdir()) == []
        return False
    found = {file.relative_to(into).as_posix() for file in into.rglob("*") if not file.is_dir()}
    assert found == {file.path for file in held.files}
    assert not any(file.is_symlink() for file in into.rglob("*"))
    into.rename(path.parent / f"taken-{random.getrandbits(64)}")
    return True


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_mutant_of_a_tar_is_read_or_refused_and_writes_nowhere_else(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same mutants in every run
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    for _ in range(MUTANTS_EACH):
        feed(place / "model.tar.gz", gzip.compress(mutant(chance.choice(GOOD), chance), 1))
    above = {found.name for folder in place.parents[:3] for found in folder.iterdir()}
    assert above == {"a", "b", "c"}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_mutant_of_a_gzip_file_is_read_or_refused_and_writes_nowhere_else(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same mutants in every run
    for _ in range(MUTANTS_EACH):
        content = bytearray(gzip.compress(chance.choice(GOOD)))
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        end = chance.choice([len(content), chance.randrange(len(content))])
        feed(tmp_path / "model.tar.gz", bytes(content[:end]))
    names = {found.name.partition("-")[0] for found in tmp_path.iterdir()}
    assert names <= {"model.tar.gz", "out", "taken"}


def test_the_fuzzer_begins_with_archives_that_are_read_and_makes_some_that_are_and_some_that_are_not(
    tmp_path: Path,
) -> None:
    assert all(feed(tmp_path / "model.tar.gz", gzip.compress(good)) for good in GOOD)
    chance = random.Random(1)  # noqa: S311 - the same mutants in every run
    taken = [feed(tmp_path / "model.tar.gz", gzip.compress(mutant(GOOD[0], chance))) for _ in range(60)]
    assert 0 < sum(taken) < len(taken)
