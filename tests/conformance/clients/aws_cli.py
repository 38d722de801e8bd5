"""The AWS CLI, as in a release script: only the variables of the local cloud are set."""

import json
import pathlib
import subprocess
import sys
import tempfile

import setting
from setting import IMAGE, ONE, ROLE, ROWS, TWO, expect, step

BUCKET = "aws-cli"
_AWS = pathlib.Path(sys.executable).with_name("aws")


def aws(*arguments, fails=False):
    """Return what a command prints: JSON as values, everything else as text."""
    done = subprocess.run([_AWS, *arguments], capture_output=True, text=True, check=False)
    if (done.returncode != 0) != fails:
        raise SystemExit(f"failed: aws {' '.join(arguments)}: {done.returncode} {done.stderr}")
    if fails:
        return done.stderr.strip()
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError:
        return done.stdout


def main():
    setting.begin(BUCKET)
    with tempfile.TemporaryDirectory() as folder:
        deploy(pathlib.Path(folder))
        update(pathlib.Path(folder))
        objects(pathlib.Path(folder))
    others()


def deploy(folder):
    for name in ("one", "two"):
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/whole/{name}.tar.gz"}
        aws(
            "sagemaker",
            "create-model",
            "--model-name",
            f"cli-{name}",
            "--execution-role-arn",
            ROLE,
            "--primary-container",
            json.dumps(container),
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": f"cli-{name}",
            "InstanceType": "ml.m5.xlarge",
            "InitialInstanceCount": 2,
        }
        aws(
            "sagemaker",
            "create-endpoint-config",
            "--endpoint-config-name",
            f"cli-{name}",
            "--production-variants",
            json.dumps([variant]),
            "--tags",
            "Key=team,Value=ml",
        )
    aws("sagemaker", "create-endpoint", "--endpoint-name", "cli", "--endpoint-config-name", "cli-one")
    aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", "cli")
    expect(ask(folder), ONE)
    step("create-model, create-endpoint-config, create-endpoint, wait, invoke-endpoint")
    refused = aws(
        "sagemaker",
        "create-endpoint",
        "--endpoint-name",
        "cli",
        "--endpoint-config-name",
        "cli-one",
        fails=True,
    )
    expect("Cannot create already existing endpoint" in refused, True)
    expect("ValidationException" in refused, True)
    missing = aws("sagemaker", "describe-endpoint", "--endpoint-name", "nobody", fails=True)
    expect('Could not find endpoint "' in missing, True)
    step("refusals")


def ask(folder):
    (folder / "body.json").write_text(json.dumps(ROWS))
    answered = aws(
        "sagemaker-runtime",
        "invoke-endpoint",
        "--endpoint-name",
        "cli",
        "--content-type",
        "application/json",
        "--accept",
        "application/json",
        "--body",
        f"fileb://{folder / 'body.json'}",
        str(folder / "answer.json"),
    )
    expect(answered["InvokedProductionVariant"], "AllTraffic")
    return json.loads((folder / "answer.json").read_text())


def update(folder):
    canary = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 10,
                "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
            },
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 600,
        }
    }
    aws(
        "sagemaker",
        "update-endpoint",
        "--endpoint-name",
        "cli",
        "--endpoint-config-name",
        "cli-two",
        "--deployment-config",
        json.dumps(canary),
    )
    moving = aws("sagemaker", "describe-endpoint", "--endpoint-name", "cli")
    expect(moving["EndpointStatus"], "Updating")
    expect(moving["PendingDeploymentSummary"]["EndpointConfigName"], "cli-two")
    refused = aws("sagemaker", "delete-endpoint", "--endpoint-name", "cli", fails=True)
    expect("Cannot update in-progress endpoint" in refused, True)
    aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", "cli")
    settled = aws("sagemaker", "describe-endpoint", "--endpoint-name", "cli")
    expect(settled["EndpointConfigName"], "cli-two")
    expect(ask(folder), TWO)
    step("update-endpoint with a canary")
    aws("sagemaker", "delete-endpoint", "--endpoint-name", "cli")
    aws("sagemaker", "wait", "endpoint-deleted", "--endpoint-name", "cli")
    found = aws("sagemaker", "list-endpoint-configs", "--name-contains", "cli-")
    expect(sorted(one["EndpointConfigName"] for one in found["EndpointConfigs"]), ["cli-one", "cli-two"])
    step("delete-endpoint, list-endpoint-configs")


def objects(folder):
    big = folder / "big.bin"
    big.write_bytes(bytes(range(256)) * 80_000)
    aws("s3", "cp", str(big), f"s3://{BUCKET}/big.bin")
    aws("s3", "cp", f"s3://{BUCKET}/big.bin", str(folder / "again.bin"))
    expect((folder / "again.bin").read_bytes() == big.read_bytes(), True)
    expect("big.bin" in aws("s3", "ls", f"s3://{BUCKET}"), True)
    aws("s3", "sync", str(folder), f"s3://{BUCKET}/synced", "--exclude", "*.bin")
    expect("body.json" in aws("s3", "ls", f"s3://{BUCKET}/synced/"), True)
    aws("s3", "rm", f"s3://{BUCKET}/synced", "--recursive")
    step("s3 cp, ls, sync, rm")


def others():
    expect(aws("sts", "get-caller-identity")["Account"], "123456789012")
    aws(
        "cloudwatch",
        "put-metric-alarm",
        "--alarm-name",
        "cli",
        "--metric-name",
        "Invocations",
        "--namespace",
        "AWS/SageMaker",
        "--statistic",
        "Sum",
        "--period",
        "60",
        "--evaluation-periods",
        "1",
        "--threshold",
        "1",
        "--comparison-operator",
        "GreaterThanThreshold",
    )
    found = aws("cloudwatch", "describe-alarms", "--alarm-names", "cli")
    expect([one["AlarmName"] for one in found["MetricAlarms"]], ["cli"])
    groups = aws("logs", "describe-log-groups", "--log-group-name-prefix", "/aws/sagemaker/Endpoints/cli")
    expect([one["logGroupName"] for one in groups["logGroups"]], ["/aws/sagemaker/Endpoints/cli"])
    step("sts, cloudwatch, logs")


if __name__ == "__main__":
    main()
