"""What MiniStack 1.5.33 lacks of queues, added inside its process: moves of dead letters, and the number of a mapping's concurrency.

They behave as the API reference says:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
A restart of the emulator forgets the tasks and keeps the messages. `docs/ARCHITECTURE.md` lists what was never compared with AWS.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# How fast messages move when no rate is asked for; SQS chooses by the backlog.
MESSAGES_PER_SECOND = 500
MOST_PER_SECOND = 500
MOST_LISTED = 10
QUEUE_ARN = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+")
ACTIVE = {"RUNNING", "CANCELLING"}

Queue = dict[str, Any]


@dataclass
class Task:
    """A message movement task."""

    source: str
    destination: str | None
    rate: int | None
    to_move: int
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    status: str = "RUNNING"
    moved: int = 0
    failure: str | None = None
    handle: str = ""

    def __post_init__(self) -> None:
        named = json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": self.source})
        self.handle = base64.b64encode(named.encode()).decode()

    def described(self) -> dict[str, Any]:
        """The task as `ListMessageMoveTasks` returns it. Its handle is returned while it runs alone."""
        found = {"TaskHandle": self.handle if self.status == "RUNNING" else None, "Status": self.status,
                 "SourceArn": self.source, "DestinationArn": self.destination, "MaxNumberOfMessagesPerSecond": self.rate,
                 "ApproximateNumberOfMessagesMoved": self.moved, "ApproximateNumberOfMessagesToMove": self.to_move,
                 "FailureReason": self.failure, "StartedTimestamp": self.started}
        return {name: value for name, value in found.items() if value is not None}


class MessageMoves:
    """StartMessageMoveTask, ListMessageMoveTasks and CancelMessageMoveTask on MiniStack's queues."""

    def __init__(self, sqs: Any) -> None:
        self.sqs = sqs
        # By the ARN of the source, newest first.
        self.tasks: dict[str, list[Task]] = {}
        # The loop keeps a weak reference to a running task alone.
        self.running: set[asyncio.Task[None]] = set()

    def refusal(self, code: str, message: str) -> Exception:
        return self.sqs._Err(code, message, 400)

    def queue(self, data: Mapping[str, Any], parameter: str) -> Queue:
        """The queue whose ARN a parameter gives."""
        arn = data[parameter]
        if not isinstance(arn, str) or not QUEUE_ARN.fullmatch(arn):
            raise self.refusal("InvalidParameterValue", f"You must use this format to specify the {parameter}: "
                               "arn:<partition>:<service>:<region>:<account-id>:<resource-id>")
        found = self.sqs._queue_by_arn(arn)
        if found is None:
            raise self.refusal("ResourceNotFoundException",
                               f"The resource that you specified for the {parameter} parameter doesn't exist.")
        return found

    def source(self, data: Mapping[str, Any]) -> tuple[str, Queue]:
        if not data.get("SourceArn"):
            raise self.refusal("MissingParameter", "The request must contain the parameter SourceArn.")
        return data["SourceArn"], self.queue(data, "SourceArn")

    async def start(self, data: dict[str, Any], _: str) -> dict[str, Any]:
        arn, source = self.source(data)
        self.sqs._enforce_queue_policy(source, "sqs:StartMessageMoveTask")
        if not any(dead_letter_arn(queue) == arn for queue in self.sqs._queues.values()):
            raise self.refusal("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        destination = data.get("DestinationArn") or None
        if destination:
            self.queue(data, "DestinationArn")
            if destination == arn:
                raise self.refusal("InvalidParameterValue", "Source queue arn and destination queue arn cannot be the same.")
        rate = data.get("MaxNumberOfMessagesPerSecond")
        if rate is not None and not (isinstance(rate, int) and 1 <= rate <= MOST_PER_SECOND):
            raise self.refusal("InvalidParameterValue", f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. "
                               f"Reason: You must enter a number that's between 1 and {MOST_PER_SECOND}.")
        tasks = self.tasks.setdefault(arn, [])
        if any(task.status in ACTIVE for task in tasks):
            raise self.refusal("UnsupportedOperation", "There is already a task running. Only one active task is allowed for a "
                               "source queue arn at a given time.")
        task = Task(arn, destination, rate, sum(is_visible(message) for message in source["messages"]))
        self.tasks[arn] = [task, *tasks][:MOST_LISTED]
        moving = asyncio.create_task(self.move(task))
        self.running.add(moving)
        moving.add_done_callback(self.running.discard)
        return {"TaskHandle": task.handle}

    def list(self, data: dict[str, Any], _: str) -> dict[str, Any]:
        arn, source = self.source(data)
        self.sqs._enforce_queue_policy(source, "sqs:ListMessageMoveTasks")
        most = data.get("MaxResults", 1)
        if not isinstance(most, int) or not 1 <= most <= MOST_LISTED:
            raise self.refusal("InvalidParameterValue", f"Value {most} for parameter MaxResults is invalid. "
                               f"Reason: Must be between 1 and {MOST_LISTED}, if provided.")
        return {"Results": [task.described() for task in self.tasks.get(arn, [])[:most]]}

    def cancel(self, data: dict[str, Any], _: str) -> dict[str, Any]:
        handle = data.get("TaskHandle")
        task = next((task for tasks in self.tasks.values() for task in tasks if task.handle == handle), None)
        if task is None:
            raise self.refusal("ResourceNotFoundException", "Task does not exist.")
        if task.status != "RUNNING":
            raise self.refusal("UnsupportedOperation", "Only active tasks can be cancelled.")
        task.status = "CANCELLING"
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    async def move(self, task: Task) -> None:
        """Moves messages one by one, as many as there were when the task started."""
        pause = 1 / (task.rate or MESSAGES_PER_SECOND)
        while task.status == "RUNNING" and task.moved < task.to_move:
            with self.sqs._queues_lock:
                task.failure = self.move_one(task)
            if task.failure == "":
                break
            if task.failure:
                task.status = "FAILED"
                return
            task.moved += 1
            await asyncio.sleep(pause)
        task.failure = None
        task.status = "CANCELLED" if task.status == "CANCELLING" else "COMPLETED"

    def move_one(self, task: Task) -> str | None:
        """Moves the next message that is visible. Returns why it cannot, and an empty text when there is none."""
        source = self.sqs._queue_by_arn(task.source)
        if source is None:
            return "AWS.SimpleQueueService.NonExistentQueue"
        message = next((message for message in source["messages"] if is_visible(message)), None)
        if message is None:
            return ""
        arn = task.destination or message["sys"].get("DeadLetterQueueSourceArn")
        if not arn:
            return "CouldNotDetermineMessageSource"
        destination = self.sqs._queue_by_arn(arn)
        if destination is None:
            return "AWS.SimpleQueueService.NonExistentQueue"
        source["messages"].remove(message)
        now = time.time()
        kept = {name: value for name, value in message["sys"].items() if name != "DeadLetterQueueSourceArn"}
        # A redriven message is a new one: it has a new id and a new time of arrival, and was never received.
        fresh = {**message, "id": str(uuid.uuid4()), "receipt_handle": None, "receive_count": 0, "first_receive_at": None,
                 "sent_at": now, "visible_at": now, "sys": {**kept, "SentTimestamp": str(int(now * 1000))}}
        fresh.pop("enqueued_at", None)
        destination["messages"].append(fresh)
        self.sqs.esm_wake.set()
        return None


def is_visible(message: Mapping[str, Any]) -> bool:
    return bool(message["visible_at"] <= time.time())


def dead_letter_arn(queue: Queue) -> str | None:
    """The queue that a queue's redrive policy names."""
    try:
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
    except ValueError:
        return None
    return policy.get("deadLetterTargetArn") if isinstance(policy, dict) else None


def with_number(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping's properties with `MaximumConcurrency` as a number. CloudFormation gives a parameter as text, with which MiniStack's
    poller fails: it then processes no queue of any stack."""
    scaling = dict(properties.get("ScalingConfig") or {})
    if isinstance(scaling.get("MaximumConcurrency"), str):
        scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
    return {**properties, **({"ScalingConfig": scaling} if scaling else {})}


def install() -> None:
    """Adds it to MiniStack, before it serves."""
    from ministack.services import sqs
    from ministack.services.cloudformation import provisioners

    mapping = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = mapping["create"], mapping["update"]
    mapping["create"] = lambda name, properties, stack: create(name, with_number(properties), stack)
    mapping["update"] = lambda id_, before, after, stack: update(id_, before, with_number(after), stack)

    moves = MessageMoves(sqs)
    sqs._HANDLERS.update(StartMessageMoveTask=moves.start, ListMessageMoveTasks=moves.list, CancelMessageMoveTask=moves.cancel)
