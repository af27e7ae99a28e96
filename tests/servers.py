"""A web server on this machine that serves files well or ill, and a stand-in for Google Drive on top of it."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from unittest import mock
from urllib.parse import parse_qs, urlsplit

QUOTA_PAGE = b"""<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>"""
CONFIRMATION_PAGE = b"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">\
<input type="hidden" name="id" value="%s"><input type="hidden" name="confirm" value="t"></form></body></html>"""


class Server:
    """`files`: content by name. The address BASE/WAY/NAME serves it in one of the ways below; `asked` has (path, Range)."""

    def __init__(self, base: str):
        self.base, self.files, self.asked = base, {}, []
        self.cut = 0  # byte at which the ways that end early do so
        self.released = threading.Event()  # lets silent answers end
        self.given_up = False  # a client has waited for a silent answer longer than any should

    def fall_silent(self) -> None:
        self.given_up |= not self.released.wait(120)

    def address(self, way: str, name: str) -> str:
        return f"{self.base}/{way}/{name}"

    def ranges(self, name: str) -> list[str]:
        """The ranges that were asked of `name`, in order; "" where all of it was."""
        return [asked for path, asked in self.asked if path.endswith(f"/{name}")]


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """A running server."""

    class Handler(_Handler):
        pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    Handler.state = Server(f"http://127.0.0.1:{listening.server_port}")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Handler.state
    finally:
        Handler.state.released.set()
        listening.shutdown()
        thread.join()
        listening.server_close()


@contextlib.contextmanager
def drive_at(server: Server) -> Iterator[None]:
    """Requests to Google Drive go to `server` instead: its ways "uc" and "download" stand for Drive's two hosts."""
    import requests

    send = requests.adapters.HTTPAdapter.send

    def redirected(self, request, **keywords):
        url = urlsplit(request.url)
        if url.hostname in ("drive.google.com", "drive.usercontent.google.com"):
            request.url = f"{server.base}/drive{url.path}?{url.query}"
        return send(self, request, **keywords)

    with mock.patch.object(requests.adapters.HTTPAdapter, "send", redirected):
        yield


class _Handler(http.server.BaseHTTPRequestHandler):
    """One method a way of serving."""

    state: Server

    def do_GET(self):
        url = urlsplit(self.path)
        way, _, name = url.path.lstrip("/").partition("/")
        wanted = self.headers.get("Range", "")
        if way == "drive":
            way, name = f"drive_{name}", parse_qs(url.query)["id"][0]
        self.state.asked.append((f"/{way}/{name}", wanted))
        begin = re.fullmatch(r"bytes=(\d+)-", wanted)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has left
            getattr(self, way)(name, self.state.files.get(name, b""), int(begin[1]) if begin else 0)

    def log_message(self, *_):
        pass

    def answer(self, status, content, length=None, **headers):
        """`length`: what is promised, if not what is sent."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def part(self, content, begin, end=None, **headers):
        """From `begin` on, as asked; promised whole, though it may end at `end`."""
        if begin >= len(content):
            return self.answer(416, b"", Content_Range=f"bytes */{len(content)}")
        if begin:
            headers["Content_Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.answer(206 if begin else 200, content[begin:end], len(content) - begin, **headers)

    # Ways of serving

    def good(self, name, content, begin):
        self.part(content, begin)

    def plain(self, name, content, begin):
        """Knows no ranges."""
        self.answer(200, content)

    def unsized(self, name, content, begin):
        """Promises no length and ends early: it looks whole."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content[: self.state.cut or None])

    def breaks(self, name, content, begin):
        """Ends `cut` bytes further on each time, though it promised all."""
        self.part(content, begin, begin + self.state.cut)

    def plain_breaks(self, name, content, begin):
        self.answer(200, content[: self.state.cut], len(content))

    def stalls(self, name, content, begin):
        """Falls silent at `cut`."""
        self.part(content, begin, self.state.cut)
        self.wfile.flush()
        self.state.fall_silent()

    def slow(self, name, content, begin):
        """Trickles, so that it can be killed half way."""
        self.part(content, begin, begin)
        for at in range(begin, len(content), 2**16):
            self.wfile.write(content[at : at + 2**16])
            time.sleep(0.02)

    def wrong(self, name, content, begin):
        """As many bytes as there should be, but others."""
        self.part(bytes(len(content)), begin)

    def other(self, name, content, begin):
        """Another file, of another size."""
        self.part(content + b"more", begin)

    def more(self, name, content, begin):
        """Sends more than it promises."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content + b"more")

    def elsewhere(self, name, content, begin):
        """Continues at another place than the one asked for."""
        self.part(content, begin and begin + 1)

    def page(self, name, content, begin):
        self.answer(200, QUOTA_PAGE, Content_Type="text/html; charset=utf-8")

    def disguised_page(self, name, content, begin):
        self.answer(200, QUOTA_PAGE, Content_Type="application/zip")

    def missing(self, name, content, begin):
        self.answer(404, b"not here", Content_Type="text/plain")

    def good_or_missing(self, name, content, begin):
        (self.good if content else self.missing)(name, content, begin)

    def busy(self, name, content, begin):
        self.answer(503, b"<html>later</html>", Content_Type="text/html")

    def encoded(self, name, content, begin):
        """Calls a gzip file "encoded", as some servers do: unpacking it on the way would make another file of it."""
        self.answer(200, content, Content_Encoding="gzip")

    # Google Drive

    def drive_uc(self, name, content, begin):
        """The first page: the file's name decides what comes."""
        if name.startswith("quota"):
            self.answer(200, QUOTA_PAGE, Content_Type="text/html; charset=utf-8")
        elif name.startswith("forbidden"):
            self.answer(404, b"<html><title>Not found</title></html>", Content_Type="text/html")
        else:
            self.answer(200, CONFIRMATION_PAGE % name.encode(), Content_Type="text/html; charset=utf-8")

    def drive_download(self, name, content, begin):
        """The file itself, after the confirmation."""
        headers = {"Content_Disposition": f'attachment; filename="{name}.zip"', "Content_Type": "application/octet-stream"}
        if name.startswith("stalls"):
            self.part(content, begin, self.state.cut, **headers)
            self.wfile.flush()
            self.state.fall_silent()
        elif name.startswith("breaks"):
            self.part(content, begin, begin + self.state.cut, **headers)
        elif name.startswith("page"):
            self.answer(200, QUOTA_PAGE, **headers)
        elif name.startswith("plain"):
            self.answer(200, content, **headers)
        else:
            self.part(content, begin, **headers)
