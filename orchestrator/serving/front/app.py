"""The container's HTTP interface as an ASGI application.

Paths, statuses and bodies are those of TorchServe 0.12 behind SageMaker. Knows nothing of processes: whatever
has the members of `Workers` can answer. Plain ASGI, for every request comes through here.
"""

import asyncio
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from orchestrator.serving import answers
from orchestrator.serving.contract import Contract
from orchestrator.serving.front import targets
from orchestrator.serving.front.access import Access
from orchestrator.serving.front.asking import asked
from orchestrator.serving.front.call import Call, ClientGoneError
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import Asked, Observer, Room, Workers

_PING, _INVOCATIONS = ("", "ping"), ("", "invocations")
_MODEL = "model"
# nginx's number for a client who has not waited for the answer; nobody is sent it.
_CLIENT_GONE = Response(499, (), b"")


class App:
    """One model behind ``/ping`` and ``/invocations``, and whatever else there are rooms for.

    A request is answered in the task that calls the application, and a server ends what nobody waits for by
    cancelling that task.

    Args:
        workers: Answer ``/invocations``.
        contract: Limits what they are asked.
        access: Who may ask.
        rooms: Answer other paths, the first that has an answer.
        observers: Are told of each answer.
    """

    def __init__(
        self,
        workers: Workers,
        contract: Contract,
        *,
        access: Access,
        rooms: Sequence[Room] = (),
        observers: Sequence[Observer] = (),
    ) -> None:
        self._workers = workers
        self._contract = contract
        self._access = access
        self._rooms = tuple(rooms)
        self._observers = tuple(observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI 3 asks."""
        call = Call(scope, receive, send)
        try:
            answer = await self._answer(call)
            answer = await call.finish(answer)
        except ClientGoneError:
            answer = _CLIENT_GONE
        except asyncio.CancelledError:
            if call.is_received:
                self._note(call, _CLIENT_GONE)
            raise
        self._note(call, answer)

    async def _answer(self, call: Call) -> Response:
        try:
            target = targets.read(call.target)
            is_ping = target.segments[:2] == _PING
            refusal = self._access.refusal(call.raw_path, call.raw_headers, is_free=is_ping)
            if refusal is not None:
                return refusal
            body = await call.body(self._contract.max_request_bytes)
            if body is None:
                return answers.too_large()
            if is_ping:
                return answers.healthy() if self._workers.is_ready else answers.unhealthy()
            request = Request(call.headers(), body, call.identity, target.query)
            if target.segments == _INVOCATIONS and call.method != "OPTIONS":
                return self._misnamed(target) or await asked(self._workers, request, call.part)
            return await self._elsewhere(call, target, request)
        except targets.UndecodableError as error:
            return answers.undecodable(str(error))

    def _misnamed(self, target: targets.Target) -> Response | None:
        """Refuse a query that names another model than the only one.

        Raises:
            UndecodableError: If it cannot be read.
        """
        if not target.query:
            return None
        named = [value for name, value in targets.fields(target) if name == "model_name"]
        if self._contract.multi_model or not named or named[0] in {"", _MODEL}:
            return None
        return answers.model_not_found(named[0])

    async def _elsewhere(self, call: Call, target: targets.Target, request: Request) -> Response:
        if len(target.segments) == 1:
            return answers.no_path()
        if not target.segments or not target.segments[0]:
            visit = Asked(call.method, target.path, target.query, request)
            for room in self._rooms:
                answer = await room.answer(visit, call.part)
                if answer is not None:
                    return answer
        has_other_methods = target.segments in {(), _INVOCATIONS}
        return answers.method_not_allowed() if has_other_methods else answers.not_found()

    def _note(self, call: Call, answer: Response) -> None:
        if self._observers:
            answered = call.answered(answer)
            for observer in self._observers:
                observer.answered(answered)
