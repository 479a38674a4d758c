"""A way from a container to the emulator, which listens on 127.0.0.1 alone.

It listens on the container network's own address of this machine, so that nothing beyond it can come in.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

CHUNK = 65536


@contextlib.contextmanager
def to_port(address: str, port: int) -> Iterator[int]:
    """Passes connections to `address` on to 127.0.0.1:`port`; gives the port that it listens on."""
    with socket.create_server((address, 0)) as server:
        threading.Thread(target=_accept, args=(server, port), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket, port: int) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            # It was closed: the command is over.
            return
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            near.close()
            continue
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
