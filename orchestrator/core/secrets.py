"""Which files are secrets, or hold one, by their name and by what they begin with.

Whoever can read an artifact can read everything in it, and artifacts are kept for years. So these rules look
for what is certainly a credential and let the rest through: placeholders, examples of the documentation, and
code that asks for a credential when it runs.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

MAX_TEXT_BYTES = 1024 * 1024
"""How much of a file is looked at. Larger files, and those with a zero byte in it, are taken for no text."""

# Matched in lower case against the end of the path, component by component.
_NAMES = {
    ".env": "a file of environment variables",
    ".env.*": "a file of environment variables",
    ".netrc": "a file of passwords",
    "_netrc": "a file of passwords",
    ".pgpass": "a file of passwords",
    ".pypirc": "a file of passwords",
    ".git-credentials": "a file of passwords",
    ".htpasswd": "a file of passwords",
    ".aws/credentials": "a file of AWS credentials",
    ".docker/config.json": "a file of registry credentials",
    ".kube/config": "a file of cluster credentials",
    "*.pem": "a key or certificate file",
    "*.key": "a key file",
    "*.p12": "a key store",
    "*.pfx": "a key store",
    "*.jks": "a key store",
    "*.keystore": "a key store",
    "*.ppk": "a private key",
    "id_rsa": "a private key",
    "id_dsa": "a private key",
    "id_ecdsa": "a private key",
    "id_ed25519": "a private key",
}
_TEMPLATES = (".env.example", ".env.sample", ".env.template", ".env.dist")
_PUBLIC = re.compile(rb"-----BEGIN (?:CERTIFICATE|(?:RSA )?PUBLIC KEY|(?:X9\.42 )?DH PARAMETERS)-----")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern, the literal that every match contains (searched first, because it is fast), and its name.

    Where the pattern has a group, that is the secret's own text, and has to look like chance.
    """

    literal: bytes
    pattern: re.Pattern[bytes]
    kind: str


_RULES = (
    _Rule(
        b"PRIVATE KEY",
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\n|[\s\"'])*[A-Za-z0-9+/=:]{16}"
        ),
        "it holds a private key",
    ),
    _Rule(
        b"aws_secret_access_key",
        re.compile(
            rb"aws_secret_access_key[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
            re.IGNORECASE,
        ),
        "it holds an AWS secret access key",
    ),
    _Rule(
        b"github_pat_",
        re.compile(rb"\bgithub_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
        "it holds a GitHub token",
    ),
    *(
        _Rule(prefix, re.compile(rb"\b" + prefix + rb"([A-Za-z0-9]{36})\b"), "it holds a GitHub token")
        for prefix in (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")
    ),
    _Rule(b"hf_", re.compile(rb"\bhf_([A-Za-z0-9]{34,40})\b"), "it holds a Hugging Face token"),
    _Rule(b"xox", re.compile(rb"\bxox[abeoprs]-([A-Za-z0-9-]{20,})"), "it holds a Slack token"),
    _Rule(
        b"_authToken",
        re.compile(rb"_authToken\s*=\s*[\"']?([A-Za-z0-9_/+=.-]{20,})"),
        "it holds a package registry's token",
    ),
)
_SERVICE_ACCOUNT = re.compile(rb"\"type\"\s*:\s*\"service_account\"")
_KEY_ID = re.compile(rb"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])")
_SECRET_KEY = re.compile(rb"(?<![A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_NEAR_BYTES = 400
_DOCUMENTED = b"EXAMPLE"
_MIN_DISTINCT = 10


def found_in(path: str, head: bytes) -> str:
    """Return which kind of secret the file ``path`` is or holds; empty if none is known.

    The answer never quotes the file.

    Args:
        path: With ``/`` between folders.
        head: The file's first bytes; more than `MAX_TEXT_BYTES` say that it is no text.

    >>> found_in("code/.env", b""), found_in("code/net.py", b"import torch")
    ('it is a file of environment variables', '')
    """
    if kind := _by_name(path, head):
        return f"it is {kind}"
    if len(head) > MAX_TEXT_BYTES or b"\0" in head:
        return ""
    folded = head.lower()
    for rule in _RULES:
        if rule.literal.lower() in folded and any(map(_is_real, rule.pattern.finditer(head))):
            return rule.kind
    if _SERVICE_ACCOUNT.search(head) and b'"private_key"' in head:
        return "it holds a Google service account's key"
    return "it holds AWS credentials" if _has_key_pair(head) else ""


def _by_name(path: str, head: bytes) -> str:
    components = path.lower().split("/")
    name = components[-1]
    if name in _TEMPLATES or (name.endswith(".pem") and _is_public(head)):
        return ""
    for pattern, kind in _NAMES.items():
        depth = pattern.count("/") + 1
        if fnmatchcase("/".join(components[-depth:]), pattern):
            return kind
    return ""


def _is_public(head: bytes) -> bool:
    # A bundle of authorities, or a key to check signatures with: many clients need one.
    return _PUBLIC.search(head) is not None and b"PRIVATE KEY" not in head


def _has_key_pair(head: bytes) -> bool:
    """Tell whether an access key ID stands near something that could be its secret."""
    for key in _KEY_ID.finditer(head):
        if key[0].endswith(_DOCUMENTED):
            continue
        near = head[max(0, key.start() - _NEAR_BYTES) : key.end() + _NEAR_BYTES]
        if any(map(_is_real, _SECRET_KEY.finditer(near))):
            return True
    return False


def _is_real(match: re.Match[bytes]) -> bool:
    """Tell a secret from a placeholder such as ``xxxx...``, an example, or a hexadecimal digest."""
    if not match.re.groups:
        return True
    text = match[1]
    mixed = re.search(rb"[a-z]", text) and re.search(rb"[A-Z]", text) and re.search(rb"[0-9]", text)
    has_chance = len(set(text)) >= _MIN_DISTINCT and mixed is not None
    return has_chance and _DOCUMENTED not in text
