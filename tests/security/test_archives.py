"""Archives made to do harm: each is refused before anything is written."""

import gzip
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.archives.tarball import contents, draft, extract
from orchestrator.adapters.archives.ustar import header_of
from orchestrator.core.archive import Member, check_layout
from orchestrator.core.errors import ArtifactError
from tests.support.archives import described, member, pack, tarred


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname=target)


def with_pax(**records: str) -> bytes:
    return tarred(member("file", pax_headers=records), form=tarfile.PAX_FORMAT)


def with_field(start: int, field: bytes, content: bytes = b"x") -> bytes:
    """Return an archive with one field of its header overwritten, and the checksum right again."""
    whole = bytearray(tarred(member("file", content)))
    whole[start : start + len(field)] = field
    blanked = whole[:148] + b" " * 8 + whole[156:512]
    whole[148:156] = b"%06o\0 " % sum(blanked)
    return bytes(whole)


def raw_pax(records: bytes) -> bytes:
    """Return an archive whose PAX header holds ``records``, whatever they are."""
    header, content = member("pax", records, type=tarfile.XHDTYPE)
    return tarred((header, content), member("file"))


def damaged_checksum() -> bytes:
    whole = bytearray(tarred(member("file")))
    whole[150] ^= 1
    return bytes(whole)


