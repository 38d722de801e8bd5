"""moto's objects as bytes, and back.

Reading makes only moto's own classes, ours and those of `_PLAIN`, whoever has written the bytes; a method of
moto's may still be called, so a folder from somebody else is to be trusted like a program.
"""

import io
import pickle
import threading
from collections import defaultdict
from enum import Enum
from types import MethodType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from orchestrator.localcloud.objects.content import Store, StoredFile

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_PLAIN = {
    "_codecs": {"encode"},
    "builtins": {
        "bytearray",
        "complex",
        "dict",
        "frozenset",
        "list",
        "object",
        "range",
        "set",
        "slice",
        "tuple",
    },
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "ipaddress": {"IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network"},
    "itertools": {"count"},
    "re": {"_compile"},
    "requests.structures": {"CaseInsensitiveDict"},
    "threading": {"Condition", "Event"},
    "uuid": {"UUID", "SafeUUID"},
    "zoneinfo": {"ZoneInfo"},
    __name__: {"_dictionary", "_lock", "_private_key", "_set_items"},
}
_OURS = ("orchestrator.localcloud.cloudwatch.", "orchestrator.localcloud.objects.")


def written(states: object) -> bytes:
    """Return moto's objects as bytes, with the names of the files that they refer to."""
    stream = io.BytesIO()
    _Writing(stream, protocol=5).dump(states)
    return stream.getvalue()


class _Writing(pickle.Pickler):
    """Writes moto's objects, and of an object's file its name."""

    def persistent_id(self, found: object) -> str | None:
        """Return the name of an object's file."""
        return found.path.name if isinstance(found, StoredFile) else None

    def reducer_override(self, found: Any) -> Any:  # noqa: ANN401 - the library's
        """Return how to make what cannot be written."""
        if isinstance(found, _LOCKS):
            return _lock, (isinstance(found, _LOCKS[1]),)
        if isinstance(found, dict) and type(found).__module__.startswith("moto."):
            # Not by its own methods: they show of the versions of an object only the last.
            items = dict(dict.items(found))
            return _dictionary, (type(found),), (items, dict(vars(found))), None, None, _set_items
        if isinstance(found, (threading.Condition, threading.Event)):
            return type(found), ()  # nobody waits for them after a restart
        if isinstance(found, _PRIVATE_KEYS):
            pem = found.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            return _private_key, (pem,)
        if isinstance(found, defaultdict) and "<locals>" in getattr(
            found.default_factory, "__qualname__", ""
        ):
            return dict, (dict(found),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Makes only what moto's backends are made of."""

    def __init__(self, content: io.BytesIO, files: "Reading") -> None:
        super().__init__(content)
        self._files = files

    def persistent_load(self, name: Any) -> StoredFile:  # noqa: ANN401 - the library's
        """Return the file of that name, the same for everyone who refers to it."""
        return self._files.file(str(name))

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the library's
        """Return a class that may be made.

        Raises:
            UnpicklingError: If it may not.
        """
        if (module, name) == ("builtins", "getattr"):
            return _member  # how members of enumerations, and methods of moto's objects, are written
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.startswith(("moto.", *_OURS)):
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is nothing that is kept")


class Reading:
    """Reads snapshots that refer to the files of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.files: dict[str, StoredFile] = {}

    def read(self, content: bytes) -> Any:  # noqa: ANN401 - what was written
        """Return what `written` has made bytes of.

        Raises:
            UnpicklingError: If it holds anything that is not kept.
        """
        return _Unpickler(io.BytesIO(content), self).load()

    def file(self, name: str) -> StoredFile:
        """Return a file of the store."""
        if name not in self.files:
            self.files[name] = self._store.file(name)
        return self.files[name]


def _member(owner: Any, name: str) -> Any:  # noqa: ANN401 - whatever was written
    if isinstance(owner, type) and issubclass(owner, Enum):
        return owner[name]
    found = getattr(owner, name, None) if type(owner).__module__.startswith("moto.") else None
    if isinstance(found, MethodType) and found.__self__ is owner and not name.startswith("__"):
        return found
    raise pickle.UnpicklingError(f"{name} of {type(owner).__name__} is nothing that is kept")


def _dictionary(kind: type) -> Any:  # noqa: ANN401 - one of moto's own dictionaries
    if not issubclass(kind, dict):
        raise pickle.UnpicklingError(f"{kind.__name__} is no dictionary")
    return kind.__new__(kind)


def _set_items(made: Any, state: tuple[dict[Any, Any], dict[str, Any]]) -> None:  # noqa: ANN401 - see above
    items, attributes = state
    dict.update(made, items)
    vars(made).update(attributes)


def _lock(is_reentrant: bool) -> Any:  # noqa: ANN401, FBT001 - either kind of lock; only for pickles
    return threading.RLock() if is_reentrant else threading.Lock()


def _private_key(pem: bytes) -> Any:  # noqa: ANN401 - any kind of key
    return serialization.load_pem_private_key(pem, None)
