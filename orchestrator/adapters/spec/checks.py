"""Settings that contradict each other, or say what must not be said.

Ranges, and rules between what is wanted and what there is, are checked when a plan is made.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from orchestrator.adapters.spec.errors import dotted
from orchestrator.adapters.spec.layers import Chosen, Path, tree
from orchestrator.adapters.spec.tables import Document
from orchestrator.core.errors import Detail, SpecError
from orchestrator.core.proposal import quoted
from orchestrator.core.revision import RESERVED_VARIABLES
from orchestrator.core.secrets import found_in
from orchestrator.core.spec import S3_PREFIX

_Chosen = Mapping[Path, Chosen]
# "Feature exclusions" of the guide's page on serverless inference.
_NOT_SERVERLESS = ("vpc", "network_isolation", "capture", "shadow")
# AWS's own prefix ("Tag naming limits and requirements" of the guide to tagging), and that of our marks.
_RESERVED_TAGS = ("aws:", "orchestrator:")
_SERVERLESS = "SageMaker's serverless endpoints do not have it"


def check(document: Document, chosen: _Chosen) -> None:
    """Look for settings that cannot hold together.

    Raises:
        SpecError: If there are some; it names where they stand.
    """
    _check_tags(chosen)
    endpoint = tree(chosen)["endpoint"]
    _check_variants(endpoint, chosen)
    _check_shadow(endpoint, chosen)
    _check_environment(endpoint.get("environment", {}), chosen)
    match endpoint["mode"]:
        case "serverless":
            _check_serverless(document, endpoint, chosen)
        case "async" if endpoint.get("async") is None:
            _refuse(
                ("mode",),
                "'async' needs 'endpoint.async'",
                chosen,
                hint='say where answers go: async = { output = "s3://BUCKET/PREFIX" }',
            )


def _check_tags(chosen: _Chosen) -> None:
    for path, found in chosen.items():
        if path[0] == "tags" and path[1].lower().startswith(_RESERVED_TAGS):
            raise SpecError(
                f"{found.origin}: the tag {quoted(path[1])} is not yours to set",
                details=[("rule", f"no key begins with {' or '.join(_RESERVED_TAGS)}")],
            )


def _refuse(
    key: Path, why: str, chosen: _Chosen, *, rule: str | None = None, hint: str | None = None
) -> NoReturn:
    path = ("endpoint", *key)
    # Of a table that is put together from several places, any of them will do.
    origin = next(found.origin for place, found in chosen.items() if place[: len(path)] == path)
    details: list[Detail] = [] if rule is None else [("rule", rule)]
    raise SpecError(f"{origin}: '{dotted(path)}' {why}", details=details, hint=hint)


def variant_tables(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of several variants by name, without those taken away; none where there are none."""
    return {name: own for name, own in endpoint.get("variants", {}).items() if own is not None}


def _check_variants(endpoint: dict[str, Any], chosen: _Chosen) -> None:
    several = variant_tables(endpoint)
    if several and chosen["endpoint", "variant"].origin != "built in":
        _refuse(("variant",), "names the one variant, and 'endpoint.variants' names several", chosen)
    serving = [*(several.values() or [{}]), endpoint.get("shadow") or {"model": ""}]
    if all("model" in table for table in serving):
        _refuse(
            ("variants",) if several else ("shadow",),
            "names other models only",
            chosen,
            rule="one variant, or the shadow, serves the project's own: leave 'model' out there",
        )


def _check_shadow(endpoint: dict[str, Any], chosen: _Chosen) -> None:
    shadow, several = endpoint.get("shadow"), variant_tables(endpoint)
    if shadow is None:
        return
    if len(several) > 1:
        _refuse(("shadow",), "stands beside several variants", chosen, rule="SageMaker allows exactly one")
    if shadow["name"] in (several or {endpoint["variant"]}):
        _refuse(("shadow",), f"has the name of the variant '{shadow['name']}'", chosen)


def _check_serverless(document: Document, endpoint: dict[str, Any], chosen: _Chosen) -> None:
    for key in _NOT_SERVERLESS:
        if endpoint.get(key):
            _refuse((key,), "cannot be had with mode 'serverless'", chosen, rule=_SERVERLESS, hint=_off(key))
    if len(variant_tables(endpoint)) > 1:
        _refuse(("variants",), "are several, with mode 'serverless'", chosen, rule=_SERVERLESS)
    if document.package.layout == S3_PREFIX:
        _refuse(
            ("mode",),
            f"'serverless' cannot be had with package.layout '{S3_PREFIX}'",
            chosen,
            rule="serverless endpoints download one tar.gz",
            hint='layout = "tar.gz" in [package]',
        )


def _off(key: str) -> str:
    return f"{key} = false there, if a less specific table sets it"


def _check_environment(environment: Mapping[str, str], chosen: _Chosen) -> None:
    for name in sorted(RESERVED_VARIABLES & environment.keys()):
        _refuse(
            ("environment", name),
            "is set by the tool",
            chosen,
            rule="the archive is laid out for the value that it sets",
        )
    for name, why in _secrets(environment):
        _refuse(
            ("environment", name),
            why,
            chosen,
            rule="SageMaker shows these to whoever may describe the model, and the journal keeps them",
            hint="let the container fetch it from AWS Secrets Manager, with the endpoint's role",
        )


def _secrets(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    lines = {name: f"{name} = {value}\n".encode("utf-8", "replace") for name, value in environment.items()}
    for name, line in lines.items():
        if kind := found_in("", line):
            yield name, f"looks like a secret: {kind}"
    # A key and its secret are recognised by standing together.
    if lines and (kind := found_in("", b"".join(lines.values()))):
        yield next(iter(lines)), f"and its neighbours look like a secret: {kind}"
