"""A requirements file is read as pip reads it."""

import contextlib

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from packaging.requirements import Requirement as Reference
from packaging.utils import canonicalize_name

from orchestrator.core.errors import ArtifactError
from orchestrator.core.requirements import Requirement, parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = f"sha256:{'0' * 64}"


def one(text: str) -> Requirement:
    (found,) = parse(text).wanted
    return found


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
EXTRAS = st.sampled_from(["", "[a]", "[a, b-c]", " [a] "])
VERSIONS = st.sampled_from(["1", "1.26.4", "2.0rc1", "2.6.0+cpu", "1!2.0", "0.1.dev3"])
BOUNDS = st.builds(str.__add__, st.sampled_from([">=", "<=", "!=", "==", ">", "<"]), VERSIONS)
SPECIFIERS = st.lists(BOUNDS, max_size=3).map(" , ".join)
MARKERS = st.sampled_from(["", "; python_version < '3.12'", ' ; sys_platform == "linux" and extra == "x"'])


@given(NAMES, EXTRAS, SPECIFIERS, MARKERS)
def test_a_requirement_is_what_the_library_takes_it_for(
    name: str, extras: str, specifiers: str, marker: str
) -> None:
    text = f"{name}{extras}{specifiers}{marker}"
    try:
        expected = Reference(text)
    except ValueError:
        reject()  # such as an ordering of local versions: pip refuses it, with a clear message
    found = one(text)
    assert found.name == canonicalize_name(expected.name)
    assert {f"{operator}{version}" for operator, version in found.specifiers} == {
        str(specifier) for specifier in expected.specifier
    }
    assert (found.marker is None) is (expected.marker is None)


def test_comments_blank_lines_and_a_byte_order_mark_say_nothing() -> None:
    text = "\ufeff# all of it\n\nsix==1.17.0  # the last one\r\n   # indented\nnumpy==2.0.0#not-a-comment"
    with pytest.raises(ArtifactError):
        parse(text)
    found = parse(text.replace("#not-a-comment", " # now it is one")).wanted
    assert [(item.line, item.text) for item in found] == [(3, "six==1.17.0"), (5, "numpy==2.0.0")]


def test_a_line_goes_on_after_a_backslash_and_ends_at_a_comment() -> None:
    text = f"six==1.17.0 \\\n    --hash={SHA} \\\n    --hash={SHA}\nnumpy \\\n  # a comment\nscipy==1.0"
    found = parse(text).wanted
    assert [(item.line, item.name, item.hashed) for item in found] == [
        (1, "six", True),
        (4, "numpy", False),
        (6, "scipy", False),
    ]


def test_a_file_may_end_in_a_backslash() -> None:
    assert one("six==1.17.0 \\").specifiers == (("==", "1.17.0"),)


@pytest.mark.parametrize(
    ("text", "name", "source", "pinned"),
    [
        ("six @ https://x.org/six-1.0.tar.gz", "six", "https://x.org/six-1.0.tar.gz", False),
        ("https://x.org/Six_Two-1.0-py3-none-any.whl", "six-two", None, False),
        (f"https://x.org/six-1.0.zip#sha256={'a' * 64}", None, None, True),
        ("git+https://x.org/six.git@main#egg=six", "six", None, False),
        (f"git+https://x.org/six.git@{COMMIT}#egg=six", "six", None, True),
        (f"six @ git+ssh://git@x.org/six.git@{COMMIT}", "six", None, True),
        ("-e .", None, ".", False),
        ("--editable=git+https://x.org/six.git", None, "git+https://x.org/six.git", False),
        ("./wheels/six-1.0-py3-none-any.whl", "six", None, False),
        ("six-1.0.tar.gz", None, "six-1.0.tar.gz", False),
        ("../other[extra] ; python_version > '3'", None, "../other[extra]", False),
    ],
)
def test_what_comes_from_elsewhere_says_from_where(
    text: str, name: str | None, source: str | None, *, pinned: bool
) -> None:
    found = one(text)
    assert found.name == name
    assert found.pinned is pinned
    assert found.source is not None
    assert source in {None, found.source}


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("six==1.17.0", True),
        ("six===1.17.0", True),
        ("six>=1,==1.17.0", True),
        ("six (==1.17.0)", True),
        ("six==1.17.*", False),
        ("six~=1.17", False),
        ("six", False),
    ],
)
def test_only_one_version_is_a_pin(text: str, *, pinned: bool) -> None:
    assert one(text).pinned is pinned


@pytest.mark.parametrize(
    ("line", "index"),
    [
        ("--extra-index-url https://x.org/simple", "--extra-index-url https://x.org/simple"),
        ("--index-url=https://x.org/simple", "--index-url https://x.org/simple"),
        ("-i https://x.org/simple", "--index-url https://x.org/simple"),
        ("-fhttps://x.org/files", "--find-links https://x.org/files"),
        ("--trusted-host x.org", "--trusted-host x.org"),
        ("--pre --index-url 'https://x.org/simple'", "--index-url https://x.org/simple"),
    ],
)
def test_options_that_name_an_index_are_told(line: str, index: str) -> None:
    assert parse(f"{line}\nsix==1.17.0").indexes == (index,)


def test_other_options_say_nothing() -> None:
    found = parse("--pre\n--no-binary :all:\n--require-hashes\n--no-index")
    assert (found.wanted, found.indexes) == ((), ())


@pytest.mark.parametrize("line", ["-r base.txt", "-rbase.txt", "--requirement=base.txt", "-c base.txt"])
def test_a_file_that_refers_to_another_is_refused(line: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(f"six\n{line}", "needs.txt")
    assert str(caught.value) == "needs.txt, line 2 refers to 'base.txt', which the container does not have"


@pytest.mark.parametrize("line", ["six 1.0", "six=1.0", "six==", "==1.0", "six>=1,,<2", "--hash='x", "-e"])
def test_a_line_that_pip_would_not_understand_is_an_error_that_shows_it(line: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(f"# first\n{line}")
    assert str(caught.value).startswith("requirements.txt, line 2 is no requirement: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://joe:hunter2@x.org/simple",
        "https://hunter2@x.org/simple",
        "https://${USER}:hunter2@x.org/simple",
        "git+https://hunter2@x.org/six.git",
    ],
)
def test_credentials_are_noticed_and_never_repeated(url: str) -> None:
    for text in (f"--index-url {url}", f"six @ {url}", url, f"-e {url}"):
        found = parse(text)
        assert found.secrets == (1,)
        assert "hunter2" not in repr(found)
    with pytest.raises(ArtifactError) as caught:
        parse(f"six {url}")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ArtifactError) as caught:
        parse(f"-r {url}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://x.org/simple",
        "https://${TOKEN}@x.org/simple",
        "https://joe:${TOKEN}@x.org/simple",
        "git+ssh://git@x.org/six.git@v1",
    ],
)
def test_a_placeholder_or_a_plain_user_of_git_is_no_secret(url: str) -> None:
    assert parse(f"six @ {url}").secrets == ()


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ArtifactError):
        assert len(parse(text).wanted) <= len(text.splitlines())
