"""`make deploy`: the template into an AWS account, with SAM's questions the first time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse

from infra.local import aws, program, release, settings, target
from infra.local.console import Console, Failure
from infra.local.settings import ROOT

ENVIRONMENTS = ("dev", "prod")
CONFIG = ROOT / "samconfig.toml"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
LONGEST_BUCKET_NAME = 63
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
# Of a `DeploymentId`, which has at most 64.
CODE_CHARACTERS, PARAMETERS_CHARACTERS = 20, 20
# SAM's own questions end in the same way.
HEIC_QUESTION = ("Take HEIC photos, as iPhones store them (HEVC, their codec, is covered by patents in some countries: "
                 "you decide for yours)? [y/N]: ")


def chosen(environment: Mapping[str, str], tables: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """The table of samconfig.toml, and the stack's name: SAM writes there what it was answered."""
    name = environment.get("ENV") or "dev"
    if name not in ENVIRONMENTS:
        raise Failure(f"ENV is {name!r}: {' or '.join(ENVIRONMENTS)} is expected, as in samconfig.toml")
    own = tables[name].get("stack_name")
    stack = environment.get("STACK") or own
    # An exported STACK would get the parameters of a table that is another stack's.
    other = next((other for other, table in tables.items() if table.get("stack_name") == stack != own), None)
    if stack and other:
        given = f", and ENV is {name}" if environment.get("ENV") else ""
        raise Failure(f"{stack} is [{other}]'s stack in samconfig.toml{given}: give ENV={other}, or another STACK")
    if not stack:
        raise Failure(f"samconfig.toml names no stack in [{name}.deploy.parameters]: write one there, or give one (STACK=name)")
    return name, stack


def longest_name(region: str) -> int:
    """How many characters a stack's name may have: the longest bucket name is NAME-thumbnails-ACCOUNT-REGION."""
    return LONGEST_BUCKET_NAME - len(f"-thumbnails-{'0' * 12}-{region}")


def check_name(stack: str, region: str) -> None:
    """Refuses a stack's name that no bucket's name can begin with, before CloudFormation fails half-way."""
    if not re.fullmatch("[a-z][a-z0-9-]*", stack) or stack.startswith(RESERVED_PREFIXES):
        raise Failure(f"invalid stack name {stack}: bucket names begin with it, so use lower-case letters, digits and hyphens, and "
                      f"none of the prefixes {', '.join(RESERVED_PREFIXES)}")
    if len(stack) > longest_name(region):
        raise Failure(f"the stack name {stack} has {len(stack)} characters: its buckets' names leave room for "
                      f"{longest_name(region)} in {region}")


@dataclass(frozen=True)
class Deployed:
    """A stack as the last deployment left it."""

    parameters: Mapping[str, str]
    status: str
    # When it was changed last: another time after each attempt.
    changed_at: str


def deployed(cloudformation: Any, stack: str) -> Deployed | None:
    """The stack, if it is there. A stack whose creation failed has to go first."""
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
        raise Failure(f"the stack {stack} is what is left of a first deployment that failed ({status}): delete it "
                      f"(aws cloudformation delete-stack --stack-name {stack}), and deploy again")
    if status == "UPDATE_ROLLBACK_FAILED":
        raise Failure(f"the last deployment of {stack} could not be rolled back ({status}): finish that first "
                      f"(aws cloudformation continue-update-rollback --stack-name {stack}; docs/RUNBOOK.md#roll-back)")
    if status == "REVIEW_IN_PROGRESS":
        return None
    parameters = {item["ParameterKey"]: item.get("ParameterValue", "") for item in found.get("Parameters", [])}
    return Deployed(parameters, status, str(found.get("LastUpdatedTime", "")))


