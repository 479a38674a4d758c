"""What a million photos cost on AWS, from what `make bench` measured, and a stack without photos, from the template: writes the tables
of docs/CAPACITY.md.

Lambda bills memory × time. Up to 1,769 MiB, one vCPU, a function has CPU in proportion to its memory, so CPU work takes
`CPU seconds × 1769 / MiB` and costs the same at any size; time spent waiting for S3 and DynamoDB costs less at a small one.
`python3 bench/cost.py` prints the tables, with `--write` it puts them into the page.
"""

from __future__ import annotations

import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PERFORMANCE = ROOT / "docs/PERFORMANCE.md"
CAPACITY = ROOT / "docs/CAPACITY.md"
METRICS = ROOT / "docs/METRICS.md"
TEMPLATE = ROOT / "template.yaml"
BEGIN, END = "<!-- make cost writes below -->", "<!-- make cost writes above -->"

MILLION = 1_000_000
VCPU_MIB = 1769
# Sizes that are looked at: Lambda's smallest, doublings, the template's smallest (512) and its default (1769).
SIZES_MIB = (128, 256, 512, 1024, VCPU_MIB, 3008)
TEMPLATE_MIN_MIB, TEMPLATE_DEFAULT_MIB = 512, VCPU_MIB
# The alarm on memory rings at 80 %: a size that is fuller than that is not one that a photo fits in.
FILL = 0.8
# One GET of the original, six PUTs side by side and four short calls: an assumption, the same for both tools.
WAIT_SECONDS = 0.1

# List prices of us-east-1 in US$, November 2026
# (aws.amazon.com/{lambda,s3,api-gateway,dynamodb,eventbridge,cloudwatch,sqs,kms,cognito}/pricing and ec2/pricing for traffic out).
GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
INVOCATION = 0.20 / MILLION
S3_PUT, S3_LIST, S3_GET = 0.005 / 1000, 0.005 / 1000, 0.0004 / 1000
API_REQUEST = 1.00 / MILLION
WRITE_UNIT, READ_UNIT = 0.625 / MILLION, 0.125 / MILLION
EVENT = 1.00 / MILLION
LOG_BYTE = 0.50 / 1_000_000_000
QUEUE_REQUEST = 0.40 / MILLION
KMS_REQUEST = 0.03 / 10_000
TRAFFIC_OUT_BYTE = 0.09 / 1_000_000_000
METRIC_MONTH, ALARM_METRIC_MONTH, DASHBOARD_MONTH, KEY_MONTH = 0.30, 0.10, 3.00, 1.00

# What one photo takes with the template's defaults: docs/CAPACITY.md tells where each comes from.
VARIANTS = 6
GETS_BY_CLIENT = 2
WRITE_UNITS = {"record and quota, one transaction": 4, "index: due": 1, "ready": 3, "index: due later": 2, "announced": 3,
               "index: done": 1}
READ_UNITS = 1 + GETS_BY_CLIENT
UPLOAD_GB_SECONDS = (1 + GETS_BY_CLIENT) * 512 / 1024 * 0.010
LOG_BYTES = 10_000
# Sent by S3, received and deleted by Lambda.
QUEUE_REQUESTS = 3
# A variant that is shown: an assumption, somewhat more than `medium` of a photo of 12 megapixels has.
VIEW_BYTES = 100_000

# What a stack does without photos. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html: Count, 4xx, 5xx,
# Latency, IntegrationLatency and DataProcessed of each route.
MONTH_SECONDS = 30 * 24 * 3600
METRICS_OF_A_ROUTE = 6
RUNS = MONTH_SECONDS // 300
RUN_GB_SECONDS = 2 * 256 / 1024
SHARDS, READ_UNITS_OF_A_SHARD = 16, 0.5
# Lambda keeps five long polls of 20 s at a queue: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLLERS, POLL_SECONDS = 5, 20
LISTED_IN_A_RUN, OBJECTS_IN_A_LIST = 2_000, 1_000
RECONCILE_METRICS = ("Reconcile", "StuckPending")
# DynamoDB asks KMS for the table's key every five minutes at most, for each role that reads the table.
ROLES = 3


