"""Every verb of the orchestrator, on every kind of endpoint, as somebody with an account of AWS uses them.

The environment is no local one: role, key and owner of the bucket come from the spec, the deployer role is
taken on, and only the address is the local cloud's. No golden cases: the models are stand-ins.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.adapters.aws import Address, Clients, clients
from orchestrator.adapters.cloudwatch import CloudWatch
from orchestrator.adapters.store.s3 import S3Store, Sizes
from orchestrator.api import wiring
from orchestrator.api.examination import Examination
from orchestrator.api.project import Project
from orchestrator.api.projects import Projects
from orchestrator.api.selection import Manner, Selection
from orchestrator.api.used import Whom
from orchestrator.core.alarms import judge_alarm_name
from orchestrator.core.errors import NotFoundError, OrchestratorError, RolledBackError
from orchestrator.core.golden import Request
from orchestrator.core.results import Kind
from orchestrator.localcloud.defaults import REGION
from tests.support.clouds import POLL, TestCloud, archive, publish
from tests.support.commands import OWL, write_files
from tests.support.edges import HastyClock
from tests.support.verbs_spec import SPEC, Account

PREFIX = "acme-"
_MIB = 1024**2


def make_everything(folder: Path, account: Account) -> None:
    """Deploy every kind of endpoint, and change it; the variables of the process lead to a cloud."""
    folder.mkdir()
    many = folder / "many"
    for turn in (1, 2):
        write_files(many, SPEC + account.environment + account.endpoints(turn))
        (many / "golden" / "owl.json").unlink()
        _deploy_all(many)


def use_everything(folder: Path, account: Account, cloud: TestCloud) -> None:
    """Use every other verb on what `make_everything` has made in the same folder and ``cloud``."""
    many = folder / "many"
    _look(many)
    _trip(account)
    _invoke(many)
    _go_back(many, cloud)
    _remove(many)
    _golden(folder / "golden", account)
    _uncompressed(folder / "files", account)
    _examine(folder / "examined", account)
    _adopt(folder / "adopted", account, cloud)
    _upload_in_parts(account)


def _manner() -> Manner:
    return Manner(clock=lambda _: HastyClock())


def _clients(account: Account) -> Clients:
    return clients(Address(REGION, assume_role=account.deployer))


def _project(folder: Path, endpoint: str | None = None) -> Project:
    return Project.select(Selection(str(folder / "orchestrator.toml"), "prod", endpoint), _manner())


def _deploy_all(folder: Path) -> None:
    projects = Projects.select(Selection(str(folder / "orchestrator.toml"), "prod"), _manner())
    failed = {ended.name: ended.error for ended in projects.deploy() if ended.error is not None}
    # Nobody sends requests meanwhile: the judge, if it gets to look at all, cannot tell, and rolls back.
    if isinstance(failed.get("acme-linear"), RolledBackError):
        del failed["acme-linear"]
    assert not failed, {name: (str(error), getattr(error, "details", "")) for name, error in failed.items()}


def _look(folder: Path) -> None:
    project = _project(folder, "acme-canary")
    project.status()
    project.history()
    project.drift()
    project.audit()
    project.doctor()
    project.alarms()
    project.logs(time.time() - 60)
    project.resume()


def _trip(account: Account) -> None:
    """Pull the judge's lever by hand: whether a rollout lasts until it judges depends on the machine."""
    with contextlib.suppress(NotFoundError):
        CloudWatch(_clients(account)).trip(judge_alarm_name(f"{PREFIX}linear-0123456789ab"), "for the record")


def _invoke(folder: Path) -> None:
    request = Request(b"{}")
    project = _project(folder, "acme-canary")
    project.invoke(request)
    list(project.invoke_stream(request))
    _project(folder, "acme-async").invoke_async(request)


def _go_back(folder: Path, cloud: TestCloud) -> None:
    """Go back; then, the weights having been changed by other means, once more to the same revision."""
    _project(folder, "acme-split").rollback()
    sagemaker = cloud.client("sagemaker")
    weights = [{"VariantName": "large", "DesiredWeight": 5}]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="acme-split", DesiredWeightsAndCapacities=weights
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="acme-split", WaiterConfig=POLL)
    project = _project(folder, "acme-split")
    revision = project.history()[-1].revision
    assert revision is not None
    project.rollback(revision.name)


def _remove(folder: Path) -> None:
    for name in ("acme-canary", "acme-split", "acme-serverless"):
        removed = _project(folder, name)
        removed.sweep(keep=0)
        removed.destroy()


def _golden(folder: Path, account: Account) -> None:
    """Deploy with golden cases, which the stand-in cannot answer; then fetch the artifact."""
    write_files(folder, SPEC + '[golden]\ncases = "golden/*.json"\n' + account.environment)
    (folder / "golden" / "owl.json").write_text(OWL)
    project = _project(folder)
    with contextlib.suppress(OrchestratorError):
        project.deploy()
    with contextlib.suppress(OrchestratorError):
        project.test(Whom(Kind.REMOTE))
    (attempt,) = project.history()
    assert attempt.revision is not None
    wiring.download(project.selection, attempt.revision.model.artifact, str(folder / "fetched"))


def _uncompressed(folder: Path, account: Account) -> None:
    """Send files that lie in S3 as they are."""
    write_files(folder, SPEC + account.environment + '[package]\nlayout = "s3-prefix"\n')
    (folder / "golden" / "owl.json").unlink()
    _project(folder).upload()


def _examine(folder: Path, account: Account) -> None:
    """Let the doctor look at everything that a spec can name."""
    write_files(folder, SPEC + account.environment + account.everything)
    Examination(Selection(str(folder / "orchestrator.toml"), "prod")).report()


def _adopt(folder: Path, account: Account, cloud: TestCloud) -> None:
    publish(cloud, "acme-foreign-config", archive({"answer": b"x"}))
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="acme-foreign", EndpointConfigName="acme-foreign-config")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="acme-foreign", WaiterConfig=POLL)
    write_files(folder, SPEC + account.environment)
    _project(folder, "acme-foreign").adopt()


def _upload_in_parts(account: Account) -> None:
    """Send, go on with, take back and copy what is larger than one request."""
    whole = S3Store(_clients(account), account.bucket, kms_key=account.key, owner=account.id)
    sizes = Sizes(part_bytes=5 * _MIB, range_bytes=5 * _MIB)
    store = S3Store(_clients(account), account.bucket, kms_key=account.key, owner=account.id, sizes=sizes)
    content = [bytes([number]) * 5 * _MIB for number in range(2)]
    place = f"orchestrator/{PREFIX}parts/artifacts"
    begun = {"Key": f"{place}/a", "ChecksumAlgorithm": "SHA256", **store.bucket.encryption}
    store.bucket.call("create_multipart_upload", **begun)
    store.upload(f"{place}/a", lambda: iter(content), lambda _: None)
    store.copy_once(f"{place}/a", f"{place}/b")
    whole.copy_once(f"{place}/a", f"{place}/d")
    with contextlib.suppress(InterruptedError):
        store.upload(f"{place}/c", lambda: _interrupted(content), lambda _: None)


def _interrupted(content: list[bytes]) -> Iterator[bytes]:
    yield from content
    raise InterruptedError
