"""A record of every call of AWS that this process makes, whichever client makes it.

botocore gives the handlers of its own table to every session that is made; one more of them sees the
operation and its parameters before they are sent. Nothing of ours is changed for it.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.handlers
from botocore.model import OperationModel

_EVENT = "provide-client-params"
_CONTENT = {"Body"}
"""Parameters that are the user's own bytes: no permission depends on them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        service: As boto3 names it, such as ``sagemaker-runtime``.
        operation: As the service names it, such as ``InvokeEndpoint``.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(hash=False)

    @property
    def name(self) -> str:
        """Service and operation, such as ``s3 GetObject``."""
        return f"{self.service} {self.operation}"


@contextlib.contextmanager
def recorded() -> Iterator[Sequence[Call]]:
    """Yield the calls of the clients whose sessions are made while this is open, in their order."""
    calls: list[Call] = []
    lock = threading.Lock()

    def record(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        kept = {name: value for name, value in params.items() if name not in _CONTENT}
        with lock:
            calls.append(Call(model.service_model.service_name, model.name, kept))

    entry = (_EVENT, record)
    botocore.handlers.BUILTIN_HANDLERS.append(entry)
    try:
        yield calls
    finally:
        botocore.handlers.BUILTIN_HANDLERS.remove(entry)
