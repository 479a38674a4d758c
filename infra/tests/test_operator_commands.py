"""What an operator is told to type: commands, options and variables are ones that there are."""

from __future__ import annotations

import functools
import re
import unittest
from collections.abc import Callable, Iterable
from pathlib import Path

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel

from infra.local import cli
from infra.local.settings import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
# Options that the AWS CLI adds: https://docs.aws.amazon.com/cli/latest/reference/
EVERYWHERE = {"query", "output", "region", "profile", "endpoint-url", "cli-binary-format", "cli-read-timeout", "cli-input-json", "no-cli-pager",
              "max-items", "starting-token", "page-size"}
# Commands that the AWS CLI has and no service: what of their options is used.
OWN = {("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides"},
       ("configure", "sso"): set(), ("login", ""): set(), ("sso", "login"): set()}
# A service of the CLI that the SDK calls otherwise.
NAMES = {"deploy": "codedeploy", "s3api": "s3"}
# What the CLI gives by options of its own: https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/put-metric-data.html
FLATTENED = {("cloudwatch", "put-metric-data"): {"metric-name", "value", "unit", "dimensions"}}
HELP = ROOT / "crates" / "photodrop-cli" / "src" / "snapshots" / \
    "photodrop__args__tests__the_help_says_what_can_be_typed_and_what_the_exit_codes_mean.snap"


def code(page: Path) -> list[str]:
    """The lines of a page that can be typed."""
    text = page.read_text()
    blocks = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return [*blocks, *(" ".join(span.split()) for span in INLINE.findall(FENCED.sub("", text)))]


def simple(line: str) -> list[str]:
    """The simple commands of a line, without what is quoted, those within $(…) included."""
    line = re.sub(r"'[^']*'", "QUOTED", re.sub(r"(^| )#.*", "", line))
    lines = []
    while inner := re.search(r"\$\(([^()]*)\)", line):
        lines.append(inner[1])
        line = line.replace(inner[0], "SUBSTITUTED", 1)
    return [part for one in [*lines, line] for part in re.split(r"\|+|;|&&|[()<>]|\bdo\b|\bthen\b|[{}] ", re.sub(r'"[^"]*"', "QUOTED", one))]


