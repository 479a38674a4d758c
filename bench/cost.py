"""What a million photos cost on AWS, from what `make bench` measured: writes the tables of docs/CAPACITY.md.

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

# List prices of us-east-1 in US$, November 2026 (aws.amazon.com/{lambda,s3,api-gateway,dynamodb,eventbridge,cloudwatch,xray}/pricing).
GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
INVOCATION = 0.20 / MILLION
S3_PUT, S3_GET = 0.005 / 1000, 0.0004 / 1000
API_REQUEST = 1.00 / MILLION
WRITE_UNIT, READ_UNIT = 0.625 / MILLION, 0.125 / MILLION
EVENT = 1.00 / MILLION
LOG_BYTE = 0.50 / 1_000_000_000
TRACE = 5.00 / MILLION

# What one photo takes with the template's defaults: docs/CAPACITY.md tells where each comes from.
VARIANTS = 6
GETS_BY_CLIENT = 2
WRITE_UNITS = {"record and quota, one transaction": 4, "index: due": 1, "ready": 3, "index: due later": 2, "announced": 3,
               "index: done": 1}
READ_UNITS = 1 + GETS_BY_CLIENT
UPLOAD_GB_SECONDS = (1 + GETS_BY_CLIENT) * 512 / 1024 * 0.010
LOG_BYTES = 10_000
TRACED_SHARE = 0.05


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
    return "\n\n".join([thumbnails(photos), sizes(photos), whole(photos)])


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
        (f"X-Ray: {TRACED_SHARE:.0%} of {requests + 1} invocations", MILLION * TRACED_SHARE * (requests + 1) * TRACE),
        ("one event on EventBridge", MILLION * EVENT),
        (f"upload function: {requests} requests of 10 ms at 512 MiB",
         MILLION * (UPLOAD_GB_SECONDS * GB_SECOND["arm64"] + requests * INVOCATION)),
    ]
    together = sum(cost for _, cost in parts)
    with_sharp = together - mean("photodrop") + mean("sharp")
    lines = ["All of it, for a million photos that get six variants and are asked for twice each, US$:", "",
             "| what | US$ |", "| --- | --- |", *(f"| {what} | {cost:.2f} |" for what, cost in parts),
             f"| **together** | **{together:.2f}** |", f"| the same with sharp on Node in the thumbnail function | {with_sharp:.2f} |"]
    return "\n".join(lines)


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
