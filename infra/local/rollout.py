"""`make deploy`: the template into an AWS account, with SAM's questions the first time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local import aws, release, settings
from infra.local.console import Console, Failure
from infra.local.settings import ROOT

ENVIRONMENTS = ("dev", "prod")
CONFIG = ROOT / "samconfig.toml"
LONGEST_NAME = 25
# SAM's own questions end in the same way.
HEIC_QUESTION = ("Take HEIC photos, as iPhones store them (HEVC, their codec, is covered by patents in some countries: "
                 "you decide for yours)? [y/N]: ")


def chosen(environment: Mapping[str, str], tables: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """The table of samconfig.toml, and the stack's name: SAM writes there what it was answered."""
    name = environment.get("ENV") or "dev"
    if name not in ENVIRONMENTS:
        raise Failure(f"ENV is {name!r}: {' or '.join(ENVIRONMENTS)} is expected, as in samconfig.toml")
    stack = environment.get("STACK") or tables[name].get("stack_name")
    if not stack:
        raise Failure(f"samconfig.toml names no stack in [{name}.deploy.parameters]: write one there, or give one (STACK=name)")
    if len(stack) > LONGEST_NAME:
        raise Failure(f"the stack name {stack} has {len(stack)} characters: its buckets' names leave room for {LONGEST_NAME}")
    return name, stack


def deployed(cloudformation: Any, stack: str) -> dict[str, str] | None:
    """The parameters of the stack, if it is there; one whose creation failed is not, and is said to be in the way."""
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise Failure(f"AWS may not be asked for the stack {stack}: {error}") from error
    except BotoCoreError as error:
        raise Failure(f"AWS cannot be reached, or there are no credentials: {error}") from error
    status = found["StackStatus"]
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}:
        raise Failure(f"the stack {stack} is what is left of a first deployment that failed ({status}): delete it, "
                      "and the buckets that it has retained, and deploy again")
    if status == "REVIEW_IN_PROGRESS":
        return None
    return {item["ParameterKey"]: item.get("ParameterValue", "") for item in found.get("Parameters", [])}


def command(environment_name: str, stack: str, template: Path, parameters: Mapping[str, str], region: str, *, first: bool,
            interactive: bool, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The `sam deploy` to run: guided the first time, and without questions where nobody can answer."""
    # The region is the one in which the stack was looked for, whatever SAM once wrote into the file.
    words = ["sam", "deploy", "--config-file", str(CONFIG), "--config-env", environment_name,
             "--template-file", str(template), "--stack-name", stack, "--region", region]
    if environment.get("CHANGE_ROLE"):
        words += ["--role-arn", environment["CHANGE_ROLE"]]
    if not interactive:
        words += ["--no-confirm-changeset"]
    elif first:
        words += ["--guided"]
    else:
        words += ["--confirm-changeset"]
    return [*words, "--parameter-overrides", *settings.overrides(parameters)]


def content_types(parameters: Mapping[str, str], *, asks: bool, ask: Callable[[str], str] = input) -> dict[str, str]:
    """The parameter that lets HEIC in, if the deployer says so; SAM offers it and writes it down with its own answers."""
    if not asks or "AllowedContentTypes" in parameters:
        return {}
    return {"AllowedContentTypes": settings.TYPES_WITH_HEIC} if ask(HEIC_QUESTION).strip().lower() in {"y", "yes"} else {}


def identity(packed: list[Path], parameters: Mapping[str, str]) -> str:
    """The same for the same code, template and parameters, and another for any other: it makes a version of the functions."""
    given = sorted((name, value) for name, value in parameters.items() if name != "DeploymentId")
    digest = hashlib.sha256(json.dumps(given).encode())
    for path in packed:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:40]


def table(environment_name: str, file: Path) -> dict[str, Any]:
    """What samconfig.toml says of an environment's deployments."""
    import click
    from samcli.lib.config.samconfig import SamConfig

    try:
        return SamConfig(str(file.parent), file.name).get_all(["deploy"], "parameters", env=environment_name)
    except click.ClickException as error:
        raise Failure(f"{file.name} cannot be read: {error.message}") from error


def parameters_in(found: Mapping[str, Any]) -> dict[str, str]:
    """The template's parameters in such a table: a list of `Name=value` in the one that comes with the project, and in one
    text where SAM has written down what it was answered."""
    import click
    from samcli.cli.types import CfnParameterOverridesType

    try:
        return CfnParameterOverridesType().convert(found.get("parameter_overrides", ""), None, None)
    except click.ClickException as error:
        raise Failure(f"parameter_overrides in samconfig.toml cannot be read: {error.message}") from error


def environment_has(name: str) -> bool:
    return os.environ.get(name, "") not in {"", "0"}


def deploy(console: Console) -> None:
    tables = {name: table(name, CONFIG) for name in ENVIRONMENTS}
    name, stack = chosen(os.environ, tables)
    session = aws.session_of_the_environment()
    before = deployed(session.client("cloudformation"), stack)
    first = before is None
    interactive = sys.stdin.isatty()
    # The option takes the place of what the file says, so what is in it is said again.
    parameters = {**parameters_in(tables[name]), **settings.extra_parameters()}
    if first and parameters.get("GradualDeployment") == "true":
        raise Failure("GradualDeployment=true is for the second deployment on: there is no version to come from yet")
    parameters.update(content_types(parameters, asks=first and interactive))
    architecture = parameters.get("Architecture", "arm64")
    template = release.template_file(architecture)
    if environment_has("PACKED") and template.exists():
        console.say(f"deploying what is in {release.DIST.name}/ (PACKED=1)")
    else:
        release.one(console, architecture)
    packed = [template, *(release.archive_of(function, architecture) for function in settings.FUNCTIONS)]
    deployment_id = identity(packed, {**(before or {}), **parameters})
    words = command(name, stack, template, {**parameters, "DeploymentId": deployment_id}, session.region_name, first=first,
                    interactive=interactive)
    console.say(f"{' '.join(words[:2])}: {stack} in {session.region_name}{' for the first time' if first else ''}")
    # SAM asks and shows what will change: it has the terminal.
    # It is written with boto3, which does not know AWS_REGION.
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), session.region_name)
    code = subprocess.call(words, cwd=ROOT, env={**os.environ, **region, "SAM_CLI_TELEMETRY": "0"})
    if code != 0:
        raise Failure(f"sam deploy failed (exit code {code}); what was there before is still there")
    # The first time it may have been given another name.
    _, stack = chosen(os.environ, {name: table(name, CONFIG)})
    console.say(f"deployed; make smoke STACK={stack} puts one photo through it, make doctor STACK={stack} asks the rest")
