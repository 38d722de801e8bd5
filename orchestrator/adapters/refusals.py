"""What botocore raises, as errors of ours.

Knows AWS's error codes and botocore's exceptions; must not know what a call is for.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from orchestrator.adapters.retrying import THROTTLED_CODES
from orchestrator.adapters.servicemodels import regions
from orchestrator.core.errors import (
    CloudError,
    DeniedError,
    Detail,
    NotFoundError,
    OrchestratorError,
    QuotaError,
    SpecError,
    ThrottledError,
    UnreachableError,
)

CREDENTIALS_HINT = (
    "aws sts get-caller-identity          who AWS thinks you are\n"
    "orchestrator deploy --env local      needs no account"
)
_REGION_HINT = "set 'region' in [defaults] or [env.NAME] of the spec, or ORCHESTRATOR_REGION"
# https://SERVICE.REGION.amazonaws.com, and the names of other partitions and of dual stack
_REGION_OF_ADDRESS = re.compile(r"https://[\w.-]+?\.([a-z]+(?:-[a-z]+)+-\d+)\.(?:amazonaws|api)\.")
_DENIED_CODES = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "403",
}
# Not that we may not, but that nobody knows who we are: of AssumeRole, no fault of the role's.
_UNKNOWN_CODES = _DENIED_CODES - {"AccessDenied", "AccessDeniedException", "NotAuthorized", "403"}
_NOT_FOUND_CODES = {
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchResourceException",
    "NotFound",
    "ObjectNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_QUOTA_CODES = {
    "LimitExceeded",
    "LimitExceededException",
    "LimitExceededFault",
    "ResourceLimitExceeded",
    "ServiceQuotaExceededException",
}
# "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances, with ..."
_QUOTA_NAME = re.compile(r"limit '([^']+)'")
# The data plane's words: "Endpoint digits of account 123456789012 not found."
_NO_ENDPOINT = re.compile(r"^Endpoint \S+ of account \d+ not found")
_INTERNAL = 500


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what botocore raises while ``doing`` something into our errors.

    Raises:
        SpecError: If there is no region, or none could have such a name.
        DeniedError: For missing, expired or insufficient credentials.
        ThrottledError: If AWS asks for fewer requests, after all retries.
        UnreachableError: If no answer came, or AWS failed, after all retries.
        QuotaError: If the account may not have that many.
        NotFoundError: If AWS knows nothing of that name.
        CloudError: For everything else.
    """
    try:
        yield
    except (NoRegionError, InvalidRegionError) as error:
        raise SpecError(f"{doing}: {_text(error)}", hint=_REGION_HINT) from error
    except (
        NoCredentialsError,
        PartialCredentialsError,
        CredentialRetrievalError,
        ProfileNotFound,
    ) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint=CREDENTIALS_HINT) from error
    except (TokenRetrievalError, SSOError) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint="aws sso login") from error
    except LoginError as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint="aws login") from error
    except (HTTPClientError, NoConnectionError, IncompleteReadError) as error:
        raise UnreachableError(
            f"{doing}: AWS could not be reached",
            details=[("cause", _text(error)), *_unknown_region(str(error))],
            hint="check the network and the region; nothing is lost: run the same command again",
        ) from error
    except ClientError as error:
        raise _refusal(doing, error) from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {_text(error)}") from error


def _unknown_region(words: str) -> list[Detail]:
    """Return what is to be told of an address without an answer, if botocore knows no such region.

    It may be newer than botocore is: so it was asked nevertheless, and this is told when that was of no use.
    """
    found = _REGION_OF_ADDRESS.search(words)
    known = regions("sagemaker")
    if found is None or found[1] in known:
        return []
    near = difflib.get_close_matches(found[1], known, n=1)
    meant = f": '{near[0]}' is nearest" if near else ""
    return [("region", f"botocore knows no '{found[1]}'{meant}")]


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """Return AWS's own words."""
    return str(error.response.get("Error", {}).get("Message", ""))


def _refusal(doing: str, error: ClientError) -> OrchestratorError:
    code, words = code_of(error), message_of(error)
    details = [("AWS", f"{code}: {words}")]
    if error.operation_name == "AssumeRole" and _is_final(error) and code not in _UNKNOWN_CODES:
        hint = "aws sts get-caller-identity          who has to be in the role's trust policy"
        return DeniedError(f"{doing}: the role cannot be assumed", details=details, hint=hint)
    if code in _DENIED_CODES:
        return DeniedError(f"{doing} is not permitted", details=details, hint=CREDENTIALS_HINT)
    if code in THROTTLED_CODES:
        return ThrottledError(
            f"{doing}: AWS asks for fewer requests", details=details, hint="run the same command again"
        )
    if code in _QUOTA_CODES:
        return _over_quota(doing, error)
    if code in _NOT_FOUND_CODES or words.startswith("Could not find") or _NO_ENDPOINT.search(words):
        return NotFoundError(f"{doing}: there is no such thing", details=details)
    if _status_of(error) >= _INTERNAL:
        hint = "nothing is lost: run the same command again"
        return UnreachableError(f"{doing}: AWS failed to answer", details=details, hint=hint)
    return CloudError(f"{doing} was refused", details=details)


def _is_final(error: ClientError) -> bool:
    """Tell whether it is of no use to ask again."""
    return code_of(error) not in THROTTLED_CODES and _status_of(error) < _INTERNAL


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _over_quota(doing: str, error: ClientError) -> QuotaError:
    name = _QUOTA_NAME.search(message_of(error))
    quota = f"the quota '{name.group(1)}'" if name else "a quota"
    return QuotaError(
        f"{doing}: {quota} of the account does not allow it",
        details=[
            ("AWS", f"{code_of(error)}: {message_of(error)}"),
            ("state", "this call has changed nothing"),
        ],
        hint="aws service-quotas request-service-quota-increase      ask AWS for more, or ask for less",
    )


def _text(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