HOSTILE = {
    "parent folder": tarred(member("../x")),
    "parent folder inside": tarred(member("a/../../x")),
    "absolute": tarred(member("/tmp/x")),  # noqa: S108 - what an attacker would write
    "twice": tarred(member("a"), member("a")),
    "twice in another case": tarred(member("model"), member("MODEL")),
    "file and folder": tarred(member("a"), member("a/b")),
    "file and folder entry": tarred(member("a"), member("a", b"", type=tarfile.DIRTYPE)),
    "backslash": tarred(member("a\\..\\b")),
    "control character": tarred(member("a\x1b[2J")),
    "not UTF-8": tarred(member("a\udcff")),
    "not NFC": tarred(member("e\u0301")),
    "deep": tarred(member("/".join("abcdefghijklmnopq"))),
    "symbolic link": tarred(link("a", "b")),
    "symbolic link out": tarred(link("a", "/etc"), member("a/passwd")),
    "hard link": tarred(member("a"), link("b", "a", tarfile.LNKTYPE)),
    "fifo": tarred(link("a", "", tarfile.FIFOTYPE)),
    "device": tarred(link("a", "", tarfile.CHRTYPE)),
    "block device": tarred(link("a", "", tarfile.BLKTYPE)),
    "sparse": tarred(member("a", b"", type=tarfile.GNUTYPE_SPARSE)),
    "contiguous": tarred(member("a", type=tarfile.CONTTYPE)),
    "unknown kind": tarred(member("a", type=b"Z")),
    "GNU long name": tarred(member("x" * 150)),
    "global PAX header": tarred(member("a", b"", type=tarfile.XGLTYPE)),
    "PAX path out": with_pax(path="../../x"),
    "PAX size": with_pax(size="7"),
    "PAX size that is no number": with_pax(size="-1"),
    "PAX sparse": with_pax(**{"GNU.sparse.major": "1"}),
    "large PAX header": with_pax(comment="x" * 70_000),
    "two PAX headers": raw_pax(b"12 path=abc\n")[:1024] + with_pax(path="def"),
    "PAX headers without end": raw_pax(b"12 path=abc\n")[:1024] * 9,
    "PAX length without end": raw_pax(b"9" * 5000 + b" path=abc\n"),
    "PAX length of nothing": raw_pax(b"0 path=abc\n"),
    "PAX length beyond the end": raw_pax(b"99 path=abc\n"),
    "PAX length that is negative": raw_pax(b"-1 path=abc\n"),
    "PAX record without a key": raw_pax(b"6 abc\n"),
    "PAX path with a null": with_pax(path="a\0b"),
    "PAX path that is absolute": with_pax(path="/etc/passwd"),
    "PAX path of many folders": with_pax(path="a/" * 3000 + "b"),
    "PAX size of 300 digits": with_pax(size="9" * 300),
    "octal size of 8 GiB that is not there": with_field(124, b"77777777777\0"),
    "size of 2^62": with_field(124, b"\x80" + (2**62).to_bytes(11, "big")),
    "negative size": with_field(124, b"\xff" * 12),
    "size that is no number": with_field(124, b"12345678xyz\0"),
    "long name": tarred(member("x" * 256), form=tarfile.PAX_FORMAT),
    "root folders without end": tarred(*[member("./", b"", type=tarfile.DIRTYPE)] * 20_003),
    "folder with content": tarred(member("a", b"x", type=tarfile.DIRTYPE)),
    "damaged checksum": damaged_checksum(),
    "no end": tarred(member("a"))[:1024],
    "something behind": tarred(member("a")) + b"MZ",
    "no tar": b"x" * 2048,
    "nothing": b"",
    "too many": tarred(*[member(f"f{number}", b"") for number in range(10_001)]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in" / "model.tar.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(HOSTILE[name], 1))
    with pytest.raises(ArtifactError):
        extract(str(path), str(tmp_path / "out"))
    assert [found.name for found in tmp_path.iterdir()] == ["in"]
    with pytest.raises(ArtifactError):
        contents(str(path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no gzip",
        lambda good: good[:-1],
        lambda good: good[:20],
        lambda good: good[:-8],
    ],
)
def test_what_is_no_whole_gzip_file_is_refused_by_its_name(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(damage(gzip.compress(tarred(member("a")))))
    with pytest.raises(ArtifactError, match=r"model.tar.gz' is damaged or incomplete") as caught:
        contents(str(path))
    assert caught.value.hint


def test_a_wrong_gzip_checksum_is_noticed(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(tarred(member("a"))))
    content[-6] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        extract(str(tmp_path / "a.tar.gz"), str(tmp_path / "out"))


def test_a_bomb_is_refused_long_before_it_has_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    header = tarfile.TarInfo("zeros")
    header.size = 10 * 1024**3
    # Only the beginning is there: a reader that went on to the end would complain about that instead.
    path.write_bytes(gzip.compress(header.tobuf() + bytes(64 * 1024**2), 9))
    with pytest.raises(ArtifactError, match="200 times its size"):
        extract(str(path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# Not from getrusage: its peak begins with that of the process that was forked.
PEAK = r"""
import re, sys
from pathlib import Path
from orchestrator.adapters.archives.tarball import contents
from orchestrator.core.errors import ArtifactError
try:
    contents(sys.argv[1])
except ArtifactError as error:
    peak_kib = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
    print(int(peak_kib) // 1024, error)
"""


def test_refusing_takes_little_memory(tmp_path: Path) -> None:
    bomb = header_of("zeros", 10 * 1024**3) + bytes(128 * 1024**2)
    many = b"".join(header_of(f"{number}/" + "x" * 90, 0) for number in range(10_001))
    path = tmp_path / "model.tar.gz"
    for content, why in [(bomb, "200 times"), (many, "more than 10000 members")]:
        path.write_bytes(gzip.compress(content, 1))
        command = [sys.executable, "-c", PEAK, str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peak_mib, _, message = told.partition(" ")
        assert why in message
        assert int(peak_mib) <= 150


def test_an_archive_cut_at_any_block_of_its_tar_is_refused(tmp_path: Path) -> None:
    whole = tarred(member("a", bytes(1500)), member("b/c"))
    path = tmp_path / "model.tar.gz"
    for end in range(0, 5 * 512, 512):  # behind that is only the end's padding
        path.write_bytes(gzip.compress(whole[:end]))
        with pytest.raises(ArtifactError, match="damaged or incomplete"):
            extract(str(path), str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()


def test_what_follows_the_gzip_file_is_refused_unless_it_is_the_archives_own_end(tmp_path: Path) -> None:
    whole = tarred(member("a"))
    path = tmp_path / "model.tar.gz"
    for behind in (b"garbage", gzip.compress(b"garbage"), gzip.compress(tarred(member("b")))):
        path.write_bytes(gzip.compress(whole) + behind)
        with pytest.raises(ArtifactError, match="damaged or incomplete"):
            contents(str(path))
    # Some compressors write several gzip members; every gunzip joins them.
    path.write_bytes(gzip.compress(whole[:700]) + gzip.compress(whole[700:]))
    assert [file.path for file in contents(str(path)).files] == ["a"]


def test_a_wrong_size_in_the_gzip_trailer_is_noticed(tmp_path: Path) -> None:
    content = gzip.compress(tarred(member("a")))
    (tmp_path / "a.tar.gz").write_bytes(content[:-4] + (2**31).to_bytes(4, "little"))
    with pytest.raises(ArtifactError, match="damaged"):
        contents(str(tmp_path / "a.tar.gz"))


def test_an_archive_in_an_archive_in_an_archive_is_a_file_like_any_other(tmp_path: Path) -> None:
    nested = tarred(member("innermost"))
    for level in range(20):
        nested = tarred(member(f"{level}.tar", nested))
    path = tmp_path / "model.tar.gz"
    path.write_bytes(gzip.compress(nested))
    assert [file.path for file in contents(str(path)).files] == ["19.tar"]
    with pytest.raises(ArtifactError) as caught:
        check_layout([file.path for file in contents(str(path)).files])
    assert ("holds", "'19.tar', an archive inside the archive") in caught.value.details


def test_an_absent_archive_is_an_error_with_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no archive") as caught:
        contents(str(tmp_path / "model.tar.gz"))
    assert caught.value.hint == "build it: orchestrator package"


def test_an_archive_is_never_unpacked_over_something(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(gzip.compress(tarred(member("a"))))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ArtifactError, match="cannot be written"):
        extract(str(path), str(tmp_path / "out"))
    assert (tmp_path / "out" / "mine").read_text() == "mine"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_ordinary_archive_of_a_stranger_is_unpacked(tmp_path: Path, form: int) -> None:
    path = tmp_path / "model.tar.gz"
    members = [
        member("./", b"", type=tarfile.DIRTYPE),
        member("./code/", b"", type=tarfile.DIRTYPE),
        member("./code/inference.py", b"pass", mode=0o6777, uid=1000, mtime=1.5),
        member("model.pt", b"12", uname="somebody"),
    ]
    path.write_bytes(gzip.compress(tarred(*members, form=form)))
    extract(str(path), str(tmp_path / "out"))
    assert contents(str(path)).manifest is None
    assert (tmp_path / "out" / "code" / "inference.py").read_text() == "pass"
    assert (tmp_path / "out" / "code" / "inference.py").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "out").stat().st_mode & 0o7777 == 0o700


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    for path in ("../x", "/x", "a\\b"):
        with pytest.raises(ArtifactError, match="unusable member"):
            pack(str(tmp_path / "out"), [Member(path, b"")])


def test_a_place_that_cannot_be_written_to_is_an_error() -> None:
    with (
        pytest.raises(ArtifactError, match="cannot be written"),
        draft("/dev/null/model.tar.gz"),
    ):
        pass


def test_a_file_that_has_gone_is_named() -> None:
    with pytest.raises(ArtifactError, match="'weights' cannot be put into the archive: No such file"):
        described(Member("weights", "/nowhere/weights"))


def test_a_full_disk_is_an_error_that_names_the_archive_and_not_its_draft(tmp_path: Path) -> None:
    out = str(tmp_path / "model.tar.gz")
    with (
        pytest.raises(ArtifactError, match=rf"'{out}' cannot be written: No space left on device"),
        draft(out),
    ):
        pack("/dev/full", [Member("a", bytes(range(256)) * 8192)])
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_an_archive_tells_who_made_it_or_when(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    members = [Member("b", b"2"), Member("a/é" + "x" * 120, b"1")]
    pack(str(path), members)
    assert path.read_bytes()[3:8] == b"\0\0\0\0\0"  # no flags, hence no name; no time
    with tarfile.open(path) as tar:
        assert [header.name for header in tar] == [members[1].path, "b"]
        told = {(h.uid, h.gid, h.uname, h.gname, h.mtime, h.mode, h.type) for h in tar}
    assert told == {(0, 0, "", "", 0, 0o644, tarfile.REGTYPE)}
