"""The forms that requests and answers take on the wire: who calls, and how errors are written."""

import json
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.defaults import REGION

JSON_1_1 = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded"

# SigV4: Authorization: AWS4-HMAC-SHA256 Credential=KEY/date/region/service/aws4_request, ...; a presigned
# URL carries the same in its query.
_CREDENTIAL = re.compile(r"(?P<key>[^/=\s]+)/\d{8}/(?P<region>[^/]*)/(?P<service>[^/]+)/aws4_request")
# SigV2: Authorization: AWS KEY:signature, or AWSAccessKeyId in the query.
_OLD_KEY = re.compile(r"AWS (?P<key>[^:\s]+):")
# Keys of IAM users begin so; those of assumed roles, which moto hands out, begin with ASIA.
_REAL_KEY = "AKIA"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_REQUEST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, for which region and service; empty where an unsigned request does not say."""

    access_key: str = ""
    region: str = REGION
    service: str = ""


def caller(request: Request) -> Caller:
    """Return who signed ``request``. No signature is ever checked."""
    authorization = request.headers.get("authorization", "")
    found = _CREDENTIAL.search(authorization) or _CREDENTIAL.search(
        request.query_params.get("X-Amz-Credential", "")
    )
    old = _OLD_KEY.match(authorization)
    key = found["key"] if found else old["key"] if old else request.query_params.get("AWSAccessKeyId", "")
    return Caller(key, found["region"] or REGION, found["service"]) if found else Caller(key)


def check_throwaway(who: Caller) -> None:
    """Check that nobody sends us credentials that open anything elsewhere.

    Raises:
        ApiError: If the access key looks like a real one.
    """
    if who.access_key.startswith(_REAL_KEY):
        raise ApiError(
            "RealCredentialsRefused",
            f"the access key {_REAL_KEY}... looks real, the local cloud takes only throw-away credentials "
            "such as 'local'",
            status=403,
        )


def operation_of(request: Request) -> str:
    """Return what a request asks for, as far as its header and its path tell."""
    _, _, operation = request.headers.get("x-amz-target", "").rpartition(".")
    return operation or f"{request.method} {request.url.path}"


def error_answer(error: ApiError, request: Request, service: str) -> Response:
    """Return ``error`` in the form that the client of ``service`` reads.

    S3 and the query services (IAM, STS, SNS and others) write errors in XML, all others in JSON.
    """
    code, message = escape(error.code), escape(error.message)
    written = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "s3":
        return Response(f"<Error>{written}</Error>", error.status, media_type="application/xml")
    is_json = "x-amz-target" in request.headers
    if request.headers.get("content-type", "").startswith(FORM) and not is_json:
        body = f"<ErrorResponse><Error><Type>Sender</Type>{written}</Error></ErrorResponse>"
        return Response(body, error.status, media_type="text/xml")
    return JSONResponse(
        {"__type": error.code, "message": error.message},
        error.status,
        # The JSON protocols of AWS read the code from `__type` or from this header.
        {"x-amzn-errortype": error.code},
        media_type=JSON_1_1,
    )


async def read(request: Request) -> bytes:
    """Return the whole body of a request that is small by its nature.

    Raises:
        ApiError: If it is not.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_REQUEST_BYTES:
            raise ApiError("RequestEntityTooLarge", "the request is too large", status=413)
    return bytes(body)


def parsed(body: bytes) -> object:
    """Return what a body of JSON says; an empty one is an empty object.

    Raises:
        ApiError: If it is no JSON.
    """
    try:
        content: object = json.loads(body or b"{}")
        if _SURROGATE.search(body):
            # Half a character can be written in JSON, and nowhere else: no disk takes it, no other client.
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", f"the request is not JSON: {error}") from error
    return content
