"""The specs that `tests.support.verbs` uses: every kind of endpoint there is."""

from dataclasses import dataclass

from orchestrator.localcloud.defaults import REGION
from tests.support import commands

_PROJECT = commands.SPEC.replace('name = "pets"', 'name = "acme-own"').partition("\n[golden]")[0]
SPEC = f"""{_PROJECT}
[policy]
end_of_patch = "allow"
"""
_ENVIRONMENT = """
[env.prod]
region = "{region}"
bucket = "{bucket}"
bucket_owner = "{account}"
kms_key = "{key}"
role_arn = "{execution}"
assume_role_arn = "{deployer}"
tags = {{ team = "ml" }}
"""
_ENDPOINTS = """
[defaults.endpoint]
environment = {{ ROUND = "{round}" }}

[endpoints.acme-canary.endpoint]
instance_count = 2
kms_key = "{key}"
vpc = {{ subnets = ["subnet-0a1b2c3d"], security_groups = ["sg-0a1b2c3d"] }}
capture = {{ destination = "s3://{bucket}/captured/canary", percent = 100, kms_key = "{key}" }}
[endpoints.acme-canary.rollout]
type = "canary"
size_percent = 50
bake_seconds = 60
generate_alarms = {{ error_percent = 50 }}
[endpoints.acme-canary.autoscaling]
min = 2
max = 4
{scaling}

[endpoints.acme-linear.endpoint]
instance_count = 2
[endpoints.acme-linear.rollout]
type = "linear"
size_percent = 50
bake_seconds = 60
judge = {{ min_requests = 10, min_samples = 1 }}

[endpoints.acme-rolling.endpoint]
instance_count = 2
[endpoints.acme-rolling.rollout]
type = "rolling"
size_percent = 50
bake_seconds = 60
generate_alarms = {{ error_percent = 50 }}

[endpoints.acme-split.endpoint.variants.large]
weight = {weight}
[endpoints.acme-split.endpoint.variants.small]
weight = 1

[endpoints.acme-async.endpoint]
mode = "async"
[endpoints.acme-async.endpoint.async]
output = "s3://{bucket}/async/answers"
failure = "s3://{bucket}/async/failures"
kms_key = "{key}"
success_topic = "{topic}"
error_topic = "{topic}"

[endpoints.acme-serverless.endpoint]
mode = "serverless"
serverless = {{ memory_mb = 2048, max_concurrency = 4, provisioned_concurrency = 2 }}
[endpoints.acme-serverless.autoscaling]
min = 1
max = 2
target_utilization = 0.7
"""
_EVERYTHING = """
[defaults.endpoint]
mode = "async"
kms_key = "{key}"
vpc = {{ subnets = ["subnet-0a1b2c3d"], security_groups = ["sg-0a1b2c3d"] }}
async = {{ output = "s3://{bucket}/async/answers", success_topic = "{topic}" }}
"""
_SCALING = """target_invocations_per_instance = 600
schedules = [{ name = "evening", expression = "cron(0 20 * * ? *)", min = 1 }]
[[endpoints.acme-canary.autoscaling.steps]]
name = "errors"
metric = "Invocation5XXErrors"
threshold = 0.5
adjustments = [{ lower = 0, change = 1 }]
"""


@dataclass(frozen=True)
class Account:
    """What the stack of an account gives to a spec.

    Attributes:
        key: The ARN of the KMS key.
        execution: The ARN of a role.
        deployer: The ARN of a role.
        topic: The ARN of the topic.
    """

    id: str
    bucket: str
    key: str
    execution: str
    deployer: str
    topic: str

    @property
    def environment(self) -> str:
        return _ENVIRONMENT.format(region=REGION, account=self.id, **self._names)

    def endpoints(self, turn: int) -> str:
        """Return the tables of all endpoints, different in every turn."""
        # The second turn takes rules away, so that they have to be removed.
        scaling = _SCALING if turn == 1 else "target_invocations_per_instance = 500"
        return _ENDPOINTS.format(round=turn, weight=turn, scaling=scaling, topic=self.topic, **self._names)

    @property
    def everything(self) -> str:
        """Return the tables of an endpoint that names all that an account may lack."""
        return _EVERYTHING.format(topic=self.topic, **self._names)

    @property
    def _names(self) -> dict[str, str]:
        return {
            "bucket": self.bucket,
            "key": self.key,
            "execution": self.execution,
            "deployer": self.deployer,
        }
