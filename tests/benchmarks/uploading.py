"""How much memory an upload takes, for 1 GB and for 4 GB: run by `make bench`.

The other side is a server that swallows what it is sent and says that it has it: moto keeps all in memory.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LIMIT_MB = 300
CHUNK = bytes(range(256)) * 4096
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ANSWERS = {
    "uploads": f"<InitiateMultipartUpload {NAMESPACE}><UploadId>u</UploadId></InitiateMultipartUpload>",
    "uploadId": f"<CompleteMultipartUploadResult {NAMESPACE}><ETag>e</ETag></CompleteMultipartUploadResult>",
}
LISTING = f"<ListMultipartUploadsResult {NAMESPACE}/>"


class NullS3(BaseHTTPRequestHandler):
    """An S3 that has nothing, takes everything and remembers how much it was."""

    protocol_version = "HTTP/1.1"
    taken_bytes = 0
    lock = threading.Lock()

    def do_HEAD(self) -> None:
        self._answer(404, b"")

    def do_GET(self) -> None:
        self._answer(200, LISTING.encode())

    def do_PUT(self) -> None:
        self._swallow()
        self._answer(200, b"", ETag='"e"')

    def do_POST(self) -> None:
        self._swallow()
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self._answer(200, next(xml for name, xml in ANSWERS.items() if name in asked).encode())

    def _swallow(self) -> None:
        left = int(self.headers["Content-Length"])
        with NullS3.lock:
            NullS3.taken_bytes += left
        while left:
            left -= len(self.rfile.read(min(left, len(CHUNK))))

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def upload(url: str, count_bytes: int) -> None:
    """Upload so many bytes from a stream, and print the peak of our memory in MB and the seconds it took."""
    import resource  # noqa: PLC0415 - only the child needs what follows
    import time  # noqa: PLC0415

    from orchestrator.adapters.aws import Address, clients  # noqa: PLC0415
    from orchestrator.adapters.store.s3 import S3Store  # noqa: PLC0415

    def stream() -> Iterator[bytes]:
        for _ in range(count_bytes // len(CHUNK)):
            yield CHUNK

    store = S3Store(clients(Address("eu-west-1", endpoint_url=url, credentials=("k", "s"))), "bucket")
    started = time.perf_counter()
    store.upload("key", stream, lambda _: None)
    took = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"peak_mb": peak_mb, "seconds": took}))  # noqa: T201 - what the parent reads


def measured(url: str, gigabytes: int) -> dict[str, float]:
    """Return what one upload in a process of its own took."""
    count_bytes = gigabytes * 1024**3
    before = NullS3.taken_bytes
    command = [sys.executable, "-m", "tests.benchmarks.uploading", url, str(count_bytes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    if NullS3.taken_bytes - before < count_bytes:
        raise SystemExit("not everything has arrived")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure both sizes once; memory does not vary as time does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), NullS3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for gigabytes in (1, 4):
        found = measured(f"http://127.0.0.1:{server.server_port}", gigabytes)
        rate = gigabytes * 1073.7 / found["seconds"]
        told = (
            f"peak {found['peak_mb']:.0f} MB (limit {LIMIT_MB}), {rate:.0f} MB/s to a server that only reads"
        )
        print(f"uploading {gigabytes} GiB: {told}")  # noqa: T201 - a report is what this program is for
    server.shutdown()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        upload(sys.argv[1], int(sys.argv[2]))
    else:
        main()
