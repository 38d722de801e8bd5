"""Settings are written into a spec as its author would have."""

import stat
import tomllib
from pathlib import Path

import pytest

from orchestrator.adapters.spec import reading, writing
from orchestrator.core.errors import OrchestratorError, SpecError

GIVEN = {"bucket": "acme", "role_arn": "arn:aws:iam::111111111111:role/x"}
HEAD = 'version = 1\nname = "pets"\n\n[model]\npath = "m.safetensors"  # the best one\n'
LINES = 'bucket = "acme"\nrole_arn = "arn:aws:iam::111111111111:role/x"\n'


def check(before: str, after: str) -> None:
    assert writing.with_settings(before, "prod", GIVEN) == after
    assert writing.settings(after, "prod") == {**writing.settings(before, "prod"), **GIVEN}


def test_an_environment_that_is_not_there_comes_at_the_end() -> None:
    check(HEAD, f"{HEAD}\n[env.prod]\n{LINES}")


def test_a_last_line_without_an_end_gets_one() -> None:
    check(HEAD.rstrip("\n"), f"{HEAD}\n[env.prod]\n{LINES}")


def test_new_keys_come_before_what_is_said_about_the_next_table() -> None:
    check(
        f'{HEAD}[env.prod] # live\nregion = "x"\n\n# for tests\n[env.stage]\nregion = "y"\n',
        f'{HEAD}[env.prod] # live\nregion = "x"\n{LINES}\n# for tests\n[env.stage]\nregion = "y"\n',
    )


def test_a_key_keeps_its_place_and_its_comment() -> None:
    check(
        f'{HEAD}[env.prod]\nbucket = "old" # why\nregion = "x"\n',
        f'{HEAD}[env.prod]\nbucket = "acme" # why\nregion = "x"\nrole_arn = "{GIVEN["role_arn"]}"\n',
    )


def test_keys_come_before_the_tables_of_the_environment() -> None:
    before = f'{HEAD}[env.prod]\nregion = "x"\n[env.prod.endpoint]\nmode = "realtime"\n'
    after = writing.with_settings(before, "prod", GIVEN)
    assert after.index('bucket = "acme"') < after.index("[env.prod.endpoint]")
    assert tomllib.loads(after)["env"]["prod"]["endpoint"] == {"mode": "realtime"}


def test_the_ends_of_windows_lines_stay() -> None:
    before = f'{HEAD}[env.prod]\nregion = "x"\n'.replace("\n", "\r\n")
    after = writing.with_settings(before, "prod", GIVEN)
    assert after.count("\r\n") == after.count("\n") == before.count("\n") + 2


def test_a_byte_order_mark_stays_and_can_be_read(tmp_path: Path) -> None:
    after = writing.with_settings(f"\ufeff{HEAD}", "prod", GIVEN)
    assert after == f"\ufeff{HEAD}\n[env.prod]\n{LINES}"
    path = tmp_path / "orchestrator.toml"
    path.write_text(after, "utf-8")
    assert reading.read(path, "prod", flags={}, environ={}).spec.target.bucket == "acme"


@pytest.mark.parametrize(
    "table",
    [
        '[env]\nprod = { region = "x" } # one line\n',
        '[env]\nprod.region = "x"\n',
        '[env]\n[env.prod]\nregion = "x"',
        '[env."prod"]\nregion = "x"\n',
        '[env.prod.rollout]\ntype = "canary"\n',
        '[env.stage]\nregion = "y"\n[golden]\natol = 1e-3\n[env.prod]\nregion = "x"\n',
        '[env]\nstage = { region = "y" }\n',
    ],
)
def test_however_the_environment_is_written_it_is_found(table: str) -> None:
    before = HEAD + table
    after = writing.with_settings(before, "prod", GIVEN)
    wanted = tomllib.loads(before)
    wanted["env"].setdefault("prod", {}).update(GIVEN)
    assert tomllib.loads(after) == wanted
    assert [line for line in before.splitlines() if "#" in line and "one line" not in line] == [
        line for line in after.splitlines() if "#" in line and "one line" not in line
    ]


@pytest.mark.parametrize("start", ['env.prod.region = "x"\n', 'env = { stage = { region = "y" } }\n'])
def test_an_environment_may_come_before_all_tables(start: str) -> None:
    after = writing.with_settings(start + HEAD, "prod", GIVEN)
    assert GIVEN.items() <= tomllib.loads(after)["env"]["prod"].items()


def test_nothing_is_touched_where_all_is_said() -> None:
    text = f"{HEAD}[env.prod]\nrole_arn='{GIVEN['role_arn']}'\nbucket   =   'acme'"
    assert writing.with_settings(text, "prod", GIVEN) == text


def test_a_name_that_is_no_bare_key_is_quoted() -> None:
    after = writing.with_settings(HEAD, "eu west.1", {"bucket": "acme"})
    assert '[env."eu west.1"]' in after
    assert writing.settings(after, "eu west.1") == {"bucket": "acme"}


def test_what_is_no_table_is_refused_with_the_lines_to_write() -> None:
    with pytest.raises(OrchestratorError) as caught:
        writing.with_settings(f"{HEAD}[env]\nprod = 3\n", "prod", {"bucket": "acme"})
    assert ("write", '[env.prod]\nbucket = "acme"') in caught.value.details


def test_a_link_stays_a_link_and_a_mode_stays(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "spec.toml"
    target.parent.mkdir()
    target.write_text(HEAD, "utf-8")
    target.chmod(0o640)
    link = tmp_path / "orchestrator.toml"
    link.symlink_to(target)
    writing.write(link, writing.with_settings(writing.read(link), "prod", GIVEN))
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "acme" in target.read_text("utf-8")
    assert [entry.name for entry in target.parent.iterdir()] == ["spec.toml"]


def test_what_would_be_no_valid_spec_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(HEAD, "utf-8")
    with pytest.raises(SpecError, match="role_arn"):
        writing.write(path, writing.with_settings(HEAD, "prod", {"role_arn": "no ARN"}))
    assert path.read_text("utf-8") == HEAD
