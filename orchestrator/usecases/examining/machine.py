"""This machine: Python, what is installed, folders, and the variables that lead calls elsewhere."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.core import requirements
from orchestrator.core.checkup import Group
from orchestrator.core.health import Finding, Severity
from orchestrator.core.premises import Machine, Package, Place
from orchestrator.core.repairs import Deed, Repair
from orchestrator.core.requirements import Requirement
from orchestrator.core.versions import admits, release
from orchestrator.usecases.examining.table import Check, Where

_EXTRA = re.compile(r"""extra\s*==\s*["']([a-z]+)["']""")
_PACKAGING, _LOCAL = "torch", "local"
_OTHERS = 0o077
_SCARCE_BYTES = 512 * 1024**2
# botocore, `utils.ensure_boolean`: no other word switches anything on.
_ON = "true"
# botocore, `ProxyConfiguration`: AWS's calls take the one for HTTPS; of two spellings, Python the first.
_PROXIES = ("https_proxy", "HTTPS_PROXY")
# botocore, `configprovider.py` and `endpoint.py`: the first that is set names who is trusted.
_CERTIFICATES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_PASSWORD = re.compile(r"//[^/@]*@")


@dataclass(frozen=True, slots=True)
class Ground:
    """This machine, and what of it the environment needs.

    Attributes:
        is_local: Whether the environment is the local cloud.
        temp: The folder for temporary files.
        state: The folder of the local cloud.
        credentials: The file that AWS's tools read keys from.
        runs: Tells whether the local cloud runs.
    """

    machine: Machine
    is_local: bool
    temp: str
    state: str
    credentials: str
    runs: Callable[[], bool]


def _python(ground: Ground) -> Iterator[Finding]:
    own, here = ground.machine.own(), ground.machine.python()
    wanted = own[0].requires_python if own else ""
    if not _fits(wanted, here):
        what, fix = f"it is {here}, and the orchestrator needs {wanted}", "install it with such a Python"
        yield Finding(Severity.ERROR, "Python", what, fix)


def _fits(specifiers: str, version: str) -> bool:
    """Tell whether a version is admitted, as far as that can be told."""
    if not specifiers or release(version) is None:
        return True
    wanted = requirements.parse(f"python{specifiers}").wanted
    return all(admits(item.specifiers, version) for item in wanted)


def _needed(machine: Machine) -> Iterator[tuple[str, Requirement]]:
    """Yield what our own package requires, each with its extra; an empty one for the plain install."""
    _, lines = machine.own() or (Package(""), ())
    for item in requirements.parse("\n".join(lines)).wanted:
        extra = _EXTRA.search(item.marker or "")
        if item.name and (extra is None or extra[1] in {_PACKAGING, _LOCAL}):
            yield extra[1] if extra else "", item


def _extras(ground: Ground) -> Iterator[Finding]:
    absent: dict[str, list[str]] = {}
    for extra, item in _needed(ground.machine):
        if ground.machine.package(str(item.name)) is None:
            absent.setdefault(extra, []).append(str(item.name))
    uses = {"": "everything", _PACKAGING: "packaging and deploying", _LOCAL: "the local cloud"}
    for extra, names in absent.items():
        if extra == _LOCAL and not ground.is_local:
            continue
        what = f"{', '.join(names)}: not installed, and needed for {uses[extra]}"
        wanted = f"cloud-deployment-orchestrator[{extra}]" if extra else "cloud-deployment-orchestrator"
        subject = f"extra '{extra}'" if extra else "installation"
        yield Finding(Severity.ERROR, subject, what, f"pip install '{wanted}'")


def _versions(ground: Ground) -> Iterator[Finding]:
    for _, item in _needed(ground.machine):
        name = str(item.name)
        there = ground.machine.package(name)
        plain = there is not None and release(there.version) is not None
        if there is None or not plain or not item.specifiers or admits(item.specifiers, there.version):
            continue
        wanted = ",".join(operator + version for operator, version in item.specifiers)
        what = f"version {there.version} is installed, and {wanted} is what was tested"
        yield Finding(Severity.WARNING, f"package {name}", what, f"pip install '{name}{wanted}'")


def _temp(ground: Ground) -> Iterator[Finding]:
    place = ground.machine.place(ground.temp)
    subject = f"temporary folder {ground.temp}"
    if place.is_blocked or not (place.exists and place.writable):
        what = "it cannot be written to" if place.exists else "it does not exist"
        what = "it is no folder" if place.is_blocked else what
        yield Finding(Severity.ERROR, subject, what, "set TMPDIR to a folder of your own")
    yield from _room(subject, place, "set TMPDIR to a folder on another disk")


def _state(ground: Ground) -> Iterator[Finding]:
    place, subject = ground.machine.place(ground.state), f"state folder {ground.state}"
    fix = "set ORCHESTRATOR_STATE_DIR to a folder of your own"
    if place.is_blocked:
        yield Finding(Severity.ERROR, subject, "it is no folder, or lies in none", fix)
        return
    if not place.writable:
        yield Finding(Severity.ERROR, subject, "it cannot be written to", fix)
    else:
        yield from _room(subject, place, fix)
    yield from _private(ground.state, place, subject, "700")


def _room(subject: str, place: Place, fix: str) -> Iterator[Finding]:
    """Yield that a disk is nearly full: an archive and its trial take some room."""
    if place.free_bytes is not None and place.free_bytes < _SCARCE_BYTES:
        what = f"{place.free_bytes // 1024**2} MiB are free on its disk"
        yield Finding(Severity.WARNING, subject, what, fix)


def _credentials(ground: Ground) -> Iterator[Finding]:
    place = ground.machine.place(ground.credentials)
    yield from _private(ground.credentials, place, f"credentials file {ground.credentials}", "600")


def _private(path: str, place: Place, subject: str, mode: str) -> Iterator[Finding]:
    if place.mode & _OTHERS:
        what = f"other users of this machine may use it: its mode is {place.mode:o}"
        repair = Repair(Deed.RESTRICT, path, f"let nobody else use {path}")
        yield Finding(Severity.WARNING, subject, what, f"chmod {mode} {path}", repair=repair)


def _proxies(ground: Ground) -> Iterator[Finding]:
    variables = ground.machine.variables()
    name = next((name for name in _PROXIES if name in variables), "")
    if value := variables.get(name):
        masked = _PASSWORD.sub("//***@", value)
        yield Finding(Severity.NOTE, f"variable {name}", f"calls of AWS go through {masked}")


def _certificates(ground: Ground) -> Iterator[Finding]:
    variables = ground.machine.variables()
    name = next((name for name in _CERTIFICATES if variables.get(name)), "")
    if (path := variables.get(name)) and not ground.machine.place(path).exists:
        what = f"there is no file {path}: no call of AWS gets through"
        yield Finding(Severity.ERROR, f"variable {name}", what, f"correct it, or unset {name}")


def _addresses(ground: Ground) -> Iterator[Finding]:
    """Yield variables that lead calls past AWS, or that are meant to and do not.

    Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
    """
    variables = ground.machine.variables()
    named = {name: value for name, value in variables.items() if name.startswith("AWS_ENDPOINT_URL")}
    is_off = variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == _ON
    for name, value in sorted(named.items()):
        if value and is_off:
            what = f"it is {value}, and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS switches it off"
            yield Finding(Severity.WARNING, f"variable {name}", what, f"unset {name}")
        elif value:
            service = name.removeprefix("AWS_ENDPOINT_URL").strip("_").lower() or "every service"
            what = f"calls of {service} go to {value} and not to AWS"
            yield Finding(Severity.WARNING, f"variable {name}", what, f"unset {name}")


def _local_cloud(ground: Ground) -> Iterator[Finding]:
    if not ground.runs():
        what, fix = "it is not running; a deployment starts it", "orchestrator local-cloud start"
        repair = Repair(Deed.START_LOCAL_CLOUD, "", "start the local cloud")
        yield Finding(Severity.NOTE, "local cloud", what, fix, repair=repair)


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_HERE = Group.MACHINE

CHECKS = (
    Check("python", _HERE, "the version of Python", _ERROR, _python),
    Check("extras", _HERE, "whether what the commands need is installed", _ERROR, _extras),
    Check("versions", _HERE, "whether installed versions are those that work together", _WARNING, _versions),
    Check("temp-folder", _HERE, "the folder for temporary files, and its room", _ERROR, _temp),
    Check("state-folder", _HERE, "the local cloud's folder: room, permissions", _ERROR, _state, mends=True),
    Check(
        "credentials-file", _HERE, "who may read the file with AWS keys", _WARNING, _credentials, mends=True
    ),
    Check("proxies", _HERE, "proxies that calls go through", _NOTE, _proxies, Where.REMOTE),
    Check(
        "certificates",
        _HERE,
        "variables that name files of trusted certificates",
        _ERROR,
        _certificates,
        Where.REMOTE,
    ),
    Check(
        "endpoint-variables",
        _HERE,
        "variables that lead calls to other addresses than AWS's",
        _WARNING,
        _addresses,
        Where.REMOTE,
    ),
    Check(
        "local-cloud",
        _HERE,
        "whether the local cloud runs",
        _NOTE,
        _local_cloud,
        Where.LOCAL,
        mends=True,
    ),
)
