"""How the local stack's AWS APIs are reached."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from infra.local.settings import ACCESS_KEY, REGION


def client(service: str, endpoint: str) -> Any:
    """A boto3 client of the emulator that looks at no setting of the user's."""
    session = boto3.session.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY,
                                    region_name=REGION)
    return session.client(service, endpoint_url=endpoint,
                          config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 2}))
