"""What AWS demands of a queue that starts a function, which the local stack's emulator does not check."""

import re
import unittest
from typing import Any

from infra.local.settings import ROOT
from infra.tests.test_template import BUCKETS, DOCUMENT, FUNCTIONS, MAPPINGS, ROLES, listed, resources, statements

QUEUES = resources("AWS::SQS::Queue")
BUCKET_ARN = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${AWS::StackName}-originals-${AWS::AccountId}-${AWS::Region}"}
# "Lambda needs the following permissions to manage messages in your Amazon SQS queue":
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
MAPPING_ACTIONS = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}


def queue_of(mapping: dict[str, Any]) -> str:
    return str(mapping["EventSourceArn"]["Fn::GetAtt"][0])


def function_of(mapping: dict[str, Any]) -> dict[str, Any]:
    return FUNCTIONS[mapping["FunctionName"]["Ref"].removesuffix(".Alias")]


class EveryMapping(unittest.TestCase):
    def test_its_queue_hides_a_message_for_six_timeouts_of_the_function(self) -> None:
        """AWS refuses a mapping whose queue hides messages for less than the function's timeout, and asks for six times as much:
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
        for name, mapping in MAPPINGS.items():
            visibility = int(QUEUES[queue_of(mapping)]["VisibilityTimeout"])
            window = int(mapping.get("MaximumBatchingWindowInSeconds", 0))
            self.assertGreaterEqual(visibility, 6 * int(function_of(mapping)["Timeout"]) + window, name)

    def test_the_function_s_role_may_do_what_lambda_does_for_it(self) -> None:
        for name, mapping in MAPPINGS.items():
            role = ROLES[function_of(mapping)["Role"]["Fn::GetAtt"][0]]
            granted = {action for statement in statements(role) for action in listed(statement["Action"])
                       if mapping["EventSourceArn"] in listed(statement["Resource"]) and statement["Effect"] == "Allow"}
            self.assertLessEqual(MAPPING_ACTIONS, granted, name)

    def test_one_failed_photo_is_one_error(self) -> None:
        """Alarms and canary count `Errors`: a batch, or an answer that names failed messages, would hide a photo from them."""
        for name, mapping in MAPPINGS.items():
            self.assertEqual(int(mapping["BatchSize"]), 1, name)
            self.assertNotIn("FunctionResponseTypes", mapping, name)
            # A new version takes messages by the alias that a gradual deployment moves.
            self.assertTrue(mapping["FunctionName"]["Ref"].endswith(".Alias"), name)

    def test_the_api_s_share_of_a_new_account_is_larger_than_the_thumbnails(self) -> None:
        parameter = DOCUMENT["Parameters"]["ThumbnailConcurrency"]
        self.assertEqual(MAPPINGS["ThumbnailMapping"]["ScalingConfig"], {"MaximumConcurrency": {"Ref": "ThumbnailConcurrency"}})
        # 10 is what a new account has; 2 to 1000 is what AWS takes:
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        self.assertLessEqual(int(parameter["Default"]), 10 // 2)
        self.assertEqual((int(parameter["MinValue"]), int(parameter["MaxValue"])), (2, 1000))


class TheQueues(unittest.TestCase):
    def test_dead_letters_are_kept_for_longer_than_messages(self) -> None:
        """A message keeps its age when it becomes a dead letter:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html"""
        policy = QUEUES["ThumbnailQueue"]["RedrivePolicy"]
        self.assertEqual(policy["deadLetterTargetArn"], {"Fn::GetAtt": ["FailureQueue", "Arn"]})
        # Reconcile gives a photo up after the last of these deliveries.
        upkeep = (ROOT / "crates/photo-domain/src/upkeep.rs").read_text()
        self.assertIn(f"pub const MAX_RECEIVES: u32 = {policy['maxReceiveCount']};", upkeep)
        self.assertEqual(int(QUEUES["ThumbnailQueue"]["MessageRetentionPeriod"]), 10 * 86400)
        self.assertEqual(int(QUEUES["FailureQueue"]["MessageRetentionPeriod"]), 14 * 86400)

    def test_the_failure_queue_takes_the_thumbnail_queue_s_dead_letters_alone(self) -> None:
        allowed = QUEUES["FailureQueue"]["RedriveAllowPolicy"]
        (source,) = allowed["sourceQueueArns"]
        self.assertEqual(allowed["redrivePermission"], "byQueue")
        name = QUEUES["ThumbnailQueue"]["QueueName"]["Fn::Sub"]
        self.assertEqual(source["Fn::Sub"], "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + name)

    def test_no_queue_answers_by_plain_http(self) -> None:
        policies = resources("AWS::SQS::QueuePolicy")
        self.assertEqual(sorted(queue["Ref"] for policy in policies.values() for queue in policy["Queues"]), sorted(QUEUES))
        for name, policy in policies.items():
            last = policy["PolicyDocument"]["Statement"][-1]
            deny = last["Fn::If"][1] if "Fn::If" in last else last
            self.assertEqual((deny["Effect"], deny["Principal"], deny["Action"], deny["Condition"]),
                             ("Deny", "*", "sqs:*", {"Bool": {"aws:SecureTransport": "false"}}), name)

    def test_every_queue_is_encrypted(self) -> None:
        self.assertEqual(set(QUEUES), {"ThumbnailQueue", "FailureQueue"})
        for name, queue in QUEUES.items():
            self.assertIs(queue["SqsManagedSseEnabled"], True, name)

    def test_the_originals_bucket_alone_may_send_and_not_by_plain_http(self) -> None:
        policy = resources("AWS::SQS::QueuePolicy")["ThumbnailQueuePolicy"]
        self.assertEqual(policy["Queues"], [{"Ref": "ThumbnailQueue"}])
        allow, deny = policy["PolicyDocument"]["Statement"]
        self.assertEqual((allow["Effect"], allow["Action"], allow["Principal"]),
                         ("Allow", "sqs:SendMessage", {"Service": "s3.amazonaws.com"}))
        self.assertEqual(allow["Condition"], {"ArnEquals": {"aws:SourceArn": BUCKET_ARN},
                                              "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}})
        self.assertEqual(BUCKETS["OriginalsBucket"]["BucketName"]["Fn::Sub"], BUCKET_ARN["Fn::Sub"].split(":::")[1])
        condition, statement, otherwise = deny["Fn::If"]
        self.assertEqual((condition, otherwise), ("OnAws", {"Ref": "AWS::NoValue"}))
        self.assertEqual((statement["Effect"], statement["Principal"], statement["Action"]), ("Deny", "*", "sqs:*"))
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        # S3 tries to send when the notification is configured: the policy must be there.
        self.assertIn("ThumbnailQueuePolicy", listed(DOCUMENT["Resources"]["OriginalsBucket"]["DependsOn"]))

    def test_a_killed_render_is_told_from_one_that_runs_before_its_message_comes_again(self) -> None:
        upkeep = (ROOT / "crates/photo-domain/src/upkeep.rs").read_text()
        (minutes,) = re.findall(r"RENDER_LIFE: Duration = Duration::from_mins\((\d+)\);", upkeep)
        life = int(minutes) * 60
        self.assertGreaterEqual(life, int(FUNCTIONS["ThumbnailFunction"]["Timeout"]) + 120)
        self.assertLess(life, int(QUEUES["ThumbnailQueue"]["VisibilityTimeout"]))

    def test_the_function_knows_its_timeout(self) -> None:
        """A timeout is the photo's fault if the render had most of it."""
        minutes, rest = divmod(int(FUNCTIONS["ThumbnailFunction"]["Timeout"]), 60)
        self.assertEqual(rest, 0)
        self.assertIn(f"const FUNCTION_TIMEOUT: Duration = Duration::from_mins({minutes});",
                      (ROOT / "functions/thumbnail/src/lib.rs").read_text())

    def test_nothing_invokes_the_thumbnail_function_past_the_queue(self) -> None:
        permitted = {permission["FunctionName"]["Ref"] for permission in resources("AWS::Lambda::Permission").values()}
        self.assertEqual(permitted, {"UploadFunction.Alias"})
        self.assertNotIn("EventInvokeConfig", FUNCTIONS["ThumbnailFunction"])


if __name__ == "__main__":
    unittest.main()
