"""What is served is a version, and what holds data stays."""

import unittest
from typing import Any

from cfnlint.decode import cfn_yaml

from infra.local.settings import TEMPLATE
from infra.tests import stack

DOCUMENT = cfn_yaml.load(str(TEMPLATE))


def transformed(**parameters: str) -> dict[str, Any]:
    """The resources that SAM makes of the template."""
    return stack.transformed(**parameters)["Resources"]


def types(resources: dict[str, Any]) -> set[str]:
    return {resource["Type"] for resource in resources.values()}


class Versions(unittest.TestCase):
    """What is served is a version behind the alias, and a gradual deployment goes back on an alarm."""

    def test_api_and_mapping_call_the_alias(self) -> None:
        resources = DOCUMENT["Resources"]

        def named(name: str) -> Any:
            return resources[name]["Properties"]

        self.assertEqual(named("UploadIntegration")["IntegrationUri"], {"Ref": "UploadFunction.Alias"})
        self.assertEqual(named("ApiPermission")["FunctionName"], {"Ref": "UploadFunction.Alias"})
        self.assertEqual(named("ThumbnailMapping")["FunctionName"], {"Ref": "ThumbnailFunction.Alias"})

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
        # What is lost with the queue of events, reconcile finds again by the records.
        for name, resource in DOCUMENT["Resources"].items():
            if resource["Type"] in keeps and name != "ThumbnailQueue":
                with self.subTest(name):
                    self.assertEqual(resource["DeletionPolicy"], "RetainExceptOnCreate")
                    self.assertEqual(resource["UpdateReplacePolicy"], "Retain")


if __name__ == "__main__":
    unittest.main()
