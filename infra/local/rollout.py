"""`make deploy`: the template into an AWS account, with SAM's questions the first time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import release, settings
from infra.local.console import Console, Failure
from infra.local.settings import ROOT

ENVIRONMENTS = ("dev", "prod")
STACKS = {"dev": "photodrop-dev", "prod": "photodrop"}
LONGEST_NAME = 25


def chosen(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The table of samconfig.toml and the stack's name."""
    name = environment.get("ENV") or "dev"
    if name not in ENVIRONMENTS:
        raise Failure(f"ENV is {name!r}: {' or '.join(ENVIRONMENTS)} is expected, as in samconfig.toml")
    stack = environment.get("STACK") or STACKS[name]
    if len(stack) > LONGEST_NAME:
        raise Failure(f"the stack name {stack} has {len(stack)} characters: its buckets' names leave room for {LONGEST_NAME}")
    return name, stack


def exists(cloudformation: Any, stack: str) -> bool:
    """Whether the stack is there; one whose creation failed is not, and is said to be in the way."""
    try:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise Failure(f"AWS may not be asked for the stack {stack}: {error}") from error
    except BotoCoreError as error:
        raise Failure(f"AWS cannot be reached, or there are no credentials: {error}") from error
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}:
        raise Failure(f"the stack {stack} is what is left of a first deployment that failed ({status}): delete it, "
                      "and the buckets that it has retained, and deploy again")
    if status == "REVIEW_IN_PROGRESS":
        return False
    return True


def command(environment_name: str, stack: str, template: Path, *, first: bool, interactive: bool,
            environment: Mapping[str, str] = os.environ) -> list[str]:
    """The `sam deploy` to run: guided the first time, and without questions where nobody can answer."""
    words = ["sam", "deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", environment_name,
             "--template-file", str(template), "--stack-name", stack]
    if environment.get("CHANGE_ROLE"):
        words += ["--role-arn", environment["CHANGE_ROLE"]]
    if not interactive:
        words += ["--no-confirm-changeset"]
    elif first:
        words += ["--guided"]
    else:
        words += ["--confirm-changeset"]
    given = settings.extra_parameters(environment)
    if given:
        # The option takes the place of what the file says, so what is in it is said again.
        words += ["--parameter-overrides", *(f"{name}={value}" for name, value in
                                             {**from_config(environment_name), **given}.items())]
    return words


def from_config(environment_name: str) -> dict[str, str]:
    """The parameters that samconfig.toml gives for an environment."""
    from samcli.lib.config.samconfig import SamConfig

    table = SamConfig(str(ROOT), "samconfig.toml").get_all(["deploy"], "parameters", env=environment_name)
    return dict(word.split("=", 1) for word in table.get("parameter_overrides", []))


def environment_has(name: str) -> bool:
    return os.environ.get(name, "") not in {"", "0"}


def deploy(console: Console) -> None:
    name, stack = chosen()
    session = boto3.session.Session()
    if not session.region_name:
        raise Failure("no region: set AWS_REGION, or AWS_PROFILE to a profile that has one")
    first = not exists(session.client("cloudformation"), stack)
    interactive = sys.stdin.isatty()
    parameters = {**from_config(name), **settings.extra_parameters()}
    if first and parameters.get("GradualDeployment") == "true":
        raise Failure("GradualDeployment=true is for the second deployment on: there is no version to come from yet")
    architecture = parameters.get("Architecture", "arm64")
    template = release.template_file(architecture)
    if environment_has("PACKED") and template.exists():
        console.say(f"deploying what is in {release.DIST.name}/ (PACKED=1)")
    else:
        release.one(console, architecture)
    words = command(name, stack, template, first=first, interactive=interactive)
    console.say(f"{' '.join(words[:2])}: {stack} in {session.region_name}{' for the first time' if first else ''}")
    # SAM asks and shows what will change: it has the terminal.
    code = subprocess.call(words, cwd=ROOT, env={**os.environ, "AWS_REGION": session.region_name,
                                                 "SAM_CLI_TELEMETRY": "0"})
    if code != 0:
        raise Failure(f"sam deploy failed (exit code {code}); what was there before is still there")
    console.say(f"deployed; make smoke STACK={stack} puts one photo through it, make doctor STACK={stack} asks the rest")
