"""What there is to say about a project and the container it is meant for.

Nothing is asked of the container or of an index: what is said rests on the table of profiles, on the model
file and on the project's requirements. What a finding leads to is the business of `orchestrator.core.policy`.
"""

import re
from collections.abc import Iterator

from orchestrator.core import containers
from orchestrator.core.checkpoint import Kind, Weights
from orchestrator.core.containers import Profile
from orchestrator.core.policy import Finding, Level, Rule
from orchestrator.core.requirements import Requirement, Requirements
from orchestrator.core.target import Target
from orchestrator.core.versions import admits, release

_OLDEST_TORCH = (2, 4)
_PYTHONS = ((3, 10), (3, 13))
# Both packages own the module `sagemaker_inference`; whichever is installed last wins.
_CLASHING = "sagemaker-inference"
# The toolkit imports pkg_resources, which setuptools has no longer.
_FIRST_SETUPTOOLS_WITHOUT_PKG_RESOURCES = (82,)
_GRAVITON = re.compile(r"ml\.[a-z]+\d+g[a-z]*\.")
_IN_ARCHIVE = "/opt/ml/model/code/"


def profile_of(target: Target) -> Profile | None:
    """Return the container profile of ``target``; ``None`` where it names an image of its own.

    Raises:
        SpecError: If there is no such profile.
    """
    return None if target.image else containers.find(target.profile)


def find(
    target: Target,
    profile: Profile | None,
    weights: Weights,
    wanted: Requirements,
    *,
    today: str,
    tried_with: str | None = None,
) -> tuple[Finding, ...]:
    """Return all that there is to say.

    Args:
        target: Where the model is to run.
        profile: Its container, as `profile_of` has it.
        weights: The model, as it lies in the archive.
        wanted: The project's requirements; an empty value where it has none.
        today: The date, in ISO's form.
        tried_with: The version of torch on this machine, if there is one.
    """
    of_requirements = (*_unpinned(wanted), *_secrets(wanted), *_unhashed(wanted))
    if profile is None:
        return (_unknown(target), *of_requirements)
    of_profile = (*_unsupported(profile, target), *_patches(profile, today))
    return (
        *of_profile,
        *_torches(profile, weights, tried_with),
        *_replaced(profile, wanted),
        *of_requirements,
    )


def _unknown(target: Target) -> Finding:
    return Finding(
        Rule.UNKNOWN_IMAGE,
        Level.NOTE,
        f"nothing is known of image '{target.image}': neither its torch nor its patches were looked at",
        "try the archive in it before it is deployed",
    )


def _unsupported(profile: Profile, target: Target) -> Iterator[Finding]:
    """Yield what keeps the archive from running in the container at all."""
    fitting = ", ".join(name for name, known in containers.PROFILES.items() if not _misfits(known))
    for text in _misfits(profile):
        yield Finding(Rule.UNSUPPORTED, Level.REFUSE, text, f"set container.profile to one of {fitting}")
    for machine in () if target.is_local else _machines(target):
        is_graviton = _GRAVITON.match(machine) is not None
        if is_graviton != (profile.architecture == "arm64"):
            yield Finding(
                Rule.UNSUPPORTED,
                Level.REFUSE,
                f"the image of '{profile.name}' is for {profile.architecture}; {machine} is not",
                "set endpoint.instance_type or container.profile so that they agree",
            )


def _machines(target: Target) -> tuple[str, ...]:
    """Return the instance types that the project's own model may run on; none where it is serverless."""
    endpoint = target.endpoint
    every = (*endpoint.variants, *([endpoint.shadow] if endpoint.shadow else []))
    own = [variant for variant in every if not variant.model]
    found = [
        kind for v in own for kind in (v.instance_type, *(pool.instance_type for pool in v.pools)) if kind
    ]
    return tuple(dict.fromkeys(found))


def _misfits(profile: Profile) -> tuple[str, ...]:
    """Return why the entry point does not run in the container; the same in every project."""
    torch, python = release(profile.torch), release(profile.python)
    found = []
    if profile.contract != containers.TOOLKIT:
        found.append(
            f"'{profile.name}' speaks the contract {profile.contract}, which the entry point does not yet"
        )
    if torch is None or torch < _OLDEST_TORCH:
        found.append(f"'{profile.name}' has torch {profile.torch}; the runtime needs 2.4 or later")
    if python is None or not _PYTHONS[0] <= python[:2] <= _PYTHONS[1]:
        found.append(f"'{profile.name}' has Python {profile.python}; the runtime needs 3.10 to 3.13")
    return tuple(found)


def _patches(profile: Profile, today: str) -> Iterator[Finding]:
    if profile.is_past_patches(today):
        yield Finding(
            Rule.END_OF_PATCH,
            Level.WARN,
            f"AWS has not patched the image of '{profile.name}' since {profile.end_of_patch}",
            "set container.image to an image that you patch",
        )


