"""Answer several requests with one call of the model, where that gives each the answer it would get alone.

Every request is decoded by itself, with its own Content-Type, and encoded by itself, with its own Accept.
Between the two, values of one structure, dtype and shape are joined along their first dimension, `predict_fn`
is called once, and its answer is parted again. Two kinds of values can be joined:

* tensors and arrays whose first dimension is 1, alone or in dicts, lists and tuples: what an `input_fn`
  returns that has made a batch of one example;
* objects that know how. Their class has ``stack_requests(several)``, which returns one object for all or
  ``None``; what `predict_fn` makes of that has ``split_answers(several)``, which returns an answer for each,
  in order, or raises. The runtime of generated entry points has both, and user code may.

No type says that a first dimension counts examples, or that a model treats examples apart: batch norm in
training mode, a softmax over the wrong dimension or sorted rows would mix up callers. So it is measured. The
first batch of each shape is answered one by one, and compared with two joint calls, the second in reverse
order. Batches of equal requests prove nothing about different ones, so these are compared once more. Later
the first and the last of every 2nd, 4th, 8th, ... batch are. Where anything differs by more than rounding, or
the joint call fails and single ones do not, requests of that shape are answered one by one for good.
"""

import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, ParamSpec, Protocol, TypeVar

from orchestrator.serving import answers
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.worker import rows
from orchestrator.serving.worker.rows import Outline, UnfitError

P = ParamSpec("P")
R = TypeVar("R")

_MAX_SHAPES = 256
_DIFFERS = "a request got another answer in a joint call than alone"


class Stages(Protocol):
    """An entry point's functions, one at a time; where one takes the context, that is about its request."""

    @property
    def is_stackable(self) -> bool:
        """Whether the stages are apart, and neither `input_fn` nor `predict_fn` takes the context."""

    def answer(self, request: Request) -> Response:
        """Return the answer to ``request``, all stages in one."""

    def decode(self, request: Request) -> object:
        """Return what `input_fn` makes of ``request``, or the `Response` that says why it cannot."""

    def predict(self, value: object) -> object:
        """Return what `predict_fn` makes of ``value``, or raise what it raises."""

    def encode(self, prediction: object, request: Request) -> Response:
        """Return the answer that `output_fn` makes of ``prediction``, or the one that says why it cannot."""

    def failed(self, error: Exception, request: Request) -> Response:
        """Return the answer to ``request`` if `predict_fn` has raised ``error``."""


@dataclass(slots=True)
class _Call:
    """A request on its way."""

    request: Request
    value: object
    seconds: float
    response: Response | None = None


@dataclass(slots=True)
class _Shape:
    """What is known of the requests of one shape.

    Attributes:
        pattern: Of an answer to one of them; ``None`` until a batch was compared.
        varies: Whether a batch of requests that differ was compared.
        batches: How many have shared a call.
        is_refused: Whether they must not.
    """

    pattern: Outline | None = None
    varies: bool = False
    batches: int = 0
    is_refused: bool = False

    def refuse(self, error: Exception) -> None:
        """Answer such requests one by one from now on, and say so."""
        self.is_refused = True
        # An error of user code may quote the payload.
        reason = error if isinstance(error, UnfitError) else f"the joint call raised {type(error).__name__}"
        sys.stderr.write(f"requests of one shape share calls of the model no longer: {reason}\n")


