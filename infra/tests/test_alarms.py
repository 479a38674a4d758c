"""Alarms, their topic, the dashboard and the runbook belong together."""

import json
import re
import unittest
from typing import Any

import botocore
import botocore.session

from infra.local import rehearsal
from infra.local.console import Failure
from infra.local.settings import ROOT
from infra.tests.test_template import DOCUMENT, FUNCTIONS, ROLES, resources, statements



def of_the_local_stack(alarm: dict[str, Any]) -> dict[str, Any]:
    """An alarm's properties where the condition OnAws does not hold."""
    def chosen(value: Any) -> Any:
        match value:
            case {"Fn::If": ["OnAws", _, other]}:
                return other
            case _:
                return value
    return {key: chosen(value) for key, value in alarm.items() if chosen(value) != {"Ref": "AWS::NoValue"}}


ALARMS = {name: of_the_local_stack(alarm) for name, alarm in resources("AWS::CloudWatch::Alarm").items()}
RUNBOOK = (ROOT / "docs" / "RUNBOOK.md").read_text()
METRICS = (ROOT / "docs" / "METRICS.md").read_text()
# Where every alarm goes: the stack's own topic or the given one.
TOPIC = [{"Fn::If": ["OwnAlarmTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}]
SHARE_OF_TIMEOUT = 0.8
# Alarms whose state holds while there is no data.
KEPT = ("StuckPendingAlarm", "FailureQueueAlarm", "FailureQueueAgeAlarm")


def short_name(alarm: dict[str, Any]) -> str:
    return re.sub(r"-\$\{\w+\.Version\.Version\}$", "", alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"))


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])}


def section(name: str) -> str:
    """An alarm's entry in the runbook."""
    found = re.search(rf"^### {re.escape(name)}\n(.*?)(?=^##|\Z)", RUNBOOK, re.M | re.S)
    return found.group(1) if found else ""


class EveryAlarm(unittest.TestCase):
    def test_it_tells_someone_when_it_rings_and_when_it_is_over(self) -> None:
        for name, alarm in ALARMS.items():
            with self.subTest(name):
                self.assertEqual(alarm["AlarmActions"], TOPIC)
                self.assertEqual(alarm["OKActions"], TOPIC)

    def test_its_description_leads_to_its_page_of_the_runbook(self) -> None:
        for name, alarm in ALARMS.items():
            with self.subTest(name):
                text = alarm["AlarmDescription"]["Fn::Sub"]
                self.assertTrue(text.endswith(" ${RunbookUrl}#" + short_name(alarm)), text)

    def test_the_runbook_has_an_entry_for_each_and_for_no_other(self) -> None:
        entries = re.search(r"^## Alarms\n(.*?)(?=^## )", RUNBOOK, re.M | re.S)
        assert entries
        self.assertEqual(sorted(re.findall(r"^### (.+)$", entries.group(1), re.M)),
                         sorted(short_name(alarm) for alarm in ALARMS.values()))

    def test_each_entry_says_what_it_means_where_to_look_what_to_do_and_how_to_see_it_done(self) -> None:
        for alarm in ALARMS.values():
            name = short_name(alarm)
            for part in ("**Means**", "**Look**", "**Do**", "**Verify**", "**Here**"):
                with self.subTest(name, part=part):
                    self.assertIn(part, section(name))

    def test_errors_of_the_table_are_summed_over_the_operations_on_aws(self) -> None:
        alarm = resources("AWS::CloudWatch::Alarm")["TableErrorsAlarm"]
        condition, queries, local = alarm["Metrics"]["Fn::If"]
        self.assertEqual((condition, local), ("OnAws", {"Ref": "AWS::NoValue"}))
        total, *parts = queries
        self.assertEqual((total["Expression"], total.get("ReturnData", True)), ("SUM(FILL(METRICS(), 0))", True))
        metrics = [part["MetricStat"]["Metric"] for part in parts]
        self.assertFalse(any(part["ReturnData"] for part in parts))
        self.assertEqual({metric["MetricName"] for metric in metrics}, {ALARMS["TableErrorsAlarm"]["MetricName"]})
        self.assertEqual({dimensions(metric)["Operation"] for metric in metrics},
                         {"GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "Query"})
        # On AWS none of what the local one has: a metric and a sum exclude each other.
        for key in ("Namespace", "MetricName", "Dimensions", "Statistic", "Period"):
            self.assertEqual(alarm[key]["Fn::If"][:2], ["OnAws", {"Ref": "AWS::NoValue"}], key)

    def test_throttles_of_the_index_count_as_the_table_s_on_aws(self) -> None:
        """The table's own count has none of its index's: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html"""
        for name in ("TableReadThrottlesAlarm", "TableWriteThrottlesAlarm"):
            condition, (total, *parts), _ = resources("AWS::CloudWatch::Alarm")[name]["Metrics"]["Fn::If"]
            self.assertEqual((condition, total["Expression"]), ("OnAws", "SUM(FILL(METRICS(), 0))"))
            metrics = [part["MetricStat"]["Metric"] for part in parts]
            self.assertEqual({metric["MetricName"] for metric in metrics}, {ALARMS[name]["MetricName"]})
            table = {"TableName": {"Ref": "PhotosTable"}}
            index = resources("AWS::DynamoDB::Table")["PhotosTable"]["GlobalSecondaryIndexes"][0]["IndexName"]
            self.assertEqual([dimensions(metric) for metric in metrics],
                             [table, table | {"GlobalSecondaryIndexName": index}])

    def test_an_alarm_on_dynamodb_ends_when_its_metric_does(self) -> None:
        """CloudWatch ignores missing data of AWS/DynamoDB whatever TreatMissingData says. The newest period may be filled before
        its data arrives, so either of two periods counts:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
        alarms = resources("AWS::CloudWatch::Alarm")
        on_dynamodb = [name for name, alarm in ALARMS.items() if alarm.get("Namespace") == "AWS/DynamoDB"]
        self.assertEqual(len(on_dynamodb), 3)
        for name in on_dynamodb:
            self.assertEqual(alarms[name]["Metrics"]["Fn::If"][1][0]["Expression"], "SUM(FILL(METRICS(), 0))", name)
            self.assertEqual((alarms[name]["EvaluationPeriods"], alarms[name]["DatapointsToAlarm"]), (2, 1), name)

    def test_concurrency_is_a_share_of_the_account_s_own_quota(self) -> None:
        """The dimensions are those of the quota's usage metric: `aws service-quotas get-service-quota --service-code lambda
        --quota-code L-B99A9384`."""
        condition, (share, claimed, usage), local = resources("AWS::CloudWatch::Alarm")["ConcurrencyAlarm"]["Metrics"]["Fn::If"]
        self.assertEqual((condition, local), ("OnAws", {"Ref": "AWS::NoValue"}))
        self.assertEqual(share["Expression"], f"100 * {claimed['Id']} / SERVICE_QUOTA({usage['Id']})")
        self.assertEqual(claimed["MetricStat"]["Metric"], {"Namespace": "AWS/Lambda", "MetricName": "ClaimedAccountConcurrency"})
        metric = usage["MetricStat"]["Metric"]
        self.assertEqual((metric["Namespace"], metric["MetricName"], dimensions(metric)), ("AWS/Usage", "ResourceCount", {
            "Service": "Lambda", "Type": "Resource", "Resource": "ConcurrentExecutions", "Class": "None"}))
        self.assertEqual(ALARMS["ConcurrencyAlarm"]["Threshold"], {"Ref": "AccountConcurrencyPercent"})

    def test_dead_letters_ring_until_their_queue_is_seen_empty(self) -> None:
        """A queue without calls is inactive after six hours and has no metrics then, and an empty one has no age:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
        age = resources("AWS::CloudWatch::Alarm")["FailureQueueAgeAlarm"]
        _, (oldest, depth, since), _ = age["Metrics"]["Fn::If"]
        self.assertEqual(oldest["Expression"], f"IF({depth['Id']} > 0, FILL({since['Id']}, 0), 0)")
        queue = {"QueueName": {"Fn::GetAtt": ["FailureQueue", "QueueName"]}}
        self.assertEqual([(part["MetricStat"]["Metric"]["MetricName"], dimensions(part["MetricStat"]["Metric"]))
                          for part in (depth, since)],
                         [("ApproximateNumberOfMessagesVisible", queue), ("ApproximateAgeOfOldestMessage", queue)])
        self.assertEqual(dimensions(ALARMS["FailureQueueAlarm"]), queue)
        self.assertEqual({age["TreatMissingData"], ALARMS["FailureQueueAlarm"]["TreatMissingData"]}, {"ignore"})

    def test_what_missing_data_means_is_decided(self) -> None:
        for name, alarm in ALARMS.items():
            with self.subTest(name):
                wanted = {**dict.fromkeys(KEPT, "ignore"), "ReconcileMissingAlarm": "breaching"}.get(name, "notBreaching")
                self.assertEqual(alarm["TreatMissingData"], wanted)
                self.assertLessEqual(int(alarm["DatapointsToAlarm"]), int(alarm["EvaluationPeriods"]))

    def test_a_percentile_of_a_few_samples_counts(self) -> None:
        """With `ignore` a p99 of fewer than 1,000 samples changes nothing: a quiet stack's alarm would never ring, and one
        that rings at night's beginning would never end."""
        for name, alarm in ALARMS.items():
            if "ExtendedStatistic" in alarm:
                self.assertEqual(alarm["EvaluateLowSampleCountPercentile"], "evaluate", name)
                self.assertGreaterEqual(int(alarm["DatapointsToAlarm"]), 2, "one slow request rings for nobody")

    def test_a_metric_of_ours_is_asked_for_as_it_is_written(self) -> None:
        """A dimension too many or too few and an alarm never sees any data."""
        rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| ([\w, ;]+) \|", METRICS, re.M))
        for name, alarm in ALARMS.items():
            if alarm.get("Namespace") != "photodrop":
                continue
            with self.subTest(name):
                asked = dimensions(alarm)
                self.assertIn(", ".join(asked), rows[alarm["MetricName"]].split("; "))
                self.assertEqual(asked["Stack"], {"Ref": "AWS::StackName"})


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    return set(re.search(r"^COMMANDS := (.*)$", makefile, re.M).group(1).split())


class TheRunbook(unittest.TestCase):
    def test_its_commands_are_ones_that_there_are(self) -> None:
        targets = make_targets()
        for command in re.findall(r"`(?:PHOTODROP_PARAMETERS=\S+ )?make (\w+)", RUNBOOK):
            self.assertIn(command, targets)

    def test_every_alarm_can_be_rehearsed_on_the_local_stack(self) -> None:
        """`make rehearse` runs these commands."""
        found = rehearsal.entries(RUNBOOK)
        self.assertEqual({entry.alarm for entry in found}, {short_name(alarm) for alarm in ALARMS.values()})
        for entry in found:
            with self.subTest(entry.alarm):
                self.assertTrue(entry.once or entry.until)
                self.assertTrue(entry.clears)

    def test_a_rehearsal_uses_commands_and_parameters_that_there_are(self) -> None:
        targets = make_targets()
        session = botocore.session.get_session()
        for entry in rehearsal.entries(RUNBOOK):
            commands = "\n".join((entry.once, entry.until, entry.clears))
            for target in re.findall(r"\bmake (\w+)", commands):
                self.assertIn(target, targets, entry.alarm)
            for service, command in re.findall(r"\baws (\w+) ([\w-]+)", commands):
                operations = session.get_service_model(service).operation_names
                self.assertIn(command, {botocore.xform_name(name, "-") for name in operations}, entry.alarm)
            for given in re.findall(r'PHOTODROP_PARAMETERS="?([^"\n]+?)"? make', commands):
                for assignment in given.split():
                    self.assertIn(assignment.partition("=")[0], DOCUMENT["Parameters"], entry.alarm)

    def test_a_metric_that_is_given_by_hand_is_the_alarm_s(self) -> None:
        metrics = {short_name(alarm): (alarm.get("Namespace"), alarm.get("MetricName")) for alarm in ALARMS.values()}
        for entry in rehearsal.entries(RUNBOOK):
            for given in re.findall(r"put-metric-data --namespace (\S+) --metric-name (\S+)", entry.once + entry.until):
                self.assertEqual(given, metrics[entry.alarm], entry.alarm)

    def test_a_block_that_begins_with_no_part_is_told(self) -> None:
        with self.assertRaisesRegex(Failure, "does not begin"):
            rehearsal.entries("### x\n- **Here**\n  ```sh\n  make up\n  ```\n")

    def test_the_parameters_it_names_are_ones_that_there_are(self) -> None:
        for name in re.findall(r"PHOTODROP_PARAMETERS=(\w+)=", RUNBOOK):
            self.assertIn(name, DOCUMENT["Parameters"])


class EveryFunction(unittest.TestCase):
    """What a function added to the template has to bring along."""

    def of(self, function: str) -> dict[str, dict[str, Any]]:
        short = function.removesuffix("Function").lower()
        mine = {}
        for alarm in ALARMS.values():
            asked = dimensions(alarm)
            if "ExecutedVersion" in asked:
                continue
            if asked.get("FunctionName") == {"Ref": function} or asked.get("Function") == short:
                mine[alarm["MetricName"]] = alarm
        return mine

    def test_it_has_alarms_for_errors_throttles_duration_memory_and_cpu(self) -> None:
        for function in FUNCTIONS:
            with self.subTest(function):
                wanted = {"Errors", "Throttles", "Duration", "MemoryUtilization", "CpuUtilization"}
                self.assertLessEqual(wanted, set(self.of(function)))

    def test_its_duration_rings_before_its_timeout(self) -> None:
        for function, properties in FUNCTIONS.items():
            with self.subTest(function):
                alarm = self.of(function)["Duration"]
                self.assertEqual(alarm["ExtendedStatistic"], "p99")
                self.assertEqual(int(alarm["Threshold"]), int(properties["Timeout"]) * 1000 * SHARE_OF_TIMEOUT)

    def test_it_may_send_traces_and_sends_none_unless_it_is_asked_to(self) -> None:
        self.assertEqual(DOCUMENT["Globals"]["Function"]["Tracing"], {"Ref": "Tracing"})
        self.assertEqual(DOCUMENT["Parameters"]["Tracing"]["Default"], "PassThrough")
        # The timer's role is the scheduler's, which traces nothing.
        for name in (f"{function.removesuffix('Function')}Role" for function in FUNCTIONS):
            actions = [action for statement in statements(ROLES[name]) for action in statement["Action"]
                       if statement["Sid"] == "Trace"]
            self.assertEqual(actions, ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], name)

    def test_its_concurrency_can_be_limited_by_a_parameter(self) -> None:
        for function, properties in FUNCTIONS.items():
            short = function.removesuffix("Function")
            self.assertEqual(properties["ReservedConcurrentExecutions"],
                             {"Fn::If": [f"{short}Reserved", {"Ref": f"{short}ReservedConcurrency"},
                                         {"Ref": "AWS::NoValue"}]}, function)


class TheTopic(unittest.TestCase):
    def test_it_is_encrypted_by_a_key_that_lets_cloudwatch_publish(self) -> None:
        (topic,) = resources("AWS::SNS::Topic").values()
        self.assertEqual(topic["KmsMasterKeyId"], {"Fn::GetAtt": ["AlarmKey", "Arn"]})
        (key,) = resources("AWS::KMS::Key").values()
        cloudwatch = [s for s in key["KeyPolicy"]["Statement"] if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
        self.assertEqual(cloudwatch[0]["Action"], ["kms:Decrypt", "kms:GenerateDataKey*"])
        (policy,) = resources("AWS::SNS::TopicPolicy").values()
        (statement,) = policy["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Principal"], statement["Action"]),
                         ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish"))
        self.assertIn("aws:SourceAccount", statement["Condition"]["StringEquals"])


class TheDashboard(unittest.TestCase):
    def setUp(self) -> None:
        (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
        text, variables = dashboard["DashboardBody"]["Fn::Sub"]
        (condition, versions, without), = (value["Fn::If"] for value in variables.values())
        self.assertEqual((list(variables), condition, without), (["VersionAlarms"], "Gradually", ""))
        self.text = text.replace("${VersionAlarms}", versions["Fn::Sub"])
        # What is put in is a name or a number. Without gradual deployments there are fewer alarms, and it is JSON all the same.
        json.loads(re.sub(r"\$\{[^}]*\}", "1", text.replace("${VersionAlarms}", without)))
        self.body = json.loads(re.sub(r"\$\{[^}]*\}", "1", self.text))

    def test_it_is_within_the_limits_of_cloudwatch_and_nothing_overlaps(self) -> None:
        taken: set[tuple[int, int]] = set()
        for widget in self.body["widgets"]:
            cells = {(widget["x"] + dx, widget["y"] + dy)
                     for dx in range(widget["width"]) for dy in range(widget["height"])}
            self.assertFalse(cells & taken, widget["properties"])
            self.assertLessEqual(max(x for x, _ in cells), 23)
            taken |= cells

    def test_every_alarm_is_on_it(self) -> None:
        for name in ALARMS:
            self.assertIn("${" + name + ".Arn}", self.text)

    def test_its_metrics_are_ones_that_are_written(self) -> None:
        ours = set(re.findall(r"^\| `(\w+)` \|", METRICS, re.M))
        for widget in self.body["widgets"]:
            namespace = ""
            for metric in widget["properties"].get("metrics", []):
                if not isinstance(metric[0], str):
                    continue
                namespace = metric[0] if metric[0] not in {".", "..."} else namespace
                if namespace == "photodrop" and metric[0] != "...":
                    self.assertIn(metric[1], ours)

    def test_every_count_is_on_it(self) -> None:
        counts = re.findall(r"^\| `(\w+)` \| Count \|", METRICS, re.M)
        self.assertIn("RenewalsFailed", counts)
        for name in counts:
            self.assertIn(f'"{name}"', self.text.replace('\\"', '"'), "shown to whoever looks at 3 a.m.")


if __name__ == "__main__":
    unittest.main()
