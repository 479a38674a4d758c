"""The deploy role may make what the template has, and may not touch what must stay."""

import fnmatch
import unittest
from typing import Any

import boto3
from cfnlint.decode import cfn_yaml
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.local import release
from infra.local.settings import ROOT, TEMPLATE

DOCUMENT = cfn_yaml.load(str(TEMPLATE))
ROLE = cfn_yaml.load(str(ROOT / "infra" / "deploy-role.yaml"))

# What CloudFormation calls to make one of each type; a type that is not here fails the test.
MAKES = {
    "AWS::ApiGatewayV2::Api": "apigateway:POST",
    "AWS::ApiGatewayV2::Authorizer": "apigateway:POST",
    "AWS::ApiGatewayV2::Integration": "apigateway:POST",
    "AWS::ApiGatewayV2::Route": "apigateway:POST",
    "AWS::ApiGatewayV2::Stage": "apigateway:POST",
    "AWS::CloudFront::CachePolicy": "cloudfront:CreateCachePolicy",
    "AWS::CloudFront::Distribution": "cloudfront:CreateDistribution",
    "AWS::CloudFront::OriginAccessControl": "cloudfront:CreateOriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy": "cloudfront:CreateResponseHeadersPolicy",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard",
    "AWS::Cognito::UserPool": "cognito-idp:CreateUserPool",
    "AWS::Cognito::UserPoolClient": "cognito-idp:CreateUserPoolClient",
    "AWS::DynamoDB::Table": "dynamodb:CreateTable",
    "AWS::Events::EventBus": "events:CreateEventBus",
    "AWS::IAM::Policy": "iam:PutRolePolicy",
    "AWS::IAM::Role": "iam:CreateRole",
    "AWS::KMS::Key": "kms:CreateKey",
    "AWS::Lambda::Permission": "lambda:AddPermission",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup",
    "AWS::S3::Bucket": "s3:CreateBucket",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SNS::Subscription": "sns:Subscribe",
    "AWS::SNS::Topic": "sns:CreateTopic",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SQS::Queue": "sqs:CreateQueue",
    "AWS::Scheduler::Schedule": "scheduler:CreateSchedule",
    "AWS::Serverless::Function": "lambda:CreateFunction",
}
# What SAM makes of a function with an alias that is deployed gradually.
BY_SAM = {"lambda:PublishVersion", "lambda:CreateAlias", "codedeploy:CreateApplication", "codedeploy:CreateDeploymentGroup",
          "codedeploy:CreateDeployment", "iam:AttachRolePolicy"}
# What neither role may do, whatever else is added.
NEVER = {"s3:DeleteBucket", "s3:DeleteObject", "dynamodb:DeleteTable", "dynamodb:Scan", "dynamodb:GetItem",
         "sqs:DeleteQueue", "sqs:ReceiveMessage", "cognito-idp:DeleteUserPool", "iam:CreateUser", "iam:CreateAccessKey"}


def statements(role: str) -> list[dict[str, Any]]:
    policies = ROLE["Resources"][role]["Properties"]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allows(role: str, action: str) -> bool:
    return any(fnmatch.fnmatchcase(action, pattern) for statement in statements(role)
               if statement["Effect"] == "Allow" for pattern in listed(statement["Action"]))


def transformed(**parameters: str) -> dict[str, Any]:
    """The resources that SAM makes of the template, as CloudFormation does it on AWS."""
    document = yaml_parse(release.template("arm64"))
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://artifacts/" + resource["Properties"]["CodeUri"]
    given = {name: str(parameter.get("Default", "")) for name, parameter in document["Parameters"].items()}
    session = boto3.session.Session(region_name="eu-central-1")
    return Translator({}, Parser(), boto_session=session).translate(document, {**given, **parameters})["Resources"]


def types(resources: dict[str, Any]) -> set[str]:
    return {resource["Type"] for resource in resources.values()}


