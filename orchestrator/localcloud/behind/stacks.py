"""CloudFormation beyond moto: what it would say it has made, and has not, is refused by name.

moto makes SageMaker's resources in stores of its own, where nothing serves, and leaves out what it does not
know; its stacks are ``CREATE_COMPLETE`` nevertheless.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.localcloud.apierrors import unsupported

_OURS, _CUSTOM = "AWS::SageMaker::", "Custom::"


def install() -> None:
    """Let moto's CloudFormation refuse the templates that it would only pretend to carry out.

    It takes a moment, and few local clouds are asked for stacks: moto's module is imported here.
    """
    from moto.cloudformation.models import ChangeSet, Stack  # noqa: PLC0415 - see above

    for owner, name in ((Stack, "_parse_template"), (ChangeSet, "_parse_template"), (Stack, "update")):
        original = getattr(owner, name)
        if not hasattr(original, "__wrapped__"):
            checked = _looking_before if name == "update" else _looking_after
            setattr(owner, name, checked(original))


def _looking_after(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def method(self: Any) -> None:  # noqa: ANN401 - a stack or a change set
        original(self)
        _check(self.template_dict)

    return method


def _looking_before(original: Callable[..., None]) -> Callable[..., None]:
    """Return an update that leaves the stack as it is if its template is refused."""

    @functools.wraps(original)
    def method(self: Any, template: str, *args: Any, **named: Any) -> None:  # noqa: ANN401 - moto's
        _check(self.parse_template(template))
        original(self, template, *args, **named)

    return method


def _check(template: object) -> None:
    """Check that moto really makes all that a template asks for.

    Raises:
        ApiError: That names the first type that it does not.
    """
    from moto.cloudformation.parsing import NULL_MODELS, get_model_map  # noqa: PLC0415 - as above

    for kind in _types(template):
        is_made = kind.startswith(_CUSTOM) or kind in NULL_MODELS or kind in get_model_map()
        if kind.startswith(_OURS) or not is_made:
            raise unsupported(f"stacks with resources of the type {kind}")


def _types(template: object) -> Iterator[str]:
    resources = template.get("Resources") if isinstance(template, dict) else None
    for resource in resources.values() if isinstance(resources, dict) else ():
        if isinstance(resource, dict) and "Type" in resource:
            yield str(resource["Type"])
