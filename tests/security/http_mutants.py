"""Requests that are a little wrong: good ones, with a few changes where they matter."""

import random

HOST = b"Host: localhost"
BODIES = {
    b"application/json": b'{"inputs": [[0.5, -1.25e3, true, null, "\xc3\xa9"], []]}',
    b"text/csv": b"1,2,3\n4.5,-6,7e1\n",
    b"application/x-npy": b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
    + b" " * 57
    + b"\n"
    + bytes(24),
    b"application/x-www-form-urlencoded": b"body=a%20b&c=d",
    b"multipart/form-data; boundary=x": (
        b'--x\r\nContent-Disposition: form-data; name="body"\r\n\r\n1\r\n--x--\r\n'
    ),
}
TARGETS = [b"/invocations", b"/ping", b"/invocations?a=b", b"/", b"/models/model/invoke"]
# What changes the meaning of a head rather than its looks.
LINES = [
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999", b"Content-Length: 1, 1"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked"),
    *(b"Host: evil.example", b"Host:", b"Origin: null", b"Expect: 100-continue", b"Expect: x"),
    *(
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: h2c",
        b"Content-Encoding: gzip",
        b"TE: trailers",
    ),
    *(
        b"Content-Type: application/json; charset=utf-16",
        b"Content-Type: \xff",
        b"Accept: */*;q=0",
        b"Accept: \t",
    ),
    *(b" folded", b"\tfolded", b": nameless", b"nothing", b"X:\0", b"X: \x7f", b"x" * 300 + b": y"),
    *(b"X-Amzn-SageMaker-Session-Id: NEW_SESSION", b"X-Amzn-SageMaker-Target-Model: ../../x"),
    *(b"X-Amzn-SageMaker-Custom-Attributes: a\rb", b"body: x", b"Content-type: a", b"CONTENT-TYPE: b"),
]
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b"%", b"%00", b"../", b"?", b"#"),
    *(
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"GET ",
        b"CONNECT ",
        b"0\r\n\r\n",
        b"ffffffff\r\n",
    ),
    *(
        b"\xff\xfe",
        b"\x93NUMPY",
        b"[" * 2000,
        b"1" * 5000,
        b"NaN",
        b"1e999",
        b'{"a":',
        b"\\ud800",
        b"(10**11,)",
    ),
]


def good(chance: random.Random) -> bytes:
    """Return a request without fault."""
    kind, body = chance.choice(list(BODIES.items()))
    method = chance.choice([b"POST", b"PUT", b"GET"])
    lines = [b"%b %b HTTP/1.1" % (method, chance.choice(TARGETS)), HOST, b"Content-Type: " + kind]
    if chance.random() < 0.5:
        return _joined([*lines, b"Content-Length: %d" % len(body)], body)
    return _joined([*lines, b"Transfer-Encoding: chunked"], chunked(body, chance))


def chunked(body: bytes, chance: random.Random) -> bytes:
    """Return ``body`` in chunks of several sizes."""
    content, place = bytearray(), 0
    while place < len(body):
        piece = body[place : place + chance.randint(1, 40)]
        content += b"%x\r\n%b\r\n" % (len(piece), piece)
        place += len(piece)
    return bytes(content) + b"0\r\n\r\n"


def mutant(chance: random.Random) -> bytes:
    """Return a request with a few changes, mostly in its lines."""
    head, _, body = good(chance).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for _ in range(chance.randint(1, 3)):
        lines, body = _changed(lines, body, chance)
    content = _joined(lines, body)
    return content[: chance.randrange(len(content))] if chance.random() < 0.05 else content


def _changed(lines: list[bytes], body: bytes, chance: random.Random) -> tuple[list[bytes], bytes]:
    place = chance.randrange(len(lines))
    match chance.randrange(7):
        case 0:
            return [*lines[:place], *lines[place + 1 :]] or lines, body
        case 1:
            return [*lines, chance.choice(LINES)], body
        case 2:
            return [*lines[:place], chance.choice(LINES), *lines[place + 1 :]], body
        case 3:
            return [*lines[:place], _struck(lines[place], chance), *lines[place + 1 :]], body
        case 4:
            return [*lines, lines[place]], body
        case 5:
            return lines, body[: chance.randrange(len(body) + 1)] + chance.choice(TOKENS)
        case _:
            return lines, _struck(body, chance)


def _struck(text: bytes, chance: random.Random) -> bytes:
    """Return ``text`` with a token in it, or with a byte that is another, or without one."""
    place = chance.randrange(len(text) + 1)
    piece = chance.choice([chance.choice(TOKENS), bytes([chance.randrange(256)]), b""])
    return text[:place] + piece + text[place + chance.randint(0, 1) :]


def _joined(lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", body])
