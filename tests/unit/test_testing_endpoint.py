"""What tests may ask of the endpoint that a project is deployed to."""

from pathlib import Path
from typing import cast

import pytest

from orchestrator.api.project import Project
from orchestrator.api.selection import Selection
from orchestrator.testing import Cloud, Endpoint
from tests.support.commands import SPEC

ASYNC = """
[defaults.endpoint]
mode = "async"
async = { output = "s3://models/answers" }
"""


def test_an_asynchronous_request_that_names_a_variant_is_refused_and_not_sent_to_another(
    tmp_path: Path,
) -> None:
    spec = tmp_path / "orchestrator.toml"
    spec.write_text(SPEC + ASYNC, "utf-8")
    endpoint = Endpoint(cast("Cloud", None), Project(Selection(str(spec))), "pets-0123456789ab")
    with pytest.raises(ValueError, match="an asynchronous request can't choose its variant"):
        endpoint.ask({"image": []}, variant="green")
