"""What projects test themselves with: fixtures of pytest, and a local cloud as a context manager.

The fixtures are in `orchestrator.testing.plugin`, which pytest finds by itself. What is named here is
imported at its first use: everybody pays for the import who has the orchestrator installed and runs pytest.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.localcloud.testing import Cloud, CloudFaults, local_cloud
    from orchestrator.testing.endpoints import Endpoint

__all__ = ["Cloud", "CloudFaults", "Endpoint", "local_cloud"]


def __getattr__(name: str) -> object:
    """Return one of the names above, importing it now.

    Raises:
        AttributeError: For any other name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'orchestrator.testing' has no attribute '{name}'")
    home = "orchestrator.testing.endpoints" if name == "Endpoint" else "orchestrator.localcloud.testing"
    return getattr(importlib.import_module(home), name)
