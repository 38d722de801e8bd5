"""What the user asks for: the spec as plain values, every default applied.

`orchestrator.adapters.spec.reading` reads and validates the file; everything else sees only these values.
"""

import keyword
import re
from dataclasses import dataclass

from orchestrator.core.errors import SpecError
from orchestrator.core.resources import Pairs
from orchestrator.core.target import Target

TAR_GZ, S3_PREFIX = "tar.gz", "s3-prefix"
"""How the archive lies in S3: as one compressed file, or as its files below a prefix."""

BATCH_SIZE, BATCH_DELAY_MS = "ORCHESTRATOR_BATCH_SIZE", "ORCHESTRATOR_BATCH_DELAY_MS"
"""The variables that tell a server of our own to let requests share calls of the model."""

Literal = None | bool | int | float | str | list["Literal"] | dict[str, "Literal"]
"""What a spec value may be, and what generated code may hold as a literal."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = frozenset({*keyword.kwlist, *keyword.softkwlist})


def is_identifier(text: str) -> bool:
    """Tell whether ``text`` may be written as a name into generated code.

    Stricter than `str.isidentifier`, which accepts keywords and letters that Python folds into others.

    >>> is_identifier("DigitsNet"), is_identifier("class"), is_identifier("__class__"), is_identifier("x y")
    (True, False, False, False)
    """
    dunder = text.startswith("__") and text.endswith("__")
    return _IDENTIFIER.fullmatch(text) is not None and text not in _KEYWORDS and not dunder


@dataclass(frozen=True, slots=True)
class Reference:
    """A class or function in one of the project's files, written ``src/net.py:DigitsNet``.

    Attributes:
        path: The file, relative to the spec's folder, with ``/`` between folders.
        name: A top-level name in it.
    """

    path: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read ``path/to/file.py:Name``.

        Raises:
            SpecError: If the text has another form, or a part of it cannot be imported by that name.
        """
        path, separator, name = text.rpartition(":")
        parts = path.removesuffix(".py").split("/")
        if not separator or not path.endswith(".py") or not all(map(is_identifier, [*parts, name])):
            raise SpecError(
                f"{text!r} does not name a class or function",
                details=[("rule", "folder/file.py:Name, relative to the spec, each part a Python name")],
            )
        return cls(path, name)

    @property
    def module(self) -> str:
        """The module's dotted name, as it is imported from the archive's ``code`` folder."""
        return self.path.removesuffix(".py").replace("/", ".")

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The dtype and shape of one input, without the batch dimension; -1 stands for any length."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where the trained model is, and which class its weights belong to.

    Attributes:
        path: A file or a folder, relative to the spec.
        class_: What makes the module; ``None`` only where the file itself says what to run. With TorchScript
            and exported programs it is called with the loaded module first, and wraps it.
        format: ``auto`` or one of `orchestrator.core.checkpoint.Format`.
        state_dict_key: Where in a checkpoint the weights lie, with ``.`` between keys.
        strip_prefix: What every tensor's name loses. ``None`` takes off what ``DataParallel`` puts there.
        allow_code: Whether a file that carries code may be loaded, once, to convert it, or be served.
    """

    path: str
    class_: Reference | None
    format: str = "auto"
    init_args: tuple[tuple[str, Literal], ...] = ()
    license: str | None = None
    state_dict_key: str | None = None
    strip_prefix: str | None = None
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class EntryPointSpec:
    """What the generated entry point does around the model.

    Attributes:
        task: The module of ``entrypoints/`` that decodes requests and encodes results.
        inputs: By name, in the order of the spec. One input is passed by position, several by name.
        options: What else the task is told, by the key's name in ``[entrypoint]``; only what the spec sets.
    """

    task: str = "custom"
    preprocess: Reference | None = None
    postprocess: Reference | None = None
    inputs: tuple[tuple[str, TensorSpec], ...] = ()
    options: tuple[tuple[str, Literal], ...] = ()


@dataclass(frozen=True, slots=True)
class PackageSpec:
    """Which of the project's files go into the archive, besides those that the spec refers to."""

    include: tuple[str, ...] = ()
    requirements: str | None = None
    layout: str = TAR_GZ


@dataclass(frozen=True, slots=True)
class ServingSpec:
    """How a server of our own answers; no container of AWS knows of it.

    Attributes:
        workers: Processes, each with a copy of the model; ``None`` leaves it to the command.
        batch_size: How many requests at most share one call of the model; 1 is one call for each.
        batch_delay_ms: How long a request waits for others, in milliseconds, while a worker is free.
    """

    workers: int | None = None
    batch_size: int = 1
    batch_delay_ms: float = 2.0

    @property
    def variables(self) -> Pairs:
        """What this sets in the server's environment; nothing for what is as it would be anyway.

        >>> ServingSpec(batch_size=8).variables
        (('ORCHESTRATOR_BATCH_SIZE', '8'),)
        """
        workers = () if self.workers is None else (("SAGEMAKER_MODEL_SERVER_WORKERS", str(self.workers)),)
        usual = ServingSpec()
        size = () if self.batch_size == usual.batch_size else ((BATCH_SIZE, str(self.batch_size)),)
        is_usual = self.batch_delay_ms == usual.batch_delay_ms
        text = f"{self.batch_delay_ms:.6f}".rstrip("0").rstrip(".")
        delay = () if is_usual else ((BATCH_DELAY_MS, text),)
        return (*workers, *size, *delay)


@dataclass(frozen=True, slots=True)
class GoldenSpec:
    """Requests with the answers they must get.

    Attributes:
        cases: A glob relative to the spec, or ``None``.
        atol: How far a number in an answer may be from the expected one.
    """

    cases: str | None = None
    atol: float = 1e-4


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """What a finding of each rule leads to, as ``[policy]`` says: only the rules that it names."""

    levels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """One project, resolved for one endpoint in one environment.

    Attributes:
        name: The name of the endpoint; the project's, where the spec names no endpoints of their own.
        root: The absolute path of the folder the spec lies in.
    """

    name: str
    root: str
    model: ModelSpec
    target: Target
    entrypoint: EntryPointSpec = EntryPointSpec()
    package: PackageSpec = PackageSpec()
    golden: GoldenSpec = GoldenSpec()
    policy: PolicySpec = PolicySpec()
    serving: ServingSpec = ServingSpec()
