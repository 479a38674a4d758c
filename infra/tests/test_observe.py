"""What `make logs` shows."""

import contextlib
import io
import json
import unittest
from collections import Counter
from unittest import mock

import boto3
from botocore.stub import Stubber

from infra.local import observe
from infra.local import target as targets
from infra.local.console import Console, Failure
from infra.tests.support import OUTPUTS, Recorder, target, with_alarms


class Pages:
    """A log service that answers with the given events."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, events):
        self.events = events

    def get_paginator(self, _name):
        return self

    def paginate(self, **_):
        return [{"events": self.events}]


def event(message, stream="s", timestamp=1):
    return {"logStreamName": stream, "timestamp": timestamp, "message": message}


class Logs(unittest.TestCase):
    def test_an_event_is_shown_once_though_it_is_read_again(self):
        seen = Counter()
        events = [event("a"), event("a"), event("b")]
        first = observe.new_events(Pages(events), "g", 0, seen)
        self.assertEqual([e["message"] for e in first], ["a", "a", "b"])
        again = observe.new_events(Pages([*events, event("a"), event("a", timestamp=2)]), "g", 0, seen)
        self.assertEqual([(e["message"], e["timestamp"]) for e in again], [("a", 1), ("a", 2)])

    def test_errors_are_told_from_the_rest(self):
        for line in ('{"level":"ERROR","message":"x"}', '{"level":"WARN"}', "Task timed out after 60.00 seconds",
                     "thread 'main' panicked at src/main.rs"):
            self.assertTrue(observe.is_error(line), line)
        for line in ('{"level":"INFO","message":"ERROR"}', "END RequestId: 1", "[1]", ""):
            self.assertFalse(observe.is_error(line), line)

    def test_a_function_that_is_not_there_is_named_with_those_that_are(self):
        with self.assertRaisesRegex(Failure, "upload or thumbnail"):
            observe.logs(Console("logs"), target({}), function="nonsense", errors=False, follow=False)

    def test_errors_alone_are_shown_when_asked_for(self):
        lines = [json.dumps({"level": level, "message": level.lower()}) for level in ("INFO", "ERROR")]
        pages = {"logs": Pages([event(line) for line in lines])}
        with contextlib.redirect_stdout(io.StringIO()) as page:
            observe.logs(Console("logs"), target(pages), function="upload", errors=True, follow=False)
        self.assertIn('"error"', page.getvalue())
        self.assertNotIn('"info"', page.getvalue())


class Status(unittest.TestCase):
    CLIENTS = {
        "lambda": {"get_function_configuration": {"State": "Active", "MemorySize": 512, "Timeout": 10,
                                                  "LastModified": "2026-11-24T12:00:00.000+0000"}},
        "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "2",
                                                        "ApproximateNumberOfMessagesNotVisible": "1"}}},
        "cloudwatch": {"get_metric_statistics": {"Datapoints": []}, "describe_alarms": {"MetricAlarms": [
            {"AlarmName": "photodrop-api-5xx", "StateValue": "ALARM"}, {"AlarmName": "photodrop-x", "StateValue": "OK"}]}},
        "dynamodb": {"scan": {"Items": [{"status": {"S": "ready"}}] * 2},
                     "describe_table": {"Table": {"TableName": "photos", "ItemCount": 7, "TableSizeBytes": 1_000_000}}},
        "s3": {"list_objects_v2": {"Contents": [{"Size": 500_000}]}},
    }

    def status(self, *, local):
        clients = {name: Recorder(**answers) for name, answers in self.CLIENTS.items()}
        clients["cloudformation"] = with_alarms("photodrop-api-5xx", "photodrop-x")
        with contextlib.redirect_stdout(io.StringIO()) as page, \
                mock.patch.object(observe.alarms, "age_in_emulator", lambda *_: None):
            observe.status(Console("status"), target(clients, local=local))
        return page.getvalue(), clients

    def test_the_local_stack_is_counted(self):
        text, _ = self.status(local=True)
        for part in ("2 waiting and 1 taken in the failure queue", "in the thumbnail queue", "api-5xx", "2 ready", "1 objects, 0.5 MB in originals"):
            self.assertIn(part, text)

    def test_a_stack_on_aws_is_not_read_item_by_item(self):
        text, clients = self.status(local=False)
        self.assertIn("about 7 items", text)
        self.assertEqual([name for name, _ in clients["dynamodb"].calls + clients["s3"].calls], ["describe_table"])


class Target(unittest.TestCase):
    def described(self, outputs, endpoint=None, **parameters):
        cloudformation = boto3.client("cloudformation", region_name="eu-central-1", aws_access_key_id="x",
                                      aws_secret_access_key="x", endpoint_url=endpoint)
        stub = Stubber(cloudformation)
        stub.activate()
        if outputs is None:
            stub.add_client_error("describe_stacks", "ValidationError")
        else:
            stub.add_response("describe_stacks", {"Stacks": [
                {"StackName": "s", "CreationTime": "2026-11-24T12:00:00Z", "StackStatus": "CREATE_COMPLETE",
                 "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                 "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}]},
                {"StackName": "s"})
        return targets.described("s", lambda _: cloudformation)

    def test_a_stack_is_what_its_outputs_say(self):
        found = self.described({**OUTPUTS, "ReconcileFunctionName": "s-reconcile", "ReconcileLogGroupName": "/r"})
        self.assertEqual(found.functions["reconcile"], "s-reconcile")
        self.assertEqual(set(found.log_groups), {"upload", "thumbnail", "reconcile"})
        self.assertEqual(found.api_url, OUTPUTS["ApiUrl"])
        self.assertFalse(found.local)

    def test_a_stack_that_was_deployed_into_an_emulator_is_looked_at_as_a_local_one(self):
        reported = {**OUTPUTS, "ApiUrl": "http://a1.execute-api.localhost:4566"}
        found = self.described(reported, endpoint="http://localhost:4566", AwsEndpointUrl="http://localhost:4566")
        self.assertTrue(found.local)
        self.assertEqual(found.api_url, "http://localhost:4566/_aws/execute-api/a1")

    def test_a_stack_that_is_not_there_or_not_ours_is_one_sentence(self):
        for outputs, sentence in ((None, "https://cloudformation.eu-central-1.amazonaws.com has no stack s"), ({}, "no stack of photodrop's")):
            with self.assertRaisesRegex(Failure, sentence):
                self.described(outputs)

    def test_stack_names_one_on_aws_and_without_it_the_local_one_is_meant(self):
        with mock.patch.object(targets, "on_aws") as on_aws, mock.patch.object(targets, "local") as local:
            targets.find({"STACK": "prod"})
            on_aws.assert_called_once_with("prod")
            tests = targets.settings.test_place()
            targets.find({"PHOTODROP_STACK": str(tests.stack_file)})
            targets.find({})
            self.assertEqual([call.args[0].name for call in local.call_args_list], ["photodrop-test", "photodrop"])


if __name__ == "__main__":
    unittest.main()
