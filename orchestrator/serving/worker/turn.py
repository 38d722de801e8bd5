"""One request on its way through the toolkit."""

from dataclasses import dataclass, field

from orchestrator.serving.messages import Response
from orchestrator.serving.worker import formats
from orchestrator.serving.worker.arriving import Arrived


@dataclass(slots=True)
class Turn:
    """A request, what was found out about it, and what it took.

    Attributes:
        given: As it has arrived.
        accept: What the toolkit makes of Accept; text, unless a field of a form is called that.
        found: Traps, each with where it was found.
        seconds: In handler functions.
        trace: The traceback of an error.
        instead: The answer that has gone out before the functions have returned.
    """

    given: Arrived
    accept: object
    found: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    trace: str = ""
    instead: Response | None = None

    @property
    def content_type(self) -> object:
        """The Content-Type by the toolkit's rule, or ``None``."""
        return self.given.content_type

    def payload(self) -> str | bytearray | None:
        """Return the body as handler functions get it.

        Raises:
            UnicodeDecodeError: If it is to be text, and is none.
            AttributeError: If it is to be text, and there is none, in the toolkit's words.
        """
        body = self.given.body
        if self.content_type not in formats.UTF8_TYPES:
            return body
        return body.decode("utf-8")  # type: ignore[union-attr]  # the toolkit does not ask either
