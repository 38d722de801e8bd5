"""moto behind the front: every service and operation that is not ours.

The only module that knows moto. Its names are internal to moto and pinned by
``tests/contract/test_moto_symbols.py``.
"""

import datetime as dt
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import Environ, StartResponse
from moto.applicationautoscaling import models
from moto.cloudwatch.models import MetricDatum, MetricDatumBase, cloudwatch_backends
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.iam.models import get_account_id_from
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.settings import DISABLE_GLOBAL_CORS
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from orchestrator.core.scaling import Dimension
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.wire import Caller, error_answer, operation_of
from orchestrator.localcloud.world import Scope as Place

_THREADS = 16
# Conditional writes of S3, and of nothing else.
_CONDITIONS = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}
_MOST_IN_MEMORY_BYTES = 1_048_576
_FILTER = MetricDatumBase.filter
_SERVER_ERROR = 500
_FORMS_OF_ERRORS = ("json", "xml", "cbor")

Dispatcher = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""A WSGI application."""


def account_of(who: Caller, header: str | None) -> str:
    """Return the account a request is made in, as moto finds it for its own services.

    Args:
        who: The caller; keys that moto's STS handed out belong to the account of the role.
        header: The request's ``x-moto-account-id``, which wins.
    """
    return header or str(get_account_id_from(who.access_key))


def datapoints(scope: Place, alarm: Mapping[str, Any], since: float) -> list[tuple[float, float]]:
    """Return moment and value of what was measured of an alarm's metric since a moment.

    moto's own statistics know no percentiles and need a call for each.
    """
    wanted = {(each["Name"], each["Value"]) for each in alarm.get("Dimensions", ())}
    # A copy: other threads add to the list meanwhile.
    everything = list(cloudwatch_backends[scope.account][scope.region].metric_data)
    return [
        (datum.timestamp.replace(tzinfo=dt.UTC).timestamp(), float(datum.value))
        for datum in everything
        if (datum.namespace, datum.name) == (alarm["Namespace"], alarm["MetricName"])
        and isinstance(datum, MetricDatum)
        and {(each.name, each.value) for each in datum.dimensions} == wanted
        and datum.timestamp.replace(tzinfo=dt.UTC).timestamp() > since
    ]


def _match_dimensions_exactly() -> None:
    """Let statistics be of the metric with these dimensions and no others, as CloudWatch has it.

    moto's GetMetricStatistics adds up every metric that has these among its own, so that what is measured by
    endpoint and once more by endpoint config would count twice. Its GetMetricData is right.
    """

    def has(
        self: MetricDatumBase,
        namespace: str | None,
        name: str | None,
        dimensions: list[dict[str, str]],
        already_present_metrics: list[MetricDatumBase] | None = None,
    ) -> bool:
        if already_present_metrics is not None:  # ListMetrics, whose dimensions are a filter
            return bool(_FILTER(self, namespace, name, dimensions, already_present_metrics))
        wanted = {(each["Name"], each.get("Value")) for each in dimensions}
        return wanted == {(each.name, each.value) for each in self.dimensions}

    MetricDatumBase.filter = has  # type: ignore[method-assign]  # that is what we are here for


def _know_provisioned_concurrency() -> None:
    """Let serverless variants be scaled: moto knows all of SageMaker's scalable dimensions but theirs."""
    known = {each.name: each.value for each in models.ScalableDimensionValueSet}
    known["SAGEMAKER_VARIANT_DESIRED_PROVISIONED_CONCURRENCY"] = Dimension.PROVISIONED_CONCURRENCY.value
    models.ScalableDimensionValueSet = Enum("ScalableDimensionValueSet", known)  # type: ignore[misc]  # that is what we are here for


class Moto:
    """moto's server as an ASGI application whose every error is one that AWS clients understand.

    Args:
        dispatcher: What answers, if it is not moto.
    """

    def __init__(self, dispatcher: Dispatcher | None = None) -> None:
        _match_dimensions_exactly()
        _know_provisioned_concurrency()
        if not DISABLE_GLOBAL_CORS:
            raise RuntimeError("MOTO_DISABLE_GLOBAL_CORS must be set before moto is imported")
        self._dispatcher = dispatcher or DomainDispatcherApplication(create_backend_app)
        self._application = WSGIMiddleware(self._mended, workers=_THREADS)
        # moto looks first and writes then: of two threads both could find that nothing is there.
        self._conditional = threading.Lock()

    async def answer(self, who: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Let moto answer one HTTP request.

        What moto does not know it raises, or answers with a page for people and a status that clients
        retry; both become an error that names the operation.
        """
        request = Request(scope)
        answer = _Answer(send)
        why, upload = "", request.query_params.get("uploadId")
        try:
            await self._application(scope, _whole(receive), answer.send)  # type: ignore[arg-type]  # its own ASGI types
        except _ClientGoneError:
            return  # nobody waits for an answer
        except Exception as error:  # noqa: BLE001 - moto lets any Python error escape
            if upload is not None and isinstance(error, KeyError) and error.args == (upload,):
                # moto looks for an upload that another client has ended or taken back.
                refusal = ApiError("NoSuchUpload", "The specified upload does not exist.", status=404)
                await error_answer(refusal, request, "s3")(scope, receive, send)
                return
            if not isinstance(error, NotImplementedError):
                traceback.print_exception(error)
            why = f": {type(error).__name__}: {error}"
        if not answer.passed_on:
            refusal = ApiError(
                "UnsupportedOperation",
                f"the local cloud could not carry out {who.service or 's3'} {operation_of(request)}{why}",
            )
            await error_answer(refusal, request, who.service or "s3")(scope, receive, send)

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
            "wsgi.input_terminated": True,
            "RAW_URI": scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
            PRESERVED_HEADER_NAMES_ENVIRON_KEY: {
                environ_key_for_header(name): name
                for name in names
                if should_preserve_original_header_name(name)
            },
        }
        if not _CONDITIONS & environ.keys():
            return self._answer(mended, start_response)
        # The body first: whoever sends it slowly, or not at all, would keep all the others waiting.
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY_BYTES) as body:
            shutil.copyfileobj(mended["wsgi.input"], body)
            body.seek(0)
            with self._conditional:
                return self._answer({**mended, "wsgi.input": body}, start_response)

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._dispatcher(environ, start_response)
        return answer


class _ClientGoneError(Exception):
    """The client went away in the middle of its request."""


def _whole(receive: Receive) -> Receive:
    """Let a body that was cut off fail to be read.

    The way through WSGI takes the end of the connection for the end of the body: an upload that was
    interrupted would be stored as a shorter object. S3 stores nothing then.
    """

    async def checked() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        return message

    return checked


class _Answer:
    """Passes moto's answer on, unless it is a page for people that says that something broke."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.passed_on = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"").decode("latin-1")
            readable = any(form in kind for form in _FORMS_OF_ERRORS)
            self.passed_on = message["status"] < _SERVER_ERROR or readable
        if self.passed_on:
            await self._send(message)
