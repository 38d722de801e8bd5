"""What the documents show as a file is one: specs are accepted, Python compiles, YAML parses."""

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from orchestrator.adapters.spec import reading
from orchestrator.core.errors import SpecError
from tests.support.pages import ROOT, Block, blocks, documents

# What a fence may say. Another word for the same would be a block that nobody runs or reads.
_TALK = {"sh", "console", "text", "hcl", ""}
_FILES = {"toml", "python", "yaml", "json"}
_MARKS = {"run", "other", "file", "append"}
# What a part of a spec is laid over: as little as a spec can have.
_LEAST: dict[str, Any] = {
    "version": 1,
    "name": "digits",
    "model": {"path": "model.safetensors"},
    "defaults": {
        "region": "eu-west-1",
        "bucket": "acme-models",
        "role_arn": "arn:aws:iam::111111111111:role/sagemaker-execution",
    },
}
SHOWN = {
    f"{path.relative_to(ROOT)}:{block.line}": block
    for path in documents()
    for block in blocks(path.read_text("utf-8"))
}
FILES = {where: block for where, block in SHOWN.items() if block.kind in _FILES}


def laid_over(least: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return ``least`` with the keys of ``part``, table by table."""
    merged = dict(least)
    for key, value in part.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = laid_over(below, value)
        else:
            merged[key] = value
    return merged


def read_shown(block: Block, folder: Path) -> None:
    """Read what a block shows as a spec, for every environment and endpoint that it has.

    Raises:
        SpecError: If it is none.
    """
    part = tomllib.loads(block.text)
    document = part if "version" in part else laid_over(_LEAST, part)
    path = folder / reading.FILE_NAME
    path.write_text(tomlkit.dumps(document), "utf-8")
    for environment in {"local", *document.get("env", ())}:
        for endpoint in reading.known_endpoints(path):
            reading.read(path, environment, flags={}, environ={}, endpoint=endpoint)


@pytest.mark.parametrize("block", SHOWN.values(), ids=SHOWN)
def test_a_block_says_in_words_that_are_known_what_it_is(block: Block) -> None:
    assert block.kind in _TALK | _FILES
    assert {mark.partition("=")[0] for mark in block.marks} <= _MARKS


@pytest.mark.parametrize("block", FILES.values(), ids=FILES)
def test_what_is_shown_as_a_file_is_one(block: Block, tmp_path: Path) -> None:
    match block.kind:
        case "toml" if "other" not in block.marks:
            read_shown(block, tmp_path)
        case "toml":
            assert tomllib.loads(block.text)
        case "python":
            assert ast.parse(block.text).body
        case "json":
            assert json.loads(block.text)
        case "yaml":
            assert list(yaml.compose_all(block.text, Loader=yaml.SafeLoader))


def test_a_spec_that_is_shown_with_a_mistake_is_noticed(tmp_path: Path) -> None:
    fine = "[env.prod]\nbucket = 'acme-prod'\n\n[env.prod.endpoint]\ninstance_count = 2\n"
    read_shown(Block(1, "toml", (), fine), tmp_path)
    with pytest.raises(SpecError):
        read_shown(Block(1, "toml", (), fine.replace("instance_count", "instances")), tmp_path)
    with pytest.raises(SpecError):
        read_shown(Block(1, "toml", (), "version = 1\n"), tmp_path)
