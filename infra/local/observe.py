"""Looks into a running stack: `make status` and `make logs`."""

from __future__ import annotations

import datetime
import json
import time
from collections import Counter
from typing import Any

from infra.local import alarms
from infra.local.console import Console, Failure
from infra.local.target import Target

FOLLOW_SECONDS = 1
FOLLOW_SECONDS_ON_AWS = 3
# How far a further look goes back on AWS.
OVERLAP_SECONDS = 120
# The first look of `make logs` goes this far back.
LOOK_BACK_SECONDS = 3600
LEVELS_OF_ERRORS = {"ERROR", "WARN"}
# What the runtime writes when a function could not write for itself.
SIGNS_OF_ERRORS = ("Task timed out", "Runtime.ExitError", "RequestId: error", "panicked at", "errorType")


def status(console: Console, target: Target) -> None:
    """The stack, its functions, what waits and what is kept."""
    console.plain(f"stack        {target.name}: {target.status} at {target.api_url}")
    functions = target.client("lambda")
    for name in target.functions.values():
        found = functions.get_function_configuration(FunctionName=name)
        console.plain(f"function     {name}: {found['State']}, {found['MemorySize']} MiB, {found['Timeout']} s, "
                      f"changed {found['LastModified'][:19]}")
    now = time.time()
    for label, output in alarms.QUEUES.items():
        found = alarms.queue(target, target.outputs[output], now)
        console.plain(f"{label.removesuffix(' queue'):<12} {found.visible} waiting and {found.in_flight} taken in the {label}")
    ringing = [alarm for alarm in alarms.of(target) if alarm["StateValue"] == "ALARM"]
    named = ", ".join(alarms.short(target, alarm) for alarm in ringing) or "none rings"
    console.plain(f"alarms       {named}")
    if not target.local:
        # Counting reads every item and lists every object: minutes and money on a stack in use.
        table = target.client("dynamodb").describe_table(TableName=target.outputs["TableName"])["Table"]
        console.plain(f"table        {table['TableName']}: about {table['ItemCount']} items, "
                      f"{table['TableSizeBytes'] / 1_000_000:.1f} MB (counted every six hours)")
        return
    counts = photos_by_status(target.client("dynamodb"), target.outputs["TableName"])
    listed = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
    console.plain(f"photos       {listed}")
    storage = target.client("s3")
    for label in ("originals", "thumbnails"):
        bucket = target.outputs[f"{label.capitalize()}BucketName"]
        count, size = bucket_contents(storage, bucket)
        console.plain(f"{label:<12} {count} objects, {size / 1_000_000:.1f} MB in {bucket}")


def photos_by_status(dynamodb: Any, table: str) -> Counter[str]:
    """How many photos are in each state. It reads the whole table: right for a local one alone."""
    counts: Counter[str] = Counter()
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, ProjectionExpression="#status", ExpressionAttributeNames={"#status": "status"},
        FilterExpression="begins_with(sk, :photo)", ExpressionAttributeValues={":photo": {"S": "photo#"}})
    for page in pages:
        counts.update(item["status"]["S"] for item in page["Items"])
    return counts


def bucket_contents(s3: Any, bucket: str) -> tuple[int, int]:
    """How many objects a bucket holds, and their bytes."""
    count = size = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            count += 1
            size += item["Size"]
    return count, size


def logs(console: Console, target: Target, *, function: str | None, errors: bool, follow: bool) -> None:
    """What the functions wrote, oldest first; with `follow` also what they go on to write."""
    groups = target.log_groups
    if function is not None and function not in groups:
        raise Failure(f"FUNCTION is {function!r}: {' or '.join(groups)} is expected")
    chosen = {name: group for name, group in groups.items() if function in (None, name)}
    watcher = target.client("logs")
    since = int((time.time() - LOOK_BACK_SECONDS) * 1000)
    seen: Counter[tuple[str, int, str]] = Counter()
    while True:
        events = []
        for name, group in chosen.items():
            events += [(event, name) for event in new_events(watcher, group, since, seen)]
        for event, name in sorted(events, key=lambda pair: pair[0]["timestamp"]):
            message = event["message"].rstrip()
            if not errors or is_error(message):
                console.plain(f"{clock(event['timestamp'])} {name:<9} {message}")
        if not follow:
            return
        if not target.local:
            # An hour read again every second would be throttled. Events come late, but not by minutes.
            since = max(since, int((time.time() - OVERLAP_SECONDS) * 1000))
        time.sleep(FOLLOW_SECONDS if target.local else FOLLOW_SECONDS_ON_AWS)


def new_events(watcher: Any, group: str, since: int,
               seen: Counter[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """The events of a log group that were not seen before; they are then.

    MiniStack's events carry no id: one is known by its stream, time and text, and by how many such there were.
    """
    fresh = []
    found: Counter[tuple[str, int, str]] = Counter()
    try:
        for page in watcher.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            for event in page["events"]:
                key = (event["logStreamName"], event["timestamp"], event["message"])
                found[key] += 1
                if found[key] > seen[key]:
                    fresh.append(event)
    except watcher.exceptions.ResourceNotFoundException as error:
        raise Failure(f"the log group {group} is not there: make up brings the stack up to date") from error
    seen |= found
    return fresh


def is_error(message: str) -> bool:
    """Whether a line tells of something wrong."""
    try:
        return json.loads(message).get("level") in LEVELS_OF_ERRORS
    except (ValueError, AttributeError):
        return any(sign in message for sign in SIGNS_OF_ERRORS)


def clock(milliseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000)
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}"
