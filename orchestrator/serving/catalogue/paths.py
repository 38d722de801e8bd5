"""TorchServe's paths beside ``/ping`` and ``/invocations``, for one model or for several.

Statuses and bodies are TorchServe 0.12's. Where this server cannot do what is asked, such as changing the
number of workers, it says so, and says it in TorchServe's form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, assert_never
from urllib.parse import parse_qsl

from orchestrator.serving import answers
from orchestrator.serving.catalogue import registrations, routes
from orchestrator.serving.catalogue.descriptions import (
    VERSION,
    Facts,
    description,
    listing,
    model_document,
    server_document,
)
from orchestrator.serving.catalogue.registrations import RefusedError
from orchestrator.serving.contract import Contract
from orchestrator.serving.front import asking, targets
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import Asked, OnPart, Situation, Workers

MODEL = "model"
"""What the container calls a model that is alone."""

_FOLDER = "/opt/ml/model"
_FORM = "application/x-www-form-urlencoded"
_INTEGER_BITS = 31


@dataclass(frozen=True, slots=True)
class Shown:
    """One model that can be asked.

    Attributes:
        look: Tells how its workers are now.
    """

    facts: Facts
    workers: Workers
    look: Callable[[], Situation]


class Catalogue(Protocol):
    """The models behind the paths."""

    @property
    def startup(self) -> str | None:
        """The name of the model that needs not be named."""

    @property
    def can_change(self) -> bool:
        """Whether models are registered and unregistered; else the container answers 405."""

    def shown(self) -> Mapping[str, Shown]:
        """Return the models that are loaded, by name."""

    async def register(self, asked: Asked) -> Response:
        """Load a model.

        Raises:
            RefusedError: If it cannot be done.
        """

    async def unregister(self, name: str) -> Response:
        """End a model that is shown."""


class Paths:
    """Answers for the models of ``catalogue``: a `ports.Room`."""

    def __init__(self, catalogue: Catalogue, contract: Contract) -> None:
        self._catalogue = catalogue
        self._contract = contract

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        """Return TorchServe's answer, or ``None`` if it has no such path.

        Raises:
            UndecodableError: If the query's percent-encoding is wrong.
        """
        try:
            return await self._answer(asked, on_part)
        except RefusedError as error:
            return error.answer

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return the answer to a request for ``/invocations``, by the model that it names.

        Raises:
            UndecodableError: If the query's percent-encoding is wrong.
        """
        asked = Asked("POST", "/invocations", request.query, request)
        try:
            return await self._infer(asked, routes.INVOCATION, on_part)
        except RefusedError as error:
            return error.answer

    async def _answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        route = routes.read(asked)
        match route:
            case None:
                return None
            case routes.Inference():
                return await self._infer(asked, route, on_part)
            case routes.Description():
                return answers.found(server_document())
            case routes.Collection():
                return await self._collection(asked)
            case routes.Member():
                return await self._member(asked, route)
            case routes.Readiness(name):
                return self._readiness(asked, name)
            case _:
                assert_never(route)

    async def _infer(self, asked: Asked, route: routes.Inference, on_part: OnPart) -> Response:
        name = route.name if route.name is not None else _named(asked)
        if not name and route.has_default:
            name = self._catalogue.startup or name
        if name is None:
            raise RefusedError(400, "BadRequestException", "Parameter model_name is required.")
        model = self._model(name)
        if route.version not in {None, VERSION}:
            message = f"Model version: {route.version} does not exist for model: {name}"
            raise RefusedError(404, "ModelVersionNotFoundException", message)
        if asked.method == "OPTIONS":
            return answers.found(model_document(name))
        headers = (*asked.request.headers, *route.headers)
        query = asked.query if route.keeps_query else ""
        request = replace(asked.request, headers=headers, query=query)
        return await asking.asked(model.workers, request, on_part, model.facts.name)

    async def _collection(self, asked: Asked) -> Response:
        if asked.method == "GET":
            query = _query(asked)
            limit, token = _integer(query.get("limit"), 100), _integer(query.get("next_page_token"), 0)
            facts = [model.facts for model in self._catalogue.shown().values()]
            return answers.found(listing(facts, limit, token))
        if asked.method == "POST" and self._catalogue.can_change:
            return await self._catalogue.register(asked)
        return answers.method_not_allowed()

    async def _member(self, asked: Asked, route: routes.Member) -> Response:
        match asked.method:
            case "GET":
                model = self._model(route.name)
                return answers.found(description(model.facts, self._contract, model.look()))
            case "PUT" if route.default is not None:
                return self._set_default(route.name, route.default)
            case "PUT":
                return self._scale(asked, route.name)
            case "DELETE" if self._catalogue.can_change:
                self._model(route.name)
                return await self._catalogue.unregister(route.name)
            case "OPTIONS":
                self._model(route.name)
                return answers.found(model_document(route.name))
        return answers.method_not_allowed()

    def _readiness(self, asked: Asked, name: str) -> Response:
        if asked.method != "GET":
            return answers.method_not_allowed()
        return answers.found({"name": name, "ready": self._model(name).workers.is_ready})

    def _scale(self, asked: Asked, name: str) -> Response:
        query = _query(asked)
        least = _integer(query.get("min_worker"), 1)
        most = _integer(query.get("max_worker"), least)
        if most < least:
            raise RefusedError(400, "BadRequestException", "max_worker cannot be less than min_worker.")
        self._model(name)
        workers = self._contract.workers
        if not least <= workers <= most:
            message = f'Model "{name}" has {workers} workers for as long as this server runs.'
            raise RefusedError(400, "BadRequestException", message)
        if query.get("synchronous", "").lower() != "true":
            return answers.found({"status": "Processing worker updates..."}, 202)
        return answers.found({"status": f"Workers scaled to {least} for model: {name}"})

    def _set_default(self, name: str, version: str) -> Response:
        self._model(name)
        if version != VERSION:
            message = f"Model version {version} does not exist for model {name}"
            raise RefusedError(404, "ModelVersionNotFoundException", message)
        status = f'Default version successfully updated for model "{name}" to "{version}"'
        return answers.found({"status": status})

    def _model(self, name: str) -> Shown:
        model = self._catalogue.shown().get(name)
        if model is None:
            raise RefusedError(404, "ModelNotFoundException", f"Model not found: {name}")
        return model


