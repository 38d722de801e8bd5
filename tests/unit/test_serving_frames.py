"""Frames and messages between the server and its workers."""

import io
from collections.abc import Iterator
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.serving import frames, messages
from orchestrator.serving.contract import Fidelity
from orchestrator.serving.frames import Assembly, BrokenFrameError, Frame, OversizedFrameError

FRAMES = st.builds(Frame, st.binary(), st.binary())
TEXTS = st.text(st.characters(max_codepoint=0xFF))
HEADERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=5).map(tuple)


def wire(*sent: Frame) -> bytes:
    stream = io.BytesIO()
    for frame in sent:
        frames.write(stream, frame)
    return stream.getvalue()


@given(st.lists(FRAMES))
def test_frames_arrive_as_they_were_sent_and_then_the_stream_ends(sent: list[Frame]) -> None:
    stream = io.BytesIO(wire(*sent))
    assert [frames.read(stream) for _ in sent] == sent
    assert frames.read(stream) is None


def test_a_stream_that_ends_within_a_frame_is_broken() -> None:
    whole = wire(Frame(b"head", b"body"))
    for size in range(1, len(whole)):
        with pytest.raises(BrokenFrameError):
            frames.read(io.BytesIO(whole[:size]))


def test_the_opening_of_a_frame_and_its_body_are_the_frame() -> None:
    frame = Frame(b"head", b"body")
    assert frames.opening(frame) + frame.body == wire(frame)


REQUESTS = st.builds(messages.Request, HEADERS, st.binary(), TEXTS, TEXTS)
RESPONSES = st.builds(
    messages.Response,
    st.integers(200, 599),
    HEADERS,
    st.binary(),
    st.none() | TEXTS,
    st.lists(TEXTS).map(tuple),
    st.floats(0, 60),
)


@settings(max_examples=30)
@given(st.lists(REQUESTS, min_size=1, max_size=4))
def test_a_batch_of_requests_survives_its_frame(requests: list[messages.Request]) -> None:
    assert messages.read_requests(messages.requests_frame(requests)) == requests


@settings(max_examples=30)
@given(st.lists(RESPONSES, min_size=1, max_size=4))
def test_the_answers_to_a_batch_survive_their_frame(responses: list[messages.Response]) -> None:
    assert messages.read_reply(messages.responses_frame(responses), len(responses)) == responses


@given(st.builds(messages.Part, st.integers(0, 3), st.just(200), HEADERS, st.binary(), st.none() | TEXTS))
def test_a_part_of_a_streamed_answer_survives_its_frame(part: messages.Part) -> None:
    assert messages.read_reply(messages.part_frame(part), 4) == part


@pytest.mark.parametrize(
    "frame",
    [
        Frame(b"?"),
        Frame(b"7"),
        Frame(b"{}"),
        Frame(b"[]"),
        messages.part_frame(messages.Part(1, 200, (), b"")),
        messages.responses_frame([messages.Response(200, (), b"")] * 2),
    ],
)
def test_what_is_no_reply_to_one_request_is_an_error(frame: Frame) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        messages.read_reply(frame, 1)


@pytest.mark.parametrize(
    "outcome",
    [
        messages.Loaded(),
        messages.Loaded((("unsafe-npy", "input_fn"),), {"task": "custom"}),
        messages.Failed("ValueError: é", "Traceback\n…"),
    ],
)
def test_how_loading_went_survives_its_frame(outcome: messages.Loaded | messages.Failed) -> None:
    assert messages.read_outcome(messages.outcome_frame(outcome)) == outcome


@pytest.mark.parametrize("fidelity", list(Fidelity))
def test_an_assignment_survives_its_text(fidelity: Fidelity) -> None:
    assignment = messages.Assignment("/a", "/a/b", "/é", "predict", fidelity=fidelity, multi_model=True)
    assert messages.read_assignment(messages.assignment_text(assignment)) == assignment


def pieces(whole: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    place = 0
    while place < len(whole):
        size = next(sizes)
        yield whole[place : place + size]
        place += size


def assembled(assembly: Assembly, piece: bytes) -> list[Frame]:
    complete = []
    while piece:
        room = assembly.room()
        taken = min(len(room), len(piece))
        room[:taken] = piece[:taken]
        complete += assembly.add(taken)
        piece = piece[taken:]
    return complete


@given(st.lists(FRAMES), st.lists(st.integers(1, 20), min_size=1))
def test_frames_are_put_together_from_pieces_of_any_size(sent: list[Frame], sizes: list[int]) -> None:
    assembly = Assembly()
    arrived = [assembled(assembly, piece) for piece in pieces(wire(*sent), cycle(sizes))]
    assert [frame for frames in arrived for frame in frames] == sent


def test_a_frame_larger_than_any_buffer_is_put_together_and_so_is_what_follows() -> None:
    sent = [Frame(b"first", bytes(range(256)) * 4096), Frame(b"second", b"small"), Frame(b"x" * 200_000)]
    assembly = Assembly()
    arrived = [assembled(assembly, piece) for piece in pieces(wire(*sent), cycle([70_000, 3]))]
    assert [frame for frames in arrived for frame in frames] == sent


def test_a_body_over_the_limit_is_refused_as_soon_as_it_is_announced() -> None:
    assembly = Assembly()
    assembly.max_body_bytes = 4
    assert assembled(assembly, wire(Frame(b"head", b"body"))) == [Frame(b"head", b"body")]
    announced = wire(Frame(b"head", bytes(5)))[:8]
    with pytest.raises(OversizedFrameError) as caught:
        assembled(assembly, announced)
    assert caught.value.body_bytes == 5
