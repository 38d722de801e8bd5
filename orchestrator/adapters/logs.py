"""CloudWatch Logs: what the containers of an endpoint have written."""

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients, code_of, translated


class CloudWatchLogs:
    """The `Logs` port on boto3. SageMaker writes a stream per instance into one group per endpoint."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("logs")

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        """Return the lines written since ``moment`` (seconds since 1970); none if there is no log."""
        with translated(f"reading the log of endpoint '{endpoint}'"):
            pages = self._api.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}", startTime=max(0, int(moment * 1000))
            )
            try:
                return tuple(event["message"].rstrip("\n") for page in pages for event in page["events"])
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return ()
                raise
