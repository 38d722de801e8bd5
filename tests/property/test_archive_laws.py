"""Laws of archives: what is written is what is read, the same everywhere, and damage never goes unnoticed."""

import contextlib
import gzip
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.archives.tarball import contents, draft, extract
from orchestrator.core.archive import Member, broken_rule, check_paths
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Contents, manifest_of
from tests.support.archives import described, pack

COMPONENT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12)
NAME = st.lists(COMPONENT | st.sampled_from(["x" * 120, "é", "a b"]), min_size=1, max_size=4).map("/".join)


def readable(names: list[str]) -> bool:
    try:
        check_paths(names)
    except ArtifactError:
        return False
    return True


NAMES = st.lists(NAME.filter(lambda name: not broken_rule(name)), min_size=1, max_size=6).filter(readable)
MEMBERS = NAMES.flatmap(
    lambda names: st.tuples(*[st.builds(Member, st.just(name), st.binary(max_size=1500)) for name in names])
)


@contextlib.contextmanager
def written(members: tuple[Member, ...]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tar.gz"
        pack(str(path), members)
        yield path


@settings(max_examples=60, deadline=None)
@given(MEMBERS)
def test_what_is_written_is_what_is_read(members: tuple[Member, ...]) -> None:
    with written(members) as path:
        assert contents(str(path)) == Contents(tuple(sorted(map(described, members))))
        extract(str(path), str(path.parent / "out"))
        for member in members:
            assert (path.parent / "out" / member.path).read_bytes() == member.content


@settings(max_examples=40, deadline=None)
@given(MEMBERS, st.randoms(use_true_random=False))
def test_the_order_of_the_members_changes_neither_bytes_nor_identity(
    members: tuple[Member, ...], chance: random.Random
) -> None:
    shuffled = list(members)
    chance.shuffle(shuffled)
    with written(members) as first, written(tuple(shuffled)) as second:
        assert first.read_bytes() == second.read_bytes()
    identities = {manifest_of(map(described, order), ()).identity for order in (members, shuffled)}
    assert len(identities) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_archive_cut_short_anywhere_is_refused_and_leaves_nothing(data: st.DataObject) -> None:
    with written((Member("a", b"\x00\x01" * 700), Member("b/c", b"text"))) as path:
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ArtifactError):
            extract(str(path), str(path.parent / "out"))
        assert not (path.parent / "out").exists()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_archive_is_refused_or_holds_the_same(data: st.DataObject) -> None:
    members = (Member("a", b"\x00\x01" * 700), Member("b/c", b"text"))
    with written(members) as path:
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with contextlib.suppress(ArtifactError):
            assert contents(str(path)) == Contents(tuple(sorted(map(described, members))))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_tar_that_was_tampered_with_is_read_or_refused(data: st.DataObject) -> None:
    with written((Member("a", b"text"), Member("é/" + "x" * 120, b"more"))) as path:
        content = bytearray(gzip.decompress(path.read_bytes()))
        for _ in range(data.draw(st.integers(1, 3))):
            position = data.draw(st.integers(0, 7 * 512 - 1))
            content[position] = data.draw(st.integers(0, 255))
            # A tamperer would get the header's checksum right.
            header = position // 512 * 512
            blanked = content[header : header + 148] + b" " * 8 + content[header + 156 : header + 512]
            content[header + 148 : header + 156] = b"%06o\0 " % sum(blanked)
        path.write_bytes(gzip.compress(bytes(content)))
        with contextlib.suppress(ArtifactError):
            extract(str(path), str(path.parent / "out"))
        assert {found.name for found in path.parent.iterdir()} <= {path.name, "out"}


@settings(deadline=None)
@given(st.binary(max_size=40), st.booleans())
def test_a_draft_replaces_its_target_only_at_the_end(earlier: bytes, fails: bool) -> None:  # noqa: FBT001 - drawn
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model.tar.gz"
        out.write_bytes(earlier)
        with contextlib.suppress(ArtifactError), draft(str(out)) as path:
            Path(path).write_bytes(b"new")
            assert out.read_bytes() == earlier
            if fails:
                raise ArtifactError("the trial failed")
        assert out.read_bytes() == (earlier if fails else b"new")
        assert list(Path(folder).iterdir()) == [out]
