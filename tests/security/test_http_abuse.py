"""What clients can do to the HTTP front over a socket, and what comes of it."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator

import pytest

from orchestrator.serving.front.access import guarded
from orchestrator.serving.front.limits import Limits
from tests.support.fronts import CONTRACT, Front, Reply, front, reply, request, until_closed
from tests.support.servers import eventually

HASTY = Limits(
    head_bytes=4096,
    headers=20,
    head_seconds=0.4,
    body_seconds=0.4,
    reader_seconds=0.4,
    linger_seconds=0.4,
    linger_bytes=1_000_000,
    connections=50,
)
HOST = b"Host: localhost\r\n"
POST = b"POST /invocations HTTP/1.1\r\n"
# What a smuggler hides: it would be echoed.
HIDDEN = request(b"POST", b"/invocations", body=b"SMUGGLED")


@pytest.fixture(scope="module")
def patient() -> Iterator[Front]:
    """A front with the limits that it has by default."""
    with front() as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Front]:
    """A front that waits for nobody, and takes little."""
    with front(HASTY) as running:
        yield running


def refused(content: bytes) -> Reply:
    """Return the only answer in ``content``, which closes the connection."""
    answer = reply(content)
    assert content.count(b"HTTP/1.1 ") == 1
    assert answer.headers["connection"] == "close"
    if answer.body:
        assert answer.headers["content-type"] == "application/json"
    return answer


AMBIGUOUS = {
    "a length and an encoding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "one length twice": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 0\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a space": b"Content-Length: 0 0\r\n\r\n",
    "a hexadecimal length": b"Content-Length: 0x0\r\n\r\n",
    "an empty length": b"Content-Length:\r\n\r\n",
    "a length beyond 64 bits": b"Content-Length: 18446744073709551616\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a folded header": b"X: a\r\n Content-Length: 5\r\n\r\n",
    "a bare line feed after a header": b"X: a\nContent-Length: 5\r\n\r\n",
    "a bare line feed at the end": b"X: a\r\n\n",
    "a bare carriage return": b"X: a\rContent-Length: 5\r\n\r\n",
    "a NUL": b"X: \0\r\n\r\n",
    "another encoding": b"Transfer-Encoding: gzip\r\n\r\n",
    "encodings": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding of almost that name": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "an encoding after a control character": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "an encoding in quotes": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "two hosts": b"Host: localhost\r\n\r\n",
    "a header without a name": b": a\r\n\r\n",
    "a header without a colon": b"abc\r\n\r\n",
    "a name that is none": b"X\xe9: a\r\n\r\n",
    "a chunk size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "a chunk size with a prefix": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a chunk size with a space": b"Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
    "a chunk size beyond 64 bits": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    "a chunk size that is none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a bare line feed after a chunk size": b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
    "a bare line feed after an extension": b"Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n",
    "a bare line feed after a chunk": b"Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
    "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "a length among the trailers": b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_looked_at(
    patient: Front, rest: bytes
) -> None:
    content = patient.exchange(POST + HOST + rest + HIDDEN)
    assert refused(content).status == 400
    assert b"SMUGGLED" not in content
    assert all(b"SMUGGLED" not in asked.body for asked in patient.workers.asked)


LINES = {
    "HTTP/0.9": b"GET /ping\r\n\r\n",
    "HTTP/0.9 with a number": b"GET /ping HTTP/0.9\r\n\r\n",
    "HTTP/2": b"GET /ping HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown version": b"GET /ping HTTP/1.2\r\n" + HOST + b"\r\n",
    "no host": b"GET /ping HTTP/1.1\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /invocations HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space in the target": b"GET /pi ng HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a bare line feed": b"GET /ping HTTP/1.1\n" + HOST + b"\r\n",
    "a space after the version": b"GET /ping HTTP/1.1 \r\n" + HOST + b"\r\n",
    "a method that is none": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a header before the line": b"Host: localhost\r\n\r\n",
}


@pytest.mark.parametrize("head", LINES.values(), ids=LINES.keys())
def test_what_is_no_request_of_http_1_is_refused(patient: Front, head: bytes) -> None:
    assert refused(patient.exchange(head)).status == 400


def test_a_refusal_waits_for_the_answers_before_it(patient: Front) -> None:
    content = patient.exchange(request(b"POST", b"/invocations", body=b"first") + b"nonsense\r\n\r\n")
    first = reply(content)
    assert (first.status, first.body, first.headers["connection"]) == (200, b"first", "keep-alive")
    second = content[content.index(b"first") + 5 :]
    assert refused(second).status == 400


def test_nothing_follows_a_request_that_closes_the_connection(patient: Front) -> None:
    content = patient.exchange(request(b"POST", b"/invocations", b"Connection: close", body=b"x") + HIDDEN)
    assert refused(content.replace(b"text/plain", b"application/json")).body == b"x"


def test_requests_that_were_sent_at_once_are_answered_in_their_order(patient: Front) -> None:
    bodies = [b"%04d" % number for number in range(200)]
    sent = b"".join(request(b"POST", b"/invocations", body=body) for body in bodies)
    content = patient.exchange(sent + request(b"GET", b"/nope"))
    assert [part[:4] for part in content.split(b"\r\n\r\n")[1:-1]] == bodies
    assert content.count(b"HTTP/1.1 404 ") == 1


def test_another_protocol_that_is_offered_is_not_taken(patient: Front) -> None:
    headers = b"Connection: Upgrade", b"Upgrade: websocket"
    answer = reply(patient.exchange(request(b"GET", b"/ping", *headers) + HIDDEN))
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert refused(patient.exchange(request(b"CONNECT", b"evil.example:80"))).status in {400, 404, 500}


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_a_body_is_read_whole_where_another_protocol_is_offered(patient: Front, protocol: bytes) -> None:
    headers = b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + protocol, b"HTTP2-Settings: AAEAAEAAAAIA"
    for rest in (b"", HIDDEN):
        answer = reply(patient.exchange(request(b"POST", b"/invocations", *headers, body=b"a\r\nb") + rest))
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"a\r\nb", "close")
    assert dict(patient.workers.asked[-1].headers)["Upgrade"] == protocol.decode()
    chunked = request(b"POST", b"/invocations", *headers, b"Transfer-Encoding: chunked")
    assert reply(patient.exchange(chunked + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n" + HIDDEN)).body == b"abc"


def test_trailers_are_nobodys(patient: Front) -> None:
    head = request(b"POST", b"/invocations", b"Transfer-Encoding: chunked", b"Connection: close")
    assert reply(patient.exchange(head + b"1\r\na\r\n0\r\nX-Evil: 1\r\n\r\n")).body == b"a"
    assert "X-Evil" not in dict(patient.workers.asked[-1].headers)


def test_headers_reach_the_entry_point_as_they_were_spelt(patient: Front) -> None:
    patient.exchange(request(b"POST", b"/invocations", b"conTENT-type: a", b"Connection: close", body=b"x"))
    names = [name for name, _ in patient.workers.asked[-1].headers]
    assert names == ["Host", "conTENT-type", "Connection", "Content-Length"]


# Row 9 of the abuse table: sizes.


def test_a_body_at_the_limit_passes_and_one_over_it_is_refused(patient: Front) -> None:
    most = bytes(CONTRACT.max_request_bytes)
    head = request(b"POST", b"/invocations", b"Connection: close", b"Transfer-Encoding: chunked")
    assert (
        reply(patient.exchange(request(b"POST", b"/invocations", b"Connection: close", body=most))).status
        == 200
    )
    assert reply(patient.exchange(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(most), most))).status == 200
    declared = refused(patient.exchange(request(b"POST", b"/invocations", body=most + b"x")))
    counted = refused(patient.exchange(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(most) + 1, most + b"x")))
    for answer in (declared, counted):
        assert (answer.status, answer.reason, answer.body) == (413, "Request Entity Too Large", b"")


def test_whoever_sends_far_too_much_still_sees_the_answer(patient: Front) -> None:
    assert refused(patient.exchange(request(b"POST", b"/invocations", body=bytes(20_000_000)))).status == 413


def test_an_endless_body_is_cut(hasty: Front) -> None:
    head = request(b"POST", b"/invocations", b"Transfer-Encoding: chunked")
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with hasty.connection() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(head)
        for _ in range(100_000):
            connection.sendall(piece)
        pytest.fail("6 GB were taken")


def test_leave_to_send_a_body_is_given_only_for_one_that_will_be_taken(patient: Front) -> None:
    expecting = b"Expect: 100-continue"
    with patient.connection() as connection:
        connection.sendall(
            request(b"POST", b"/invocations", expecting, b"Connection: close", b"Content-Length: 2")
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert reply(until_closed(connection)).body == b"ok"
    large = b"Content-Length: 100001"
    assert refused(patient.exchange(request(b"POST", b"/invocations", expecting, large))).status == 413
    assert refused(patient.exchange(request(b"GET", b"/ping", b"Expect: a miracle"))).status == 417


def test_an_encoded_body_is_the_entry_points_business(patient: Front) -> None:
    body = gzip.compress(b"x" * 50)
    sent = request(b"POST", b"/invocations", b"Content-Encoding: gzip", b"Connection: close", body=body)
    assert reply(patient.exchange(sent)).body == body


@pytest.mark.parametrize("length", [b"10", b"1000"])
def test_a_body_shorter_than_it_says_is_given_up(hasty: Front, length: bytes) -> None:
    asked = len(hasty.workers.asked)
    content = hasty.exchange(request(b"POST", b"/invocations", b"Content-Length: " + length) + b"12345")
    assert refused(content).status == 408
    assert len(hasty.workers.asked) == asked


def test_a_client_that_hangs_up_in_the_middle_is_forgotten(patient: Front) -> None:
    before = len(patient.noted.answers)
    with patient.connection() as connection:
        connection.sendall(request(b"POST", b"/invocations", b"Content-Length: 10") + b"12345")
    assert patient.is_well()
    assert all(answer.path == "/ping" for answer in patient.noted.answers[before:])


@pytest.mark.parametrize(
    "head",
    [
        request(b"GET", b"/ping", b"X: " + b"x" * 4096),
        request(b"GET", b"/" + b"x" * 4096),
        request(b"GET", b"/ping", *[b"X: y"] * 20),
        request(b"GET", b"/ping", b"x" * 4096 + b": x"),
        b"GET /ping HTTP/1.1\r\nX: " + b"x" * 1_000_000,
        b"GET /" + b"x" * 1_000_000,
    ],
    ids=["a value", "the target", "the number", "a name", "a value without end", "a target without end"],
)
def test_a_head_over_the_limit_is_refused(hasty: Front, head: bytes) -> None:
    assert refused(hasty.exchange(head)).status == 431


def test_a_head_within_the_limits_is_answered(patient: Front) -> None:
    headers = [b"X-%d: %b" % (number, b"y" * 300) for number in range(198)]
    assert (
        reply(patient.exchange(request(b"POST", b"/invocations", *headers, b"Connection: close"))).status
        == 200
    )


def test_extensions_of_chunks_that_outweigh_the_body_are_refused(hasty: Front) -> None:
    head = request(b"POST", b"/invocations", b"Transfer-Encoding: chunked")
    chunks = (b"1;" + b"x" * 2000 + b"\r\na\r\n" for _ in range(20))
    assert refused(hasty.exchange(head, *chunks)).status == 400


def test_a_body_in_chunks_of_one_byte_is_a_body(patient: Front) -> None:
    head = request(b"POST", b"/invocations", b"Transfer-Encoding: chunked", b"Connection: close")
    pieces = [b"1\r\nx\r\n" * 10_000] * 5
    assert len(reply(patient.exchange(head, *pieces, b"0\r\n\r\n")).body) == 50_000


# Row 11: slow clients.


def test_a_head_that_does_not_end_is_given_up(hasty: Front) -> None:
    assert refused(hasty.exchange(b"GET /ping HTTP/1.1\r\nX: ")).status == 408


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(hasty: Front) -> None:
    assert hasty.exchange() == b""


def test_a_connection_that_has_been_answered_may_stay_idle(hasty: Front) -> None:
    with hasty.connection() as connection:
        for _ in range(2):
            connection.sendall(request(b"POST", b"/invocations", body=b"1"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            assert hasty.exchange(b"G") != b""  # as long as another is given up


def test_slow_clients_leave_others_alone_and_are_given_up(hasty: Front) -> None:
    slow = [hasty.connection() for _ in range(30)]
    pause = threading.Event()
    for byte in b"GET /":
        for connection in slow:
            with contextlib.suppress(ConnectionError):
                connection.send(bytes([byte]))
        assert hasty.is_well()
        pause.wait(0.05)
    for connection in slow:
        assert refused(until_closed(connection)).status == 408
        connection.close()
    assert hasty.is_well()


@pytest.mark.parametrize("body", [b"large", b"endless"])
def test_whoever_does_not_take_the_answer_is_dropped(hasty: Front, body: bytes) -> None:
    with hasty.connection(receive_bytes=4096) as connection:
        connection.sendall(request(b"POST", b"/invocations", body=body))
        assert hasty.is_well()
        eventually(lambda: is_cut(connection), "the connection to be cut")


def is_cut(connection: socket.socket) -> bool:
    """Tell whether the other side has cut ``connection``, without taking anything from it."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_a_slow_reader_that_makes_progress_gets_everything(hasty: Front) -> None:
    taken, pause = 0, threading.Event()
    with hasty.connection(receive_bytes=65536) as connection:
        connection.sendall(request(b"POST", b"/invocations", b"Connection: close", body=b"large"))
        for _ in range(10):
            taken += len(connection.recv(1_000_000))
            pause.wait(0.1)
        taken += len(until_closed(connection))
    assert taken > 32 * 1024 * 1024


