"""What stands on the line of `test`, what it shows, and where a recorded case lies."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from orchestrator.cli import boundary, main, results
from orchestrator.cli.recording import place
from orchestrator.cli.test import Asked
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.results import CaseResult, Kind, Results, Subject
from orchestrator.core.spec import GoldenSpec, ModelSpec, Spec
from tests.support.commands import write_files
from tests.support.projects import TARGET

MARK = "ab" * 8
REMOTE = Subject(Kind.REMOTE, "digits", "ab" * 32, "digits-1", "prod", MARK)
RIGHT = CaseResult(Case("golden/a.json", Request(b"")), "", 0.0124, Response(200, b"{}", MARK))
WRONG = CaseResult(
    Case("golden/bcd.json", Request(b"")), "body is 1, not 2", 1.5, Response(200, b"1", MARK), "x"
)
SPEC = Spec("digits", "root", ModelSpec("model.safetensors", None), TARGET)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(local=True, remote=True), "exclude each other"),
        (Asked(archive="a", remote=True), "exclude each other"),
        (Asked(archive="a", local=True), "exclude each other"),
        (Asked(variant="b"), "goes with --remote"),
        (Asked(record="a"), "go together"),
        (Asked(body="a"), "go together"),
        (Asked(content_type="a"), "go with --record"),
        (Asked(accept="a"), "go with --record"),
        (Asked(record="a", body="b", junit="c"), "leave out --junit"),
        (Asked(record="a", body="b", like="c"), "leave out --junit and -k"),
    ],
)
def test_what_contradicts_itself_is_a_wrong_command_line(asked: Asked, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        asked.check()


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (Asked(), Kind.LOCAL),
        (Asked(local=True), Kind.LOCAL),
        (Asked(archive="a"), Kind.ARCHIVE),
        (Asked(remote=True, variant="b"), Kind.REMOTE),
    ],
)
def test_the_line_says_which_model_is_asked(asked: Asked, kind: Kind) -> None:
    asked.check()
    assert asked.whom.kind is kind


def test_a_folder_without_a_spec_is_told_apart_from_one_without_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "orchestrator.toml"
    assert boundary.run(main.cli, ["test", "-c", str(spec)]) == 2
    assert "orchestrator.toml" in capsys.readouterr().err
    spec.write_text(
        'version = 1\nname = "pets"\n[model]\npath = "m.safetensors"\n[entrypoint]\ntask = "custom"\n'
    )
    for more in ([], ["--cases", "golden/*.json"]):
        assert boundary.run(main.cli, ["test", "-c", str(spec), *more]) == 2
        assert "test --record first --body request.json" in capsys.readouterr().err


def test_each_case_has_a_line_and_all_of_them_a_last_word() -> None:
    answers = f"the answers are its own model's (fingerprint {MARK})"
    assert results.text(Results(REMOTE, (RIGHT, WRONG))).split("\n") == [
        "passed  golden/a.json        12 ms",
        "FAILED  golden/bcd.json (x)  1500 ms  body is 1, not 2",
        "2 golden cases in 1.51 s: 1 passed, 1 failed",
        f"asked: endpoint 'digits' of 'prod', revision digits-1: {answers}",
    ]


@pytest.mark.parametrize(
    ("subject", "fingerprint", "last"),
    [
        (REMOTE, "0" * 16, f"the answers are NOT all its own model's (fingerprint {MARK})"),
        (replace(REMOTE, fingerprint=""), None, "revision digits-1"),
        (Subject(Kind.LOCAL, "digits", "ab" * 32), MARK, "(abababababab), built and served on this machine"),
        (
            Subject(Kind.ARCHIVE, "m.tar.gz", "ab" * 32),
            MARK,
            "m.tar.gz (abababababab), served on this machine",
        ),
    ],
)
def test_it_is_said_whose_answers_they_are(subject: Subject, fingerprint: str | None, last: str) -> None:
    one = replace(RIGHT, response=Response(200, b"{}", fingerprint))
    assert results.text(Results(subject, (one,))).endswith(last)


def test_the_document_has_every_case_and_whom_was_asked() -> None:
    document = results.document(Results(REMOTE, (RIGHT, WRONG), ("a note",)))
    assert document["subject"] == {
        "kind": "remote",
        "name": "digits",
        "environment": "prod",
        "revision": "digits-1",
        "identity": "ab" * 32,
        "fingerprint": MARK,
    }
    assert (document["passed"], document["failed"], document["recognised"]) == (1, 1, True)
    assert document["notes"] == ["a note"]
    assert document["cases"] == [
        {
            "name": "golden/a.json",
            "variant": None,
            "passed": True,
            "problem": "",
            "seconds": 0.0124,
            "status": 200,
            "fingerprint": MARK,
        },
        {
            "name": "golden/bcd.json",
            "variant": "x",
            "passed": False,
            "problem": "body is 1, not 2",
            "seconds": 1.5,
            "status": 200,
            "fingerprint": MARK,
        },
    ]


@pytest.mark.parametrize(
    ("pattern", "name", "path"),
    [
        ("golden/*.json", "first", "golden/first.json"),
        ("golden/*.json", "first.json", "golden/first.json"),
        ("golden/*.json", "v1.2", "golden/v1.2.json"),
        ("*.case", "first", "first.case"),
        ("tests/golden/**/*.json", "first", "tests/golden/first.json"),
        ("golden/case-*.json", "case-1", "golden/case-1.json"),
    ],
)
def test_a_recorded_case_lies_where_the_project_finds_it(pattern: str, name: str, path: str) -> None:
    assert place(replace(SPEC, golden=GoldenSpec(cases=pattern)), name, None) == Path("root") / path
    assert place(SPEC, name, pattern) == Path("root") / path


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("golden/*.json", "a/b"),
        ("golden/*.json", "../a"),
        ("golden/*.json", "/etc/a"),
        ("golden/*.json", ".hidden"),
        ("golden/*/case.json", "case"),
        ("golden/case-*.json", "other"),
        ("../*.json", "leads-out"),
        ("golden/../../*.json", "leads-out"),
        ("/golden/*.json", "leads-out"),
        (None, "first"),
    ],
)
def test_a_name_under_which_no_case_would_be_found_is_refused(pattern: str | None, name: str) -> None:
    with pytest.raises(SpecError):
        place(replace(SPEC, golden=GoldenSpec(cases=pattern)), name, None)


def test_a_report_that_cannot_be_written_is_known_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(tmp_path)
    (tmp_path / "taken").write_text("a file")
    line = ["test", "-c", str(tmp_path / "orchestrator.toml"), "--junit", str(tmp_path / "taken" / "a.xml")]
    assert boundary.run(main.cli, line) == 1
    assert "nothing can be written to" in capsys.readouterr().err
