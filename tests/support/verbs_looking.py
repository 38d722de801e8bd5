"""The verbs that only look, as whoever may do no more: a pipeline that plans what is proposed."""

from pathlib import Path

from orchestrator.api.examination import Examination
from orchestrator.api.project import Project
from orchestrator.api.selection import Selection
from tests.support.commands import write_files
from tests.support.verbs_spec import SPEC, Account

LOOKING = ("Describe", "Get", "Head", "List", "BatchGet", "Filter", "Simulate", "Decrypt")
"""What the names of actions and operations begin with that change nothing."""


def only_look(folder: Path, account: Account) -> None:
    """Look at what `tests.support.verbs.make_everything` has made, and plan its next turn.

    Args:
        folder: Does not exist yet.
        account: Its deployer is who looks.
    """
    folder.mkdir()
    many = _written(folder / "many", account.environment + account.endpoints(3))
    project = Project.select(Selection(str(many), "prod", "acme-canary"))
    project.plan()
    project.status()
    project.history()
    project.drift()
    project.doctor()
    examined = _written(folder / "examined", account.environment + account.everything)
    Examination(Selection(str(examined), "prod")).report()


def is_looking(action: str) -> bool:
    """Tell whether an action such as ``s3:GetObject`` changes nothing."""
    return action.partition(":")[2].startswith(LOOKING)


def _written(folder: Path, tables: str) -> Path:
    write_files(folder, SPEC + tables)
    (folder / "golden" / "owl.json").unlink()
    return folder / "orchestrator.toml"
