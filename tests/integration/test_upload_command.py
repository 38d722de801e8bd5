"""`orchestrator upload`, and what a second one sends, in both layouts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import SPEC, Shell, write_files

pytestmark = pytest.mark.slow
UNCOMPRESSED = SPEC + '\n[package]\nlayout = "s3-prefix"\n'


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    write_files(tmp_path)
    assert shell.run("local-cloud", "start").code == 0
    yield shell
    shell.run("local-cloud", "stop")


def uploaded(shell: Shell) -> dict[str, object]:
    done = shell.run("upload", "-o", "json")
    assert done.code == 0, done.err
    document: dict[str, object] = json.loads(done.out)
    return document


@pytest.mark.parametrize(("spec", "end"), [(SPEC, "/model.tar.gz"), (UNCOMPRESSED, "/model/")])
def test_what_is_there_is_not_sent_again(shell: Shell, spec: str, end: str) -> None:
    (shell.folder / "orchestrator.toml").write_text(spec)
    first, second = uploaded(shell), uploaded(shell)
    assert str(first["artifact"]).endswith(end)
    assert (first["stored"], second["stored"]) == (True, False)
    assert (second["artifact"], second["sent_bytes"]) == (first["artifact"], 0)


def test_after_a_change_of_the_source_the_uncompressed_weights_stay_where_they_are(shell: Shell) -> None:
    (shell.folder / "orchestrator.toml").write_text(UNCOMPRESSED)
    source = shell.folder / "src" / "net.py"
    source.write_text(source.read_text() + "\n# one\n")
    first = uploaded(shell)
    source.write_text(source.read_text() + "\n# two\n")
    second = uploaded(shell)
    assert second["identity"] != first["identity"]
    assert second["stored"] is True
    weights_bytes = (shell.folder / "model.safetensors").stat().st_size
    assert isinstance(first["sent_bytes"], int)
    assert isinstance(second["sent_bytes"], int)
    assert second["sent_bytes"] <= first["sent_bytes"] - weights_bytes
