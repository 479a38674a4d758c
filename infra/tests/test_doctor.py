"""What `make doctor` says about stacks that are well and stacks that are not, with answers in AWS's own shapes."""

import contextlib
import datetime
import io
import json
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from unittest import mock

import boto3
from botocore.stub import Stubber

from infra.local import doctor
from infra.local.console import Console, Failure
from infra.tests.support import target

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)


class Doctor(unittest.TestCase):
    def setUp(self):
        self.stubs = {}

    def answers(self, service, *answers):
        """Lets a client of AWS give these answers in order: (method, answer), or (method, error code)."""
        if service not in self.stubs:
            client = boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
            self.stubs[service] = (client, Stubber(client))
            self.stubs[service][1].activate()
        for method, answer in answers:
            if isinstance(answer, str):
                self.stubs[service][1].add_client_error(method, answer)
            else:
                self.stubs[service][1].add_response(method, answer)

    def levels(self, check, **other):
        """What a check says, by the name of each finding."""
        clients = {service: client for service, (client, _) in self.stubs.items()}
        found = list(doctor.guarded("guarded", check, target(clients, **{"local": False, **other})))
        for _, stub in self.stubs.values():
            stub.assert_no_pending_responses()
        for finding in found:
            if finding.level != doctor.OK:
                self.assertTrue(finding.means and finding.mend, finding)
        return {finding.check: finding.level for finding in found}

    def test_a_stack_is_judged_by_its_status_and_its_drift(self):
        for status, drift, expected in (("CREATE_COMPLETE", "IN_SYNC", ("ok", "ok")),
                                        ("UPDATE_ROLLBACK_COMPLETE", "NOT_CHECKED", ("warn", "ok")),
                                        ("UPDATE_IN_PROGRESS", "IN_SYNC", ("warn", "ok")),
                                        ("UPDATE_ROLLBACK_FAILED", "DRIFTED", ("fail", "warn"))):
            self.answers("cloudformation", ("describe_stacks", {"Stacks": [
                {"StackName": "photodrop", "CreationTime": NOW, "StackStatus": status,
                 "DriftInformation": {"StackDriftStatus": drift}}]}))
            self.assertEqual(self.levels(doctor.stack, status=status), {"stack": expected[0], "drift": expected[1]})

    def bucket(self, *, blocked=True, encrypted=True, tls=True, origins=("https://a.example",)):
        every = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), blocked)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        deny = {"Statement": [{"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
        self.answers(
            "s3",
            ("get_public_access_block", {"PublicAccessBlockConfiguration": every}),
            ("get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [rule]}} if encrypted
             else "ServerSideEncryptionConfigurationNotFoundError"),
            ("get_bucket_policy", {"Policy": json.dumps(deny)} if tls else "NoSuchBucketPolicy"),
            ("get_bucket_cors", {"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": list(origins)}]}))

    def test_a_bucket_is_private_encrypted_and_closed_to_plain_http(self):
        self.bucket()
        self.bucket(blocked=False, encrypted=False, tls=False, origins=("*",))
        self.assertEqual(self.levels(doctor.buckets), {
            "originals private": "ok", "originals encrypted": "ok", "originals TLS only": "ok", "originals CORS": "ok",
            "thumbnails private": "fail", "thumbnails encrypted": "fail", "thumbnails TLS only": "fail",
            "thumbnails CORS": "warn"})

    def test_a_bucket_that_is_gone_is_a_finding_and_no_traceback(self):
        self.answers("s3", ("get_public_access_block", "NoSuchBucket"))
        self.assertEqual(self.levels(doctor.buckets), {"guarded": "fail"})

    def wired(self, queue="photodrop-thumbnail", states=("Enabled",)):
        arn = f"arn:aws:sqs:eu-central-1:123456789012:{queue}"
        self.answers("s3", ("get_bucket_notification_configuration", {"QueueConfigurations": [
            {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}))
        self.answers("lambda", *([("list_event_source_mappings", {"EventSourceMappings": [
            {"UUID": "14e0db71-5d35-4eb5-b481-8945cf9d10c2", "State": state} for state in states]})] if queue == "photodrop-thumbnail" else []))

    def test_arrivals_have_to_reach_the_queue(self):
        self.wired()
        self.assertEqual(self.levels(doctor.notification), {"notification": "ok", "mapping": "ok"})
        self.wired(queue="another")
        self.assertEqual(self.levels(doctor.notification), {"notification": "fail"})
        self.answers("s3", ("get_bucket_notification_configuration", {}))
        self.assertEqual(self.levels(doctor.notification), {"notification": "fail"})

    def test_a_mapping_that_is_stopped_is_a_failure_with_the_way_back(self):
        for states in (("Disabled",), ("Disabling",), ()):
            self.wired(states=states)
            self.assertEqual(self.levels(doctor.notification), {"notification": "ok", "mapping": "fail"}, states)
        self.wired(states=("Disabled",))
        clients = {service: client for service, (client, _) in self.stubs.items()}
        (_, stopped) = doctor.notification(target(clients, local=False))
        self.assertIn("--uuid 14e0db71-5d35-4eb5-b481-8945cf9d10c2 --enabled", stopped.mend)

    def test_a_table_expires_and_can_be_recovered(self):
        for ttl, recovery, expected in (("ENABLED", "ENABLED", ("ok", "ok")), ("DISABLED", "DISABLED", ("warn", "fail"))):
            self.answers(
                "dynamodb", ("describe_table", {"Table": {"TableName": "photos", "TableStatus": "ACTIVE"}}),
                ("describe_time_to_live", {"TimeToLiveDescription": {"TimeToLiveStatus": ttl}}),
                ("describe_continuous_backups", {"ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": recovery}}}))
            self.assertEqual(self.levels(doctor.table),
                             {"table": "ok", "table TTL": expected[0], "table recovery": expected[1]})

    def in_queues(self, *queues):
        """Depth and age of the thumbnail queue and of the failure queue."""
        for visible, in_flight, age in queues:
            self.answers("sqs", ("get_queue_attributes", {"Attributes": {
                "ApproximateNumberOfMessages": str(visible), "ApproximateNumberOfMessagesNotVisible": str(in_flight)}}))
            self.answers("cloudwatch", ("get_metric_statistics", {"Datapoints": [] if age is None else [
                {"Timestamp": NOW, "Maximum": age}]}))

    def test_a_message_in_the_failure_queue_fails(self):
        for dead, expected in (((0, 0, None), "ok"), ((1, 0, 60.0), "fail"), ((0, 1, 60.0), "fail"), ((1, 0, None), "fail")):
            self.in_queues((0, 0, None), dead)
            self.assertEqual(self.levels(doctor.queues), {"thumbnail queue": "ok", "failure queue": expected}, dead)

    def test_events_that_wait_long_are_seen(self):
        for age, expected in ((None, "ok"), (doctor.STUCK_AFTER_SECONDS - 1.0, "ok"), (doctor.STUCK_AFTER_SECONDS + 0.0, "warn")):
            self.in_queues((3, 5, age), (0, 0, None))
            self.assertEqual(self.levels(doctor.queues), {"thumbnail queue": expected, "failure queue": "ok"}, age)

    def test_a_small_account_is_said_and_fails_nothing(self):
        for advice, expected in (("ask for more", "warn"), (None, "ok")):
            with mock.patch.object(doctor.program, "account", return_value={"summary": "10 concurrent executions", "advice": advice}):
                self.assertEqual(self.levels(doctor.account), {"thumbnail reserve": "ok", "account": expected})
        with mock.patch.object(doctor.program, "account", side_effect=Failure("there is no Rust")):
            self.assertEqual(self.levels(doctor.account), {"thumbnail reserve": "ok", "account": "warn"})

    def test_the_account_is_asked_for_the_stack_that_is_looked_at(self):
        for named, expected in ((True, "photodrop"), (False, "")):
            with mock.patch.object(doctor.program, "account", return_value={"summary": "", "advice": None}) as asked:
                self.levels(doctor.account, named=named)
            self.assertEqual(asked.call_args.args[0], expected)

    def test_a_reserve_that_throttles_photos_is_said(self):
        for reserved, level in (("4", "warn"), ("5", "ok"), ("0", "ok")):
            parameters = {"ThumbnailReservedConcurrency": reserved, "ThumbnailConcurrency": "5"}
            with mock.patch.object(doctor.program, "account", return_value={"summary": "", "advice": None}):
                self.assertEqual(self.levels(doctor.account, parameters=parameters)["thumbnail reserve"], level)

    def function(self, *, state="Active", reserved=None, errors=0.0, retention=7, role="upload"):
        name = f"photodrop-{role}"
        group = {"logGroupName": f"/aws/lambda/{name}", **({"retentionInDays": retention} if retention else {})}
        self.answers("lambda",
                     ("get_function_configuration", {"FunctionName": name, "State": state, "LastUpdateStatus": "Successful"}),
                     ("get_function_concurrency", {} if reserved is None else {"ReservedConcurrentExecutions": reserved}))
        self.answers("cloudwatch", ("get_metric_statistics", {"Datapoints": [{"Timestamp": NOW, "Sum": errors}]}))
        self.answers("logs", ("describe_log_groups", {"logGroups": [group]}))

    def test_a_function_that_is_stopped_or_failing_is_seen(self):
        self.function()
        self.function(state="Failed", reserved=0, errors=3.0, retention=None, role="thumbnail")
        self.assertEqual(self.levels(doctor.functions), {
            "upload function": "ok", "upload concurrency": "ok", "upload errors": "ok", "upload logs": "ok",
            "thumbnail function": "fail", "thumbnail concurrency": "fail", "thumbnail errors": "warn", "thumbnail logs": "warn"})

    def version(self, role, *, memory=512, serves=512):
        name = f"photodrop-{role}"
        self.answers("lambda", ("get_function_configuration", {"FunctionName": name, "MemorySize": memory, "Version": "$LATEST"}))
        self.answers("lambda", ("get_function_configuration", serves if isinstance(serves, str) else
                                {"FunctionName": name, "MemorySize": serves, "Version": "7"}))

    def test_what_was_deployed_and_is_not_served_is_seen(self):
        self.version("upload")
        self.version("thumbnail", memory=1769)
        self.assertEqual(self.levels(doctor.versions), {"upload version": "ok", "thumbnail version": "warn"})
        self.version("upload", serves="ResourceNotFoundException")
        self.version("thumbnail")
        self.assertEqual(self.levels(doctor.versions), {"upload version": "fail", "thumbnail version": "ok"})

    def test_stuck_photos_are_what_reconcile_last_said(self):
        later = NOW + datetime.timedelta(minutes=5)
        for points, expected in (([], "warn"), ([(NOW, 4.0), (later, 0.0)], "ok"), ([(later, 2.0), (NOW, 0.0)], "fail")):
            self.answers("cloudwatch", ("get_metric_statistics", {"Datapoints": [
                {"Timestamp": at, "Maximum": value} for at, value in points]}))
            self.assertEqual(self.levels(doctor.stuck), {"stuck pending": expected})

    def test_on_the_local_stack_a_pending_record_with_an_object_is_stuck(self):
        item = {"pk": {"S": "owner#a%7C1"}, "photo_id": {"S": "p1"}}
        for objects, expected in ((1, "fail"), (0, "ok")):
            self.answers("dynamodb", ("scan", {"Items": [item]}))
            self.answers("s3")
            self.stubs["s3"][1].add_response("list_objects_v2", {"KeyCount": objects},
                                             {"Bucket": "originals", "Prefix": "photos/a%7C1/p1/original"})
            self.assertEqual(self.levels(doctor.stuck, local=True), {"stuck pending": expected})

    def test_alarms_that_ring_or_are_silenced_are_named(self):
        def alarm(name, state, actions=True):
            return {"AlarmName": f"photodrop-{name}", "StateValue": state, "ActionsEnabled": actions, "AlarmDescription": "d"}

        own = ("list_stack_resources", {"StackResourceSummaries": [
            {"LogicalResourceId": name, "PhysicalResourceId": f"photodrop-{name}", "ResourceType": "AWS::CloudWatch::Alarm",
             "LastUpdatedTimestamp": NOW, "ResourceStatus": "CREATE_COMPLETE"} for name in ("a", "b")]})
        self.answers("cloudformation", own)
        self.answers("cloudwatch", ("describe_alarms", {"MetricAlarms": [alarm("a", "OK"), alarm("b", "OK")]}))
        self.assertEqual(self.levels(doctor.ringing), {"alarms": "ok"})
        self.answers("cloudformation", own)
        self.answers("cloudwatch", ("describe_alarms", {"MetricAlarms": [alarm("a", "ALARM"), alarm("b", "OK", False)]}))
        clients = {service: client for service, (client, _) in self.stubs.items()}
        found = list(doctor.ringing(target(clients)))
        self.assertEqual([finding.level for finding in found], ["fail", "warn", "ok"])
        self.assertTrue(found[0].mend.endswith("#a"))
        self.answers("cloudformation", own)
        self.answers("cloudwatch", ("describe_alarms", {"MetricAlarms": []}))
        self.assertEqual(self.levels(doctor.ringing), {"alarms": "fail"})

    def test_a_subscription_has_to_be_confirmed(self):
        for arns, expected in (([], "warn"), (["PendingConfirmation"], "fail"), (["arn:aws:sns:x:1:alarms:2"], "ok")):
            self.answers("sns", ("list_subscriptions_by_topic", {"Subscriptions": [
                {"SubscriptionArn": arn, "Protocol": "email"} for arn in arns]}))
            self.assertEqual(self.levels(doctor.topic), {"alarm topic": expected})


class TheApi(unittest.TestCase):
    @contextlib.contextmanager
    def serving(self, statuses, date=None):
        """An API that answers each path with its status."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(statuses.get(self.path, 404))
                self.end_headers()

            def date_time_string(self, timestamp=None):
                return date or super().date_time_string(timestamp)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield target({}, api_url=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            server.server_close()

    def levels(self, check, stack):
        return {finding.check: finding.level for finding in check(stack)}

    def test_it_answers_and_refuses_a_caller_without_a_token(self):
        well = {"/health": 200, "/health/ready": 200, doctor.NO_PHOTO: 401}
        with self.serving(well) as stack:
            self.assertEqual(set(self.levels(doctor.api, stack).values()), {"ok"})
        with self.serving({"/health": 200, "/health/ready": 503, doctor.NO_PHOTO: 404}) as stack:
            self.assertEqual(self.levels(doctor.api, stack),
                             {"api health": "ok", "api ready": "fail", "api refuses": "fail"})
        self.assertEqual(set(self.levels(doctor.api, target({}, api_url="http://127.0.0.1:9")).values()), {"fail"})

    def test_clocks_that_differ_are_seen_before_signatures_are_refused(self):
        with self.serving({"/health": 200}) as stack:
            self.assertEqual(self.levels(doctor.clock, stack), {"clock": "ok"})
        with self.serving({"/health": 200}, date="Tue, 24 Nov 2020 12:00:00 GMT") as stack:
            self.assertEqual(self.levels(doctor.clock, stack), {"clock": "fail"})


class TheReport(unittest.TestCase):
    def report(self, findings, as_json=False):
        with mock.patch.object(doctor, "CHECKS", [("x", lambda _: iter(findings))]), \
                contextlib.redirect_stdout(io.StringIO()) as page:
            code = doctor.run(Console("doctor"), target({}), as_json=as_json)
        return code, page.getvalue()

    def test_only_a_failure_makes_the_command_fail(self):
        well = doctor.Finding("a", "ok", "fine")
        odd = doctor.Finding("b", "warn", "odd", "it means", "it is mended so")
        bad = doctor.Finding("c", "fail", "broken", "it means", "it is mended so")
        self.assertEqual(self.report([well])[0], 0)
        code, text = self.report([well, odd])
        self.assertEqual(code, 0)
        self.assertIn("mended so", text)
        self.assertEqual(self.report([odd, bad])[0], 1)

    def test_json_is_json_and_nothing_else(self):
        code, text = self.report([doctor.Finding("c", "fail", "broken", "m", "n")], as_json=True)
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(text)["findings"][0]["mend"], "n")


if __name__ == "__main__":
    unittest.main()
