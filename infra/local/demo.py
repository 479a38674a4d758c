"""The demo user, and the proof that a stack works: one real photo all the way to its thumbnails."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local import images
from infra.local.aws import client
from infra.local.console import Console, Failure
from infra.local.deploy import write
from infra.local.emulator import opener
from infra.local.settings import ROOT, Place

DEMO_USER = "demo"
READY_SECONDS = 60
PHOTOS = ROOT / "crates" / "photo-imaging" / "testdata"


def sign_in(place: Place, stack: dict[str, Any]) -> str | None:
    """A fresh access token of the demo user, who is made if need be; kept in stack.json."""
    if not stack.get("user_pool_id"):
        # PHOTODROP_PARAMETERS named an issuer: its tokens are not ours to make.
        return None
    cognito = client("cognito-idp", stack)
    if "demo_password" not in stack:
        stack["demo_user"] = DEMO_USER
        stack["demo_password"] = f"Aa1{secrets.token_urlsafe(18)}"
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(UserPoolId=stack["user_pool_id"], Username=DEMO_USER, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(UserPoolId=stack["user_pool_id"], Username=DEMO_USER,
                                        Password=stack["demo_password"], Permanent=True)
    try:
        answer = cognito.initiate_auth(
            ClientId=stack["user_pool_client_id"], AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": stack["demo_user"], "PASSWORD": stack["demo_password"]})
    except ClientError as error:
        raise Failure(f"the demo user cannot sign in: {error}") from error
    stack["token"] = answer["AuthenticationResult"]["AccessToken"]
    write(place, stack)
    return stack["token"]


def demo_photo() -> Path:
    """A camera photo that the repository carries."""
    photos = sorted(PHOTOS.glob("photo-*.jpg"))
    if not photos:
        raise Failure(f"there is no demo photo in {PHOTOS}: restore it (git checkout -- {PHOTOS.relative_to(ROOT)})")
    return photos[0]


def upload(console: Console, stack: dict[str, Any], photo: Path, *, wait: bool) -> dict[str, Any]:
    """Uploads a photo as a client would and, if wanted, waits for its end, whatever that is."""
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise Failure(f"{photo} cannot be read: {error.strerror}") from error
    with console.step(f"uploading {photo.name} ({len(data) / 1000:.0f} kB)"):
        asked = {"file_name": photo.name, "content_type": "application/octet-stream", "size_bytes": len(data)}
        created = call(stack, "POST", "/api/v4/photo/upload", asked)
        send(created["upload"]["method"], created["upload"]["url"], created["upload"]["headers"], data)
        return wait_until_settled(stack, created["photo_id"]) if wait else created


def prove(console: Console, stack: dict[str, Any]) -> dict[str, Any]:
    """Uploads the demo photo as a client would, waits for its thumbnails and opens each."""
    photo = demo_photo()
    data = photo.read_bytes()
    with console.step(f"uploading {photo.name} ({len(data) / 1000:.0f} kB) and waiting for its thumbnails"):
        began = time.monotonic()
        asked = {"file_name": photo.name, "content_type": "image/jpeg", "size_bytes": len(data),
                 "checksum_sha256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
        created = call(stack, "POST", "/api/v4/photo/upload", asked)
        answered = time.monotonic()
        upload = created["upload"]
        send(upload["method"], upload["url"], upload["headers"], data)
        record = wait_until_ready(stack, created["photo_id"])
        ready = time.monotonic()
        for variant in record["variants"]:
            check_variant(variant)
    console.say(f"  upload answered in {answered - began:.2f} s, thumbnails ready {ready - answered:.1f} s later, "
                f"{len(record['variants'])} variants opened")
    return record


def reconcile(console: Console, stack: dict[str, Any]) -> None:
    """Runs the reconcile function once and sees that it comes to its end."""
    answer = client("lambda", stack).invoke(FunctionName=stack["reconcile_function"], Payload=b"{}")
    summary = json.load(answer["Payload"])
    if answer.get("FunctionError") or summary.get("errors"):
        raise Failure(f"the reconcile function does not work: {json.dumps(summary)}; see make logs FUNCTION=reconcile")
    console.say("reconcile has run: nothing was left undone")


def wait_until_ready(stack: dict[str, Any], photo_id: str, seconds: float = READY_SECONDS) -> dict[str, Any]:
    record = wait_until_settled(stack, photo_id, seconds)
    if record["status"] != "ready":
        raise Failure(f"the demo photo {photo_id} failed: {record.get('failure')}; see make logs")
    return record


def wait_until_settled(stack: dict[str, Any], photo_id: str, seconds: float = READY_SECONDS) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        record = call(stack, "GET", f"/api/v4/photo/{photo_id}")
        if record["status"] in {"ready", "failed"}:
            return record
        time.sleep(0.25)
    raise Failure(f"the photo {photo_id} is still pending after {seconds:.0f} s; see make logs")


def check_variant(variant: dict[str, Any]) -> None:
    """Sees that a variant's URL opens the picture that the record describes."""
    name = f"the variant {variant['name']} ({variant['format']})"
    data = send("GET", variant["url"], {})
    try:
        found = images.size(data)
    except images.NotAPicture as error:
        raise Failure(f"{name} is no picture: {error}") from error
    if found != (variant["format"], variant["width"], variant["height"]):
        raise Failure(f"{name} should be {variant['width']}x{variant['height']}, found {found}")
    if len(data) != variant["size_bytes"]:
        raise Failure(f"{name} should have {variant['size_bytes']} bytes, found {len(data)}")


def call(stack: dict[str, Any], method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call of the API as the demo user."""
    headers = {"authorization": f"Bearer {stack['token']}"}
    data = None
    if body is not None:
        headers["content-type"] = "application/json"
        data = json.dumps(body).encode()
    return json.loads(send(method, stack["api_url"] + path, headers, data))


def send(method: str, url: str, headers: dict[str, str], data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with opener(url).open(request, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        detail = error.read(500).decode("utf-8", "replace")
        raise Failure(f"{method} {url.partition('?')[0]} answered {error.code}: {detail}") from error
    except OSError as error:
        raise Failure(f"{method} {url.partition('?')[0]} got no answer: {error}") from error