def typed(lines: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Every simple command of some lines: its program, and the words after that."""
    parts = [re.sub(r"^(?:[A-Z_]+=\S* )+", "", part).split() for line in lines for part in simple(line)]
    return [(words[0], words[1:]) for words in parts if len(words) > 1]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Every command of a program that the pages name: the page, and the words after its name."""
    return [(page.name, words) for page in PAGES for name, words in typed(code(page)) if name == program]


def options(words: list[str]) -> list[str]:
    return [word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")]


@functools.cache
def operation(service: str, command: str) -> OperationModel | None:
    """The SDK's model of a command of the AWS CLI."""
    model = botocore.session.get_session().get_service_model(NAMES.get(service, service))
    names = {xform_name(name, "-"): name for name in model.operation_names}
    return model.operation_model(names[command]) if command in names else None


def fault_of_aws(words: list[str]) -> str | None:
    """What the AWS CLI would refuse of a command."""
    service, command, *rest = [*words, ""]
    given = set(options(rest))
    if service.startswith("--"):
        return None
    if (service, command) in OWN:
        return complaint("unknown options", given - OWN[service, command] - EVERYWHERE)
    try:
        found = operation(service, command)
    except UnknownServiceError:
        found = None
    if found is None:
        return "there is no such command"
    members = {xform_name(name, "-"): shape for name, shape in found.input_shape.members.items()} if found.input_shape else {}
    flags = {f"no-{name}" for name, shape in members.items() if shape.type_name == "boolean"}
    flattened = FLATTENED.get((service, command), set())
    # A command that is only named has no options, and one with a file has them there.
    is_whole = bool(given) and "cli-input-json" not in given and not flattened
    required = {xform_name(name, "-") for name in found.input_shape.required_members} if is_whole and found.input_shape else set()
    return complaint("unknown options", given - members.keys() - flags - EVERYWHERE - flattened) or complaint("missing options", required - given)


def complaint(what: str, names: set[str]) -> str | None:
    return f"{what}: {', '.join(sorted(names))}" if names else None


def fault_of_make(words: list[str]) -> str | None:
    """A variable of a command that neither `make help` nor the command itself names."""
    if words[0] not in cli.COMMANDS:
        return None
    said = re.search(rf"^#: make {words[0]} .*\n(?:#:  .*\n)*", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = f"{said[0] if said else ''} {cli.COMMANDS[words[0]].__doc__}"
    given = {word.partition("=")[0] for word in words[1:] if re.match(r"[A-Z_]+=", word)}
    return complaint("unknown variables", {name for name in given if not re.search(rf"\b{name}\b", told)})


@functools.cache
def sections() -> dict[str, str]:
    """The help of each command, by the words that it begins with."""
    usage = re.compile(r"^Usage: photodrop ([a-z]+(?: [a-z]+)?) ", re.MULTILINE)
    return {found[1]: text for text in HELP.read_text().split("\n=== ") if (found := usage.search(text))}


def fault_of_photodrop(words: list[str]) -> str | None:
    """A command or an option that the help does not have."""
    two = " ".join(words[:2])
    name = two if two in sections() else words[0]
    if name not in sections():
        return "there is no such command"
    # An option of each of several commands is named without the last word.
    texts = [text for usage, text in sections().items() if f"{usage} ".startswith(f"{name} ")]
    return complaint("unknown options", {option for option in options(words) if not any(f"--{option} " in text for text in texts)})


class Typed(unittest.TestCase):
    def check(self, program: str, fault: Callable[[list[str]], str | None], least: int) -> None:
        found = commands(program)
        self.assertGreater(len(found), least)
        for page, words in found:
            with self.subTest(f"{page}: {program} {' '.join(words)}"):
                self.assertIsNone(fault(words))

    def test_each_aws_command_and_option_is_one_of_the_cli(self) -> None:
        self.check("aws", fault_of_aws, 90)

    def test_each_variable_of_make_is_one_of_the_command(self) -> None:
        self.check("make", fault_of_make, 100)

    def test_each_photodrop_command_and_option_is_in_its_help(self) -> None:
        self.check("photodrop", fault_of_photodrop, 15)

    def test_a_queue_is_polled_long_and_an_alias_gives_one_version_everything(self) -> None:
        """A short poll asks some of SQS's servers alone, and an alias keeps the weights of a deployment that was stopped."""
        needed = {("sqs", "receive-message"): "wait-time-seconds", ("lambda", "update-alias"): "routing-config"}
        seen = set()
        for page, words in commands("aws"):
            name = (words[0], " ".join(words[1:2]))
            if name in needed and options(words):
                seen.add(name)
                self.assertIn(needed[name], options(words), page)
        self.assertEqual(seen, set(needed))

    def test_a_wrong_command_is_found(self) -> None:
        for line, fault, said in (
                ('X=$(aws lambda update-alias --function "$(cat a)" --name live --rout 1)', fault_of_aws, "options: function, rout"),
                ("aws sqs receive-message --wait-time-seconds 10", fault_of_aws, "missing options: queue-url"),
                ("aws lambda update-event-source-mapping --uuid U --no-enable", fault_of_aws, "options: no-enable"),
                ("aws lambda move-alias", fault_of_aws, "no such command"),
                ("aws lamda invoke", fault_of_aws, "no such command"),
                ("aws sso login --profil x", fault_of_aws, "options: profil"),
                ("make doctor STAK=S", fault_of_make, "variables: STAK"),
                ("photodrop redrive --stak S", fault_of_photodrop, "options: stak"),
                ("photodrop redriv", fault_of_photodrop, "no such command"),
                ("photodrop backfill photos --bucket B", fault_of_photodrop, "options: bucket")):
            faults = [fault(words) for name, words in typed([line]) if name in {"aws", "make", "photodrop"}]
            with self.subTest(line):
                self.assertIn(said, str(faults))


if __name__ == "__main__":
    unittest.main()
