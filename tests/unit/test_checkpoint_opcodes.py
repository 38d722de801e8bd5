"""The rules by which a pickle counts as plain tensors and values, one by one."""

import _compat_pickle
import collections
import pickle
import struct

import pytest

from orchestrator.adapters.checkpoints import opcodes
from orchestrator.adapters.checkpoints.opcodes import ALLOWED, Finding, is_allowed, walk
from tests.security.assembling import LEGACY_HEAD, call, name, text, torch_legacy, whole

PLAIN = {"a": [1, 2.5, None, True, (1,), {2}, b"x", "y" * 70_000, 10**30], "b": collections.OrderedDict(c=1j)}
SIZE = text("torch") + text("Size")
UNRESOLVED = "unresolved STACK_GLOBAL"


def found(stream: bytes, *, persistent_ids: bool = False) -> list[str]:
    return [finding.what for finding in walk(stream, persistent_ids=persistent_ids)]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_clean_in_every_protocol(protocol: int) -> None:
    assert found(pickle.dumps(PLAIN, protocol)) == []


def test_every_name_on_the_list_is_clean_however_it_is_written() -> None:
    for module, names in ALLOWED.items():
        for attribute in names:
            assert found(whole(name(module, attribute))) == []
            assert found(whole(name(module, attribute, 4), 4)) == []


def test_a_name_on_the_list_stays_on_it_where_old_names_are_translated() -> None:
    for module, names in ALLOWED.items():
        for attribute in names:
            new = _compat_pickle.NAME_MAPPING.get(
                (module, attribute), (_compat_pickle.IMPORT_MAPPING.get(module, module), attribute)
            )
            assert is_allowed(*new) or new[0] == "builtins"


def test_a_finding_says_what_and_where() -> None:
    stream = whole(b"N0" + call("posix", "system", "x") + b"0" + name("a.b", "_Net"))

    assert walk(stream, persistent_ids=False) == (
        Finding(4, "calls posix.system"),
        Finding(stream.index(b"ca.b"), "builds a.b._Net"),
    )


def test_every_name_is_reported_once_and_only_so_many() -> None:
    twice = whole(2 * (name("posix", "system") + b"0") + b"N")
    many = whole(b"".join(name("posix", f"f{number}") + b"0" for number in range(100)) + b"N")

    assert found(twice) == ["calls posix.system"]
    assert len(found(many)) == opcodes.MAX_FINDINGS


def test_a_name_is_reported_in_printable_characters_and_cut() -> None:
    stream = whole(text("posix\x1b[2J\n") + text("\u00e9" * 5000) + b"\x93", 4)

    (what,) = found(stream)

    assert what.startswith("calls posix\\x1b[2J\\n.")
    assert what.isascii()
    assert len(what) < 1000


@pytest.mark.parametrize(
    "between", [b"0", b"2", b"(1", b"N0", b"(t0", b"\x85", b"]", b"K\x01", b"\x80\x04", b")R", b"Q"]
)
def test_an_opcode_between_the_strings_and_the_import_leaves_it_unresolved(between: bytes) -> None:
    assert UNRESOLVED in found(whole(SIZE + between + b"\x93", 4))


@pytest.mark.parametrize("between", [b"", b"\x94", b"q\x05", b"p7\n", b"r\x09\0\0\0"])
def test_writing_to_the_memo_between_them_does_not(between: bytes) -> None:
    assert found(whole(SIZE + between + b"\x93", 3)) == []


def test_strings_come_from_the_memo_only_if_they_were_put_there() -> None:
    stored = text("torch") + b"q\x00" + text("Size") + b"q\x01" + b"00"

    assert found(whole(stored + b"h\x00h\x01\x93", 3)) == []
    assert found(whole(stored + b"h\x00h\x02\x93", 3)) == [UNRESOLVED]
    assert found(whole(b"Nq\x00" + SIZE + b"h\x00\x93", 3)) == [UNRESOLVED]
    assert found(whole(text("torch") + text("x") + b"0q\x00" + b"h\x00" + text("Size") + b"\x93", 3)) == [
        UNRESOLVED
    ]


@pytest.mark.parametrize("missing", [b"", text("Size"), text("Size") + b"N"])
def test_an_import_without_two_strings_is_unresolved(missing: bytes) -> None:
    assert found(whole(missing + b"\x93", 4)) == [UNRESOLVED]


def test_numbering_the_memo_in_two_ways_is_reported() -> None:
    assert found(whole(text("a") + b"\x94" + text("b") + b"q\x01", 4)) == ["numbers its memo in two ways"]


