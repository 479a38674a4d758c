"""The deploy role can make, change and remove what the template has, and nothing else; the boundary bounds what the template's roles may do."""

from __future__ import annotations

import itertools
import json
import unittest
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.local.settings import ROOT
from infra.tests import reference
from infra.tests.iam import Context, allowed, applies, covers, listed, matches
from infra.tests.simulation import UNKNOWN_TO_IAM, Simulation
from infra.tests.stack import ACCOUNT, ARTIFACTS, REGION, Stack, deploy_role, statements_of, transformed

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/photodrop-boundary-{REGION}"
# Between them these have every resource and every form of a resource that the template can have.
VARIANTS: list[dict[str, str]] = [
    {},
    {"VariantDelivery": "cloudfront", "GradualDeployment": "true", "AlarmEmail": "ops@example.com", "BackfillBucket": "old-photos",
     "ThumbnailReservedConcurrency": "10", "UploadReservedConcurrency": "10", "ReconcileReservedConcurrency": "1"},
    {"JwtIssuer": "https://issuer.example", "JwtAudience": "photos", "EventBusName": "shared", "ReconcileEnabled": "false",
     "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms", "GradualDeployment": "true"},
]
# An administrator names in deploy-role.yaml what the template's parameters of the same names name.
SHARED_PARAMETERS = ("BackfillBucket", "EventBusName")


@cache
def stacks() -> list[tuple[Stack, Stack]]:
    """Each variant of the template, bounded, with the deploy roles that an administrator made for it."""
    given = [{**variant, "PermissionsBoundaryArn": BOUNDARY} for variant in VARIANTS]
    return [(Stack(transformed(**parameters), given=parameters),
             deploy_role(**{name: parameters[name] for name in SHARED_PARAMETERS if name in parameters})) for parameters in given]


def all_statements() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement of both files, with where it stands."""
    for stack, role in stacks():
        for name in ("DeployRole", "ChangeRole"):
            for statement in statements_of(role, name):
                yield f"deploy-role.yaml {name} {statement['Sid']}", statement
        for statement in role.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]:
            yield f"deploy-role.yaml Boundary {statement['Sid']}", statement
        for name, statement in role_statements(stack):
            yield f"template.yaml {name} {statement['Sid']}", statement


def role_statements(stack: Stack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the template's roles may do, the policies that stand apart from them included."""
    for name, resource in stack.resources.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::Role":
            assert not properties.get("ManagedPolicyArns"), f"{name}: a managed policy's content is unknown here"
            for policy in properties["Policies"]:
                yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])
        elif resource["Type"] == "AWS::IAM::Policy":
            yield from ((name, statement) for statement in properties["PolicyDocument"]["Statement"])


# Documented, and not in the reference: a transform is a resource of CreateChangeSet.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
TRANSFORM = f"arn:aws:cloudformation:{REGION}:aws:transform/Serverless-2016-10-31"
# These know a resource, and a condition bounds them instead.
FOR_ALL = {
    # While it is made no key and no distribution can be named: the request's tag.
    "kms:TagResource", "cloudfront:TagResource",
    # The function's ARN.
    "lambda:DeleteEventSourceMapping", "lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping",
}


