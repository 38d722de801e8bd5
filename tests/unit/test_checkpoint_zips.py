"""Zip files of torch.save, TorchScript and torch.export: where members lie, and which are refused."""

import struct
from pathlib import Path

import pytest

from orchestrator.adapters.checkpoints import zips
from orchestrator.adapters.checkpoints.zips import ZipMembers, members
from orchestrator.core.errors import ArtifactError
from tests.security.assembling import Part, torch_zip, zipped

GOOD = torch_zip(b"}.", Part("archive/data/0", b"tensor"), Part("archive/.data/serialization_id", b"1"))


def opened(folder: Path, content: bytes, *, program: bool = False) -> ZipMembers:
    path = folder / "model.pt"
    path.write_bytes(content)
    return members(str(path), program=program)


def test_a_member_is_found_where_it_lies(tmp_path: Path) -> None:
    found = opened(tmp_path, GOOD)

    member = found.entries["data/0"]
    assert found.root == "archive"
    assert GOOD[member.offset : member.offset + member.size_bytes] == b"tensor"
    assert found.read("data.pkl") == b"}."
    assert not member.is_compressed


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for end in range(0, len(GOOD), 3):
        with pytest.raises(ArtifactError):
            opened(tmp_path, GOOD[:end])


def test_a_byte_too_many_anywhere_is_refused_or_within_a_member(tmp_path: Path) -> None:
    for at in (0, 30, len(GOOD) - 22, len(GOOD)):
        with pytest.raises(ArtifactError):
            opened(tmp_path, GOOD[:at] + b"\0" + GOOD[at:])


@pytest.mark.parametrize(
    "name", ["data.PKL", "data/x", "data/01", "data/1.pt", "code/a.py", "constants.pkl", "Version"]
)
def test_torch_save_writes_no_other_member(tmp_path: Path, name: str) -> None:
    content = torch_zip(b"}.", Part(f"archive/{name}", b""))

    with pytest.raises(ArtifactError):
        opened(tmp_path, content)


@pytest.mark.parametrize("name", ["a/../b", "/a", "a//b", "a/.", "a/", "a/b\\c", "a/\0b", "a/\x1bb"])
def test_a_name_that_leads_elsewhere_is_refused_in_any_zip(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError):
        opened(tmp_path, zipped([Part("a/x", b""), Part(name, b"")]), program=True)


@pytest.mark.parametrize("flag", [0x0001, 0x0040, 0x2000])
def test_an_encrypted_member_is_refused_in_any_zip(tmp_path: Path, flag: int) -> None:
    with pytest.raises(ArtifactError, match="encrypted"):
        opened(tmp_path, zipped([Part("a/x", b"", flags=flag)]), program=True)


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="twice"):
        opened(tmp_path, zipped([Part("a/x", b""), Part("a/X", b"")]), program=True)


def test_the_header_before_a_member_agrees_with_the_directory(tmp_path: Path) -> None:
    for at in (6, 8, 14, 18, 22, 30):
        with pytest.raises(ArtifactError, match="in two ways"):
            opened(tmp_path, GOOD[:at] + bytes([GOOD[at] ^ 8]) + GOOD[at + 1 :], program=True)


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    inner = zipped([Part("a/inner", b"x")])[:-22]
    outer = zipped([Part("a/outer", inner[: inner.index(b"PK\1\2")])])
    directory = outer.index(b"PK\1\2", 60)
    entry = bytearray(inner[inner.index(b"PK\1\2") :])
    entry[42:46] = struct.pack("<L", 30 + len("a/outer"))
    table = outer[directory:-22] + bytes(entry)
    end = struct.pack("<L4H2LH", 0x06054B50, 0, 0, 2, 2, len(table), directory, 0)

    with pytest.raises(ArtifactError, match="over one another"):
        opened(tmp_path, outer[:directory] + table + end, program=True)


def test_a_damaged_member_is_seen_when_it_is_read(tmp_path: Path) -> None:
    found = opened(tmp_path, zipped([Part("archive/data.pkl", b"}.", crc=7)]))

    with pytest.raises(ArtifactError, match=r"damaged member 'archive/data\.pkl'"):
        found.read("data.pkl")
    with pytest.raises(ArtifactError, match="has no member 'archive/data/9'"):
        found.read("data/9")


def test_a_program_may_be_compressed_within_limits(tmp_path: Path) -> None:
    found = opened(tmp_path, zipped([Part("a/code.py", b"pass\n" * 999, method=8)]), program=True)
    assert found.read("code.py") == b"pass\n" * 999
    assert found.entries["code.py"].is_compressed

    with pytest.raises(ArtifactError, match="unpack to far more"):
        opened(tmp_path, zipped([Part("a/code.py", bytes(2**22), method=8)]), program=True)


def test_an_unknown_way_of_packing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="PyTorch does not use"):
        opened(tmp_path, zipped([Part("a/x", b"", method=12)]), program=True)


def test_a_program_of_old_has_no_folder(tmp_path: Path) -> None:
    content = zipped([Part("serialized_exported_program.json", b"{}"), Part("extra/x", b"")])

    assert opened(tmp_path, content, program=True).root == ""
    with pytest.raises(ArtifactError, match="one folder"):
        opened(tmp_path, content)


def test_a_member_of_gigabytes_is_found_without_reading_it(tmp_path: Path) -> None:
    path, size, title = tmp_path / "model.pt", 5 * 1024**3, b"archive/data.pkl"
    wide = struct.pack("<2H2Q", 1, 16, size, size)
    local = struct.pack(
        "<L5H3L2H", 0x04034B50, 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1, len(title), len(wide)
    )
    start = len(local + title + wide) + size
    sizes = (0, 2**32 - 1, 2**32 - 1, len(title), len(wide))
    table = struct.pack("<L6H3L5H2L", 0x02014B50, 45, 45, 0, 0, 0, 0, *sizes, 0, 0, 0, 0, 0) + title + wide
    end = struct.pack("<LQ2H2L4Q", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, len(table), start)
    end += struct.pack("<LLQL", 0x07064B50, 0, start + len(table), 1)
    end += struct.pack("<L4H2LH", 0x06054B50, 0, 0, 1, 1, len(table), 2**32 - 1, 0)
    with path.open("wb") as file:
        file.write(local + title + wide)
        file.truncate(start)  # a hole: no disk is used
        file.seek(start)
        file.write(table + end)

    found = members(str(path))

    assert found.entries["data.pkl"].offset == len(local + title + wide)
    assert found.entries["data.pkl"].size_bytes == size
    with pytest.raises(ArtifactError, match=f"more than {zips.MAX_READ_BYTES} bytes"):
        found.read("data.pkl")