def command(environment_name: str, stack: str, template: Path, parameters: Mapping[str, str], region: str, *, first: bool,
            interactive: bool, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The `sam deploy` to run: guided the first time, and without questions where nobody can answer."""
    # The region is the one in which the stack was looked for, whatever SAM once wrote into the file.
    words = ["sam", "deploy", "--config-file", str(CONFIG), "--config-env", environment_name,
             "--template-file", str(template), "--stack-name", stack, "--region", region,
             # As SAM's questions would have it: the deploy role writes below this prefix alone (infra/deploy-role.yaml).
             "--s3-prefix", stack]
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
    """A digest of code and template, and one of the parameters, one after the other."""
    code = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in packed))
    given = hashlib.sha256(json.dumps(sorted(without_id(parameters).items())).encode())
    return code.hexdigest()[:CODE_CHARACTERS] + given.hexdigest()[:PARAMETERS_CHARACTERS]


def without_id(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name != "DeploymentId"}


def deployment_id(packed: list[Path], before: Deployed | None, parameters: Mapping[str, str]) -> str:
    """Returns the `DeploymentId`, for which SAM publishes a version of the functions: the stack's own if nothing has changed.

    A version outlives the deployment that published it and was rolled back (SAM gives it `DeletionPolicy: Retain`), and Lambda
    publishes no second version of the same code and configuration. After a roll-back the id therefore has another beginning: SAM
    looks at its first ten characters.
    """
    if before is None:
        return identity(packed, parameters)
    fresh = identity(packed, {**before.parameters, **parameters})
    served = before.parameters.get("DeploymentId", "")
    # Parameters are compared one by one: at the first deployment SAM has asked for more than were given then.
    same_parameters = all(before.parameters.get(name) == value for name, value in without_id(parameters).items())
    if same_parameters and served[:-PARAMETERS_CHARACTERS].endswith(fresh[:CODE_CHARACTERS]):
        return served
    if before.status.startswith("UPDATE_ROLLBACK"):
        return hashlib.sha256(f"{fresh} {before.changed_at}".encode()).hexdigest()[:10] + fresh
    return fresh


def canary_alarms(template: Mapping[str, Any]) -> set[str]:
    """The alarms for which CodeDeploy turns a deployment back, by their logical ids."""
    functions = [resource["Properties"] for resource in template["Resources"].values()
                 if resource["Type"] == "AWS::Serverless::Function"]
    return {alarm["Ref"] for function in functions for alarm in function.get("DeploymentPreference", {}).get("Alarms", [])}


def alarm_names(template: Mapping[str, Any], stack: str) -> dict[str, re.Pattern[str]]:
    """What the names of a stack's alarms look like, by their logical ids. That of one version's alarm ends with the version's number."""
    patterns = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            name = resource["Properties"]["AlarmName"]["Fn::Sub"].replace("${AWS::StackName}", stack)
            patterns[logical_id] = re.compile(re.sub(r"\\\$\\\{\w+\\\.Version\\\.Version\\\}$", r"\\d+", re.escape(name)))
    return patterns


def check_boundary(before: Mapping[str, str], given: Mapping[str, str], table_name: str,
                   environment: Mapping[str, str] = os.environ) -> None:
    """Refuses a deployment that would take the stack's permissions boundary away, and one by the deploy role that would fail
    half-way: it changes the stack's roles only while the boundary bounds them."""
    name = "PermissionsBoundaryArn"
    bound = before.get(name)
    if bound and given.get(name) == "":
        # SAM's questions of a first deployment write down an empty one.
        raise Failure(f"the stack has the permissions boundary {bound}, and this deployment would take it away: write {name}={bound} "
                      f"into parameter_overrides of [{table_name}.deploy.parameters] in {CONFIG.name}, and into PHOTODROP_PARAMETERS "
                      f"if it names {name} (docs/DEPLOY.md#from-github)")
    if environment.get("CHANGE_ROLE") and not given.get(name, bound):
        raise Failure(f"missing {name}: CHANGE_ROLE can deploy nothing without it. Give the output of that name of "
                      "infra/deploy-role.yaml's stack (docs/DEPLOY.md#from-github)")


def check_alarms(console: Console, cloudwatch: Any, template: Mapping[str, Any], stack: str, environment_name: str) -> None:
    """Refuses a gradual deployment while one of its alarms rings: CodeDeploy would cancel it, or turn back a fix for a fault that the
    new version has too, or keep most of the traffic on the version that fails."""
    patterns = alarm_names(template, stack)
    try:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack}-", StateValue="ALARM")
        names = [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]
    except (ClientError, BotoCoreError) as error:
        console.say(f"CloudWatch does not say whether an alarm rings ({error}): CodeDeploy cancels the deployment if one does")
        return
    # Another stack's name may begin with this one's: photodrop-dev's alarms begin with photodrop-.
    ringing = {name: alarm for name in names for alarm, pattern in patterns.items() if pattern.fullmatch(name)}
    instead = f'PHOTODROP_PARAMETERS="GradualDeployment=false" make deploy ENV={environment_name} STACK={stack}'
    cancelling = [name for name, alarm in ringing.items() if alarm in canary_alarms(template)]
    if cancelling:
        raise Failure(f"{', '.join(cancelling)} in ALARM: a gradual deployment would be cancelled or turned back. Deploy the fix to "
                      f"all requests at once: {instead}")
    if ringing:
        console.say(f"{', '.join(ringing)} in ALARM: if this deployment is the fix, {instead} gives it to all requests at once")


