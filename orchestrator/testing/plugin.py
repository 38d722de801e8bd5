"""Fixtures of pytest: a local cloud for every test that asks for one.

pytest loads this for everybody who has the orchestrator installed, so that nothing is imported before a
test asks for it.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchestrator.localcloud.testing import Cloud


@pytest.fixture(scope="session")
def orchestrator_local_cloud_options() -> Mapping[str, Any]:
    """Return what the local cloud of the run is started with: override it in a ``conftest.py``.

    Its members are the arguments of `orchestrator.localcloud.testing.local_cloud`.
    """
    return {}


@pytest.fixture(scope="session")
def orchestrator_local_cloud_process(
    orchestrator_local_cloud_options: Mapping[str, Any],
) -> Iterator["Cloud"]:
    """Yield the one local cloud of the run, with whatever was left in it."""
    from orchestrator.localcloud.testing import local_cloud  # noqa: PLC0415 - see the module's docstring

    with local_cloud(**orchestrator_local_cloud_options) as cloud:
        yield cloud


@pytest.fixture
def orchestrator_local_cloud(orchestrator_local_cloud_process: "Cloud") -> Iterator["Cloud"]:
    """Yield an empty local cloud; it is emptied again after the test."""
    yield orchestrator_local_cloud_process
    orchestrator_local_cloud_process.reset()
