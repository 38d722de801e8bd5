"""What clients of a local cloud have to know: credentials, region and account.

The credentials open nothing but the local cloud, and it takes no real ones.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

REGION = "eu-west-1"
ACCOUNT = "123456789012"
"""The account of every caller that did not assume a role of another one: moto's default."""

ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105 - a throw-away value that nothing ever checks

PORT = 4570
"""Where the local cloud listens unless that port is taken or another is asked for."""

SDK_DEFAULTS = Path(__file__).with_name("sagemaker_sdk.yaml")
"""The default bucket of the SageMaker Python SDK."""


def client_environment(url: str, token: str | None = None) -> dict[str, str]:
    """Return the variables that point any AWS client at the local cloud at ``url``, with its token.

    ``AWS_SESSION_TOKEN`` and ``AWS_PROFILE`` have to be unset besides. botocore sends requests for
    127.0.0.1 to ``HTTP_PROXY`` unless ``NO_PROXY`` names it. The SageMaker Python SDK is told its default
    bucket, as it would ask AWS itself for the account: ``generate_default_sagemaker_bucket_name`` in the
    ``session.py`` of SDK 2.257, the same in 3.27.

    >>> client_environment("http://127.0.0.1:4570")["AWS_ENDPOINT_URL"]
    'http://127.0.0.1:4570'
    """
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": token or ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "NO_PROXY": ",".join(dict.fromkeys(("127.0.0.1", "localhost", urlsplit(url).hostname or ""))),
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(SDK_DEFAULTS),
    }


def stray_variables(environ: Mapping[str, str], url: str) -> list[str]:
    """Return what would keep clients away from the local cloud, although it is in the variables for them.

    Source: AWS SDKs and Tools Reference Guide, service-specific endpoints: a variable of one service counts
    more than the one for all, and all of them can be switched off.

    >>> stray_variables({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}, "http://127.0.0.1:4570")
    ['AWS_ENDPOINT_URL_S3 is set to http://127.0.0.1:9000, and that service goes there: unset it']
    """
    found = [
        f"{name} is set to {value}, and that service goes there: unset it"
        for name, value in sorted(environ.items())
        if value and name.startswith("AWS_ENDPOINT_URL_") and value.rstrip("/") != url
    ]
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        found.append("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set, and clients go to AWS itself: unset it")
    return found
