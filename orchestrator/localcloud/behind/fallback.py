"""moto behind the front: every service and operation that is not ours.

One of the modules that know moto. Its names are internal to moto and pinned by
``tests/contract/test_moto_symbols.py``.
"""

import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any
from xml.parsers.expat import ExpatError

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import Environ, StartResponse
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.iam.models import get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.settings import DISABLE_GLOBAL_CORS
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.behind import identity, loggroups
from orchestrator.localcloud.cloudwatch import patches as cloudwatch
from orchestrator.localcloud.objects.content import Store
from orchestrator.localcloud.objects.installing import install
from orchestrator.localcloud.objects.passing import BODY, Answer, Arrived, arrived, release
from orchestrator.localcloud.objects.receiving import GoneError
from orchestrator.localcloud.wire import Caller, error_answer, operation_of

_THREADS = 16
# Conditional writes of S3, and of nothing else.
_CONDITIONS = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}
# S3 API reference, list of error codes.
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema."

Dispatcher = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""A WSGI application."""


def handed_out(access_key: str) -> bool:
    """Tell whether an access key id is one that moto's STS or IAM has handed out."""
    backends = [backend for account in list(iam_backends.values()) for backend in list(account.values())]
    return any(access_key in backend.access_keys for backend in backends)


def account_of(who: Caller, header: str | None) -> str:
    """Return the account a request is made in, as moto finds it for its own services.

    Args:
        who: The caller; keys that moto's STS handed out belong to the account of the role.
        header: The request's ``x-moto-account-id``, which wins.
    """
    return header or str(get_account_id_from(who.access_key))


class Moto:
    """moto's server as an ASGI application whose every error is one that AWS clients understand.

    Args:
        dispatcher: What answers, if it is not moto.
        store: Where objects of S3 are kept; without one they are moto's own affair.
    """

    def __init__(self, dispatcher: Dispatcher | None = None, store: Store | None = None) -> None:
        cloudwatch.install()
        identity.install()
        loggroups.install()
        if not DISABLE_GLOBAL_CORS:
            raise RuntimeError("MOTO_DISABLE_GLOBAL_CORS must be set before moto is imported")
        self._dispatcher = dispatcher or DomainDispatcherApplication(create_backend_app)
        self._application = WSGIMiddleware(self._mended, workers=_THREADS)
        # moto looks first and writes then: of two threads both could find that nothing is there.
        self._conditional = threading.Lock()
        self._store = store
        self.asked: set[str] = set()
        """The services that were asked for anything; whoever has looked takes them out."""
        if store is not None:
            install(store)

    async def answer(self, who: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Let moto answer one HTTP request.

        What moto does not know it raises, or answers with a page for people and a status that clients
        retry; both become an error that names the operation.
        """
        try:
            request = await arrived(who, scope, receive, self._store)
        except GoneError:
            return  # nobody waits for an answer
        except ApiError as refusal:
            await error_answer(refusal, Request(scope), who.service or "s3")(scope, receive, send)
            return
        with request.body:
            answer = Answer(request.scope, receive, send)
            # Before as well: the client may have its answer, and end us, before we come to the line below.
            self.asked.add(who.service)
            refused = await self._refusal(who, request, answer)
            self.asked.add(who.service)
        if refused is not None:
            await error_answer(refused, Request(scope), who.service or "s3")(scope, receive, send)
        else:
            await answer.finish()
        release(request)

    async def _refusal(self, who: Caller, arrived: Arrived, answer: Answer) -> ApiError | None:
        """Let moto answer, or return what is to be answered in its place."""
        request, why = Request(arrived.scope), ""
        try:
            await self._application(arrived.scope, _nothing, answer.send)  # type: ignore[arg-type]  # its own ASGI types
        except ApiError as refusal:
            return refusal
        except Exception as error:  # noqa: BLE001 - moto lets any Python error escape
            upload = request.query_params.get("uploadId")
            if upload is not None and isinstance(error, KeyError) and error.args == (upload,):
                # moto looks for an upload that another client has ended or taken back.
                return ApiError("NoSuchUpload", "The specified upload does not exist.", status=404)
            if isinstance(error, ExpatError) and who.service in {"s3", ""}:
                return ApiError("MalformedXML", _MALFORMED)
            if not isinstance(error, NotImplementedError):
                traceback.print_exception(error)
            why = f": {type(error).__name__}: {error}"
        if answer.passed_on:
            return None
        return ApiError(
            "UnsupportedOperation",
            f"the local cloud could not carry out {who.service or 's3'} {operation_of(request)}{why}",
        )

    def _mended(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call moto with what the way through ASGI has lost.

        Without these, metadata names lose their underscores, a body without Content-Length is stored
        as an empty object, and an encoded slash in a key becomes a separator.
        """
        scope = environ["asgi.scope"]  # type: ignore[typeddict-item]  # a2wsgi's own addition
        names = [name.decode("latin-1") for name, _ in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        mended = {
            **environ,
            "wsgi.input": scope[BODY],
            "wsgi.input_terminated": True,
            "RAW_URI": scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
            PRESERVED_HEADER_NAMES_ENVIRON_KEY: {
                environ_key_for_header(name): name
                for name in names
                if should_preserve_original_header_name(name)
            },
        }
        with self._conditional if _CONDITIONS & environ.keys() else nullcontext():
            answer: Iterable[bytes] = self._dispatcher(mended, start_response)
            return answer


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
