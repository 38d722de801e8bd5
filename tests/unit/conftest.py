"""Unit tests see no network: whoever opens a socket here fails."""

import pytest


@pytest.fixture(autouse=True)
def no_network(socket_disabled: None) -> None:
    """Close the network for every test of this folder."""
