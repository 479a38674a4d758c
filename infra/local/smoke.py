"""`make smoke`: one photo through a deployed stack, as a client would, and everything taken away after it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from infra.local import demo
from infra.local.console import Console, Failure
from infra.local.emulator import opener
from infra.local.target import Target

READY_SECONDS = 120


@contextlib.contextmanager
def signed_in(target: Target) -> Iterator[str]:
    """A token: the one at hand, or that of a user who is made for it and removed again."""
    if target.token and not target.outputs.get("UserPoolId"):
        yield target.token
        return
    if os.environ.get("TOKEN"):
        yield os.environ["TOKEN"]
        return
    if "UserPoolId" not in target.outputs:
        raise Failure("the stack takes the tokens of your own issuer: give one (TOKEN=…)")
    cognito = target.client("cognito-idp")
    pool, name = target.outputs["UserPoolId"], f"smoke-{secrets.token_hex(6)}"
    password = f"Aa1{secrets.token_urlsafe(24)}"
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    try:
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
        answer = cognito.initiate_auth(ClientId=target.outputs["UserPoolClientId"], AuthFlow="USER_PASSWORD_AUTH",
                                       AuthParameters={"USERNAME": name, "PASSWORD": password})
        yield answer["AuthenticationResult"]["AccessToken"]
    finally:
        cognito.admin_delete_user(UserPoolId=pool, Username=name)


def status_of(method: str, url: str, headers: dict[str, str], data: bytes | None = None) -> int:
    """What a request is answered with, be it an error or not."""
    try:
        with opener(url).open(urllib.request.Request(url, data=data, headers=headers, method=method), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        raise Failure(f"{method} {url.partition('?')[0]} got no answer: {error}") from error


def expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise Failure(f"{what} should be answered {wanted}, found {found}")


def run(console: Console, target: Target) -> None:
    """Create, PUT, ready, every variant opens, delete, gone; and what must be refused is."""
    with signed_in(target) as token:
        through(console, {"api_url": target.api_url, "token": token})


def through(console: Console, api: dict[str, Any]) -> None:
    url = api["api_url"]
    expect("GET /health", status_of("GET", f"{url}/health", {}), 200)
    expect("GET /health/ready", status_of("GET", f"{url}/health/ready", {}), 200)
    expect("an upload without a token", status_of("POST", f"{url}/api/v4/photo/upload", {}, b"{}"), 401)
    photo = demo.demo_photo()
    data = photo.read_bytes()
    began = time.monotonic()
    created = demo.call(api, "POST", "/api/v4/photo/upload", {
        "file_name": photo.name, "content_type": "image/jpeg", "size_bytes": len(data),
        "checksum_sha256": base64.b64encode(hashlib.sha256(data).digest()).decode()})
    path = f"/api/v4/photo/{created['photo_id']}"
    bearer = {"authorization": f"Bearer {api['token']}"}
    console.say(f"created {created['photo_id']} in {time.monotonic() - began:.2f} s")
    try:
        upload = created["upload"]
        demo.send(upload["method"], upload["url"], upload["headers"], data)
        sent = time.monotonic()
        expect("a second PUT", status_of(upload["method"], upload["url"], upload["headers"], data), 412)
        record = demo.wait_until_ready(api, created["photo_id"], READY_SECONDS)
        console.say(f"ready {time.monotonic() - sent:.1f} s after its bytes had arrived")
        for variant in record["variants"]:
            demo.check_variant(variant)
        console.say(f"{len(record['variants'])} variants opened")
    finally:
        deleted = status_of("DELETE", url + path, bearer)
    expect(f"DELETE {path}", deleted, 204)
    expect(f"GET {path} of a deleted photo", status_of("GET", url + path, bearer), 404)
    console.say("deleted; what must be refused was refused")
