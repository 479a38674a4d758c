"""`make coldstart`: how long a function takes to start and to answer its first request, beside an equal one on Node.

Both run under the Runtime Interface Emulator that SAM CLI ships, as plain processes of this machine pinned to one core, with
the local stack behind them. It writes its part of docs/PERFORMANCE.md.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import samcli.local

from infra.local import aws, build, demo, release, samlocal, settings
from infra.local.console import Console, Failure, run
from infra.local.emulator import direct
from infra.local.settings import LOCAL, ROOT

NODE = ROOT / "bench" / "coldstart"
PAGE = ROOT / "docs" / "PERFORMANCE.md"
BEGIN, END = "<!-- make coldstart writes below -->", "<!-- make coldstart writes above -->"
ROUNDS = 15
OLDEST_NODE = 20
START_SECONDS = 30
MEMORY_MIB = {"upload": "512", "thumbnail": "1769"}


@dataclass(frozen=True)
class Contender:
    """One way to do what a function does: its name on the page and its command."""

    name: str
    role: str
    command: tuple[str, ...]
    # What Lambda would load.
    size_bytes: int


@dataclass(frozen=True)
class Sample:
    """One cold start: milliseconds, and MiB."""

    init: float
    first: float
    warm: float
    cpu: float
    peak: float


def emulator() -> Path:
    """The Runtime Interface Emulator in SAM CLI's package."""
    path = Path(samcli.local.__path__[0]) / "rapid" / f"aws-lambda-rie-{settings.architecture()}"
    if not path.exists():
        raise Failure(f"SAM CLI has no runtime interface emulator at {path}")
    return path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def started(command: tuple[str, ...], environment: Mapping[str, str], log: Path) -> Iterator[tuple[str, int]]:
    """The emulator with a function in it, which is started by the first request; gives its URL and process."""
    port, runtime_port = free_port(), free_port()
    core = max(os.sched_getaffinity(0))
    with log.open("w") as out:
        process = subprocess.Popen(
            [emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
             "--runtime-api-address", f"127.0.0.1:{runtime_port}", "--log-level", "info", *command],
            env=dict(environment), cwd=NODE, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations", process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise Failure("the runtime interface emulator does not start")


def ask(url: str, event: Any) -> tuple[float, Any]:
    """One invocation: its milliseconds and its answer."""
    request = urllib.request.Request(url, data=json.dumps(event).encode(), method="POST")
    began = time.perf_counter()
    with direct().open(request, timeout=60) as answer:
        text = answer.read()
    return (time.perf_counter() - began) * 1000, json.loads(text)


def function_process(emulator_pid: int) -> Path:
    """The /proc folder of the function, the emulator's only child."""
    children = Path(f"/proc/{emulator_pid}/task").glob("*/children")
    pids = [pid for file in children for pid in file.read_text().split()]
    if len(pids) != 1:
        raise Failure(f"the runtime interface emulator has the processes {pids}, and one is expected")
    return Path("/proc") / pids[0]


def cpu_milliseconds(process: Path) -> float:
    """What all of its threads have run, to the nanosecond; see proc(5)."""
    return sum(int(file.read_text().split()[0]) for file in process.glob("task/*/schedstat")) / 1e6


def peak_mib(process: Path) -> float:
    return int(re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())[1]) / 1024


def init_milliseconds(log: str) -> float:
    """From the start of the process to its first question for an event, as the emulator reports it."""
    found = re.search(r"INIT REPORT\(durationMs: ([0-9.]+)\)", log)
    if not found:
        raise Failure(f"the runtime interface emulator reported no init: {log[-500:]}")
    return float(found[1])


def sample(contender: Contender, environment: Mapping[str, str], events: list[Any]) -> Sample:
    """A fresh process, its first event and one more."""
    log = LOCAL / "coldstart.log"
    with started(contender.command, environment, log) as (url, pid):
        first, answer = ask(url, events[0])
        judge(contender, answer)
        process = function_process(pid)
        cpu, peak = cpu_milliseconds(process), peak_mib(process)
        warm, answer = ask(url, events[1])
        judge(contender, answer)
    return Sample(init_milliseconds(log.read_text()), first, warm, cpu, peak)


def judge(contender: Contender, answer: Any) -> None:
    """An answer that is none would be a fast one."""
    failed = isinstance(answer, dict) and ("errorType" in answer or answer.get("statusCode", 201) != 201)
    if failed:
        raise Failure(f"{contender.name} answered {json.dumps(answer)[:500]}; its log is .local/coldstart.log")


