"""The container's environment and limits as values.

Names and defaults are those of sagemaker-pytorch-inference 2.0.25 and TorchServe 0.12, as they run in AWS's
`pytorch-inference:2.6` image. Everything is read from a mapping: this module knows neither the process's
own environment nor the disk.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from orchestrator.core.errors import SpecError
from orchestrator.core.spec import BATCH_DELAY_MS, BATCH_SIZE

CODE_FOLDER = "code"
"""Where the entry point lies, relative to the model folder."""

TIME_LIMIT_SECONDS = 60.0
"""How long SageMaker waits for the container's answer. TorchServe alone would wait for 120 s."""

_GENERATED_PROGRAM = "predict.py"
_DEFAULT_PROGRAM = "inference.py"
# Both limits of TorchServe; SageMaker itself takes 25 MB.
_DEFAULT_BODY_BYTES = 6_553_500
_DEFAULT_QUEUE_SIZE = 100
_DEFAULT_TIMEOUT_SECONDS = _DEFAULT_STARTUP_SECONDS = 120
_DEFAULT_PORT = 8080
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
# `ts_environment.py`: any one of these writes all of them into TorchServe's configuration.
_BATCH_SIZE, _BATCH_DELAY = "SAGEMAKER_TS_BATCH_SIZE", "SAGEMAKER_TS_MAX_BATCH_DELAY"
_MIN_WORKERS, _MAX_WORKERS = "SAGEMAKER_TS_MIN_WORKERS", "SAGEMAKER_TS_MAX_WORKERS"
_MODEL_TIMEOUT = "SAGEMAKER_TS_RESPONSE_TIMEOUT"
_MODEL_VARIABLES = (_BATCH_SIZE, _BATCH_DELAY, _MIN_WORKERS, _MAX_WORKERS, _MODEL_TIMEOUT)


class Fidelity(Enum):
    """How closely to follow the container where that is of no use to anybody.

    `HELPFUL` gives the container's answers, reports its traps, and does not hang where it would. `EXACT`
    hangs, too. `STRICT` turns every trap into an error.
    """

    HELPFUL = "helpful"
    EXACT = "exact"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Contract:
    """What one container's environment asks of it.

    Attributes:
        program: The file or the dotted module of the entry point, such as ``predict.py``.
        default_accept: The media type that replaces a missing Accept, or one that is exactly ``*/*``.
        workers: Processes, each with a copy of the model; at least one.
        max_request_bytes: A larger request body is answered 413.
        max_response_bytes: A larger response body costs the worker its life, and is answered 500.
        queue_size: Requests that may wait for a worker; one more is answered 503.
        response_timeout_seconds: A worker that takes longer is replaced, its request answered 500.
        startup_timeout_seconds: A worker that takes longer to load its model is given up.
        multi_model: Whether models are loaded and unloaded through the API.
        model_api: Whether that API can change anything: see the trap ``model-api-off``.
        batch_size: How many requests at most share one call of the model: no container's doing, but ours.
        container_batch_size: What SAGEMAKER_TS_BATCH_SIZE says: see the trap ``server-batching``.
        batch_delay_seconds: How long a request waits for others to share a call with.
        traps: Slugs of `orchestrator.serving.traps`, each with the variable it lies in.
    """

    program: str
    default_accept: str
    workers: int
    max_request_bytes: int = _DEFAULT_BODY_BYTES
    max_response_bytes: int = _DEFAULT_BODY_BYTES
    queue_size: int = _DEFAULT_QUEUE_SIZE
    response_timeout_seconds: float = TIME_LIMIT_SECONDS
    startup_timeout_seconds: float = _DEFAULT_STARTUP_SECONDS
    multi_model: bool = False
    model_api: bool = False
    batch_size: int = 1
    container_batch_size: int = 1
    batch_delay_seconds: float = 0.002
    traps: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> str:
        """The name the entry point is imported by: the toolkit cuts a trailing ``.py`` and nothing else."""
        return self.program.removesuffix(".py")


def read(
    environment: Mapping[str, str],
    *,
    code: Collection[str],
    cores: int,
    fidelity: Fidelity = Fidelity.HELPFUL,
) -> Contract:
    """Return the contract that the container's ``environment`` sets.

    Without SAGEMAKER_PROGRAM the entry point is ``predict.py`` if ``code`` has one, as `deploy` would set it,
    else the container's own default, ``inference.py``. Without SAGEMAKER_MODEL_SERVER_WORKERS there is one
    worker per core. Unless ``fidelity`` is exact no request may take longer than SageMaker waits for it.

    Args:
        environment: The variables of the container.
        code: The names of the files in the archive's ``code`` folder.
        cores: The processors of this machine.
        fidelity: See `Fidelity`.

    Raises:
        SpecError: If a number is none, or is less than one.
    """
    multi_model = is_multi_model(environment)
    longest = math.inf if fidelity is Fidelity.EXACT else TIME_LIMIT_SECONDS
    return Contract(
        program=environment.get("SAGEMAKER_PROGRAM", _program(code)),
        default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json"),
        workers=_workers(environment, cores, multi_model=multi_model),
        max_request_bytes=count(environment, "TS_MAX_REQUEST_SIZE", _DEFAULT_BODY_BYTES),
        max_response_bytes=count(environment, "TS_MAX_RESPONSE_SIZE", _DEFAULT_BODY_BYTES),
        queue_size=count(environment, "TS_JOB_QUEUE_SIZE", _DEFAULT_QUEUE_SIZE),
        response_timeout_seconds=min(_timeout_seconds(environment, multi_model=multi_model), longest),
        startup_timeout_seconds=count(environment, "TS_DEFAULT_STARTUP_TIMEOUT", _DEFAULT_STARTUP_SECONDS),
        multi_model=multi_model,
        model_api=environment.get("TS_ENABLE_MODEL_API", "").lower() == "true",
        batch_size=count(environment, BATCH_SIZE, 1),
        container_batch_size=1 if multi_model else count(environment, _BATCH_SIZE, 1),
        batch_delay_seconds=_milliseconds(environment, BATCH_DELAY_MS, 2.0) / 1000,
        traps=tuple(_traps(environment, multi_model=multi_model)),
    )