def _torches(profile: Profile, weights: Weights, tried_with: str | None) -> Iterator[Finding]:
    """Yield what the torch that wrote the model, or that it is tried with here, means for the image's.

    Weights are numbers, whichever torch wrote them; the source around them may still need the newer one.
    TorchScript is loaded by torch itself, and that an older one can was not verified.
    """
    writer = dict(weights.written_by).get("torch")
    is_script = weights.kind is Kind.TORCHSCRIPT
    if writer is None:
        if is_script:
            yield Finding(
                Rule.NEWER_TORCH,
                Level.WARN,
                f"the TorchScript file does not say which torch wrote it; the image has {profile.torch}",
                f"write it with torch {profile.torch} or older",
            )
        elif tried_with is not None and _is_newer(tried_with, profile.torch):
            yield Finding(
                Rule.NEWER_TORCH,
                Level.WARN,
                f"the model is tried with torch {tried_with} here, the image has {profile.torch}: "
                "its code may use what that one lacks",
                "check it with golden cases",
            )
    elif _is_newer(writer, profile.torch):
        subject = "the TorchScript file" if is_script else "the model"
        why = "that it loads there is not known" if is_script else "its code may use what that one lacks"
        yield Finding(
            Rule.NEWER_TORCH,
            Level.REFUSE if is_script else Level.WARN,
            f"{subject} was written by torch {writer}, the image has {profile.torch}: {why}",
            f"write it with torch {profile.torch} or older" if is_script else "check it with golden cases",
        )


def _is_newer(writer: str, there: str) -> bool:
    """Compare major and minor versions: patch releases do not change formats or add operators."""
    wrote = release(re.split(r"a|b|rc|\.dev", writer)[0])
    has = release(there)
    return wrote is None or has is None or wrote[:2] > has[:2]


def _replaced(profile: Profile, wanted: Requirements) -> Iterator[Finding]:
    """Yield the requirements that pip would put in the place of what the container itself runs on."""
    image = {"torch": profile.torch, **dict(profile.serving)}
    for item in wanted.wanted:
        if _replaces(item, image):
            has = f"; the image has {image[item.name]}" if item.name in image else ""
            yield Finding(
                Rule.REPLACED_TORCH,
                Level.REFUSE,
                f"'{item.text}' ({wanted.name}, line {item.line}) replaces what the container runs on{has}",
                "take it out: the image brings its own",
            )


def _replaces(item: Requirement, image: dict[str, str]) -> bool:
    if item.name == "setuptools":
        return item.source is not None or any(
            operator in {"==", "===", ">=", ">", "~="}
            and (release(version.removesuffix(".*")) or (0,)) >= _FIRST_SETUPTOOLS_WITHOUT_PKG_RESOURCES
            for operator, version in item.specifiers
        )
    if item.name == _CLASHING:
        return True
    if item.name not in {"torch", "torchserve", "sagemaker-pytorch-inference"}:
        return False
    there = image.get(item.name)
    met = not item.specifiers or (there is not None and admits(item.specifiers, there))
    return item.source is not None or not met


def _unpinned(wanted: Requirements) -> Iterator[Finding]:
    loose = [item for item in wanted.wanted if not (item.pinned or _is_vendored(item))]
    if loose:
        named = ", ".join(f"'{item.text}' (line {item.line})" for item in loose)
        yield Finding(
            Rule.UNPINNED_REQUIREMENTS,
            Level.WARN,
            f"{wanted.name}: each start of the container may install another version of {named}",
            "write name==version for each",
        )
    if wanted.indexes and not all(item.hashed for item in wanted.wanted):
        yield Finding(
            Rule.UNPINNED_REQUIREMENTS,
            Level.WARN,
            f"{wanted.name}: {', '.join(wanted.indexes)}: pip takes any package from wherever it finds it",
            "add --hash to every requirement (pip-compile --generate-hashes)",
        )


def _is_vendored(item: Requirement) -> bool:
    """Whether it lies in the archive, whose files are what they are."""
    place = (item.source or "").removeprefix("file://")
    return place.startswith(_IN_ARCHIVE) and ".." not in place.split("/")


def _secrets(wanted: Requirements) -> Iterator[Finding]:
    for line in wanted.secrets:
        yield Finding(
            Rule.SECRETS,
            Level.REFUSE,
            f"{wanted.name}, line {line} holds credentials: whoever can read the artifact would have them",
            "write a placeholder such as ${TOKEN}, which pip fills in from the container's environment",
        )


def _unhashed(wanted: Requirements) -> Iterator[Finding]:
    if any(not (item.hashed or _is_vendored(item)) for item in wanted.wanted):
        yield Finding(
            Rule.HASHES,
            Level.NOTE,
            f"{wanted.name} does not say by --hash which files may be installed",
            "pip-compile --generate-hashes writes them",
        )
