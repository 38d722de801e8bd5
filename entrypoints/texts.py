"""Texts as inputs: which value of a request is one, and how it becomes numbers for the model."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from . import media
from .custom import Custom
from .errors import InferenceError, ModelError
from .schema import WRAPPERS, Examples, Schema
from .tokens import Tokenizer, Vocabulary

MAX_TOKENS = 512
"""How many tokens a text is cut to if neither the spec nor the model says: what BERT and its kin take."""
IDS, MASK, KINDS = "input_ids", "attention_mask", "token_type_ids"

_KEYS = ("text", "texts", *WRAPPERS)
_FILES = ("tokenizer.json", "vocab.txt")
_BAD_REQUEST = 400


@dataclass(frozen=True)
class TextInputs:
    """Texts as the inputs of one model.

    Attributes:
        tokenizer: What numbers their tokens.
        max_tokens: How many tokens a text is cut to.
        taken: Which inputs the model takes besides the tokens.
    """

    tokenizer: Tokenizer
    max_tokens: int
    taken: frozenset[str]

    def of(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask`` and ``token_type_ids``, each int64 of (texts, tokens).

        A short text is filled up at its end; a text without any token has one, which the mask hides.
        """
        rows = self.tokenizer.numbered(texts, self.max_tokens)
        length = max(1, *map(len, rows))
        ids = [row + [self.tokenizer.padding] * (length - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
        tensors = {IDS: torch.tensor(ids), MASK: torch.tensor(mask)}
        return {**tensors, KINDS: torch.zeros_like(tensors[IDS])}

    def call(self, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> object:
        """Call the model with what it takes: the tokens alone by position, more by name."""
        taken = {name: tensor for name, tensor in inputs.items() if name in self.taken or name == IDS}
        return module(*taken.values()) if len(taken) == 1 else module(**taken)


@dataclass(frozen=True)
class Texts(Custom):
    """What all tasks about texts have in common: a tokenizer, and the inputs it makes.

    Attributes:
        tokenizer: A vocabulary, one token a line, or a ``tokenizer.json``, by its path below ``code/``.
            ``None`` takes ``tokenizer.json`` or ``vocab.txt`` beside the weights.
        max_tokens: How many tokens a text is cut to. ``None`` takes `MAX_TOKENS`, or as many as a Hugging
            Face model has positions for, if these are fewer.
        lowercase: Whether texts are lower-cased for a vocabulary; see `tokens.Vocabulary.read`.
    """

    tokenizer: str | None = None
    max_tokens: int | None = None
    lowercase: bool | None = None
    known: TextInputs | None = field(default=None, repr=False)

    also_takes: ClassVar[tuple[str, ...]] = (media.TEXT,)

    def prepared(self, model_dir: str, module: torch.nn.Module, schema: Schema) -> "Texts":
        """Return the task with its tokenizer.

        Raises:
            ModelError: If there is none, and no schema of numbers that could be sent instead.
        """
        known = _text_inputs(self, model_dir, module)
        if known is None and not schema.inputs:
            raise ModelError("the archive has no tokenizer: name one with entrypoint.tokenizer")
        return replace(self, known=known)

    def read(self, body: bytes | bytearray, kind: str) -> object:
        """Return a plain text as one text, and what `Custom` returns of anything else."""
        if kind != media.TEXT:
            return super().read(body, kind)
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise InferenceError(_BAD_REQUEST, "the text is not UTF-8") from None

    def examples(self, value: object, schema: Schema) -> Examples:
        """Return the texts in ``value``, or what the schema makes of it if it is about something else.

        A text, a list of texts, one of these in an object as ``text``, ``texts``, ``inputs`` or the like, or
        a list of such objects, as ``instances`` has it.

        Raises:
            InferenceError: 400 if it has no text and does not fit the schema.
        """
        return _examples(value, schema)

    def inputs(self, examples: Examples) -> Mapping[str, torch.Tensor]:
        """Return the tokens of texts.

        Raises:
            InferenceError: 400 if this model takes no texts.
        """
        if not examples.texts:
            return examples.tensors
        if self.known is None:
            raise InferenceError(_BAD_REQUEST, "this model takes numbers: its archive has no tokenizer")
        return self.known.of(examples.texts)

    def outputs(self, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> object:
        """Call the model with what of a text it takes."""
        if self.known is not None and KINDS in inputs:
            return self.known.call(module, inputs)
        return super().outputs(module, inputs)


def _examples(value: object, schema: Schema) -> Examples:
    found = _unwrapped(value)
    if isinstance(found, str):
        return Examples({}, single=True, texts=(found,))
    rows = [_unwrapped(row) for row in found] if isinstance(found, list) else []
    if rows and all(isinstance(row, str) for row in rows):
        return Examples({}, single=False, texts=tuple(map(str, rows)))
    if schema.inputs:
        return schema.examples(value)
    raise InferenceError(_BAD_REQUEST, "the body has to be a text, a list of texts, or an object with 'text'")


def _unwrapped(value: object) -> object:
    if isinstance(value, Mapping) and len(value) == 1:
        key = next(iter(value))
        return _unwrapped(value[key]) if key in _KEYS else value
    return value


def _text_inputs(task: Texts, model_dir: str, module: torch.nn.Module) -> TextInputs | None:
    path = _tokenizer_at(Path(model_dir), task.tokenizer)
    if path is None:
        return None
    max_tokens = _most_tokens(module) if task.max_tokens is None else task.max_tokens
    if path.suffix == ".json":
        return TextInputs(_LibraryTokenizer.read(path), max_tokens, _taken(module))
    return TextInputs(Vocabulary.read(path, lowercase=task.lowercase), max_tokens, _taken(module))


def _most_tokens(module: torch.nn.Module) -> int:
    # Some configs have -1 there, where the model has no positions that could run out.
    positions = getattr(getattr(module, "config", None), "max_position_embeddings", None)
    return min(MAX_TOKENS, positions) if isinstance(positions, int) and positions > 0 else MAX_TOKENS


def _tokenizer_at(folder: Path, named: str | None) -> Path | None:
    if named is not None:
        path = folder / "code" / named
        if not path.is_file():
            raise ModelError(f"the tokenizer code/{named} is not in the archive")
        return path
    return next((folder / name for name in _FILES if (folder / name).is_file()), None)


def _taken(module: torch.nn.Module) -> frozenset[str]:
    # A TorchScript program's signature is in its schema; Python sees only `*args, **kwargs`.
    script = getattr(module.forward, "schema", None)
    names = getattr(module, "input_names", None)
    if names is None:
        names = (
            [one.name for one in script.arguments] if script else inspect.signature(module.forward).parameters
        )
    return frozenset({MASK, KINDS}.intersection(names))


@dataclass(frozen=True)
class _LibraryTokenizer:
    """A ``tokenizer.json`` of Hugging Face, read by their library."""

    library: Any
    padding: int

    @classmethod
    def read(cls, path: Path) -> "_LibraryTokenizer":
        if importlib.util.find_spec("tokenizers") is None:
            raise ModelError(
                f"{path.name} needs the package 'tokenizers', which this container lacks: name it in "
                f"package.requirements, or give a vocabulary file as entrypoint.tokenizer"
            )
        try:
            library = importlib.import_module("tokenizers").Tokenizer.from_file(str(path))
        except Exception as error:
            raise ModelError(f"{path.name} is no tokenizer: {error}") from error
        marks = (library.token_to_id(mark) for mark in ("[PAD]", "<pad>"))
        own = (library.padding or {}).get("pad_id")
        known = own if own is not None else next((mark for mark in marks if mark is not None), 0)
        library.no_padding()
        return cls(library, known)

    def numbered(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        if (self.library.truncation or {}).get("max_length") != max_tokens:
            self.library.enable_truncation(max_tokens)
        return [encoded.ids for encoded in self.library.encode_batch(list(texts))]
