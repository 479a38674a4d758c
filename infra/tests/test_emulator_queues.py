"""Moves of dead letters in the local stack's emulator, against what AWS documents of them."""

import inspect
import io
import json
import re
import time
import unittest
import zipfile
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import Shape

from infra.local import aws, emulator_queues
from infra.tests.test_guarded_ministack import Running as Emulator

PATIENCE_SECONDS = 10
MODEL = botocore.session.get_session().get_service_model("sqs")
HANDLERS = {"StartMessageMoveTask": emulator_queues.MessageMoves.start, "ListMessageMoveTasks": emulator_queues.MessageMoves.list,
            "CancelMessageMoveTask": emulator_queues.MessageMoves.cancel}
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
COMMON_ERRORS = {"InvalidParameterValue", "MissingParameter"}
TYPES = {"string": str, "integer": int, "long": int, "boolean": bool}


def faults(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Where an answer is not what the service's model has."""
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no {shape.name}"]
        missing = [f"{path}/{name}: missing" for name in shape.required_members if name not in value]
        known = [fault for name, inner in value.items() if name in shape.members for fault in faults(inner, shape.members[name], f"{path}/{name}")]
        return [*missing, *known, *(f"{path}/{name}: not in the model" for name in value if name not in shape.members)]
    if shape.type_name == "list":
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [fault for inner in value for fault in faults(inner, shape.member, path)]
    return [] if type(value) is TYPES[shape.type_name] else [f"{path}: {value!r} is no {shape.type_name}"]


class Model(unittest.TestCase):
    def test_each_parameter_of_a_move_is_read_and_no_other(self) -> None:
        for name, handler in HANDLERS.items():
            source = inspect.getsource(handler)
            if "self.source(data)" in source:
                source += inspect.getsource(emulator_queues.MessageMoves.source)
            read = set(re.findall(r'data(?:\.get\(|\[)"(\w+)"', source))
            with self.subTest(name):
                self.assertEqual(read, set(MODEL.operation_model(name).input_shape.members))

    def test_an_answer_beside_the_model_is_found(self) -> None:
        shape = MODEL.operation_model("ListMessageMoveTasks").output_shape
        task = {"Status": "RUNNING", "StartedTimestamp": 1}
        self.assertEqual(faults({"Results": [task]}, shape), [])
        for wrong in ({**task, "StartedTimestamp": 1.5}, {**task, "Moved": 1}, "task"):
            self.assertEqual(len(faults({"Results": [wrong]}, shape)), 1, wrong)
        self.assertEqual(len(faults({"Results": task}, shape)), 1)


class Moves(Emulator):
    def setUp(self) -> None:
        self.sqs = aws.client("sqs", self.access)
        self.answered: list[str] = []
        for operation in HANDLERS:
            self.sqs.meta.events.register(f"response-received.sqs.{operation}", self.check)
        self.dead = self.queue("dead")
        policy = json.dumps({"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": 1})
        self.source = self.queue("source", {"RedrivePolicy": policy, "VisibilityTimeout": "0"})

    def check(self, response_dict: dict[str, Any], event_name: str, **_: object) -> None:
        """Compares each answer's bytes with the service's model: a client leaves out what the model does not have."""
        operation = MODEL.operation_model(event_name.rpartition(".")[2])
        answer = json.loads(response_dict["body"])
        self.answered.append(operation.name)
        if response_dict["status_code"] < 300:
            self.assertEqual(faults(answer, operation.output_shape), [])
            return
        code = answer["__type"].rpartition("#")[2]
        self.assertIn(code, {shape.name for shape in operation.error_shapes} | COMMON_ERRORS)

    def tearDown(self) -> None:
        self.assertIn("StartMessageMoveTask", self.answered)

    def queue(self, name: str, attributes: dict[str, str] | None = None) -> str:
        url = self.sqs.create_queue(QueueName=f"{name}-{self._testMethodName[-60:]}", Attributes=attributes or {})["QueueUrl"]
        return str(url)

    def arn(self, url: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def count(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        return int(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def kill(self, *bodies: str) -> None:
        """Lets messages be received too often."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.source, MessageBody=body)
        for _ in range(2):
            self.sqs.receive_message(QueueUrl=self.source, MaxNumberOfMessages=10)
        self.assertEqual((self.count(self.source), self.count(self.dead)), (0, len(bodies)))

    def tasks(self, **asked: Any) -> list[dict[str, Any]]:
        return list(self.sqs.list_message_move_tasks(SourceArn=self.arn(self.dead), **asked)["Results"])

    def ended(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            (task,) = self.tasks()
            if task["Status"] not in {"RUNNING", "CANCELLING"}:
                return task
            time.sleep(0.05)
        raise AssertionError(f"still running after {PATIENCE_SECONDS} s")

    def start(self, **asked: Any) -> str:
        return str(self.sqs.start_message_move_task(**{"SourceArn": self.arn(self.dead), **asked})["TaskHandle"])

    def assert_refused(self, code: str, words: str, **asked: Any) -> None:
        with self.assertRaises(ClientError) as caught:
            self.start(**asked)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code)
        self.assertIn(words, error["Message"])

    def test_dead_letters_return_to_their_source_as_new_messages(self) -> None:
        self.kill("a", "b")
        first = self.sqs.receive_message(QueueUrl=self.dead, VisibilityTimeout=0)["Messages"][0]["MessageId"]
        self.start()
        task = self.ended()
        self.assertEqual((task["Status"], task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]),
                         ("COMPLETED", 2, 2))
        for absent in ("TaskHandle", "DestinationArn", "MaxNumberOfMessagesPerSecond", "FailureReason"):
            self.assertNotIn(absent, task)
        self.assertEqual((self.count(self.source), self.count(self.dead)), (2, 0))
        found = self.sqs.receive_message(QueueUrl=self.source, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
        self.assertEqual(sorted(message["Body"] for message in found), ["a", "b"])
        for message in found:
            self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
            self.assertNotEqual(message["MessageId"], first)

    def test_a_queue_that_is_no_dead_letter_queue_is_refused(self) -> None:
        self.assert_refused("InvalidParameterValue", "must be configured as a Dead Letter Queue", SourceArn=self.arn(self.source))
        self.assert_refused("ResourceNotFoundException", "SourceArn", SourceArn=self.arn(self.dead) + "-not-there")
        self.assert_refused("ResourceNotFoundException", "DestinationArn", DestinationArn=self.arn(self.dead) + "-not-there")
        self.assert_refused("InvalidParameterValue", "cannot be the same", DestinationArn=self.arn(self.dead))
        for rate in (0, 501):
            self.assert_refused("InvalidParameterValue", "MaxNumberOfMessagesPerSecond", MaxNumberOfMessagesPerSecond=rate)

    def test_one_task_runs_at_a_time_and_can_be_cancelled(self) -> None:
        self.kill("a", "b", "c")
        handle = self.start(MaxNumberOfMessagesPerSecond=1)
        (running,) = self.tasks()
        self.assertEqual((running["Status"], running["TaskHandle"], running["MaxNumberOfMessagesPerSecond"]),
                         ("RUNNING", handle, 1))
        self.assert_refused("AWS.SimpleQueueService.UnsupportedOperation", "already a task running")
        self.sqs.cancel_message_move_task(TaskHandle=handle)
        task = self.ended()
        self.assertEqual(task["Status"], "CANCELLED")
        # What was moved stays moved, and the rest stays where it is.
        self.assertEqual(self.count(self.source), task["ApproximateNumberOfMessagesMoved"])
        self.assertEqual(self.count(self.dead), 3 - task["ApproximateNumberOfMessagesMoved"])
        with self.assertRaises(ClientError):
            self.sqs.cancel_message_move_task(TaskHandle=handle)

    def test_a_message_that_was_sent_by_hand_needs_a_destination(self) -> None:
        self.sqs.send_message(QueueUrl=self.dead, MessageBody="by hand")
        self.start()
        task = self.ended()
        self.assertEqual((task["Status"], task["FailureReason"]), ("FAILED", "CouldNotDetermineMessageSource"))
        self.assertEqual(self.count(self.dead), 1)
        self.start(DestinationArn=self.arn(self.source))
        self.assertEqual(self.ended()["Status"], "COMPLETED")
        self.assertEqual([task["Status"] for task in self.tasks(MaxResults=10)], ["COMPLETED", "FAILED"])
        self.assertEqual(self.count(self.source), 1)

    def test_a_message_in_flight_stays(self) -> None:
        self.kill("a", "b")
        self.sqs.receive_message(QueueUrl=self.dead, VisibilityTimeout=60)
        self.start()
        self.assertEqual(self.ended()["ApproximateNumberOfMessagesMoved"], 1)
        self.assertEqual(self.count(self.source), 1)


class Mappings(Emulator):
    def test_a_mapping_s_concurrency_from_a_parameter_is_a_number(self) -> None:
        """As text it would stop MiniStack's poller for every queue."""
        lambdas, formation, sqs = (aws.client(name, self.access) for name in ("lambda", "cloudformation", "sqs"))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("bootstrap", "#!/bin/sh")
        aws.client("iam", self.access).create_role(RoleName="mapped", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}))
        function = lambdas.create_function(FunctionName="mapped", Runtime="provided.al2023", Handler="bootstrap", Timeout=5,
                                           Role="arn:aws:iam::000000000000:role/mapped", Code={"ZipFile": archive.getvalue()})["FunctionArn"]
        template = {"Parameters": {"Most": {"Type": "Number", "Default": 5}}, "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mapped"}},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FunctionName": function, "BatchSize": 1,
                "ScalingConfig": {"MaximumConcurrency": {"Ref": "Most"}}}}}}
        for change, most in ((formation.create_stack, "7"), (formation.update_stack, "9")):
            change(StackName="mapped", TemplateBody=json.dumps(template), Parameters=[{"ParameterKey": "Most", "ParameterValue": most}])
            deadline = time.monotonic() + PATIENCE_SECONDS
            while formation.describe_stacks(StackName="mapped")["Stacks"][0]["StackStatus"].endswith("IN_PROGRESS"):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            (mapping,) = lambdas.list_event_source_mappings(FunctionName="mapped")["EventSourceMappings"]
            self.assertEqual(mapping["ScalingConfig"], {"MaximumConcurrency": int(most)})
            # The poller looks at the number when it takes a message.
            queue = sqs.get_queue_url(QueueName="mapped")["QueueUrl"]
            sqs.send_message(QueueUrl=queue, MessageBody="x")
            deadline = time.monotonic() + PATIENCE_SECONDS
            while sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"] != {
                    "ApproximateNumberOfMessages": "0"}:
                self.assertLess(time.monotonic(), deadline, "no message is taken")
                time.sleep(0.05)


# The base class's own tests run in its own module.
del Emulator

if __name__ == "__main__":
    unittest.main()
