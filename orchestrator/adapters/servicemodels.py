"""The service models and the regions that botocore ships, read once for all sessions of the process.

Each of botocore's sessions would read its own: SageMaker's model alone takes a twentieth of a second, and
`deploy --all` makes a session for every account and region.
"""

import functools
import itertools
import os
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.loaders import Loader, create_loader

# For the local cloud, and for what is asked of nobody, nothing of the developer's own setup: a profile could
# lead to a real account, and one that does not exist keeps botocore from making any client.
NOTHING_OF_THE_SHELL = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


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
def regions(name: str) -> tuple[str, ...]:
    """Return the regions in which botocore knows a service to be offered, of all partitions; no call."""
    session = share(botocore.session.Session(session_vars=NOTHING_OF_THE_SHELL))
    found = (
        session.get_available_regions(name, partition_name=partition)
        for partition in session.get_available_partitions()
    )
    return tuple(sorted(itertools.chain.from_iterable(found)))


@functools.cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)
