"""Who we are, and what the account can do: STS, IAM, ECR and Service Quotas."""

import re

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, translated
from orchestrator.core.errors import CloudError, DeniedError
from orchestrator.core.trust import SAGEMAKER, lets_sagemaker

# ECR user guide, "Amazon ECR registries"; the tag and the digest are Docker's.
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[^:@\s]+)(:(?P<tag>[^:@\s]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class AwsAccount:
    """The `Account` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._quotas: dict[str, int] | None = None

    def identity(self) -> str:
        """Return the caller's ARN."""
        with translated("asking AWS who we are"):
            return str(self._clients("sts").get_caller_identity()["Arn"])

    def role_problem(self, arn: str) -> str:
        """Return why SageMaker cannot assume the role; empty if its trust policy lets SageMaker.

        Conditions of the policy are not judged.

        Raises:
            DeniedError: If we may not look.
        """
        name = arn.rpartition("/")[2]
        with translated(f"looking at role '{arn}'"):
            try:
                role = self._clients("iam").get_role(RoleName=name)["Role"]
            except ClientError as error:
                if code_of(error) != "NoSuchEntity":
                    raise
                return f"role '{arn}' does not exist in this account"
        if role["Arn"] != arn:
            return f"role '{arn}' does not exist in this account; its '{name}' is '{role['Arn']}'"
        if not lets_sagemaker(role.get("AssumeRolePolicyDocument")):
            return f"the trust policy of role '{arn}' does not let {SAGEMAKER} assume it"
        return ""

    def image_problem(self, image: str) -> str:
        """Return why the image cannot be pulled; empty if ECR has it.

        Asks with BatchGetImage, which is part of pulling: policies that let other accounts pull grant it.

        Raises:
            DeniedError: If we may not look, or cannot, since the image is not in ECR or in another region.
        """
        known = _ECR.fullmatch(image)
        if known is None:
            raise DeniedError(f"image '{image}' is not in ECR: nobody here can look")
        api = self._clients("ecr")
        if known["region"] != api.meta.region_name:
            raise DeniedError(f"image '{image}' is in region '{known['region']}', where we do not look")
        wanted = (
            {"imageDigest": known["digest"]} if known["digest"] else {"imageTag": known["tag"] or "latest"}
        )
        with translated(f"looking at image '{image}'"):
            try:
                answer = api.batch_get_image(
                    registryId=known["account"], repositoryName=known["repository"], imageIds=[wanted]
                )
            except ClientError as error:
                if code_of(error) != "RepositoryNotFoundException":
                    raise
                if known["account"] not in self.identity().split(":"):
                    # AWS's own registries do not tell strangers more than that.
                    raise _elsewhere(image, known["account"]) from error
                return f"repository '{known['repository']}' does not exist in account {known['account']}"
        return "" if answer["images"] else f"image '{image}' does not exist"

    def instance_quota(self, instance_type: str) -> int | None:
        """Return how many instances of a type endpoints may use; ``None`` if AWS does not say.

        All quotas of SageMaker are read the first time: Service Quotas finds none by its name.
        """
        if self._quotas is None:
            self._quotas = self._read_quotas()
        return self._quotas.get(f"{instance_type} for endpoint usage")

    def _read_quotas(self) -> dict[str, int]:
        try:
            with translated("reading the quotas of SageMaker"):
                pages = self._clients("service-quotas").get_paginator("list_service_quotas")
                return {
                    quota["QuotaName"]: int(quota["Value"])
                    for page in pages.paginate(ServiceCode="sagemaker")
                    for quota in page["Quotas"]
                }
        except CloudError:
            # A quota is for a warning; a plan does not fail for the want of it.
            return {}


def _elsewhere(image: str, account: str) -> DeniedError:
    return DeniedError(f"image '{image}' is in account {account}, not in ours")