@pytest.mark.parametrize("opcode", [b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\0\0\0"])
def test_the_extension_registry_is_reported(opcode: bytes) -> None:
    assert found(whole(opcode)) == ["calls number 1 of the extension registry"]


@pytest.mark.parametrize("opcode", [b"Pkey\n", b"NQ"])
def test_persistent_ids_are_for_readers_that_know_them(opcode: bytes) -> None:
    assert found(whole(opcode), persistent_ids=True) == []
    assert found(whole(opcode)) == ["asks its reader for an object by a persistent id"]


def test_a_name_that_is_read_in_two_ways_is_unresolved() -> None:
    assert found(whole(b"ctor\\x63h\nSize\n")) == ["unresolved GLOBAL"]


@pytest.mark.parametrize("length", [1, 3, 5, 10, 100])
def test_a_frame_ends_between_opcodes_and_no_later_than_the_pickle(length: int) -> None:
    framed = b"\x80\x04\x95" + struct.pack("<Q", length) + b"X\x01\0\0\0a0N."

    assert "has a frame that does not end where its opcodes end" in found(framed)


def test_frames_around_whole_opcodes_are_clean() -> None:
    assert found(pickle.dumps([b"x" * 100_000, "y"] * 3, 4)) == []
    assert found(whole(b"\x95" + struct.pack("<Q", 1) + b"N", 3)) == []
    assert "has a frame that does not end where its opcodes end" in found(whole(b"\x95" + bytes(8) + b"N", 4))


def test_what_follows_a_pickle_is_walked_too() -> None:
    good, evil = pickle.dumps([1], 4), whole(call("posix", "system", "x"))

    assert found(good + good) == []
    assert found(good + evil) == ["calls posix.system"]
    assert found(good + b"\xff") != []


def test_the_memo_of_an_earlier_pickle_counts_for_the_next_but_not_for_it_alone() -> None:
    first = whole(text("posix", 4) + text("system", 4), 3)
    second = whole(text("torch", 4) + text("Size", 4) + b"h\x00h\x01\x93", 3)

    assert found(second) == []
    assert found(first + second) == ["calls posix.system"]


@pytest.mark.parametrize(
    "stream", [b"", b"\x80", b"N", b"\xff.", b"X\xff\xff\xff\xffa.", b"I\n.", b"S'\\q'\n.", b"V"]
)
def test_what_is_no_pickle_is_said_to_be_none(stream: bytes) -> None:
    (what,) = found(stream)

    assert what.startswith("is no pickle that can be read: ")


def test_a_pickle_cut_off_anywhere_is_said_to_be_none() -> None:
    stream = pickle.dumps(PLAIN | {"b": "c"}, 4)[-200:]
    for end in range(1, len(stream)):
        assert found(b"\x80\x04(" + stream[:end])


def test_a_longer_stream_than_is_walked_is_reported() -> None:
    text_of_all = b"B" + struct.pack("<L", opcodes.MAX_PICKLE_BYTES) + bytes(opcodes.MAX_PICKLE_BYTES) + b"."

    assert f"is longer than {opcodes.MAX_PICKLE_BYTES} bytes" in found(text_of_all)


def test_an_old_file_of_torch_save_is_five_pickles_and_bytes() -> None:
    plain = torch_legacy(pickle.dumps(PLAIN, 2))

    assert walk(memoryview(plain + b"\xff" * 99), persistent_ids=True, legacy=True) == ()
    assert found(plain + b"\xff" * 99) != []


@pytest.mark.parametrize("protocol", range(6))
def test_an_old_file_begins_with_its_magic_number_and_protocol(protocol: int) -> None:
    rest = 3 * pickle.dumps({}, 2)
    head = pickle.dumps(opcodes.LEGACY_MAGIC, protocol) + pickle.dumps(1001, protocol)
    other = pickle.dumps(opcodes.LEGACY_MAGIC + 1, protocol) + pickle.dumps([1001], protocol)

    assert walk(head + rest, persistent_ids=True, legacy=True) == ()
    assert len(walk(other + rest, persistent_ids=True, legacy=True)) == 2


@pytest.mark.parametrize("place", range(5))
def test_an_old_file_is_walked_in_all_its_pickles(place: int) -> None:
    pickles = [*LEGACY_HEAD, whole(b"}"), whole(b"]")]
    pickles[place] = whole(call("posix", "system", "x"))

    findings = walk(b"".join(pickles), persistent_ids=True, legacy=True)

    assert "calls posix.system" in [finding.what for finding in findings]