class Failure(Exception):
    """Ends the command with one line."""


@dataclass(frozen=True)
class Way:
    """A tool in one of its ways: what a photo takes of a machine."""

    cpu_seconds: float
    peak_mib: float

    def gb_seconds(self, memory_mib: int) -> float:
        share = min(1.0, memory_mib / VCPU_MIB)
        return memory_mib / 1024 * (self.cpu_seconds / share + WAIT_SECONDS)

    def dollars(self, memory_mib: int, architecture: str = "arm64") -> float:
        """For a million photos, the invocations included."""
        return MILLION * (self.gb_seconds(memory_mib) * GB_SECOND[architecture] + INVOCATION)


# The columns of the bench's tables.
WAYS = {"photodrop": "photodrop", "sharp": "sharp cascade", "sharp at effort 2": "at effort 2", "sharp, separate": "separate"}


def smallest_mib(peak_mib: float) -> int:
    """The smallest of the sizes that holds a peak with room to spare."""
    for size in SIZES_MIB:
        if peak_mib <= size * FILL:
            return size
    raise Failure(f"a peak of {peak_mib} MiB fits in no size")


def measured(page: str) -> dict[str, dict[str, Way]]:
    """What the bench's page says of each photo, for each way."""
    cpu = table(page, "### CPU")
    memory = table(page, "### Memory and wall time")
    found = {}
    for photo, row in cpu.items():
        name = photo.split(" (")[0]
        if name not in memory:
            raise Failure(f"{name} is in the bench's table of CPU, not in that of memory")
        ways = {}
        for way, column in WAYS.items():
            # sharp's memory was measured at its own effort alone.
            peak = memory[name].get(column, memory[name]["sharp cascade"])
            ways[way] = Way(number(row, column) / 1000, float(peak))
        found[name] = ways
    return found


def table(page: str, heading: str) -> dict[str, dict[str, str]]:
    """The first table below a heading, by the first cell of its rows."""
    section = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#|\Z)", page, re.M | re.S)
    rows = [[cell.strip(" *") for cell in line.strip("| \n").split("|")]
            for line in (section.group(1).splitlines() if section else []) if line.startswith("|")]
    if len(rows) < 3:
        raise Failure(f"docs/PERFORMANCE.md has no table below {heading!r}: make bench writes it")
    head = rows[0]
    return {row[0]: dict(zip(head[1:], row[1:])) for row in rows[2:]}


def number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (KeyError, ValueError) as error:
        raise Failure(f"the bench's table has no number in the column {column!r}") from error


def report(photos: dict[str, dict[str, Way]]) -> str:
    """The tables, as Markdown."""
    return "\n\n".join([thumbnails(photos), sizes(photos), whole(photos), standing(TEMPLATE.read_text(), METRICS.read_text())])


def thumbnails(photos: dict[str, dict[str, Way]]) -> str:
    ways = list(WAYS)
    lines = [f"Thumbnails of a million photos in a function of {TEMPLATE_DEFAULT_MIB} MiB, arm64, US$: "
             f"GB-seconds × ${GB_SECOND['arm64']} and the invocation.", "",
             f"| photo | {' | '.join(ways)} | photodrop ÷ sharp |", f"| --- |{' --- |' * (len(ways) + 1)}"]
    rows = {name: [by[way].dollars(TEMPLATE_DEFAULT_MIB) for way in ways] for name, by in photos.items()}
    rows["**mean**"] = [statistics.mean(column) for column in zip(*rows.values())]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{cost:.2f}' for cost in row)} | {row[0] / row[1]:.2f} |")
    return "\n".join(lines)


