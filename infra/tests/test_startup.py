"""A start that asks more than the runtime API is seen."""

import sys
import unittest

from infra.local import startup
from infra.local.console import Failure

ASK = """
import http.client, os, socket
{}
http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]).request("GET", "/2018-06-01/runtime/invocation/next")
import time; time.sleep(30)
"""
CONNECT = """
try:
    socket.create_connection(("192.0.2.1", 443), timeout=1)
except OSError:
    pass
"""
LOOK_UP = 'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"?", ("127.0.0.53", 53))'
BESIDE = """
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname())
"""


class Startup(unittest.TestCase):
    def setUp(self) -> None:
        try:
            startup.way()
        except startup.NoNamespace as error:
            self.skipTest(str(error))

    def counted(self, before: str) -> dict[str, int]:
        return startup.alone([sys.executable, "-c", ASK.format(before)], {})

    def test_one_that_asks_for_an_event_alone_is_right(self) -> None:
        self.assertIsNone(startup.problem(self.counted("")))

    def test_what_else_it_asks_is_seen(self) -> None:
        for before, said in ((CONNECT, "reach a network 1 times"), (LOOK_UP, "1 datagrams"), (BESIDE, "2 connections")):
            with self.subTest(said):
                self.assertIn(said, startup.problem(self.counted(before)) or "nothing")

    def test_one_that_ends_before_is_a_failure(self) -> None:
        with self.assertRaisesRegex(Failure, "never asked"):
            startup.alone([sys.executable, "-c", "import sys; sys.exit(1)"], {})


if __name__ == "__main__":
    unittest.main()
