"""What clients of a local cloud have to know: credentials, region and account.

The credentials open nothing but the local cloud, and it takes no real ones.
"""

REGION = "eu-west-1"
ACCOUNT = "123456789012"
"""The account of every caller that did not assume a role of another one: moto's default."""

ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105 - a throw-away value that nothing ever checks

PORT = 4570
"""Where the local cloud listens unless that port is taken or another is asked for."""


def client_environment(url: str) -> dict[str, str]:
    """Return the variables that point any AWS client at the local cloud at ``url``.

    ``AWS_SESSION_TOKEN`` and ``AWS_PROFILE`` have to be unset besides. botocore sends requests for
    127.0.0.1 to ``HTTP_PROXY`` unless ``NO_PROXY`` names it.

    >>> client_environment("http://127.0.0.1:4570")["AWS_ENDPOINT_URL"]
    'http://127.0.0.1:4570'
    """
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "NO_PROXY": "127.0.0.1,localhost",
    }