def contenders(console: Console) -> tuple[list[Contender], str]:
    """Ours and Node's, as installed and bundled; and what ours were built by."""
    folder = LOCAL / "coldstart"
    folder.mkdir(exist_ok=True)
    node = find_node()
    install(console)
    found = []
    ours, built_by = programs(folder)
    for role in ("upload", "thumbnail"):
        program = ours[role]
        found.append(Contender("photodrop", role, (str(program),), program.stat().st_size))
        source = NODE / f"{role}.mjs"
        found.append(Contender("Node", role, (node, str(source)), loaded_bytes(NODE / "node_modules", role)))
        # Beside the modules, so that sharp, which cannot be bundled, is found.
        bundle = NODE / "node_modules" / ".coldstart" / f"{role}.mjs"
        run(["node_modules/.bin/esbuild", source.name, "--bundle", "--minify", "--platform=node", "--target=node20",
             "--format=esm", "--external:sharp", "--log-level=error", f"--outfile={bundle}",
             "--banner:js=import{createRequire as R}from'node:module';const require=R(import.meta.url);"],
            "esbuild", cwd=NODE)
        beside = loaded_bytes(NODE / "node_modules", "sharp") if role == "thumbnail" else 0
        found.append(Contender("Node, bundled by esbuild", role, (node, str(bundle)), bundle.stat().st_size + beside))
    return found, built_by


def find_node() -> str:
    path = shutil.which("node")
    if not path or not shutil.which("npm"):
        raise Failure(f"Node {OLDEST_NODE} or newer with npm is needed to measure beside it, found none")
    version = run([path, "--version"], "node --version").strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        raise Failure(f"Node {OLDEST_NODE} or newer is needed, found {version}")
    return path


def install(console: Console) -> None:
    stamp, lock = NODE / "node_modules" / "lock.json", NODE / "package-lock.json"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    with console.step("installing the AWS SDK for JavaScript, sharp and esbuild (once)"):
        run(["npm", "ci", "--no-audit", "--no-fund"], "npm ci", cwd=NODE)
    stamp.write_bytes(lock.read_bytes())


def programs(folder: Path) -> tuple[dict[str, Path], str]:
    """What `make release` has packed, or else what `make up` runs."""
    archives = {role: release.archive_of(role, settings.architecture()) for role in ("upload", "thumbnail")}
    if not all(path.exists() for path in archives.values()):
        return dict(zip(settings.FUNCTIONS, build.programs())), "as `make up` builds it"
    found = {}
    for role, archive in archives.items():
        with zipfile.ZipFile(archive) as file:
            found[role] = Path(file.extract("bootstrap", folder / role))
        found[role].chmod(0o755)
    return found, "as `make release` packs it"


def loaded_bytes(modules: Path, role: str) -> int:
    """The files of the packages that a function needs, by role or name."""
    sdk, sharp = ["@aws-sdk", "@smithy", "@aws-crypto"], ["sharp", "@img"]
    names = {"upload": sdk, "thumbnail": [*sdk, *sharp], "sharp": sharp}[role]
    return sum(file.stat().st_size for name in names for file in (modules / name).rglob("*") if file.is_file())


def measure(console: Console, stack: dict[str, Any]) -> None:
    if not demo.sign_in(settings.main_place(), stack):
        raise Failure("the stack has no user pool of its own: start one with make up")
    rounds = rounds_from(os.environ.get("ROUNDS", ""))
    found, built_by = contenders(console)
    lambdas = samlocal.variables(stack, stack["endpoint"])
    environments = {role: {**settings.aws_environment(stack), **lambdas[samlocal.LOGICAL_IDS[role]],
                           "AWS_LAMBDA_FUNCTION_NAME": role, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": MEMORY_MIB[role],
                           "AWS_SESSION_TOKEN": "test"} for role in MEMORY_MIB}
    samples: dict[Contender, list[Sample]] = {contender: [] for contender in found}
    upload = json.loads((ROOT / "events" / "api-post-upload.json").read_text())
    with console.step(f"{rounds} rounds after one to warm up, {len(found)} functions each"), unnoticed(stack) as photo:
        for number in range(rounds + 1):
            for contender in found:
                # Photos of its own each time: what is done is not done twice.
                events = [upload, upload] if contender.role == "upload" else [photo(), photo()]
                taken = sample(contender, environments[contender.role], events)
                if number:
                    samples[contender].append(taken)
    node = run([find_node(), "--version"], "node --version").strip().lstrip("v")
    text = report(samples, rounds, built_by, node)
    console.plain(text)
    if rounds == ROUNDS:
        PAGE.write_text(put_into(PAGE.read_text(), text))
        console.say(f"written into {PAGE.relative_to(ROOT)}")


