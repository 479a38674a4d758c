"""`make invoke` and `make api`: one function by `sam local`, in a container, with the local stack behind it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_dump, yaml_parse

from infra.local import aws, build, demo, relay, settings
from infra.local.console import Console, Failure, run
from infra.local.emulator import direct
from infra.local.settings import LOCAL, ROOT

PROJECTS_ENGINE = LOCAL / "docker" / "docker.sock"
HOW_TO = ("start Docker, or where it is not installed (Debian, Ubuntu, as root): "
          "infra/docker-engine run make COMMAND, which installs one, uses it and stops it")

# The first start of a container takes some seconds, and longer on a busy machine.
API_SECONDS = 120

# The function of each kind of event: its logical id, and its key in stack.json.
LOGICAL_IDS = {"upload": "UploadFunction", "thumbnail": "ThumbnailFunction", "reconcile": "ReconcileFunction"}


class NoEngine(Failure):
    """No Docker engine answers."""


def engine(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What tells Docker's clients which engine to use: the user's, or the one that infra/docker-engine started."""
    if not shutil.which("docker", path=environment.get("PATH")):
        raise NoEngine(f"sam local needs Docker, found no docker on the path: {HOW_TO}")
    hosts = [environment["DOCKER_HOST"]] if environment.get("DOCKER_HOST") else [None, f"unix://{PROJECTS_ENGINE}"]
    for host in hosts:
        chosen = {"DOCKER_HOST": host} if host else {}
        answer = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], env={**environment, **chosen},
                                capture_output=True, text=True, timeout=30)
        if answer.returncode == 0:
            return chosen
    raise NoEngine(f"sam local needs a Docker engine, and none answers: {HOW_TO}")


def image(architecture: str) -> str:
    """The base image that SAM takes."""
    return f"public.ecr.aws/lambda/provided:al2023-{architecture}"


def gateway(chosen: Mapping[str, str]) -> str:
    """This machine's address in the network of the containers."""
    text = run(["docker", "network", "inspect", "bridge", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}"],
               "docker network inspect", env={**os.environ, **chosen})
    addresses = [word for word in text.split() if word.count(".") == 3]
    if not addresses:
        raise Failure("Docker's network bridge has no address: the containers could not reach the local stack")
    return addresses[0]


def role_of(event: Any) -> str:
    """Which function an event is for, by its shape."""
    if isinstance(event, dict):
        records = event.get("Records")
        if event.get("Event") == "s3:TestEvent" or (
                isinstance(records, list) and records and all(r.get("eventSource") in {"aws:s3", "aws:sqs"} for r in records)):
            return "thumbnail"
        if "http" in event.get("requestContext", {}):
            return "upload"
        if set(event) <= {"dry_run", "parts", "backfill"}:
            return "reconcile"
    raise Failure("this is no event of a function here: S3's and the queue's (Records), the HTTP API's (requestContext.http) and the "
                  "schedule's ({}) are")


def of_object(bucket: str, key: str, head: Mapping[str, Any]) -> dict[str, Any]:
    """The event that S3 sends for an object, in the shape of events/s3-put.json."""
    event = json.loads((ROOT / "events" / "s3-put.json").read_text())
    (record,) = event["Records"]
    record["eventTime"] = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    record["s3"]["bucket"].update(name=bucket, arn=f"arn:aws:s3:::{bucket}")
    # S3 writes keys into its events percent-encoded; ours have no other character than these.
    record["s3"]["object"].update(key=key.replace("%", "%25"), size=head["ContentLength"], eTag=head["ETag"].strip('"'))
    return event


def newest_original(s3: Any, bucket: str) -> str:
    objects = s3.list_objects_v2(Bucket=bucket, Prefix="photos/").get("Contents", [])
    if not objects:
        raise Failure("the stack has no photo yet: upload one, or run make up again")
    return max(objects, key=lambda entry: entry["LastModified"])["Key"]


def event_for(stack: Mapping[str, Any], file: str | None, key: str | None) -> dict[str, Any]:
    """The event to send: a file's, that of the object `key`, or that of the newest photo."""
    if file and not key:
        path = Path(file)
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Failure(f"EVENT={file} cannot be read: {error}") from error
    if file and role_of(event_for(stack, file, None)) != "thumbnail":
        raise Failure(f"KEY is for events of S3, and {file} is none: leave one of both out")
    s3 = aws.client("s3", stack)
    bucket = stack["originals_bucket"]
    key = key or newest_original(s3, bucket)
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        raise Failure(f"the bucket {bucket} has no object {key}: {error}") from error
    return of_object(bucket, key, head)


