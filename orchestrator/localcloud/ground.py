"""What a local cloud stands on, and what of it outlives a reset."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.localcloud.behind.fallback import Moto
from orchestrator.localcloud.behind.remembering import Memory
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.keeping import Keeper
from orchestrator.localcloud.objects.content import Store
from orchestrator.localcloud.pace import Pace

MODELS, OBJECTS, KEPT_BY_MOTO = "models", "objects", "moto"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a local cloud stands on.

    Attributes:
        url: Where it answers, for the clients that it has for itself.
        folder: Its own; ``models`` in it is where models are unpacked.
        container: The program that serves a model, up to where the model's folder is named.
        pace: How fast its time goes.
        keeps: Whether what is in it survives a restart; it is in ``folder`` then.
        launch_seconds: How many seconds of AWS instances take to come up, besides the start of their process.
        any_image: Whether an image that nothing is known of is taken, and serves nobody.
        token: What every request has to carry; empty if anything that comes in by the loopback may.
        processes: How many containers a variant has at most; ``None`` for as many as the machine has CPUs.
    """

    url: str
    folder: Path
    container: Sequence[str]
    pace: Pace = field(default_factory=Pace)
    keeps: bool = False
    launch_seconds: float = 0.0
    any_image: bool = False
    token: str = field(default="", repr=False)
    processes: int | None = None

    @property
    def models(self) -> Path:
        """The folder that models are unpacked in."""
        return self.folder / MODELS


@dataclass(frozen=True, slots=True)
class Lasting:
    """What stays when the local cloud is reset.

    Attributes:
        clients: Its own way to itself.
        moto: What answers everything else; made once, since it is what takes long to make.
        memory: Keeps what moto holds.
        keeper: Keeps the worlds, if they are to be kept.
    """

    clients: Clients
    moto: Moto
    memory: Memory
    keeper: Keeper | None

    def forget(self) -> None:
        """Delete everything that was made or kept.

        Raises:
            ApiError: If what is kept cannot be written. Nothing is deleted then.
        """
        if self.keeper is not None:
            self.keeper.forget()
        self.memory.reset()

    async def close(self) -> None:
        """Write what is kept."""
        try:
            await self.memory.close()
        finally:
            if self.keeper is not None:
                self.keeper.close()


def lasting_on(ground: Ground) -> Lasting:
    """Return what outlives every reset on ``ground``.

    Raises:
        OrchestratorError: If what is kept there cannot be used.
    """
    keeper = Keeper(ground.folder) if ground.keeps else None
    store = Store(ground.folder / OBJECTS)
    moto = Moto(store=store)
    memory = Memory(store, ground.folder / KEPT_BY_MOTO if ground.keeps else None, moto.asked)
    memory.restore()
    return Lasting(Clients(ground.url, ground.token), moto, memory, keeper)
