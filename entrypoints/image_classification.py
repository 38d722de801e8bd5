"""Pictures in, labels out."""

from dataclasses import dataclass
from typing import ClassVar

from . import media, pictures
from .classification import Classification
from .schema import Examples, Schema


@dataclass(frozen=True)
class ImageClassification(Classification):
    """Pixels in, logits out of the model; see `Classification`.

    A body may also be a PNG or a JPEG, where the container has Pillow; ``preprocess`` gets and may return a
    `PIL.Image.Image`.
    """

    also_takes: ClassVar[tuple[str, ...]] = (media.PNG, media.JPEG)

    @property
    def classifies(self) -> bool:
        """Always: that is what the task is for."""
        return True

    def read(self, body: bytes | bytearray, kind: str) -> object:
        """Return a `PIL.Image.Image` of a picture, and what `Custom` returns of anything else."""
        return pictures.parse(bytes(body)) if kind in self.also_takes else super().read(body, kind)

    def examples(self, value: object, schema: Schema) -> Examples:
        """Return a picture's pixels as one example."""
        wanted = next(iter(schema.inputs.values()), None)
        return schema.examples(pictures.pixels(value, wanted) if pictures.is_picture(value) else value)
