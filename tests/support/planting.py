"""Faults that are planted for real into a healthy project and its account, for `doctor` to find."""

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.adapters.processes import LocalProcesses
from orchestrator.core.lock import TTL_SECONDS, Claim, encode
from orchestrator.core.names import lock_key
from orchestrator.localcloud.defaults import ACCOUNT, REGION
from tests.support.clouds import TestCloud
from tests.support.doctored import IAM, Site, answering, make_bucket, policy, trust

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
SNS = f"arn:aws:sns:{REGION}:{ACCOUNT}"


@dataclass(frozen=True)
class Fault:
    """What is planted, which check has to find it, and how badly.

    Attributes:
        word: Something that the finding has to say.
        fix: Something that its fix has to say.
        also: A check that has to find something, too, since the fault is planted by another.
    """

    plant: Callable[[Site], None]
    check: str
    severity: str
    word: str
    fix: str
    env: str = "prod"
    also: str = ""


def setenv(name: str, value: str) -> Callable[[Site], None]:
    return lambda site: site.shell.setenv(name, value)


def contain(text: str) -> Callable[[Site], None]:
    return lambda site: site.change("[policy]", f"[container]\n{text}\n\n[policy]")


def write(path: str, text: str) -> Callable[[Site], None]:
    def plant(site: Site) -> None:
        (site.folder / path).write_text(text)

    return plant


def remove(path: str) -> Callable[[Site], None]:
    return lambda site: (site.folder / path).unlink()


def change(before: str, after: str) -> Callable[[Site], None]:
    return lambda site: site.change(before, after)


def add(text: str) -> Callable[[Site], None]:
    return lambda site: site.add(text)


def loosen_state(site: Site) -> None:
    site.cloud.state_dir.chmod(0o755)
    site.undone.callback(site.cloud.state_dir.chmod, 0o700)


def loosen_credentials(site: Site) -> None:
    keys = site.folder / "aws-credentials"
    keys.write_text("[default]\n")
    keys.chmod(0o644)


def install_old_moto(site: Site) -> None:
    found = site.folder / "site-packages" / "moto-4.0.0.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: moto\nVersion: 4.0.0\n")
    site.shell.syspath_prepend(str(found.parent))


def install_too_new(site: Site) -> None:
    found = site.folder / "site-packages" / "newish-1.0.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: newish\nVersion: 1.0\nRequires-Python: >=3.14\n"
    )
    site.shell.syspath_prepend(str(found.parent))
    require("newish==1.0\n")(site)


def require(text: str) -> Callable[[Site], None]:
    def plant(site: Site) -> None:
        (site.folder / "requirements.txt").write_text(text)
        site.change("[entrypoint]", '[package]\nrequirements = "requirements.txt"\n\n[entrypoint]')

    return plant


def shadow(site: Site) -> None:
    (site.folder / "src" / "net.py").rename(site.folder / "json.py")
    site.change("src/net.py", "json.py")


def leak(site: Site) -> None:
    (site.folder / "extra").mkdir()
    (site.folder / "extra" / ".env").write_text("TOKEN=x\n")
    site.change("[entrypoint]", '[package]\ninclude = ["extra/*"]\n\n[entrypoint]')


def ignore_addresses(site: Site) -> None:
    # Without a region nobody is asked: the calls would go to AWS itself.
    site.change(f'region = "{REGION}"', "")
    site.shell.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")


def forget_keys(site: Site) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        site.shell.delenv(name)


def lose_token(site: Site) -> None:
    forget_keys(site)
    site.shell.setenv("AWS_ROLE_ARN", site.role)
    site.shell.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")


def refuse_keys(site: Site) -> None:
    body = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>"
        "<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"
    )
    site.shell.setenv("AWS_ENDPOINT_URL_STS", site.undone.enter_context(answering(403, body, time.time())))


def set_clock_back(site: Site) -> None:
    body = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult>"
        f"<Arn>{IAM}:user/ada</Arn><UserId>A</UserId><Account>{ACCOUNT}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    site.change(f'assume_role_arn = "{site.deployer}"\n', "")
    at = time.time() + 3600
    site.shell.setenv("AWS_ENDPOINT_URL_STS", site.undone.enter_context(answering(200, body, at)))


def move_bucket(site: Site) -> None:
    away = f"{site.name}-away"
    s3 = site.cloud.client("s3", region_name="us-west-2")
    make_bucket(s3, away, "us-west-2")
    s3.close()
    site.change(f'bucket = "{site.name}"', f'bucket = "{away}"')