class Single:
    """A catalogue of one model, and the room for its paths.

    Args:
        workers: Answer for it.
        contract: The container's.
        look: Tells how the workers are now.
        started: When they were started, in UTC; ``None`` is now.
    """

    startup: str | None = MODEL
    can_change = False

    def __init__(
        self,
        workers: Workers,
        contract: Contract,
        look: Callable[[], Situation],
        *,
        started: datetime | None = None,
    ) -> None:
        facts = Facts(MODEL, _FOLDER, started or datetime.now(UTC), is_startup=True)
        self._shown = {MODEL: Shown(facts, workers, look)}
        self._paths = Paths(self, contract)

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        """Return the answer to a request for one of TorchServe's paths."""
        return await self._paths.answer(asked, on_part)

    def shown(self) -> Mapping[str, Shown]:
        """Return the model."""
        return self._shown

    async def register(self, asked: Asked) -> Response:
        """Refuse another model: this server has one."""
        raise RefusedError(405, "MethodNotAllowedException", f"{asked.path} cannot be changed here.")

    async def unregister(self, name: str) -> Response:
        """Refuse to end the only model."""
        raise RefusedError(405, "MethodNotAllowedException", f"{name} cannot be unregistered here.")


def _named(asked: Asked) -> str | None:
    """Return the model that a query or a form names: TorchServe looks at them in this order."""
    name = _query(asked).get("model_name")
    if name is not None or registrations.media_type(asked.request.headers) != _FORM:
        return name
    form = dict(reversed(parse_qsl(asked.request.body.decode("utf-8", "replace"), keep_blank_values=True)))
    return form.get("model_name")


def _query(asked: Asked) -> Mapping[str, str]:
    """Return the fields of the query, the first of each name."""
    target = targets.Target((), asked.query, f"{asked.path}?{asked.query}")
    return dict(reversed(list(targets.fields(target))))


def _integer(text: str | None, default: int) -> int:
    """Return what Java's `Integer.parseInt` makes of ``text``, or ``default`` where it makes nothing."""
    if text is None or not text.removeprefix("-").removeprefix("+").isdecimal() or text.startswith("-+"):
        return default
    number = int(text)
    return number if -(1 << _INTEGER_BITS) <= number < 1 << _INTEGER_BITS else default
