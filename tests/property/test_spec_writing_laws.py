"""However a spec is written: what is written into it is all that changes, and no comment is lost."""

import tomllib
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.adapters.spec import writing

KEYS = ("region", "bucket", "kms_key", "role_arn")
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
SETTINGS = st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1)
COMMENTS = st.text("abc [] = '\" #.", max_size=10)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@st.composite
def pairs(draw: st.DrawFn, prefix: str = "") -> list[str]:
    """Lines of keys, with comments and empty lines between and behind them."""
    lines: list[str] = []
    for key, value in draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)).items():
        lines += [f"# {draw(COMMENTS)}"] if draw(st.booleans()) else []
        lines += [""] if draw(st.booleans()) else []
        behind = f"  # {draw(COMMENTS)}" if draw(st.booleans()) else ""
        lines.append(f"{prefix}{key}{draw(st.sampled_from([' = ', '=', '  = ']))}{quoted(value)}{behind}")
    return lines


@st.composite
def environments(draw: st.DrawFn) -> list[str]:
    """The tables of two environments, each in one of the ways of TOML."""
    blocks: list[list[str]] = []
    inner: list[str] = []
    for name in draw(st.permutations(["prod", "stage"])):
        match draw(st.sampled_from(["header", "inline", "dotted", "below", "none", "both"])):
            case "header":
                blocks.append([f"[env.{name}] # {draw(COMMENTS)}", *draw(pairs())])
            case "below":
                blocks.append([f"[env.{name}.tags]", *draw(pairs())])
            case "both":
                blocks.append([f"[env.{name}]", *draw(pairs()), f"[env.{name}.tags]", *draw(pairs())])
            case "inline":
                found = draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2)).items()
                inside = ", ".join(f"{key} = {quoted(value)}" for key, value in found)
                inner.append(f"{name} = {{ {inside} }} # {draw(COMMENTS)}")
            case "dotted":
                inner += draw(pairs(f"{name}."))
    lines = ["[env]", *inner] if inner else []
    for block in blocks:
        lines += block
        lines += ["", f"# {draw(COMMENTS)}"] if draw(st.booleans()) else []
        lines += [f"[other_{len(lines)}]", "x = 1"] if draw(st.booleans()) else []
    return lines


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A file with environments somewhere between other tables, and an array of tables."""
    lines = ["version = 1 # first", *draw(pairs()), "[[many]]", "x = 1", "[many.deep]", "y = 2", "[[many]]"]
    lines += draw(environments())
    lines += draw(st.sampled_from([[], ["[last]", "z = '''", "# no comment", "'''"], ["# the end"]]))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    return draw(st.sampled_from(["", "\ufeff"])) + text + draw(st.sampled_from(["", "\n", "\n\n"]))


def comments(text: str) -> Counter[str]:
    """Return what stands behind the first mark of each line; a text's own marks stay where they are, too."""
    return Counter(line.partition("#")[2].rstrip() for line in text.splitlines() if "#" in line)


# How long an example takes says something about the machine, and nothing about this.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(), SETTINGS)
def test_only_what_was_given_changes_and_no_comment_is_lost(text: str, wished: dict[str, str]) -> None:
    wanted = tomllib.loads(text.removeprefix("\ufeff"))
    wanted.setdefault("env", {}).setdefault("prod", {}).update(wished)
    after = writing.with_settings(text, "prod", wished)
    assert tomllib.loads(after.removeprefix("\ufeff")) == wanted
    assert after.startswith("\ufeff") == text.startswith("\ufeff")
    assert (
        not comments(text)
        - comments(after)
        - Counter(line.partition("#")[2].rstrip() for line in text.splitlines() if '"' in line)
    )
    assert writing.with_settings(after, "prod", wished) == after
