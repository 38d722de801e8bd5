"""A healthy project with a healthy account in a local cloud, for faults to be planted in."""

import contextlib
import http.server
import itertools
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import boundary, main
from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from tests.support.clouds import STANDIN, TestCloud, local_cloud
from tests.support.commands import SPEC, write_files

IAM = f"arn:aws:iam::{ACCOUNT}"
ONLY_OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
VARIABLE = "endpoint-variables"
"""What is always found: the account is not AWS's, and a variable says so."""
_NUMBERS = itertools.count(1)
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_KEPT_AWAY = ("AWS_", "ORCHESTRATOR_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Seen:
    """What `orchestrator doctor -o json` said, and ended with."""

    code: int
    document: dict[str, Any]
    err: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["findings"]
        return found

    def of(self, check: str) -> list[dict[str, Any]]:
        return [one for one in self.findings if one["check"] == check]

    def outcome(self, check: str) -> str:
        return next(str(one["outcome"]) for one in self.document["checked"] if one["check"] == check)


@dataclass
class Site:
    """A project of its own in its own folder, and what belongs to it in the account.

    Attributes:
        name: Of the project, its bucket, its roles.
        undone: Called at the end: what is planted in the account is taken out again.
    """

    folder: Path
    cloud: TestCloud
    name: str
    shell: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    undone: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def role(self) -> str:
        return f"{IAM}:role/{self.name}-sagemaker"

    @property
    def deployer(self) -> str:
        return f"{IAM}:role/{self.name}-deployer"

    @property
    def spec(self) -> Path:
        return self.folder / "orchestrator.toml"

    def api(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return self.cloud.client(service)

    def change(self, before: str, after: str) -> None:
        """Change the spec's text."""
        text = self.spec.read_text()
        assert before in text, text
        self.spec.write_text(text.replace(before, after, 1))

    def add(self, text: str, table: str = "[env.prod]") -> None:
        """Add lines to a table of the spec."""
        self.change(f"{table}\n", f"{table}\n{text}\n")

    def doctor(self, *arguments: str) -> Seen:
        self.capsys.readouterr()
        code = boundary.run(main.cli, ["doctor", "-o", "json", *arguments])
        said = self.capsys.readouterr()
        return Seen(code, json.loads(said.out), said.err)

    def run(self, *arguments: str) -> int:
        return boundary.run(main.cli, arguments)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    """Run a local cloud whose state nobody else may read, as `doctor` wants it."""
    state = tmp_path_factory.mktemp("doctor") / "state" / "local-cloud"
    state.mkdir(parents=True, mode=0o700)
    with local_cloud(state, STANDIN) as running:
        yield running


@pytest.fixture
def project(
    cloud: TestCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    """Yield a project whose account has nothing yet; at the end, undo what was planted in the account."""
    made = Site(tmp_path, cloud, f"pets-{next(_NUMBERS)}", monkeypatch, capsys)
    settle(made)
    with made.undone:
        yield made


@pytest.fixture
def site(project: Site) -> Site:
    """Return a project whose account has all that the spec names."""
    furnish(project)
    return project


def settle(site: Site) -> None:
    """Write the project, and point the shell to the account."""
    spec = SPEC.replace('name = "pets"', f'name = "{site.name}"').partition("[env.prod]")[0]
    write_files(
        site.folder,
        f"""{spec}
[policy]
end_of_patch = "allow"
newer_torch = "allow"

[env.prod]
region = "{REGION}"
bucket = "{site.name}"
role_arn = "{site.role}"
assume_role_arn = "{site.deployer}"
""",
    )
    variables = {
        "AWS_ENDPOINT_URL": site.cloud.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(site.folder / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(site.folder / "aws-credentials"),
        "ORCHESTRATOR_STATE_DIR": str(site.cloud.state_dir.parent),
        "NO_PROXY": "127.0.0.1",
    }
    for name in [name for name in os.environ if name.startswith(_KEPT_AWAY)]:
        site.shell.delenv(name)
    for name, value in variables.items():
        site.shell.setenv(name, value)
    site.shell.chdir(site.folder)


def furnish(site: Site) -> None:
    """Give the account all that the spec names."""
    make_bucket(site.api("s3"), site.name, REGION)
    iam = site.api("iam")
    iam.create_role(RoleName=f"{site.name}-sagemaker", AssumeRolePolicyDocument=trust(ONLY_OURS))
    everybody = trust(principal={"AWS": f"{IAM}:root"})
    iam.create_role(RoleName=f"{site.name}-deployer", AssumeRolePolicyDocument=everybody)
    statement = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": site.role}
    iam.put_role_policy(
        RoleName=f"{site.name}-deployer",
        PolicyName="pass",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def make_bucket(s3: Any, name: str, region: str) -> None:  # noqa: ANN401 - boto3 has no types
    """Make a bucket that is as it should be."""
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    blocks = dict.fromkeys(_BLOCKS, True)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocks)
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy(name)))


def policy(bucket: str, **denied: Any) -> dict[str, Any]:  # noqa: ANN401 - a statement's members
    """Return a bucket policy that denies plain HTTP, and whatever else."""
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    tls = {"Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    # The local cloud itself has no TLS: the statement is about everybody and lets none of ours be refused.
    usual = {"Effect": "Deny", "Principal": "*", "Resource": both}
    return {
        "Version": "2012-10-17",
        "Statement": [{**usual, **tls}, *([{**usual, **denied}] if denied else [])],
    }


def trust(condition: object = None, principal: object = None) -> str:
    """Return a trust policy."""
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": principal or {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if condition is not None:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextlib.contextmanager
def answering(status: int, body: str, at: float) -> Iterator[str]:
    """Run an STS that gives the same answer to everything, at another time; yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response_only(status)
            self.send_header("Date", formatdate(at, usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