class TheDeployRole(unittest.TestCase):
    def test_every_resource_of_the_template_can_be_made(self) -> None:
        for name, resource in DOCUMENT["Resources"].items():
            with self.subTest(name):
                self.assertIn(resource["Type"], MAKES, "say here what makes it, and allow it in infra/deploy-role.yaml")
                self.assertTrue(allows("ChangeRole", MAKES[resource["Type"]]), MAKES[resource["Type"]])
        for action in BY_SAM:
            self.assertTrue(allows("ChangeRole", action), action)

    def test_no_data_can_be_read_or_removed(self) -> None:
        for role in ("DeployRole", "ChangeRole"):
            for action in NEVER:
                self.assertFalse(allows(role, action), f"{role} {action}")

    def test_only_one_environment_of_one_repository_may_take_it(self) -> None:
        (statement,) = ROLE["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        equals = statement["Condition"]["StringEquals"]
        self.assertEqual(equals["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com")
        self.assertEqual(equals["token.actions.githubusercontent.com:sub"],
                         {"Fn::Sub": "repo:${Repository}:environment:${GitHubEnvironment}"})

    def test_every_resource_is_there_for_good_or_has_the_stacks_name(self) -> None:
        without = {"MakeKey", "LogsEverywhere"}
        for role in ("DeployRole", "ChangeRole"):
            for statement in statements(role):
                for resource in listed(statement["Resource"]):
                    with self.subTest(role=role, sid=statement["Sid"]):
                        self.assertEqual(resource == "*", statement["Sid"] in without)

    def test_neither_role_can_change_itself(self) -> None:
        (denied,) = [statement for statement in statements("ChangeRole") if statement["Effect"] == "Deny"]
        self.assertEqual((denied["Action"], len(denied["Resource"])), ("iam:*", 2))


class Versions(unittest.TestCase):
    """What is served is a version behind the alias, and a gradual deployment goes back on an alarm."""

    def test_api_bucket_and_reconcile_call_the_alias(self) -> None:
        resources = DOCUMENT["Resources"]

        def named(name: str) -> Any:
            return resources[name]["Properties"]

        self.assertEqual(named("UploadIntegration")["IntegrationUri"], {"Ref": "UploadFunction.Alias"})
        self.assertEqual(named("ApiPermission")["FunctionName"], {"Ref": "UploadFunction.Alias"})
        self.assertEqual(named("OriginalsPermission")["FunctionName"], {"Ref": "ThumbnailFunction.Alias"})
        (notified,) = named("OriginalsBucket")["NotificationConfiguration"]["LambdaConfigurations"]
        self.assertEqual(notified["Function"], {"Ref": "ThumbnailFunction.Alias"})
        self.assertEqual(named("ReconcileFunction")["Environment"]["Variables"]["PHOTODROP_THUMBNAIL_FUNCTION"],
                         {"Ref": "ThumbnailFunction.Alias"})

    def test_alarms_roll_back(self) -> None:
        for name in ("UploadFunction", "ThumbnailFunction"):
            function = DOCUMENT["Resources"][name]["Properties"]
            self.assertEqual(function["AutoPublishAlias"], "live")
            preference = function["DeploymentPreference"]
            self.assertEqual(preference["Enabled"], {"Ref": "GradualDeployment"})
            self.assertTrue(preference["Alarms"])
            for alarm in preference["Alarms"]:
                self.assertEqual(DOCUMENT["Resources"][alarm["Ref"]]["Type"], "AWS::CloudWatch::Alarm")

    def test_sams_own_transform_makes_a_gradual_deployment_of_it(self) -> None:
        self.assertNotIn("AWS::CodeDeploy::DeploymentGroup", types(transformed(GradualDeployment="false")))
        resources = transformed(GradualDeployment="true", DeploymentStrategy="AllAtOnce")
        for name in ("UploadFunction", "ThumbnailFunction"):
            alias = resources[f"{name}Aliaslive"]
            shifted = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
            self.assertEqual(shifted["DeploymentGroupName"], {"Ref": f"{name}DeploymentGroup"})
            group = resources[f"{name}DeploymentGroup"]["Properties"]
            self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
            self.assertEqual(len(group["AlarmConfiguration"]["Alarms"]), 2)
        self.assertEqual(resources["ThumbnailFunctionEventInvokeConfig"]["Properties"]["Qualifier"], "live")

    def test_another_deployment_is_another_version(self) -> None:
        def versions(**parameters: str) -> set[str]:
            return {name for name, resource in transformed(**parameters).items() if resource["Type"] == "AWS::Lambda::Version"}

        first = versions(DeploymentId="1" * 40)
        self.assertEqual(len(first), 2)
        self.assertEqual(first, versions(DeploymentId="1" * 40))
        self.assertFalse(first & versions(DeploymentId="2" * 40))
        # Without one it is the code that tells.
        self.assertEqual(len(versions()), 2)

    def test_what_holds_data_stays_when_the_stack_goes(self) -> None:
        keeps = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Cognito::UserPool"}
        for name, resource in DOCUMENT["Resources"].items():
            if resource["Type"] in keeps:
                with self.subTest(name):
                    self.assertEqual(resource["DeletionPolicy"], "RetainExceptOnCreate")
                    self.assertEqual(resource["UpdateReplacePolicy"], "Retain")


if __name__ == "__main__":
    unittest.main()
