"""A small tokenizer: words, and the pieces of words, that a vocabulary file lists one a line.

What BERT's own does (https://github.com/google-research/bert, ``tokenization.py``) and the `tokenizers`
library's `BertWordPieceTokenizer`: a text is cleaned, cut at blanks and around punctuation, and each word is
made of the longest pieces that the vocabulary has; ``##`` marks a piece that goes on. A vocabulary without
such pieces simply lists whole words. Unlike the library, a text cannot say ``[SEP]`` and mean the mark.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .errors import ModelError

_UNKNOWN, _PADDING = ("[UNK]", "<unk>"), ("[PAD]", "<pad>")
_BEGIN, _END = "[CLS]", "[SEP]"
_MARKS = {*_UNKNOWN, *_PADDING, _BEGIN, _END, "[MASK]"}
_CONTINUED = "##"
_MAX_WORD_CHARACTERS = 100
_REPLACEMENT = "\ufffd"
# Where every character is a word of its own: CJK ideographs, and their extensions and compatibility forms.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = ((33, 47), (58, 64), (91, 96), (123, 126))


class Tokenizer(Protocol):
    """What turns texts into numbers."""

    @property
    def padding(self) -> int:
        """The number that fills up a short text."""
        ...

    def numbered(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Return the tokens of each text, ``max_tokens`` at most, marks included."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer made of a list of tokens.

    Attributes:
        tokens: What they are numbered as. ``[CLS]`` and ``[SEP]`` are put around a text if it has both; what
            it does not know is its ``[UNK]``, or left out if it has none.
        lowercase: Whether texts are lower-cased, and lose their accents.
    """

    tokens: dict[str, int]
    lowercase: bool
    padding: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "padding", next((self.tokens[mark] for mark in _PADDING if mark in self.tokens), 0)
        )

    @classmethod
    def read(cls, path: Path, *, lowercase: bool | None = None) -> "Vocabulary":
        """Read a vocabulary, UTF-8, one token a line; a token's number is its line's, from 0.

        Args:
            path: The file.
            lowercase: ``None`` lower-cases if no token has a capital letter, as then none could be found.

        Raises:
            ModelError: If the file is no such text, or has no token.
        """
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise ModelError(f"the vocabulary {path.name} cannot be read: {error}") from error
        tokens = {
            line.rstrip("\r"): number for number, line in enumerate(lines[:-1] if not lines[-1] else lines)
        }
        if not any(tokens):
            raise ModelError(f"the vocabulary {path.name} has no token")
        small = all(token == token.lower() for token in tokens if token not in _MARKS)
        return cls(tokens, small if lowercase is None else lowercase)

    def numbered(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Return the tokens of each text; see `Tokenizer`."""
        begin, end = self._around
        room = max(max_tokens - len(begin) - len(end), 0)
        return [[*begin, *self._text(text)[:room], *end] for text in texts]

    @property
    def _around(self) -> tuple[list[int], list[int]]:
        both = _BEGIN in self.tokens and _END in self.tokens
        return ([self.tokens[_BEGIN]], [self.tokens[_END]]) if both else ([], [])

    def _text(self, text: str) -> list[int]:
        return [number for word in words(text, lowercase=self.lowercase) for number in self._pieces(word)]

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word) <= _MAX_WORD_CHARACTERS:
            piece = self._longest(word, start)
            if not piece:
                break
            found.append(self.tokens[_CONTINUED + piece if start else piece])
            start += len(piece)
        else:
            if start:
                return found
        return [self.tokens[mark] for mark in _UNKNOWN if mark in self.tokens][:1]

    def _longest(self, word: str, start: int) -> str:
        mark = _CONTINUED if start else ""
        ends = range(len(word), start, -1)
        return next((word[start:end] for end in ends if mark + word[start:end] in self.tokens), "")


def words(text: str, *, lowercase: bool) -> list[str]:
    """Return the words of ``text``, every mark of punctuation and every ideograph a word of its own.

    >>> words("Héllo, 世界!", lowercase=True)
    ['hello', ',', '世', '界', '!']
    """
    spaced = "".join(_spaced(text))
    if lowercase:
        # Letter by letter: at the end of a word, `str.lower` makes another sigma than within one.
        plain = (
            letter for letter in unicodedata.normalize("NFD", spaced) if unicodedata.category(letter) != "Mn"
        )
        spaced = "".join(letter.lower() for letter in plain)
    apart = (f" {letter} " if _is_punctuation(letter) else letter for letter in spaced)
    return "".join(apart).split()


def _spaced(text: str) -> Iterator[str]:
    for letter in text:
        if letter in "\t\n\r":
            yield " "
        elif any(low <= ord(letter) <= high for low, high in _IDEOGRAPHS):
            yield f" {letter} "
        elif letter != _REPLACEMENT and not unicodedata.category(letter).startswith("C"):
            yield letter


def _is_punctuation(letter: str) -> bool:
    if any(low <= ord(letter) <= high for low, high in _ASCII_PUNCTUATION):
        return True
    return unicodedata.category(letter).startswith("P")
