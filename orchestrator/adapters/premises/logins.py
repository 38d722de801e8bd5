"""Sessions with AWS: whose, where they lead, and what time it is there."""

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import CREDENTIALS_HINT, translated
from orchestrator.core.errors import CloudError, DeniedError
from orchestrator.core.premises import Caller

_NOBODY = "what is at its address does not answer as AWS does"
_SERVICES = ("sts", "s3", "sagemaker", "sagemaker-runtime", "iam", "cloudwatch", "logs")


class AwsLogin:
    """The `Login` port on boto3.

    Args:
        clients: Of the session.
        now: Tells this machine's time, in seconds since 1970.
    """

    def __init__(self, clients: Clients, now: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._now = now
        self._lock = threading.Lock()
        self._answered: Any = None

    def caller(self) -> Caller:
        """Return who we are."""
        answer = self._answer()
        if isinstance(answer, ClientError):
            with translated("asking AWS who we are"):
                raise answer
        return Caller(str(answer["Arn"]), self._skew_seconds(answer["ResponseMetadata"]))

    def skew_seconds(self) -> float | None:
        """Return how far our clock is ahead of AWS's, also where we are refused; ``None`` if unknown."""
        answer = self._answer()
        said = answer.response if isinstance(answer, ClientError) else answer
        return self._skew_seconds(said.get("ResponseMetadata", {}))

    def addresses(self) -> Mapping[str, str]:
        """Return where the calls to each service go."""
        return {service: str(self._clients(service).meta.endpoint_url) for service in _SERVICES}

    def _answer(self) -> Any:  # noqa: ANN401 - boto3's answers have no types
        """Return the answer of GetCallerIdentity, or the refusal, which has a date as well; asked once."""
        with self._lock, translated("asking AWS who we are"):
            if self._answered is None:
                try:
                    self._answered = self._clients("sts").get_caller_identity()
                except ClientError as error:
                    self._answered = error
                except OSError as error:  # botocore lets through what it meets at a token's file
                    what = f"asking AWS who we are: {error.filename or ''}: {error.strerror or error}"
                    raise DeniedError(what, hint=CREDENTIALS_HINT) from error
                except (KeyError, ValueError) as error:  # an address that is none; somebody else's answer
                    raise CloudError(
                        f"asking AWS who we are: {_NOBODY}",
                        details=[("cause", f"{type(error).__name__}: {error}")],
                        hint="unset AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS, and look for a proxy",
                    ) from error
            return self._answered

    def _skew_seconds(self, metadata: Mapping[str, Any]) -> float | None:
        said = metadata.get("HTTPHeaders", {}).get("date")
        try:
            return None if said is None else self._now() - parsedate_to_datetime(said).timestamp()
        except ValueError:
            return None
