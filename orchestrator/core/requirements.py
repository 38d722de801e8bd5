"""What a `requirements.txt` asks pip to install when a container starts.

Reads the format as pip does (https://pip.pypa.io/en/stable/reference/requirements-file-format/), as far as
it matters to whoever depends on the container: which packages, from where, and how firmly they are pinned.
Environment markers are kept as text and not evaluated. Must not know what a container makes of it: that is
`orchestrator.core.findings`.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import ArtifactError
from orchestrator.core.versions import Specifier

_COMMENT = re.compile(r"(^|\s+)#.*$")
_NAME = r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?"
_NAMED = re.compile(rf"{_NAME}\s*(?P<specifiers>[^;@\[\]]*)")
_LINKED = re.compile(rf"{_NAME}\s*@\s*(?P<source>\S+)")
_ONE_SPECIFIER = r"(===|==|~=|!=|<=|>=|<|>)\s*([\w.*+!-]+)"
_SPECIFIERS = re.compile(rf"{_ONE_SPECIFIER}(\s*,\s*{_ONE_SPECIFIER})*\s*,?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FILES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_COMMIT = re.compile(r"@[0-9a-f]{40}(#|$)")
_DIGEST = re.compile(r"[#&]sha(256|384|512)=[0-9a-f]{64,128}(&|$)")
_CREDENTIALS = re.compile(r"(?<=://)([^/@\s]+)(?=@)")
_PLACEHOLDER = re.compile(r"\$\{[A-Z0-9_]+\}")
_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
_INDEXES = ("--index-url", "--extra-index-url", "--find-links", "--trusted-host")
_ELSEWHERE = ("--requirement", "--constraint")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing to install.

    Attributes:
        line: Where in the file it begins, counted from 1.
        text: As it is written, without options, comments and credentials.
        name: In PyPI's normal form, or ``None`` where only what is fetched would tell.
        specifiers: In the order of the file; empty where any version will do.
        source: The URL or path it comes from, if not from an index.
        marker: In which environments it is wanted, if not in all.
        hashed: Whether it says by their digests which files may be installed.
    """

    line: int
    text: str
    name: str | None
    specifiers: tuple[Specifier, ...] = ()
    source: str | None = None
    marker: str | None = None
    hashed: bool = False

    @property
    def pinned(self) -> bool:
        r"""Whether it means the same version whenever it is installed.

        An index serves one version for good, and so does a commit; what lies at a URL can be replaced.

        >>> [item.pinned for item in parse("six==1.17.0\nsix>=1.17\nsix==1.*\nsix").wanted]
        [True, False, False, False]
        """
        if self.source is not None:
            return self.hashed or _COMMIT.search(self.source) is not None
        return any(
            operator == "===" or (operator == "==" and "*" not in version)
            for operator, version in self.specifiers
        )


@dataclass(frozen=True, slots=True)
class Requirements:
    """A whole requirements file.

    Attributes:
        name: What errors and findings call it.
        indexes: The options that say where packages may come from, as they are written but for credentials.
        secrets: The lines that hold credentials; a placeholder such as ``${TOKEN}`` is none.
    """

    name: str = "requirements.txt"
    wanted: tuple[Requirement, ...] = ()
    indexes: tuple[str, ...] = ()
    secrets: tuple[int, ...] = ()


def parse(text: str, name: str = "requirements.txt") -> Requirements:
    """Return what the requirements file ``text`` asks for.

    Raises:
        ArtifactError: If pip would not understand a line, or one refers to another file.
    """
    wanted, indexes = list[Requirement](), list[str]()
    lines = tuple(_lines(text))
    for number, line in lines:
        words = _words(line, number, name)
        first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
        options = tuple(_options(words[first:]))
        indexes += (f"{option} {_masked(value)}" for option, value in options if option in _INDEXES)
        hashed = any(option == "--hash" for option, _ in options)
        editable = [value for option, value in options if option == "--editable"]
        for written in [" ".join(words[:first])] if first else editable:
            wanted.append(_requirement(written, number, name, hashed=hashed))
        _check_self_contained(options, number, name)
    secrets = tuple(number for number, line in lines if any(map(_is_secret, _CREDENTIALS.findall(line))))
    return Requirements(name, tuple(wanted), tuple(indexes), secrets)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what pip takes for lines, by their number; `pip._internal.req.req_file.join_lines` and on."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        begun = begun if parts else number
        is_comment = _COMMENT.match(line) is not None
        parts.append(f" {line}" if is_comment else line.strip("\\") if line.endswith("\\") else line)
        if is_comment or not line.endswith("\\"):
            yield from _content(begun, parts)
            parts = []
    yield from _content(begun, parts)


