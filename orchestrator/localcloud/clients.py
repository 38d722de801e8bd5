"""The local cloud's own way to what moto answers: plain boto3 clients for its own address."""

import threading
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from botocore.config import Config

from orchestrator.localcloud.defaults import ACCESS_KEY, SECRET_KEY
from orchestrator.localcloud.wanted import TOKEN_HEADER
from orchestrator.localcloud.world import Scope

OWN = "x-local-cloud-own"
"""The header of the local cloud's own calls, which no fault befalls."""


class Clients:
    """Clients for the local cloud at ``url``, each made once per account and region, in any thread.

    Args:
        url: Where it answers.
        token: What it asks of every request, if anything.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._token = token
        self._lock = threading.Lock()
        self._session = boto3.Session()
        self._made: dict[tuple[str, Scope], BaseClient] = {}

    def client(self, service: str, scope: Scope) -> BaseClient:
        """Return the client of ``service`` for the resources of ``scope``."""
        with self._lock:
            key = (service, scope)
            if key not in self._made:
                self._made[key] = self._make(service, scope)
            return self._made[key]

    def _make(self, service: str, scope: Scope) -> BaseClient:
        client = self._session.client(
            service,
            endpoint_url=self._url,
            region_name=scope.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"mode": "standard", "max_attempts": 1}, proxies={}),
        )

        def name_account(request: AWSPreparedRequest, **_: Any) -> None:  # noqa: ANN401 - botocore's events
            request.headers["x-moto-account-id"] = scope.account
            request.headers[OWN] = "1"
            if self._token:
                request.headers[TOKEN_HEADER] = self._token

        client.meta.events.register("before-send", name_account)
        return client
