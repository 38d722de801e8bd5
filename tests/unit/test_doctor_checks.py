"""The checks of `doctor` as a table, how they end, and what of this machine cannot be planted for real."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters import aws, checkpoints, servicemodels
from orchestrator.adapters.machine import ThisMachine
from orchestrator.api import doctor_wiring
from orchestrator.api.examination import OF_ACCOUNT, Examination
from orchestrator.api.selection import Selection, Shared
from orchestrator.core.checkup import Group, Outcome, report
from orchestrator.core.containers import DEFAULT_PROFILE
from orchestrator.core.errors import DeniedError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.premises import Package, Place
from orchestrator.core.target import EndpointSpec, Target
from orchestrator.core.trust import refuses_plain_http
from orchestrator.usecases.examining import endpoint, login, machine, project
from orchestrator.usecases.examining.machine import Ground
from orchestrator.usecases.examining.table import Check, MootError, Where, make
from tests.support.commands import SPEC, write_files

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "doctor.md"
EVERY: tuple[Check[Any], ...] = (
    *machine.CHECKS,
    project.SPEC,
    *project.CHECKS,
    *login.CHECKS,
    *OF_ACCOUNT,
    *endpoint.CHECKS,
)
WHERE = {Where.EVERYWHERE: "", Where.LOCAL: "local", Where.REMOTE: "accounts"}
OWN = (
    Package("0.1.0", ">=3.11"),
    ("click>=8.1", 'torch>=2.4; extra == "torch"', 'moto[server]<5.3,>=5.2.5; extra == "local"'),
)


def test_the_page_has_every_check_as_the_code_has_it_and_no_other() -> None:
    shown = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| `[a-z-]+` \| ", line)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown]
    assert [(row[0], *row[1:5], row[6]) for row in rows] == [
        (
            f"`{one.code}`",
            str(one.group),
            one.looks,
            WHERE[one.where],
            str(one.worst),
            "yes" if one.mends else "",
        )
        for one in EVERY
    ]


def test_every_check_has_a_code_of_its_own() -> None:
    codes = [one.code for one in EVERY]
    assert len(set(codes)) == len(codes)


def made(*checks: Check[None]) -> dict[str, Outcome]:
    return {one.check: one.outcome for one, _ in make(checks, None, patience_seconds=0.2)}


def one(code: str, finding: Finding | None = None, error: Exception | None = None) -> Check[None]:
    def examine(_: None) -> Iterator[Finding]:
        if error is not None:
            raise error
        yield from () if finding is None else (finding,)

    return Check(code, Group.ACCOUNT, "this", Severity.ERROR, examine)


def test_a_check_that_hangs_ends_by_itself_and_keeps_nobody_waiting() -> None:
    never = threading.Event()

    def hang(_: None) -> Iterator[Finding]:
        never.wait()
        yield from ()

    hanging = Check("hangs", Group.ACCOUNT, "this", Severity.ERROR, hang)
    assert made(hanging, one("well")) == {"hangs": Outcome.UNSEEN, "well": Outcome.FINE}
    never.set()


def test_a_mistake_of_ours_in_a_check_is_an_error_and_the_other_checks_are_shown() -> None:
    whole = report(make((one("ours", error=ZeroDivisionError("by 0")), one("well")), None))
    assert [each.outcome for each in whole.checked] == [Outcome.UNSEEN, Outcome.FINE]
    (said,) = whole.findings
    assert (said.severity, said.check) == (Severity.ERROR, "ours")
    assert "ZeroDivisionError: by 0" in said.what


def test_one_cause_for_which_several_checks_could_not_be_made_is_one_note() -> None:
    denied = DeniedError("not permitted")
    checks = (one("a", error=denied), one("b", error=denied), one("c", error=MootError("told")))
    whole = report(make(checks, None))
    assert [(each.subject, each.what) for each in whole.findings] == [
        ("a, b", "not looked at: not permitted")
    ]
    assert {each.outcome for each in whole.checked} == {Outcome.UNSEEN}


def test_the_same_fact_about_two_endpoints_is_told_once_and_a_check_that_found_something_is_not_fine() -> (
    None
):
    bad = Finding(Severity.WARNING, "bucket", "open", "close it")
    whole = report([*make((one("a", bad),), None), *make((one("a", bad),), None), *make((one("a"),), None)])
    assert len(whole.findings) == 1
    assert [each.outcome for each in whole.checked] == [Outcome.FOUND]
    assert not whole.is_broken(strict=False)
    assert whole.is_broken(strict=True)


ROOMY = Place(exists=True, writable=True, mode=0o700, free_bytes=10**12)


@dataclass
class FakeMachine:
    """A machine of which everything is told."""

    packages: dict[str, Package] = field(default_factory=dict)
    python_version: str = "3.11.7"
    there: Place = ROOMY
    environ: Mapping[str, str] = field(default_factory=dict)

    def python(self) -> str:
        return self.python_version

    def variables(self) -> Mapping[str, str]:
        return self.environ

    def package(self, name: str) -> Package | None:
        return self.packages.get(name)

    def has_module(self, name: str) -> bool:
        return False

    def own(self) -> tuple[Package, tuple[str, ...]] | None:
        return OWN

    def place(self, path: str) -> Place:
        return self.there

    def restrict(self, path: str) -> None:
        raise AssertionError


WHOLE = {"click": Package("8.1.7"), "torch": Package("2.13.0+cpu"), "moto": Package("5.2.5")}


def found(fake: FakeMachine, *, is_local: bool = True) -> list[tuple[str, str, str]]:
    ground = Ground(fake, is_local, "/temp", "/state", "/keys", lambda: True)
    checks = [check for check in machine.CHECKS if check.where is Where.EVERYWHERE]
    return [(str(each.severity), each.check, each.what) for each in report(make(checks, ground)).findings]


def test_a_whole_installation_is_fine() -> None:
    assert found(FakeMachine(WHOLE)) == []


def test_an_extra_that_is_absent_is_an_error_where_it_is_needed() -> None:
    bare = FakeMachine({"click": Package("8.1.7")})
    assert [check for _, check, _ in found(bare)] == ["extras", "extras"]
    (only,) = found(bare, is_local=False)
    assert only == ("error", "extras", "torch: not installed, and needed for packaging and deploying")


def test_a_disk_without_room_and_a_python_that_is_too_old_are_found() -> None:
    full = FakeMachine(WHOLE, "3.10.2", Place(exists=True, writable=True, mode=0o700, free_bytes=2**20))
    assert {check for _, check, _ in found(full)} == {"python", "temp-folder", "state-folder"}


def test_a_folder_that_cannot_be_written_to_is_an_error() -> None:
    locked = FakeMachine(WHOLE, there=Place(exists=True, writable=False))
    assert [severity for severity, _, _ in found(locked)] == ["error", "error"]


def test_a_file_in_the_place_of_a_folder_is_an_error() -> None:
    taken = FakeMachine(WHOLE, there=Place(exists=True, writable=True, is_blocked=True))
    assert [(severity, check) for severity, check, _ in found(taken)] == [
        ("error", "temp-folder"),
        ("error", "state-folder"),
    ]


def test_of_a_path_it_is_told_whether_no_folder_can_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    here = ThisMachine({})
    blocked = [here.place(str(tmp_path / path)).is_blocked for path in ("file", "file/below", "new/below")]
    assert blocked == [True, True, False]
    assert [here.has_module(name) for name in ("json", "no_such_module", "")] == [True, False, False]


def test_versions_that_are_no_plain_releases_are_not_doubted() -> None:
    assert found(FakeMachine({**WHOLE, "torch": Package("2.7.0rc1"), "moto": Package("5.3.0")})) == [
        ("warning", "versions", "version 5.3.0 is installed, and <5.3,>=5.2.5 is what was tested")
    ]


ADDRESS = "http://127.0.0.1:1"


def of_variables(fake: FakeMachine, codes: set[str]) -> tuple[Finding, ...]:
    ground = Ground(fake, is_local=False, temp="/", state="/", credentials="/", runs=lambda: True)
    return report(make([check for check in machine.CHECKS if check.code in codes], ground)).findings


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"}, ["variable https_proxy"]),
        ({"HTTPS_PROXY": "http://b:2"}, ["variable HTTPS_PROXY"]),
        ({"https_proxy": "", "HTTPS_PROXY": "http://b:2"}, []),
        ({"ALL_PROXY": "http://c:3"}, []),
        ({"REQUESTS_CA_BUNDLE": "/gone"}, ["variable REQUESTS_CA_BUNDLE"]),
        ({"AWS_CA_BUNDLE": "/there", "REQUESTS_CA_BUNDLE": "/gone"}, []),
    ],
)
def test_only_the_variable_that_holds_for_calls_of_aws_is_spoken_of(
    variables: dict[str, str], told: list[str]
) -> None:
    there = Place(exists="AWS_CA_BUNDLE" in variables, writable=False)
    found = of_variables(FakeMachine(there=there, environ=variables), {"proxies", "certificates"})
    assert [each.subject for each in found] == told


@pytest.mark.parametrize(
    ("word", "says"), [("true", "switches it off"), ("TRUE", "switches it off"), ("1", "and not to AWS")]
)
def test_addresses_are_switched_off_by_the_one_word_that_botocore_takes(word: str, says: str) -> None:
    variables = {"AWS_ENDPOINT_URL": ADDRESS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": word}
    (finding,) = of_variables(FakeMachine(environ=variables), {"endpoint-variables"})
    assert says in finding.what


def test_no_address_of_aws_is_taken_for_somebody_elses() -> None:
    # Every partition's domain, as botocore has them, and those of dual stack.
    regions = (
        "eu-west-1",
        "cn-north-1",
        "us-gov-west-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
    )
    assert set(regions) <= set(servicemodels.regions("s3"))
    for region in regions:
        made_for = aws.clients(aws.Address(region=region, credentials=("a", "b")))
        host = made_for("sts").meta.endpoint_url
        assert host.endswith(login.DOMAINS), host


def test_a_policy_refuses_plain_http_also_where_a_narrower_statement_comes_first() -> None:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": plain}
    narrow = {**whole, "Action": "s3:PutObject"}
    assert refuses_plain_http({"Statement": [narrow, whole]})
    assert not refuses_plain_http({"Statement": [narrow]})


def test_a_model_is_read_once_for_all_checks_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    examine = checkpoints.examine

    def counted(path: str, format_: str) -> Any:  # noqa: ANN401 - whatever it returns
        read.append(path)
        return examine(path, format_)

    write_files(tmp_path, SPEC)
    monkeypatch.setattr(checkpoints, "examine", counted)
    monkeypatch.setenv("ORCHESTRATOR_STATE_DIR", str(tmp_path / "state"))
    seen = Examination(Selection(path=str(tmp_path / "orchestrator.toml"))).report()
    outcomes = {each.check: each.outcome for each in seen.checked}
    assert {outcomes["model"], outcomes["files"]} == {Outcome.FINE}
    assert read == [str(tmp_path / "model.safetensors")]


def test_of_many_endpoints_of_one_account_the_first_logs_in_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    shared = Shared()

    def clients(region: str) -> aws.Clients:
        target = Target("prod", region, None, None, EndpointSpec(), 1, DEFAULT_PROFILE)
        return doctor_wiring.entrance(target, None, shared).enter()

    assert clients("eu-west-1") is clients("eu-west-1")
    assert clients("eu-west-1") is not clients("eu-west-2")
