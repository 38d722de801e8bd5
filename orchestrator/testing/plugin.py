"""Fixtures of pytest: local clouds, the project's endpoint, its golden cases.

pytest loads this for everybody who has the orchestrator installed, so that nothing is imported before a
test asks for it.
"""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from orchestrator.core.golden import Case
    from orchestrator.testing import Cloud, Endpoint

_INI, _SPEC = "orchestrator_spec", "orchestrator.toml"
_CASE, _EMPTY = "orchestrator_golden_case", "orchestrator_local_cloud"

_T = TypeVar("_T")


class Lasting:
    """What the tests of a run share, each made when it is first asked for.

    A session's fixture is made once, with what one folder overrides; this is asked by tests of any folder.

    Args:
        until: Ends all of it.
    """

    def __init__(self, until: ExitStack) -> None:
        self._until = until
        self._made: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], AbstractContextManager[_T]]) -> _T:
        """Return what was made for ``key``, made now if it was not; what has failed fails again.

        Raises:
            Exception: What ``make`` has raised.
        """
        if key not in self._made:
            try:
                self._made[key] = self._until.enter_context(make())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next test is not to wait for it
                self._made[key] = error
        found: Any = self._made[key]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]  # a key is for one kind


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the key by which pytest's configuration names a spec."""
    parser.addini(
        _INI, f"The spec of the orchestrator's fixtures [the nearest {_SPEC} from the test's folder upwards]."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a golden case with each of the project's.

    Raises:
        pytest.Collector.CollectError: If there are none, or one cannot be used.
    """
    if _CASE not in metafunc.fixturenames:
        return
    with _told(pytest.Collector.CollectError):
        cases = _golden_cases(metafunc.config, metafunc.definition.path)
        metafunc.parametrize(_CASE, cases, ids=[case.name for case in cases], indirect=True)


@pytest.fixture
def orchestrator_golden_case(request: pytest.FixtureRequest) -> "Case":
    """Return one of the project's golden cases: the test runs once with each."""
    case: Case = request.param
    return case


@pytest.fixture(scope="session")
def orchestrator_local_cloud_options() -> Mapping[str, Any]:
    """Return what local clouds are started with: override it in a ``conftest.py``.

    Its members are the arguments of `orchestrator.testing.local_cloud`.
    """
    return {}


@pytest.fixture(scope="session")
def orchestrator_lasting() -> Iterator[Lasting]:
    """Yield the local clouds of the run, with what is deployed there; they end with it."""
    with _told(), ExitStack() as until:
        yield Lasting(until)


@pytest.fixture
def orchestrator_local_cloud(
    orchestrator_lasting: Lasting, orchestrator_local_cloud_options: Mapping[str, Any]
) -> Iterator["Cloud"]:
    """Yield an empty local cloud, which the environment variables point at; it is emptied after the test."""
    with _told():
        from orchestrator.testing import local_cloud  # noqa: PLC0415 - see the module's docstring
        from orchestrator.testing.endpoints import pointed_at  # noqa: PLC0415 - likewise

        options = orchestrator_local_cloud_options
        cloud = orchestrator_lasting.once((_EMPTY, _key(options)), lambda: local_cloud(**options))
    with pointed_at(cloud):
        yield cloud
    cloud.reset()


@pytest.fixture(scope="session")
def orchestrator_endpoint_name() -> str | None:
    """Return which endpoint is meant: override it in a ``conftest.py`` where the spec has several."""
    return None


@pytest.fixture
def orchestrator_endpoint(
    request: pytest.FixtureRequest,
    orchestrator_lasting: Lasting,
    orchestrator_local_cloud_options: Mapping[str, Any],
    orchestrator_endpoint_name: str | None,
) -> Iterator["Endpoint"]:
    """Yield an endpoint that serves the project; the environment variables point at its local cloud.

    That one is not emptied between tests.
    """
    if _EMPTY in request.fixturenames:
        pytest.fail(
            f"a test asks for {_EMPTY} or for orchestrator_endpoint, which are in two local clouds: "
            "orchestrator_endpoint.cloud is the one that serves",
            pytrace=False,
        )
    with _told():
        from orchestrator.testing.endpoints import deployed, pointed_at  # noqa: PLC0415 - see above

        spec, name = _spec(request.config, request.path), orchestrator_endpoint_name
        options = orchestrator_local_cloud_options
        key = (spec, name, _key(options))
        endpoint = orchestrator_lasting.once(key, lambda: deployed(spec, name, options))
    with pointed_at(endpoint.cloud):
        yield endpoint


def _key(options: Mapping[str, Any]) -> str:
    return repr(sorted(options.items()))


def _golden_cases(config: pytest.Config, test: Path) -> "tuple[Case, ...]":
    from orchestrator.api.project import Project  # noqa: PLC0415 - see the module's docstring
    from orchestrator.api.selection import Selection  # noqa: PLC0415 - likewise

    return Project(Selection(_spec(config, test))).golden_cases()


def _spec(config: pytest.Config, test: Path) -> str:
    """Return the path of the spec that a test's file is about.

    Raises:
        SpecError: If there is none.
    """
    from orchestrator.core.errors import SpecError  # noqa: PLC0415 - see the module's docstring

    if named := config.getini(_INI):
        return str((config.inipath.parent if config.inipath else config.rootpath) / named)
    near = (folder / _SPEC for folder in test.parents)
    found: Path | None = next(filter(Path.is_file, near), None)
    if found is None:
        raise SpecError(
            f"there is no {_SPEC} in {test.parent} or above",
            hint=f'name it in pytest\'s configuration: {_INI} = "folder/{_SPEC}"',
        )
    return str(found)


def _failed(text: str) -> BaseException:
    return pytest.fail.Exception(text, pytrace=False)


@contextlib.contextmanager
def _told(said: Callable[[str], BaseException] = _failed) -> Iterator[None]:
    """Say in pytest's words what a person can act on, without our traceback."""
    from orchestrator.core.errors import OrchestratorError  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except OrchestratorError as error:
        facts = [*error.details, *([("next", error.hint)] if error.hint else [])]
        lines = [f"orchestrator: {error}", *(f"  {label:<6} {fact}" for label, fact in facts)]
        raise said("\n".join(lines)) from None
