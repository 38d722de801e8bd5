"""Presigned URLs: whether their time is over. Signatures are not checked: no secret is known here."""

import datetime as dt
from collections.abc import Mapping

from orchestrator.localcloud.apierrors import ApiError

_MOST_SECONDS = 7 * 24 * 3600


def check_expiry(query: Mapping[str, str], now: dt.datetime) -> None:
    """Refuse a presigned URL whose time is over.

    Raises:
        ApiError: If it is.
    """
    expired = False
    if "X-Amz-Expires" in query:
        try:
            signed = dt.datetime.strptime(query.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(
                tzinfo=dt.UTC
            )
            seconds = int(query["X-Amz-Expires"])
        except ValueError as error:
            raise _bad_parameters("X-Amz-Expires and X-Amz-Date must be a number and a moment") from error
        if not 0 <= seconds <= _MOST_SECONDS:
            raise _bad_parameters("X-Amz-Expires must be less than a week (in seconds) that is 604800")
        expired = now > signed + dt.timedelta(seconds=seconds)
    elif "Signature" in query and query.get("Expires", "").isdecimal():
        expired = now.timestamp() > int(query["Expires"])
    if expired:
        raise ApiError("AccessDenied", "Request has expired", status=403)


def _bad_parameters(message: str) -> ApiError:
    return ApiError("AuthorizationQueryParametersError", message)
