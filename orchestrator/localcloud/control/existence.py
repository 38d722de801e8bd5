"""What a request refers to beyond SageMaker, which has to exist before SageMaker answers: data and roles."""

from collections.abc import Callable, Mapping

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.control import lookups
from orchestrator.localcloud.rules.artifacts import place_of
from orchestrator.localcloud.rules.components import container_asked
from orchestrator.localcloud.rules.modeldata import MULTI_MODEL, ModelData, model_data
from orchestrator.localcloud.rules.records import containers_of
from orchestrator.localcloud.world import Content, Scope, World


def check_model(world: World, request: Content) -> None:
    """Check that the data of a new model and its role exist.

    Raises:
        ApiError: If they do not.
    """
    for container in containers_of(world, request):
        # The models of a multi-model endpoint may come later.
        is_single = container.get("Mode") != MULTI_MODEL
        if is_single and (data := model_data(container)) is not None:
            _check_data(world.scope, data)
    if role := request.get("ExecutionRoleArn"):
        _check_role(world.scope, role)


def check_component(world: World, request: Content) -> None:
    """Check that the data of an inference component exists, if it says itself where it lies.

    Raises:
        ApiError: If it does not.
    """
    if (data := model_data(container_asked(request))) is not None:
        _check_data(world.scope, data)


LOOK_UPS: Mapping[str, Callable[[World, Content], None]] = {
    "CreateModel": check_model,
    "CreateInferenceComponent": check_component,
    "UpdateInferenceComponent": check_component,
}
"""By operation: what is asked once its rules have let a request through."""


def _check_data(scope: Scope, data: ModelData) -> None:
    look = lookups.has_prefix if data.is_uncompressed else lookups.has_object
    if not look(scope, *place_of(data.url)):
        raise invalid(f"Could not find model data at {data.url}.")


def _check_role(scope: Scope, arn: str) -> None:
    # A role of another account is not looked at: nobody asked for it in this one.
    if arn.split(":")[4] == scope.account and not lookups.has_role(scope, arn):
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )
