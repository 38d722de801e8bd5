"""Send the project's archive to the bucket, once its model has loaded and answered here."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.golden import Case
from orchestrator.core.ports import Store, Transfer
from orchestrator.core.spec import Spec
from orchestrator.usecases.build import Packaging, built
from orchestrator.usecases.publish import Published, publish


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An artifact that is in S3 now.

    Attributes:
        golden_cases: How many it has answered here.
        warnings: As in `orchestrator.usecases.build.Build`.
    """

    published: Published
    identity: str
    warnings: tuple[str, ...] = ()
    golden_cases: int = 0


def upload(
    spec: Spec, packaging: Packaging, cases: Sequence[Case], store: Store, transfer: Transfer
) -> Uploaded:
    """Build the project, try it, and send it.

    Raises:
        ArtifactError: If the project makes no archive whose model loads.
        RefusedError: If it fails a golden case, or what `build` refuses.
        CloudError: If S3 refuses it, or the connection is lost; the same call goes on from there.
    """
    with built(spec, packaging, cases, transfer) as made:
        published = publish(spec, made, packaging.archives, store, transfer)
        return Uploaded(published, made.identity, made.warnings, len(cases))
