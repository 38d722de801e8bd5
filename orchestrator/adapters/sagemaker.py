"""SageMaker's control plane.

Hands out `orchestrator.core.resources` values; the shapes of requests and answers are in `requests` and
`answers`. Creating what exists with the same content and deleting what is gone succeed, so that a call
whose answer was lost can be made again.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters import answers, requests
from orchestrator.adapters.aws import Clients
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.refusals import message_of, translated
from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.errors import ConflictError
from orchestrator.core.names import is_content_name, stem
from orchestrator.core.ports import Clock
from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus, Model, Pairs, State
from orchestrator.core.revision import ENDPOINT_TAG

# SageMaker answers ValidationException for nearly everything, told apart by the beginning of its words
# only: quoting differs between AWS and its emulators.
_MISSING = "Could not find"
_EXISTS = "Cannot create already existing"
_BUSY = "Cannot update in-progress endpoint"
_NO_ROLE = "Could not assume role"
_TOO_NEW = ("Could not find endpoint configuration", "Could not find model")
# What a name can contain, and NameContains takes: nothing else is in the name of any endpoint.
_NAME_PART = re.compile(r"[a-zA-Z0-9-]{0,63}")
# What was just made is not seen everywhere at once, and neither is a role: SageMaker API reference,
# CreateEndpoint, on eventual consistency; for roles, 10 to 30 s are reported.
_PROPAGATION_SECONDS, _ROLE_SECONDS = 30.0, 60.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 8.0
_PAGES = {"PageSize": 100}  # ten unless asked for; the most there are: ListEndpoints, MaxResults


class SageMaker:
    """The `Cloud` and `Inventory` ports on boto3; ``clock`` is for waiting until what is new is seen."""

    def __init__(self, clients: Clients, clock: Clock | None = None) -> None:
        self._api = clients("sagemaker")
        self._clock = clock or SystemClock()
        self._seen: set[str] = set()
        self._arns: dict[str, str] = {}

    # Looking: the port `Inventory`, and how an endpoint is.

    def observe(self, endpoint: str) -> State:
        """Return the endpoint, and every model and endpoint config that carries its tag."""
        with translated(f"looking at endpoint '{endpoint}'"):
            models = (self.model(name) for name in self._named("models", endpoint))
            configs = (self.config(name) for name in self._named("configs", endpoint))
            return State(
                models=frozenset(model for model in models if model and _is_of(endpoint, model.tags)),
                configs=frozenset(config for config in configs if config and _is_of(endpoint, config.tags)),
                endpoint=self.endpoint(endpoint),
            )

    def endpoint(self, name: str, *, tags: bool = True) -> Endpoint | None:
        """Return the endpoint as it is now, or ``None``; without its ``tags``, in one call."""
        with translated(f"looking at endpoint '{name}'"):
            answer = _unless_missing(self._api.describe_endpoint, EndpointName=name)
            if answer is None:
                return None
            self._arns[name] = answer["EndpointArn"]
            return answers.endpoint(answer, self._tags(answer["EndpointArn"]) if tags else ())

    def model(self, name: str, *, tags: bool = True) -> Model | None:
        """Return a model, or ``None``; without its ``tags``, in one call."""
        with translated(f"looking at model '{name}'"):
            answer = _unless_missing(self._api.describe_model, ModelName=name)
            if answer is None:
                return None
            self._seen.add(name)
            return answers.model(answer, self._tags(answer["ModelArn"]) if tags else ())

    def config(self, name: str, *, tags: bool = True) -> EndpointConfig | None:
        """Return an endpoint config, or ``None``; without its ``tags``, in one call."""
        with translated(f"looking at endpoint config '{name}'"):
            answer = _unless_missing(self._api.describe_endpoint_config, EndpointConfigName=name)
            if answer is None:
                return None
            self._seen.add(name)
            return answers.config(answer, self._tags(answer["EndpointConfigArn"]) if tags else ())

    def endpoint_names(self, like: str) -> tuple[str, ...]:
        """Return the names of all endpoints that contain ``like``; all there are, if that is empty.

        In whatever case, as far as SageMaker's filter ignores it: AWS does not say whether it does.
        """
        if not _NAME_PART.fullmatch(like):
            return ()
        only = {"NameContains": like} if like else {}
        with translated("listing endpoints"):
            pages = self._api.get_paginator("list_endpoints").paginate(**only, PaginationConfig=_PAGES)
            names = (found["EndpointName"] for page in pages for found in page["Endpoints"])
            return tuple(sorted(name for name in names if like.lower() in name.lower()))

    # Changing: the port `Cloud`.

    def create_model(self, model: Model) -> None:
        """Create a model; succeed if it exists."""
        with translated(f"creating model '{model.name}'"):
            self._patiently(self._api.create_model, requests.model(model), known=False)
            self._seen.add(model.name)

    def create_endpoint_config(self, config: EndpointConfig) -> None:
        """Create an endpoint config; succeed if it exists."""
        known = bool(config.models) and config.models <= self._seen
        with translated(f"creating endpoint config '{config.name}'"):
            self._patiently(self._api.create_endpoint_config, requests.config(config), known=known)
            self._seen.add(config.name)

    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None:
        """Start the creation of an endpoint; succeed if ours has begun already.

        Raises:
            ConflictError: If the name is taken by an endpoint on another config, or by one whose name differs
                in case only: SageMaker does not tell them apart.
        """
        request = {"EndpointName": name, "EndpointConfigName": config, "Tags": requests.tags(tags)}
        with translated(f"creating endpoint '{name}'"):
            if self._patiently(self._api.create_endpoint, request, known=config in self._seen):
                return
            seen = self._soon_visible(name)
            if seen is None or seen.target != config:
                raise _taken(name, seen)

    def update_endpoint(self, update: Update) -> None:
        """Start an update.

        UpdateEndpoint has no client token: if an answer is lost, the next attempt is refused as in progress.
        Then our own call has won if the endpoint is on its way to our endpoint config.

        Raises:
            ConflictError: If somebody else is changing the endpoint.
            QuotaError: If the account may not have a second fleet.
        """
        known, request = update.config in self._seen, requests.update(update)
        with translated(f"updating endpoint '{update.endpoint}'"):
            try:
                self._patiently(self._api.update_endpoint, request, known=known)
            except ClientError as error:
                if not message_of(error).startswith(_BUSY):
                    raise
                seen = self.endpoint(update.endpoint, tags=False)
                if seen is None or seen.target != update.config:
                    raise _busy(update.endpoint, seen) from error

    def set_capacities(self, name: str, capacities: Sequence[Capacity]) -> None:
        """Start a change of weights and counts; succeed if ours has begun already.

        Raises:
            ConflictError: If somebody else is changing the endpoint.
        """
        with translated(f"setting the capacities of endpoint '{name}'"):
            try:
                self._api.update_endpoint_weights_and_capacities(**requests.capacities(name, capacities))
            except ClientError as error:
                if not message_of(error).startswith(_BUSY):
                    raise
                seen = self.endpoint(name, tags=False)
                if seen is None or not _moves_to(seen, capacities):
                    raise _busy(name, seen) from error

    def tag_endpoint(self, name: str, tags: Pairs) -> None:
        """Put ``tags`` on an endpoint, beside those that it has or in their place."""
        with translated(f"tagging endpoint '{name}'"):
            if name not in self._arns:
                self._arns[name] = self._api.describe_endpoint(EndpointName=name)["EndpointArn"]
            self._api.add_tags(ResourceArn=self._arns[name], Tags=requests.tags(tags))

    def delete_endpoint(self, name: str) -> None:
        """Start the deletion of an endpoint; succeed if it is gone or going."""
        with translated(f"deleting endpoint '{name}'"):
            try:
                _unless_missing(self._api.delete_endpoint, EndpointName=name)
            except ClientError:
                seen = self.endpoint(name, tags=False)
                if seen is not None and seen.status is not EndpointStatus.DELETING:
                    raise

    def delete_endpoint_config(self, name: str) -> None:
        """Delete an endpoint config; succeed if it is gone."""
        with translated(f"deleting endpoint config '{name}'"):
            _unless_missing(self._api.delete_endpoint_config, EndpointConfigName=name)
            self._seen.discard(name)

    def delete_model(self, name: str) -> None:
        """Delete a model; succeed if it is gone."""
        with translated(f"deleting model '{name}'"):
            _unless_missing(self._api.delete_model, ModelName=name)
            self._seen.discard(name)

    def _named(self, kind: str, endpoint: str) -> Iterator[str]:
        """Yield what has the form of our names; tags then have the last word."""
        operation, listed, member = {
            "models": ("list_models", "Models", "ModelName"),
            "configs": ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
        }[kind]
        pages = self._api.get_paginator(operation)
        for page in pages.paginate(NameContains=f"{stem(endpoint)}-", PaginationConfig=_PAGES):
            names = (found[member] for found in page[listed])
            yield from (name for name in names if is_content_name(name, endpoint))

    def _tags(self, arn: str) -> Pairs:
        pages = self._api.get_paginator("list_tags").paginate(ResourceArn=arn)
        try:
            return answers.tags(tag for page in pages for tag in page["Tags"])
        except ClientError as error:
            if _is_missing(error):
                return ()
            raise

    def _patiently(self, call: Callable[..., object], request: Mapping[str, object], *, known: bool) -> bool:
        """Make a call, again and again while what it names is too new; return ``False`` if that exists.

        Args:
            call: Makes or updates something.
            request: Its arguments.
            known: Whether what the request refers to has been seen: then it is not missing, but too new.
        """
        begun, pause = self._clock.now(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                call(**request)
            except ClientError as error:
                if message_of(error).startswith(_EXISTS):
                    # Models and endpoint configs are named by their content: what has our name is ours.
                    return False
                if self._clock.now() - begun >= _patience_seconds(error, known=known):
                    raise
            else:
                return True
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _soon_visible(self, name: str) -> Endpoint | None:
        begun = self._clock.now()
        while True:
            seen = self.endpoint(name, tags=False)
            if seen is not None or self._clock.now() - begun >= _PROPAGATION_SECONDS:
                return seen
            self._clock.sleep(_LONGEST_PAUSE_SECONDS)


def _patience_seconds(error: ClientError, *, known: bool) -> float:
    if message_of(error).startswith(_NO_ROLE):
        return _ROLE_SECONDS
    return _PROPAGATION_SECONDS if known and message_of(error).startswith(_TOO_NEW) else 0.0


def _is_of(endpoint: str, tags: Pairs) -> bool:
    return dict(tags).get(ENDPOINT_TAG) == endpoint


def _moves_to(seen: Endpoint, capacities: Sequence[Capacity]) -> bool:
    variants = {variant.name: variant for variant in seen.variants}
    return all(
        (variant := variants.get(wanted.variant)) is not None
        and variant.desired_weight == wanted.weight
        and wanted.count in {None, variant.desired_count}
        for wanted in capacities
    )


def _busy(name: str, seen: Endpoint | None) -> ConflictError:
    state = f"{seen.status}, moving to '{seen.target}'" if seen else "gone"
    return ConflictError(
        f"somebody else is changing endpoint '{name}'",
        details=[("state", f"it is {state}; nothing of ours moves")],
        hint=f"orchestrator status {name}",
    )


def _taken(name: str, seen: Endpoint | None) -> ConflictError:
    state = f"it is {seen.status} on '{seen.target}'" if seen else "by one that differs in case only"
    return ConflictError(
        f"the name of endpoint '{name}' is taken",
        details=[("state", f"{state}; nothing has changed")],
        hint=f"orchestrator status {name}\norchestrator adopt {name}          take over what exists",
    )


def _unless_missing(call: Callable[..., Any], **arguments: object) -> Any:  # noqa: ANN401 - boto3's have no types
    try:
        return call(**arguments)
    except ClientError as error:
        if _is_missing(error):
            return None
        raise


def _is_missing(error: ClientError) -> bool:
    return message_of(error).startswith(_MISSING)
