"""What every client's script begins with: a role, a bucket, and two models of two weights each.

The scripts run under the interpreter of the client's own environment, which has nothing of this project.
"""

import io
import json
import pathlib
import tarfile
import time

import botocore.session

ROLE = "arn:aws:iam::123456789012:role/clients"
SOURCE = pathlib.Path(__file__).parent / "model"
IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"
ROWS = [[1.0, 2.0], [3.0, 4.0]]
ONE, TWO = [3.0, 7.0], [6.0, 14.0]
"""What the models ``one`` and ``two`` answer to `ROWS`."""

_TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
_WEIGHTS = {"one": [1.0, 1.0], "two": [2.0, 2.0]}
_begun = [time.monotonic()]


def begin(bucket):
    """Make the role and the bucket, with both models as archives: with their code, and without."""
    session = botocore.session.get_session()
    iam, s3 = session.create_client("iam"), session.create_client("s3")
    try:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [_TRUST]})
        iam.create_role(RoleName="clients", AssumeRolePolicyDocument=policy)
        full = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        iam.attach_role_policy(RoleName="clients", PolicyArn=full)
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for name in _WEIGHTS:
        s3.put_object(Bucket=bucket, Key=f"bare/{name}.tar.gz", Body=archive(name, with_code=False))
        s3.put_object(Bucket=bucket, Key=f"whole/{name}.tar.gz", Body=archive(name, with_code=True))
    step("role, bucket and models")


def archive(name, *, with_code):
    """Return a ``model.tar.gz``."""
    members = {"weights.json": json.dumps(_WEIGHTS[name]).encode()}
    if with_code:
        # By the name that the container looks for, and by that which the SDK tells it.
        for program in ("inference.py", "predict.py"):
            members[f"code/{program}"] = (SOURCE / "predict.py").read_bytes()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for path, content in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def step(name):
    """Say that something works, and how long it took."""
    now = time.monotonic()
    print(f"ok  {name} ({now - _begun[0]:.1f} s)", flush=True)
    _begun[0] = now


def expect(found, wanted):
    """End the script if ``found`` is not what it has to be."""
    if found != wanted:
        raise SystemExit(f"failed: {found!r} is not {wanted!r}")
