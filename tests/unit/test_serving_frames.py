"""Frames and messages between the server and its workers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.serving import frames, messages
from orchestrator.serving.frames import BrokenFrameError, Frame

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


@given(st.builds(messages.Request, HEADERS, st.binary(), TEXTS))
def test_a_request_survives_its_frame(request: messages.Request) -> None:
    assert messages.read_request(messages.request_frame(request)) == request


@given(st.builds(messages.Response, st.integers(200, 599), HEADERS, st.binary()))
def test_a_response_survives_its_frame(response: messages.Response) -> None:
    assert messages.read_response(messages.response_frame(response)) == response


@pytest.mark.parametrize("outcome", [messages.Loaded(), messages.Failed("ValueError: é", "Traceback\n…")])
def test_how_loading_went_survives_its_frame(outcome: messages.Loaded | messages.Failed) -> None:
    assert messages.read_outcome(messages.outcome_frame(outcome)) == outcome