def is_multi_model(environment: Mapping[str, str]) -> bool:
    """Tell whether models are loaded and unloaded by the API, none at the start."""
    return environment.get("SAGEMAKER_MULTI_MODEL") == "true"


def bind_port(environment: Mapping[str, str]) -> int:
    """Return the port that the container would listen on.

    Raises:
        SpecError: If it is no number.
    """
    return count(environment, "SAGEMAKER_BIND_TO_PORT", _DEFAULT_PORT)


def worker_environment(environment: Mapping[str, str], contract: Contract, *, cores: int) -> dict[str, str]:
    """Return the environment of a worker on a machine with ``cores`` processors.

    Each worker gets its share of the cores for OpenMP and MKL, unless the container's ``environment`` says
    otherwise: with the libraries' own default, a thread per core in every worker, workers would get in each
    other's way.
    """
    threads = str(max(cores // contract.workers, 1))
    return {
        **dict.fromkeys(_THREADS, threads),
        # OpenMP's threads spin for milliseconds after each parallel region. On a machine with few cores they
        # take them from the very server that is to hand the next request over: five times slower, measured.
        "OMP_WAIT_POLICY": "PASSIVE",
        # The container's model folder is read-only, so nothing is compiled into it there either.
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
        # What user code prints has to be in the log when the line is written, not when a buffer is full.
        "PYTHONUNBUFFERED": "1",
        # As `deploy` would set it; the container's own default is nowhere in its environment.
        **({"SAGEMAKER_PROGRAM": contract.program} if contract.program != _DEFAULT_PROGRAM else {}),
    }


def _program(code: Collection[str]) -> str:
    return _GENERATED_PROGRAM if _GENERATED_PROGRAM in code else _DEFAULT_PROGRAM


def _workers(environment: Mapping[str, str], cores: int, *, multi_model: bool) -> int:
    if multi_model:
        return 1  # `mme-ts.properties`: one worker for each model
    if _has_model_variables(environment):
        return count(environment, _MAX_WORKERS, 1)
    named = "SAGEMAKER_MODEL_SERVER_WORKERS"
    return count(environment, named, count(environment, "TS_DEFAULT_WORKERS_PER_MODEL", max(cores, 1)))


def _timeout_seconds(environment: Mapping[str, str], *, multi_model: bool) -> float:
    if _has_model_variables(environment) and not multi_model:
        return count(environment, _MODEL_TIMEOUT, 60)
    return count(environment, "TS_DEFAULT_RESPONSE_TIMEOUT", _DEFAULT_TIMEOUT_SECONDS)


def _has_model_variables(environment: Mapping[str, str]) -> bool:
    return any(name in environment for name in _MODEL_VARIABLES)


def _traps(environment: Mapping[str, str], *, multi_model: bool) -> Iterator[tuple[str, str]]:
    if "SAGEMAKER_MODEL_SERVER_TIMEOUT" in environment:
        yield "server-timeout-ignored", "SAGEMAKER_MODEL_SERVER_TIMEOUT"
    submitted = environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if submitted and submitted.rstrip("/") != f"/opt/ml/model/{CODE_FOLDER}":
        yield "submit-directory-ignored", f"SAGEMAKER_SUBMIT_DIRECTORY is '{submitted}'"
    set_ = [name for name in _MODEL_VARIABLES if name in environment]
    if set_ and len(set_) < len(_MODEL_VARIABLES):
        yield "batch-variables", ", ".join(set_)
    if count(environment, _BATCH_SIZE, 1) > 1:
        yield "server-batching", f"{_BATCH_SIZE} is {environment[_BATCH_SIZE]}"
    if multi_model and environment.get("TS_ENABLE_MODEL_API", "").lower() != "true":
        yield "model-api-off", "SAGEMAKER_MULTI_MODEL"
    for name in ("SAGEMAKER_BASE_DIR", "TS_INFERENCE_ADDRESS", "TS_MANAGEMENT_ADDRESS", "CA_REPOSITORY_ARN"):
        if name in environment:
            yield "variable-not-followed", name


def count(environment: Mapping[str, str], name: str, default: int) -> int:
    """Return the number that the variable ``name`` holds, or ``default`` where it is missing or empty.

    Raises:
        SpecError: If it is no whole number above zero.
    """
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text)):
        raise SpecError(
            f"'{name}' is '{text}', not a whole number above zero",
            details=[("rule", "the container's environment, as the model would get it")],
            hint=f"set {name} to a number such as {default}, or leave it out",
        )
    return int(text)


def _milliseconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    if _DECIMAL.fullmatch(text) is None:
        raise SpecError(
            f"'{name}' is '{text}', not a number of milliseconds",
            details=[("rule", "digits, and a point if need be")],
            hint=f"set {name} to a number such as {default:g}, or leave it out",
        )
    return float(text)
