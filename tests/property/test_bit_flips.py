"""No bit of a journal, of its head or of a saved plan changes without being noticed.

The seed is in a failure's text; ``ORCHESTRATOR_FUZZ`` multiplies how many bits are tried.
"""

import os
import random
from collections.abc import Callable

import pytest

from orchestrator.core import heads, journal, savedplan
from orchestrator.core.errors import ConflictError, RefusedError
from orchestrator.core.savedplan import SavedPlan
from orchestrator.usecases.deploy import deploy
from tests.support.builders import prepared, revision
from tests.support.fakes import SilentProgress, fake_edge

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
    seed = random.randrange(2**32)  # noqa: S311 - which bits, not a secret
    chance = random.Random(seed)  # noqa: S311 - as above
    names = sorted(objects)
    for _ in range(FLIPS):
        name = chance.choice(names)
        bit = chance.randrange(len(objects[name]) * 8)
        damaged = {**objects, name: flipped(objects[name], bit)}
        try:
            read(damaged)
        except (ConflictError, RefusedError):
            continue
        raise AssertionError(f"seed {seed}: bit {bit} of {name} was flipped, and nobody noticed")
