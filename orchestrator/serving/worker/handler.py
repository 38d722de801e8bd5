"""Answer requests with an entry point's handler functions, exactly as the real toolkit calls them.

Sources: `transformer.py` and `handler_service.py` of sagemaker-pytorch-inference 2.0.25, and `service.py` of
TorchServe 0.12 for what becomes of an exception that gets past the toolkit. Runs in a worker process only.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from orchestrator.serving import answers
from orchestrator.serving.contract import Fidelity
from orchestrator.serving.messages import Assignment, Loaded, Part, Request, Response
from orchestrator.serving.traps import TrapError
from orchestrator.serving.worker import formats, noticing, written
from orchestrator.serving.worker.arriving import FormError, arrived
from orchestrator.serving.worker.context import STREAM, Context
from orchestrator.serving.worker.defaults import Defaults
from orchestrator.serving.worker.describing import described
from orchestrator.serving.worker.entrypoint import Functions, functions_of
from orchestrator.serving.worker.refusals import beyond_the_toolkit, explained, loaded_class
from orchestrator.serving.worker.stacking import Stacker
from orchestrator.serving.worker.turn import Turn

SendPart = Callable[[Part], None]

_OK = 200
_INTERNAL_SERVER_ERROR = 500


class Handler:
    """A loaded model and the functions that answer with it.

    Attributes:
        loaded: What there is to say of the entry point and its model.
    """

    def __init__(
        self, assignment: Assignment, functions: Functions, defaults: Defaults, context: Context
    ) -> None:
        self.loaded = Loaded()
        self._assignment = assignment
        self._functions = functions
        self._defaults = defaults
        self._context = context
        self._model: object = None
        self._stacker = Stacker(self)
        self._send_part: SendPart | None = None
        self._indexes: dict[int, int] = {}

    @classmethod
    def load(cls, assignment: Assignment, traps: list[noticing.Found] | None = None) -> "Handler":
        """Import the entry point, where `importing.enter` has been called, and load its model.

        Args:
            assignment: What to load.
            traps: Gets those that are found, also if loading fails.

        Raises:
            TrapError: If traps are errors, and there is one.
            Exception: Whatever the entry point raises.
        """
        defaults = Defaults(allow_pickle=assignment.fidelity is Fidelity.EXACT)
        functions = functions_of(assignment.module, defaults)
        handler = cls(
            assignment,
            functions,
            defaults,
            Context(assignment.model_dir, assignment.name, assignment.batch_size),
        )
        traps = [] if traps is None else traps
        traps += noticing.in_archive(assignment, functions)
        handler._refuse(traps)
        before = noticing.listing(Path(assignment.folder))
        handler._load_model()
        traps += noticing.written_between(before, noticing.listing(Path(assignment.folder)))
        handler._refuse(traps)
        handler.loaded = Loaded(tuple(traps), described(functions.module))
        return handler

    def _refuse(self, traps: Sequence[noticing.Found]) -> None:
        if traps and self._assignment.fidelity is Fidelity.STRICT:
            raise TrapError(*traps[0])

    def _load_model(self) -> None:
        functions, context, model_dir = self._functions, self._context, self._assignment.model_dir
        if functions.pre_model_fn is not None:
            functions.pre_model_fn(context, model_dir)
        self._model = functions.model_fn(context, model_dir)
        if functions.model_warmup_fn is not None:
            functions.model_warmup_fn(context, model_dir, self._model)

    def answer_all(self, requests: Sequence[Request], send_part: SendPart) -> list[Response]:
        """Return the answers to ``requests``, in order; pieces of one that is streamed go to ``send_part``.

        Every exception of the handler functions becomes an answer.

        Raises:
            BaseException: What the container's worker dies of. This one must, too.
        """
        self._send_part = send_part
        self._indexes = {id(request): index for index, request in enumerate(requests)}
        if len(requests) == 1:
            return [self.answer(requests[0])]
        return self._stacker.answer_all(requests)

    @cached_property
    def is_stackable(self) -> bool:
        """Whether several requests may share one call of `predict_fn`.

        Not if any function may look at the context, of which there is one, or keep it since the model was
        loaded; nor where a trap that the container's own `input_fn` meets has to fail its request.
        """
        functions = self._functions
        may_look = (
            *(functions.model_fn, functions.pre_model_fn, functions.model_warmup_fn),
            *(functions.input_fn, functions.predict_fn),
        )
        is_strict = self._assignment.fidelity is Fidelity.STRICT
        try:
            return (
                functions.transform_fn is None
                and (functions.input_fn.is_own or not is_strict)
                and not any(function.takes_context for function in may_look if function is not None)
            )
        except (TypeError, ValueError):
            return False  # what cannot be asked for its parameters cannot be called either

    def answer(self, request: Request) -> Response:
        """Return the answer to ``request``."""
        turn = self._begin(request)
        if isinstance(turn, Response):
            return turn
        return self._finish(turn, lambda: self._transform(turn))

    def decode(self, request: Request) -> object:
        """Return what `input_fn` makes of ``request``, or the `Response` that says why it cannot."""
        turn = self._begin(request)
        if isinstance(turn, Response):
            return turn
        try:
            return self._functions.input_fn(self._context, turn.payload(), turn.content_type)
        except Exception as error:  # noqa: BLE001 - any exception of user code is answered, as by the toolkit
            return self._finish(turn, partial(_raise, error))

    def predict(self, value: object) -> object:
        """Return what `predict_fn` makes of ``value``, or raise what it raises."""
        return self._functions.predict_fn(self._context, value, self._model)

    def encode(self, prediction: object, request: Request) -> Response:
        """Return the answer that `output_fn` makes of ``prediction``, or the one that says why it cannot."""
        turn = self._begin(request)
        if isinstance(turn, Response):
            return turn
        return self._finish(turn, lambda: self._functions.output_fn(self._context, prediction, turn.accept))

    def failed(self, error: Exception, request: Request) -> Response:
        """Return the answer to ``request`` if `predict_fn` has raised ``error``."""
        turn = self._begin(request)
        return turn if isinstance(turn, Response) else self._finish(turn, partial(_raise, error))

    def _begin(self, request: Request) -> Turn | Response:
        try:
            given = arrived(request)
        except FormError as error:
            return answers.failure(_INTERNAL_SERVER_ERROR, "ErrorDataDecoderException", str(error))
        accept = given.accept
        if not accept or accept == formats.ANY:
            accept = self._assignment.default_accept
        turn = Turn(given, accept, list(noticing.in_request(request, given)))
        self._defaults.noticed.clear()
        index = self._indexes.get(id(request), 0)
        pieces = _Pieces(self, turn, index)
        self._context.refill(request.id, given.properties, pieces)
        return turn

    def _transform(self, turn: Turn) -> object:
        functions, context = self._functions, self._context
        payload = turn.payload()
        if functions.transform_fn is not None:
            return functions.transform_fn(context, self._model, payload, turn.content_type, turn.accept)
        value = functions.input_fn(context, payload, turn.content_type)
        prediction = functions.predict_fn(context, value, self._model)
        return functions.output_fn(context, prediction, turn.accept)

    def _finish(self, turn: Turn, produce: Callable[[], object]) -> Response:
        """Return the answer that carries what ``produce`` returns or raises."""
        try:
            value = self._transformed(turn, produce)
        except Exception as error:  # noqa: BLE001 - what gets past the toolkit is TorchServe's to answer
            traceback.print_exc()
            response = beyond_the_toolkit(error)
        else:
            response = self.written(turn, value)
        turn.found += [(slug, "the container's own function") for slug in self._defaults.noticed]
        response = turn.instead or response
        turn.found += noticing.in_response(response, self._assignment.max_response_bytes)
        return self._reported(turn, response)

    def _transformed(self, turn: Turn, produce: Callable[[], object]) -> object:
        """Do what `Transformer.transform` does."""
        started = time.perf_counter()
        try:
            result = produce()
            turn.seconds = time.perf_counter() - started
            output, content_type = (
                (result[0], result[1]) if isinstance(result, tuple) else (result, turn.accept)
            )
            self._context.set_response_content_type(0, content_type)
            turn.found += noticing.in_result(result, turn.accept)
        except Exception as error:  # noqa: BLE001 - any exception of user code is answered, as by the toolkit
            turn.seconds = time.perf_counter() - started
            turn.trace = traceback.format_exc()
            sys.stderr.write(f"Transform failed for model: {self._context.model_name}\n{turn.trace}")
            return self._explained(error, turn.trace)
        return output

    def _explained(self, error: Exception, trace: str) -> str:
        toolkit_error = loaded_class("sagemaker_inference.errors", "BaseInferenceToolkitError")
        if toolkit_error is not None and isinstance(error, toolkit_error):
            status, message, phrase = error.status_code, error.message, error.phrase  # type: ignore[attr-defined]  # see there
        else:
            status, message = _INTERNAL_SERVER_ERROR, str(error) or "Invalid Request"
            phrase = message
        self._context.set_response_status(code=status, phrase=phrase.replace("\r", " ").replace("\n", " "))
        return f"{message}\n{trace}"

    def written(self, turn: Turn, value: object, **how: object) -> Response:
        """Return the answer, or a piece of it, that carries ``value``; see `written.response`."""
        response = written.response(self._context, value, **how)  # type: ignore[arg-type]  # handed on as it is
        trap = written.unreadable(self._context)
        if trap is None:
            return response
        turn.found.append((trap, "the answer"))
        if self._assignment.fidelity is Fidelity.EXACT:
            threading.Event().wait()
        written.make_readable(self._context)
        return written.response(self._context, value, **how)  # type: ignore[arg-type]  # likewise

    def send(self, index: int, response: Response) -> None:
        """Send a piece of an answer."""
        if self._send_part is not None:
            part = Part(index, response.status, response.headers, response.body, response.reason)
            self._send_part(part)

    def _reported(self, turn: Turn, response: Response) -> Response:
        """Return ``response`` with what is to be known of it; if traps are errors, what the first says."""
        slugs = tuple(dict.fromkeys(slug for slug, _ in turn.found))
        if slugs and self._assignment.fidelity is Fidelity.STRICT:
            response = explained(*turn.found[0])
        return replace(response, traps=slugs, model_seconds=turn.seconds, trace=turn.trace)


class _Pieces:
    """What `context.cl_socket` is: takes the pieces of one answer."""

    def __init__(self, handler: Handler, turn: Turn, index: int) -> None:
        self._handler = handler
        self._turn = turn
        self._index = index

    def send_piece(self, value: object, message: str, code: int) -> None:
        """Send ``value`` ahead of the rest; with another ``code`` than 200 that is the whole answer."""
        response = self._handler.written(self._turn, value, code=code, message=message, more=True)
        is_piece = code == _OK and STREAM in dict(response.headers)
        if self._turn.instead is not None:
            return
        if is_piece:
            self._handler.send(self._index, response)
        else:
            self._turn.instead = response


def _raise(error: Exception) -> object:
    raise error