def test_connections_over_the_limit_are_refused_and_the_others_served(hasty: Front) -> None:
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(hasty.connection()) for _ in range(HASTY.connections)]
        one_more = stack.enter_context(hasty.connection())
        assert refused(until_closed(one_more)).status == 503
        others[0].sendall(request(b"GET", b"/ping"))
        assert others[0].recv(4096).startswith(b"HTTP/1.1 200 ")
    eventually(hasty.is_well, "room for another")


def test_nobody_works_for_a_client_who_has_gone(patient: Front) -> None:
    cancelled = patient.workers.cancelled
    with patient.connection() as connection:
        connection.sendall(request(b"POST", b"/invocations", body=b"wait"))
        eventually(lambda: patient.workers.asked[-1].body == b"wait", "the request")
    eventually(lambda: patient.workers.cancelled == cancelled + 1, "the request to be given up")


# Streaming.


def test_a_stream_comes_in_chunks(patient: Front) -> None:
    content = patient.exchange(request(b"POST", b"/invocations", b"Connection: close", body=b"stream"))
    answer = reply(content)
    assert content.startswith(b"HTTP/1.1 200 \r\nts_stream_next: true\r\n")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"part 0,part 1,part 2,stream"
    assert b"7\r\npart 1,\r\n" in content


def test_a_client_of_http_1_0_gets_a_stream_without_chunks(patient: Front) -> None:
    content = patient.exchange(b"POST /invocations HTTP/1.0\r\nContent-Length: 6\r\n\r\nstream")
    assert content.partition(b"\r\n\r\n")[2] == b"part 0,part 1,part 2,stream"


