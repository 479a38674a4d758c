"""Archives that Lambda takes, and nothing else; events that find their function."""

import hashlib
import json
import struct
import tempfile
import threading
import socket
import unittest
import zipfile
from pathlib import Path

from botocore.exceptions import ClientError
from samcli.cli.types import CfnParameterOverridesType
from samcli.commands.deploy.guided_config import GuidedConfig
from samcli.commands.local.lib.swagger.integration_uri import LambdaUri
from samcli.lib.config.samconfig import SamConfig
from samcli.yamlhelper import yaml_parse

from infra.local import build, guided, relay, release, rollout, samlocal, settings
from infra.local.console import Failure
from infra.local.settings import FUNCTIONS, ROOT, TEMPLATE
from infra.tests.support import Recorder


def program(machine: int) -> bytes:
    """The header of a 64-bit little-endian ELF file without sections: it needs no glibc."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<H", header, 18, machine)
    return bytes(header)


class Archives(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.archive = Path(folder.name) / "photodrop-1.0.0-arm64-upload.zip"

    def test_the_same_program_gives_the_same_bytes(self) -> None:
        digests = set()
        for _ in range(2):
            release.write(self.archive, program(0xB7))
            digests.add(hashlib.sha256(self.archive.read_bytes()).hexdigest())
        self.assertEqual(len(digests), 1)
        with zipfile.ZipFile(self.archive) as file:
            (entry,) = file.infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16, entry.date_time[0]), ("bootstrap", 0o100755, 1980))

    def test_an_archive_for_another_machine_is_refused(self) -> None:
        release.write(self.archive, program(0x3E))
        release.check(self.archive, "x86_64")
        with self.assertRaisesRegex(Failure, "for x86_64"):
            release.check(self.archive, "arm64")

    def test_what_is_no_program_is_refused(self) -> None:
        release.write(self.archive, b"#!/bin/sh\n")
        with self.assertRaisesRegex(Failure, "no Linux program"):
            release.check(self.archive, "arm64")

    def test_an_archive_with_more_than_the_program_is_refused(self) -> None:
        release.write(self.archive, program(0xB7))
        with zipfile.ZipFile(self.archive, "a") as file:
            file.writestr("secret", "")
        with self.assertRaisesRegex(Failure, "bootstrap alone"):
            release.check(self.archive, "arm64")

    def test_the_packed_template_names_the_archives_and_builds_nothing(self) -> None:
        document = yaml_parse(release.template("x86_64"))
        functions = {name: resource for name, resource in document["Resources"].items()
                     if resource["Type"] == "AWS::Serverless::Function"}
        self.assertEqual({name: function["Properties"]["CodeUri"] for name, function in functions.items()},
                         {f"{name.capitalize()}Function": release.archive_of(name, "x86_64").name for name in FUNCTIONS})
        self.assertNotIn("CodeUri", document["Globals"]["Function"])
        self.assertEqual(document["Parameters"]["Architecture"]["AllowedValues"], ["x86_64"])
        for function in functions.values():
            self.assertNotIn("BuildMethod", function["Metadata"])
        whole = yaml_parse(TEMPLATE.read_text())
        self.assertEqual(set(document["Resources"]), set(whole["Resources"]))

    def test_what_is_shipped_has_a_profile_and_a_folder_of_its_own(self) -> None:
        words = build.command("arm64", ["--profile", "dist", "--lambda-dir", "x"], ["upload"])
        self.assertEqual(words, ["cargo", "lambda", "build", "--locked", "--profile", "dist", "--lambda-dir", "x", "--arm64",
                                 "--bin", "upload"])

    def test_the_version_is_the_workspaces(self) -> None:
        self.assertRegex(release.version(), r"^\d+\.\d+\.\d+$")


class SamLocal(unittest.TestCase):
    def test_every_sample_event_finds_its_function(self) -> None:
        for path in sorted((ROOT / "events").glob("*.json")):
            expected = {"api": "upload", "s3": "thumbnail", "sqs": "thumbnail", "reconcile": "reconcile", "backfill": "reconcile"}
            with self.subTest(path.name):
                found = samlocal.role_of(json.loads(path.read_text()))
                self.assertEqual(found, expected[path.stem.split("-")[0]])

    def test_an_event_of_another_service_is_refused(self) -> None:
        for event in ({"Records": [{"eventSource": "aws:sns"}]}, {"detail": {}}, [], None):
            with self.subTest(event), self.assertRaisesRegex(Failure, "no event of a function"):
                samlocal.role_of(event)

    def test_the_api_finds_its_function_without_the_alias(self) -> None:
        document = yaml_parse(samlocal.without_aliases(TEMPLATE.read_text()))
        uri = document["Resources"]["UploadIntegration"]["Properties"]["IntegrationUri"]
        # As `sam local start-api` reads it.
        self.assertEqual(LambdaUri.get_function_name(uri), "UploadFunction")

    def test_a_functions_failure_is_a_failure(self) -> None:
        self.assertEqual(samlocal.answer_in('log line\n{"statusCode": 200}\n'), {"statusCode": 200})
        self.assertIsNone(samlocal.answer_in("null"))
        for printed in ('{"errorType": "Transient", "errorMessage": "s3"}', "", "Traceback"):
            with self.subTest(printed), self.assertRaises(Failure):
                samlocal.answer_in(printed)

    def test_where_docker_is_missing_it_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(samlocal.NoEngine, "infra/docker-engine"):
            samlocal.engine({"PATH": "", "DOCKER_HOST": "unix:///nowhere"})

    def test_a_container_reaches_the_emulator_through_the_relay(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as emulator:
            def echo() -> None:
                near, _ = emulator.accept()
                with near:
                    while data := near.recv(1024):
                        near.sendall(data.upper())

            threading.Thread(target=echo, daemon=True).start()
            with relay.to_port("127.0.0.1", emulator.getsockname()[1]) as port:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                    client.sendall(b"photo")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.recv(1024), b"PHOTO")


def as_sam_reads(words: list[str]) -> dict[str, str]:
    """The parameters in a command, as SAM takes them from it."""
    return CfnParameterOverridesType().convert(words[words.index("--parameter-overrides") + 1:], None, None)


class Deployments(unittest.TestCase):
    def test_the_first_one_is_guided_and_a_later_one_shows_its_changes(self) -> None:
        def words(first, interactive, **environment):
            parameters = {"Architecture": "arm64", **settings.extra_parameters(environment), "DeploymentId": "abc"}
            return rollout.command("dev", "photodrop-dev", Path("t.yaml"), parameters, "eu-central-1", first=first,
                                   interactive=interactive, environment=environment)

        self.assertIn("--guided", words(True, True))
        self.assertIn("--confirm-changeset", words(False, True))
        for first in (True, False):
            self.assertIn("--no-confirm-changeset", words(first, False))
            self.assertNotIn("--guided", words(first, False))
        self.assertIn("arn:role", words(False, False, CHANGE_ROLE="arn:role"))
        given = words(False, False, PHOTODROP_PARAMETERS="LogLevel=warn")
        self.assertEqual(as_sam_reads(given), {"Architecture": "arm64", "LogLevel": "warn", "DeploymentId": "abc"})
        self.assertEqual(given[given.index("--region") + 1], "eu-central-1")

    def test_heic_is_asked_for_once_and_off_unless_it_is_wanted(self) -> None:
        def given(answer, parameters=None, asks=True):
            asked = []
            found = rollout.content_types(parameters or {}, asks=asks, ask=lambda question: asked.append(question) or answer)
            return found.get("AllowedContentTypes"), len(asked)

        default = yaml_parse(TEMPLATE.read_text())["Parameters"]["AllowedContentTypes"]["Default"]
        self.assertNotIn("heic", default)
        for yes in ("y", " Yes "):
            self.assertEqual(given(yes), (f"{default},image/heic", 1))
        for no in ("", "n", "no", "heic?"):
            self.assertEqual(given(no), (None, 1))
        # A later deployment, one without a terminal, and one that says it already.
        self.assertEqual(given("y", asks=False), (None, 0))
        self.assertEqual(given("y", {"AllowedContentTypes": "image/jpeg"}), (None, 0))
        # The check of the first deployment takes a line for a question by its end.
        self.assertRegex(rollout.HEIC_QUESTION, guided.QUESTION)

    def test_the_local_stacks_take_what_the_template_does_and_heic(self) -> None:
        default = yaml_parse(TEMPLATE.read_text())["Parameters"]["AllowedContentTypes"]["Default"]
        for place in (settings.main_place(), settings.test_place()):
            self.assertEqual(place.parameters["AllowedContentTypes"], f"{default},image/heic")

    def test_what_was_answered_the_first_time_is_given_the_next_time(self) -> None:
        answers = {"Architecture": "arm64", "JwtIssuer": "", "ReconcileSchedule": "rate(5 minutes)",
                   "Variants": "small:160,medium:480"}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "samconfig.toml"
            file.write_text('version = 0.1\n[dev.deploy.parameters]\nstack_name = "photodrop-dev"\n'
                            'parameter_overrides = ["Architecture=x86_64", "LogLevel=debug"]\n')
            self.assertEqual(rollout.parameters_in(rollout.table("dev", file)), {"Architecture": "x86_64", "LogLevel": "debug"})
            # As `sam deploy --guided` writes it down.
            written = SamConfig(folder, file.name)
            quoted = (f"{name}={GuidedConfig.quote_parameter_values(value)}" for name, value in answers.items())
            written.put(["deploy"], "parameters", "parameter_overrides", " ".join(quoted), env="dev")
            written.put(["deploy"], "parameters", "stack_name", "pics", env="dev")
            written.flush()
            table = rollout.table("dev", file)
        self.assertEqual(rollout.parameters_in(table), answers)
        self.assertEqual(rollout.chosen({}, {"dev": table}), ("dev", "pics"))
        self.assertEqual(rollout.chosen({"STACK": "mine"}, {"dev": table}), ("dev", "mine"))
        words = rollout.command("dev", "pics", Path("t.yaml"), {**answers, "DeploymentId": "abc"}, "eu-central-1",
                                first=False, interactive=False, environment={})
        self.assertEqual(as_sam_reads(words), {**answers, "DeploymentId": "abc"})

    def test_a_samconfig_that_cannot_be_read_is_one_sentence(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "samconfig.toml"
            for text in ("version = 0.1\n[dev.deploy", 'version = 0.1\n[dev.deploy.parameters]\nparameter_overrides = "LogLevel"\n'):
                file.write_text(text)
                with self.subTest(text), self.assertRaisesRegex(Failure, "cannot be read"):
                    rollout.parameters_in(rollout.table("dev", file))

    def test_changed_code_or_a_changed_parameter_makes_another_version(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "upload.zip"
            archive.write_bytes(b"one")
            first = rollout.identity([archive], {"LogLevel": "info", "DeploymentId": "before"})
            self.assertEqual(first, rollout.identity([archive], {"DeploymentId": "after", "LogLevel": "info"}))
            self.assertRegex(first, "^[0-9a-f]{40}$")
            self.assertNotEqual(first, rollout.identity([archive], {"LogLevel": "debug"}))
            archive.write_bytes(b"two")
            self.assertNotEqual(first, rollout.identity([archive], {"LogLevel": "info"}))

    def test_a_stack_that_is_there_gives_its_parameters_and_one_that_failed_is_in_the_way(self) -> None:
        def stack(status):
            found = {"StackStatus": status, "Parameters": [{"ParameterKey": "LogLevel", "ParameterValue": "warn"}]}
            return rollout.deployed(Recorder(describe_stacks={"Stacks": [found]}), "photodrop")

        self.assertEqual(stack("UPDATE_COMPLETE").parameters, {"LogLevel": "warn"})
        self.assertIsNone(stack("REVIEW_IN_PROGRESS"))
        for status, hint in (("ROLLBACK_COMPLETE", "delete it"), ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback")):
            with self.assertRaisesRegex(Failure, hint):
                stack(status)
        missing = ClientError({"Error": {"Code": "ValidationError", "Message": "Stack with id photodrop does not exist"}},
                              "DescribeStacks")
        self.assertIsNone(rollout.deployed(Recorder(describe_stacks=missing), "photodrop"))

    def test_an_unknown_environment_is_refused(self) -> None:
        tables = {name: rollout.table(name, ROOT / "samconfig.toml") for name in rollout.ENVIRONMENTS}
        self.assertEqual(rollout.chosen({"ENV": "prod", "STACK": "pics"}, tables), ("prod", "pics"))
        with self.assertRaisesRegex(Failure, "names no stack"):
            rollout.chosen({}, {"dev": {}})
        with self.assertRaisesRegex(Failure, "dev or prod"):
            rollout.chosen({"ENV": "staging"}, tables)

    def test_a_stack_of_another_table_is_refused(self) -> None:
        """A STACK that was exported for `make doctor` must not get the parameters of another stack."""
        tables = {name: rollout.table(name, ROOT / "samconfig.toml") for name in rollout.ENVIRONMENTS}
        for environment, name, stack in (({}, "dev", "photodrop-dev"), ({"STACK": "photodrop-dev"}, "dev", "photodrop-dev"),
                                         ({"ENV": "prod", "STACK": "photodrop"}, "prod", "photodrop"), ({"STACK": "pics"}, "dev", "pics")):
            self.assertEqual(rollout.chosen(environment, tables), (name, stack))
        for environment, said in (({"STACK": "photodrop"}, r"photodrop is \[prod\]'s stack.*give ENV=prod"),
                                  ({"STACK": "photodrop", "ENV": "dev"}, r"\[prod\]'s stack .*ENV is dev: give ENV=prod"),
                                  ({"STACK": "photodrop-dev", "ENV": "prod"}, r"\[dev\]'s stack .*ENV is prod: give ENV=dev")):
            with self.subTest(environment), self.assertRaisesRegex(Failure, said):
                rollout.chosen(environment, tables)
        # Two tables may name one stack.
        self.assertEqual(rollout.chosen({"STACK": "a"}, {"dev": {"stack_name": "a"}, "prod": {"stack_name": "a"}}), ("dev", "a"))


if __name__ == "__main__":
    unittest.main()
