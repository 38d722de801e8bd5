"""A program that serves a "model" under the local cloud's contract, for tests that need no torch.

The model's folder says how it behaves: ``answer`` holds the text that its answers carry as custom
attributes, without which they carry the archive's fingerprint; ``broken`` makes it fail at start with that
text. A request says what it wants by its own custom attributes: ``status=N`` to be refused, ``die`` to lose
the process, ``headers``, ``variables`` and ``pid`` to see those, ``header=NAME:VALUE`` to get that header
besides, ``hold=PIPE`` to be answered only once whoever writes to that named pipe has closed it; any other
gets its body back. In parts, ``drip=PIPE`` sends ``begun`` and, once the pipe is closed, what was written to
it; ``break`` ends the connection after ``begun``.
"""

import json
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from orchestrator.entrypoints.fingerprint import of_model  # type: ignore[import-not-found]  # mypy knows the folder as `entrypoints`

FOLDER = Path(sys.argv[1])
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Handler(BaseHTTPRequestHandler):
    # Headers and body in one packet; two would wait for each other's acknowledgement.
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = self.headers.get(ATTRIBUTES, "")
        sys.stderr.write(f"asked for {wanted or 'an echo'}\n")
        match wanted.partition("="):
            case "status", _, status:
                self._answer(int(status), body)
            case "die", _, _:
                os._exit(3)
            case "headers", _, _:
                self._answer(200, json.dumps(dict(self.headers.items())).encode())
            case "variables", _, _:
                self._answer(200, json.dumps(dict(os.environ)).encode())
            case "pid", _, _:
                self._answer(200, str(os.getpid()).encode())
            case "header", _, header:
                self._answer(200, body, header)
            case "hold", _, pipe:
                self._answer(200, Path(pipe).read_bytes())
            case "drip", _, pipe:
                self._begin(200)
                self.wfile.write(b"begun")
                self.wfile.flush()
                self.wfile.write(Path(pipe).read_bytes())
            case "break", _, _:
                self._begin(200, size_bytes=100)
                self.wfile.write(b"begun")
            case _:
                self._answer(200, body)

    def _answer(self, status: int, body: bytes, header: str = "") -> None:
        self._begin(status, len(body), header)
        self.wfile.write(body)

    def _begin(self, status: int, size_bytes: int | None = None, header: str = "") -> None:
        self.send_response(status)
        if header:
            name, _, value = header.partition(":")
            self.send_header(name, value)
        self.send_header("Content-Type", self.headers.get("Content-Type", "application/x-unknown"))
        self.send_header(ATTRIBUTES, attributes())
        if size_bytes is not None:
            self.send_header("Content-Length", str(size_bytes))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def attributes() -> str:
    told = FOLDER / "answer"
    return told.read_text() if told.exists() else f"orchestrator-model={of_model(str(FOLDER))}"


def say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def load() -> None:
    if (FOLDER / "broken").exists():
        raise RuntimeError((FOLDER / "broken").read_text())


def main() -> int:
    try:
        load()
    except RuntimeError as error:
        traceback.print_exc()
        say(event="failed", error=f"{type(error).__name__}: {error}")
        return 1
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    say(event="ready", host="127.0.0.1", port=server.server_address[1])
    server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