def _content(number: int, parts: Sequence[str]) -> Iterator[tuple[int, str]]:
    line = _COMMENT.sub("", "".join(parts)).strip()
    if line:
        yield number, line


def _words(line: str, number: int, name: str) -> list[str]:
    """Return the words of a line; only options are quoted as in a shell, markers have quotes of their own."""
    begin = re.search(r"(^|\s)-", line)
    place = begin.start() if begin else len(line)
    try:
        return [*line[:place].split(), *shlex.split(line[place:])]
    except ValueError as error:
        raise _unreadable(line, number, name) from error


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their values, in every spelling that pip takes."""
    for place, word in enumerate(words):
        if word.startswith("-"):
            short = _SHORT.get(word[:2])
            option, _, value = (short, "", word[2:].removeprefix("=")) if short else word.partition("=")
            after = words[place + 1] if place + 1 < len(words) else ""
            yield option, value or ("" if after.startswith("-") else after)


def _check_self_contained(options: Sequence[tuple[str, str]], number: int, name: str) -> None:
    for option, value in options:
        if option in _ELSEWHERE:
            raise ArtifactError(
                f"{name}, line {number} refers to '{_masked(value)}', which the container does not have",
                details=[("rule", "the container's pip reads the archive's requirements.txt alone")],
                hint=f"write the lines of that file into {name}",
            )


def _requirement(written: str, number: int, name: str, *, hashed: bool) -> Requirement:
    """Read a requirement in any of the forms of PEP 508, or a URL or path as pip takes them."""
    body, _, marker = (part.strip() for part in written.partition(" ;" if "://" in written else ";"))
    linked, named = _LINKED.fullmatch(body), _NAMED.fullmatch(body)
    found: tuple[str | None, tuple[Specifier, ...], str | None]
    if linked and not _URL.match(written):
        found = linked["name"], (), linked["source"]
    elif _is_place(body):
        found = _wheel_name(body), (), body
    elif named and (specifiers := _specifiers(named["specifiers"])) is not None:
        found = named["name"], specifiers, None
    else:
        raise _unreadable(written, number, name)
    called, specifiers, source = found
    normal = None if called is None else re.sub(r"[-_.]+", "-", called).lower()
    by_digest = hashed or (source is not None and _DIGEST.search(source) is not None)
    return Requirement(
        number,
        _masked(written),
        normal,
        specifiers,
        None if source is None else _masked(source),
        marker or None,
        by_digest,
    )


def _is_place(body: str) -> bool:
    """Whether pip takes it for a URL or a path; what is both a name and something in the folder is a name."""
    looks = _URL.match(body) or "/" in body or body.startswith(".") or body.endswith(_FILES)
    return bool(looks) and " " not in body


def _specifiers(text: str) -> tuple[Specifier, ...] | None:
    plain = text.strip()
    if plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1].strip()
    if plain and not _SPECIFIERS.fullmatch(plain):
        return None
    return tuple((operator, version) for operator, version in re.findall(_ONE_SPECIFIER, plain))


def _wheel_name(place: str) -> str | None:
    """Return the name that a wheel's file name or an ``#egg=`` says."""
    path, _, fragment = place.partition("#")
    egg = re.search(r"(?:^|&)egg=([A-Za-z0-9._-]+)", fragment)
    file = path.rpartition("/")[2]
    return egg[1] if egg else file.partition("-")[0] if file.endswith(".whl") else None


def _is_secret(userinfo: str) -> bool:
    user, _, password = userinfo.partition(":")
    return userinfo != "git" and _PLACEHOLDER.fullmatch(password or user) is None


def _masked(text: str) -> str:
    return _CREDENTIALS.sub(lambda found: "***" if _is_secret(found[0]) else found[0], text)


def _unreadable(line: str, number: int, name: str) -> ArtifactError:
    return ArtifactError(
        f"{name}, line {number} is no requirement: '{_masked(line)}'",
        details=[("rule", "pip stops at such a line, and the container with it")],
        hint="write it as name==version",
    )
