"""What can be said of an unpickler's stack, memo and frames without being one.

Of the stack only its top, and only strings: that is what the name of an import is taken from. Whatever is not
certain counts as unknown, so that an opcode whose effect is not modelled here hides nothing.
"""

from collections import deque

MAX_NAME_CHARACTERS = 200

_STRINGS = frozenset(
    ["SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING", "STRING"]
)
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FOLLOWED = _STRINGS | _GETS | PUTS | {"MEMOIZE", "FRAME"}


class Strings:
    """Which strings are certain to lie on top of an unpickler's stack, and which its memo holds.

    ``None`` stands for everything that is not known to be a string.
    """

    def __init__(self) -> None:
        self._memo: dict[int, str | None] = {}
        self._last: deque[str | None] = deque(maxlen=2)
        self._top: str | None = None

    def forget_stack(self) -> None:
        """Know nothing of what lies on the stack any more, as at the beginning of a pickle."""
        self._last.clear()
        self._top = None

    def take(self, opcode: str, argument: object) -> None:
        """Follow one opcode, by `pickletools`' name for it and with its argument."""
        if opcode not in _FOLLOWED:
            # DUP, POP and MARK above all: what lies on top after them is not worth working out.
            self.forget_stack()
        elif opcode in _STRINGS:
            self._push(_shortened(str(argument)))
        elif opcode in _GETS:
            self._push(self._memo.get(int(str(argument))))
        elif opcode == "MEMOIZE":
            self._memo[len(self._memo)] = self._top
        elif opcode in PUTS:
            self._memo[int(str(argument))] = self._top

    def name(self) -> tuple[str, str] | None:
        """Return the module and name that STACK_GLOBAL would import, if the opcodes right before say so."""
        match tuple(self._last):
            case (str(module), str(name)):
                return module, name
        return None

    def _push(self, text: str | None) -> None:
        self._top = text
        self._last.append(text)


class Frames:
    """Whether the frames of protocol 4 end where opcodes do.

    `pickle._Unpickler` goes on with the next pickle after the end of the frame, the one written in C after
    STOP: a frame that reaches further would give them different pickles to read.
    """

    def __init__(self) -> None:
        self.end = 0

    def is_broken_by(self, opcode: str, argument: object, start: int, end: int) -> bool:
        """Whether the opcode from ``start`` to ``end`` crosses a frame's end, or is a STOP before it."""
        inside = start < self.end
        if opcode == "FRAME":
            self.end = end + int(str(argument))
            return inside
        return inside and (end > self.end or (opcode == "STOP" and end < self.end))


def _shortened(text: str) -> str:
    # No name on the list is nearly as long, and a checkpoint may hold long texts in its memo.
    return text if len(text) <= MAX_NAME_CHARACTERS else f"{text[:MAX_NAME_CHARACTERS]}..."