class TheReference(unittest.TestCase):
    """Each statement against AWS's Service Authorization Reference: what does not stand there never matches."""

    def test_each_action_exists(self) -> None:
        for place, statement in all_statements():
            for pattern in listed(statement["Action"]):
                with self.subTest(place, action=pattern):
                    self.assertTrue(reference.matching(pattern), "no such action")

    def test_each_action_knows_a_resource_of_its_statement(self) -> None:
        for place, statement in all_statements():
            resources = [resource for resource in listed(statement["Resource"]) if resource != TRANSFORM]
            for pattern in listed(statement["Action"]):
                if statement["Effect"] == "Deny" or not resources:
                    continue
                with self.subTest(place, action=pattern):
                    actions = reference.matching(pattern)
                    if resources == ["*"]:
                        self.assertEqual([action for action in actions if action not in FOR_ALL and reference.resource_types(action)], [],
                                         "knows resources")
                    else:
                        self.assertTrue(any(reference.fits(action, arn) for action in actions for arn in resources), "never matches")

    def test_each_resource_is_known_to_an_action(self) -> None:
        for place, statement in all_statements():
            for resource in listed(statement["Resource"]):
                if statement["Effect"] == "Deny" or resource in {"*", TRANSFORM}:
                    continue
                actions = [action for pattern in listed(statement["Action"]) for action in reference.matching(pattern)]
                with self.subTest(place, resource=resource):
                    self.assertTrue(any(reference.fits(action, resource) for action in actions))

    def test_each_condition_is_known_to_each_action(self) -> None:
        for place, statement in all_statements():
            keys = [key for conditions in statement.get("Condition", {}).values() for key in conditions]
            for pattern, resource, key in itertools.product(listed(statement["Action"]), listed(statement["Resource"]), keys):
                for action in reference.matching(pattern):
                    if resource != "*" and not reference.fits(action, resource):
                        continue
                    with self.subTest(place, action=action, key=key):
                        self.assertTrue(reference.supports(action, resource, key), "never holds")


OWN_BUCKET = f"arn:aws:s3:::photodrop-originals-{ACCOUNT}-{REGION}"
OWN_TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/photodrop-PhotosTable-1A2B"
OWN_QUEUES = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:photodrop-thumbnail", f"arn:aws:sqs:{REGION}:{ACCOUNT}:photodrop-FailureQueue-1A2B"]
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/photodrop/photodrop/{REGION}/photodrop-UploadRole-1A2B"
OWN_TAGS = {"aws:ResourceTag/aws:cloudformation:stack-name": "photodrop", "aws:ResourceTag/photodrop-stack": f"photodrop/{REGION}",
            "aws:RequestTag/photodrop-stack": f"photodrop/{REGION}", "aws:ResourceAccount": ACCOUNT, "aws:RequestedRegion": REGION}
