"""`make redrive`: gives the events of the failure queue to the thumbnail function again."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.console import Console, Failure
from infra.local.target import Target

DEFAULT_MAX = 100
# The template's AutoPublishAlias.
ALIAS = "live"
# A message that was taken is nobody else's for this long: longer than the function's timeout.
TAKEN_SECONDS = 120


def redrive(console: Console, target: Target, *, most: int, drop_unreadable: bool) -> int:
    """Processes each waiting event once more, deletes the message of one that worked, and gives how many did not."""
    sqs, url = target.client("sqs"), target.outputs["FailureQueueUrl"]
    done = dropped = 0
    # Each is taken once: one that fails stays invisible until this run is over.
    kept: list[str] = []
    seen: set[str] = set()
    while done + len(kept) + dropped < most:
        taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=TAKEN_SECONDS)
        messages = taken.get("Messages", [])
        if not messages:
            break
        message = messages[0]
        if message["MessageId"] in seen:
            # A long run: what failed first comes up again. It had its turn.
            kept.append(message["ReceiptHandle"])
            break
        seen.add(message["MessageId"])
        event = event_of(message["Body"])
        if event is None and drop_unreadable:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            dropped += 1
            continue
        problem = "no S3 event is in it (DROP=unreadable deletes such messages)" if event is None else process(
            target, event)
        if problem is None:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            done += 1
        else:
            kept.append(message["ReceiptHandle"])
            console.plain(f"failed again {message['MessageId']}: {problem}")
    for handle in kept:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    failed = len(seen) - done - dropped
    console.say(f"{done} processed, {dropped} dropped, {failed} failed again and wait in the queue")
    return failed


def event_of(body: str) -> dict[str, Any] | None:
    """The S3 event in a message of Lambda's failure destination."""
    try:
        event = json.loads(body)["requestPayload"]
        return event if event["Records"] else None
    except (ValueError, TypeError, KeyError):
        return None


def process(target: Target, event: dict[str, Any]) -> str | None:
    """Runs the function on an event and waits; what went wrong, if anything did."""
    name = target.functions["thumbnail"]
    # The version that serves, as it would have had the event.
    try:
        answer = target.client("lambda").invoke(FunctionName=name, Qualifier=ALIAS, Payload=json.dumps(event).encode())
    except (BotoCoreError, ClientError) as error:
        return str(error)
    if not answer.get("FunctionError"):
        return None
    try:
        return json.load(answer["Payload"]).get("errorMessage", "the function failed")
    except ValueError:
        return "the function failed"


def most_from(text: str | None) -> int:
    if not text:
        return DEFAULT_MAX
    if not text.isdigit() or int(text) < 1:
        raise Failure(f"MAX is {text!r}: a number from 1 on is expected")
    return int(text)
