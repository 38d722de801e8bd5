"""What ``POST /models`` asks for, and which of its wishes are refused at once, in TorchServe's words.

SageMaker sends the name, which is a hash, and the folder, as JSON. TorchServe reads its parameters from the
query if the type is another one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.serving import answers
from orchestrator.serving.front import targets
from orchestrator.serving.messages import Headers, Response
from orchestrator.serving.ports import Asked

_JSON = "application/json"
_RUNTIMES = ("python", "python3", "LSP")
# A name goes into an order to the spawner, which reads no message over 64 KiB, and into answers.
_NAME_CHARACTERS = 1024
# What TorchServe would fetch an archive from: any code from anywhere. Here nothing is fetched.
# Its pattern for what is a URL at all has a slip, and what only that one knows is not allowed.
_REMOTE = re.compile(r"(file|https?)://.*", re.IGNORECASE | re.DOTALL)
_DISALLOWED = re.compile(r"fil://.*", re.IGNORECASE | re.DOTALL)
# The default for the query is 100. With JSON it is this, by a slip of TorchServe's.
_JSON_BATCH_DELAY = -10_000
_BATCH_DELAY = 100


@dataclass(frozen=True, slots=True)
class Registration:
    """A model that is to be loaded.

    Attributes:
        name: Opaque; how it is invoked.
        url: The folder, as the caller wrote it.
        batch_delay: What TorchServe would say of a delay that means nothing here.
    """

    name: str
    url: str
    batch_delay: int


class RefusedError(Exception):
    """A request that TorchServe would refuse.

    Attributes:
        answer: What it would say.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.answer: Response = answers.failure(status, kind, message)


def read(asked: Asked) -> Registration:
    """Return the wish of a ``POST /models``.

    Raises:
        RefusedError: If it is none, or one that no server fulfils.
        UndecodableError: If the query's percent-encoding is wrong.
    """
    is_json = media_type(asked.request.headers) == _JSON
    fields = _from_json(asked.request.body) if is_json else _from_query(asked)
    url, name = fields.get("url"), fields.get("model_name")
    if url is None:
        raise RefusedError(400, "BadRequestException", "Parameter url is required.")
    runtime = fields.get("runtime")
    if runtime is not None and runtime not in _RUNTIMES:
        raise RefusedError(400, "BadRequestException", f"Invalid RuntimeType value: {runtime}")
    _check_url(url)
    return Registration(name or "", url, _JSON_BATCH_DELAY if is_json else _BATCH_DELAY)


def not_found(url: str) -> RefusedError:
    """Return the refusal of a folder that is none."""
    return RefusedError(404, "ModelNotFoundException", f"Model not found at: {url}")


def check_name(name: str) -> None:
    """Refuse a name that cannot be one; TorchServe looks for the folder first.

    Raises:
        RefusedError: If there is none, or it is very long, which is a rule of this server's.
    """
    if not name:
        raise RefusedError(400, "InvalidModelException", "Model name is not defined.")
    if len(name) > _NAME_CHARACTERS:
        message = f"The name of a model has at most {_NAME_CHARACTERS} characters."
        raise RefusedError(400, "BadRequestException", message)


def media_type(headers: Headers) -> str:
    """Return the content type of a request without its parameters, in lower case."""
    types = [value for name, value in headers if name.lower() == "content-type"]
    return types[0].partition(";")[0].strip().lower() if types else ""


def _check_url(url: str) -> None:
    if not url:
        raise RefusedError(404, "ModelNotFoundException", "empty url")
    if ".." in url:
        message = f"Relative path is not allowed in url: {url}"
        raise RefusedError(404, "ModelNotFoundException", message)
    if _DISALLOWED.fullmatch(url):
        message = f"Given URL {url} does not match any allowed URL(s)"
        raise RefusedError(404, "ModelNotFoundException", message)
    if _REMOTE.fullmatch(url):
        raise RefusedError(400, "DownloadArchiveException", f"Failed to download archive from: {url}")


def _from_query(asked: Asked) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for name, value in targets.fields(targets.Target((), asked.query, f"{asked.path}?{asked.query}")):
        fields.setdefault(name, value)
    return fields


def _from_json(body: bytes) -> Mapping[str, str]:
    text = body.decode("utf-8", "replace")
    try:
        content = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        raise _syntax("com.google.gson.stream.MalformedJsonException: this is no JSON") from None
    if content is None:
        called = "org.pytorch.serve.http.messages.RegisterModelRequest.getModelUrl()"
        message = f'Cannot invoke "{called}" because "registerModelRequest" is null'
        raise RefusedError(500, "NullPointerException", message)
    if not isinstance(content, dict):
        was = _token(content)
        raise _syntax(f"java.lang.IllegalStateException: Expected BEGIN_OBJECT but was {was}")
    wanted = {
        name: content[name] for name in ("url", "model_name", "runtime") if content.get(name) is not None
    }
    return {name: _text(name, value) for name, value in wanted.items()}


def _text(name: str, value: object) -> str:
    """Return ``value`` as Gson reads it into a string; half a surrogate pair becomes a question mark."""
    if isinstance(value, dict | list):
        was = _token(value)
        raise _syntax(f"java.lang.IllegalStateException: Expected a string but was {was}", f"$.{name}")
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()


def _syntax(message: str, path: str = "$") -> RefusedError:
    # Where Gson stopped reading is not told: only Gson knows.
    return RefusedError(500, "JsonSyntaxException", f"{message} path {path}")


def _token(value: object) -> str:
    """Return what Gson calls the first token of ``value``."""
    match value:
        case dict():
            return "BEGIN_OBJECT"
        case list():
            return "BEGIN_ARRAY"
        case str():
            return "STRING"
        case bool():
            return "BOOLEAN"
        case _:
            return "NUMBER"
