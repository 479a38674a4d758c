"""MiniStack behind a guard in its own process: what the local stack runs in the place of `python -m ministack`.

MiniStack 1.5.33 leaves three doors open, with `AUTH=true` too. It answers any Host and Origin. It takes requests of its root user
without a look at the signature: whoever writes the access key `test`, twelve digits, or any `Authorization` that is not AWS's is
root. And it derives the credentials of a function's role from the function's name. The guard is an ASGI application around
MiniStack's, because a proxy would change the Host, which is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from infra.local import emulator_cognito, emulator_queues, origin_guard

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ADMIN = "/_ministack/"
SIGNATURE_PARAMETERS = {"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid"}
# Cognito's operations without a signature, as a browser calls them. MiniStack knows which of them need one.
COGNITO = ("AWSCognitoIdentityProviderService.", "AWSCognitoIdentityService.")
KEY_DOCUMENTS = ("/.well-known/jwks.json", "/.well-known/openid-configuration")
# The template's routes. On the API's host name MiniStack serves other services by their paths.
API_ROUTES = ("/api/", "/health")
# S3's refusal of a presigned request with an Authorization header, which MiniStack takes:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
TWO_SIGNATURES = (b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed; only the '
                  b"X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified</Message>"
                  b"<ArgumentName>Authorization</ArgumentName></Error>")


class Request:
    """The head of an HTTP request or a WebSocket handshake."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        self.headers: dict[str, str] = {}
        for name, value in self.pairs:
            # SigV4 signs a header on several lines as its values joined by a comma.
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value
        self.method = scope.get("method", "GET")
        self.path = scope["path"]
        self.raw_path = (scope.get("raw_path") or quote(self.path).encode()).decode("latin-1")
        query = scope.get("query_string", b"").decode("utf-8", "replace")
        self.has_query = bool(query)
        self.query = parse_qs(query, keep_blank_values=True)
        self.authorization = self.headers.get("authorization", "")

    @property
    def is_admin(self) -> bool:
        return self.path.startswith(ADMIN)

    @property
    def is_signed(self) -> bool:
        """Whether it has any signature of AWS's, valid or not."""
        return (self.authorization.startswith(("AWS4-", "AWS "))
                or any(name.lower() in SIGNATURE_PARAMETERS for name in self.query))

    @property
    def has_two_signatures(self) -> bool:
        """Whether it is a presigned request with an Authorization header."""
        is_presigned = any(name.lower() in SIGNATURE_PARAMETERS for name in self.query)
        return is_presigned and bool(self.authorization) and not self.is_to_the_api

    @property
    def is_to_the_api(self) -> bool:
        """Whether the HTTP API answers it, which takes tokens and not signatures."""
        from ministack.app import _parse_execute_api_url

        if not _parse_execute_api_url(self.headers.get("host", ""), self.path):
            return False
        return self.path.startswith(("/_aws/execute-api/", *API_ROUTES))

    @property
    def needs_no_signature(self) -> bool:
        """Whether AWS serves it without a signature, or MiniStack has to for the local stack."""
        if self.method == "OPTIONS" or self.is_admin or self.is_to_the_api:
            return True
        if self.authorization:
            return False
        if self.method == "GET":
            return self.path.endswith(KEY_DOCUMENTS)
        if self.method != "POST" or self.has_query:
            return False
        # A form (POST policy) is signed in its body. S3 verifies it.
        is_form = self.headers.get("content-type", "").lower().startswith("multipart/form-data")
        return is_form or (self.path == "/" and self.headers.get("x-amz-target", "").startswith(COGNITO))


class Guard:
    """Refuses foreign pages, and requests as root that the stack's secret has not signed."""

    def __init__(self, app: Callable[..., Awaitable[None]], secret: str, origins: Callable[[], frozenset[str]]) -> None:
        self.app, self.secret, self.origins = app, secret, origins

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            request = Request(scope)
            refused = origin_guard.refusal(request.pairs, self.origins(), is_admin=request.is_admin)
            if refused:
                return await refuse(scope, receive, send, "AccessDeniedException", refused)
            if request.has_two_signatures and scope["type"] == "http":
                return await answer(send, 400, b"application/xml", TWO_SIGNATURES)
            refused, receive = await self.unsigned(request, receive)
            if refused:
                return await refuse(scope, receive, send, "InvalidSignatureException", refused)
        await self.app(scope, receive, send)

    async def unsigned(self, request: Request, receive: Receive) -> tuple[str | None, Receive]:
        """Returns what is wrong with the request's signature, and a receiver that still gives the body."""
        from ministack.core.iam_evaluator import is_root_access_key
        from ministack.core.router import extract_access_key_id
        from ministack.core.sigv4 import parse_header_signature, parse_query_signature

        if sum(name == "authorization" for name, _ in request.pairs) > 1:
            return "it has more than one Authorization header", receive
        if request.needs_no_signature:
            return None, receive
        if not request.is_signed:
            return "it has no AWS signature", receive
        key = extract_access_key_id({"authorization": request.authorization}, request.query)
        if not is_root_access_key(key):
            # MiniStack verifies the signatures of sessions and IAM users.
            return None, receive
        in_header = request.authorization.startswith("AWS4-HMAC-SHA256")
        signature = parse_header_signature(request.headers) if in_header else parse_query_signature(request.query)
        if isinstance(signature, tuple):
            return signature[1], receive
        if not key or signature.access_key_id != key or signature.region_set is not None:
            return "its signature is not one of AWS4-HMAC-SHA256", receive
        body = b""
        if signs_the_body(request, signature.service, in_header):
            body, receive = await read(receive)
        return self.mismatch(request, signature, body, in_header), receive

    def mismatch(self, request: Request, signature: Any, body: bytes, in_header: bool) -> str | None:
        from ministack.core.sigv4 import header_signature_failure, request_time_failure

        # S3 itself looks at the expiry of its presigned requests.
        late = None if not in_header and signature.service == "s3" else request_time_failure(signature)
        failure = late or header_signature_failure(signature, self.secret, request.method, request.raw_path, request.query,
                                                   request.headers, body, presigned=not in_header)
        return failure[1] if failure else None


