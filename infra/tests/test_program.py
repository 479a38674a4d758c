"""How the commands call the command line `photodrop`, with a program in its place that says what it was given."""

import contextlib
import io
import os
import stat
import tempfile
import textwrap
import unittest
from pathlib import Path
from unittest import mock

from infra.local import program, release, rollout
from infra.local.console import Console, Failure
from infra.tests.support import OUTPUTS, target

PROGRAM = """\
    #!/bin/sh
    printf '{"arguments": "%s", "stack": "%s", "region": "%s"}\\n' "$*" "$PHOTODROP_STACK" "$AWS_REGION"
    echo 'AWS does not know the caller' >&2
    exit {code}
"""
SMALL = {"summary": "10 concurrent executions, 100 requests a second",
         "advice": "ask for more: aws service-quotas request-service-quota-increase"}


class Program(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.stand_in = Path(folder.name, "photodrop")

    @contextlib.contextmanager
    def standing_in(self, code=0, **variables):
        self.stand_in.write_text(textwrap.dedent(PROGRAM).replace("{code}", str(code)))
        self.stand_in.chmod(stat.S_IRWXU)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with mock.patch.dict(os.environ, {**clean, program.VARIABLE: str(self.stand_in), **variables}, clear=True):
            yield

    def test_a_stack_on_aws_is_named_and_the_local_one_is_described(self):
        with self.standing_in():
            on_aws = program.ask(["account"], "prod", Path("/local/stack.json"), "eu-central-1")
            local = program.ask(["account"], "", Path("/local/stack.json"))
        self.assertEqual((on_aws["arguments"], on_aws["region"]), ("account --stack prod --json", "eu-central-1"))
        self.assertEqual((local["arguments"], local["stack"]), ("account --json", "/local/stack.json"))

    def test_the_region_may_be_the_cli_s_default(self):
        for variables, expected in (({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
                                    ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-east-2"}, "us-east-2"), ({}, "")):
            with self.standing_in(**variables):
                self.assertEqual(program.ask(["account"], "prod", Path("s"))["region"], expected)

    def test_only_stack_names_a_stack_on_aws(self):
        """Otherwise a command that is meant for the local stack would change one on AWS."""
        found = program.environment(Path("/local/stack.json"), given={"PHOTODROP_STACK_NAME": "prod", "HOME": "/home/jane"})
        self.assertEqual(found, {"HOME": "/home/jane", "PHOTODROP_STACK": "/local/stack.json"})

    def test_a_failure_is_told_in_the_program_s_words(self):
        with self.standing_in(code=3), self.assertRaisesRegex(Failure, "account: AWS does not know the caller"):
            program.ask(["account"], "prod", Path("s"))
        with mock.patch.dict(os.environ, {program.VARIABLE: "/not/there"}), self.assertRaisesRegex(Failure, "could not be started"):
            program.ask(["account"], "prod", Path("s"))

    def test_an_installed_program_of_this_version_is_taken(self):
        for version, taken in ((release.version(), True), ("0.0.9", False), (f"{release.version()}-rc.1", False)):
            self.stand_in.write_text(f"#!/bin/sh\n[ \"$*\" = --version ] && echo photodrop {version}\n")
            self.stand_in.chmod(stat.S_IRWXU)
            with mock.patch.dict(os.environ, {"PATH": f"{self.stand_in.parent}:/usr/bin:/bin", program.VARIABLE: ""}), \
                    mock.patch.object(program, "run") as build, mock.patch.object(program.tools, "check_rust"), \
                    mock.patch.object(program.build, "target_folder", return_value=Path("/target")):
                self.assertEqual(program.path() == self.stand_in, taken, version)
            self.assertEqual(build.called, not taken)

    def test_a_program_that_cannot_be_started_is_not_installed(self):
        self.stand_in.write_bytes(b"\x7fELF of another machine")
        self.stand_in.chmod(stat.S_IRWXU)
        with mock.patch.dict(os.environ, {"PATH": str(self.stand_in.parent)}):
            self.assertIsNone(program.installed())
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
            self.assertIsNone(program.installed())

    def test_an_older_build_of_the_same_version_is_named(self):
        with self.standing_in(), self.assertRaisesRegex(Failure, "older build: cargo install"):
            program.account("prod", Path("s"))

    def test_a_reserve_below_the_queue_s_concurrency_throttles(self):
        for reserved, maximum, is_said in (("4", "5", True), ("5", "5", False), ("0", "5", False), ("x", "5", False), ("", "", False)):
            said = program.throttling({"ThumbnailReservedConcurrency": reserved, "ThumbnailConcurrency": maximum})
            self.assertEqual(said is not None, is_said, (reserved, maximum))
        self.assertIsNone(program.throttling({}))

    def test_the_pool_of_the_stack_s_outputs_is_given(self):
        self.assertEqual(program.pool_option(target({}, outputs={**OUTPUTS, "UserPoolId": "p1"})), ["--user-pool", "p1"])
        with self.assertRaisesRegex(Failure, "token issuer"):
            program.pool_option(target({}))


class Deployment(unittest.TestCase):
    def said(self, **answer):
        with contextlib.redirect_stdout(io.StringIO()) as page, mock.patch.object(rollout.program, "account", **answer):
            rollout.say_account(Console("deploy"), "photodrop", "eu-central-1")
        return page.getvalue()

    def test_it_says_what_the_account_has_and_what_to_ask_for(self):
        text = self.said(return_value=SMALL)
        for part in ("10 concurrent executions", "100 requests a second", SMALL["advice"]):
            self.assertIn(part, text)

    def test_it_refuses_nothing_when_the_account_does_not_answer(self):
        self.assertIn("not known: AccessDenied", self.said(side_effect=Failure("AccessDenied")))


if __name__ == "__main__":
    unittest.main()
