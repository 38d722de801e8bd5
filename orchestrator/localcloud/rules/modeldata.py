"""Where a container's model lies: one ``tar.gz``, or uncompressed files below a prefix."""

from dataclasses import dataclass

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.world import Content

MULTI_MODEL = "MultiModel"
"""The mode of a container whose requests say which model they are for."""

_PREFIX, _OBJECT = ("S3Prefix", "None"), ("S3Object", "Gzip")


@dataclass(frozen=True, slots=True)
class ModelData:
    """An address in S3.

    Attributes:
        url: Of an object; or, where it ends in ``/``, of all objects below it.
    """

    url: str

    @property
    def is_uncompressed(self) -> bool:
        """Whether it is files and not an archive."""
        return self.url.endswith("/")


def model_data(container: Content) -> ModelData | None:
    """Return where a container's model lies; ``None`` if it has none, or has it in a form we cannot fetch.

    Raises:
        ApiError: If it is said twice, or breaks a rule of its form (API reference, S3ModelDataSource).
    """
    url, source = container.get("ModelDataUrl"), container.get("ModelDataSource")
    if url and source:
        raise invalid("ModelDataUrl and ModelDataSource cannot both be specified.")
    if url:
        return ModelData(url)
    if not source or set(source) != {"S3DataSource"}:
        return None
    return _from_source(source["S3DataSource"])


def _from_source(source: Content) -> ModelData | None:
    uri = source["S3Uri"]
    if source["S3DataType"] == "S3Prefix" and not uri.endswith("/"):
        raise invalid(f"S3Uri {uri} must end with a forward slash when S3DataType is S3Prefix.")
    if source["S3DataType"] == "S3Object" and uri.endswith("/"):
        raise invalid(f"S3Uri {uri} must not end with a forward slash when S3DataType is S3Object.")
    # What else it can say (an ETag, a manifest, an access config) would be pretended if we took no notice.
    if set(source) != {"S3Uri", "S3DataType", "CompressionType"}:
        return None
    form = (source["S3DataType"], source["CompressionType"])
    return ModelData(uri) if form in {_PREFIX, _OBJECT} else None