def variables(stack: Mapping[str, Any], endpoint: str) -> dict[str, dict[str, str]]:
    """The deployed functions' environment, with the endpoint as a container reaches it.

    SAM would put the logical names of resources in the place of the template's references.
    """
    lambdas = aws.client("lambda", stack)
    found = {}
    for role, logical_id in LOGICAL_IDS.items():
        configuration = lambdas.get_function_configuration(FunctionName=stack[f"{role}_function"])
        deployed = configuration["Environment"]["Variables"]
        found[logical_id] = {**deployed, "AWS_ENDPOINT_URL": endpoint}
    return found


def without_aliases(template: str) -> str:
    """A built template in which the API calls the function itself: `sam local` knows the function by this form alone.

    In the template it must be the alias, by reference: so CloudFormation moves the API only once the alias is there.
    """
    document = yaml_parse(template)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::ApiGatewayV2::Integration":
            function = resource["Properties"]["IntegrationUri"]["Ref"].removesuffix(".Alias")
            arn = f"arn:aws:lambda:{settings.REGION}:000000000000:function:{function}"
            resource["Properties"]["IntegrationUri"] = (
                f"arn:aws:apigateway:{settings.REGION}:lambda:path/2015-03-31/functions/{arn}/invocations")
    return yaml_dump(document)


