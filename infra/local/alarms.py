"""`make alarms`: the alarms of a stack and, on the local stack, CloudWatch's own part in them.

AWS makes metrics of the functions' EMF lines, of invocations, of the API's answers and of the queues, and evaluates
alarms with their dimensions and with what missing data means. MiniStack 1.5.33 counts invocations by its own API alone
and compares whatever metric of the same name there is, so it is done here, through CloudWatch's API.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.console import Console, Failure
from infra.local.emulator import opener
from infra.local.target import Target

FOLLOW_SECONDS = 10
# The shortest periods here are of a minute, and no metric has a finer time than a second.
MOST_SPEED = 60
# CloudWatch takes this many in one call.
DATA_PER_CALL = 500
# What is older is of no alarm's business.
LOOK_BACK_SECONDS = 3600
# The queues of a stack by what they are called here, with the output that has their URL.
QUEUES = {"thumbnail queue": "ThumbnailQueueUrl", "failure queue": "FailureQueueUrl"}
# Metrics of a queue that was inactive are late by up to 15 minutes:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
QUEUE_METRIC_DELAY_SECONDS = 1200
# A message that was received so often and is still there leaves the age of the oldest message.
RECEIVES_OF_A_POISON_PILL = 3
REPORT = re.compile(r"REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class Verdict:
    """What an alarm should be, and why."""

    state: str
    reason: str


def show(console: Console, target: Target, *, seen_file: Path, raised: str | None, cleared: str | None,
         follow: bool, speed: int = 1) -> None:
    """Prints every alarm; on the local stack they are evaluated first, `speed` times as fast as CloudWatch does."""
    if raised or cleared:
        rehearse(console, target, raised or cleared or "", "ALARM" if raised else "OK")
        return
    if speed != 1 and not target.local:
        raise Failure("SPEED is for the local stack: on AWS time goes as it goes")
    while True:
        if target.local:
            judge(target, seen_file, speed)
        alarms = of(target)
        for alarm in sorted(alarms, key=lambda alarm: (alarm["StateValue"] == "OK", alarm["AlarmName"])):
            console.plain(f"{alarm['StateValue']:<17} {short(target, alarm):<22} {alarm.get('StateReason', '')}")
        if not follow:
            return
        console.plain()
        time.sleep(max(1, FOLLOW_SECONDS // speed))


def of(target: Target) -> list[dict[str, Any]]:
    """The alarms of a stack. Another stack's name may begin with this one's: photodrop-dev's alarms begin with photodrop-."""
    resources = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=target.name)
    own = {resource.get("PhysicalResourceId") for page in resources for resource in page["StackResourceSummaries"]
           if resource["ResourceType"] == "AWS::CloudWatch::Alarm"}
    pages = target.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{target.name}-")
    return [alarm for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"] in own]


def short(target: Target, alarm: dict[str, Any]) -> str:
    """The name that the runbook has it under. An alarm of one version ends with the version's number."""
    return re.sub(r"(-version-[a-z0-9]+)-\d+$", r"\1", alarm["AlarmName"].removeprefix(f"{target.name}-"))


def rehearse(console: Console, target: Target, name: str, state: str) -> None:
    """Sets an alarm's state by hand, with all that follows from it."""
    names = {short(target, alarm): alarm["AlarmName"] for alarm in of(target)}
    if name not in names:
        raise Failure(f"there is no alarm {name!r}: {', '.join(sorted(names)) or 'none at all'}")
    target.client("cloudwatch").set_alarm_state(AlarmName=names[name], StateValue=state, StateReason="set by hand")
    console.say(f"{name} is {state} until the next evaluation")


def speed_from(text: str | None) -> int:
    """How many times faster than CloudWatch an alarm is looked at: with 60 its minutes are seconds."""
    if not text:
        return 1
    if not text.isdigit() or not 1 <= int(text) <= MOST_SPEED:
        raise Failure(f"SPEED is {text!r}: a number from 1 to {MOST_SPEED} is expected")
    return int(text)


def judge(target: Target, seen_file: Path, speed: int = 1) -> None:
    """Publishes what the emulator does not, and looks at every alarm then."""
    evaluate_all(target, publish(target, seen_file), speed)


def evaluate_all(target: Target, now: float, speed: int = 1) -> None:
    """Looks at every alarm as of the moment at which the metrics were published: a minute may have begun since."""
    cloudwatch = target.client("cloudwatch")
    for alarm in of(target):
        hastened = {**alarm, "Period": max(1, alarm["Period"] // speed)}
        verdict = evaluate(hastened, values(cloudwatch, hastened, now), now)
        if verdict and (verdict.state, verdict.reason) != (alarm["StateValue"], alarm.get("StateReason")):
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=verdict.state,
                                       StateReason=verdict.reason)


def values(cloudwatch: Any, alarm: dict[str, Any], now: float) -> dict[int, float]:
    """The statistic that an alarm looks at, by the beginning of each of its periods."""
    period = alarm["Period"]
    asked = {"Statistics": [alarm["Statistic"]]} if "ExtendedStatistic" not in alarm else {
        "ExtendedStatistics": [alarm["ExtendedStatistic"]]}
    answer = cloudwatch.get_metric_statistics(
        Namespace=alarm["Namespace"], MetricName=alarm["MetricName"], Dimensions=alarm.get("Dimensions", []),
        StartTime=moment(first_period(alarm, now)), EndTime=moment(now + period), Period=period, **asked)
    found = {}
    for point in answer["Datapoints"]:
        value = point.get("ExtendedStatistics", point).get(alarm.get("ExtendedStatistic") or alarm["Statistic"])
        if value is not None:
            found[int(point["Timestamp"].timestamp()) // period * period] = value
    return found


def first_period(alarm: dict[str, Any], now: float) -> int:
    """The beginning of the first period that counts. The one that now is in is the last of them: who tries an alarm
    on the local stack does not want to wait for its end."""
    return int(now) // alarm["Period"] * alarm["Period"] - (alarm["EvaluationPeriods"] - 1) * alarm["Period"]


def evaluate(alarm: dict[str, Any], found: dict[int, float], now: float) -> Verdict | None:
    """What an alarm should be; `None` when it should stay as it is."""
    missing = alarm.get("TreatMissingData", "missing")
    breaches = COMPARISONS[alarm["ComparisonOperator"]]
    first = first_period(alarm, now)
    periods = [found.get(first + number * alarm["Period"]) for number in range(alarm["EvaluationPeriods"])]
    present = [value for value in periods if value is not None]
    if not present and missing == "ignore":
        return None
    if not present and missing == "missing":
        return Verdict("INSUFFICIENT_DATA", "there is no data")
    breaching = [value for value in present if breaches(value, alarm["Threshold"])]
    count = len(breaching) + (len(periods) - len(present) if missing == "breaching" else 0)
    needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    shown = ", ".join("-" if value is None else f"{value:g}" for value in periods)
    state = "ALARM" if count >= needed else "OK"
    return Verdict(state, f"{count} of {needed} periods breach {alarm['Threshold']:g}: {shown}")


def publish(target: Target, seen_file: Path) -> float:
    """Makes metrics of what was logged since the last time, and of the queues as they are; gives the time of that."""
    try:
        seen = set(json.loads(seen_file.read_text()))
    except (OSError, ValueError):
        seen = set()
    data: dict[str, list[dict[str, Any]]] = {}
    now_seen = set()
    since = int((time.time() - LOOK_BACK_SECONDS) * 1000)
    for role, group in target.log_groups.items():
        counts: Counter[tuple[str, int, str]] = Counter()
        for event in logged(target.client("logs"), group, since):
            known = (event["logStreamName"], event["timestamp"], event["message"])
            counts[known] += 1
            mark = hashlib.sha256(json.dumps([group, *known, counts[known]]).encode()).hexdigest()[:20]
            now_seen.add(mark)
            if mark not in seen:
                made = [*from_line(event["message"], target.outputs["ApiId"]),
                        *from_platform(event["message"], event["timestamp"] / 1000, target.functions[role])]
                for namespace, datum in made:
                    data.setdefault(namespace, []).append(datum)
    now = time.time()
    data.setdefault("AWS/SQS", []).extend(from_queues(target, now))
    for namespace, metrics in data.items():
        for start in range(0, len(metrics), DATA_PER_CALL):
            target.client("cloudwatch").put_metric_data(Namespace=namespace,
                                                        MetricData=metrics[start:start + DATA_PER_CALL])
    seen_file.write_text(json.dumps(sorted(now_seen)))
    return now


def logged(logs: Any, group: str, since: int) -> Iterable[dict[str, Any]]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
        yield from page["events"]


def from_line(message: str, api_id: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The metrics in an EMF line, as CloudWatch Logs would make them; with them those of API Gateway, which has
    none of its own here: a request's line carries status and time."""
    try:
        line = json.loads(message)
        directives = line["_aws"]["CloudWatchMetrics"]
        at = moment(line["_aws"]["Timestamp"] / 1000)
    except (ValueError, TypeError, KeyError):
        return
    for directive in directives:
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": line[name]} for name in names]
            for metric in directive["Metrics"]:
                found = line[metric["Name"]]
                yield directive["Namespace"], {
                    "MetricName": metric["Name"], "Unit": metric["Unit"], "Timestamp": at, "Dimensions": dimensions,
                    "Values": found if isinstance(found, list) else [found]}
    if "status" in line and "duration_ms" in line:
        api = [{"Name": "ApiId", "Value": api_id}]
        for name, unit, value in (("Count", "Count", 1), ("5xx", "Count", int(line["status"] >= 500)),
                                  ("4xx", "Count", int(400 <= line["status"] < 500)),
                                  ("Latency", "Milliseconds", line["duration_ms"])):
            yield "AWS/ApiGateway", {"MetricName": name, "Unit": unit, "Timestamp": at, "Dimensions": api,
                                     "Values": [value]}


def from_platform(message: str, at: float, function: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The metrics of an invocation, from the lines that Lambda and the runtime write about it."""
    values = []
    if report := REPORT.match(message):
        values.append(("Duration", "Milliseconds", float(report.group(1))))
    elif "Task timed out" in message or is_failed_invocation(message):
        values.append(("Errors", "Count", 1.0))
    for name, unit, value in values:
        yield "AWS/Lambda", {"MetricName": name, "Unit": unit, "Timestamp": moment(at), "Values": [value],
                             "Dimensions": [{"Name": "FunctionName", "Value": function}]}


def is_failed_invocation(message: str) -> bool:
    try:
        line = json.loads(message)
        return line["level"] == "ERROR" and line["target"].startswith("lambda_runtime")
    except (ValueError, TypeError, KeyError):
        return False


def from_queues(target: Target, now: float) -> list[dict[str, Any]]:
    """Depth and age of the queues, now."""
    metrics: list[dict[str, Any]] = []
    for output in QUEUES.values():
        # A stack of an older version has no queue before the thumbnail function.
        if url := target.outputs.get(output):
            found = queue(target, url, now)
            dimensions = [{"Name": "QueueName", "Value": name_of(url)}]
            for name, unit, value in (("ApproximateNumberOfMessagesVisible", "Count", found.visible),
                                      ("ApproximateNumberOfMessagesNotVisible", "Count", found.in_flight),
                                      ("ApproximateAgeOfOldestMessage", "Seconds", found.oldest_seconds or 0.0)):
                metrics.append({"MetricName": name, "Unit": unit, "Timestamp": moment(now), "Dimensions": dimensions,
                                "Values": [value]})
    return metrics


@dataclass(frozen=True)
class Queue:
    """What is in a queue."""

    visible: int
    in_flight: int
    # `None` where it is not known.
    oldest_seconds: float | None


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def queue(target: Target, url: str, now: float) -> Queue:
    """What is in a queue. Nothing is received: a receive counts, and sends a message to the dead letters in the end."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = target.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    visible, in_flight = (int(found[name]) for name in names)
    age = age_in_emulator(target, url, now) if target.local else age_by_metric(target, url, now)
    return Queue(visible, in_flight, age)


def age_by_metric(target: Target, url: str, now: float) -> float | None:
    """The newest age that CloudWatch has. It has none of an empty queue."""
    points = target.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS", MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": name_of(url)}], StartTime=moment(now - QUEUE_METRIC_DELAY_SECONDS),
        EndTime=moment(now), Period=60, Statistics=["Maximum"])["Datapoints"]
    return max(points, key=lambda point: point["Timestamp"])["Maximum"] if points else None


def age_in_emulator(target: Target, url: str, now: float) -> float | None:
    """The age as CloudWatch has it, from MiniStack's own list of messages, which counts as no receive."""
    endpoint = target.client("sqs").meta.endpoint_url.rstrip("/")
    address = f"{endpoint}/_ministack/sqs/messages?{urllib.parse.urlencode({'QueueUrl': url})}"
    try:
        with opener(address).open(address, timeout=10) as answer:
            accounts = json.load(answer)["messages"]
    except (OSError, ValueError) as error:
        raise Failure(f"the emulator does not list its messages: {error}") from error
    messages = [message for regions in accounts.values() for queues in regions.values() for listed in queues.values()
                for message in listed]
    return max((now - began for message in messages if (began := since(message)) is not None), default=None)


def since(message: Mapping[str, Any]) -> float | None:
    """When a message's age begins, in seconds since 1970; `None` for one that counts no longer.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
    if "DeadLetterQueueSourceArn" in message["Attributes"]:
        # Among the dead letters it begins with the move, when the message became visible there.
        return float(message["VisibleAt"])
    return None if message["ReceiveCount"] >= RECEIVES_OF_A_POISON_PILL else float(message["SentTimestamp"])


def moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
