"""Which process may be stopped, and what is said when one cannot be started."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from unittest import mock

from infra.local import emulator
from infra.local.console import Console, Failure
from infra.local.settings import Place


class Processes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Place(Path(folder.name), 0, False, "photodrop-x")
        self.console = Console("test")
        self.console.say = lambda text="": None

    def sleeper(self) -> subprocess.Popen:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def record(self, pid: int, started: str) -> None:
        emulator.record_file(self.place).write_text(json.dumps({"pid": pid, "started": started, "port": 1}))

    def test_the_process_that_was_started_is_known_again_and_stopped(self):
        child = self.sleeper()
        self.record(child.pid, emulator.start_time(child.pid))
        self.assertEqual(emulator.recorded(self.place).pid, child.pid)
        self.assertTrue(emulator.stop(self.console, self.place))
        self.assertIsNone(emulator.start_time(child.pid))
        self.assertFalse(emulator.record_file(self.place).exists())

    def test_another_process_that_got_the_same_number_is_left_alone(self):
        child = self.sleeper()
        self.record(child.pid, "earlier")
        self.assertIsNone(emulator.recorded(self.place))
        self.assertFalse(emulator.stop(self.console, self.place))
        self.assertIsNone(child.poll())

    def test_a_stack_that_keeps_nothing_is_not_restarted(self):
        with self.assertRaisesRegex(Failure, "no stack is running"):
            emulator.restart(self.console, self.place, kill=False)
        child = self.sleeper()
        self.record(child.pid, emulator.start_time(child.pid))
        with self.assertRaisesRegex(Failure, "keeps nothing"):
            emulator.restart(self.console, self.place, kill=True)
        self.assertIsNone(child.poll())

    def test_only_a_durable_stack_is_told_to_write_its_state_down(self):
        durable = dataclasses.replace(self.place, durable=True)
        self.place.secret_file.write_text("secret")
        self.assertNotIn("PERSIST_STATE", emulator.environment(self.place, self.place.folder))
        self.assertEqual(emulator.environment(durable, self.place.folder)["PERSIST_STATE"], "1")

    def test_an_emulator_that_an_older_version_started_is_not_used(self):
        child = self.sleeper()
        self.record(child.pid, emulator.start_time(child.pid))
        with self.assertRaisesRegex(Failure, "older version: make down, make up"):
            emulator.ensure_running(self.console, self.place)
        self.assertIsNone(child.poll())

    def test_a_broken_record_is_no_process(self):
        for text in ("", "{}", "[1]", '{"pid": 1}'):
            emulator.record_file(self.place).write_text(text)
            self.assertIsNone(emulator.recorded(self.place))

    def test_a_dead_process_has_no_start_time(self):
        child = subprocess.Popen([sys.executable, "-c", ""])
        # Until it is waited for it is a zombie, which is as good as gone.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.assertIsNone(emulator.start_time(child.pid))
        child.wait()
        self.assertIsNone(emulator.start_time(child.pid))

    def test_a_taken_port_is_reported_with_another_to_choose(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            place = Place(self.place.folder, port, False, "photodrop")
            with self.assertRaisesRegex(Failure, f"port {port} is taken .*PHOTODROP_PORT={port + 1} make test"):
                emulator.start(self.console, place)

    def test_ministack_hears_nothing_of_the_users_credentials_and_listens_here_alone(self):
        self.place.secret_file.write_text("of this stack")
        environment = emulator.environment(self.place, self.place.folder)
        self.assertEqual(environment["AWS_SECRET_ACCESS_KEY"], "of this stack")
        self.assertEqual(environment["BIND_HOST"], "127.0.0.1")
        self.assertEqual(environment["AUTH"], "true")
        self.assertEqual({n for n in environment if n.startswith("AWS_")}, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})


class TheWayToAnApi(unittest.TestCase):
    def setUp(self):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                # A proxy is asked for whole URLs.
                self.wfile.write(self.path.encode())

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def asked_for(self, url: str, proxy: str) -> str:
        with mock.patch.dict(os.environ, {"http_proxy": proxy}, clear=True), emulator.opener(url).open(url) as answer:
            return answer.read().decode()

    def test_a_proxy_is_used_for_aws_and_not_for_this_machine(self):
        self.assertEqual(self.asked_for("http://photos.example/health", proxy=self.url), "http://photos.example/health")
        for host in ("127.0.0.1", "localhost"):
            near = f"http://{host}:{self.url.rpartition(':')[2]}/health"
            with self.subTest(host):
                self.assertEqual(self.asked_for(near, proxy="http://127.0.0.1:9"), "/health")


if __name__ == "__main__":
    unittest.main()