def sizes(photos: dict[str, dict[str, Way]]) -> str:
    lines = ["The same mean at other sizes. *Fits*: the smallest size of which the bench's most demanding photo takes at most "
             f"{FILL:.0%}.", "",
             f"| tool | peak MiB | fits | US$ there | US$ at {TEMPLATE_MIN_MIB} | US$ at {TEMPLATE_DEFAULT_MIB} | GB-s at "
             f"{TEMPLATE_DEFAULT_MIB} | seconds at {TEMPLATE_MIN_MIB} |", f"| --- |{' --- |' * 7}"]
    for way in WAYS:
        all_of = [by[way] for by in photos.values()]
        mean = Way(statistics.mean(each.cpu_seconds for each in all_of), max(each.peak_mib for each in all_of))
        fits = smallest_mib(mean.peak_mib)
        seconds = mean.gb_seconds(TEMPLATE_MIN_MIB) / TEMPLATE_MIN_MIB * 1024
        lines.append(f"| {way} | {mean.peak_mib:.0f} | {fits} | {mean.dollars(fits):.2f} | {mean.dollars(TEMPLATE_MIN_MIB):.2f} "
                     f"| {mean.dollars(TEMPLATE_DEFAULT_MIB):.2f} | {mean.gb_seconds(TEMPLATE_DEFAULT_MIB):.3f} | {seconds:.2f} |")
    return "\n".join(lines)


def whole(photos: dict[str, dict[str, Way]]) -> str:
    def mean(way: str) -> float:
        return statistics.mean(by[way].dollars(TEMPLATE_DEFAULT_MIB) for by in photos.values())

    units = sum(WRITE_UNITS.values())
    requests = 1 + GETS_BY_CLIENT
    parts = [
        (f"S3: {1 + VARIANTS} PUTs, 1 GET", MILLION * ((1 + VARIANTS) * S3_PUT + S3_GET)),
        (f"table: {units} write units, {READ_UNITS} read units", MILLION * (units * WRITE_UNIT + READ_UNITS * READ_UNIT)),
        ("thumbnail function", mean("photodrop")),
        (f"API: {requests} requests", MILLION * requests * API_REQUEST),
        ("log, metrics in it", MILLION * LOG_BYTES * LOG_BYTE),
        (f"queue: {QUEUE_REQUESTS} requests", MILLION * QUEUE_REQUESTS * QUEUE_REQUEST),
        ("one event on EventBridge", MILLION * EVENT),
        (f"upload function: {requests} requests of 10 ms at 512 MiB",
         MILLION * (UPLOAD_GB_SECONDS * GB_SECOND["arm64"] + requests * INVOCATION)),
    ]
    together = sum(cost for _, cost in parts)
    with_sharp = together - mean("photodrop") + mean("sharp")
    lines = ["All of it, for a million photos that get six variants and are asked for twice each, US$:", "",
             "| what | US$ |", "| --- | --- |", *(f"| {what} | {cost:.2f} |" for what, cost in parts),
             f"| **together** | **{together:.2f}** |", f"| the same with sharp on Node in the thumbnail function | {with_sharp:.2f} |",
             f"| not in it: a million views of a variant of {VIEW_BYTES // 1000} kB, traffic out and GETs "
             f"| {MILLION * (VIEW_BYTES * TRAFFIC_OUT_BYTE + S3_GET):.2f} |"]
    return "\n".join(lines)


def alarm_metrics(template: str) -> tuple[int, int]:
    """How many metrics the template's alarms look at: always, and with gradual deployments besides."""
    always = gradual = 0
    for alarm in re.findall(r"^    Type: AWS::CloudWatch::Alarm\n((?:     ?.*\n|\n)*)", template, re.M):
        looked_at = alarm.count(" MetricStat:") or 1
        if re.search(r"^    Condition: Gradually$", alarm, re.M):
            gradual += looked_at
        else:
            always += looked_at
    return always, gradual


