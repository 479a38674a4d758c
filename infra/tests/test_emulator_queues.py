"""Moves of dead letters in the local stack's emulator, against what AWS documents of them."""

import json
import time
from typing import Any

from botocore.exceptions import ClientError

from infra.local import aws
from infra.tests.test_guarded_ministack import Running as Emulator

PATIENCE_SECONDS = 10


class Moves(Emulator):
    def setUp(self) -> None:
        self.sqs = aws.client("sqs", self.access)
        self.dead = self.queue("dead")
        policy = json.dumps({"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": 1})
        self.source = self.queue("source", {"RedrivePolicy": policy, "VisibilityTimeout": "0"})

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


# The base class's own tests run in its own module.
del Emulator

if __name__ == "__main__":
    import unittest

    unittest.main()
