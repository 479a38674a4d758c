"""Refuses requests that a web page of another origin sends to a server of this machine.

A browser lets every page send requests to 127.0.0.1. The `Host` header shows DNS rebinding: the page's own name then leads to
127.0.0.1. The `Origin`, `Sec-Fetch-Site` and `Referer` headers name the page, and no page can change them.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

# No public DNS name ends in .localhost or .internal (RFC 6761, ICANN's resolution of 2024-07-29).
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1", "host.docker.internal"}
HOST = re.compile(r"(?:\[([0-9a-f:]+)\]|([a-z0-9_-]+(?:\.[a-z0-9_-]+)*))(?::[0-9]{1,5})?", re.ASCII)
PRIVATE_NETWORKS = [ipaddress.IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
# Values of Sec-Fetch-Site for a request that no other origin caused: https://www.w3.org/TR/fetch-metadata/
OWN_SITE = {"none", "same-origin"}


def refusal(headers: Iterable[tuple[str, str]], origins: Collection[str], *, is_admin: bool = False) -> str | None:
    """Returns why a request is refused, or nothing if it may pass.

    `headers` have names in lower case. `origins` are those whose pages may call the server; to a path of the administrator
    (`is_admin`) no page may send anything.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.strip())
    hosts = found.get("host", [])
    if len(hosts) != 1 or not is_local(hosts[0]):
        return f"the Host {shown(hosts)} is not a name of this machine"
    if "origin" in found:
        if len(found["origin"]) != 1 or found["origin"][0] not in origins:
            return f"the Origin {shown(found['origin'])} is not one of the stack's AllowedOrigins"
        return "no page may call this path" if is_admin else None
    sites = found.get("sec-fetch-site", [])
    if not sites or sites == ["none"]:
        return None
    if is_admin:
        return "no page may call this path"
    if len(sites) == 1 and sites[0] in OWN_SITE:
        return None
    # An image or a link: without an Origin, but with the origin of its page.
    pages = found.get("referer", [])
    if len(pages) == 1 and origin_of(pages[0]) in origins:
        return None
    return f"a page of another origin sent it (Sec-Fetch-Site {shown(sites)}, Referer {shown(pages)})"


def is_local(host: str) -> bool:
    """Whether a Host header names this machine."""
    parts = HOST.fullmatch(host.lower())
    if not parts:
        return False
    name = parts[1] or parts[2]
    return name in LOCAL_NAMES or name.endswith(".localhost") or is_gateway(name)


def is_gateway(name: str) -> bool:
    """Whether this is a private address of this machine, by which its containers reach it. DNS rebinding needs a name."""
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        return False
    if not any(address in network for network in PRIVATE_NETWORKS):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((name, 0))
        except OSError:
            return False
    return True


def origin_of(url: str) -> str | None:
    """Returns the origin of a page's URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}"


def shown(values: list[str]) -> str:
    """Header values for a message: one line of ASCII."""
    return ascii(", ".join(values))[:200] if values else "(none)"
