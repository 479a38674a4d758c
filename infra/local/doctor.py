"""`make doctor`: asks a stack what an operator would ask, and says what is wrong, what it means and what mends it."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import json
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local import alarms, program
from infra.local import target as targets
from infra.local.console import Console, Failure
from infra.local.emulator import opener
from infra.local.target import ALIAS, Target

OK, WARN, FAIL = "ok", "warn", "fail"
# A photo is processed within seconds; what is pending for longer, its object being there, is stuck.
STUCK_AFTER_SECONDS = 900
# What a version has of its own.
SERVED = ("CodeSha256", "Environment", "MemorySize", "Timeout")
SLOW_SECONDS = 1.0
# AWS refuses signatures that are five minutes off.
SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 30, 240
ANSWER_SECONDS = 10
# No photo has this id: the API has to refuse before it looks.
NO_PHOTO = "/api/v4/photo/00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Finding:
    """What a check found; `means` and `mend` are for what is not ok."""

    check: str
    level: str
    found: str
    means: str = ""
    mend: str = ""


Check = Callable[[Target], Iterator[Finding]]


def run(console: Console, target: Target, *, as_json: bool) -> int:
    """Runs every check, and gives 1 if anything fails."""
    findings = [finding for name, check in CHECKS for finding in guarded(name, check, target)]
    if as_json:
        console.plain(json.dumps({"stack": target.name, "findings": [dataclasses.asdict(f) for f in findings]}, indent=2))
    else:
        for finding in findings:
            show(console, finding)
    counts = {level: sum(finding.level == level for finding in findings) for level in (OK, WARN, FAIL)}
    if not as_json:
        console.say(f"{target.name}: {counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed")
    return 1 if counts[FAIL] else 0


def show(console: Console, finding: Finding) -> None:
    console.plain(f"{finding.level:<5} {finding.check:<18} {finding.found}")
    if finding.level != OK:
        if finding.means:
            console.plain(f"{'':<24} means: {finding.means}")
        if finding.mend:
            console.plain(f"{'':<24} mend:  {finding.mend}")


def guarded(name: str, check: Check, target: Target) -> Iterator[Finding]:
    """A check that AWS does not answer is a finding too, and the others go on."""
    try:
        yield from check(target)
    except (ClientError, BotoCoreError) as error:
        yield Finding(name, FAIL, f"could not be asked: {error}", "nothing is known about it",
                      "permissions of your profile? the resource itself? AWS Health")


def judge(name: str, good: bool, found: str, means: str, mend: str, *, bad: str = FAIL) -> Finding:
    return Finding(name, OK, found) if good else Finding(name, bad, found, means, mend)


def stack(target: Target) -> Iterator[Finding]:
    status = target.status
    if status.endswith("_IN_PROGRESS"):
        yield Finding("stack", WARN, status, "somebody is deploying", "wait for it, then ask again")
    else:
        good = status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
        rolled_back = status == "UPDATE_ROLLBACK_COMPLETE"
        yield judge("stack", good, status, "the last deployment did not come to its end",
                    "CloudFormation's events say why; docs/RUNBOOK.md#roll-back", bad=WARN if rolled_back else FAIL)
    if not target.local:
        described = target.client("cloudformation").describe_stacks(StackName=target.name)["Stacks"][0]
        drift = described.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED")
        yield judge("drift", drift != "DRIFTED", drift, "something was changed by hand; a deployment may undo it",
                    f"aws cloudformation describe-stack-resource-drifts --stack-name {target.name}", bad=WARN)


def ask(target: Target, path: str) -> tuple[int, float, Any]:
    """Status, time and headers of an answer of the API; status 0 when there is none."""
    url = target.api_url + path
    started = time.monotonic()
    try:
        with opener(url).open(url, timeout=ANSWER_SECONDS) as response:
            response.read()
            return response.status, time.monotonic() - started, response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, time.monotonic() - started, error.headers
    except OSError:
        return 0, time.monotonic() - started, {}


def api(target: Target) -> Iterator[Finding]:
    for name, path, means, mend in (
            ("api health", "/health", "the upload function does not answer", "make logs ERRORS=1 FUNCTION=upload"),
            ("api ready", "/health/ready", "table or buckets do not answer the upload function",
             "make logs ERRORS=1 FUNCTION=upload: `readiness check failed` names which and why")):
        status, seconds, _ = ask(target, path)
        found = f"{status or 'no answer'} in {seconds * 1000:.0f} ms"
        if status == 200 and seconds > SLOW_SECONDS:
            yield Finding(name, WARN, found, "slow: a cold start, or DynamoDB", "ask again; docs/RUNBOOK.md#api-latency")
        else:
            yield judge(name, status == 200, found, means, mend)
    status, _, _ = ask(target, NO_PHOTO)
    yield judge("api refuses", status == 401, f"{status or 'no answer'} without a token",
                "the API may be open to everybody" if status not in {0, 401} else "the API does not answer",
                "is the authorizer on every route? docs/RUNBOOK.md#roll-back")


def clock(target: Target) -> Iterator[Finding]:
    _, _, headers = ask(target, "/health")
    date = headers.get("date") if headers else None
    if not date:
        yield Finding("clock", WARN, "the API's answer has no Date", "nothing is known about it", "ask again")
        return
    skew = abs(time.time() - email.utils.parsedate_to_datetime(date).timestamp())
    level = OK if skew < SKEW_WARN_SECONDS else WARN if skew < SKEW_FAIL_SECONDS else FAIL
    yield Finding("clock", level, f"{skew:.0f} s between this machine and the API",
                  "signatures made here are refused when it is five minutes off", "set this machine's clock (NTP)")


def buckets(target: Target) -> Iterator[Finding]:
    s3 = target.client("s3")
    for label in ("originals", "thumbnails"):
        bucket = target.outputs[f"{label.capitalize()}BucketName"]
        blocked = answer_or(lambda b=bucket: s3.get_public_access_block(Bucket=b)["PublicAccessBlockConfiguration"], {})
        private = len(blocked) == 4 and all(blocked.values())
        yield judge(f"{label} private", private, "public access is blocked" if private else f"blocked: {blocked}",
                    "photos may be readable by anybody", "deploy again; block public access by hand meanwhile")
        rules = answer_or(lambda b=bucket: s3.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"]["Rules"], [])
        yield judge(f"{label} encrypted", bool(rules), "by default" if rules else "no default encryption",
                    "objects may be stored in the clear", "deploy again")
        if not target.local:
            # On the local stack there is no TLS, and the template leaves the policy out.
            policy = json.loads(answer_or(lambda b=bucket: s3.get_bucket_policy(Bucket=b)["Policy"], '{"Statement":[]}'))
            tls = any(s.get("Effect") == "Deny" and "aws:SecureTransport" in json.dumps(s.get("Condition", {}))
                      for s in policy["Statement"])
            yield judge(f"{label} TLS only", tls, "plain HTTP is refused" if tls else "plain HTTP is let in",
                        "photos may travel in the clear", "deploy again")
        cors = answer_or(lambda b=bucket: s3.get_bucket_cors(Bucket=b)["CORSRules"], [])
        origins = sorted({origin for rule in cors for origin in rule["AllowedOrigins"]})
        yield judge(f"{label} CORS", bool(origins) and "*" not in origins, ", ".join(origins) or "none",
                    "pages of any origin may use it" if "*" in origins else "no page can use it",
                    "the parameter AllowedOrigins", bad=WARN)


def answer_or(ask_aws: Callable[[], Any], otherwise: Any) -> Any:
    """What AWS answers; `otherwise` where there is no such setting (S3 says so by an error of its own for each)."""
    try:
        return ask_aws()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith("NoSuch") and code != "NoSuchBucket" or code.endswith("NotFoundError"):
            return otherwise
        raise


def notification(target: Target) -> Iterator[Finding]:
    """From the bucket to the queue, and from the queue to the function."""
    wired = target.client("s3").get_bucket_notification_configuration(Bucket=target.outputs["OriginalsBucketName"])
    arns = [entry["QueueArn"] for entry in wired.get("QueueConfigurations", [])]
    name = alarms.name_of(target.outputs["ThumbnailQueueUrl"])
    own = next((arn for arn in arns if arn.rpartition(":")[2] == name), None)
    yield judge("notification", own is not None, f"arrivals go to {name}" if own else f"arrivals go to {arns}",
                "photos arrive and nothing happens: they stay pending", "deploy again; then docs/RUNBOOK.md#stuck-pending")
    if own is None:
        return
    mappings = target.client("lambda").list_event_source_mappings(EventSourceArn=own)["EventSourceMappings"]
    state = mappings[0]["State"] if mappings else "missing"
    uuid = mappings[0]["UUID"] if mappings else "UUID"
    # Enabling, Updating and Creating are on their way there.
    yield judge("mapping", state in {"Enabled", "Enabling", "Updating", "Creating"}, state,
                "no photo is processed: their events wait in the queue, for ten days at most",
                f"docs/RUNBOOK.md#stop: aws lambda update-event-source-mapping --uuid {uuid} --enabled")


def table(target: Target) -> Iterator[Finding]:
    dynamodb, name = target.client("dynamodb"), target.outputs["TableName"]
    status = dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]
    yield judge("table", status in {"ACTIVE", "UPDATING"}, status, "no record can be read or written", "AWS Health; restore")
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    yield judge("table TTL", ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"},
                f"{ttl.get('TimeToLiveStatus')} on {ttl.get('AttributeName')}",
                "abandoned uploads and old counters are never dropped", "deploy again", bad=WARN)
    if not target.local:
        # MiniStack's CloudFormation leaves it out, and what it holds is gone with its process anyway.
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        state = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        yield judge("table recovery", state == "ENABLED", f"point in time: {state}",
                    "a mistake in the table cannot be undone", "deploy again", bad=FAIL)


def queues(target: Target) -> Iterator[Finding]:
    now = time.time()
    found = {label: alarms.queue(target, target.outputs[output], now) for label, output in alarms.QUEUES.items()}
    waiting, dead = found["thumbnail queue"], found["failure queue"]
    late = (waiting.oldest_seconds or 0) >= STUCK_AFTER_SECONDS
    yield judge("thumbnail queue", not late, described(waiting), "photos are late: stopped, throttled, or more than fit",
                "docs/RUNBOOK.md#events-waiting", bad=WARN)
    yield judge("failure queue", dead.visible + dead.in_flight == 0, described(dead),
                "photos that failed again and again, for a cause that is not in them",
                "docs/RUNBOOK.md#failure-queue-depth: fix the cause, then make redrive")


def described(found: alarms.Queue) -> str:
    age = "" if found.oldest_seconds is None else f", the oldest for {found.oldest_seconds / 60:.0f} min"
    return f"{found.visible} waiting, {found.in_flight} taken{age if found.visible + found.in_flight else ''}"


def account(target: Target) -> Iterator[Finding]:
    """The account's concurrency: too little of it is said, and refuses nothing."""
    throttling = program.throttling(target.parameters)
    yield judge("thumbnail reserve", not throttling, throttling or "none that throttles photos",
                "photos are late, and become dead letters after too many throttles",
                "a ThumbnailReservedConcurrency of at least ThumbnailConcurrency, or 0", bad=WARN)
    try:
        found = program.account(target.name if target.named else "", targets.place().stack_file)
    except Failure as failure:
        yield Finding("account", WARN, f"could not be asked: {failure}", "nothing is known about its concurrency",
                      f"aws lambda get-account-settings; or {program.INSTALL}")
        return
    yield judge("account", not found["advice"], found["summary"],
                "a new account's quota: thumbnails and requests of all its functions share few executions",
                f"{found['advice']} (docs/CAPACITY.md#a-new-account)", bad=WARN)


