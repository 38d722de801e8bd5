"""The container's environment and limits as values.

Names and defaults are those of sagemaker-pytorch-inference 2.0.25 and TorchServe 0.12, as they run in AWS's
`pytorch-inference:2.6` image. Everything is read from a mapping: this module knows neither the process's
own environment nor the disk.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.core.errors import SpecError

CODE_FOLDER = "code"
"""Where the entry point lies, relative to the model folder."""

TIME_LIMIT_SECONDS = 60.0
"""How long SageMaker waits for the container's answer. TorchServe alone would wait for 120 s."""

_GENERATED_PROGRAM = "predict.py"
_DEFAULT_PROGRAM = "inference.py"
# Both limits of TorchServe; SageMaker itself takes 25 MB.
_DEFAULT_BODY_BYTES = 6_553_500
_DEFAULT_QUEUE_SIZE = 100
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


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
    """

    program: str
    default_accept: str
    workers: int
    max_request_bytes: int = _DEFAULT_BODY_BYTES
    max_response_bytes: int = _DEFAULT_BODY_BYTES
    queue_size: int = _DEFAULT_QUEUE_SIZE
    response_timeout_seconds: float = TIME_LIMIT_SECONDS

    @property
    def module(self) -> str:
        """The name the entry point is imported by: the toolkit cuts a trailing ``.py`` and nothing else."""
        return self.program.removesuffix(".py")


def read(environment: Mapping[str, str], *, code: Collection[str], cores: int) -> Contract:
    """Return the contract that the container's ``environment`` sets.

    Without SAGEMAKER_PROGRAM the entry point is ``predict.py`` if ``code`` has one, as `deploy` would set it,
    else the container's own default, ``inference.py``. Without SAGEMAKER_MODEL_SERVER_WORKERS there is one
    worker per core, as in the container.

    Args:
        environment: The variables of the container.
        code: The names of the files in the archive's ``code`` folder.
        cores: The processors of this machine.

    Raises:
        SpecError: If a number is none, or is less than one.
    """
    generated = _GENERATED_PROGRAM if _GENERATED_PROGRAM in code else _DEFAULT_PROGRAM
    timeout = _count(environment, "TS_DEFAULT_RESPONSE_TIMEOUT", int(TIME_LIMIT_SECONDS))
    return Contract(
        program=environment.get("SAGEMAKER_PROGRAM") or generated,
        default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or "application/json",
        workers=_count(environment, "SAGEMAKER_MODEL_SERVER_WORKERS", max(cores, 1)),
        max_request_bytes=_count(environment, "TS_MAX_REQUEST_SIZE", _DEFAULT_BODY_BYTES),
        max_response_bytes=_count(environment, "TS_MAX_RESPONSE_SIZE", _DEFAULT_BODY_BYTES),
        queue_size=_count(environment, "TS_JOB_QUEUE_SIZE", _DEFAULT_QUEUE_SIZE),
        response_timeout_seconds=min(float(timeout), TIME_LIMIT_SECONDS),
    )


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
        "SAGEMAKER_PROGRAM": contract.program,
    }


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text)):
        raise SpecError(
            f"'{name}' is '{text}', not a whole number above zero",
            details=[("rule", "the container's environment, as the model would get it")],
            hint=f"set {name} to a number such as {default}, or leave it out",
        )
    return int(text)
