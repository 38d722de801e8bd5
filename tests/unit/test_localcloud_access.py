"""Who may talk to a local cloud that has a token."""

import pytest
from starlette.requests import Request

from orchestrator.localcloud.access import Access
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.wire import caller

TOKEN = "a-token-of-ours"  # noqa: S105 - it opens nothing
ACCESS = Access(TOKEN, {"ASIAHANDEDOUT"}.__contains__)


def asked(path: str = "/", *, query: str = "", method: str = "GET", **headers: str) -> Request:
    written = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"h:1"), *written],
            "scheme": "http",
            "server": ("h", 1),
        }
    )


def signed(key: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={key}/20260101/eu-west-1/s3/aws4_request, Signature=0"


@pytest.mark.parametrize(
    "request_",
    [
        asked(x_local_cloud_token=TOKEN),
        asked(authorization=signed(TOKEN)),
        asked(authorization=f"AWS {TOKEN}:signature"),
        asked(authorization=signed("ASIAHANDEDOUT")),
        asked(query=f"X-Amz-Credential={TOKEN}%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"),
        asked("/_local/state", cookie=f"local-cloud-token={TOKEN}"),
    ],
)
def test_who_shows_the_token_comes_in(request_: Request) -> None:
    assert ACCESS.check(request_, caller(request_)) is None


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked(x_local_cloud_token=""),
        asked(x_local_cloud_token=TOKEN + "x"),
        asked(x_local_cloud_token=chr(233)),
        asked(authorization=signed("local")),
        asked(authorization=signed("")),
        asked("/bucket/key", cookie=f"local-cloud-token={TOKEN}"),
        asked("/_localhost", cookie=f"local-cloud-token={TOKEN}"),
        asked("/bucket/key", query=f"token={TOKEN}"),
        asked("/_local/reset", query=f"token={TOKEN}", method="POST"),
        asked("/_local/health"),
    ],
)
def test_who_does_not_is_refused_without_a_word_of_the_token(request_: Request) -> None:
    with pytest.raises(ApiError) as caught:
        ACCESS.check(request_, caller(request_))
    assert caught.value.status == 403
    assert TOKEN not in str(caught.value.message)


def test_a_browser_that_shows_it_in_the_address_gets_a_cookie_and_an_address_without_it() -> None:
    request = asked("/_local", query=f"token={TOKEN}&endpoint=a%26b")
    answer = ACCESS.check(request, caller(request))
    assert answer is not None
    assert answer.status_code == 303
    assert answer.headers["location"] == "/_local?endpoint=a%26b"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"local-cloud-token={TOKEN};")
    assert "HttpOnly" in cookie
    assert "Path=/_local" in cookie
    assert "SameSite=strict" in cookie


def test_without_a_token_nobody_is_asked_for_one() -> None:
    access = Access("", lambda _: False)
    assert access.is_open
    request = asked(query="token=")
    assert access.check(request, caller(request)) is None