def functions(target: Target) -> Iterator[Finding]:
    service = target.client("lambda")
    now = datetime.datetime.now(datetime.timezone.utc)
    for role, name in target.functions.items():
        is_now = service.get_function_configuration(FunctionName=name)
        state, update = is_now.get("State", "Active"), is_now.get("LastUpdateStatus", "Successful")
        yield judge(f"{role} function", (state, update) == ("Active", "Successful"), f"{state}, last update {update}",
                    is_now.get("StateReason") or is_now.get("LastUpdateStatusReason") or "it cannot be started",
                    "docs/RUNBOOK.md#roll-back")
        limit = service.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        yield judge(f"{role} concurrency", limit != 0, "of the account" if limit is None else f"{limit} of its own",
                    "it is stopped: every invocation is throttled",
                    f"aws lambda delete-function-concurrency --function-name {name}, or deploy again")
        points = target.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda", MetricName="Errors", Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now - datetime.timedelta(hours=1), EndTime=now, Period=3600, Statistics=["Sum"])["Datapoints"]
        errors = sum(point["Sum"] for point in points)
        yield judge(f"{role} errors", errors == 0, f"{errors:.0f} in the last hour", "invocations failed",
                    f"make logs ERRORS=1 FUNCTION={role}", bad=WARN)
        group = target.log_groups[role]
        found = target.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        kept = next((entry.get("retentionInDays") for entry in found if entry["logGroupName"] == group), None)
        yield judge(f"{role} logs", kept is not None, f"kept for {kept} days" if kept else "kept for ever",
                    "logs cost more each month", "the parameter LogRetentionDays; deploy again", bad=WARN)


