"""What holds for all tests."""

import signal

import pytest

# Whoever starts us in the background of a shell script has Ctrl-C ignored, by us and by all that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The helpers, the benchmarks and the scripts of other clients hold no tests.
collect_ignore_glob = ["support/*", "benchmarks/*", "conformance/clients/*"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
