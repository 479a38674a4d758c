"""Puts the project's template into an emulator and writes down where everything is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local import aws, build, mend, settings
from infra.local.aws import client
from infra.local.console import Console, Failure, run
from infra.local.emulator import Process
from infra.local.settings import REGION, TEMPLATE, Place


def fingerprint(process: Process, parameters: dict[str, str]) -> str:
    """Tells one deployment from another: by the emulator's process, the template, the programs, the parameters
    and what is done after them."""
    digest = hashlib.sha256()
    digest.update(json.dumps([process.pid, process.started, sorted(parameters.items())]).encode())
    for path in [TEMPLATE, Path(__file__), Path(mend.__file__), *build.programs()]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def deploy(console: Console, place: Place, process: Process, architecture: str) -> dict[str, Any]:
    """Deploys the template with `sam deploy` unless it is there already, and gives the stack's description."""
    access = place.access(process.port)
    endpoint = access["endpoint"]
    parameters = {"Architecture": architecture, "AwsEndpointUrl": endpoint,
                  "AllowedOrigins": f"http://localhost:3000,http://localhost:{place.web_port}", **place.parameters,
                  **settings.extra_parameters()}
    wanted = fingerprint(process, parameters)
    before = read(place)
    if before and before.get("fingerprint") == wanted:
        console.say("the stack is up to date")
        return before
    template = build.package(console, architecture)
    with console.step(f"deploying template.yaml as {place.name} (sam deploy)"):
        run(["sam", "deploy", "--config-file", settings.ROOT / "samconfig.toml", "--config-env", "local",
             "--template-file", template, "--stack-name", place.name, "--no-progressbar", "--parameter-overrides",
             *settings.overrides(parameters)],
            "sam deploy", env=settings.aws_environment(access), cwd=settings.ROOT)
    stack = describe(place, access)
    mend.mend(stack)
    # A stack that was updated keeps its user pool, and with it the demo user.
    for name in ("demo_user", "demo_password", "token"):
        if before and before.get("user_pool_id") == stack.get("user_pool_id") and name in before:
            stack[name] = before[name]
    stack["fingerprint"] = wanted
    write(place, stack)
    return stack


def describe(place: Place, access: dict[str, str]) -> dict[str, Any]:
    """What clients and tests need to know of a deployed stack; and tells the emulator whose pages may call it."""
    try:
        answer = client("cloudformation", access).describe_stacks(StackName=place.name)
    except ClientError as error:
        raise Failure(f"the stack {place.name} is not there after its deployment: {error}") from error
    (found,) = answer["Stacks"]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in found["Parameters"]}
    origins = {f"http://localhost:{place.web_port}", *parameters["AllowedOrigins"].split(",")}
    settings.write_private(place.origins_file, json.dumps(sorted(origins)))
    return {
        **access,
        "api_url": aws.api_url(outputs, parameters, access["endpoint"]),
        "api_host_url": outputs["ApiUrl"],
        "api_id": outputs["ApiId"],
        "allowed_content_types": parameters["AllowedContentTypes"].split(","),
        "region": REGION,
        "stack_name": place.name,
        "originals_bucket": outputs["OriginalsBucketName"],
        "thumbnails_bucket": outputs["ThumbnailsBucketName"],
        "table_name": outputs["TableName"],
        "upload_function": outputs["UploadFunctionName"],
        "thumbnail_function": outputs["ThumbnailFunctionName"],
        "reconcile_function": outputs["ReconcileFunctionName"],
        "upload_log_group": outputs["UploadLogGroupName"],
        "thumbnail_log_group": outputs["ThumbnailLogGroupName"],
        "reconcile_log_group": outputs["ReconcileLogGroupName"],
        "failure_queue_url": outputs["FailureQueueUrl"],
        "thumbnail_queue_url": outputs["ThumbnailQueueUrl"],
        "event_bus_name": outputs["EventBusName"],
        "user_pool_id": outputs.get("UserPoolId"),
        "user_pool_client_id": outputs.get("UserPoolClientId"),
    }


def read(place: Place) -> dict[str, Any] | None:
    """The stack's description as last written, if there is one. One without a secret is an older version's."""
    try:
        stack = json.loads(place.stack_file.read_text())
    except (OSError, ValueError):
        return None
    return stack if "secret_access_key" in stack else None


def write(place: Place, stack: dict[str, Any]) -> None:
    """Writes the stack's description, which holds a token and the secret of the emulator's root user."""
    settings.write_private(place.stack_file, json.dumps(stack, indent=2) + "\n")