def test_a_stream_whose_worker_dies_is_cut_so_that_its_reader_can_tell(patient: Front) -> None:
    content = patient.exchange(request(b"POST", b"/invocations", body=b"die"))
    assert content.endswith(b"7\r\npart 2,\r\n")


# Rows 12 and 24: headers and exposure.


@pytest.mark.parametrize(
    "value", [b"a\r\nSet-Cookie: b", b"a\nSet-Cookie: b", b"a\rb", b"\xc3\xa9", b"x" * 1025]
)
def test_custom_attributes_begin_no_header_of_the_answer(patient: Front, value: bytes) -> None:
    header = b"X-Amzn-SageMaker-Custom-Attributes: " + value
    answer = reply(
        patient.exchange(request(b"POST", b"/invocations", header, b"Connection: close", body=b"x"))
    )
    assert answer.status in {200, 400}
    assert "set-cookie" not in answer.headers


def test_a_page_of_another_site_can_neither_rebind_nor_post(patient: Front) -> None:
    asked = len(patient.workers.asked)
    rebound = request(b"POST", b"/invocations", body=b"x", host=b"evil.example")
    posted = request(b"POST", b"/invocations", b"Origin: http://evil.example", body=b"x")
    embedded = request(b"GET", b"/invocations", b"Sec-Fetch-Site: cross-site")
    preflight = request(b"OPTIONS", b"/invocations", b"Origin: http://evil.example")
    answers = [refused(patient.exchange(sent)) for sent in (rebound, posted, embedded, preflight)]
    assert [answer.status for answer in answers] == [421, 403, 403, 403]
    assert all(not name.startswith("access-control") for answer in answers for name in answer.headers)
    assert len(patient.workers.asked) == asked


def test_a_server_with_a_token_answers_nobody_without_it() -> None:
    with front(access=guarded("0123456789abcdef")) as running:
        assert running.is_well()
        bare = refused(running.exchange(request(b"POST", b"/invocations", body=b"x")))
        assert (bare.status, bare.headers["www-authenticate"]) == (401, "Bearer")
        known = request(b"POST", b"/invocations", b"Authorization: Bearer 0123456789abcdef", body=b"x")
        assert running.exchange(known, request(b"GET", b"/ping", b"Connection: close")).count(b" 200 ") == 2
        assert len(running.workers.asked) == 1


def test_a_refusal_is_noted_like_every_answer() -> None:
    with front() as running:
        running.exchange(b"nonsense\r\n\r\n")
        assert [answer.status for answer in running.noted.answers] == [400]