class Stacker:
    """Answers batches with one entry point, and remembers which shapes may be joined."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._shapes: OrderedDict[Outline, _Shape] = OrderedDict()

    def answer_all(self, requests: Sequence[Request]) -> list[Response]:
        """Return the answers to ``requests``, in order.

        What goes wrong with one request is the answer to that one and to no other. Only what ends this
        process, such as `sys.exit`, ends the batch.
        """
        if not self._stages.is_stackable:
            return [_surviving(self._stages.answer, request) for request in requests]
        calls = [self._decoded(request) for request in requests]
        for shape, group in self._groups(calls):
            self._answer(shape, group)
        return [call.response for call in calls if call.response is not None]

    def _decoded(self, request: Request) -> _Call:
        started = time.perf_counter()
        value = _surviving(self._stages.decode, request)
        response = value if isinstance(value, Response) else None
        return _Call(request, value, time.perf_counter() - started, response)

    def _groups(self, calls: Sequence[_Call]) -> list[tuple[_Shape, list[_Call]]]:
        groups: dict[Outline, list[_Call]] = {}
        alone: list[tuple[_Shape, list[_Call]]] = []
        for call in calls:
            if call.response is not None:
                continue
            common = _outline(call.value)
            if common is None:
                alone.append((_Shape(is_refused=True), [call]))
            else:
                groups.setdefault(common, []).append(call)
        return alone + [(self._shape(outline), group) for outline, group in groups.items()]

    def _shape(self, outline: Outline) -> _Shape:
        shape = self._shapes.setdefault(outline, _Shape())
        self._shapes.move_to_end(outline)
        if len(self._shapes) > _MAX_SHAPES:
            self._shapes.popitem(last=False)
        return shape

    def _answer(self, shape: _Shape, calls: list[_Call]) -> None:
        values = [call.value for call in calls]
        joint = None if shape.is_refused or len(calls) == 1 else _joint(values)
        if joint is None:
            self._answer_alone(calls)
            return
        if shape.pattern is None or not (shape.varies or _are_equal(values, exactly=True)):
            self._compare(shape, calls, joint)
        else:
            self._share(shape, shape.pattern, calls, joint)

    def _answer_alone(self, calls: Sequence[_Call]) -> bool:
        """Answer each with a call of its own; return whether `predict_fn` took them all."""
        taken = True
        for call in calls:
            prediction = self._alone(call)
            taken = taken and not isinstance(prediction, _Raised)
            self._encode(call, prediction)
        return taken

    def _compare(self, shape: _Shape, calls: list[_Call], joint: object) -> None:
        """Answer each with a call of its own, and see whether joint calls say the same."""
        values = [call.value for call in calls]
        # Requests that hardly differ prove little. What is joined is copied: `predict_fn` may write into it.
        varies, mirrored = not _are_equal(values), _joint(values[::-1])
        alone = [self._alone(call) for call in calls]
        # Where one fails, joint calls may fail for its sake: the next batch will tell.
        if mirrored is not None and not any(isinstance(one, _Raised) for one in alone):
            try:
                pattern = rows.outline(alone[0])
                once = self._parts(joint, calls, pattern)
                again = self._parts(mirrored, calls[::-1], pattern)
            except Exception as error:  # noqa: BLE001 - whatever a joint call of user code may raise
                shape.refuse(error)
            else:
                if _agree(alone, once) and _agree(alone[::-1], again):
                    shape.pattern, shape.varies = pattern, shape.varies or varies
                else:
                    shape.refuse(UnfitError(_DIFFERS))
        for call, prediction in zip(calls, alone, strict=True):
            self._encode(call, prediction)

    def _share(self, shape: _Shape, pattern: Outline, calls: list[_Call], joint: object) -> None:
        """Answer all with one call; now and then, see whether that is still right."""
        try:
            predictions = self._parts(joint, calls, pattern)
        except Exception as error:  # noqa: BLE001 - it may be one request's fault: each for itself, then
            if self._answer_alone(calls):
                shape.refuse(error)
            return
        shape.batches += 1
        ends = (0, len(calls) - 1) if shape.batches & (shape.batches - 1) == 0 else ()
        alone = {place: self._alone(calls[place]) for place in ends}
        if not _agree(alone.values(), [predictions[place] for place in ends]):
            shape.refuse(UnfitError(_DIFFERS))
            places = range(len(calls))
            predictions = [alone[place] if place in alone else self._alone(calls[place]) for place in places]
        for call, prediction in zip(calls, predictions, strict=True):
            self._encode(call, prediction)

    def _parts(self, joint: object, calls: Sequence[_Call], pattern: Outline) -> list[object]:
        started = time.perf_counter()
        prediction: Any = self._stages.predict(joint)
        for call in calls:
            call.seconds += time.perf_counter() - started
        if not hasattr(type(prediction), "split_answers"):
            return rows.parted(prediction, pattern, len(calls))
        parts = list(prediction.split_answers([call.value for call in calls]))
        if len(parts) != len(calls) or any(
            rows.numeric(rows.outline(one)) != rows.numeric(pattern) for one in parts
        ):
            raise UnfitError("split_answers has not returned an answer of the usual shape for each request")
        return parts

    def _alone(self, call: _Call) -> object:
        started = time.perf_counter()
        try:
            return self._stages.predict(call.value)
        except Exception as error:  # noqa: BLE001 - any exception of user code is answered, as by the toolkit
            return _Raised(error)
        finally:
            call.seconds += time.perf_counter() - started

    def _encode(self, call: _Call, prediction: object) -> None:
        started = time.perf_counter()
        if isinstance(prediction, _Raised):
            response = _surviving(self._stages.failed, prediction.error, call.request)
        else:
            response = _surviving(self._stages.encode, prediction, call.request)
        seconds = call.seconds + time.perf_counter() - started
        call.response = replace(response, model_seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Raised:
    """In place of a prediction: what `predict_fn` has raised."""

    error: Exception


def _surviving(stage: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R | Response:
    """Return what ``stage`` does; where it raises, what is said of a worker that died of its request.

    A stage raises what ends the container's worker, such as a content type that is no text. In a batch that
    would cost its neighbours their answers.
    """
    try:
        return stage(*arguments, **named)
    except Exception:  # noqa: BLE001 - see above
        traceback.print_exc()
        return answers.worker_died()


def _knows_how(value: object) -> bool:
    return hasattr(type(value), "stack_requests")


def _joint(values: Sequence[Any]) -> Any:  # noqa: ANN401 - what user code makes of it
    """Return what stands for all ``values`` in one call, or ``None`` if nothing does."""
    try:
        return type(values[0]).stack_requests(values) if _knows_how(values[0]) else rows.joined(values)
    except Exception:  # noqa: BLE001 - no memory, or user code: one by one, then
        return None


def _outline(value: object) -> Outline | None:
    """Return what `value` has to have in common with what it is joined with, or ``None`` if nothing does."""
    try:
        return rows.outline(value) if _knows_how(value) or rows.is_one_row(value) else None
    except Exception:  # noqa: BLE001 - an object of user code that cannot be looked into
        return None


def _are_equal(values: Sequence[object], *, exactly: bool = False) -> bool:
    return _agree(repeat(values[0], len(values) - 1), values[1:], exactly=exactly)


def _agree(ones: Iterable[object], others: Iterable[object], *, exactly: bool = False) -> bool:
    try:
        return all(rows.alike(one, other, exactly=exactly) for one, other in zip(ones, others, strict=True))
    except Exception:  # noqa: BLE001 - what cannot be compared, such as a dtype without arithmetic
        return False
