"""HTTP/1.1 on one connection, for `uvicorn.Server`: what arrives is parsed and limited, and answered in turn.

uvicorn's own protocol limits neither heads nor how slowly a request may come or an answer be taken; it
answers in plain text what it cannot parse, changes the names of headers and chooses the reason phrase. So
this is another one, on the same parser (llhttp, strict) and on the seam that uvicorn offers:
``Config(http=...)`` names a class, which is made with the keywords below, is one of
``server_state.connections``, and can be told to `shutdown`.

Where two readers could understand a message differently (request smuggling: RFC 9112, section 11.2) it is
answered 400, and nothing that follows on the connection is looked at.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import httptools
from uvicorn import Config
from uvicorn.server import ServerState

from orchestrator.serving import answers
from orchestrator.serving.front import offers, wire
from orchestrator.serving.front.exchange import Exchange
from orchestrator.serving.front.heads import Head, RefusedError
from orchestrator.serving.front.limits import Limits, Watch
from orchestrator.serving.front.outlet import Outlet
from orchestrator.serving.messages import Response
from orchestrator.serving.ports import Answered, Observer

# How much longer than the body itself a chunked body may be: a chunk of one byte takes six.
_CHUNKED_FACTOR = 8


class Connection(asyncio.Protocol):
    """One connection, as `uvicorn.Server` makes it; see `protocol`."""

    limits: ClassVar[Limits] = Limits()
    observers: ClassVar[tuple[Observer, ...]] = ()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - a keyword of uvicorn's; there is no lifespan
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = config.loaded_app
        self._idle_seconds = config.timeout_keep_alive
        # uvicorn's annotation names its own protocols only.
        self._connections = cast("set[Connection]", server_state.connections)
        self._tasks = server_state.tasks
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._watch = Watch(self.limits, self._loop.time())
        self._answering: Exchange | None = None
        self._arriving: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._refusal: Response | None = None
        self._reads = True
        self._in_head = self._is_stopping = False
        self._received = self._discarded = 0
        self._head = Head(self.limits)

    # --- what the event loop says ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._outlet = Outlet(self._transport)
        self._ticker = self._loop.call_later(self.limits.tick_seconds, self._tick)
        self._connections.add(self)
        if len(self._connections) > self.limits.connections:
            self._refuse(answers.too_many_connections())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause changes nothing
        """End, and let nobody work for a client who has gone."""
        self._connections.discard(self)
        self._ticker.cancel()
        self._parser = None
        self._waiting.clear()
        if self._answering is not None:
            self._answering.abandon()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if self._parser is None:
            self._discarded += len(data)
            if self._discarded > self.limits.linger_bytes:
                self._transport.abort()
            return
        state = self._arriving, self._head, self._in_head
        try:
            self._feed(self._parser, data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:  # the latter for CONNECT
            cause = error.__context__
            self._refuse(cause.answer if isinstance(cause, RefusedError) else answers.invalid_message())
        else:
            is_same = state == (self._arriving, self._head, self._in_head)
            self._limit(len(data) if is_same else 0)

    def pause_writing(self) -> None:
        """Let whoever answers wait: the client does not take what was written."""
        self._outlet.pause()

    def resume_writing(self) -> None:
        """Let whoever answers go on."""
        self._outlet.resume()

    def shutdown(self) -> None:
        """Close as soon as what was asked is answered; uvicorn's word for it."""
        self._is_stopping = True
        if self._answering is None:
            self._transport.close()
        else:
            self._answering.keeps_alive = False

    # --- what the parser says ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head = Head(self.limits)
        self._in_head = True
        self._received = 0
        self._watch.await_in(self.limits.head_seconds, self._loop.time())

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._head.take_target(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that follows a chunked body is nobody's."""
        if self._in_head:
            self._head.take_header(name, value)

    def on_headers_complete(self) -> None:
        """Have the request answered, or put it behind those that are not answered yet."""
        parser = cast("httptools.HttpRequestParser", self._parser)
        scope = self._head.scope(parser.get_method().decode(), parser.get_http_version())
        if parser.should_upgrade():
            return  # See `_feed`.
        self._in_head = False
        self._received = 0
        exchange = Exchange(scope, self, keeps_alive=parser.should_keep_alive(), expects=self._head.expects)
        self._arriving = exchange
        self._watch.await_in(self.limits.body_seconds, self._loop.time())
        if self._answering is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self._pause()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._received -= len(body) * _CHUNKED_FACTOR
        if self._arriving is not None and not self._arriving.feed(body):
            self._pause()

    def on_message_complete(self) -> None:
        """End a request."""
        self._watch.rest()
        if self._arriving is not None:
            self._arriving.end()
            self._arriving = None

    # --- what an exchange asks for ---

    def write(self, content: bytes) -> None:
        """Send ``content`` as soon as the other side takes it."""
        self._outlet.write(content)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was written."""
        await self._outlet.drain()

    def want_more(self) -> None:
        """Read on, unless there is enough to answer already."""
        if not self._reads and not self._waiting and not self._transport.is_closing():
            self._reads = True
            self._transport.resume_reading()
            if self._arriving is not None:
                self._watch.await_in(self.limits.body_seconds, self._loop.time())

    def finished(self, exchange: Exchange) -> None:
        """Go on with the next request, or close."""
        self._answering = None
        if self._is_stopping or not exchange.keeps_alive:
            self._leave()
        elif self._waiting:
            self._begin(self._waiting.popleft())
        elif self._refusal is not None:
            self._write_refusal(self._refusal)
        elif not self._in_head:
            self._watch.await_in(self._idle_seconds, self._loop.time())
        self.want_more()

    def cut(self) -> None:
        """End a response in the middle, so that its reader can tell."""
        self._answering = self._parser = None
        self._transport.close()

    # --- the rest ---

    def _feed(self, parser: httptools.HttpRequestParser, data: bytes) -> None:
        """Have ``data`` parsed, and a request that offers another protocol as the last, which offers none."""
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parser = offers.declining_parser(self)
            self._parser.feed_data(offers.declining_head(parser.get_method(), self._head.framing))
            self._parser.feed_data(data[offer.args[0] :])

    def _begin(self, exchange: Exchange) -> None:
        self._answering = exchange
        exchange.begin(self._app, self._tasks)

    def _limit(self, size: int) -> None:
        """Count what the parser has taken without an end of the head, or with hardly a byte of body."""
        self._received += size
        if self._in_head and self._received > self.limits.raw_head_bytes:
            self._refuse(answers.head_too_large())
        elif self._arriving is not None and self._received > self.limits.head_bytes:
            self._refuse(answers.invalid_message())
        elif self._arriving is not None and self._reads:
            self._watch.await_in(self.limits.body_seconds, self._loop.time())

    def _pause(self) -> None:
        if self._reads:
            self._reads = False
            self._transport.pause_reading()
        self._watch.rest()

    def _refuse(self, answer: Response) -> None:
        """Look at nothing more of this connection, and say so once what was asked before is answered."""
        self._parser = None
        self._in_head = False
        self._refusal = answer
        self._watch.rest()
        arriving, self._arriving = self._arriving, None
        if arriving is not None and arriving in self._waiting:
            self._waiting.remove(arriving)
        elif arriving is not None:
            self._answering = None
            has_started = arriving.has_started
            arriving.abandon()
            if has_started:
                self.cut()
                return
        if self._answering is None:
            self._write_refusal(answer)

    def _leave(self) -> None:
        """Close; if somebody may still be sending, only once they have been able to see the answer."""
        has_rest = bool(self._refusal or self._arriving or self._waiting or self._in_head)
        self._parser = self._arriving = None
        self._waiting.clear()
        if has_rest and not self._is_stopping and not self._transport.is_closing():
            self._watch.await_in(self.limits.linger_seconds, self._loop.time())
            self._transport.write_eof()
            self.want_more()
        else:
            self._transport.close()

    def _write_refusal(self, answer: Response) -> None:
        identity = str(uuid.uuid4())
        self.write(wire.last(answer, identity))
        answered = Answered(identity, "-", "-", answer.status, 0.0, 0.0, 0, len(answer.body))
        for observer in self.observers:
            observer.answered(answered)
        self._leave()

    def _tick(self) -> None:
        now = self._loop.time()
        if self._watch.is_stalled(self._outlet.written, self._outlet.unsent(), now):
            self._outlet.drop()
            return
        if self._watch.is_overdue(now):
            self._give_up()
        self._ticker = self._loop.call_later(self.limits.tick_seconds, self._tick)

    def _give_up(self) -> None:
        if self._parser is None:
            self._transport.abort()
        elif self._in_head or self._arriving is not None:
            self._refuse(answers.timed_out())
        else:
            self._transport.close()


def protocol(limits: Limits | None = None, observers: Sequence[Observer] = ()) -> type[asyncio.Protocol]:
    """Return the class to give to ``uvicorn.Config(http=...)``.

    Args:
        limits: Of every connection.
        observers: Are told of what is refused before an application sees it.
    """
    return type("Connection", (Connection,), {"limits": limits or Limits(), "observers": tuple(observers)})