def signs_the_body(request: Request, service: str, in_header: bool) -> bool:
    """Whether the body is needed to compute the signature."""
    if not in_header and service == "s3":
        return False
    digest = request.headers.get("x-amz-content-sha256", "")
    return not digest or digest.startswith("STREAMING-AWS4-HMAC-SHA256")


async def read(receive: Receive) -> tuple[bytes, Receive]:
    """Reads a body and returns it with a receiver that gives the same messages again."""
    messages: list[dict[str, Any]] = []
    while True:
        messages.append(await receive())
        if messages[-1]["type"] != "http.request" or not messages[-1].get("more_body"):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> dict[str, Any]:
        return messages.pop(0) if messages else await receive()

    return body, again


async def refuse(scope: Mapping[str, Any], receive: Receive, send: Send, code: str, reason: str) -> None:
    """Answers 403 with one line."""
    if scope["type"] == "websocket":
        await receive()
        return await send({"type": "websocket.close", "code": 1008})
    body = json.dumps({"__type": code, "message": f"the local stack refuses this request: {reason}"}).encode() + b"\n"
    await answer(send, 403, b"application/json", body, (b"x-amzn-errortype", code.encode()))


async def answer(send: Send, status: int, content_type: bytes, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *more,
               (b"x-content-type-options", b"nosniff"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class AllowedOrigins:
    """The origins in a file that `make up` writes, read again when it has changed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.stamp: tuple[int, int] | None = None
        self.found: frozenset[str] = frozenset()

    def __call__(self) -> frozenset[str]:
        try:
            status = self.file.stat()
            if (status.st_mtime_ns, status.st_ino) != self.stamp:
                self.found = frozenset(json.loads(self.file.read_text()))
                self.stamp = (status.st_mtime_ns, status.st_ino)
        except (OSError, ValueError):
            # Before the first deployment no page may call anything.
            self.found, self.stamp = frozenset(), None
        return self.found


def role_credentials(config: Mapping[str, Any], secret: str) -> dict[str, str]:
    """The session of a function's role, as MiniStack makes it, but with credentials that the stack's secret makes unguessable."""
    from ministack.services import sts

    function, role = config["FunctionArn"], config.get("Role", "")
    account, role_name = function.split(":")[4], role.rsplit("/", 1)[-1]
    session_name = config.get("FunctionName", "ministack-lambda")[:64]

    def derived(what: str) -> str:
        return hmac.new(secret.encode(), f"{what}:{function}:{role}".encode(), hashlib.sha256).hexdigest()

    credentials = {"AWS_ACCESS_KEY_ID": f"ASIA{derived('key')[:16].upper()}", "AWS_SECRET_ACCESS_KEY": derived("secret"),
                   "AWS_SESSION_TOKEN": derived("token")}
    sts.register_session(credentials["AWS_ACCESS_KEY_ID"], {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}", "UserId": f"{role_name}:{session_name}",
        "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"], "SessionToken": credentials["AWS_SESSION_TOKEN"]})
    return credentials


def guard_runtime_apis() -> None:
    """Guards the servers that give functions their events: MiniStack makes them of Python's `http.server`."""
    handler = http.server.BaseHTTPRequestHandler
    parse = handler.parse_request

    def parse_request(self: http.server.BaseHTTPRequestHandler) -> bool:
        if not parse(self):
            return False
        refused = origin_guard.refusal(((name.lower(), value) for name, value in self.headers.items()), (), is_admin=True)
        if refused:
            self.send_error(403, "Forbidden", refused)
        return not refused

    handler.parse_request = parse_request  # type: ignore[method-assign]


def main() -> None:
    """Runs MiniStack behind the guard. The argument is the file with the origins whose pages may call it."""
    from ministack import app as ministack
    from ministack.core import lambda_runtime

    (origins,) = sys.argv[1:]
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    # Before any service is loaded, which takes this function by its name.
    lambda_runtime.execution_credentials = lambda config: role_credentials(config, secret)
    guard_runtime_apis()
    emulator_queues.install()
    emulator_cognito.install()
    ministack.app = Guard(ministack.app, secret, AllowedOrigins(Path(origins)))
    # The options are MiniStack's.
    sys.argv[1:] = []
    ministack.main()
