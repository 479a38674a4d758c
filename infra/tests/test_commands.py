"""Commands that are named somewhere and those that there are."""

from __future__ import annotations

import re
import unittest

import yaml

from infra.local import cli
from infra.local.settings import ROOT

COMMAND = re.compile(r"\bmake ([a-z][a-z0-9]*)\b")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def targets() -> set[str]:
    """What the Makefile makes."""
    rules = re.findall(r"^([a-z][a-z0-9 ]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def named() -> dict[str, set[str]]:
    """The commands in code of documents and in steps of workflows, by file."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        code = [*FENCED.findall(text), *re.findall(r"`([^`\n]+)`", FENCED.sub("", text))]
        found[str(page.relative_to(ROOT))] = {command for part in code for command in COMMAND.findall(part)}
    for workflow in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
        found[workflow.name] = {command for job in jobs for step in job["steps"] for command in COMMAND.findall(step.get("run", ""))}
    return found


class Commands(unittest.TestCase):
    def test_every_command_that_is_named_is_there(self) -> None:
        for where, commands in named().items():
            with self.subTest(where):
                self.assertEqual(commands - targets(), set())

    def test_the_makefile_makes_every_command(self) -> None:
        self.assertEqual(set(cli.COMMANDS) - targets(), set())

    def test_documents_and_workflows_are_really_looked_at(self) -> None:
        for where, command in (("README.md", "up"), ("README.md", "test"), ("deploy.yml", "smoke")):
            self.assertIn(command, named()[where])


if __name__ == "__main__":
    unittest.main()
