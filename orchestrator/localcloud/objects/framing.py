"""The framing ``aws-chunked``: sizes, and signatures that nobody checks, before chunks; checksums behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.localcloud.apierrors import ApiError

_MAX_LINE_BYTES = 16 * 1024
_END = b"\r\n"


def incomplete() -> ApiError:
    """Return S3's answer to a body that is not what its headers say."""
    return ApiError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )


@dataclass(slots=True)
class Unframed:
    """Takes a framed body as it comes, and passes on what is in it.

    AWS documents the form as "Signature calculations for the authorization header: transferring payload in
    multiple chunks".

    Attributes:
        write: Takes what is in it.
        trailers: The headers behind the last chunk, names in lower case.
    """

    write: Callable[[bytes], None]
    trailers: dict[str, str] = field(default_factory=dict)
    _waiting: bytearray = field(default_factory=bytearray)
    # Of the present chunk; the line end behind a chunk is read as an empty line.
    _left: int = 0
    _behind_chunk: bool = False
    _in_trailers: bool = False
    _ended: bool = False

    def take(self, received: bytes) -> None:
        """Take the next bytes.

        Raises:
            ApiError: If they are not framed.
        """
        self._waiting += received
        while self._waiting and not self._ended:
            if self._left:
                self._pass_on()
            elif (line := self._line()) is None:
                return
            elif self._in_trailers:
                self._trailer(line)
            elif self._behind_chunk:
                self._behind_chunk = False
                if line:
                    raise incomplete()
            else:
                self._begin(line)

    def finish(self) -> Mapping[str, str]:
        """Return the headers behind the last chunk.

        Raises:
            ApiError: If the last chunk has not come.
        """
        if not self._in_trailers:
            raise incomplete()
        if self._waiting and not self._ended:
            self._trailer(bytes(self._waiting))
        return self.trailers

    def _pass_on(self) -> None:
        content = bytes(self._waiting[: self._left])
        del self._waiting[: self._left]
        self._left -= len(content)
        self.write(content)

    def _line(self) -> bytes | None:
        end = self._waiting.find(_END)
        if end < 0:
            if len(self._waiting) > _MAX_LINE_BYTES:
                raise incomplete()
            return None
        line = bytes(self._waiting[:end])
        del self._waiting[: end + len(_END)]
        return line

    def _begin(self, line: bytes) -> None:
        size, _, _ = line.partition(b";")
        try:
            self._left = int(size.strip(), 16)
        except ValueError as error:
            raise incomplete() from error
        if self._left < 0:
            raise incomplete()
        self._behind_chunk, self._in_trailers = self._left > 0, self._left == 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            # Some clients write an empty line between the last chunk and its trailers.
            self._ended = bool(self.trailers)
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise incomplete()
        self.trailers[name.strip().lower()] = value.strip()