# What neither deploy role may do to the stack's own resources, with every tag right: (action, resource).
NEVER = [
    *((action, f"{OWN_BUCKET}/photos/a/b") for action in (
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl", "s3:RestoreObject")),
    *((f"dynamodb:{verb}", OWN_TABLE) for verb in (
        "BatchGetItem", "BatchWriteItem", "DeleteItem", "DeleteTable", "ExportTableToPointInTime", "GetItem", "PartiQLSelect", "PutItem",
        "PutResourcePolicy", "Query", "Scan", "UpdateItem")),
    *((f"sqs:{verb}", queue) for queue in OWN_QUEUES for verb in ("DeleteMessage", "PurgeQueue", "ReceiveMessage", "SendMessage")),
    ("sqs:DeleteQueue", OWN_QUEUES[1]),
    ("cognito-idp:DeleteUserPool", f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_a"),
    ("cognito-idp:AdminGetUser", f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_a"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:photodrop-reconcile"),
    ("sts:AssumeRole", OWN_ROLE),
    ("iam:AttachRolePolicy", OWN_ROLE),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/photodrop"),
    ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/admin"),
    ("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/photodrop-other"),
]
# Whose names and tags bound nothing: what an account has of these, each stack's deploy role can reach (docs/adr/051).
ACCOUNT_WIDE = (
    "arn:aws:cloudfront::*:cache-policy/*", "arn:aws:cloudfront::*:origin-access-control/*", "arn:aws:cloudfront::*:response-headers-policy/*",
    "arn:aws:apigateway:*::/apis", "arn:aws:apigateway:*::/tags/*", "arn:aws:codedeploy:*:deploymentconfig:CodeDeployDefault.Lambda*",
)
# Reads, and tags on which no permission depends.
UNBOUND = {"cloudwatch:DescribeAlarms", "cognito-idp:TagResource", "lambda:TagResource", "lambda:UntagResource", "lambda:ListTags"}
OTHER_STACKS = ("photodrop-dev", "photodrop-thumbnail", "photodrop-originals", "photodrop-api", "photo", "photodrop2", "other")


class TheChangeRole(unittest.TestCase):
    """The role by which CloudFormation changes the resources."""

    def test_every_handler_may_do_its_work(self) -> None:
        unknown: set[str] = set()
        for stack, role in stacks():
            statements = statements_of(role, "ChangeRole")
            simulation = Simulation(stack)
            for name, call in simulation.calls():
                with self.subTest(name, handler=call.handler, action=call.action, arn=call.arn, given=stack.given):
                    self.assertTrue(allowed(statements, call.action, call.arn, call.context),
                                    f"infra/deploy-role.yaml does not allow it, with {call.context}")
            unknown |= simulation.unknown
        self.assertEqual(unknown, UNKNOWN_TO_IAM, "IAM knows no such action: is it another's name, or is the reference too old?")

    def test_every_action_and_resource_is_some_handlers(self) -> None:
        calls = [(call.action, call.arn, call.context) for stack, _ in stacks() for _, call in Simulation(stack).calls()]
        # The transform is no resource, and a bucket is removed only where its creation failed.
        calls += [("cloudformation:CreateChangeSet", TRANSFORM, {}), ("s3:DeleteBucket", OWN_BUCKET, {})]
        for _, role in stacks():
            for statement in statements_of(role, "ChangeRole"):
                if statement["Effect"] == "Deny":
                    continue
                used = [(action, arn) for action, arn, context in calls if applies(statement, action, arn, context)]
                for pattern in listed(statement["Action"]):
                    with self.subTest(statement["Sid"], action=pattern):
                        self.assertTrue(any(matches(pattern, action, fold=True) for action, _ in used))
                for pattern in listed(statement["Resource"]):
                    with self.subTest(statement["Sid"], resource=pattern):
                        self.assertTrue(any(matches(pattern, arn) for _, arn in used))

    def test_simulation_reaches_each_type_and_handler(self) -> None:
        seen: dict[str, set[str]] = {}
        for stack, _ in stacks():
            for name, call in Simulation(stack).calls():
                seen.setdefault(stack.resources[name]["Type"], set()).add(call.handler)
        made = {resource["Type"] for stack, _ in stacks() for resource in stack.document["Resources"].values()}
        self.assertEqual(set(seen), made, "a resource of the template is in no variant")
        for kind, handlers in seen.items():
            with self.subTest(kind):
                self.assertIn("create", handlers)
                self.assertTrue("delete" in handlers or kind in {"AWS::DynamoDB::Table", "AWS::Cognito::UserPool", "AWS::S3::Bucket",
                                                                  "AWS::Lambda::Version"})

    def test_empty_bucket_of_a_failed_creation_can_be_removed(self) -> None:
        # RetainExceptOnCreate: a name of its own would be in the next creation's way.
        for stack, role in stacks():
            for name, resource in stack.resources.items():
                if resource["Type"] == "AWS::S3::Bucket":
                    self.assertTrue(allowed(statements_of(role, "ChangeRole"), "s3:DeleteBucket", stack.attribute(name, "Arn")))

    def test_resources_of_other_stacks_are_out_of_reach(self) -> None:
        own = deploy_role(ApiId="own0000001")
        pairs = [(own, "photodrop", other, REGION) for other in OTHER_STACKS]
        pairs += [(own, "photodrop", "photodrop", "us-east-1"),
                  (deploy_role("photodrop-dev", ApiId="own0000001"), "photodrop-dev", "photodrop", REGION)]
        given = {**VARIANTS[1], "PermissionsBoundaryArn": BOUNDARY}
        for role, name, other, region in pairs:
            stack = Stack(transformed(prefix=other, **given), other, region, given)
            statements = statements_of(role, "ChangeRole")
            for resource, call in Simulation(stack).calls():
                if call.arn == "*" or any(matches(pattern, call.arn) for pattern in ACCOUNT_WIDE) or call.action in UNBOUND:
                    continue
                if name == other and call.action.startswith("s3:GetObject"):
                    # SAM's bucket of another region: reading an archive there harms nothing.
                    continue
                with self.subTest(resource, by=name, of=other, region=region, action=call.action, arn=call.arn):
                    self.assertFalse(allowed(statements, call.action, call.arn, call.context))

    def test_neither_role_reads_or_removes_data_or_makes_principals(self) -> None:
        for _, role in stacks():
            for name in ("DeployRole", "ChangeRole"):
                statements = statements_of(role, name)
                for action, arn in NEVER:
                    with self.subTest(name, action=action, arn=arn):
                        self.assertIsNotNone(reference.action(action))
                        self.assertFalse(allowed(statements, action, arn, OWN_TAGS))

    def test_roles_change_only_within_the_boundary(self) -> None:
        statements = statements_of(deploy_role(), "ChangeRole")
        others: list[Context] = [{}, *({"iam:PermissionsBoundary": arn} for arn in (
            f"{BOUNDARY}-2", "arn:aws:iam::aws:policy/AdministratorAccess"))]
        for verb in ("CreateRole", "DeleteRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole"):
            with self.subTest(verb):
                self.assertTrue(allowed(statements, f"iam:{verb}", OWN_ROLE, {"iam:PermissionsBoundary": BOUNDARY}))
                for context in others:
                    self.assertFalse(allowed(statements, f"iam:{verb}", OWN_ROLE, context), context)
        for context in [*others, {"iam:PermissionsBoundary": BOUNDARY}]:
            self.assertFalse(allowed(statements, "iam:DeleteRolePermissionsBoundary", OWN_ROLE, context))

    def test_deploy_roles_and_boundary_change_themselves_never(self) -> None:
        role = deploy_role()
        statements = statements_of(role, "ChangeRole")
        kinds = {"AWS::IAM::Role": "role", "AWS::IAM::ManagedPolicy": "policy"}
        writes = {kind: [f"iam:{name}" for name, entry in reference.services()["iam"]["privileges"].items()
                         if kind in entry["resource_types"] and entry["access_level"] in {"Write", "Permissions management", "Tagging"}]
                  for kind in kinds.values()}
        found = [(resource["Type"], role.attribute(name, "Arn")) for name, resource in role.resources.items() if resource["Type"] in kinds]
        self.assertEqual(len(found), 6)
        for kind, arn in found:
            for action in writes[kinds[kind]]:
                with self.subTest(arn, action=action):
                    self.assertFalse(allowed(statements, action, arn, {**OWN_TAGS, "iam:PermissionsBoundary": BOUNDARY}))
                    # Nor if a later statement allowed it.
                    self.assertFalse(allowed([*statements, {"Effect": "Allow", "Action": "*", "Resource": "*"}], action, arn))

    def test_roles_are_passed_to_their_services_alone(self) -> None:
        statements = statements_of(deploy_role(), "ChangeRole")
        for service in ("lambda", "scheduler", "codedeploy", "ec2", "ecs-tasks", "cloudformation"):
            with self.subTest(service):
                self.assertEqual(allowed(statements, "iam:PassRole", OWN_ROLE, {"iam:PassedToService": f"{service}.amazonaws.com"}),
                                 service in {"lambda", "scheduler", "codedeploy"})


CHANGE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/photodrop-cloudformation-{REGION}"


def stack_arn(name: str, region: str = REGION) -> str:
    return f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/51af3dc0-da77-11e4-872e-1234567db123"


def artifact(prefix: str) -> str:
    return f"arn:aws:s3:::{ARTIFACTS}/{prefix}/0a1b2c.template"


class TheDeployRole(unittest.TestCase):
    """The role of GitHub Actions, for what `make deploy` and `make smoke` call, SAM's code included."""

    def test_calls_of_a_deployment_are_allowed_on_this_stack_alone(self) -> None:
        statements = statements_of(deploy_role(), "DeployRole")
        create: Context = {"cloudformation:RoleArn": CHANGE_ROLE}
        pool, tag = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/x", "aws:ResourceTag/aws:cloudformation:stack-name"
        here: Context = {"aws:ResourceAccount": ACCOUNT, "aws:RequestedRegion": REGION}
        to = "iam:PassedToService"
        rows: list[tuple[bool, str, str, Context]] = [
            *((True, f"cloudformation:{verb}", stack_arn("photodrop"), {}) for verb in (
                "DescribeStacks", "GetTemplateSummary", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStackEvents", "DeleteChangeSet")),
            (True, "cloudformation:DescribeStacks", stack_arn("aws-sam-cli-managed-default"), {}),
            (False, "cloudformation:ExecuteChangeSet", stack_arn("aws-sam-cli-managed-default"), {}),
            (False, "cloudformation:ExecuteChangeSet", stack_arn("photodrop-dev"), {}),
            (False, "cloudformation:ExecuteChangeSet", stack_arn("photodrop", "us-east-1"), {}),
            (False, "cloudformation:ExecuteChangeSet", stack_arn("photodrop-deploy-role"), {}),
            (True, "cloudformation:CreateChangeSet", stack_arn("photodrop"), create),
            (True, "cloudformation:CreateChangeSet", TRANSFORM, create),
            (False, "cloudformation:CreateChangeSet", stack_arn("photodrop-dev"), create),
            (False, "cloudformation:CreateChangeSet", stack_arn("photodrop"), {}),
            (False, "cloudformation:CreateChangeSet", stack_arn("photodrop"), {"cloudformation:RoleArn": f"arn:aws:iam::{ACCOUNT}:role/admin"}),
            (False, "cloudformation:CreateChangeSet", stack_arn("photodrop"), {**create, "cloudformation:ImportResourceTypes": ["AWS::KMS::Key"]}),
            *((False, f"cloudformation:{verb}", stack_arn("photodrop"), create) for verb in (
                "CreateStack", "UpdateStack", "DeleteStack", "SetStackPolicy")),
            *((True, f"s3:{verb}", artifact("photodrop"), here) for verb in ("GetObject", "PutObject")),
            *((False, "s3:PutObject", artifact(prefix), here) for prefix in ("photodrop-dev", "other", "")),
            (False, "s3:PutObject", f"arn:aws:s3:::{ARTIFACTS}/0a1b2c.template", here),
            (False, "s3:PutObject", artifact("photodrop"), {**here, "aws:RequestedRegion": "us-east-1"}),
            (False, "s3:PutObject", artifact("photodrop"), {**here, "aws:ResourceAccount": "999999999999"}),
            (False, "s3:DeleteObject", artifact("photodrop"), here),
            (True, "iam:PassRole", CHANGE_ROLE, {to: "cloudformation.amazonaws.com"}),
            (False, "iam:PassRole", CHANGE_ROLE, {to: "lambda.amazonaws.com"}),
            (False, "iam:PassRole", OWN_ROLE, {to: "cloudformation.amazonaws.com"}),
            (True, "lambda:GetAccountSettings", "*", {}),
            (True, "cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*", {}),
            *((True, f"cognito-idp:{verb}", pool, {tag: "photodrop"}) for verb in ("AdminCreateUser", "AdminSetUserPassword", "AdminDeleteUser")),
            *((False, "cognito-idp:AdminCreateUser", pool, context) for context in ({}, {tag: "photodrop-dev"})),
        ]
        for expected, action, arn, context in rows:
            with self.subTest(action=action, arn=arn, context=context):
                self.assertIsNotNone(reference.action(action))
                self.assertEqual(allowed(statements, action, arn, context), expected)

    def test_one_environment_of_one_repository_may_take_it(self) -> None:
        (statement,) = deploy_role(GitHubEnvironment="prod").resources["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(statement["Condition"], {"StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:owner/photodrop:environment:prod"}})
        self.assertEqual((statement["Effect"], statement["Action"]), ("Allow", "sts:AssumeRoleWithWebIdentity"))

    def test_names_carry_the_region_for_iam_is_global(self) -> None:
        here, there = deploy_role(), deploy_role(region="us-east-1")
        for name, resource in here.resources.items():
            if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}:
                with self.subTest(name):
                    self.assertNotEqual(here.physical(name), there.physical(name))
                    self.assertIn(REGION, here.physical(name))


class TheBoundary(unittest.TestCase):
    """What the template's roles may do at most."""

    def test_every_role_carries_it_and_has_the_stacks_path(self) -> None:
        for stack, role in stacks():
            self.assertEqual(role.reference("Boundary"), BOUNDARY)
            for name, resource in stack.resources.items():
                if resource["Type"] == "AWS::IAM::Role":
                    with self.subTest(name):
                        self.assertEqual(resource["Properties"].get("PermissionsBoundary"), BOUNDARY)
                        self.assertEqual(resource["Properties"].get("Path"), f"/photodrop/photodrop/{REGION}/")
        # And none without it where there is none to give: an administrator's first deployment.
        unbounded = Stack(transformed(), given={})
        self.assertFalse([name for name, resource in unbounded.resources.items() if "PermissionsBoundary" in resource["Properties"]])

    def test_each_roles_policy_is_within_it(self) -> None:
        for stack, role in stacks():
            boundary = role.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
            for name, statement in role_statements(stack):
                for action, resource in itertools.product(listed(statement["Action"]), listed(statement["Resource"])):
                    with self.subTest(name, action=action, resource=resource, given=stack.given):
                        self.assertTrue(any(covers(outer, action, resource, statement.get("Condition", {})) for outer in boundary))

    def test_it_allows_nothing_that_no_role_does(self) -> None:
        used: set[tuple[str, str]] = set()
        for stack, role in stacks():
            boundary = role.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
            for _, statement in role_statements(stack):
                for action, resource in itertools.product(listed(statement["Action"]), listed(statement["Resource"])):
                    used |= {(action, pattern) for outer in boundary for pattern in listed(outer["Resource"])
                             if action in listed(outer["Action"]) and matches(pattern, resource)}
        for _, role in stacks():
            for outer in role.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]:
                self.assertEqual(outer["Effect"], "Allow")
                for action, pattern in itertools.product(listed(outer["Action"]), listed(outer["Resource"])):
                    with self.subTest(outer["Sid"], action=action, resource=pattern):
                        self.assertIn((action, pattern), used)

    def test_backfill_and_foreign_bus_are_an_administrators(self) -> None:
        statements = deploy_role().resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
        for action, arn in (("s3:GetObject", "arn:aws:s3:::old-photos/a"), ("s3:ListBucket", "arn:aws:s3:::old-photos"),
                            ("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/shared")):
            with self.subTest(action):
                self.assertFalse(allowed(statements, action, arn))


class Sizes(unittest.TestCase):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

    def test_policies_and_names_fit_the_longest_stack_name(self) -> None:
        for region, length in (("us-east-1", 29), ("ap-southeast-1", 24), ("us-isob-east-1", 24)):
            for parameters in ({}, {"BackfillBucket": "b" * 63, "EventBusName": "e" * 256}):
                role = deploy_role("p" * length, region, **parameters)
                for name, resource in role.resources.items():
                    properties = resource["Properties"]
                    with self.subTest(name, region=region):
                        if resource["Type"] == "AWS::IAM::ManagedPolicy":
                            self.assertLessEqual(self.size(properties["PolicyDocument"]), 6144)
                            self.assertLessEqual(len(role.physical(name)), 128)
                            self.assertLessEqual(len(properties["Description"]), 1000)
                        elif resource["Type"] == "AWS::IAM::Role":
                            self.assertLessEqual(sum(self.size(policy["PolicyDocument"]) for policy in properties.get("Policies", ())), 10240)
                            self.assertLessEqual(len(properties.get("ManagedPolicyArns", ())), 10)
                            self.assertLessEqual(len(role.physical(name)), 64)

    def test_template_of_the_roles_needs_no_bucket(self) -> None:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
        self.assertLess((ROOT / "infra" / "deploy-role.yaml").stat().st_size, 51_200)

    @staticmethod
    def size(document: Any) -> int:
        """IAM counts no white space."""
        return len(json.dumps(document, separators=(",", ":")))


if __name__ == "__main__":
    unittest.main()
