"""The template as CloudFormation makes a stack of it: SAM's own transform, parameters and conditions resolved, and each resource with the
identifiers that AWS would give it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
import cfnlint
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.local import release
from infra.local.settings import ROOT

PARTITION, REGION, ACCOUNT = "aws", "eu-central-1", "123456789012"
SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
NO_VALUE = object()


@cache
def packed() -> str:
    return release.template("arm64")


@cache
def read(text: str) -> dict[str, Any]:
    """A template's document, which is read once: a caller that changes it copies it first."""
    return yaml_parse(text)


def transformed(prefix: str = "photodrop", **parameters: str) -> dict[str, Any]:
    """The template that SAM makes of ours, as CloudFormation does it on AWS, its artifacts below a prefix of SAM's bucket."""
    document = copy.deepcopy(read(packed()))
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{ARTIFACTS}/{prefix}/{resource['Properties']['CodeUri']}"
    given = {name: str(parameter.get("Default", "")) for name, parameter in document["Parameters"].items()}
    session = boto3.session.Session(region_name=REGION)
    return Translator({}, Parser(), boto_session=session).translate(document, {**given, **parameters})


def registry() -> dict[str, dict[str, Any]]:
    """The CloudFormation registry's schemas by type, with the permissions of their handlers, as cfn-lint ships them."""
    return {schema["typeName"]: schema for schema in (json.loads(file.read_text()) for file in SCHEMAS.glob("*.json"))}


# SAM's bucket, with a random part in its name.
ARTIFACTS = "aws-sam-cli-managed-default-samclisourcebucket-1a2b3c4d5e6f"
# Types whose identifiers are AWS's own, not made of a name.
BY_IDENTIFIER = {
    "AWS::ApiGatewayV2::Api": "a1b2c3d4e5", "AWS::ApiGatewayV2::Authorizer": "auth01", "AWS::ApiGatewayV2::Integration": "int0001",
    "AWS::ApiGatewayV2::Route": "rte0001", "AWS::CloudFront::CachePolicy": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "AWS::CloudFront::Distribution": "EDFDVBD6EXAMPLE", "AWS::CloudFront::OriginAccessControl": "E2QWRUHAPOMQZL",
    "AWS::CloudFront::ResponseHeadersPolicy": "67f7725c-6f97-4210-82d7-5512b31e9d03", "AWS::Cognito::UserPoolClient": "1example23456789",
    "AWS::KMS::Key": "1234abcd-12ab-34cd-56ef-1234567890ab", "AWS::Lambda::EventSourceMapping": "14e0db71-6b0e-4d2c-8c2b-9d5c7f0a1b2c",
}
# The property that names a resource, and where it is none of these, CloudFormation makes `stack-LogicalId-RANDOM`.
NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName", "AWS::CloudWatch::Dashboard": "DashboardName", "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::CodeDeploy::DeploymentGroup": "DeploymentGroupName", "AWS::DynamoDB::Table": "TableName", "AWS::Events::EventBus": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::Role": "RoleName", "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName", "AWS::S3::Bucket": "BucketName", "AWS::SNS::Topic": "TopicName", "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
}