def versions(target: Target) -> Iterator[Finding]:
    """Whether what was deployed last is what serves. The reconcile function has no alias."""
    service = target.client("lambda")
    for role in ("upload", "thumbnail"):
        name = target.functions[role]
        deployed = service.get_function_configuration(FunctionName=name)
        try:
            serves = service.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            yield judge(f"{role} version", False, f"there is no alias {ALIAS}", "nobody calls this function", "deploy again")
            continue
        differ = [setting for setting in SERVED if deployed.get(setting) != serves.get(setting)]
        without = f", without the last {', '.join(differ)}" if differ else ""
        yield judge(f"{role} version", not differ, f"{ALIAS} is {serves['Version']}{without}",
                    "what was deployed or set last is not served: a deployment in steps is on its way, was turned back, "
                    "or made no version", "wait (aws deploy list-deployments); then make deploy, or sam deploy with another "
                    "DeploymentId", bad=WARN)


def stuck(target: Target) -> Iterator[Finding]:
    means = "photos arrived and were not processed"
    mend = "docs/RUNBOOK.md#stuck-pending"
    if target.local:
        photos = list(stuck_photos(target))
        listed = f"{len(photos)}: {', '.join(photos[:5])}" if photos else "none"
        yield judge("stuck pending", not photos, listed, means, mend)
        return
    now = datetime.datetime.now(datetime.timezone.utc)
    points = target.client("cloudwatch").get_metric_statistics(
        Namespace="photodrop", MetricName="StuckPending", Dimensions=[{"Name": "Stack", "Value": target.name}],
        StartTime=now - datetime.timedelta(hours=2), EndTime=now, Period=300, Statistics=["Maximum"])["Datapoints"]
    if not points:
        yield Finding("stuck pending", WARN, "reconcile has not said for two hours", "nobody looks for lost events",
                      "docs/RUNBOOK.md#reconcile-missing")
        return
    last = max(points, key=lambda point: point["Timestamp"])["Maximum"]
    yield judge("stuck pending", last == 0, f"{last:.0f} at reconcile's last run", means, mend)


