"""How fast a large object goes into the local cloud and out again, and what memory that takes."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from boto3.s3.transfer import TransferConfig

from tests.support.clouds import BUCKET, TestCloud, local_cloud

_BLOCK_BYTES = 2**20
_MB = 10**6


def main() -> None:
    """Print megabytes per second and the peak of the server's memory; the size in MB is the argument."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blob = folder / "blob"
        with blob.open("wb") as made:
            block = bytes(range(256)) * (_BLOCK_BYTES // 256)
            made.writelines(block for _ in range(size * _MB // _BLOCK_BYTES))
        with local_cloud(folder / "state") as cloud:
            _measure(cloud, blob)


def _measure(cloud: TestCloud, blob: Path) -> None:
    s3, before = cloud.client("s3"), _peak_mb(cloud.pid)

    def parts_of(megabytes: int) -> Callable[[], object]:
        config = TransferConfig(multipart_chunksize=megabytes * _BLOCK_BYTES)
        return lambda: s3.upload_file(str(blob), BUCKET, "large", Config=config)

    def at_once() -> None:
        with blob.open("rb") as opened:
            s3.put_object(Bucket=BUCKET, Key="large", Body=opened)

    ways: dict[str, Callable[[], object]] = {
        "upload, parts of 8 MB": parts_of(8),
        "upload, parts of 64 MB": parts_of(64),
        "upload at once": at_once,
        "download in ranges": lambda: s3.download_file(BUCKET, "large", str(blob.with_name("back"))),
    }
    for name, run in ways.items():
        began = time.perf_counter()
        run()
        speed = blob.stat().st_size / _MB / (time.perf_counter() - began)
        added = _peak_mb(cloud.pid) - before
        sys.stdout.write(f"{name:24} {speed:6.0f} MB/s, {added:4.0f} MB of added memory at the peak\n")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) / 1024


if __name__ == "__main__":
    main()
