"""Data capture of transform jobs: lists of what was read and written.

SageMaker developer guide, model-monitor-data-capture-batch: below the destination a manifest each, in
``input/yyyy/mm/dd/hh/`` and ``output/yyyy/mm/dd/hh/`` of the hour in UTC. How they are called is not said.
"""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping, Sequence

from orchestrator.localcloud.transforms.joining import Stamp


def manifests(job: str, moment: float, listed: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, bytes]:
    """Return the manifests of a job, by their keys below the destination.

    Args:
        job: Its name.
        moment: When it began, in seconds since 1970.
        listed: For ``input`` and ``output``, the prefix of all objects and the rest of their keys.
    """
    hour = dt.datetime.fromtimestamp(moment, dt.UTC)
    return {
        f"{folder}/{hour:%Y/%m/%d/%H}/{job}.jsonl": json.dumps([{"prefix": prefix}, *names]).encode()
        for folder, (prefix, names) in listed.items()
    }


def stamping(moment: float, identity: Callable[[], object] = uuid.uuid4) -> Stamp:
    """Return what gives each record of an output an id of its own and the moment that its job began.

    >>> stamping(0.0, lambda: "1f1d57b1")()
    (('SageMakerInferenceId', '1f1d57b1'), ('SageMakerInferenceTime', '1970-01-01T00:00:00Z'))
    """
    began = f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

    def stamp() -> Sequence[tuple[str, str]]:
        return (("SageMakerInferenceId", str(identity())), ("SageMakerInferenceTime", began))

    return stamp
