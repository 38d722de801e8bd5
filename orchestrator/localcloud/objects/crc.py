"""Cyclic redundancy checks that Python's library lacks, fast without compiled code.

A CRC is the remainder of a polynomial over GF(2). Squaring such a polynomial only spreads its exponents, so
``P(x)`` divides ``P(x**n)`` for each power of two ``n``: with words of ``n`` bits for coefficients, a long
division is a few exclusive-ors of long integers for each word, some hundred MB/s. What is left is short and
goes byte by byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_BITS = 8
# Each leaves as many words as the polynomial has bits, which the next one takes for longer input.
_WORD_BYTES = (8192, 1024, 128, 16)


@dataclass(frozen=True)
class Polynomial:
    """A reflected CRC whose register begins and ends inverted, as all of S3's are.

    Attributes:
        width: Of the register, in bits.
        reflected: The polynomial without its highest term, lowest exponent in the highest bit.
    """

    width: int
    reflected: int

    def crc(self, content: bytes, before: int = 0) -> int:
        """Return the CRC of ``content``, after something whose CRC is ``before``.

        >>> hex(CRC32C.crc(b"123456789")), hex(CRC64NVME.crc(b"123456789"))
        ('0xe3069283', '0xae8b14860a799888')
        """
        register = before ^ self._ones
        for size in _WORD_BYTES:
            if len(content) > 2 * self.width * size:
                content, register = self._folded(content, register, size), 0
        table = self._table
        for byte in content:
            register = table[(register ^ byte) & 0xFF] ^ (register >> _BITS)
        return register ^ self._ones

    def combined(self, first: int, second: int, second_bytes: int) -> int:
        """Return the CRC of two contents in one, from the CRC of each and the size of the second.

        >>> CRC32C.combined(CRC32C.crc(b"1234"), CRC32C.crc(b"56789"), 5) == CRC32C.crc(b"123456789")
        True
        """
        power, shift = second_bytes * _BITS, self._x
        while power:
            if power & 1:
                first = self._product(first, shift)
            shift = self._product(shift, shift)
            power >>= 1
        return first ^ second

    @property
    def _ones(self) -> int:
        return (1 << self.width) - 1

    @property
    def _x(self) -> int:
        """The polynomial ``x``: the highest bit is the lowest power."""
        return 1 << (self.width - 2)

    @cached_property
    def _table(self) -> Sequence[int]:
        return [self._after_byte(byte) for byte in range(1 << _BITS)]

    @cached_property
    def _taps(self) -> Sequence[int]:
        """How many words after a word that is taken away it is to be added."""
        return [each + 1 for each in range(self.width) if self.reflected >> each & 1]

    def _after_byte(self, register: int) -> int:
        for _ in range(_BITS):
            register = register >> 1 ^ (self.reflected if register & 1 else 0)
        return register

    def _product(self, first: int, second: int) -> int:
        result = 0
        for each in range(self.width - 1, -1, -1):
            if second >> each & 1:
                result ^= first
            first = first >> 1 ^ (self.reflected if first & 1 else 0)
        return result

    def _folded(self, content: bytes, register: int, size: int) -> bytes:
        """Return something shorter that leaves the same remainder, with the register worked into it."""
        whole = len(content) // size
        # What is left over goes to the front, behind zeros that change nothing.
        first = len(content) - whole * size
        mixed = int.from_bytes(content[: first + size], "little") ^ register
        head = mixed.to_bytes(first + size, "little")
        words = [
            int.from_bytes(head[:first], "little") << _BITS * (size - first),
            int.from_bytes(head[first:], "little"),
        ]
        words += [
            int.from_bytes(content[at : at + size], "little")
            for at in range(first + size, len(content), size)
        ]
        taps = self._taps
        for at in range(len(words) - self.width):
            if word := words[at]:
                for tap in taps:
                    words[at + tap] ^= word
        return b"".join(word.to_bytes(size, "little") for word in words[-self.width :])


CRC32C = Polynomial(32, 0x82F63B78)
CRC64NVME = Polynomial(64, 0x9A6C9329AC4BC9B5)
