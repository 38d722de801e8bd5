"""What holds for all tests."""

import pytest

# The helpers and the benchmarks hold no tests.
collect_ignore_glob = ["support/*", "benchmarks/*"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
