"""CloudWatch Logs beyond moto: another key for a log group that is there.

CloudFormation changes the key of a log group so, and moto takes one only when it makes the group. One of the
modules that know moto. Its names are internal to moto and pinned by ``tests/contract/test_moto_symbols.py``.
"""

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse

from orchestrator.localcloud.apierrors import unsupported


def install() -> None:
    """Let moto's CloudWatch Logs do what it lacks."""
    LogsResponse.associate_kms_key = _associate_kms_key  # type: ignore[attr-defined]  # moto finds it by its name
    LogsResponse.disassociate_kms_key = _disassociate_kms_key  # type: ignore[attr-defined]  # likewise


def _associate_kms_key(self: LogsResponse) -> str:
    _group(self).kms_key_id = self._get_param("kmsKeyId")
    return ""


def _disassociate_kms_key(self: LogsResponse) -> str:
    _group(self).kms_key_id = None
    return ""


def _group(asked: LogsResponse) -> LogGroup:
    """Return the log group that is meant.

    Raises:
        ApiError: If it is not named, but the results of queries, which are not kept here.
        ResourceNotFoundException: If there is none.
    """
    name = asked._get_param("logGroupName")  # noqa: SLF001 - moto's own handlers read parameters so
    if not name:
        raise unsupported("resourceIdentifier of AssociateKmsKey and DisassociateKmsKey")
    found = asked.logs_backend.groups.get(name)
    if found is None:
        raise ResourceNotFoundException
    return found
