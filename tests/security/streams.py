"""Random streams of well-formed pickles, full of what could make a reader and an unpickler differ."""

import random
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.adapters.checkpoints.opcodes import ALLOWED
from tests.security.assembling import name

if TYPE_CHECKING:
    from collections.abc import Callable

LISTED = [(module, attribute) for module, names in ALLOWED.items() for attribute in sorted(names)]
OTHERS = [("posix", "system"), ("torch", "load"), ("builtins", "eval"), ("collections", "namedtuple")]
SLOTS = 4


@dataclass
class Stream:
    """A stream in the making: its bytes, and what lies on the stack: ``s``tring, ``o``ther or mark."""

    chance: random.Random
    whole: bytes = b""
    pickle: bytes = b""
    stack: list[str] = field(default_factory=list)
    slots: dict[int, str] = field(default_factory=dict)
    memoizes: bool = False

    def push(self, opcodes: bytes, kind: str) -> None:
        self.pickle += opcodes
        self.stack.append(kind)

    def text(self, given: str) -> None:
        """Push a text, by any of the opcodes that can."""
        encoded = given.encode()
        spellings = [
            b"\x8c" + bytes([len(encoded)]) + encoded,
            b"X" + struct.pack("<L", len(encoded)) + encoded,
            b"\x8d" + struct.pack("<Q", len(encoded)) + encoded,
            b"V" + encoded + b"\n",
            b"U" + bytes([len(encoded)]) + encoded,
            b"S'" + encoded + b"'\n",
        ]
        self.push(self.chance.choice(spellings), "s")

    def pair(self) -> tuple[str, str]:
        return self.chance.choice(LISTED if self.chance.random() < 0.97 else OTHERS)

    def written_name(self) -> None:
        self.push(name(*self.pair()), "o")

    def stacked_name(self) -> None:
        for given in self.pair():
            self.text(given)
            if self.chance.random() < 0.4:
                self.remember()
        if self.chance.random() < 0.05:
            self.any_step()
        self.take_name()

    def take_name(self) -> None:
        """Import whatever the two topmost strings say."""
        if self.stack[-2:] == ["s", "s"]:
            del self.stack[-2:]
            self.push(b"\x93", "o")

    def loose_text(self) -> None:
        self.text(self.chance.choice(self.chance.choice(LISTED + OTHERS)))

    def recalled_name(self) -> None:
        texts = [slot for slot, kind in self.slots.items() if kind == "s"]
        if len(texts) > 1:
            for slot in self.chance.sample(texts, 2):
                self.push(b"h" + bytes([slot]), "s")
            self.take_name()

    def remember(self) -> None:
        if not self.stack or self.stack[-1] == "(":
            return
        slot = len(self.slots) if self.memoizes else self.chance.randrange(SLOTS)
        if self.memoizes and self.chance.random() < 0.98:
            self.pickle += b"\x94"
        else:
            self.pickle += self.chance.choice(
                [b"q" + bytes([slot]), b"p%d\n" % slot, b"r" + struct.pack("<L", slot)]
            )
        self.slots[slot] = self.stack[-1]

    def recall(self) -> None:
        if self.slots:
            slot = self.chance.choice(list(self.slots))
            self.push(self.chance.choice([b"h" + bytes([slot]), b"g%d\n" % slot]), self.slots[slot])

    def shuffle(self) -> None:
        """DUP, POP, MARK, POP_MARK, tuples, calls."""
        if not self.stack or self.stack[-1] == "(":
            return self.push(b"N", "o")
        step = self.chance.randrange(6)
        if step == 0:
            self.push(b"2", self.stack[-1])
        elif step == 1:
            self.pickle += b"0"
            self.stack.pop()
        elif step == 2:
            self.push(b"(", "(")
            self.loose_text()
            self.pickle += b"1"
            del self.stack[-2:]
        elif step == 3:
            self.stack.pop()
            self.push(b"\x85", "o")
        elif step == 4 and self.stack[-1] == "o":
            self.pickle += b")R"
        return None

    def frame(self) -> None:
        self.pickle += b"\x95" + struct.pack("<Q", self.chance.randrange(1, 30))

    def any_step(self) -> None:
        steps: list[tuple[Callable[[], None], int]] = [
            (self.written_name, 3),
            (self.stacked_name, 6),
            (self.loose_text, 4),
            (self.remember, 4),
            (self.recall, 3),
            (self.recalled_name, 2),
            (self.shuffle, 4),
        ]
        self.chance.choices([step for step, _ in steps], [weight for _, weight in steps])[0]()

    def end_pickle(self) -> None:
        if not self.stack:
            self.push(b"N", "o")
        body, frame = self.pickle + b".", b""
        if self.chance.random() < 0.3:
            length = len(body) if self.chance.random() < 0.9 else self.chance.randrange(1, 2 * len(body))
            frame = b"\x95" + struct.pack("<Q", length)
        self.whole += b"\x80\x04" + frame + body
        self.pickle = b""
        self.stack = []


def stream(chance: random.Random) -> bytes:
    """One to three pickles, one after another."""
    made = Stream(chance)
    for _ in range(chance.choice([1, 1, 2, 3])):
        made.memoizes = chance.random() < 0.5
        if chance.random() < 0.7:
            # Otherwise the generator, like an unpickler that is used again, takes the old memo for its own.
            made.slots = {}
        for _ in range(chance.randrange(1, 9)):
            made.any_step()
        if chance.random() < 0.02:
            made.frame()
        made.end_pickle()
    return made.whole