def say_account(console: Console, stack: str, region: str) -> None:
    """Says what the account has and what to ask AWS for. It refuses nothing: a stack works in a new account too."""
    try:
        found = program.account(stack, target.place().stack_file, region)
    except Failure as failure:
        console.say(f"the account's Lambda concurrency is not known: {failure}")
        return
    console.say(f"the account has {found['summary']}")
    if found["advice"]:
        console.say(f"  {found['advice']} (docs/CAPACITY.md#a-new-account)")


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
    check_name(stack, session.region_name)
    before = deployed(session.client("cloudformation"), stack)
    say_account(console, stack, session.region_name)
    first = before is None
    interactive = sys.stdin.isatty()
    # The option takes the place of what the file says, so what is in it is said again.
    parameters = {**parameters_in(tables[name]), **settings.extra_parameters()}
    if first and parameters.get("GradualDeployment") == "true":
        raise Failure("GradualDeployment=true is for the second deployment on: there is no version to come from yet")
    check_boundary(before.parameters if before else {}, parameters, name)
    parameters.update(content_types(parameters, asks=first and interactive))
    architecture = parameters.get("Architecture", "arm64")
    template = release.template_file(architecture)
    is_packed = environment_has("PACKED") and template.exists()
    document = yaml_parse((template if is_packed else settings.TEMPLATE).read_text())
    defaults = {key: str(given["Default"]) for key, given in document["Parameters"].items() if "Default" in given}
    effective = {**defaults, **(before.parameters if before else {}), **parameters}
    if throttling := program.throttling(effective):
        console.say(throttling)
    if before and effective["GradualDeployment"] == "true":
        check_alarms(console, session.client("cloudwatch"), document, stack, name)
    if is_packed:
        console.say(f"deploying what is in {release.DIST.name}/ (PACKED=1)")
    else:
        release.one(console, architecture)
    packed = [template, *(release.archive_of(function, architecture) for function in settings.FUNCTIONS)]
    parameters["DeploymentId"] = deployment_id(packed, before, parameters)
    words = command(name, stack, template, parameters, session.region_name, first=first, interactive=interactive)
    console.say(f"{' '.join(words[:2])}: {stack} in {session.region_name}"
                + (f" for the first time; a name has at most {longest_name(session.region_name)} characters here" if first else ""))
    # SAM asks and shows what will change: it has the terminal.
    # It is written with boto3, which does not know AWS_REGION.
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), session.region_name)
    code = subprocess.call(words, cwd=ROOT, env={**os.environ, **region, "SAM_CLI_TELEMETRY": "0"})
    # The first time SAM may have been given another name.
    _, stack = chosen(os.environ, {name: table(name, CONFIG)})
    if code != 0:
        check_name(stack, session.region_name)
        raise Failure(f"sam deploy failed (exit code {code}); what was there before is still there")
    console.say(f"deployed; make smoke STACK={stack} puts one photo through it, make doctor STACK={stack} asks the rest")
