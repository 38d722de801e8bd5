"""Rows of numbers in; labels or numbers out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import media, table
from .classification import Classification
from .errors import InferenceError
from .schema import WRAPPERS, Examples, Input, Schema

_BAD_REQUEST = 400


@dataclass(frozen=True)
class Tabular(Classification):
    """Rows in; where neither labels, top_k nor probabilities are set, the model's numbers out.

    A row is a list of numbers, or an object by feature. A CSV may begin with a row that names the features,
    in any order.

    Attributes:
        features: The names of a row's cells, in the model's order.
    """

    features: Sequence[str] = ()

    def read(self, body: bytes | bytearray, kind: str) -> object:
        """Return the rows of a CSV in the model's order, and what `Custom` returns of anything else."""
        if kind == media.CSV and self.features:
            return table.parse_named(bytes(body), self.features)
        return super().read(body, kind)

    def examples(self, value: object, schema: Schema) -> Examples:
        """Return rows, their cells in the order of the features.

        Raises:
            InferenceError: 400 if an object has other keys than the features, or a row is another length.
        """
        if self.features and not schema.inputs:
            schema = Schema({"X": Input("float32", (len(self.features),))})
        return schema.examples(self._ordered(value) if self.features else value)

    def _ordered(self, value: object) -> object:
        if isinstance(value, Mapping):
            key = next(iter(value), None)
            is_wrapped = len(value) == 1 and key in WRAPPERS and key not in self.features
            return {key: self._ordered(value[key])} if is_wrapped else self._row(value)
        if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            return [self._row(row) for row in value]
        return value

    def _row(self, row: Mapping[str, object]) -> object:
        if set(row) == set(self.features):
            return [row[name] for name in self.features]
        if set(row) & set(self.features):
            missing = [f"'{name}'" for name in self.features if name not in row]
            extra = [f"'{name}'" for name in row if name not in self.features]
            problem = f"lacks {', '.join(missing)}" if missing else f"has the unknown {', '.join(extra)}"
            raise InferenceError(_BAD_REQUEST, f"a row {problem}")
        return row
