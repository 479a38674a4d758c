"""What a page in a browser, and whoever lacks the stack's secret, can do to the emulator: nothing."""

import asyncio
import http.client
import io
import json
import os
import socket
import stat
import tempfile
import time
import unittest
import zipfile
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from unittest import mock

import boto3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from infra.local import aws, deploy, emulator, origin_guard, settings
from infra.local.console import Console
from infra.local.guarded_ministack import AllowedOrigins, Guard
from infra.local.settings import REGION, Place

PAGE = "http://localhost:3000"
LIST_TABLES = {"x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0"}
FUNCTION = {"FunctionName": "attack", "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": {"ZipFile": "UEsFBgAAAAAA"},
            "Role": "arn:aws:iam::000000000000:role/photodrop-upload"}


class Running(unittest.TestCase):
    """A real emulator behind its guard."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cls.place = Place(Path(folder.name), port, True, "photodrop-guarded")
        console = Console("test")
        console.say = lambda text="": None
        emulator.start(console, cls.place)
        cls.addClassCleanup(emulator.stop, console, cls.place)
        settings.write_private(cls.place.origins_file, json.dumps([PAGE]))
        cls.access = cls.place.access(port)
        cls.port = port

    def ask(self, method="GET", path="/", headers=(), body=b""):
        """The status and the body of an answer. Headers are sent as they are given, the Host among them."""
        pairs = list(dict(headers).items()) if isinstance(headers, dict) else list(headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if not any(name.lower() == "host" for name, _ in pairs):
                pairs.insert(0, ("host", f"localhost:{self.port}"))
            for name, value in [*pairs, ("content-length", str(len(body)))]:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def signed(self, secret, method="POST", path="/", service="dynamodb", headers=None, body=b"{}", key="test", token=None,
               auth=SigV4Auth):
        """A request as the SDKs sign it."""
        url = f"http://localhost:{self.port}{path}"
        request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
        auth(Credentials(key, secret, token), service, REGION).add_auth(request)
        return method, request.prepare().url.partition(f":{self.port}")[2], dict(request.headers.items()), body

    def assert_refused(self, answer, *said):
        status, text = answer
        self.assertEqual(status, 403, text)
        self.assertEqual(len(text.strip().splitlines()), 1, text)
        for words in said:
            self.assertIn(words, text)


class Doors(Running):
    def test_the_stacks_secret_opens_and_the_old_key_does_not(self):
        secret = self.access["secret_access_key"]
        for key in ("test", "000000000000"):
            self.assertEqual(self.ask(*self.signed(secret, headers=LIST_TABLES, key=key))[0], 200, key)
            for wrong in ("test", "", secret[:-1], secret.swapcase()):
                with self.subTest(key=key, secret=wrong):
                    self.assert_refused(self.ask(*self.signed(wrong, headers=LIST_TABLES, key=key)), "signature")

    def test_no_way_to_write_a_signature_makes_root(self):
        scope = f"20260101/{REGION}/dynamodb/aws4_request"
        attempts = [
            {"authorization": f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0"},
            {"authorization": f"AWS4-HMAC-SHA256 Credential=123456789012/{scope}, SignedHeaders=host, Signature=0"},
            {"authorization": f"aws4-hmac-sha256 Credential=test/{scope}, SignedHeaders=host, Signature=0"},
            {"authorization": f"AWS4-ECDSA-P256-SHA256 Credential=test/20260101/dynamodb/aws4_request, SignedHeaders=host, Signature=0"},
            {"authorization": "AWS4-HMAC-SHA256"}, {"authorization": "AWS test:c2ln"}, {"authorization": "Bearer token"},
            {"authorization": "Basic dGVzdDp0ZXN0"}, {"authorization": "x"}, {},
        ]
        for headers in attempts:
            with self.subTest(headers):
                self.assert_refused(self.ask("POST", "/", {**LIST_TABLES, **headers}, b"{}"))
                self.assert_refused(self.ask("GET", "/2015-03-31/functions", headers))
                self.assert_refused(self.ask("PUT", "/bucket-of-an-attack", headers))
        for query in (f"X-Amz-Credential=test/{scope}", f"x-amz-credential=test/{scope}", "AWSAccessKeyId=test&Signature=x&Expires=9999999999",
                      f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/{scope.replace('dynamodb', 's3')}"
                      "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=0"):
            with self.subTest(query):
                self.assert_refused(self.ask("POST", f"/?{query}", LIST_TABLES, b"{}"))
                self.assert_refused(self.ask("PUT", f"/bucket-of-an-attack?{query}"))
        two = [("authorization", "Bearer x"), ("authorization", f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0")]
        self.assert_refused(self.ask("POST", "/", [*LIST_TABLES.items(), *two], b"{}"), "more than one Authorization")

    def test_what_the_api_and_cognito_take_unsigned_is_no_way_to_another_service(self):
        junk = {"authorization": "x"}
        for method, path, headers in [
            ("POST", "/_aws/execute-api/x", {**LIST_TABLES, **junk}),
            ("POST", "/", {**junk, "x-amz-target": "AWSCognitoIdentityProviderService.ListUserPools"}),
            ("POST", "/bucket?delete", {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"}),
            ("POST", "/bucket?delete", {"content-type": "multipart/form-data; boundary=x"}),
            ("PUT", "/bucket", {"content-type": "multipart/form-data; boundary=x"}),
            ("GET", "/v20180820/mrap/instances", {**junk, "host": f"0123abcd.execute-api.localhost:{self.port}"}),
            ("GET", "/iceberg/v1/config", {**junk, "host": f"0123abcd.execute-api.localhost:{self.port}"}),
        ]:
            with self.subTest(path=path, headers=headers):
                self.assert_refused(self.ask(method, path, headers, b""))
        # Cognito's own signed operations stay signed, and its unsigned ones are answered.
        status, text = self.ask("POST", "/", {"x-amz-target": "AWSCognitoIdentityProviderService.ListUserPools"}, b'{"MaxResults":1}')
        self.assertIn("MissingAuthenticationToken", text, status)
        status, text = self.ask("POST", "/", {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth",
                                              "content-type": "application/x-amz-json-1.1"},
                                b'{"ClientId":"none","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"a","PASSWORD":"b"}}')
        self.assertIn("ResourceNotFoundException", text, status)

    def test_a_page_cannot_make_a_function(self):
        body = json.dumps(FUNCTION).encode()
        for secret, headers, said in [
            ("test", {}, "signature"),
            ("test", {"origin": "https://evil.example"}, "Origin"),
            # By accident, the page has the secret: the Origin alone refuses it.
            (self.access["secret_access_key"], {"origin": "https://evil.example"}, "AllowedOrigins"),
            (self.access["secret_access_key"], {"origin": "http://localhost:9999"}, "AllowedOrigins"),
        ]:
            with self.subTest(secret=secret == "test", headers=headers):
                method, path, signed, _ = self.signed(secret, path="/2015-03-31/functions", service="lambda", body=body, auth=SigV4QueryAuth,
                                                      headers={"content-type": "text/plain;charset=UTF-8"})
                self.assert_refused(self.ask(method, path, {**signed, **headers}, body), said)
        self.assertEqual(aws.client("lambda", self.access).list_functions()["Functions"], [])

    def test_no_page_resets_or_configures_the_emulator(self):
        table = {"TableName": "kept", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                 "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
        dynamodb = aws.client("dynamodb", self.access)
        dynamodb.create_table(**table)
        self.addCleanup(dynamodb.delete_table, TableName="kept")
        for method, path in (("POST", "/_ministack/reset"), ("POST", "/_ministack/config"), ("GET", "/_ministack/health")):
            for headers in ({"origin": "https://evil.example"}, {"origin": PAGE}, {"origin": "null"}, {"host": "evil.example"},
                            {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "same-origin"},
                            {"sec-fetch-site": "cross-site", "referer": f"{PAGE}/"}):
                with self.subTest(path=path, headers=headers):
                    self.assert_refused(self.ask(method, path, headers, b"{}"))
        self.assertEqual(dynamodb.list_tables()["TableNames"], ["kept"])
        # The project's own health check, and a person who types the address.
        self.assertEqual(self.ask(path="/_ministack/ready")[0], 200)
        self.assertEqual(self.ask(path="/_ministack/health", headers={"sec-fetch-site": "none"})[0], 200)

    def test_a_page_of_the_stack_gets_its_preflight_and_no_other_does(self):
        for origin, status in ((PAGE, 200), ("https://evil.example", 403), ("null", 403)):
            asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "x-amz-target"}
            self.assertEqual(self.ask("OPTIONS", "/", asked)[0], status, origin)

    def test_presigned_requests_of_root_work_and_only_with_the_secret(self):
        s3 = aws.client("s3", self.access)
        version_4 = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        s3.create_bucket(Bucket="presigned")
        for secret, status in ((self.access["secret_access_key"], 200), ("test", 403)):
            client = boto3.client("s3", endpoint_url=self.access["endpoint"], region_name=REGION, config=version_4,
                                  aws_access_key_id="test", aws_secret_access_key=secret)
            url = client.generate_presigned_url("put_object", Params={"Bucket": "presigned", "Key": "a b/ü.txt"})
            path = url.partition(f":{self.port}")[2]
            self.assertEqual(self.ask("PUT", path, body=b"x" * 100_000)[0], status)
            post = client.generate_presigned_post("presigned", "form.txt")
            fields = {**post["fields"], "file": "by a form"}
            form = "".join(f'--B\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
            answer = self.ask("POST", "/presigned", {"content-type": "multipart/form-data; boundary=B"}, f"{form}--B--\r\n".encode())
            self.assertEqual(answer[0], 204 if status == 200 else 403, answer[1])
        body = s3.get_object(Bucket="presigned", Key="a b/ü.txt")["Body"].read()
        self.assertEqual(len(body), 100_000)
        self.assert_refused_form_without_a_policy()

    def assert_refused_form_without_a_policy(self):
        part = '--B\r\ncontent-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        form = part.format("key", "stolen.txt") + part.format("file", "x") + "--B--\r\n"
        status, text = self.ask("POST", "/presigned", {"content-type": "multipart/form-data; boundary=B"}, form.encode())
        self.assertIn(status, (400, 403), text)

    def test_a_roles_session_cannot_be_guessed(self):
        """A function that writes down its environment and waits: its session and its runtime API are tried from outside."""
        written, zipped = self.place.folder / "environment", io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            file = zipfile.ZipInfo("bootstrap")
            file.external_attr = 0o755 << 16
            archive.writestr(file, f"#!/bin/sh\nenv > {written}.new && mv {written}.new {written}\nexec sleep 60\n")
        role = aws.client("iam", self.access).create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        lambdas = aws.client("lambda", self.access)
        function = lambdas.create_function(FunctionName="waits", Runtime="provided.al2023", Handler="bootstrap", Role=role, Timeout=60,
                                           Code={"ZipFile": zipped.getvalue()})["FunctionArn"]
        self.addCleanup(lambdas.delete_function, FunctionName="waits")
        lambdas.invoke(FunctionName="waits", InvocationType="Event", Payload=b"{}")
        deadline = time.monotonic() + 300
        while not written.exists():
            self.assertLess(time.monotonic(), deadline, "the function does not start")
            time.sleep(0.05)
        environment = dict(line.split("=", 1) for line in written.read_text().splitlines() if "=" in line)
        self.assertNotIn(self.access["secret_access_key"], environment.values())

        digest = sha256(f"{function}:{role}".encode()).hexdigest()
        guessed = (f"ASIA{digest[:16].upper()}", sha256(f"secret:{digest}".encode()).hexdigest(),
                   sha256(f"token:{digest}".encode()).hexdigest())
        given = tuple(environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
        for (key, secret, token), status in ((given, 200), (guessed, 403), ((given[0], *guessed[1:]), 403)):
            form = {"content-type": "application/x-www-form-urlencoded"}
            asked = self.signed(secret, service="sts", key=key, token=token, headers=form, body=b"Action=GetCallerIdentity&Version=2011-06-15")
            answer = self.ask(*asked)
            self.assertEqual(answer[0], status, answer[1])

        runtime = environment["AWS_LAMBDA_RUNTIME_API"]
        for headers, refused in (({}, False), ({"Host": "evil.example"}, True), ({"Origin": PAGE}, True), ({"Sec-Fetch-Site": "cross-site"}, True)):
            connection = http.client.HTTPConnection(runtime, timeout=30)
            connection.request("POST", "/2018-06-01/runtime/invocation/no-such-request/response", b"{}", headers)
            self.assertEqual(connection.getresponse().status == 403, refused, headers)
            connection.close()

    def test_the_secret_and_what_is_written_are_their_owners(self):
        stack = {**self.access, "api_url": "x"}
        self.place.stack_file.write_text("{}")
        self.place.stack_file.chmod(0o644)
        deploy.write(self.place, stack)
        for file in (self.place.secret_file, self.place.stack_file, self.place.origins_file):
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
        self.assertEqual(stat.S_IMODE(emulator.scratch_folder(self.place).stat().st_mode), 0o700)
        self.assertEqual(deploy.read(self.place), stack)
        self.assertGreaterEqual(len(self.access["secret_access_key"]), 40)
        self.assertNotIn(self.access["secret_access_key"], self.place.log_file.read_text())


HOSTS = [
    ("localhost", True), ("localhost:4566", True), ("127.0.0.1:4566", True), ("[::1]:4566", True), ("LOCALHOST:1", True),
    ("0123abcd.execute-api.localhost:4566", True), ("bucket.s3.us-east-1.localhost:4566", True), ("host.docker.internal:4566", True),
    ("evil.example", False), ("evil.example:4566", False), ("localhost.evil.example", False), ("evil-localhost", False),
    ("notlocalhost:4566", False), ("localhost.", False), ("localhost.localdomain", False), ("127.0.0.1.nip.io", False),
    ("0.0.0.0:4566", False), ("[::]:4566", False), ("127.1", False), ("2130706433", False), ("203.0.113.9", False), ("8.8.8.8", False),
    ("10.255.255.254", False), ("localhost:4566@evil.example", False), ("evil.example/localhost", False), (".localhost", False),
    ("evil..localhost", False), ("localhost:x", False), ("localhost:4566:1", False), ("", False), ("ⅼocalhost", False),
    ("localhost.localstack.cloud", False), ("metadata.internal", False), ("localhost, evil.example", False), ("localhost\tevil", False),
]
# What else a browser or a program sends, and whether it passes to the emulator's ordinary paths and to its own.
HEADERS = [
    ({}, True, True),
    ({"sec-fetch-site": "none"}, True, True),
    ({"sec-fetch-site": "same-origin"}, True, False),
    ({"sec-fetch-site": "same-site"}, False, False),
    ({"sec-fetch-site": "cross-site"}, False, False),
    ({"sec-fetch-site": "cross-site, none"}, False, False),
    ({"sec-fetch-site": "anything"}, False, False),
    ({"sec-fetch-site": "same-site", "referer": f"{PAGE}/photos?x=1"}, True, False),
    ({"sec-fetch-site": "cross-site", "referer": f"{PAGE}.evil.example/"}, False, False),
    ({"sec-fetch-site": "cross-site", "referer": f"https://evil.example/?{PAGE}/"}, False, False),
    ({"sec-fetch-site": "cross-site", "referer": "http://[broken"}, False, False),
    ({"origin": PAGE}, True, False),
    ({"origin": PAGE, "sec-fetch-site": "cross-site"}, True, False),
    ({"origin": "null"}, False, False),
    ({"origin": ""}, False, False),
    ({"origin": "http://localhost:3001"}, False, False),
    ({"origin": "http://localhost"}, False, False),
    ({"origin": "https://localhost:3000"}, False, False),
    ({"origin": "http://127.0.0.1:3000"}, False, False),
    ({"origin": "http://evil.localhost:3000"}, False, False),
    ({"origin": f"{PAGE}.evil.example"}, False, False),
    ({"origin": f"{PAGE}/"}, False, False),
    ({"origin": f"{PAGE}, https://evil.example"}, False, False),
    ({"origin": "https://evil.example", "sec-fetch-site": "none"}, False, False),
    ({"origin": "https://evil.example", "referer": f"{PAGE}/"}, False, False),
    ({"origin": "file://"}, False, False),
    ({"origin": "chrome-extension://abcdef"}, False, False),
]


class Rules(unittest.TestCase):
    """Every case through the guard as an ASGI server calls it, in front of an application that answers 200."""

    def status(self, headers, path="/_aws/execute-api/0123abcd/$default/health", kind="http"):
        sent = []

        async def app(scope, receive, send):
            self.assertEqual(scope["type"], kind)
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def receive():
            return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        pairs = [(name.encode(), value.encode("utf-8")) for name, value in headers]
        scope = {"type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": pairs}
        asyncio.run(Guard(app, "secret", lambda: frozenset([PAGE]))(scope, receive, send))
        return sent[0].get("status", sent[0]["type"])

    def test_hosts(self):
        for host, passes in HOSTS:
            for path in ("/_aws/execute-api/0123abcd/$default/health", "/_ministack/ready"):
                with self.subTest(host=host, path=path):
                    self.assertEqual(self.status([("host", host)], path), 200 if passes else 403)

    def test_one_host_is_needed_and_no_more(self):
        self.assertEqual(self.status([]), 403)
        self.assertEqual(self.status([("host", "localhost"), ("host", "localhost")]), 403)
        self.assertEqual(self.status([("host", "localhost"), ("Host", "evil.example")]), 403)

    def test_origins_and_fetch_metadata(self):
        for headers, ordinary, admin in HEADERS:
            for path, passes in (("/_aws/execute-api/0123abcd/$default/health", ordinary), ("/_ministack/ready", admin)):
                with self.subTest(headers=headers, path=path):
                    self.assertEqual(self.status([("host", "localhost:4566"), *headers.items()], path), 200 if passes else 403)
        twice = [("host", "localhost"), ("origin", PAGE), ("origin", PAGE)]
        self.assertEqual(self.status(twice), 403)

    def test_a_websocket_of_a_foreign_page_is_closed_before_it_opens(self):
        for headers in ([("host", "evil.example")], [("host", "localhost"), ("origin", "https://evil.example")], []):
            self.assertEqual(self.status(headers, kind="websocket"), "websocket.close")
        self.assertEqual(self.status([("host", "localhost"), ("origin", PAGE)], kind="websocket"), 200)

    def test_an_address_of_this_machine_passes_for_its_containers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            try:
                # No datagram is sent: the kernel chooses the address that it would send from.
                route.connect(("10.0.0.1", 9))
            except OSError as error:
                self.skipTest(f"this machine has no network: {error}")
            address = route.getsockname()[0]
        # Not every machine has an address of a private network: its own counts as one here, and so does its neighbour's.
        networks = [IPv4Network(f"{address}/24", strict=False)]
        neighbour = str(IPv4Address(address) + (1 if not address.endswith(".254") else -1))
        with mock.patch.object(origin_guard, "PRIVATE_NETWORKS", networks):
            self.assertEqual(self.status([("host", f"{address}:49152")]), 200)
            self.assertEqual(self.status([("host", f"{neighbour}:49152")]), 403)
        with mock.patch.object(origin_guard, "PRIVATE_NETWORKS", []):
            self.assertEqual(self.status([("host", f"{address}:49152")]), 403)

    def test_the_origins_follow_their_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "origins.json"
            origins = AllowedOrigins(file)
            self.assertEqual(origins(), frozenset())
            for written in ([PAGE], [PAGE, "https://photos.example"], []):
                settings.write_private(file, json.dumps(written))
                self.assertEqual(origins(), frozenset(written))
            file.write_text("broken")
            self.assertEqual(origins(), frozenset())
            os.unlink(file)
            self.assertEqual(origins(), frozenset())


if __name__ == "__main__":
    unittest.main()
