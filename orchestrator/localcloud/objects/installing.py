"""moto's S3 with our parts in it."""

from orchestrator.localcloud.objects import answering, guarding, keys, refusing, telling
from orchestrator.localcloud.objects.content import Store

_REPLACED: tuple[tuple[object, str, object], ...] = (
    *keys.REPLACED,
    *guarding.REPLACED,
    *refusing.REPLACED,
    *telling.REPLACED,
    *answering.REPLACED,
)


def install(store: Store) -> None:
    """Let moto's S3 keep objects in ``store``, check them, and answer as S3 does; may be done again.

    Raises:
        AttributeError: If moto has another name for something that is ours: it would go on without us.
    """
    keys.Key.store = store
    for owner, name, ours in _REPLACED:
        getattr(owner, name)
        setattr(owner, name, ours)
