"""The upload page of a local stack: `examples/web` as plain files, with the stack's own `config.json`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from infra.local import origin_guard
from infra.local.console import Console, Failure
from infra.local.emulator import Process, direct, port_is_taken, start_time
from infra.local.settings import ROOT, Place

PAGE = ROOT / "examples" / "web"
START_SECONDS = 10
# What the page is made of; nothing else of the folder is served.
SERVED = {".html", ".css", ".js", ".svg"}
# A page in another page's frame could be clicked by trickery. In a `meta` element `frame-ancestors` has no effect.
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
           "content-security-policy": "frame-ancestors 'none'"}


def configuration(stack: dict[str, Any]) -> dict[str, Any]:
    """What the page has to know of a stack. The demo user is in it: the server listens on this machine alone."""
    found: dict[str, Any] = {"api": stack["api_url"], "content_types": stack["allowed_content_types"]}
    if stack.get("user_pool_client_id"):
        found["cognito"] = {"endpoint": f"{stack['endpoint']}/", "client_id": stack["user_pool_client_id"]}
    if stack.get("demo_user"):
        found["demo"] = {"user": stack["demo_user"], "password": stack["demo_password"]}
    return found


class Page(SimpleHTTPRequestHandler):
    """The files of the page, never cached: whoever edits one sees it at once."""

    def __init__(self, *arguments: Any, stack_file: Path, **named: Any) -> None:
        self.stack_file = stack_file
        super().__init__(*arguments, directory=str(PAGE), **named)

    def parse_request(self) -> bool:
        """Refuses the pages of other origins whatever they ask for: the demo user's password is served here."""
        if not super().parse_request():
            return False
        own = [f"http://{name}:{self.server.server_port}" for name in ("localhost", "127.0.0.1")]
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        refused = None if self.is_link(headers) else origin_guard.refusal(headers, own)
        refused = refused or origin_guard.refusal([pair for pair in headers if pair[0] == "host"], own)
        if refused:
            self.send_text(HTTPStatus.FORBIDDEN, "text/plain", f"the upload page's server refuses this request: {refused}\n")
        return not refused

    def is_link(self, headers: list[tuple[str, str]]) -> bool:
        """Whether it opens the page itself in a tab of its own, as a link on any page may."""
        return (self.command == "GET" and self.path.partition("?")[0] in {"/", "/index.html"}
                and ("sec-fetch-mode", "navigate") in headers and ("sec-fetch-dest", "document") in headers)

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        path = self.path.partition("?")[0]
        if path == "/config.json":
            self.send_configuration()
        elif path == "/" or (path.count("/") == 1 and Path(path).suffix in SERVED):
            super().do_GET()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - a HEAD with a body does no harm here

    def send_configuration(self) -> None:
        try:
            text = json.dumps(configuration(json.loads(self.stack_file.read_text())))
        except (OSError, ValueError, KeyError):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "the local stack is not deployed")
            return
        self.send_text(HTTPStatus.OK, "application/json", text)

    def send_text(self, status: HTTPStatus, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()


def record_file(place: Place) -> Path:
    return place.folder / "web.json"


def recorded(place: Place) -> Process | None:
    """The server that this place started, if it still runs."""
    try:
        process = Process(**json.loads(record_file(place).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if process.is_alive() else None


def ensure_running(console: Console, place: Place, stack: dict[str, Any]) -> None:
    """Serves the page and writes its address into the stack's description."""
    from infra.local.deploy import write

    process = recorded(place)
    if process and (process.port != place.web_port or not answers(process.port)):
        stop(place)
        process = None
    process = process or start(place)
    stack["web_url"] = f"http://localhost:{process.port}/"
    write(place, stack)


def check_port(place: Place) -> None:
    """Before anything is built: whether the page can be served."""
    process, port = recorded(place), place.web_port
    if (process is None or process.port != port) and port_is_taken(port):
        variable = "PHOTODROP_WEB_PORT" if place.name == "photodrop" else "PHOTODROP_TEST_WEB_PORT"
        raise Failure(f"port {port} of the upload page is taken by another program: choose another ({variable})")


def start(place: Place) -> Process:
    check_port(place)
    port = place.web_port
    with (place.folder / "web.log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "infra.local.web", str(port), str(place.stack_file)], cwd=ROOT,
                                 env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, start_new_session=True)
    started = start_time(child.pid)
    if started is None:
        raise Failure(f"the upload page's server ended at once: see {place.folder / 'web.log'}")
    process = Process(child.pid, started, port)
    record_file(place).write_text(json.dumps(asdict(process)))
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if child.poll() is not None or time.monotonic() > deadline:
            stop(place)
            raise Failure(f"the upload page is not served: see {place.folder / 'web.log'}")
        time.sleep(0.05)
    return process


def answers(port: int) -> bool:
    try:
        with direct().open(f"http://127.0.0.1:{port}/", timeout=2) as response:
            return response.status == HTTPStatus.OK
    except (OSError, urllib.error.URLError):
        return False


def stop(place: Place) -> bool:
    """Stops the server if it is surely the one that was started here."""
    process = recorded(place)
    record_file(place).unlink(missing_ok=True)
    if not process:
        return False
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while process.is_alive() and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        time.sleep(0.02)
    return True


def main(arguments: list[str]) -> None:
    port, stack_file = arguments
    # Otherwise every machine on the network could read the demo user's password.
    handler = partial(Page, stack_file=Path(stack_file))
    ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
