"""Gradual deployments: what CodeDeploy looks at, how soon it rings, and what is published when a deployment is tried again."""

import contextlib
import datetime
import functools
import io
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.local import alarms, release, rollout
from infra.local.console import Console, Failure
from infra.local.settings import ROOT, TEMPLATE
from infra.tests.support import Recorder, target

DOCUMENT = cfn_yaml.load(str(TEMPLATE))
GRADUAL = ("UploadFunction", "ThumbnailFunction")
VERSION = "${%s.Version.Version}"

# How much of a canary is left for an alarm: CloudWatch makes a metric of a log line or of an invocation within a minute, and looks at an
# alarm of one-minute periods once a minute (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html).
PUBLISHED_AFTER_SECONDS, EVALUATED_AFTER_SECONDS = 60, 60
# One request or photo a minute reaches the new version: with 10 % of the traffic, ten a minute altogether.
SECONDS_BETWEEN_EVENTS = 60


@functools.cache
def transformed(**parameters: str) -> dict[str, Any]:
    """The resources that CloudFormation gets, by SAM's own transform with parameters as on AWS."""
    document = yaml_parse(TEMPLATE.read_text())
    document["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    session = boto3.session.Session(region_name="eu-central-1")
    defaults = {name: str(given["Default"]) for name, given in document["Parameters"].items() if "Default" in given}
    return Translator({}, Parser(), boto_session=session).translate(document, {**defaults, **parameters})["Resources"]


def gradual(**parameters: str) -> dict[str, Any]:
    return transformed(GradualDeployment="true", **parameters)


def watched_by(resources: dict[str, Any], function: str) -> dict[str, dict[str, Any]]:
    """The alarms that CodeDeploy looks at while it moves a function's traffic."""
    group = resources[f"{function}DeploymentGroup"]["Properties"]["AlarmConfiguration"]
    assert group["Enabled"] is True
    return {alarm["Name"]["Ref"]: resources[alarm["Name"]["Ref"]]["Properties"] for alarm in group["Alarms"]}


def version_of(resources: dict[str, Any], function: str) -> str:
    return resources[f"{function}Aliaslive"]["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]


def seconds_to_ring(alarm: dict[str, Any], second_in_period: int, first_event: int) -> int:
    """How long after a canary's beginning an alarm rings if every event of the new version breaches it: one comes
    `first_event` seconds after the beginning, which is `second_in_period` seconds into a period, and then one in every minute."""
    period, needed, of = (int(alarm[name]) for name in ("Period", "DatapointsToAlarm", "EvaluationPeriods"))
    breaching: list[int] = []
    at = first_event
    while True:
        number = (second_in_period + at) // period
        if number not in breaching:
            breaching.append(number)
        recent = [one for one in breaching if one > number - of]
        if len(recent) >= needed:
            end_of_period = (number + 1) * period - second_in_period
            return end_of_period + PUBLISHED_AFTER_SECONDS + EVALUATED_AFTER_SECONDS
        at += SECONDS_BETWEEN_EVENTS


def slowest(alarm: dict[str, Any]) -> int:
    return max(seconds_to_ring(alarm, second, first) for second in range(60) for first in range(SECONDS_BETWEEN_EVENTS))


def canary_seconds(strategy: str) -> int:
    return int(re.fullmatch(r"Canary10Percent(\d+)Minutes", strategy)[1]) * 60


class WhatCodeDeployLooksAt(unittest.TestCase):
    def setUp(self) -> None:
        self.resources = gradual(DeploymentId="a" * 40)

    def test_each_alarm_sees_the_new_version_alone(self) -> None:
        for function in GRADUAL:
            version = {"Fn::GetAtt": [version_of(self.resources, function), "Version"]}
            for name, alarm in watched_by(self.resources, function).items():
                with self.subTest(name):
                    asked = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
                    if alarm["Namespace"] == "AWS/Lambda":
                        self.assertEqual(asked, {"FunctionName": {"Ref": function}, "Resource": {"Fn::Sub": "${%s}:live" % function},
                                                 "ExecutedVersion": version})
                    else:
                        self.assertEqual(asked, {"Stack": {"Ref": "AWS::StackName"}, "Version": version})
                    self.assertEqual(int(alarm["Period"]), 60)
                    self.assertEqual(alarm["TreatMissingData"], "notBreaching")

    def test_a_ringing_alarm_cannot_cancel_the_deployment_of_a_fix(self) -> None:
        """An alarm keeps its state when it is changed, and CodeDeploy cancels while one rings. Another name makes another alarm."""
        fix = gradual(DeploymentId="b" * 40)
        for function in GRADUAL:
            self.assertNotEqual(version_of(self.resources, function), version_of(fix, function))
            for resources in (self.resources, fix):
                for alarm in watched_by(resources, function).values():
                    self.assertTrue(alarm["AlarmName"]["Fn::Sub"].endswith("${%s.Version}" % version_of(resources, function)))

    def test_crashes_and_refused_work_are_both_seen(self) -> None:
        seen = {function: {(alarm["Namespace"], alarm["MetricName"]) for alarm in watched_by(self.resources, function).values()}
                for function in GRADUAL}
        self.assertEqual(seen, {"UploadFunction": {("AWS/Lambda", "Errors"), ("photodrop", "RequestsFailed")},
                                "ThumbnailFunction": {("AWS/Lambda", "Errors"), ("photodrop", "PhotosFailed")}})

    def test_without_gradual_deployments_nothing_of_it_costs(self) -> None:
        self.assertFalse([name for name, one in transformed().items() if one["Type"].startswith("AWS::CodeDeploy")])
        for function in GRADUAL:
            for name in watched_by(self.resources, function):
                self.assertEqual(DOCUMENT["Resources"][name]["Condition"], "Gradually")
        self.assertEqual(DOCUMENT["Conditions"]["Gradually"], {"Fn::Equals": [{"Ref": "GradualDeployment"}, "true"]})
        self.assertEqual(DOCUMENT["Parameters"]["GradualDeployment"]["Default"], "false")
        self.assertEqual(DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]["PHOTODROP_METRICS_BY_VERSION"],
                         {"Fn::If": ["Gradually", "true", {"Ref": "AWS::NoValue"}]})
        self.assertIn('"PHOTODROP_METRICS_BY_VERSION"', (ROOT / "crates/photo-aws/src/metrics.rs").read_text())


class HowSoonItRings(unittest.TestCase):
    """By arithmetic: CodeDeploy is not in the emulator."""

    def test_a_version_that_fails_all_rings_within_every_canary(self) -> None:
        resources = gradual(DeploymentId="a")
        strategies = [one for one in DOCUMENT["Parameters"]["DeploymentStrategy"]["AllowedValues"] if one.startswith("Canary")]
        self.assertEqual(min(map(canary_seconds, strategies)), 300)
        self.assertEqual(canary_seconds(DOCUMENT["Parameters"]["DeploymentStrategy"]["Default"]), 300)
        for function in GRADUAL:
            for name, alarm in watched_by(resources, function).items():
                with self.subTest(name):
                    # A value of a version that fails all is 1: the share is 1, and so is the sum of one event.
                    threshold = alarm["Threshold"]
                    least = float(threshold if isinstance(threshold, int) else DOCUMENT["Parameters"][threshold["Ref"]]["Default"])
                    self.assertGreaterEqual(1, least)
                    self.assertEqual(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold")
                    self.assertLess(slowest(alarm), 300)

    def test_the_arithmetic_agrees_with_the_evaluation_of_alarms(self) -> None:
        """`make alarms` evaluates as CloudWatch does; fed the same minutes it rings at the same one."""
        alarm = {**watched_by(gradual(DeploymentId="a"), "ThumbnailFunction")["ThumbnailVersionFailuresAlarm"], "Threshold": 0.25}
        failing = {minute * 60: 1.0 for minute in range(100, 105)}
        states = [alarms.evaluate(alarm, {at: value for at, value in failing.items() if at <= minute * 60}, minute * 60).state
                  for minute in range(99, 104)]
        self.assertEqual(states, ["OK", "OK", "ALARM", "ALARM", "ALARM"])
        self.assertEqual(seconds_to_ring(alarm, 0, 0), 2 * 60 + PUBLISHED_AFTER_SECONDS + EVALUATED_AFTER_SECONDS)

    def test_one_bad_photo_turns_nothing_back(self) -> None:
        alarm = {**watched_by(gradual(DeploymentId="a"), "ThumbnailFunction")["ThumbnailVersionFailuresAlarm"], "Threshold": 0.25}
        for bad in range(5):
            minutes = {minute * 60: float(minute == bad) for minute in range(5)}
            self.assertEqual(alarms.evaluate(alarm, minutes, 299).state, "OK")

    def test_the_alarm_of_all_versions_could_not_ring_in_time(self) -> None:
        """The alarm that CodeDeploy looked at before: two quarters of an hour. The arithmetic finds what it is made to find."""
        alarm = DOCUMENT["Resources"]["FailedPhotosAlarm"]["Properties"]
        self.assertGreater(slowest(alarm), canary_seconds("Canary10Percent5Minutes"))


class BeforeADeployment(unittest.TestCase):
    def ask(self, *ringing: str, error: Exception | None = None) -> str:
        """What is said when these alarms ring; the client answers as CloudWatch does, by prefix and state."""
        class CloudWatch(Recorder):
            def describe_alarms(self, AlarmNamePrefix: str, StateValue: str) -> dict[str, Any]:  # noqa: N803
                if error:
                    raise error
                assert StateValue == "ALARM"
                return {"MetricAlarms": [{"AlarmName": name} for name in ringing if name.startswith(AlarmNamePrefix)]}

        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            rollout.check_alarms(Console("deploy"), CloudWatch(), yaml_parse(release.template("arm64")), "photodrop", "prod")
        return said.getvalue()

    def test_a_ringing_alarm_is_named_with_what_to_do(self) -> None:
        for name in ("photodrop-upload-version-errors-7", "photodrop-upload-version-5xx-12", "photodrop-thumbnail-version-errors-1",
                     "photodrop-thumbnail-version-failures-30"):
            with self.subTest(name), self.assertRaisesRegex(Failure, f"{name} in ALARM.*GradualDeployment=false"):
                self.ask(name)

    def test_other_ringing_alarms_are_said_and_stop_nothing(self) -> None:
        for name in ("photodrop-upload-errors", "photodrop-failed-photos"):
            self.assertRegex(self.ask(name), f"{name} in ALARM: if .*GradualDeployment=false")
        self.assertEqual(self.ask(), "")

    def test_alarms_of_a_stack_with_a_longer_name_are_not_heard(self) -> None:
        self.assertEqual(self.ask("photodrop-dev-upload-errors", "photodrop-dev-upload-version-errors-7",
                                  "photodrop-upload-version-errors-x-7"), "")

    def test_the_advice_deploys_the_same_stack(self) -> None:
        line = 'PHOTODROP_PARAMETERS="GradualDeployment=false" make deploy ENV=prod STACK=photodrop'
        self.assertIn(line, self.ask("photodrop-upload-errors"))
        with self.assertRaisesRegex(Failure, re.escape(line)):
            self.ask("photodrop-upload-version-errors-7")

    def test_an_alarm_of_all_versions_counts_once_it_is_named(self) -> None:
        document = yaml_parse(TEMPLATE.read_text())
        document["Resources"]["UploadFunction"]["Properties"]["DeploymentPreference"]["Alarms"] = [{"Ref": "ApiErrorsAlarm"}]
        self.assertIn("ApiErrorsAlarm", rollout.canary_alarms(document))

    def test_a_cloudwatch_that_does_not_answer_is_said(self) -> None:
        denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeAlarms")
        self.assertIn("does not say whether an alarm rings", self.ask(error=denied))


class FromGitHub(unittest.TestCase):
    def test_a_fix_can_be_given_to_all_requests_at_once(self) -> None:
        workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
        self.assertRegex(workflow, r"(?s)inputs:.*\n      at_once:\n.*?type: boolean\n        default: false\n")
        self.assertIn("${{ inputs.at_once && 'GradualDeployment=false' || '' }}", workflow)
        # The runbook's roll-back does the same from a machine.
        roll_back = (ROOT / "docs" / "RUNBOOK.md").read_text().partition("\n## Roll back\n")[2].partition("\n## ")[0]
        deployments = re.findall(r"`([^`]*make deploy[^`]*)`", roll_back)
        self.assertGreaterEqual(len(deployments), 2)
        for command in deployments:
            self.assertIn("GradualDeployment=false", command)


class TriedAgain(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.archive = Path(folder.name) / "upload.zip"
        self.archive.write_bytes(b"good")

    def id_of(self, code: bytes, before: rollout.Deployed | None, **parameters: str) -> str:
        self.archive.write_bytes(code)
        return rollout.deployment_id([self.archive], before, {"LogLevel": "info", **parameters})

    def stack(self, deployment_id: str, status: str = "UPDATE_COMPLETE", minute: int = 0) -> rollout.Deployed:
        """As `deployed` reads it from CloudFormation's answer."""
        answer = {"Stacks": [{"StackStatus": status, "LastUpdatedTime": datetime.datetime(2026, 11, 30, 2, minute),
                              "Parameters": [{"ParameterKey": "DeploymentId", "ParameterValue": deployment_id},
                                             {"ParameterKey": "LogLevel", "ParameterValue": "info"},
                                             {"ParameterKey": "AlarmEmail", "ParameterValue": "a@example.com"}]}]}
        return rollout.deployed(Recorder(describe_stacks=answer), "photodrop")

    def test_the_same_again_changes_nothing(self) -> None:
        first = self.id_of(b"good", None)
        # SAM has asked for the address, and written it down with the id.
        self.assertEqual(self.id_of(b"good", self.stack(first)), first)
        self.assertEqual(self.id_of(b"good", self.stack(first), AlarmEmail="a@example.com", DeploymentId=first), first)
        others = {self.id_of(b"better", self.stack(first)), self.id_of(b"good", self.stack(first), LogLevel="debug"),
                  self.id_of(b"good", self.stack(first), AlarmEmail=""), self.id_of(b"good", self.stack("1764468000"))}
        self.assertEqual(len(others | {first}), 5)

    def test_a_deployment_that_was_rolled_back_has_another_id(self) -> None:
        """The version that it published is still there, and Lambda makes no second one of the same code and configuration."""
        good = self.id_of(b"good", None)
        tried = self.id_of(b"fix", self.stack(good))
        ids = {tried}
        for minute in range(3):
            again = self.id_of(b"fix", self.stack(good, "UPDATE_ROLLBACK_COMPLETE", minute))
            self.assertRegex(again, DOCUMENT["Parameters"]["DeploymentId"]["AllowedPattern"])
            ids.add(again)
        self.assertEqual(len(ids), 4)
        # SAM names the version by the first characters of the id, and Lambda compares the configuration.
        resources = [gradual(DeploymentId=one) for one in ids]
        for function in GRADUAL:
            self.assertEqual(len({version_of(one, function) for one in resources}), 4)
            changed = self.id_of(b"good", self.stack(good, "UPDATE_ROLLBACK_COMPLETE", minute), LogLevel="debug")
            self.assertNotIn(changed, ids)
        # Once it is through, it stays.
        self.assertEqual(self.id_of(b"fix", self.stack(again)), again)
        self.assertEqual(self.id_of(b"fix", self.stack(again, "UPDATE_ROLLBACK_COMPLETE", 9)), again)
        # What served before the roll-back serves now.
        self.assertEqual(self.id_of(b"good", self.stack(good, "UPDATE_ROLLBACK_COMPLETE")), good)

    def test_another_id_always_changes_the_published_configuration(self) -> None:
        """CloudFormation fails with "A version for this Lambda function exists" where a new version equals the last one, as when a
        parameter of another resource was changed. https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html"""
        for function in GRADUAL:
            properties = DOCUMENT["Resources"][function]["Properties"]
            self.assertEqual(properties["AutoPublishCodeSha256"], {"Ref": "DeploymentId"})
            self.assertIn("${DeploymentId}", properties["Description"]["Fn::Sub"])
            longest = re.sub(r"\$\{\w+\}", "0" * 64, properties["Description"]["Fn::Sub"])
            self.assertLessEqual(len(longest), 256)


class Names(unittest.TestCase):
    def test_an_alarm_of_a_version_has_one_page_in_the_runbook(self) -> None:
        stack = target({})
        for alarm, page in (("photodrop-upload-version-5xx-12", "upload-version-5xx"), ("photodrop-api-5xx", "api-5xx"),
                            ("photodrop-thumbnail-version-failures-3", "thumbnail-version-failures")):
            self.assertEqual(alarms.short(stack, {"AlarmName": alarm}), page)


if __name__ == "__main__":
    unittest.main()
