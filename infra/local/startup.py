"""Sees that a function's start asks nobody but Lambda's runtime API.

The function runs in a network namespace of its own, where there is nothing but a loopback interface with a runtime API
on it. The kernel counts what is sent there, and what could not be sent for lack of a route: nobody has to be asked first.
"""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.console import Console, Failure
from infra.local.settings import ROOT

START_SECONDS = 20
# linux/sockios.h and linux/if.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
# Ways into a network namespace: as root, as a user where that is allowed, by sudo where it asks for no password.
WAYS = (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"],
        ["sudo", "--non-interactive", "unshare", "--net"])


class NoNamespace(Failure):
    """This machine lets us make no network namespace."""


def way() -> list[str]:
    """What a command is to be preceded by to run without a network."""
    for words in WAYS:
        if shutil.which(words[0]) and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return list(words)
    raise NoNamespace("no network namespace can be made here (unshare --net, as root or by sudo)")


def alone(program: list[str], environment: Mapping[str, str]) -> dict[str, int]:
    """What a program sends until it asks for its first event: by the kernel's counters, and the connections that the
    runtime API took."""
    asked = json.dumps({"program": program, "environment": dict(environment)})
    done = subprocess.run([*way(), sys.executable, "-m", "infra.local.startup"], input=asked, capture_output=True, text=True,
                          cwd=ROOT, timeout=START_SECONDS * 2)
    if done.returncode != 0:
        raise Failure(f"{program[-1]} did not start without a network: {(done.stderr or done.stdout).strip()[-800:]}")
    return json.loads(done.stdout)


def problem(counted: Mapping[str, int]) -> str | None:
    """What a function's start did that it should not have; nothing, if all is well."""
    if counted["no_route"]:
        return f"it tried to reach a network {counted['no_route']} times"
    if counted["datagrams"]:
        return f"it sent {counted['datagrams']} datagrams: it looks up names"
    if counted["connections"] != counted["taken"]:
        return f"it opened {counted['connections']} connections, and {counted['taken']} of them to the runtime API"
    return None


def check(console: Console, functions: Mapping[str, tuple[Path, Mapping[str, str]]]) -> None:
    """Starts each function without a network."""
    for role, (program, environment) in functions.items():
        try:
            counted = alone([str(program)], environment)
        except NoNamespace as error:
            if os.environ.get("PHOTODROP_NAMESPACES") == "required":
                raise
            console.say(f"start without a network: not checked: {error}")
            return
        found = problem(counted)
        if found:
            raise Failure(f"the {role} function's start is not alone: {found}")
    console.say(f"start without a network: {', '.join(functions)} ask the runtime API and nobody else")


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """As much of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html as a start needs."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()
    failed: list[str] = []
    taken = 0

    def setup(self) -> None:
        super().setup()
        RuntimeApi.taken += 1

    def do_GET(self) -> None:
        if self.path.endswith("/invocation/next"):
            RuntimeApi.asked.set()
        # There is no event: it waits, as on Lambda.
        time.sleep(START_SECONDS)

    def do_POST(self) -> None:
        RuntimeApi.failed.append(f"{self.path}: {self.rfile.read(int(self.headers.get('content-length', 0)))!r}")
        RuntimeApi.asked.set()

    def log_message(self, *_: Any) -> None:
        pass


def loopback_up() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def counters() -> dict[str, int]:
    """The namespace's, of IPv4 and IPv6."""
    four: dict[str, dict[str, int]] = {}
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        protocol, _, rest = names.partition(": ")
        four[protocol] = dict(zip(rest.split(), map(int, values.partition(": ")[2].split())))
    six_file = Path("/proc/self/net/snmp6")
    six = dict(line.split() for line in six_file.read_text().splitlines()) if six_file.exists() else {}
    return {"connections": four["Tcp"]["ActiveOpens"],
            "datagrams": four["Udp"]["OutDatagrams"] + int(six.get("Udp6OutDatagrams", 0)),
            "no_route": four["Ip"]["OutNoRoutes"] + int(six.get("Ip6OutNoRoutes", 0))}


def inside(program: list[str], environment: dict[str, str]) -> dict[str, int]:
    """In the namespace: starts the program and waits for its first question."""
    loopback_up()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    child = subprocess.Popen(program, env={**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"},
                             stdout=sys.stderr, stderr=sys.stderr)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not RuntimeApi.asked.wait(0.05):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("it never asked for an event")
        if RuntimeApi.failed:
            raise SystemExit(f"it reported {RuntimeApi.failed[0]}")
        return {**counters(), "taken": RuntimeApi.taken}
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    print(json.dumps(inside(wanted["program"], wanted["environment"])))
