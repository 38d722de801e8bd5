"""No bit of a journal, of its head, of a saved plan or of an archive changes without being noticed.

Of an archive there are bits that say nothing, such as gzip's time stamp: what it holds is the same then, to
the last byte, and another reader than ours is asked for that. The seed is in a failure's text;
``ORCHESTRATOR_FUZZ`` multiplies how many bits are tried.
"""

import gzip
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters.archives import tarball
from orchestrator.core import heads, journal, savedplan
from orchestrator.core.errors import ArtifactError, ConflictError, RefusedError
from orchestrator.core.savedplan import SavedPlan
from orchestrator.core.spec import S3_PREFIX, TAR_GZ
from orchestrator.usecases.build import Build
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.publish import publish
from orchestrator.usecases.verify import verify
from tests.support.builders import prepared, revision
from tests.support.builds import build, spec
from tests.support.fakes import FakeStore, SilentProgress, SilentTransfer, fake_edge

FLIPS = 1000 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
Objects = dict[str, bytes]


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def journal_objects() -> Objects:
    """Return what lies in S3 after three deployments: the entries, and the head."""
    world = fake_edge()
    for mark in "aba":
        deploy(prepared(revision(mark), world, reason="für Ada"), world.edge(), SilentProgress())
    head = world.journal.head()
    assert head is not None
    entries = {f"{number:06d}": content for number, content in enumerate(world.journal.shared, start=1)}
    return {**entries, "head": heads.encode_head("digits", head)}


def read_journal(objects: Objects) -> None:
    encoded = [content for name, content in sorted(objects.items()) if name != "head"]
    head = heads.decode_head("digits", objects["head"])
    heads.replay("digits", journal.decode("digits", encoded), head)


def plan_objects() -> Objects:
    steps = ("+ model digits-1", "~ endpoint digits: digits-1 -> digits-2")
    places = ("digits", "prod", "123456789012", "eu-west-1")
    digests = ("0" * 64, "1" * 64)
    made = SavedPlan(*places, "a" * 64, "digits-2", steps, *digests, "2026-11-22T12:00:00+00:00", "arn:ada")
    return {"plan": savedplan.encode(made)}


def read_plan(objects: Objects) -> None:
    savedplan.decode(objects["plan"])


@pytest.mark.parametrize(
    ("made", "read"),
    [(journal_objects, read_journal), (plan_objects, read_plan)],
    ids=["journal and head", "saved plan"],
)
def test_every_flipped_bit_is_found(made: Callable[[], Objects], read: Callable[[Objects], None]) -> None:
    objects = made()
    read(objects)
    for name, bit, seed in drawn({name: len(content) for name, content in objects.items()}):
        damaged = {**objects, name: flipped(objects[name], bit)}
        try:
            read(damaged)
        except (ConflictError, RefusedError):
            continue
        raise AssertionError(f"seed {seed}: bit {bit} of {name} was flipped, and nobody noticed")


def drawn(sizes: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """Yield which bits to flip: of what, which, and the seed that drew it."""
    seed = random.randrange(2**32)  # noqa: S311 - which bits, not a secret
    chance = random.Random(seed)  # noqa: S311 - as above
    names = sorted(name for name, size in sizes.items() if size)
    for _ in range(FLIPS):
        name = chance.choice(names)
        yield name, chance.randrange(sizes[name] * 8), seed


def weighty() -> Build:
    """Return a build with weights that do not compress, as weights do not."""
    return build(**{"extra.safetensors": random.Random(7).randbytes(3000)})  # noqa: S311 - content, no secret


def test_every_flipped_bit_that_changes_what_an_archive_holds_is_found(tmp_path: Path) -> None:
    made = weighty()
    whole = b"".join(tarball.stream(made.members, made.files))
    path = tmp_path / "model.tar.gz"
    path.write_bytes(whole)
    assert verify(str(path), tarball).identity == made.identity
    found = 0
    for _, bit, seed in drawn({"archive": len(whole)}):
        damaged = flipped(whole, bit)
        path.write_bytes(damaged)
        try:
            verify(str(path), tarball)
        except ArtifactError:
            found += 1
        else:
            said = f"seed {seed}: bit {bit} was flipped, and nobody noticed"
            assert gzip.decompress(damaged) == gzip.decompress(whole), said
    assert found > 0.95 * FLIPS, "hardly any bit says nothing"


@pytest.mark.parametrize("layout", [TAR_GZ, S3_PREFIX])
def test_every_bit_that_is_flipped_between_hashing_and_sending_is_found_and_nothing_of_it_sent(
    layout: str,
) -> None:
    made = weighty()
    contents = {one.path: one.content for one in made.members if isinstance(one.content, bytes)}
    for name, bit, seed in drawn({path: len(content) for path, content in contents.items()}):
        members = tuple(
            replace(one, content=flipped(contents[name], bit)) if one.path == name else one
            for one in made.members
        )
        store = FakeStore()
        try:
            publish(spec(layout), replace(made, members=members), tarball, store, SilentTransfer())
        except ArtifactError:
            assert not [key for key in store.objects if key.endswith((name, ".tar.gz"))]
            continue
        raise AssertionError(f"seed {seed}: bit {bit} of {name} was flipped, and it was sent")
