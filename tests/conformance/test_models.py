"""The models' API of this server over HTTP, against what the whole real stack has answered."""

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.models import asked_again, differences, files, sessions, variables
from tests.support.servers import serving


@pytest.mark.parametrize("session", sessions(), ids=lambda session: str(session["name"]))
def test_a_session_is_answered_as_by_the_real_stack(session: dict[str, Any], tmp_path: Path) -> None:
    for name, content in files().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with serving(tmp_path, environment=variables(session)) as server:
        now = asked_again(session, server.port, "MODELS/")
    assert list(differences(session, now)) == []
