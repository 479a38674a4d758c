"""Where things are kept, and the settings that come from the environment."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.console import Failure

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
VENV = LOCAL / "venv"
TOOLS = LOCAL / "tools"
REQUIREMENTS = ROOT / "infra" / "requirements.txt"
TEMPLATE = ROOT / "template.yaml"
FUNCTIONS = ("upload", "thumbnail", "reconcile")
# Rust's target of each architecture, by Lambda's name for it.
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}

REGION = "us-east-1"
# MiniStack's root user. Its secret is the stack's own: `Place.secret_file`.
ACCESS_KEY_ID = "test"

DEFAULT_PORT = 4566
DEFAULT_TEST_PORT = 4577

# The template's default, and HEIC, which it leaves to the deployer.
TYPES_WITH_HEIC = "image/jpeg,image/png,image/webp,image/gif,image/heic"
# Gradual deployments for their alarms and metrics: the emulator itself moves no traffic.
LOCAL_PARAMETERS = {"AllowedContentTypes": TYPES_WITH_HEIC, "GradualDeployment": "true"}

# Slots for pending photos are not limited by default, and their way through the table is to be tested. The tests run the
# reconcile function themselves, when they mean to. A bucket of somebody else's is for the backfill's tests, which make it.
TEST_PARAMETERS = {**LOCAL_PARAMETERS, "OwnerPendingPhotos": "1000", "ReconcileEnabled": "false", "BackfillBucket": "somebody-elses-photos"}


@dataclass(frozen=True)
class Place:
    """One local stack: its folder, its port and its name."""

    folder: Path
    port: int
    # Whether the user asked for this very port.
    port_is_given: bool
    name: str
    # Template parameters that are not the template's defaults.
    parameters: Mapping[str, str] = field(default_factory=dict)
    # Whether it keeps what it holds over a restart of its emulator; `make down` forgets it all the same.
    durable: bool = False

    @property
    def endpoint(self) -> str:
        return endpoint(self.port)

    @property
    def web_port(self) -> int:
        """Where the upload page is served: apart from the emulator's port, and from the next one, which may be another's."""
        variable = "PHOTODROP_WEB_PORT" if self.name == "photodrop" else "PHOTODROP_TEST_WEB_PORT"
        return port_from(variable, min(self.port + 20, 65535))[0]

    @property
    def stack_file(self) -> Path:
        return self.folder / "stack.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "ministack.log"

    @property
    def secret_file(self) -> Path:
        """The secret access key of the emulator's root user, new with each emulator that starts empty."""
        return self.folder / "secret"

    @property
    def origins_file(self) -> Path:
        """The origins whose pages may call the emulator; it reads them there."""
        return self.folder / "origins.json"

    def access(self, port: int) -> dict[str, str]:
        """Where the emulator answers, and the credentials of its root user, by their names in stack.json."""
        try:
            secret = self.secret_file.read_text()
        except OSError as error:
            raise Failure(f"the local stack has no secret ({self.secret_file}: {error.strerror}): make down, make up") from error
        return {"endpoint": endpoint(port), "access_key_id": ACCESS_KEY_ID, "secret_access_key": secret}


# For tools that ask for an endpoint and credentials and then send nothing.
NOWHERE = {"endpoint": "http://localhost", "access_key_id": ACCESS_KEY_ID, "secret_access_key": "none"}


def endpoint(port: int) -> str:
    return f"http://localhost:{port}"


def port_from(variable: str, default: int, environment=os.environ) -> tuple[int, bool]:
    """The port in a variable, and whether it was given; an unusable one is a failure."""
    text = environment.get(variable, "")
    if not text:
        return default, False
    if text.isdigit() and 1024 <= int(text) <= 65535:
        return int(text), True
    raise Failure(f"{variable} is {text!r}: a port from 1024 to 65535 is expected")


def main_place() -> Place:
    """The stack of `make up`."""
    port, given = port_from("PHOTODROP_PORT", DEFAULT_PORT)
    return Place(LOCAL, port, given, "photodrop", LOCAL_PARAMETERS)


def test_place() -> Place:
    """The stack of `make test`: apart from the other in folder, port and name."""
    port, given = port_from("PHOTODROP_TEST_PORT", DEFAULT_TEST_PORT)
    return Place(LOCAL / "test", port, given, "photodrop-test", TEST_PARAMETERS, durable=True)


def architecture() -> str:
    """The host's architecture, by Lambda's name for it."""
    machine = platform.machine().lower()
    names = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    if platform.system() != "Linux":
        raise Failure(f"the functions run here as Linux programs, and this is {platform.system()}: "
                      "use a Linux machine, container or virtual machine")
    if machine not in names:
        raise Failure(f"Lambda runs on x86_64 and arm64, and this machine is {machine}")
    return names[machine]


def extra_parameters(environment=os.environ) -> dict[str, str]:
    """Template parameters from PHOTODROP_PARAMETERS (`Name=value Name='a value'`)."""
    parameters = {}
    given = environment.get("PHOTODROP_PARAMETERS", "")
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise Failure(f"PHOTODROP_PARAMETERS is {given!r}: {error}") from error
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name.isalnum():
            raise Failure(f"PHOTODROP_PARAMETERS has {word!r}: Name=value is expected")
        parameters[name] = value
    return parameters


def overrides(parameters: Mapping[str, str]) -> list[str]:
    """Parameters as `sam` takes them. Without quotes it would cut a value at its first space, and refuse an empty one."""
    return ['{}="{}"'.format(name, value.replace('"', '\\"')) for name, value in parameters.items()]


def shell_variables(stack: Mapping[str, str]) -> dict[str, str]:
    """What a shell needs for the commands of the runbook: the AWS CLI finds the local stack and nothing else, and the
    names that differ from stack to stack have variables."""
    aws = {name: value for name, value in aws_environment(stack, {}).items()
           if name.startswith("AWS_") or name.lower() == "no_proxy"}
    return {**aws, "API": stack["api_url"], "TOKEN": stack.get("token", ""), "TABLE": stack["table_name"],
            "ORIGINALS": stack["originals_bucket"], "THUMBNAILS": stack["thumbnails_bucket"],
            "UPLOAD_FUNCTION": stack["upload_function"], "THUMBNAIL_FUNCTION": stack["thumbnail_function"],
            "RECONCILE_FUNCTION": stack["reconcile_function"],
            "THUMBNAIL_QUEUE": stack["thumbnail_queue_url"], "FAILURE_QUEUE": stack["failure_queue_url"]}


def write_private(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read, whole or not at all."""
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def aws_environment(access: Mapping[str, str], environment=os.environ) -> dict[str, str]:
    """An environment in which the AWS tools can reach the emulator and nothing else. `access` is a stack's description.

    The user's own profile and credentials must not get near it, nor it near them.
    """
    clean = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    clean.update(
        AWS_ENDPOINT_URL=access["endpoint"],
        AWS_ACCESS_KEY_ID=access["access_key_id"],
        AWS_SECRET_ACCESS_KEY=access["secret_access_key"],
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        SAM_CLI_TELEMETRY="0",
        # Seconds between its looks at a deployment; AWS would throttle so many.
        SAM_CLI_POLL_DELAY="0.1",
        NO_PROXY="localhost,127.0.0.1",
        no_proxy="localhost,127.0.0.1",
    )
    return clean
