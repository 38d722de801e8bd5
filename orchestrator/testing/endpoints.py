"""A project that is deployed to a local cloud, for tests to ask."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.api.project import Project
from orchestrator.api.selection import Manner, Selection
from orchestrator.api.used import Whom
from orchestrator.core.golden import JSON_TYPE, OK, TEXT_TYPE, Case, Request, Response
from orchestrator.core.results import Kind
from orchestrator.localcloud.testing import Cloud, local_cloud

_OURS = ("AWS_", "ORCHESTRATOR_")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a local cloud that serves a project's archive.

    Attributes:
        cloud: Where it is.
        project: What it serves, as the Python API has it.
        revision: What was deployed.
    """

    cloud: Cloud
    project: Project
    revision: str

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.project.name

    @property
    def url(self) -> str:
        """What ``AWS_ENDPOINT_URL`` has to be."""
        return self.cloud.url

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no types
        """Return a boto3 client for the local cloud, such as one for ``sagemaker-runtime``."""
        return self.cloud.client(service, **options)

    def ask(
        self,
        body: object,
        *,
        content_type: str | None = None,
        accept: str = JSON_TYPE,
        variant: str | None = None,
    ) -> Response:
        """Return the answer to one request, also if it is an error.

        Args:
            body: Bytes and text are sent as they are, everything else as JSON.
            content_type: If it is not the usual one: ``text/plain`` of text, else ``application/json``.
            accept: What is to come back.
            variant: The one that is to answer.

        Raises:
            ValueError: If an asynchronous endpoint is to choose.
        """
        request = Request(_sent(body), content_type or _type_of(body), accept)
        if self.project.spec.target.endpoint.async_inference is not None:
            if variant is not None:
                raise ValueError("an asynchronous request can't choose its variant")
            return self.project.invoke_async(request)
        return self.project.invoke(request, variant)

    def invoke(self, body: object, **options: Any) -> Any:  # noqa: ANN401 - as `json.loads` has it
        """Return what the model answers: its JSON, or bytes if it is none.

        Args:
            body: As in `ask`.
            options: Likewise.

        Raises:
            AssertionError: If the answer is an error.
        """
        answer = self.ask(body, **options)
        if answer.status != OK:
            said = answer.body.decode("utf-8", "replace").strip()
            raise AssertionError(
                f"endpoint '{self.name}' answered {answer.status or 'with a failure'}: {said}"
            )
        try:
            return json.loads(answer.body)
        except ValueError:
            return answer.body

    def check(self, case: Case) -> None:
        """Ask a golden case, every variant, as `orchestrator test --remote` does.

        Raises:
            AssertionError: If the answer is not the one that the model must give, or another model's.
        """
        done = self.project.test(Whom(Kind.REMOTE), (case,))
        wrong = [f"golden case '{one.name}': {one.problem}" for one in done.results if not one.passed]
        if wrong:
            raise AssertionError("\n".join(wrong))


def _sent(body: object) -> bytes:
    match body:
        case bytes() | bytearray() | memoryview():
            return bytes(body)
        case str():
            return body.encode()
        case _:
            return json.dumps(body).encode()


def _type_of(body: object) -> str:
    return TEXT_TYPE if isinstance(body, str) else JSON_TYPE


@contextlib.contextmanager
def pointed_at(cloud: Cloud) -> Iterator[None]:
    """Point this process at a local cloud, and at nothing else; afterwards all is as it was.

    Variables of AWS and of the orchestrator that are set otherwise are hidden: a profile, or the name of an
    environment, would send a test to an account.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_OURS)]:
            patch.delenv(name)
        for name, value in cloud.environment.items():
            patch.setenv(name, value)
        # It remembers whose credentials it has found.
        patch.setattr("boto3.DEFAULT_SESSION", None)
        yield


@contextlib.contextmanager
def deployed(spec: str, name: str | None, options: Mapping[str, Any]) -> Iterator[Endpoint]:
    """Build a project and deploy it to a local cloud of its own.

    Args:
        spec: The path of its spec.
        name: The endpoint, where the spec has several.
        options: The arguments of `local_cloud`.

    Raises:
        OrchestratorError: As `orchestrator deploy` does.
    """
    with local_cloud(**options) as cloud:
        with pointed_at(cloud):
            project = Project.select(Selection(spec, endpoint=name), Manner())
            project.deploy(project.intent("for tests"))
            endpoint = Endpoint(cloud, project, project.status().endpoint.config)
        yield endpoint
