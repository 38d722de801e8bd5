"""`orchestrator test` as a release engineer uses it: of an endpoint, an archive and the project."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import pytest

from orchestrator.adapters.aws import Address, clients
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.commands import OWL, Done, Shell, write_files
from tests.support.projects import NET

pytestmark = pytest.mark.slow

TOUCHY = NET.replace(
    "        return self.layer",
    "        if image.max() > 600:\n            raise KeyError('calibration')\n        if image.min() < 0:\n"
    "            __import__('os')._exit(3)\n        return self.layer",
)
MORE = {
    "boom": '{"request": {"body": {"image": [[[666, 0], [0, 0]]]}}, "response": {"body": {"label": "cat"}}}',
    "dies": '{"request": {"body": {"image": [[[-1, 0], [0, 0]]]}}, "response": {"body": {"label": "cat"}}}',
    "owl": OWL,
    "refused": '{"request": {"body_text": "an owl"}, "response": {"status": 415}}',
    "wrong": OWL.replace('"owl"', '"dog"'),
}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Yield a project that was deployed to a local cloud, with more cases than its golden one."""
    shell = Shell(tmp_path_factory.mktemp("pets"))
    write_files(shell.folder, net=TOUCHY)
    (shell.folder / "more").mkdir()
    for name, text in MORE.items():
        (shell.folder / "more" / f"{name}.json").write_text(text, "utf-8")
    (shell.folder / "request.json").write_text('{"image": [[[0, 9], [0, 0]]]}', "utf-8")
    absent = shell.run("test", "--remote", "--junit", "absent.xml")
    assert (absent.code, absent.err.partition("\n")[0]) == (1, "error[error]: the local cloud is not running")
    deployed = shell.run("deploy", "--yes")
    assert deployed.code == 0, deployed.err
    yield shell
    shell.run("local-cloud", "stop")


def cases(path: Path) -> dict[str, str]:
    """Return the cases of a report, each with what came of it."""
    return {case.attrib["name"]: _outcome(case) for case in parse(path).iter("testcase")}  # noqa: S314 - our own


def _outcome(case: Element) -> str:
    return next((f"{child.tag}: {child.attrib['message']}" for child in case), "passed")


def artifact(shell: Shell) -> str:
    """Return where the archive lies that was deployed."""
    address = json.loads(shell.run("local-cloud", "status", "-o", "json").out)["url"]
    made = clients(Address(REGION, endpoint_url=address, credentials=(ACCESS_KEY, SECRET_KEY)))
    store = S3Store(made, "orchestrator-local")
    (key,) = (key for key in store.keys("orchestrator/pets/") if key.endswith(".tar.gz"))
    return store.url(key)


def document(done: Done) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.out)
    return found


def test_the_endpoints_answers_are_its_own_models(shell: Shell) -> None:
    done = shell.run("test", "--remote", "--junit", "reports/golden.xml", "-o", "json")
    assert done.code == 0, done.err
    found = document(done)
    assert (found["passed"], found["failed"], found["recognised"]) == (1, 0, True)
    report = shell.folder / "reports" / "golden.xml"
    assert cases(report) == {"golden/owl.json": "passed"}
    assert report.stat().st_mode & 0o777 == 0o644
    served = json.loads(shell.run("status", "-o", "json").out)
    properties = {one.attrib["name"]: one.attrib["value"] for one in parse(report).iter("property")}  # noqa: S314 - our own
    assert properties["revision"] == served["revision"]


def test_a_report_is_written_also_if_there_was_nobody_to_ask(shell: Shell) -> None:
    assert cases(shell.folder / "absent.xml") == {
        "golden/owl.json": "error: not asked: the local cloud is not running"
    }


def test_every_case_is_told_of_an_archive_from_the_bucket(shell: Shell) -> None:
    url = artifact(shell)
    done = shell.run("test", "--archive", url, "--cases", "more/*.json", "--junit", "more.xml")
    assert done.code == 3
    assert [line.split()[:2] for line in done.out.splitlines()[:5]] == [
        ["FAILED", "more/boom.json"],
        ["FAILED", "more/dies.json"],
        ["passed", "more/owl.json"],
        ["passed", "more/refused.json"],
        ["FAILED", "more/wrong.json"],
    ]
    found = cases(shell.folder / "more.xml")
    assert re.fullmatch(
        r"failure: answered 500, not 200: .* \(KeyError: 'calibration'\)", found["more/boom.json"]
    )
    # The traceback in the log is of another case, which explains nothing here.
    assert found["more/dies.json"].endswith('"message": "Worker died." }')
    assert found["more/wrong.json"] == "failure: body.label is 'owl', not 'dog'"


def test_the_project_is_served_here_and_no_archive_is_left(shell: Shell) -> None:
    done = shell.run("test", "--cases", "more/*.json", "-k", "owl", "-o", "json")
    assert done.code == 0, done.err
    found = document(done)
    assert (found["passed"], found["failed"]) == (1, 0)
    assert not (shell.folder / "model.tar.gz").exists()


def test_an_answer_becomes_a_case_and_none_is_replaced_unasked(shell: Shell) -> None:
    record = ("test", "--remote", "--cases", "new/*.json", "--record", "dog", "--body", "request.json")
    done = shell.run(*record)
    assert done.code == 0, done.err
    path = shell.folder / "new" / "dog.json"
    written = path.read_text("utf-8")
    assert json.loads(written)["response"]["body"]["label"] == "dog"
    refused = shell.run(*record)
    assert refused.code == 3
    assert "--yes" in refused.err
    path.write_text("mine", "utf-8")
    assert shell.run(*record, "--yes").code == 0
    assert path.read_text("utf-8") == written
    assert shell.run("test", "--remote", "--cases", "new/*.json").code == 0
