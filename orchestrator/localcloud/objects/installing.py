"""moto's S3 with our parts in it."""

from orchestrator.localcloud.objects import answering, guarding, keys, refusing, telling
from orchestrator.localcloud.objects.content import Store


def install(store: Store) -> None:
    """Let moto's S3 keep objects in ``store``, check them, and answer as S3 does; may be done again."""
    keys.install(store)
    guarding.install()
    refusing.install()
    telling.install()
    answering.install()
