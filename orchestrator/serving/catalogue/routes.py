"""What a request for a path other than ``/ping`` asks of TorchServe: a pure reading of path and method.

The order of the rules is that of TorchServe 0.12's chain of handlers, inference before management (in the
jar: `InferenceRequestHandler`, then `ManagementRequestHandler`), and each was measured there. Workflows are
not here: a container has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.serving.messages import Headers
from orchestrator.serving.ports import Asked

_EXPLAINED = "explain"


@dataclass(frozen=True, slots=True)
class Inference:
    """A model is to answer.

    Attributes:
        name: Of the model; ``None`` is the one that the query or the form names.
        version: ``None`` is the default one.
        headers: TorchServe adds them to those of the client.
        keeps_query: Whether the fields of the query become inputs.
        has_default: Whether no name, or an empty one, stands for the model that was loaded at the start.
    """

    name: str | None
    version: str | None = None
    headers: Headers = ()
    keeps_query: bool = True
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """An OpenAPI document of the server is asked for."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All models: they are listed, or one is registered."""


@dataclass(frozen=True, slots=True)
class Member:
    """One model: it is described, scaled or unregistered.

    Attributes:
        name: Of the model.
        default: The version that is to become the default, where the path asks for that.
    """

    name: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the model called ``name`` is loaded: KServe's question."""

    name: str


INVOCATION = Inference(None, has_default=True)
"""What ``/invocations`` is."""

Route = Inference | Description | Collection | Member | Readiness


def read(asked: Asked) -> Route | None:
    """Return what ``asked`` is about, or ``None`` if TorchServe has no such path.

    >>> from orchestrator.serving.messages import Request
    >>> read(Asked("POST", "/models/a/invoke", "", Request((), b"", "1")))
    Inference(name='a', version=None, headers=(), keeps_query=True, has_default=True)
    """
    segments = [] if asked.path == "/" else asked.path.split("/")
    if not segments or segments == ["", "api-description"]:
        return Description() if segments or asked.method == "OPTIONS" else None
    if segments == ["", "invocations"]:
        return INVOCATION
    return _torchserve(segments) or _kserve(segments)


def _torchserve(segments: Sequence[str]) -> Route | None:
    match segments:
        case [_, "predictions" | "explanations" as kind, name, *more]:
            return _prediction(name, more, is_explained=kind == "explanations")
        case [_, "models", *rest]:
            return _models(rest)
        case [_, "ping" | "invocations" | "predictions" | "explanations", *_]:
            return None
        case [_, name, "predict"]:
            return Inference(name)
        case [_, name, version, "predict"]:
            return Inference(name, version)
    return None


def _models(rest: Sequence[str]) -> Route | None:
    match rest:
        case []:
            return Collection()
        case [name, "invoke"]:
            return Inference(name, has_default=True)
        # Looks like an inference to TorchServe, which then finds no such endpoint.
        case [name] if name != "predict":
            return Member(name)
        case [name, version, "set-default"]:
            return Member(name, version)
    return None


def _prediction(name: str, more: Sequence[str], *, is_explained: bool) -> Inference:
    version = more[0] if more else None
    headers = (("url_path", "/".join(more[1:])), (_EXPLAINED, str(is_explained)))
    return Inference(name, version, headers, keeps_query=False)


def _kserve(segments: Sequence[str]) -> Route | None:
    match segments:
        case [_, "v1", "models", last]:
            name = last.split(":")[0]
            if ":predict" in last or ":explain" in last:
                return _kserved(name, is_explained=":predict" not in last)
            return Readiness(name)
        case [_, "v2", "models", model, "infer" | "explain" as verb]:
            return _kserved(model.split(":")[0], is_explained=verb == "explain")
    return None


def _kserved(name: str, *, is_explained: bool) -> Inference:
    return Inference(name, None, ((_EXPLAINED, str(is_explained)),), keeps_query=False)