def custom_metrics(page: str, prefixes: tuple[str, ...] = ("",)) -> tuple[int, int, int]:
    """How many metrics the functions write whose names begin so: of the stack, of each function, and of the version that serves. Those
    by failure code are not counted, nor those that a backfill alone writes."""
    sets = [one for name, dimensions in re.findall(r"^\| `(\w+)` \| \w+ \| ([\w, ;]+) \|", page, re.M)
            for one in dimensions.split("; ")
            if name.startswith(prefixes) and not name.startswith(("Backfill", "PhotosRenewed", "RenewalsFailed"))]
    return sets.count("Stack"), sets.count("Stack, Function"), sets.count("Stack, Version")


def standing(template: str, metrics_page: str) -> str:
    """What a stack costs a month beside its photos."""
    routes = template.count("Type: AWS::ApiGatewayV2::Route\n")
    always, gradual = alarm_metrics(template)
    of_stack, of_function, of_version = custom_metrics(metrics_page)
    custom = of_stack + 3 * of_function
    polls = MONTH_SECONDS // POLL_SECONDS * POLLERS
    lists = 2 * LISTED_IN_A_RUN // OBJECTS_IN_A_LIST
    records = LISTED_IN_A_RUN + LISTED_IN_A_RUN // VARIANTS
    rows = [
        (f"API Gateway's metrics: {METRICS_OF_A_ROUTE} for each of {routes} routes, if each is called in every hour",
         METRICS_OF_A_ROUTE * routes * METRIC_MONTH),
        (f"custom metrics: {of_stack} of the stack, {of_function} of each function, if they have data in every hour", custom * METRIC_MONTH),
        (f"alarms: {always} metrics", always * ALARM_METRIC_MONTH),
        ("dashboard", DASHBOARD_MONTH),
        ("key that encrypts the alarms' topic (none with `AlarmTopicArn`)", KEY_MONTH),
        (f"KMS: the table's key, for {ROLES} roles", RUNS * ROLES * KMS_REQUEST),
        (f"queue: {POLLERS} long polls of {POLL_SECONDS} s", polls * QUEUE_REQUEST),
        (f"reconcile: {RUNS} runs of 2 s, {SHARDS} queries each",
         RUNS * (RUN_GB_SECONDS * GB_SECOND["arm64"] + INVOCATION + SHARDS * READ_UNITS_OF_A_SHARD * READ_UNIT)),
        (f"reconcile's listing, from {LISTED_IN_A_RUN} objects in each bucket on: {lists} LISTs and {records} records in a run",
         RUNS * (lists * S3_LIST + records * READ_UNIT)),
    ]
    together = sum(cost for _, cost in rows)
    # Without a request reconcile alone writes metrics, and lists nothing.
    idle = together - rows[0][1] - rows[1][1] - rows[-1][1] + METRIC_MONTH * (
        custom_metrics(metrics_page, RECONCILE_METRICS)[0] + of_function)
    return "\n".join([
        "A stack's month of 30 days beside its photos, US$, without free tier:", "", "| what | US$ |", "| --- | --- |",
        *(f"| {what} | {cost:.2f} |" for what, cost in rows), f"| **together** | **{together:.2f}** |",
        f"| of it in a month without a request and a photo | {idle:.2f} |",
        f"| with `GradualDeployment=true` besides: {gradual} alarms, {of_version} metrics of the version that serves "
        f"| {gradual * ALARM_METRIC_MONTH + of_version * METRIC_MONTH:.2f} |"])


def put_into(page: str, text: str) -> str:
    """The page with the text between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failure(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    try:
        text = report(measured(PERFORMANCE.read_text()))
        print(text)
        if "--write" in arguments:
            CAPACITY.write_text(put_into(CAPACITY.read_text(), text))
            print("\nwritten into docs/CAPACITY.md", file=sys.stderr)
    except Failure as failure:
        print(f"make cost: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
