"""How AWS's APIs are reached, the local stack's and those of an account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from infra.local.console import Failure
from infra.local.settings import REGION


def client(service: str, access: Mapping[str, str]) -> Any:
    """A boto3 client of the emulator that looks at no setting of the user's. `access` is a stack's description."""
    session = boto3.session.Session(aws_access_key_id=access["access_key_id"],
                                    aws_secret_access_key=access["secret_access_key"], region_name=REGION)
    return session.client(service, endpoint_url=access["endpoint"],
                          config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 2}))


def api_url(outputs: Mapping[str, str], parameters: Mapping[str, str], endpoint: str) -> str:
    """Where programs reach the API of a stack that CloudFormation at `endpoint` describes.

    An emulator reports {id}.execute-api.localhost, which is the same API; but most programs cannot look up a name below
    localhost, and everything can use this one.
    """
    if not in_emulator(parameters):
        return outputs["ApiUrl"]
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{outputs['ApiId']}"


def in_emulator(parameters: Mapping[str, str]) -> bool:
    """Whether a stack was deployed into an emulator of AWS: then its functions are told of one."""
    return bool(parameters.get("AwsEndpointUrl"))


def session_of_the_environment(environment: Mapping[str, str] = os.environ) -> boto3.session.Session:
    """Account and region as the AWS CLI and the SDKs find them. Boto3 alone does not know AWS_REGION."""
    session = boto3.session.Session(region_name=environment.get("AWS_REGION") or None)
    if not session.region_name:
        raise Failure("no region: set AWS_REGION, or AWS_PROFILE to a profile that has one")
    return session
