"""What MiniStack's CloudFormation leaves out, done through its APIs from the very same template.

AWS does all of this by itself when it deploys the template, so nothing here is for AWS. `docs/ARCHITECTURE.md`
tells what is left out and how it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samcli.yamlhelper import yaml_parse

from infra.local.aws import client
from infra.local.settings import TEMPLATE


def mend(stack: dict[str, Any]) -> None:
    """Brings the deployed stack to what the template says."""
    resources = yaml_parse(TEMPLATE.read_text())["Resources"]
    described = client("cloudformation", stack).describe_stacks(StackName=stack["stack_name"])
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in described["Stacks"][0]["Parameters"]}
    allow_origins(stack, resources["Api"]["Properties"]["CorsConfiguration"], parameters)
    expire_records(stack, resources["PhotosTable"]["Properties"]["TimeToLiveSpecification"])
    for role, alias in aliases(resources).items():
        serve_latest(stack[f"{role}_function"], alias, client("lambda", stack))


def allow_origins(stack: dict[str, Any], declared: dict[str, Any], parameters: dict[str, str]) -> None:
    """CORS of the API: MiniStack stores it by CloudFormation's names and then looks for the API's."""
    configuration = {name: resolved(value, parameters) for name, value in declared.items()}
    client("apigatewayv2", stack).update_api(ApiId=stack["api_id"], CorsConfiguration=configuration)


def expire_records(stack: dict[str, Any], declared: dict[str, Any]) -> None:
    """The table's time to live: MiniStack looks at it every minute once it is set."""
    client("dynamodb", stack).update_time_to_live(TableName=stack["table_name"], TimeToLiveSpecification=dict(declared))


def aliases(resources: Mapping[str, Any]) -> dict[str, str]:
    """The alias of each function that has one, by the name that stack.json has for the function."""
    return {name.removesuffix("Function").lower(): resource["Properties"]["AutoPublishAlias"]
            for name, resource in resources.items() if "AutoPublishAlias" in resource.get("Properties", {})}


def serve_latest(function: str, alias: str, lambdas: Any) -> None:
    """Puts the alias on $LATEST, so that a changed setting is served at once, as tests and rehearsals need it: on AWS it
    would take a deployment."""
    lambdas.update_alias(FunctionName=function, Name=alias, FunctionVersion="$LATEST")


def resolved(value: Any, parameters: dict[str, str]) -> Any:
    """A value of the template; a reference to a parameter that is a list becomes that list."""
    if isinstance(value, dict) and set(value) == {"Ref"}:
        return parameters[value["Ref"]].split(",")
    return value
