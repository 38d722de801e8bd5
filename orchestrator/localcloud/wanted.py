"""What a local cloud is asked to be: its options, on their way from a command to the process.

Like `lifecycle`, it imports nothing of what runs a local cloud.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from orchestrator.core.errors import RefusedError

HOST = "127.0.0.1"
"""The loopback, and nothing else without a token: the data plane runs code from uploaded archives."""

TOKEN_VARIABLE = "ORCHESTRATOR_LOCAL_CLOUD_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_HEADER = "x-local-cloud-token"  # noqa: S105 - the name of a header
# It stands for an access key id, which a slash ends, and goes into a URL and a cookie. Real keys begin so.
_TOKEN = re.compile(r"(?!AKIA)[A-Za-z0-9_.~-]{8,128}")
_NEW_TOKEN = f'export {TOKEN_VARIABLE}="$(openssl rand -hex 20)"'
_EVERY = {"0.0.0.0": HOST, "::": "::1"}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a local cloud is asked to be; ``None`` is what nobody asked for.

    Attributes:
        port: Where it listens; 0 for any free port, ``None`` for the usual one if that is free, or any other.
        host: The address it listens on.
        token: What every request has to carry.
        state: Where everything that is in it is kept.
        speed: How many seconds of AWS pass in one of the machine's.
        launch_seconds: How many seconds of AWS instances take to come up.
        any_image: Whether images that nothing is known of are taken.
    """

    port: int | None = None
    host: str | None = None
    token: str | None = field(default=None, repr=False)
    state: Path | None = None
    speed: float | None = None
    launch_seconds: float | None = None
    any_image: bool | None = None

    def check(self) -> None:
        """Check what goes together.

        Raises:
            RefusedError: If others could come in without a token, or it cannot be sent wherever one may be.
        """
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise RefusedError(
                "the token must be 8 to 128 letters, digits or any of _ . ~ -, and not begin with AKIA",
                hint=_NEW_TOKEN,
            )
        if self.token or self.host is None or is_loopback(self.host):
            return
        raise RefusedError(
            f"the local cloud does not listen on {self.host} without a token: "
            "whoever reaches it can run code on this machine",
            details=[("state", "nothing has changed")],
            hint=_NEW_TOKEN,
        )

    def arguments(self) -> list[str]:
        """Return the command line that asks for the same, but for the token: others can read it."""
        found: list[str] = []
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or value is False or each.name == "token":
                continue
            found.append(f"--{each.name.replace('_', '-')}")
            if value is not True:
                found.append(str(value.absolute() if isinstance(value, Path) else value))
        return found

    @classmethod
    def written(cls, content: Mapping[str, object]) -> "Wanted":
        """Return what `content` has written.

        Raises:
            TypeError: If it has not.
        """
        state = content.get("state")
        return cls(**{**content, "state": Path(str(state)) if state else None})  # type: ignore[arg-type]  # its own file

    def content(self) -> dict[str, object]:
        """Return it as JSON, the token among it."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**found, "state": str(self.state.absolute()) if self.state else None}

    def otherwise(self, running: "Wanted") -> list[str]:
        """Return the options that were asked for, and that a local cloud that runs does not have."""
        found = []
        for each in fields(self):
            asked, has = getattr(self, each.name), getattr(running, each.name)
            if asked is None or asked == has or (isinstance(asked, Path) and asked.absolute() == has):
                continue
            shown = "" if each.name == "token" else f" ({'none' if has is None else has})"
            found.append(f"--{each.name.replace('_', '-')}{shown}")
        return found

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the process: the token is in it, if there is one, and no other.

        Credentials are not: model code can read what its parent was given (proc(5), environ).
        """
        rest = {
            name: value
            for name, value in environ.items()
            if name != TOKEN_VARIABLE and not name.startswith(("AWS_", "MOTO_"))
        }
        return {**rest, TOKEN_VARIABLE: self.token} if self.token else rest


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.com")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(host: str, port: int) -> str:
    """Return where this machine reaches what listens on ``host``.

    >>> url_of("0.0.0.0", 4570), url_of("::1", 4570)
    ('http://127.0.0.1:4570', 'http://[::1]:4570')
    """
    reached = _EVERY.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