@contextlib.contextmanager
def prepared(console: Console, stack: Mapping[str, Any], chosen: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The options and the environment that every `sam local` command here takes, while the stack can be reached."""
    architecture = settings.architecture()
    template = build.BUILT / "template.yaml"
    if not template.exists():
        raise Failure("the functions are not packaged: make up does it")
    port = int(stack["endpoint"].rpartition(":")[2])
    address = gateway(chosen)
    with contextlib.ExitStack() as open_things:
        try:
            relayed = open_things.enter_context(relay.to_port(address, port))
        except OSError as error:
            raise Failure(f"containers cannot reach the local stack: {address} is no address of this machine "
                          f"({error.strerror}); Docker has to run on it, not in a virtual machine") from error
        endpoint = f"http://{address}:{relayed}"
        file = LOCAL / f"sam-environment-{os.getpid()}.json"
        file.write_text(json.dumps(variables(stack, endpoint)))
        open_things.callback(file.unlink)
        template.with_name("local.yaml").write_text(without_aliases(template.read_text()))
        options = ["--template", str(template.with_name("local.yaml")), "--env-vars", str(file), "--region", settings.REGION,
                   "--parameter-overrides", f"Architecture={architecture}", f"AwsEndpointUrl={endpoint}"]
        if subprocess.run(["docker", "image", "inspect", image(architecture)], env={**os.environ, **chosen},
                          capture_output=True).returncode == 0:
            options.append("--skip-pull-image")
        else:
            console.say(f"pulling {image(architecture)}; where that fails: infra/docker-engine image makes one")
        environment = {**settings.aws_environment(stack), **chosen}
        # SAM itself talks to no AWS; what it hands on to the function are these credentials, the emulator's.
        environment.pop("AWS_ENDPOINT_URL")
        yield options, environment


def invoke(console: Console, stack: Mapping[str, Any], event: dict[str, Any], chosen: Mapping[str, str]) -> Any:
    """One invocation; gives what the function answered. An answer that is a failure of the function's is one here."""
    role = role_of(event)
    with prepared(console, stack, chosen) as (options, environment):
        # Of this process alone: two may run side by side.
        file = LOCAL / f"sam-event-{os.getpid()}.json"
        file.write_text(json.dumps(event))
        console.say(f"sam local invoke {LOGICAL_IDS[role]} …")
        done = subprocess.run(["sam", "local", "invoke", LOGICAL_IDS[role], "--event", str(file), *options],
                              env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        file.unlink()
    for line in done.stderr.splitlines():
        console.plain(f"  | {line}")
    if done.returncode != 0:
        raise Failure(f"sam local invoke failed (exit code {done.returncode})")
    return answer_in(done.stdout)


def answer_in(printed: str) -> Any:
    """The function's answer: the last line of what SAM printed."""
    lines = printed.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise Failure(f"the function gave no answer: {printed.strip() or 'nothing was printed'}") from error
    if isinstance(answer, dict) and "errorType" in answer:
        raise Failure(f"the function failed: {answer['errorType']}: {answer.get('errorMessage')}")
    return answer


def serve(console: Console, stack: Mapping[str, Any], chosen: Mapping[str, str], port: int) -> None:
    """The HTTP API by `sam local start-api`, until it is interrupted."""
    with prepared(console, stack, chosen) as (options, environment):
        console.say("sam local start-api takes no tokens: it knows no JWT authorizer and hands no claims on, so all of "
                    f"/api/v4/photo answers 401 there and /health{{,/ready}} answer. The whole API is at {stack['api_url']}; "
                    "one request with claims is make invoke EVENT=events/api-post-upload.json")
        run(api_command(port, options), "sam local start-api", env=environment, cwd=ROOT, show=True)


def check(console: Console, stack: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> None:
    """Runs all three functions in containers against a running stack; a check of `make test`."""
    try:
        chosen = engine(environment)
    except NoEngine as error:
        if environment.get("PHOTODROP_DOCKER") == "required":
            raise
        console.say(f"sam local: not checked: {error}")
        return
    health = invoke(console, stack, event_for(stack, str(ROOT / "events" / "api-health-ready.json"), None), chosen)
    if health.get("statusCode") != 200:
        raise Failure(f"sam local: the upload function cannot reach the stack from its container: {health}")
    thumbnails_in_container(console, stack, chosen)
    run_dry = invoke(console, stack, event_for(stack, str(ROOT / "events" / "reconcile-dry-run.json"), None), chosen)
    if not isinstance(run_dry, dict) or run_dry.get("dry_run") is not True:
        raise Failure(f"sam local: the reconcile function answered {run_dry}")
    with prepared(console, stack, chosen) as (options, sam_environment):
        answered_by_api(options, sam_environment)
    console.say("sam local: all three functions answered from containers, the upload function through start-api too")


def api_command(port: int, options: list[str]) -> list[str]:
    return ["sam", "local", "start-api", "--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY", *options]


def answered_by_api(options: list[str], environment: Mapping[str, str]) -> None:
    """Asks `sam local start-api` once, and ends it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = LOCAL / "sam-api.log"
    with log.open("w") as out:
        served = subprocess.Popen(api_command(port, options), env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + API_SECONDS
        while True:
            try:
                with direct().open(f"http://127.0.0.1:{port}/health/ready", timeout=API_SECONDS) as answer:
                    answer.read()
                return
            except urllib.error.HTTPError as error:
                raise Failure(f"sam local start-api answered {error.code}: see .local/{log.name}") from error
            except OSError as error:
                if served.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"sam local start-api gave no answer: see .local/{log.name}") from error
            time.sleep(0.5)
    finally:
        # Interrupted as by a person, it takes its containers away.
        served.send_signal(signal.SIGINT)
        try:
            served.wait(30)
        except subprocess.TimeoutExpired:
            served.kill()
            served.wait()


def thumbnails_in_container(console: Console, stack: Mapping[str, Any], chosen: Mapping[str, str]) -> None:
    """A photo that only the container can have made ready: S3 tells nobody of it meanwhile."""
    s3 = aws.client("s3", stack)
    bucket = stack["originals_bucket"]
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata", None)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        data = demo.demo_photo().read_bytes()
        created = demo.call(dict(stack), "POST", "/api/v4/photo/upload",
                            {"content_type": "image/jpeg", "size_bytes": len(data)})
        upload = created["upload"]
        demo.send(upload["method"], upload["url"], upload["headers"], data)
        path = f"/api/v4/photo/{created['photo_id']}"
        if (status := demo.call(dict(stack), "GET", path)["status"]) != "pending":
            raise Failure(f"sam local: the photo is {status} before the container saw it")
        invoke(console, stack, event_for(stack, None, newest_original(s3, bucket)), chosen)
        record = demo.call(dict(stack), "GET", path)
        if record["status"] != "ready":
            raise Failure(f"sam local: the container left the photo {record['status']}; see make logs")
        for variant in record["variants"]:
            demo.check_variant(variant)
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
