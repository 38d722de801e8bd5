"""Our server answers every recorded request as the real container did, but where a case says otherwise."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.conformance import judging
from tests.conformance.cases import Case
from tests.conformance.catalogue import THEMES
from tests.conformance.forks import forks
from tests.conformance.recording import committed

_AT_ONCE = 3

_CASES = [pytest.param(theme, case, id=case.name) for theme, cases in THEMES.items() for case in cases]

Verdicts = dict[str, "Future[list[str]]"]


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """Begin with every case that this run asks for; a server's start is mostly waiting."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    names = {item.callspec.id for item in items if hasattr(item, "callspec")}
    root = tmp_path_factory.mktemp("conformance")
    with forks() as servers, ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {
            case.name: pool.submit(judging.verdict, servers, theme, case, root / case.name)
            for theme, cases in THEMES.items()
            for case in cases
            if case.name in names
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("theme", "case"), _CASES)
def test_the_server_answers_as_the_container_does(theme: str, case: Case, verdicts: Verdicts) -> None:
    assert "\n".join(verdicts[case.name].result()) == ""


@pytest.mark.parametrize("theme", THEMES)
def test_every_case_has_an_answer_of_the_container_for_each_of_its_requests(theme: str) -> None:
    asked = {case.name: {request.name for request in case.requests} for case in THEMES[theme]}

    assert {name: set(found) for name, found in committed(theme).items()} == asked


def test_the_container_answers_nothing_where_a_case_says_that_the_model_does_not_load() -> None:
    loading = [(theme, case) for theme, cases in THEMES.items() for case in cases if case.load_fails]
    answers = [found for theme, case in loading for found in committed(theme)[case.name].values()]

    assert answers
    assert all(found == {"no_answer": True} for found in answers)


def test_there_are_enough_cases_and_requests_and_no_two_cases_of_a_name() -> None:
    cases = [case for cases in THEMES.values() for case in cases]

    assert len({case.name for case in cases}) == len(cases) >= 60
    assert sum(request.copies for case in cases for request in case.requests) >= 250
