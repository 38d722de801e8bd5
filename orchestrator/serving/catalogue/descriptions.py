"""What the models' API says of models: TorchServe's documents, and OpenAPI descriptions of our own.

Names, order and constants of `listing` and `description` are those of TorchServe 0.12; start times, process
ids, memory and the lengths of queues are this server's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.serving.contract import Contract
from orchestrator.serving.ports import Situation, WorkerState

VERSION = "1.0"
"""Of every model: the toolkit has no manifest that could name another."""

_FIRST_ID = 9000
_MAX_PAGE = 100
_RECOVERY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one model.

    Attributes:
        url: The folder, as whoever registered it wrote it.
        started: When, in UTC.
        is_startup: Whether it was there from the start.
        batch_delay: In milliseconds; as it was registered.
    """

    name: str
    url: str
    started: datetime
    is_startup: bool
    batch_delay: int = 100


def listing(models: Sequence[Facts], limit: int, token: int) -> dict[str, object]:
    """Return a page of ``models``, sorted by name, from the one that ``token`` counts to.

    Args:
        models: All of them.
        limit: 100 at most; more, or less than none, is 100.
        token: Less than none is none.
    """
    limit = limit if 0 <= limit <= _MAX_PAGE else _MAX_PAGE
    token = max(token, 0)
    last = token + limit
    ordered = sorted(models, key=lambda facts: facts.name)
    page = [{"modelName": facts.name, "modelUrl": facts.url} for facts in ordered[token:last]]
    # TorchServe names a next page also where this one ends with the last model.
    following = {"nextPageToken": str(last)} if last <= len(ordered) else {}
    return {**following, "models": page}


def description(facts: Facts, contract: Contract, situation: Situation) -> list[dict[str, object]]:
    """Return what is known of one model and its workers."""
    return [
        {
            "modelName": facts.name,
            "modelVersion": VERSION,
            "modelUrl": facts.url,
            "runtime": "python",
            "minWorkers": contract.workers,
            "maxWorkers": contract.workers,
            "batchSize": contract.batch_size,
            "maxBatchDelay": facts.batch_delay,
            "responseTimeout": int(contract.response_timeout_seconds),
            "startupTimeout": int(contract.startup_timeout_seconds),
            "maxRetryTimeoutInSec": _RECOVERY_SECONDS,
            "clientTimeoutInMills": 0,
            "parallelType": "",
            "parallelLevel": 0,
            "deviceType": "cpu",
            "continuousBatching": False,
            "useJobTicket": False,
            "useVenv": False,
            "stateful": False,
            "sequenceMaxIdleMSec": 0,
            "sequenceTimeoutMSec": 0,
            "maxNumSequence": 0,
            "maxSequenceJobQueueSize": 0,
            "loadedAtStartup": facts.is_startup,
            "workers": [_worker(worker, facts.started) for worker in situation.workers],
            "jobQueueStatus": {
                "remainingCapacity": max(contract.queue_size - situation.waiting, 0),
                "pendingRequests": situation.waiting,
            },
        }
    ]


def _worker(state: WorkerState, started: datetime) -> dict[str, object]:
    return {
        "id": str(_FIRST_ID + state.number - 1),
        "startTime": f"{started:%Y-%m-%dT%H:%M:%S}.{started.microsecond // 1000:03d}Z",
        "status": "READY" if state.state in {"idle", "busy"} else "UNLOADING",
        "memoryUsage": state.rss_bytes,
        "pid": -1 if state.pid is None else state.pid,
        "gpu": False,
        "gpuUsage": "N/A",
    }


def server_document() -> dict[str, object]:
    """Return what this server answers, as OpenAPI. TorchServe's own document is another, far longer one."""
    return _document(
        "SageMaker model container",
        {
            "/ping": _operations(get="Whether requests are answered"),
            "/invocations": _operations(post="Ask the only model, or the one that 'model_name' names"),
            "/models": _operations(get="List models", post="Load a model: {model_name, url}"),
            "/models/{model_name}": _operations(get="Describe a model", delete="Unload a model"),
            "/models/{model_name}/invoke": _operations(post="Ask a model"),
            "/predictions/{model_name}": _operations(post="Ask a model"),
            "/metrics": _operations(get="Metrics, in Prometheus text form"),
            "/api-description": _operations(get="This document"),
        },
    )


def model_document(name: str) -> dict[str, object]:
    """Return how to ask one model, as OpenAPI. TorchServe's own document is another one."""
    return _document(
        f"RESTful API for: {name}",
        {
            f"/models/{name}": _operations(get="Describe the model", delete="Unload the model"),
            f"/models/{name}/invoke": _operations(post="Ask the model"),
            f"/predictions/{name}": _operations(post="Ask the model"),
        },
    )


def _document(title: str, paths: Mapping[str, object]) -> dict[str, object]:
    return {"openapi": "3.0.1", "info": {"title": title, "version": VERSION}, "paths": dict(paths)}


def _operations(**summaries: str) -> dict[str, object]:
    return {
        method: {"summary": summary, "responses": {"200": {"description": "OK"}}}
        for method, summary in summaries.items()
    }
