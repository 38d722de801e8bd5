"""Presigned URLs and forms: whether their time is over. Signatures are not checked: no secret is known."""

import base64
import datetime as dt
import json
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


def check_form(fields: Mapping[str, str], size: int, now: dt.datetime) -> None:
    """Refuse a presigned POST whose time is over, or whose file has not the size that its policy says.

    Args:
        fields: Of the form.
        size: Of the file in bytes.
        now: The moment.

    Raises:
        ApiError: If it is refused.
    """
    if "policy" not in fields:
        return
    try:
        policy = json.loads(base64.b64decode(fields["policy"], validate=True))
        until = dt.datetime.fromisoformat(policy["expiration"])
        ranges = [
            (int(each[1]), int(each[2]))
            for each in policy["conditions"]
            if isinstance(each, list) and each[0] == "content-length-range"
        ]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ApiError("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from error
    if now > (until if until.tzinfo else until.replace(tzinfo=dt.UTC)):
        raise ApiError("AccessDenied", "Invalid according to Policy: Policy expired.", status=403)
    for least, most in ranges:
        if size > most:
            raise ApiError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        if size < least:
            raise ApiError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")


def _bad_parameters(message: str) -> ApiError:
    return ApiError("AuthorizationQueryParametersError", message)
