"""The part of CloudWatch that `make alarms` plays on the local stack."""

import datetime
import io
import itertools
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from infra.local import alarms
from infra.local.console import Failure
from infra.tests.support import Recorder, target, with_alarms

NOW = 1_795_521_630.0
PERIOD = 60
QUEUE = Recorder(get_queue_attributes={"Attributes": {"ApproximateNumberOfMessages": "0",
                                                      "ApproximateNumberOfMessagesNotVisible": "0"}})


def alarm(**other):
    return {"AlarmName": "photodrop-x", "Namespace": "photodrop", "MetricName": "M", "Statistic": "Sum", "Period": PERIOD,
            "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 5.0, "StateValue": "OK",
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching", **other}


def state(values, **other):
    """The verdict on the last three periods, oldest first; None is a period without data."""
    bell = alarm(**other)
    first = alarms.first_period(bell, NOW)
    found = {first + number * PERIOD: value for number, value in enumerate(values) if value is not None}
    verdict = alarms.evaluate(bell, found, NOW)
    return verdict and verdict.state


class Evaluation(unittest.TestCase):
    def test_as_many_periods_as_asked_for_have_to_breach(self):
        for values, expected in (([5, 5, 0], "ALARM"), ([5, 4, 4], "OK"), ([5, None, 6], "ALARM"), ([9, 9, 9], "ALARM")):
            self.assertEqual(state(values), expected, values)

    def test_missing_data_means_what_the_alarm_says(self):
        nothing = [None, None, None]
        for missing, expected in (("notBreaching", "OK"), ("breaching", "ALARM"), ("ignore", None),
                                  ("missing", "INSUFFICIENT_DATA")):
            self.assertEqual(state(nothing, TreatMissingData=missing), expected, missing)
        self.assertEqual(state([0, None, None], TreatMissingData="breaching"), "ALARM")
        self.assertEqual(state([0, 0, None], TreatMissingData="breaching"), "OK")

    def test_an_alarm_on_too_little_rings_below_its_threshold(self):
        below = {"ComparisonOperator": "LessThanThreshold", "Threshold": 1.0}
        self.assertEqual(state([0, 0, 2], **below), "ALARM")
        self.assertEqual(state([1, 1, 0], **below), "OK")

    def test_the_statistic_asked_for_is_of_the_alarm_s_own_dimensions(self):
        cloudwatch = Recorder(get_metric_statistics={"Datapoints": [
            {"Timestamp": datetime.datetime.fromtimestamp(NOW // 60 * 60, datetime.timezone.utc),
             "ExtendedStatistics": {"p99": 7.0}}]})
        dimensions = [{"Name": "FunctionName", "Value": "photodrop-upload"}]
        found = alarms.values(cloudwatch, alarm(ExtendedStatistic="p99", Dimensions=dimensions), NOW)
        self.assertEqual(found, {int(NOW) // 60 * 60: 7.0})
        ((_, asked),) = cloudwatch.calls
        self.assertEqual((asked["Dimensions"], asked["ExtendedStatistics"]), (dimensions, ["p99"]))


    def test_with_a_speed_minutes_are_seconds(self):
        cloudwatch = Recorder(describe_alarms={"MetricAlarms": [alarm(Statistic="Maximum")]}, set_alarm_state={},
                              get_metric_statistics={"Datapoints": []})
        alarms.evaluate_all(target({"cloudwatch": cloudwatch, "cloudformation": with_alarms("photodrop-x")}), NOW, 30)
        (asked,) = [asked for name, asked in cloudwatch.calls if name == "get_metric_statistics"]
        self.assertEqual(asked["Period"], PERIOD // 30)
        self.assertEqual([alarms.speed_from(text) for text in (None, "", "1", "60")], [1, 1, 1, 60])
        for text in ("0", "61", "fast"):
            with self.assertRaisesRegex(Failure, "SPEED"):
                alarms.speed_from(text)


class Metrics(unittest.TestCase):
    LINE = {"_aws": {"Timestamp": 1_795_521_600_000, "CloudWatchMetrics": [
        {"Namespace": "photodrop", "Dimensions": [["Stack"], ["Stack", "Code"]],
         "Metrics": [{"Name": "A", "Unit": "Count"}]}]}, "Stack": "s", "Code": "X", "A": [1, 2], "photo_id": "p"}

    def test_a_line_gives_each_metric_under_each_of_its_dimension_sets(self):
        made = list(alarms.from_line(json.dumps(self.LINE), "api"))
        self.assertEqual([(space, datum["MetricName"], datum["Values"], [d["Name"] for d in datum["Dimensions"]])
                          for space, datum in made],
                         [("photodrop", "A", [1, 2], ["Stack"]), ("photodrop", "A", [1, 2], ["Stack", "Code"])])

    def test_a_request_s_line_gives_the_api_s_metrics_too(self):
        made = dict((datum["MetricName"], datum["Values"][0]) for space, datum in
                    alarms.from_line(json.dumps({**self.LINE, "status": 503, "duration_ms": 12.5}), "api")
                    if space == "AWS/ApiGateway")
        self.assertEqual(made, {"Count": 1, "5xx": 1, "4xx": 0, "Latency": 12.5})

    def test_other_lines_are_passed_over(self):
        for line in ("START RequestId: 1", "{}", "[1]", '{"_aws": 1}', '{"level":"INFO"}'):
            self.assertEqual(list(alarms.from_line(line, "api")), [], line)

    def test_an_invocation_s_time_and_end_are_read_from_its_log(self):
        failed = json.dumps({"level": "ERROR", "target": "lambda_runtime::layers::api_response", "error": "x"})
        for line, expected in (
                ("REPORT RequestId: a-b\tDuration: 51.5 ms\tBilled Duration: 52 ms", [("Duration", [51.5])]),
                (failed, [("Errors", [1.0])]), ("2026 a-b Task timed out after 60.00 seconds", [("Errors", [1.0])]),
                ('{"level":"ERROR","target":"upload::app"}', []), ("END RequestId: a-b", []), ("[1]", [])):
            made = [(datum["MetricName"], datum["Values"]) for _, datum in alarms.from_platform(line, 1.0, "f")]
            self.assertEqual(made, expected, line)

    def setUp(self):
        # The emulator's list of messages.
        patched = mock.patch.object(alarms, "age_in_emulator", lambda *_: None)
        patched.start()
        self.addCleanup(patched.stop)

    def test_a_line_counts_once_however_often_it_is_read(self):
        events = [{"logStreamName": "s", "timestamp": 1, "message": json.dumps(self.LINE)}] * 2
        cloudwatch = Recorder(put_metric_data={})
        clients = {"logs": Recorder(filter_log_events={"events": events}), "cloudwatch": cloudwatch,
                   "sqs": QUEUE}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                alarms.publish(target(clients), Path(folder, "seen.json"))
        sent = [asked["MetricData"] for _, asked in cloudwatch.calls if asked["Namespace"] == "photodrop"]
        # Two groups with two equal lines, each under two sets of dimensions; the second reading finds nothing new.
        self.assertEqual([len(data) for data in sent], [8])

    def test_the_queue_is_judged_by_the_minute_in_which_it_was_counted(self):
        cloudwatch = Recorder(put_metric_data={}, get_metric_statistics={"Datapoints": []}, set_alarm_state={},
                              describe_alarms={"MetricAlarms": [alarm(Statistic="Maximum", EvaluationPeriods=1)]})
        stack = target({"logs": Recorder(filter_log_events={"events": []}), "cloudwatch": cloudwatch,
                        "sqs": QUEUE, "cloudformation": with_alarms("photodrop-x")})
        # The clock is read twice before the minute ends, and then after it.
        clock = itertools.count(NOW // PERIOD * PERIOD + 20, 20)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(alarms.time, "time", lambda: next(clock)):
            alarms.judge(stack, Path(folder, "seen.json"))
        (counted, *_) = [asked["MetricData"] for _, asked in cloudwatch.calls if asked.get("Namespace") == "AWS/SQS"]
        (asked,) = [asked for name, asked in cloudwatch.calls if name == "get_metric_statistics"]
        self.assertLessEqual(asked["StartTime"], counted[0]["Timestamp"])


class Ages(unittest.TestCase):
    URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/photodrop-thumbnail"

    def message(self, **other):
        return {"SentTimestamp": 100, "VisibleAt": 100, "ReceiveCount": 0, "Attributes": {}, **other}

    def test_an_age_begins_when_the_message_was_sent(self):
        self.assertEqual(alarms.since(self.message(VisibleAt=700, ReceiveCount=2)), 100)

    def test_a_message_that_was_received_three_times_counts_no_longer(self):
        self.assertIsNone(alarms.since(self.message(ReceiveCount=3)))

    def test_a_dead_letter_s_age_begins_with_its_move(self):
        dead = self.message(VisibleAt=700, ReceiveCount=100, Attributes={"DeadLetterQueueSourceArn": "arn"})
        self.assertEqual(alarms.since(dead), 700)

    def test_on_aws_the_newest_age_is_read_and_nothing_is_received(self):
        def point(second, value):
            return {"Timestamp": datetime.datetime.fromtimestamp(second, datetime.timezone.utc), "Maximum": value}

        sqs = Recorder(get_queue_attributes={"Attributes": {"ApproximateNumberOfMessages": "2",
                                                            "ApproximateNumberOfMessagesNotVisible": "1"}})
        for points, expected in (([point(NOW - 60, 9.0), point(NOW, 70.0), point(NOW - 120, 500.0)], 70.0), ([], None)):
            cloudwatch = Recorder(get_metric_statistics={"Datapoints": points})
            found = alarms.queue(target({"sqs": sqs, "cloudwatch": cloudwatch}, local=False), self.URL, NOW)
            self.assertEqual(found, alarms.Queue(2, 1, expected))
            ((_, asked),) = cloudwatch.calls
            self.assertEqual(asked["Dimensions"], [{"Name": "QueueName", "Value": "photodrop-thumbnail"}])
        self.assertEqual({name for name, _ in sqs.calls}, {"get_queue_attributes"})


class OfAStack(unittest.TestCase):
    def test_alarms_of_a_stack_with_a_longer_name_are_not_its_own(self):
        every = [alarm(AlarmName=name) for name in ("photodrop-api-5xx", "photodrop-dev-api-5xx", "photodrop-dashboard")]
        stack = target({"cloudwatch": Recorder(describe_alarms={"MetricAlarms": every}), "cloudformation": with_alarms("photodrop-api-5xx")})
        self.assertEqual([one["AlarmName"] for one in alarms.of(stack)], ["photodrop-api-5xx"])


class Rehearsal(unittest.TestCase):
    def test_an_alarm_is_set_by_its_short_name(self):
        cloudwatch = Recorder(describe_alarms={"MetricAlarms": [alarm(AlarmName="photodrop-api-5xx")]}, set_alarm_state={})
        console = io.StringIO()
        stack = target({"cloudwatch": cloudwatch, "cloudformation": with_alarms("photodrop-api-5xx")})
        alarms.rehearse(Silent(console), stack, "api-5xx", "ALARM")
        self.assertEqual(cloudwatch.calls[-1][1]["AlarmName"], "photodrop-api-5xx")
        with self.assertRaisesRegex(Failure, "api-5xx"):
            alarms.rehearse(Silent(console), stack, "nonsense", "ALARM")


class Silent:
    def __init__(self, page):
        self.page = page

    def say(self, text=""):
        self.page.write(f"{text}\n")

    plain = say


if __name__ == "__main__":
    unittest.main()