def rounds_from(text: str) -> int:
    if not text:
        return ROUNDS
    if not text.isdecimal() or int(text) < 1:
        raise Failure(f"ROUNDS is {text!r}: a number from 1 on is expected")
    return int(text)


@contextlib.contextmanager
def unnoticed(stack: dict[str, Any]) -> Iterator[Any]:
    """Gives what uploads one more photo and makes S3's event of it; S3 itself tells nobody of it meanwhile."""
    s3 = aws.client("s3", stack)
    bucket = stack["originals_bucket"]
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata", None)
    made: list[str] = []

    def photo() -> dict[str, Any]:
        data = demo.demo_photo().read_bytes()
        created = demo.call(stack, "POST", "/api/v4/photo/upload",
                            {"content_type": "image/jpeg", "size_bytes": len(data)})
        made.append(created["photo_id"])
        upload = created["upload"]
        demo.send(upload["method"], upload["url"], upload["headers"], data)
        key = samlocal.newest_original(s3, bucket)
        return samlocal.of_object(bucket, key, s3.head_object(Bucket=bucket, Key=key))

    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield photo
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
        for photo_id in made:
            demo.send("DELETE", f"{stack['api_url']}/api/v4/photo/{photo_id}",
                      {"authorization": f"Bearer {stack['token']}"})
        forget(stack)


def forget(stack: dict[str, Any]) -> None:
    """Takes away what the functions on Node have written."""
    s3, table = aws.client("s3", stack), stack["table_name"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack["thumbnails_bucket"], Prefix="coldstart/")
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        s3.delete_object(Bucket=stack["thumbnails_bucket"], Key=entry["Key"])
    dynamodb = aws.client("dynamodb", stack)
    found = dynamodb.get_paginator("scan").paginate(
        TableName=table, FilterExpression="begins_with(pk, :p)", ExpressionAttributeValues={":p": {"S": "COLDSTART#"}})
    for item in (item for page in found for item in page["Items"]):
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def report(samples: Mapping[Contender, list[Sample]], rounds: int, built_by: str, node: str) -> str:
    """The part of the page: a table for each function, medians, and what ours is of each other."""
    versions = json.loads((NODE / "package.json").read_text())["dependencies"]
    lines = [f"`make coldstart` on {datetime.date.today()}, {settings.architecture()}, one core, {rounds} interleaved rounds after "
             f"one to warm up, medians; photodrop {built_by}.",
             f"Node {node}, AWS SDK for JavaScript {versions['@aws-sdk/client-s3']}, sharp {versions['sharp']}.", ""]
    for role, title in (("upload", "Upload: a presigned PUT and a record"), ("thumbnail", "Thumbnail: six files of a 6 MP photo")):
        rows = {contender: medians(taken) for contender, taken in samples.items() if contender.role == role}
        ours = next(row for contender, row in rows.items() if contender.name == "photodrop")
        lines += [f"### {title}", "",
                  "| function | code, MB | init, ms | init and first request, ms | the next request, ms | "
                  "CPU until the first answer, ms | peak memory, MiB |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        for contender, row in rows.items():
            lines.append(f"| {contender.name} | {contender.size_bytes / 1e6:.1f} | {row.init:.1f} | {row.first:.1f} | "
                         f"{row.warm:.1f} | {row.cpu:.1f} | {row.peak:.0f} |")
        for contender, row in rows.items():
            if contender.name != "photodrop":
                lines.append(f"| photodrop ÷ {contender.name} | {ratio(rows, contender):.2f} | {ours.init / row.init:.3f} | "
                             f"{ours.first / row.first:.2f} | {ours.warm / row.warm:.2f} | {ours.cpu / row.cpu:.2f} | "
                             f"{ours.peak / row.peak:.2f} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def ratio(rows: Mapping[Contender, Sample], other: Contender) -> float:
    ours = next(contender for contender in rows if contender.name == "photodrop")
    return ours.size_bytes / other.size_bytes


def medians(taken: list[Sample]) -> Sample:
    return Sample(*(statistics.median(getattr(one, field.name) for one in taken) for field in fields(Sample)))


def put_into(page: str, text: str) -> str:
    """The page with the text between this command's markers, and everything else as it is."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failure(f"{PAGE.name} has no markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"