@dataclass
class Stack:
    """A template with the values of its parameters."""

    document: Mapping[str, Any]
    name: str = "photodrop"
    region: str = REGION
    given: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pseudo(self) -> dict[str, Any]:
        return {"AWS::StackName": self.name, "AWS::Region": self.region, "AWS::AccountId": ACCOUNT, "AWS::Partition": PARTITION,
                "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": NO_VALUE,
                "AWS::StackId": self.arn("cloudformation", f"stack/{self.name}/51af3dc0-da77-11e4-872e-1234567db123")}

    @cached_property
    def parameters(self) -> dict[str, Any]:
        declared = self.document.get("Parameters", {})
        unknown = set(self.given) - set(declared)
        assert not unknown, unknown
        values = {name: str(self.given.get(name, parameter.get("Default", ""))) for name, parameter in declared.items()}
        return {name: text.split(",") if declared[name]["Type"] == "CommaDelimitedList" else text for name, text in values.items()}

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources that there are with these parameters, their properties resolved."""
        return {name: {**resource, "Properties": self.resolve(resource.get("Properties", {}))}
                for name, resource in self.document["Resources"].items() if self.exists(resource)}

    def exists(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self.holds(resource["Condition"])

    def holds(self, condition: str) -> bool:
        return bool(self.resolve(self.document["Conditions"][condition]))

    def arn(self, service: str, rest: str, *, region: str | None = None, account: str = ACCOUNT) -> str:
        return f"arn:{PARTITION}:{service}:{self.region if region is None else region}:{account}:{rest}"

    def resolve(self, value: Any) -> Any:
        match value:
            case dict() if len(value) == 1 and next(iter(value)) in FUNCTIONS:
                (name, argument), = value.items()
                return FUNCTIONS[name](self, argument)
            case dict():
                resolved = {key: self.resolve(item) for key, item in value.items()}
                return {key: item for key, item in resolved.items() if item is not NO_VALUE}
            case list():
                return [item for item in map(self.resolve, value) if item is not NO_VALUE]
            case _:
                return value

    def reference(self, name: str) -> Any:
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        kind = self.document["Resources"][name]["Type"]
        arn_is_reference = {"AWS::SNS::Topic", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider"}
        if kind in arn_is_reference:
            return self.attribute(name, "Arn")
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{self.physical(name)}"
        return self.physical(name)

    def physical(self, name: str) -> str:
        """The name or identifier of a resource."""
        resource = self.document["Resources"][name]
        kind = resource["Type"]
        if kind in BY_IDENTIFIER:
            return BY_IDENTIFIER[kind]
        if kind == "AWS::Cognito::UserPool":
            return f"{self.region}_a1B2c3D4e"
        given = resource.get("Properties", {}).get(NAMES.get(kind, ""))
        return self.resolve(given) if given is not None else f"{self.name}-{name}-1A2B3C4D5E6F"

    def attribute(self, name: str, attribute: str) -> Any:
        resource = self.document["Resources"][name]
        kind, properties = resource["Type"], resource.get("Properties", {})
        if attribute != "Arn":
            # What no ARN is made of, such as a domain's name; a version's number stands in alarms' names.
            return "7" if attribute == "Version" else f"{attribute} of {name}"
        if kind == "AWS::Lambda::Version":
            return f"{self.attribute(properties['FunctionName']['Ref'], 'Arn')}:1"
        if kind == "AWS::Lambda::Alias":
            return f"{self.attribute(properties['FunctionName']['Ref'], 'Arn')}:{self.resolve(properties['Name'])}"
        return self.named(kind, self.physical(name), self.resolve(properties.get("Path", "/")))

    def named(self, kind: str, name: str, path: str = "/") -> str:
        """The ARN of a resource of these types by its name."""
        match kind:
            case "AWS::IAM::Role":
                return self.arn("iam", f"role{path}{name}", region="")
            case "AWS::IAM::ManagedPolicy":
                return self.arn("iam", f"policy{path}{name}", region="")
            case "AWS::IAM::OIDCProvider":
                return self.arn("iam", f"oidc-provider/{name}", region="")
            case "AWS::S3::Bucket":
                return self.arn("s3", name, region="", account="")
            case "AWS::Logs::LogGroup":
                return self.arn("logs", f"log-group:{name}:*")
            case "AWS::CloudWatch::Dashboard":
                return self.arn("cloudwatch", f"dashboard/{name}", region="")
            case "AWS::CloudFront::CachePolicy" | "AWS::CloudFront::Distribution" | "AWS::CloudFront::OriginAccessControl" \
                    | "AWS::CloudFront::ResponseHeadersPolicy":
                return self.arn("cloudfront", f"{KEBAB.sub('-', kind.rpartition('::')[2]).lower()}/{name}", region="")
            case _:
                service, rest = ARNS[kind]
                return self.arn(service, rest + name)


KEBAB = re.compile(r"(?<=[a-z])(?=[A-Z])")
ARNS = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:"), "AWS::Cognito::UserPool": ("cognito-idp", "userpool/"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/"), "AWS::Events::EventBus": ("events", "event-bus/"), "AWS::KMS::Key": ("kms", "key/"),
    "AWS::Lambda::Function": ("lambda", "function:"), "AWS::Lambda::EventSourceMapping": ("lambda", "event-source-mapping:"),
    "AWS::SNS::Topic": ("sns", ""), "AWS::SQS::Queue": ("sqs", ""), "AWS::Scheduler::Schedule": ("scheduler", "schedule/default/"),
    "AWS::CodeDeploy::Application": ("codedeploy", "application:"),
}


def substituted(stack: Stack, argument: Any) -> str:
    text, values = (argument, {}) if isinstance(argument, str) else argument

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in values:
            return str(stack.resolve(values[name]))
        return str(stack.attribute(*name.split(".", 1)) if "." in name else stack.reference(name))

    return re.sub(r"\$\{([^}]+)\}", value, text)


def chosen(stack: Stack, argument: Any) -> Any:
    condition, yes, no = argument
    return stack.resolve(yes if stack.holds(condition) else no)


def attribute(stack: Stack, argument: Any) -> Any:
    return stack.attribute(*(argument.split(".", 1) if isinstance(argument, str) else argument))


FUNCTIONS = {
    "Ref": Stack.reference,
    "Fn::GetAtt": attribute,
    "Fn::Sub": substituted,
    "Fn::If": chosen,
    "Fn::Join": lambda stack, argument: argument[0].join(map(str, stack.resolve(argument[1]))),
    "Fn::Split": lambda stack, argument: stack.resolve(argument[1]).split(argument[0]),
    "Fn::Select": lambda stack, argument: stack.resolve(argument[1])[int(argument[0])],
    "Fn::Equals": lambda stack, argument: len({str(stack.resolve(item)) for item in argument}) == 1,
    "Fn::Not": lambda stack, argument: not stack.resolve(argument[0]),
    "Fn::And": lambda stack, argument: all(map(stack.resolve, argument)),
    "Fn::Or": lambda stack, argument: any(map(stack.resolve, argument)),
    "Condition": lambda stack, argument: stack.holds(argument),
}


def deploy_role(stack: str = "photodrop", region: str = REGION, **parameters: str) -> Stack:
    """The stack of infra/deploy-role.yaml that an administrator makes for a stack."""
    return Stack(read((ROOT / "infra" / "deploy-role.yaml").read_text()), f"{stack}-deploy-role", region,
                 {"StackName": stack, "Repository": "owner/photodrop", **parameters})


def statements_of(stack: Stack, role: str) -> list[dict[str, Any]]:
    """What a role's own policies and the stack's managed policies that it carries say."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    managed = {stack.reference(name): resource["Properties"]["PolicyDocument"] for name, resource in stack.resources.items()
               if resource["Type"] == "AWS::IAM::ManagedPolicy"}
    documents += [managed[arn] for arn in properties.get("ManagedPolicyArns", ())]
    return [statement for document in documents for statement in document["Statement"]]
