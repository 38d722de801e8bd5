"""CloudWatch Logs: what the containers of an endpoint have written."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, translated
from orchestrator.core.live import Line, Position, unseen

_PER_SECOND = 1000


class CloudWatchLogs:
    """The `Logs` port on boto3. SageMaker writes a stream per instance into one group per endpoint."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("logs")

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        """Return the lines written since ``moment`` (seconds since 1970); none if there is no log."""
        return tuple(line.text for line in self._lines(endpoint, moment))

    def read(self, endpoint: str, position: Position) -> tuple[tuple[Line, ...], Position]:
        """Return what was written since ``position``, oldest first, each line once; then where to go on.

        CloudWatch finds lines by the time that they carry, not by when they arrived: it is asked for what is
        a little older as well, and what was seen is left out by its id.
        """
        return unseen(position, self._lines(endpoint, position.moment))

    def _lines(self, endpoint: str, moment: float) -> tuple[Line, ...]:
        with translated(f"reading the log of endpoint '{endpoint}'"):
            # A page may be empty and not the last: "you might see empty results ... with nextToken",
            # CloudWatch Logs API reference, FilterLogEvents. The paginator goes on.
            try:
                pages = self._api.get_paginator("filter_log_events").paginate(
                    logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}",
                    startTime=max(0, int(moment * _PER_SECOND)),
                )
                return tuple(_line(event) for page in pages for event in page["events"])
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return ()
                raise


def _line(event: Mapping[str, Any]) -> Line:
    """Return one event as FilterLogEvents has it."""
    return Line(
        text=event["message"].rstrip("\n"),
        at=event["timestamp"] / _PER_SECOND,
        stream=event.get("logStreamName", ""),
        id=event["eventId"],
    )
