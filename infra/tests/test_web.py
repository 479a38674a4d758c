"""What the upload page's server gives away, and when it does not start."""

import json
import os
import socket
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from unittest import mock

from cfnlint.decode import cfn_yaml

from infra.local import web
from infra.local.console import Failure
from infra.local.settings import TEMPLATE, Place

STACK = {"endpoint": "http://localhost:1", "api_url": "http://localhost:1/api", "region": "us-east-1",
         "allowed_content_types": ["image/jpeg", "image/heic"],
         "user_pool_client_id": "client", "demo_user": "demo", "demo_password": "secret", "token": "of the demo user"}


class Quiet(web.Page):
    def log_message(self, *_):
        pass


class Served(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, stack_file=self.folder / "stack.json"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def status(self, path, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=named, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
                self.body, self.headers = answer.read(), answer.headers
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                self.body, self.headers = error.read(), error.headers
                return error.code

    def test_the_page_is_served_and_nothing_else_of_the_folder(self):
        for path in ["/", "/index.html", "/app.js", "/style.css", "/icon.svg", "/app.js?v=1"]:
            self.assertEqual(self.status(path), 200, path)
        for path in ["/README.md", "/tests/package.json", "/tests/", "/../uppy/photodrop.js", "/%2e%2e/uppy/photodrop.js",
                     "/config.example.json", "/none.js"]:
            self.assertEqual(self.status(path), 404, path)

    def test_the_configuration_is_the_stacks_without_its_token(self):
        self.assertEqual(self.status("/config.json"), 503)
        (self.folder / "stack.json").write_text(json.dumps(STACK))
        self.assertEqual(self.status("/config.json"), 200)
        self.assertEqual(json.loads(self.body), {
            "api": "http://localhost:1/api", "content_types": ["image/jpeg", "image/heic"], "cognito": {"endpoint": "http://localhost:1/", "client_id": "client"},
            "demo": {"user": "demo", "password": "secret"}})

    def test_no_page_of_another_origin_gets_the_demo_users_password(self):
        (self.folder / "stack.json").write_text(json.dumps(STACK))
        port = self.url.rpartition(":")[2]
        own = f"http://localhost:{port}"
        for headers, expected in [
            ({"host": "evil.example"}, 403), ({"host": f"evil.example:{port}"}, 403), ({"host": f"localhost.evil.example:{port}"}, 403),
            ({"host": "127.0.0.1.nip.io"}, 403), ({"host": f"0.0.0.0:{port}"}, 403), ({"host": ""}, 403),
            ({"origin": "https://evil.example"}, 403), ({"origin": "null"}, 403), ({"origin": "http://localhost:1"}, 403),
            ({"sec_fetch_site": "cross-site"}, 403), ({"sec_fetch_site": "same-site"}, 403),
            ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, 403),
            ({"host": f"localhost:{port}"}, 200), ({"host": f"[::1]:{port}"}, 200), ({"origin": own}, 200),
            ({"sec_fetch_site": "same-origin", "referer": f"{own}/"}, 200), ({"sec_fetch_site": "none"}, 200),
        ]:
            for method in ("GET", "HEAD"):
                with self.subTest(headers=headers, method=method):
                    self.assertEqual(self.status("/config.json", method, **headers), expected)
                    if expected == 403 and method == "GET":
                        self.assertRegex(self.body.decode(), r"\Athe upload page's server refuses this request: .+\n\Z")
                    self.assertEqual(b"secret" in self.body, expected == 200 and method == "GET")
        for path in ("/", "/app.js", "/none"):
            self.assertEqual(self.status(path, host="evil.example"), 403, path)

    def test_a_link_opens_the_page_and_no_frame_shows_it(self):
        link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
        self.assertEqual(self.status("/", **link), 200)
        self.assertEqual(self.status("/", **link, host="evil.example"), 403)
        self.assertEqual(self.status("/", **{**link, "sec_fetch_dest": "iframe"}), 403)
        # The stack is not deployed: an error is not shown in a frame either.
        for path, expected in (("/", 200), ("/index.html", 200), ("/app.js", 200), ("/none", 404), ("/config.json", 503)):
            self.assertEqual(self.status(path), expected, path)
            self.assertEqual(self.headers["content-security-policy"], "frame-ancestors 'none'", path)
            self.assertEqual(self.headers["x-frame-options"], "DENY", path)

    def test_the_page_states_the_password_rules_of_the_template(self):
        rules = cfn_yaml.load(str(TEMPLATE))["Resources"]["UserPool"]["Properties"]["Policies"]["PasswordPolicy"]
        characters = [name for rule, name in [("RequireLowercase", "a lower-case letter"), ("RequireUppercase", "an upper-case letter"),
                                              ("RequireNumbers", "a digit"), ("RequireSymbols", "a symbol")] if rules[rule]]
        sentence = f"At least {rules['MinimumLength']} characters, with {', '.join(characters[:-1])} and {characters[-1]}."
        self.assertIn(f">{sentence}<", (web.PAGE / "index.html").read_text())

    def test_a_taken_port_is_a_line_that_says_what_to_do(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            for name, variable in [("photodrop", "PHOTODROP_WEB_PORT"), ("photodrop-test", "PHOTODROP_TEST_WEB_PORT")]:
                with mock.patch.dict(os.environ, {variable: str(port)}):
                    with self.assertRaisesRegex(Failure, f"port {port} .*{variable}"):
                        web.check_port(Place(self.folder, 4566, False, name))
        self.assertFalse(web.stop(Place(self.folder, 4566, False, "photodrop")), "there is none to stop")


if __name__ == "__main__":
    unittest.main()
