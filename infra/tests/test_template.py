"""What the template promises beyond what linters know."""

import re
import unittest
from typing import Any

from cfnlint.decode import cfn_yaml

from infra.local.settings import ROOT, TEMPLATE


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a kind, by logical id."""
    return {name: resource["Properties"] for name, resource in DOCUMENT["Resources"].items() if resource["Type"] == kind}


DOCUMENT = cfn_yaml.load(str(TEMPLATE))
FUNCTIONS = resources("AWS::Serverless::Function")
ROLES = resources("AWS::IAM::Role")
BUCKETS = resources("AWS::S3::Bucket")
MAPPINGS = resources("AWS::Lambda::EventSourceMapping")
(NOTIFIED,) = BUCKETS["OriginalsBucket"]["NotificationConfiguration"]["QueueConfigurations"]

# Each function may call exactly these, and a change of it is a change of this table.
ACTIONS = {
    "UploadRole": {
        "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem",
        "dynamodb:Query", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:GetObject",
        "s3:GetBucketLocation", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
    },
    "ThumbnailRole": {
        "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetItem", "dynamodb:UpdateItem", "s3:GetObject",
        "s3:ListBucket", "s3:PutObject", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility", "sqs:SendMessage", "events:PutEvents",
        "xray:PutTraceSegments", "xray:PutTelemetryRecords",
    },
    "ReconcileRole": {
        "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:BatchGetItem",
        "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "s3:ListBucket", "s3:ListBucketVersions",
        "s3:PutObjectTagging", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload",
        "sqs:GetQueueAttributes", "sqs:SendMessage", "events:PutEvents",
        "xray:PutTraceSegments", "xray:PutTelemetryRecords",
    },
    "ReconcileTimerRole": {"lambda:InvokeFunction"},
    # CodeDeploy's, to look at the alarms and move the alias.
    "DeploymentRole": {"cloudwatch:DescribeAlarms", "lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"},
}
# What a policy adds to its role under a condition of the template.
MORE_ACTIONS = {"BackfillPolicy": {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "dynamodb:PutItem"}}
POLICIES = resources("AWS::IAM::Policy")

# DynamoDB's actions that always name a partition key, so that a condition on the keys is never about none.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_dynamodb.html
KEYED_ACTIONS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem",
                 "dynamodb:Query"}
PHOTOS, CHECKPOINTS, HEALTH = "owner#*", "system#reconcile", "health"
# The due index has partition keys of its own: `SHARDS` in crates/photo-domain/src/upkeep.rs.
SHARDS = [str(number) for number in range(16)]
TABLE, INDEX = {"Fn::GetAtt": ["PhotosTable", "Arn"]}, {"Fn::Sub": "${PhotosTable.Arn}/index/due"}
# Which items each role may reach, and by which actions: the partition keys' patterns, by resource. `crates/photo-aws/src/item.rs`
# has the table of all keys.
ITEMS = {
    "UploadRole": {
        ("dynamodb:GetItem", PHOTOS), ("dynamodb:PutItem", PHOTOS), ("dynamodb:UpdateItem", PHOTOS), ("dynamodb:Query", PHOTOS),
        ("dynamodb:GetItem", HEALTH),
    },
    "ThumbnailRole": {("dynamodb:GetItem", PHOTOS), ("dynamodb:UpdateItem", PHOTOS)},
    "ReconcileRole": {
        ("dynamodb:GetItem", PHOTOS), ("dynamodb:BatchGetItem", PHOTOS), ("dynamodb:UpdateItem", PHOTOS),
        ("dynamodb:DeleteItem", PHOTOS), ("dynamodb:GetItem", CHECKPOINTS), ("dynamodb:PutItem", CHECKPOINTS),
        *(("dynamodb:Query", shard) for shard in SHARDS),
    },
    "ReconcileTimerRole": set(),
    "DeploymentRole": set(),
}
# What the policy adds under its condition.
MORE_ITEMS = {"BackfillPolicy": {("dynamodb:PutItem", PHOTOS)}}


def started_by(queue: str) -> set[str]:
    """The functions that a message in a queue starts."""
    return {mapping["FunctionName"]["Ref"].removesuffix(".Alias") for mapping in MAPPINGS.values()
            if mapping["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}}


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def policies_of(role: str) -> dict[str, list[dict[str, Any]]]:
    """The statements of the policies that stand apart from a role, by the policy's logical id."""
    return {name: policy["PolicyDocument"]["Statement"] for name, policy in POLICIES.items() if {"Ref": role} in policy["Roles"]}