def stuck_photos(target: Target) -> Iterator[str]:
    """Photos that are pending though their object is there. It reads the whole table: right for a local one alone."""
    oldest = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=STUCK_AFTER_SECONDS)
    pages = target.client("dynamodb").get_paginator("scan").paginate(
        TableName=target.outputs["TableName"], FilterExpression="#status = :pending AND created_at < :oldest",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":pending": {"S": "pending"}, ":oldest": {"S": oldest.strftime("%Y-%m-%dT%H:%M:%SZ")}})
    for page in pages:
        for item in page["Items"]:
            photo_id = item["photo_id"]["S"]
            key = f"photos/{item['pk']['S'].removeprefix('owner#')}/{photo_id}/original"
            found = target.client("s3").list_objects_v2(Bucket=target.outputs["OriginalsBucketName"], Prefix=key)
            if found.get("KeyCount"):
                yield photo_id


def ringing(target: Target) -> Iterator[Finding]:
    known = alarms.of(target)
    if not known:
        yield Finding("alarms", FAIL, "there are none", "nobody is told of anything", "deploy again")
        return
    bad = [alarm for alarm in known if alarm["StateValue"] == "ALARM"]
    for alarm in bad:
        name = alarms.short(target, alarm)
        yield Finding("alarm", FAIL, f"{name}: {alarm.get('StateReason', '')}", alarm.get("AlarmDescription", ""),
                      f"docs/RUNBOOK.md#{name}")
    silent = [alarms.short(target, alarm) for alarm in known if not alarm.get("ActionsEnabled", True)]
    if silent:
        yield Finding("alarms", WARN, f"silenced: {', '.join(silent)}", "they ring and nobody is told",
                      "aws cloudwatch enable-alarm-actions")
    yield Finding("alarms", OK, f"{len(known) - len(bad)} of {len(known)} do not ring")


def topic(target: Target) -> Iterator[Finding]:
    arn = target.outputs.get("AlarmTopic")
    if not arn:
        yield Finding("alarm topic", FAIL, "there is none", "nobody is told of alarms", "deploy again")
        return
    subscriptions = target.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    waiting = [s for s in subscriptions if not s["SubscriptionArn"].startswith("arn:")]
    if not subscriptions:
        yield Finding("alarm topic", WARN, "nobody has subscribed", "alarms ring unheard", "the parameter AlarmEmail")
    else:
        yield judge("alarm topic", not waiting, f"{len(subscriptions) - len(waiting)} of {len(subscriptions)} subscribed",
                    "an address has not confirmed: it gets nothing", "open the link in the message of SNS", bad=FAIL)


CHECKS: list[tuple[str, Check]] = [
    ("stack", stack), ("api", api), ("clock", clock), ("buckets", buckets), ("notification", notification),
    ("table", table), ("queues", queues), ("account", account), ("functions", functions), ("versions", versions), ("stuck pending", stuck), ("alarms", ringing),
    ("alarm topic", topic),
]
