import sysconfig
from pathlib import Path

import pytest

from orchestrator.core.secrets import MAX_TEXT_BYTES, found_in

# Put together here, so that no scanner takes this file for a leak.
KEY_ID, SECRET = "AKIA" + "QYLPMN5HNTDOZKA2", "wJalr9Ut/K7MDENGxbPxR2fiCYzz4kQeW8" + "TqLm3s"
SUFFIX = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2"
BEGIN, BODY = "-----BEGIN {}PRIVATE " + "KEY-----", "\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"

NAMED = [
    ".env",
    "code/.env",
    "code/.ENV.production",
    "src/server.pem",
    "id_rsa",
    "keys/id_ed25519",
    ".aws/credentials",
    "home/.aws/credentials",
    ".netrc",
    ".pypirc",
    "a.p12",
    "a.PFX",
    "a.jks",
    "tls.key",
]
HELD = {
    "private key": (BEGIN.format("") + BODY, "a private key"),
    "RSA key": (BEGIN.format("RSA ") + BODY, "a private key"),
    "OpenSSH key": (BEGIN.format("OPENSSH ") + BODY, "a private key"),
    "key in a string": (f'KEY = "{BEGIN.format("")}\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"', "a private key"),
    "AWS pair": (f"id = '{KEY_ID}'\nkey = '{SECRET}'\n", "AWS credentials"),
    "temporary AWS pair": (f"{KEY_ID.replace('AKIA', 'ASIA')},{SECRET}", "AWS credentials"),
    "AWS profile": (f"[default]\naws_secret_access_key = {SECRET}\n", "an AWS secret access key"),
    "AWS variable": (f"export AWS_SECRET_ACCESS_KEY={SECRET}\n", "an AWS secret access key"),
    "GitHub token": (f"token: ghp_{SUFFIX}\n", "a GitHub token"),
    "Hugging Face token": (f"login('hf_{SUFFIX[:34]}')", "a Hugging Face token"),
    "Slack token": (f"SLACK='xoxb-123456789012-{SUFFIX[:24]}'", "a Slack token"),
    "registry token": (f"//npm.example.com/:_authToken={SUFFIX}", "a package registry's token"),
    "service account": (
        '{"type": "service_account", "private_key_id": "x", "private_key": "y"}',
        "a Google service account's key",
    ),
}
HARMLESS = {
    "the documentation's pair": (
        "AKIAIOSFODNN7EXAMPLE\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    ),
    "an ID on its own": KEY_ID,
    "an ID far from anything": KEY_ID + "\n" * 500 + SECRET,
    "an ID near a digest": f"{KEY_ID} {'0123456789abcdef' * 2}01234567",
    "a variable that is read": "key = os.environ['AWS_SECRET_ACCESS_KEY']",
    "placeholders": "aws_secret_access_key = " + "x" * 40 + "\nghp_" + "x" * 36 + "\nhf_" + "a" * 34,
    "a token from the environment": "//npm.example.com/:_authToken=${NPM_TOKEN}",
    "a mention of keys": f"looks for {BEGIN.format('')} in files",
    "a user's account": '{"type": "authorized_user", "private_key": null}',
    "a public key": "-----BEGIN PUBLIC KEY-----" + BODY,
    "half a function's name": "def hf_hub_download_with_a_rather_long_name_indeed(): ...",
}


@pytest.mark.parametrize("path", NAMED)
def test_a_file_with_the_name_of_a_secret_is_found(path: str) -> None:
    assert found_in(path, b"").startswith("it is a ")


@pytest.mark.parametrize("name", HELD)
def test_a_secret_in_a_text_is_found_and_not_quoted(name: str) -> None:
    content, kind = HELD[name]
    assert found_in("src/settings.py", content.encode()) == f"it holds {kind}"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_secret_is_let_through(name: str) -> None:
    assert found_in("src/settings.py", HARMLESS[name].encode()) == ""


@pytest.mark.parametrize(
    "path", ["env.py", "environment", ".env.example", "src/keys.py", "credentials", "a.keys", "id_rsa.py"]
)
def test_an_ordinary_name_is_let_through(path: str) -> None:
    assert found_in(path, b"x = 1") == ""


def test_a_bundle_of_public_certificates_is_let_through_and_one_with_a_key_is_not() -> None:
    bundle = b"-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n"
    assert found_in("ca.pem", bundle) == ""
    assert found_in("ca.pem", bundle + (BEGIN.format("") + BODY).encode())


@pytest.mark.parametrize("label", ["PUBLIC KEY", "RSA PUBLIC KEY", "DH PARAMETERS", "X9.42 DH PARAMETERS"])
def test_what_is_public_in_a_pem_file_is_let_through_and_a_key_beside_it_is_not(label: str) -> None:
    public = f"-----BEGIN {label}-----\nMIID\n-----END {label}-----\n"
    assert found_in("signing.pem", public.encode()) == ""
    assert found_in("signing.pem", (public + BEGIN.format("RSA ") + BODY).encode())


def test_only_texts_of_a_sensible_size_are_looked_into() -> None:
    held = HELD["GitHub token"][0].encode()
    assert found_in("a.bin", b"\0" + held) == ""
    assert found_in("vocabulary.txt", held.ljust(MAX_TEXT_BYTES + 1)) == ""
    assert found_in("vocabulary.txt", held.ljust(MAX_TEXT_BYTES))


def test_this_project_and_the_standard_library_hold_no_secret() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    roots = [
        Path(__file__).parents[2] / "orchestrator",
        library / "json",
        library / "http",
        library / "email",
    ]
    modules = [*library.glob("*.py"), *(file for root in roots for file in root.rglob("*.py"))]
    assert len(modules) > 100
    found = {file.name: found_in(file.name, file.read_bytes()) for file in modules}
    assert {name: kind for name, kind in found.items() if kind} == {}