def everything_of(role: str) -> list[dict[str, Any]]:
    """All that a role may ever do, whatever the parameters are."""
    return [*statements(ROLES[role]), *(statement for more in policies_of(role).values() for statement in more)]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def items_of(granted: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Which DynamoDB actions the statements allow, each with a pattern of partition keys that it is bound to."""
    found = set()
    for statement in granted:
        assert "NotAction" not in statement and "NotResource" not in statement, statement
        actions = set(listed(statement["Action"]))
        assert not any("*" in action for action in actions), statement
        about_the_table = {action for action in actions if action.startswith("dynamodb:")}
        if not about_the_table:
            continue
        assert statement["Effect"] == "Allow" and about_the_table <= KEYED_ACTIONS, statement
        # An index has partition keys of its own: it is never in one statement with the table.
        assert len(listed(statement["Resource"])) == 1, statement
        resource = listed(statement["Resource"])[0]
        assert resource == TABLE or (resource == INDEX and actions == {"dynamodb:Query"}), statement
        conditions = list(statement.get("Condition", {}).items())
        assert len(conditions) == 1, statement
        operator, condition = conditions[0]
        assert operator in {"ForAllValues:StringLike", "ForAllValues:StringEquals"}, statement
        assert set(condition) == {"dynamodb:LeadingKeys"}, statement
        keys = condition["dynamodb:LeadingKeys"]
        assert (set(keys) <= set(SHARDS)) == (resource == INDEX), statement
        found |= {(action, key) for action in about_the_table for key in keys}
    return found


class TheApi(unittest.TestCase):
    def test_every_route_but_health_needs_a_token(self) -> None:
        routes = {route["RouteKey"]: route for route in resources("AWS::ApiGatewayV2::Route").values()}
        self.assertIn("POST /api/v4/photo/upload", routes)
        for key, route in routes.items():
            with self.subTest(key):
                if key in {"GET /health", "GET /health/ready"}:
                    self.assertEqual(route["AuthorizationType"], "NONE")
                else:
                    self.assertEqual(route["AuthorizationType"], "JWT")
                    self.assertEqual(route["AuthorizerId"], {"Ref": "JwtAuthorizer"})

    def test_no_origin_is_let_in_by_a_wildcard(self) -> None:
        self.assertNotIn("*", DOCUMENT["Parameters"]["AllowedOrigins"]["Default"])
        for api in resources("AWS::ApiGatewayV2::Api").values():
            self.assertEqual(api["CorsConfiguration"]["AllowOrigins"], {"Ref": "AllowedOrigins"})

    def test_an_upload_url_lives_for_five_minutes_at_most(self) -> None:
        self.assertLessEqual(int(DOCUMENT["Parameters"]["UploadUrlExpirySeconds"]["MaxValue"]), 300)


class TheBuckets(unittest.TestCase):
    def test_originals_alone_start_the_thumbnail_function(self) -> None:
        self.assertEqual(set(BUCKETS), {"OriginalsBucket", "ThumbnailsBucket"})
        notified = {name for name, bucket in BUCKETS.items() if "NotificationConfiguration" in bucket}
        self.assertEqual(notified, {"OriginalsBucket"})
        self.assertNotEqual(BUCKETS["OriginalsBucket"]["BucketName"], BUCKETS["ThumbnailsBucket"]["BucketName"])

    def test_every_bucket_is_private_encrypted_and_kept(self) -> None:
        for name, bucket in BUCKETS.items():
            with self.subTest(name):
                self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True})
                self.assertIn("BucketEncryption", bucket)
                self.assertEqual(DOCUMENT["Resources"][name]["DeletionPolicy"], "RetainExceptOnCreate")
                self.assertEqual(DOCUMENT["Resources"][name]["UpdateReplacePolicy"], "Retain")

    def test_every_bucket_refuses_plain_http(self) -> None:
        policies = resources("AWS::S3::BucketPolicy").values()
        self.assertEqual({policy["Bucket"]["Ref"] for policy in policies}, set(BUCKETS))
        for policy in policies:
            statement = policy["PolicyDocument"]["Statement"][0]
            self.assertEqual((statement["Effect"], statement["Principal"]), ("Deny", "*"))
            self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def test_parts_of_an_upload_that_was_given_up_go_after_a_day(self) -> None:
        # MULTIPART_WINDOW in crates/photo-domain/src/upkeep.rs.
        for name, bucket in BUCKETS.items():
            rules = bucket["LifecycleConfiguration"]["Rules"]
            days = [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
                    for rule in rules if "AbortIncompleteMultipartUpload" in rule]
            self.assertEqual(days, [1], name)

    def test_a_browser_may_send_whatever_is_signed(self) -> None:
        (rule,) = BUCKETS["OriginalsBucket"]["CorsConfiguration"]["CorsRules"]
        self.assertEqual(set(rule["AllowedMethods"]), {"PUT", "POST", "GET", "DELETE"})
        self.assertEqual(set(rule["AllowedHeaders"]),
                         {"content-type", "if-none-match", "x-amz-checksum-sha256", "x-amz-mp-object-size"})
        self.assertEqual(rule["ExposedHeaders"], ["ETag"])
        self.assertEqual(rule["AllowedOrigins"], {"Ref": "AllowedOrigins"})

    def test_originals_that_failed_or_have_no_record_expire(self) -> None:
        rules = BUCKETS["OriginalsBucket"]["LifecycleConfiguration"]["Rules"]
        tags = {tag["Value"] for rule in rules for tag in rule.get("TagFilters", [])}
        # What `OriginalTag` in crates/photo-aws writes.
        self.assertEqual(tags, {"failed", "orphaned"})
        # Without a filter a rule would let every photo expire.
        for rule in rules:
            self.assertTrue("TagFilters" in rule or "ExpirationInDays" not in rule, rule["Id"])


class Variants(unittest.TestCase):
    """Through CloudFront: no local stack has it, so this is what holds it."""

    def test_nothing_of_it_is_there_unless_it_is_asked_for(self) -> None:
        self.assertEqual(DOCUMENT["Parameters"]["VariantDelivery"]["Default"], "presigned")
        parts = {name: part for name, part in DOCUMENT["Resources"].items() if part["Type"].startswith("AWS::CloudFront::")}
        self.assertEqual(len(parts), 4)
        self.assertEqual({part["Condition"] for part in parts.values()}, {"ThroughCloudFront"})
        self.assertEqual(FUNCTIONS["UploadFunction"]["Environment"]["Variables"]["PHOTODROP_VARIANT_DOMAIN"]["Fn::If"][0],
                         "ThroughCloudFront")

    def test_the_distribution_alone_reads_variants_and_nothing_but_them(self) -> None:
        deny, allow = resources("AWS::S3::BucketPolicy")["ThumbnailsTlsOnly"]["PolicyDocument"]["Statement"]
        self.assertEqual(deny["Effect"], "Deny")
        condition, statement, otherwise = allow["Fn::If"]
        self.assertEqual((condition, otherwise), ("ThroughCloudFront", {"Ref": "AWS::NoValue"}))
        self.assertEqual((statement["Action"], statement["Principal"]), ("s3:GetObject", {"Service": "cloudfront.amazonaws.com"}))
        self.assertTrue(statement["Resource"]["Fn::Sub"].endswith("/photos/*"))
        self.assertIn("${VariantsDistribution}", statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"])
        self.assertEqual(len(resources("AWS::S3::BucketPolicy")["OriginalsTlsOnly"]["PolicyDocument"]["Statement"]), 1)

    def test_every_request_to_the_bucket_is_signed_and_every_reader_uses_tls(self) -> None:
        ((_, access),) = resources("AWS::CloudFront::OriginAccessControl").items()
        self.assertEqual(access["OriginAccessControlConfig"]["SigningBehavior"], "always")
        ((_, distribution),) = resources("AWS::CloudFront::Distribution").items()
        behavior = distribution["DistributionConfig"]["DefaultCacheBehavior"]
        self.assertEqual(behavior["ViewerProtocolPolicy"], "https-only")
        self.assertEqual(behavior["AllowedMethods"], ["GET", "HEAD"])

    def test_what_was_deleted_or_made_again_is_out_of_every_cache_within_a_day(self) -> None:
        ((_, cache),) = resources("AWS::CloudFront::CachePolicy").items()
        self.assertLessEqual(int(cache["CachePolicyConfig"]["MaxTTL"]), 86400)
        self.assertLessEqual(int(cache["CachePolicyConfig"]["MinTTL"]), 86400)
        ((_, headers),) = resources("AWS::CloudFront::ResponseHeadersPolicy").items()
        (header,) = headers["ResponseHeadersPolicyConfig"]["CustomHeadersConfig"]["Items"]
        self.assertEqual((header["Header"], header["Value"], header["Override"]), ("cache-control", "private, max-age=86400", True))
        self.assertEqual(headers["ResponseHeadersPolicyConfig"]["CorsConfig"]["AccessControlAllowOrigins"]["Items"],
                         {"Ref": "AllowedOrigins"})


class TheFunctions(unittest.TestCase):
    def test_each_may_do_exactly_what_it_does(self) -> None:
        self.assertEqual(set(ROLES), set(ACTIONS))
        for name, role in ROLES.items():
            with self.subTest(name):
                self.assertNotIn("ManagedPolicyArns", role)
                actions = [action for statement in statements(role) for action in listed(statement["Action"])]
                self.assertEqual(set(actions), ACTIONS[name])
        self.assertEqual(set(POLICIES), set(MORE_ACTIONS))
        for name, policy in POLICIES.items():
            with self.subTest(name):
                actions = [action for statement in policy["PolicyDocument"]["Statement"] for action in listed(statement["Action"])]
                self.assertEqual(set(actions), MORE_ACTIONS[name])
                # Only of roles that are looked at here, and never unasked.
                self.assertLessEqual({role["Ref"] for role in policy["Roles"]}, set(ROLES))
                self.assertIn("Condition", DOCUMENT["Resources"][name])
        for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
            self.assertEqual(resources(kind), {}, kind)

    def test_no_permission_is_for_every_resource(self) -> None:
        for name in ROLES:
            for statement in everything_of(name):
                if statement["Sid"] == "Trace":
                    # X-Ray knows no resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
                    continue
                for resource in listed(statement["Resource"]):
                    with self.subTest(role=name, sid=statement["Sid"]):
                        self.assertNotEqual(resource, "*")
                        if statement["Sid"] == "ReadForeignObjects":
                            # Somebody else's keys are not ours to know.
                            self.assertEqual(resource, {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BackfillBucket}/*"})
                        elif any(action in {"s3:PutObject", "s3:GetObject", "s3:PutObjectTagging", "s3:DeleteObject"}
                               for action in listed(statement["Action"])):
                            self.assertTrue(resource["Fn::Sub"].endswith("/photos/*"))

    def test_each_reaches_its_own_kinds_of_items_alone(self) -> None:
        """Every statement about the table is bound to partition keys. The local stack's emulator ignores `dynamodb:LeadingKeys`,
        and DynamoDB alone enforces it: this test holds the template to the list, and no end-to-end test can."""
        self.assertEqual(set(ROLES), set(ITEMS))
        for name, role in ROLES.items():
            with self.subTest(name):
                self.assertEqual(items_of(statements(role)), ITEMS[name])
        code = TEMPLATE.parent / "crates"
        self.assertIn(f"pub const SHARDS: u8 = {len(SHARDS)};", (code / "photo-domain/src/upkeep.rs").read_text())
        # Every partition that the code knows is somebody's.
        partitions = set(re.findall(r"^//! \| `(\w+#)", (code / "photo-aws/src/item.rs").read_text(), re.MULTILINE))
        keys = {key for items in ITEMS.values() for _, key in items} - {HEALTH, *SHARDS}
        self.assertEqual(partitions, {re.sub("#.*", "#", key) for key in keys})
        self.assertEqual(set(POLICIES), set(MORE_ITEMS))
        for name, policy in POLICIES.items():
            with self.subTest(name):
                self.assertEqual(items_of(policy["PolicyDocument"]["Statement"]), MORE_ITEMS[name])

    def test_a_statement_without_its_keys_does_not_pass(self) -> None:
        """The rule itself: a condition that is missing, another's or wider, and an action that names no key, are found."""
        keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["owner#*"]}}
        fine = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE, "Condition": keys}
        self.assertEqual(items_of([fine]), {("dynamodb:GetItem", "owner#*")})
        for wrong in (
            {"Condition": {}}, {"Condition": {"StringLike": {"dynamodb:LeadingKeys": ["owner#*"]}}},
            {"Condition": {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["owner#*"]}}},
            {"Condition": {"ForAllValues:StringLikeIfExists": {"dynamodb:LeadingKeys": ["owner#*"]}}},
            {"Action": "dynamodb:Scan"}, {"Action": ["dynamodb:GetItem", "dynamodb:PartiQLUpdate"]}, {"Action": "dynamodb:*"},
            {"Action": "*"}, {"NotAction": "s3:*"}, {"Resource": [TABLE, INDEX]}, {"Resource": INDEX, "Action": "dynamodb:GetItem"},
        ):
            with self.subTest(wrong), self.assertRaises(AssertionError):
                items_of([{**fine, **wrong}])

    def test_the_function_that_decodes_photos_can_mark_none_to_expire(self) -> None:
        """The lifecycle rules go by a tag, which reconcile alone may write: it never sees a sender's bytes."""
        for name in ROLES:
            for statement in everything_of(name):
                tags = {action for action in listed(statement["Action"]) if action.endswith("Tagging")}
                with self.subTest(role=name, sid=statement["Sid"]):
                    self.assertLessEqual(tags, {"s3:PutObjectTagging"} if name == "ReconcileRole" else set())

    def test_an_original_is_kept_for_longer_than_a_renewal_may_take(self) -> None:
        # RENEWAL_WINDOW in crates/photo-domain/src/upkeep.rs.
        upkeep = (ROOT / "crates/photo-domain/src/upkeep.rs").read_text()
        (days,) = re.findall(r"RENEWAL_WINDOW: Duration = Duration::from_hours\((\d+) \* 24\);", upkeep)
        waits = int(resources("AWS::SQS::Queue")["ThumbnailQueue"]["MessageRetentionPeriod"])
        self.assertLess(waits + 10 * int(FUNCTIONS["ThumbnailFunction"]["Timeout"]), int(days) * 86400)

    def test_logs_are_kept_for_as_long_as_the_parameter_says(self) -> None:
        groups = resources("AWS::Logs::LogGroup")
        for name, group in groups.items():
            self.assertEqual(group["RetentionInDays"], {"Ref": "LogRetentionDays"}, name)
        for name, function in FUNCTIONS.items():
            self.assertIn(function["LoggingConfig"]["LogGroup"]["Ref"], groups, name)

    def test_a_dead_letter_rings(self) -> None:
        rings = [alarm for alarm in resources("AWS::CloudWatch::Alarm").values()
                 if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"]
        self.assertIn({"Name": "QueueName", "Value": {"Fn::GetAtt": ["FailureQueue", "QueueName"]}},
                      [dimension for alarm in rings for dimension in alarm["Dimensions"]])

    def test_a_pending_record_outlives_the_failure_queue(self) -> None:
        queue_days = int(resources("AWS::SQS::Queue")["FailureQueue"]["MessageRetentionPeriod"]) / 86400
        self.assertGreater(int(DOCUMENT["Parameters"]["PendingRetentionDays"]["MinValue"]), queue_days)


class Reconcile(unittest.TestCase):
    def test_nothing_can_start_itself_again(self) -> None:
        """Who starts whom, by everything that can start a function: no way leads back to where it began."""
        starts: dict[str, set[str]] = {name: set() for name in FUNCTIONS}
        role_of = {function["Role"]["Fn::GetAtt"][0]: name for name, function in FUNCTIONS.items()}
        for role_name, function in role_of.items():
            for statement in everything_of(role_name):
                for action in listed(statement["Action"]):
                    self.assertNotIn("*", action)
                    if action in {"lambda:InvokeFunction", "lambda:InvokeAsync"}:
                        for target in listed(statement["Resource"]):
                            # An alias is one of its function's versions.
                            starts[function].add(target["Ref"].removesuffix(".Alias") if "Ref" in target
                                                 else target["Fn::GetAtt"][0])
                    # A message starts what the queue's mapping invokes.
                    if action == "sqs:SendMessage":
                        for target in listed(statement["Resource"]):
                            starts[function] |= started_by(target["Fn::GetAtt"][0])
                    # An original starts what the queue that the bucket notifies starts.
                    if action == "s3:PutObject":
                        for target in listed(statement["Resource"]):
                            if "-originals-" in target["Fn::Sub"]:
                                starts[function] |= started_by(NOTIFIED["Queue"]["Fn::GetAtt"][0])
        self.assertEqual(starts, {
            # Only by what a client does with the URL that it signs.
            "UploadFunction": {"ThumbnailFunction"},
            "ThumbnailFunction": set(),
            # By a message; a backfill from a bucket also by the originals that it writes.
            "ReconcileFunction": {"ThumbnailFunction"},
        })
        self.assert_no_way_back(starts)
        # No table or rule starts a function either, and dead letters start none.
        self.assertEqual(set(MAPPINGS), {"ThumbnailMapping"})
        self.assertEqual(started_by("FailureQueue"), set())
        for kind in ("AWS::Events::Rule", "AWS::Pipes::Pipe"):
            self.assertEqual(resources(kind), {}, kind)
        for name, function in FUNCTIONS.items():
            self.assertNotIn("Events", function, name)

    def assert_no_way_back(self, starts: dict[str, set[str]]) -> None:
        for first in starts:
            reached: set[str] = set()
            ahead = set(starts[first])
            while ahead:
                reached |= ahead
                ahead = {after for name in ahead for after in starts[name]} - reached
            self.assertNotIn(first, reached)

    def test_a_backfill_may_write_originals_and_read_one_foreign_bucket_and_no_more(self) -> None:
        by_sid = {statement["Sid"]: statement for statement in policies_of("ReconcileRole")["BackfillPolicy"]}
        foreign = "arn:${AWS::Partition}:s3:::${BackfillBucket}"
        self.assertEqual(by_sid["ListForeignObjects"]["Resource"], {"Fn::Sub": foreign})
        self.assertEqual(by_sid["ReadForeignObjects"]["Resource"], {"Fn::Sub": f"{foreign}/*"})
        variables = FUNCTIONS["ReconcileFunction"]["Environment"]["Variables"]
        self.assertEqual(variables["PHOTODROP_BACKFILL_BUCKET"], {"Ref": "BackfillBucket"})
        self.assertEqual(by_sid["CopyThemToOriginals"]["Resource"],
                         {"Fn::Sub": "arn:${AWS::Partition}:s3:::${AWS::StackName}-originals-${AWS::AccountId}-${AWS::Region}/photos/*"})
        self.assertEqual(by_sid["MakeTheirRecords"]["Condition"],
                         {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["owner#*"]}})
        self.assertEqual(DOCUMENT["Conditions"]["BackfillFromBucket"],
                         {"Fn::Not": [{"Fn::Equals": [{"Ref": "BackfillBucket"}, ""]}]})
        self.assertEqual(DOCUMENT["Resources"]["BackfillPolicy"]["Condition"], "BackfillFromBucket")
        self.assertEqual(DOCUMENT["Parameters"]["BackfillBucket"]["Default"], "")

    def test_it_knows_by_what_settings_variants_are_made(self) -> None:
        """A backfill compares a record's recipe with today's: what both functions read must be the same."""
        code = (TEMPLATE.parent / "crates/photo-aws/src/config.rs").read_text()
        names = re.findall(r'"(PHOTODROP_\w+)"', code.split("RECIPE_VARIABLES: [&str; 10] = [")[1].split("];")[0])
        self.assertEqual(len(names), 10)
        makes, looks = (FUNCTIONS[name]["Environment"]["Variables"] for name in ("ThumbnailFunction", "ReconcileFunction"))
        for name in names:
            self.assertEqual(makes[name], looks[name], name)
        # Everything else that the function that makes them is told does not change how they look.
        self.assertEqual(set(makes) - set(names), {
            "PHOTODROP_EVENT_BUS_NAME", "PHOTODROP_DAMAGED_PHOTOS", "PHOTODROP_MAX_PIXELS", "PHOTODROP_MAX_SIDE",
            "PHOTODROP_THUMBNAIL_QUEUE_URL", "PHOTODROP_FAILURE_QUEUE_URL"})

    def test_every_function_knows_the_types_that_are_taken_and_heic_is_not_one_by_default(self) -> None:
        """The API refuses others, the thumbnail function decodes no others, a backfill takes over no others."""
        shared = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]
        self.assertEqual(shared["PHOTODROP_ALLOWED_CONTENT_TYPES"], {"Ref": "AllowedContentTypes"})
        parameter = DOCUMENT["Parameters"]["AllowedContentTypes"]
        self.assertNotIn("image/heic", parameter["Default"].split(","))
        for good in (parameter["Default"], f'{parameter["Default"]},image/heic', "image/heic"):
            self.assertRegex(good, parameter["AllowedPattern"])
        for bad in ("", "image/avif", "image/heif", "application/octet-stream", "image/jpeg,", "image/jpeg, image/png"):
            self.assertNotRegex(bad, parameter["AllowedPattern"])

    def test_damaged_photos_are_shown_unless_refused(self) -> None:
        """The word decides which photos have variants and not how these look: no photo is renewed for it."""
        parameter = DOCUMENT["Parameters"]["DamagedPhotos"]
        self.assertEqual((parameter["Default"], parameter["AllowedValues"]), ("show", ["show", "refuse"]))
        told = {name for name, function in FUNCTIONS.items()
                if function["Environment"]["Variables"].get("PHOTODROP_DAMAGED_PHOTOS") == {"Ref": "DamagedPhotos"}}
        self.assertEqual(told, {"ThumbnailFunction"})

    def test_its_timer_alone_starts_it_and_may_start_nothing_else(self) -> None:
        ((_, timer),) = resources("AWS::Scheduler::Schedule").items()
        self.assertEqual(timer["Target"]["Arn"], {"Fn::GetAtt": ["ReconcileFunction", "Arn"]})
        self.assertEqual(timer["Target"]["RetryPolicy"]["MaximumRetryAttempts"], 0)
        (statement,) = statements(ROLES["ReconcileTimerRole"])
        self.assertEqual(statement["Resource"], {"Fn::GetAtt": ["ReconcileFunction", "Arn"]})
        self.assertEqual(FUNCTIONS["ReconcileFunction"]["EventInvokeConfig"]["MaximumRetryAttempts"], 0)

    def test_without_a_foreign_bucket_it_can_make_no_record_and_write_no_object(self) -> None:
        self.assertEqual({key for action, key in items_of(statements(ROLES["ReconcileRole"])) if action == "dynamodb:PutItem"},
                         {"system#reconcile"})
        self.assertFalse({"s3:PutObject", "s3:GetObject"} & ACTIONS["ReconcileRole"])

    def test_orphans_are_left_alone_for_an_hour_at_least(self) -> None:
        self.assertGreaterEqual(int(DOCUMENT["Parameters"]["OrphanGraceSeconds"]["MinValue"]), 3600)
        self.assertLessEqual(int(DOCUMENT["Parameters"]["ReconcileMaxOrphanPercent"]["Default"]), 10)

    def test_a_delete_outlives_every_signature_and_every_invocation(self) -> None:
        upkeep = (ROOT / "crates/photo-domain/src/upkeep.rs").read_text()
        minutes = {name: int(value) for name, value in
                   re.findall(r"pub const (\w+): Duration = Duration::from_mins\((\d+)\);", upkeep)}
        life, margin = minutes["SIGNATURE_LIFE"] * 60, minutes["REQUEST_MARGIN"] * 60
        self.assertIn("DELETE_WAIT: Duration = SIGNATURE_LIFE.saturating_add(REQUEST_MARGIN);", upkeep)
        self.assertEqual(int(DOCUMENT["Parameters"]["UploadUrlExpirySeconds"]["MaxValue"]), life)
        # An invocation of the upload function that read the record before the delete still signs, one of the thumbnail
        # function writes variants, and one of reconcile copies a photo from a foreign bucket.
        for name, function in FUNCTIONS.items():
            self.assertLess(int(function["Timeout"]), margin, name)

    def test_reconcile_aborts_uploads_of_originals_alone(self) -> None:
        (statement,) = [statement for statement in everything_of("ReconcileRole")
                        if "s3:AbortMultipartUpload" in listed(statement["Action"])]
        (resource,) = listed(statement["Resource"])
        self.assertIn("-originals-", resource["Fn::Sub"])
        self.assertTrue(resource["Fn::Sub"].endswith("/photos/*"))


class TheTable(unittest.TestCase):
    def test_the_index_of_due_records_is_sparse_and_small(self) -> None:
        ((_, table),) = resources("AWS::DynamoDB::Table").items()
        (index,) = table["GlobalSecondaryIndexes"]
        self.assertEqual(index["IndexName"], "due")
        self.assertEqual([key["AttributeName"] for key in index["KeySchema"]], ["due_shard", "due_at"])
        self.assertEqual(index["Projection"], {"ProjectionType": "KEYS_ONLY"})

    def test_it_is_on_demand_recoverable_and_kept(self) -> None:
        ((name, table),) = resources("AWS::DynamoDB::Table").items()
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")
        self.assertIs(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], True)
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "expires_at", "Enabled": True})
        self.assertEqual(DOCUMENT["Resources"][name]["DeletionPolicy"], "RetainExceptOnCreate")


if __name__ == "__main__":
    unittest.main()
