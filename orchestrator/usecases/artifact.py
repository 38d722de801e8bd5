"""Tell whether the artifact of a revision still lies where its model looks for it."""

from orchestrator.core.ports import Store
from orchestrator.core.revision import Revision
from orchestrator.usecases.publish import proof_key


def is_there(revision: Revision, store: Store) -> bool | None:
    """Tell whether the revision's artifact exists; ``None`` if it lies where we do not look.

    That is another bucket, as with an endpoint that was adopted.

    Raises:
        CloudError: If the bucket cannot be asked.
    """
    model = revision.model
    if revision.artifact:
        key = proof_key(revision.endpoint, revision.artifact, uncompressed=model.is_uncompressed)
        return store.exists(key)
    root = store.url("")
    if not model.artifact.startswith(root):
        return None
    key = model.artifact.removeprefix(root)
    return bool(store.keys(key)) if model.is_uncompressed else store.exists(key)
