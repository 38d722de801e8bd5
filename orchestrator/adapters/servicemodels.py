"""The service models that botocore ships, read once for all sessions of the process.

Each of botocore's sessions would read its own: SageMaker's model alone takes a twentieth of a second, and
`deploy --all` makes a session for every account and region.
"""

import functools
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.loaders import Loader, create_loader


def share(session: botocore.session.Session) -> botocore.session.Session:
    """Let ``session`` read what all others have read; one with a data path of its own keeps that."""
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@functools.cache
def service(name: str) -> Mapping[str, Any]:
    """Return the model of a service, by the name that boto3 gives it."""
    found: Mapping[str, Any] = _loader(None).load_service_model(name, "service-2")
    return found


@functools.cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)
