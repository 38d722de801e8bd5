"""Who may ask."""

from pathlib import Path

import pytest

from orchestrator.core.errors import SpecError
from orchestrator.serving import server
from orchestrator.serving.front.access import Access, guarded, local
from orchestrator.serving.staff import InPlace

LOCAL = local("127.0.0.1", "127.0.0.1")


def status(
    access: Access, *headers: tuple[str, str], path: bytes = b"/invocations", is_free: bool = False
) -> int:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    refusal = access.refusal(path, raw, is_free=is_free)
    return 200 if refusal is None else refusal.status


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"])
def test_a_local_host_is_answered(host: str) -> None:
    assert status(LOCAL, ("host", host)) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        *(["evil.example"], ["localhost.evil.example:8080"], ["localhost", "evil.example"], [""]),
        *(["localhost:evil"], ["evil.example:80@localhost"], ["127.0.0.1.evil.example"], ["localhost."]),
    ],
)
def test_a_foreign_host_is_misdirected(hosts: list[str]) -> None:
    assert status(LOCAL, *(("host", host) for host in hosts)) == 421


def test_the_name_and_the_address_that_are_listened_on_are_local() -> None:
    access = local("My-Machine", "127.0.0.5")
    assert status(access, ("host", "my-machine:8080")) == 200
    assert status(access, ("host", "127.0.0.5:8080")) == 200
    assert status(local("::1", "::1"), ("host", "[::1]:8080")) == 200


def test_without_a_list_any_host_is_answered() -> None:
    assert status(Access(), ("host", "whoever.example")) == 200


@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
def test_a_page_of_this_server_may_ask_it(scheme: str) -> None:
    headers = (
        ("host", "localhost:8080"),
        ("origin", f"{scheme}://localhost:8080"),
        ("sec-fetch-site", "same-origin"),
    )
    assert status(LOCAL, *headers) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost:3000",
        "http://localhost",
        "file://",
        "localhost:8080",
    ],
)
def test_a_page_of_another_origin_may_not(origin: str) -> None:
    assert status(LOCAL, ("host", "localhost:8080"), ("origin", origin)) == 403
    token = ("authorization", "Bearer secret")
    assert status(guarded("secret"), ("host", "localhost:8080"), ("origin", origin), token) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_embeds_is_not_answered_and_its_link_leads_to_the_page_only(site: str) -> None:
    headers = ("host", "localhost:8080"), ("sec-fetch-site", site)
    assert status(LOCAL, *headers, path=b"/invocations") == 403
    assert status(LOCAL, *headers, path=b"/") == 200


@pytest.mark.parametrize("authorization", ["Bearer secret", "bearer secret", "BEARER  secret "])
def test_the_token_opens(authorization: str) -> None:
    assert status(guarded("secret"), ("host", "any.example"), ("authorization", authorization)) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer guess",
        "Bearer",
        "Bearer ",
        "",
        "secret",
        "Basic secret",
        "Bearer secret2",
        "Bearer Secret",
        "Bearer é",
    ],
)
def test_another_token_does_not(authorization: str) -> None:
    assert status(guarded("secret"), ("authorization", authorization)) == 401


def test_a_missing_token_is_asked_for_but_not_for_what_is_free() -> None:
    refusal = guarded("secret").refusal(b"/invocations", [])
    assert refusal is not None
    assert ("www-authenticate", "Bearer") in refusal.headers
    assert status(guarded("secret"), is_free=True) == 200


def test_a_local_server_may_have_a_token_too() -> None:
    access = local("127.0.0.1", "127.0.0.1", "secret")
    assert status(access, ("host", "localhost")) == 401
    assert status(access, ("host", "localhost"), ("authorization", "Bearer secret")) == 200
    assert status(access, ("host", "evil.example"), ("authorization", "Bearer secret")) == 421


def test_the_rules_do_not_hold_the_token_itself() -> None:
    assert "s3cret-token" not in repr(guarded("s3cret-token"))


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "is empty"), ("  ", "is empty"), ("caf\u00e9", "cannot be sent"), (" s3cret", "cannot be sent")],
)
def test_a_token_that_everybody_knows_or_nobody_can_send_is_refused(token: str, said: str) -> None:
    options = server.Options(InPlace(Path(), {}), host="0.0.0.0", port=0, token=token)  # noqa: S104 - refused before
    with pytest.raises(SpecError, match=f"the token {said}"):
        server.run(options, lambda _: None)