def forbid(action: str) -> Callable[[Site], None]:
    def plant(site: Site) -> None:
        denied = json.dumps(policy(site.name, Action=action))
        site.api("s3").put_bucket_policy(Bucket=site.name, Policy=denied)

    return plant


def disable_key_of_bucket(site: Site) -> None:
    key = site.api("kms").create_key()["KeyMetadata"]["KeyId"]
    site.api("kms").disable_key(KeyId=key)
    usual = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": usual}]}
    site.api("s3").put_bucket_encryption(Bucket=site.name, ServerSideEncryptionConfiguration=rules)


def allow_http(site: Site) -> None:
    site.api("s3").delete_bucket_policy(Bucket=site.name)


def forget_encryption(site: Site) -> None:
    site.api("s3").delete_bucket_encryption(Bucket=site.name)


def open_bucket(site: Site) -> None:
    site.api("s3").delete_public_access_block(Bucket=site.name)


def forget_versions(site: Site) -> None:
    stopped = {"Status": "Suspended"}
    site.api("s3").put_bucket_versioning(Bucket=site.name, VersioningConfiguration=stopped)


def trust_nobody(site: Site) -> None:
    site.api("iam").update_assume_role_policy(
        RoleName=f"{site.name}-sagemaker", PolicyDocument=trust(principal={"Service": "ec2.amazonaws.com"})
    )


def trust_everybody(site: Site) -> None:
    site.api("iam").update_assume_role_policy(RoleName=f"{site.name}-sagemaker", PolicyDocument=trust())


def forbid_passing(site: Site) -> None:
    site.api("iam").delete_role_policy(RoleName=f"{site.name}-deployer", PolicyName="pass")


def disable_key(site: Site) -> None:
    key = site.api("kms").create_key()["KeyMetadata"]["KeyId"]
    site.api("kms").disable_key(KeyId=key)
    site.add(f'kms_key = "{key}"')


def limit(count: int) -> Callable[[Site], None]:
    """Return what wants so many instances of a type of which endpoints may have 20."""

    def plant(site: Site) -> None:
        set_quota(site.cloud, 20)
        site.undone.callback(set_quota, site.cloud, 100)
        site.add(f'endpoint = {{ instance_type = "ml.c5.xlarge", instance_count = {count} }}')

    return plant


def set_quota(cloud: TestCloud, value: int) -> None:
    order = json.dumps({"instance_type": "ml.c5.xlarge", "value": value})
    connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.request("POST", "/_local/quotas", order, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()


def ring_alarm(site: Site) -> None:
    site.api("cloudwatch").put_metric_alarm(
        AlarmName=f"{site.name}-5xx",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": site.name},
            {"Name": "VariantName", "Value": "primary"},
        ],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    site.api("cloudwatch").set_alarm_state(
        AlarmName=f"{site.name}-5xx", StateValue="ALARM", StateReason="planted"
    )
    site.add(f'rollout = {{ alarms = ["{site.name}-5xx"], final_bake_seconds = 600 }}')


def networks(site: Site) -> tuple[str, str]:
    """Return a subnet, and a security group of another VPC."""
    ec2 = site.api("ec2")
    vpcs = [ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    subnet = ec2.create_subnet(VpcId=vpcs[0], CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=site.name, Description="x", VpcId=vpcs[1])["GroupId"]
    return subnet, group


def miss_subnet(site: Site) -> None:
    _, group = networks(site)
    site.add(f'endpoint = {{ vpc = {{ subnets = ["subnet-0a1b2c3d"], security_groups = ["{group}"] }} }}')


def mix_networks(site: Site) -> None:
    subnet, group = networks(site)
    site.add(f'endpoint = {{ vpc = {{ subnets = ["{subnet}"], security_groups = ["{group}"] }} }}')


def miss_topic(site: Site) -> None:
    answers = f'output = "s3://{site.name}/answers", error_topic = "{SNS}:sagemaker-gone"'
    site.add(f'endpoint = {{ mode = "async", async = {{ {answers} }} }}')


def forget_target(site: Site) -> None:
    name, events = f"orchestrator-{site.name}", site.api("events")
    pattern = json.dumps({"source": ["aws.sagemaker"]})
    events.put_rule(Name=name, EventPattern=pattern)
    site.undone.callback(events.delete_rule, Name=name)


def leave_attempt(site: Site) -> None:
    """Leave the lock of somebody whose time is over."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    process = replace(LocalProcesses().ours(), pid=ended.pid, started="0")
    claim = Claim("ada", process, "deploy", "2026-11-22T00:00:00+00:00", TTL_SECONDS, "nonce")
    site.api("s3").put_object(Bucket=site.name, Key=lock_key(site.name), Body=encode(claim))
