"""The stack that a command looks at: the local one, or one on AWS (`STACK=name`)."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import aws, deploy, emulator, settings
from infra.local.console import Failure

# The functions whose name and log group are among the outputs, by what they are called here.
ROLES = ("upload", "thumbnail", "reconcile")
# The template's AutoPublishAlias.
ALIAS = "live"


@dataclass(frozen=True)
class Target:
    """A deployed stack."""

    name: str
    # Whether an emulator holds it, be it the one of `make up` or another that AWS_ENDPOINT_URL names: there is no TLS
    # there, CloudWatch evaluates nothing by itself, and reading a whole table costs nothing.
    local: bool
    # What the template puts out, by its name there.
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    status: str
    client: Callable[[str], Any] = field(repr=False)
    api_url: str
    # A token for the API, where one is at hand.
    token: str | None = None
    # Whether STACK names it. Other programs are given the name then, and otherwise the local stack's description.
    named: bool = False

    @property
    def functions(self) -> dict[str, str]:
        """The functions' names, by what they are for."""
        return {role: self.outputs[f"{role.capitalize()}FunctionName"] for role in ROLES
                if f"{role.capitalize()}FunctionName" in self.outputs}

    @property
    def log_groups(self) -> dict[str, str]:
        return {role: self.outputs[f"{role.capitalize()}LogGroupName"] for role in ROLES
                if f"{role.capitalize()}LogGroupName" in self.outputs}


def find(environment: Mapping[str, str] = os.environ) -> Target:
    """The stack that `STACK` names on AWS; without it, the one that `make up` started."""
    name = environment.get("STACK", "")
    return on_aws(name) if name else local(place(environment))


def place(environment: Mapping[str, str] = os.environ) -> settings.Place:
    """The local stack to look at: the one whose description `PHOTODROP_STACK` names, as the end-to-end tests do."""
    described_in = environment.get("PHOTODROP_STACK", "")
    tests = settings.test_place()
    return tests if described_in == str(tests.stack_file) else settings.main_place()


def local(where: settings.Place) -> Target:
    if not emulator.recorded(where):
        raise Failure("no local stack is running: start it with make up, or name one on AWS (STACK=name)")
    stack = deploy.read(where)
    if not stack:
        raise Failure("the local stack is not deployed: make up finishes it")
    client = functools.partial(aws.client, access=stack)
    return described(stack["stack_name"], client, token=stack.get("token"))


def on_aws(name: str) -> Target:
    """A stack of the account and region that the AWS CLI would use; or of the emulator, where it would use one."""
    session = aws.session_of_the_environment()
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            # A function that is invoked answers when it is done, a minute later at most: asked again, it would run twice.
            seconds = 90 if service == "lambda" else 20
            made[service] = session.client(service, config=Config(connect_timeout=5, read_timeout=seconds,
                                                                  retries={"max_attempts": 3}))
        return made[service]

    return described(name, client, token=os.environ.get("TOKEN") or None, named=True)


def described(name: str, client: Callable[[str], Any], *, token: str | None = None, named: bool = False) -> Target:
    """A stack as CloudFormation describes it."""
    cloudformation = client("cloudformation")
    endpoint = cloudformation.meta.endpoint_url
    try:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        raise Failure(f"{endpoint} has no stack {name}, or may not be asked: {error}") from error
    except BotoCoreError as error:
        raise Failure(f"{endpoint} cannot be reached, or there are no credentials: {error}") from error
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
    if "ApiUrl" not in outputs:
        raise Failure(f"{name} is no stack of photodrop's, or was never deployed to its end ({stack['StackStatus']})")
    parameters = {item["ParameterKey"]: item.get("ParameterValue", "") for item in stack.get("Parameters", [])}
    # By its name, were it asked for by its ARN.
    return Target(stack["StackName"], aws.in_emulator(parameters), outputs, parameters, stack["StackStatus"], client,
                  aws.api_url(outputs, parameters, endpoint), token, named)
