"""checkov finds nothing in our templates. `make conformance` installs it; from then on this runs, too."""

import pytest

from tests.conformance import infrastructure
from tests.support import environments

pytestmark = pytest.mark.slow


def test_checkov_finds_nothing() -> None:
    if not environments.is_installed("checkov"):
        pytest.skip("checkov is not installed: `make conformance` installs it (290 MB)")
    assert infrastructure.failures(infrastructure.installed()) == []
