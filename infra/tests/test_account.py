"""What an AWS account, its regions and CloudFormation ask of the template, and no emulator checks."""

import re
import unittest
from collections.abc import Iterator
from typing import Any

import botocore.session
from cfnlint.decode import cfn_yaml
from samcli.yamlhelper import yaml_parse

from infra.local import release, rollout
from infra.local.console import Failure
from infra.local.settings import ROOT, TEMPLATE

TEMPLATES = (TEMPLATE, ROOT / "infra" / "deploy-role.yaml")
RESOURCES = cfn_yaml.load(str(TEMPLATE))["Resources"]
ACCOUNT = "123456789012"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
LONGEST_BUCKET_NAME = 63
# Numbers beyond it come out of CloudFormation in scientific notation unless they are quoted.
LARGEST_UNQUOTED = 2**31 - 1
# Properties that name a resource of a service without regions, by type. CloudFront's and IAM's have no region in their ARNs;
# of CloudWatch dashboards the same is true: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
GLOBAL_NAMES = {
    "AWS::CloudFront::CachePolicy": ("CachePolicyConfig", "Name"),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig", "Name"),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig", "Name"),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::IAM::Group": ("GroupName",),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName",),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName",),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::IAM::User": ("UserName",),
    "AWS::S3::Bucket": ("BucketName",),
}


def regions() -> set[str]:
    """Every region that botocore knows, of every partition: those with S3, and those that any other service names."""
    session = botocore.session.get_session()
    return {region for partition in session.get_available_partitions()
            for service in ("s3", "lambda", "ec2", "dynamodb", "sts")
            for region in session.get_available_regions(service, partition)}


def bucket_names(stack: str, region: str) -> list[str]:
    values = {"AWS::StackName": stack, "AWS::AccountId": ACCOUNT, "AWS::Region": region}
    return [re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], resource["Properties"]["BucketName"]["Fn::Sub"])
            for resource in RESOURCES.values() if resource["Type"] == "AWS::S3::Bucket"]


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a document, with where it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, f"{path}/{index}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


def too_large(text: str) -> list[str]:
    return [path for path, value in numbers(yaml_parse(text)) if abs(value) > LARGEST_UNQUOTED]


class Names(unittest.TestCase):
    def test_the_longest_stack_name_fits_in_every_region(self) -> None:
        known = regions()
        self.assertLessEqual({"us-east-1", "cn-northwest-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"}, known)
        self.assertGreaterEqual(max(map(len, known)), 15)
        for region in known:
            longest = rollout.longest_name(region)
            with self.subTest(region):
                self.assertEqual(max(map(len, bucket_names("p" * longest, region))), LONGEST_BUCKET_NAME)
                rollout.check_name("p" * longest, region)
                with self.assertRaisesRegex(Failure, f"{longest + 1} characters.*{longest} in {region}"):
                    rollout.check_name("p" * (longest + 1), region)

    def test_a_name_that_no_bucket_may_have_is_refused(self) -> None:
        for name in ("Photodrop", "photo.drop", "photo_drop", "-photos", "1photo", "xn--photos", "sthree-photos", "amzn-s3-demo-photos"):
            with self.subTest(name), self.assertRaises(Failure):
                rollout.check_name(name, "eu-central-1")
        for name in ("photodrop", "p", "photo-drop-2", "xn-photos"):
            rollout.check_name(name, "eu-central-1")

    def test_the_deploy_role_takes_every_name_that_fits_somewhere(self) -> None:
        parameter = cfn_yaml.load(str(TEMPLATES[1]))["Parameters"]["StackName"]
        longest = max(map(rollout.longest_name, regions()))
        self.assertRegex("p" * longest, parameter["AllowedPattern"])
        self.assertNotRegex("p" * (longest + 1), parameter["AllowedPattern"])
        for template in (TEMPLATES[0].read_text(), TEMPLATES[1].read_text()):
            self.assertIn(f"{rollout.longest_name('us-east-1')} in us-east-1", template)

    def test_names_of_global_resources_carry_the_region(self) -> None:
        """Two stacks of the same name in two regions of one account must not take each other's resources."""
        named = 0
        for template in TEMPLATES:
            for name, resource in cfn_yaml.load(str(template))["Resources"].items():
                value: Any = resource.get("Properties", {})
                for key in GLOBAL_NAMES.get(resource["Type"], ("absent",)):
                    value = value.get(key, {}) if isinstance(value, dict) else {}
                if value:
                    named += 1
                    with self.subTest(f"{template.name} {name}"):
                        self.assertIn("${AWS::Region}", value["Fn::Sub"])
        self.assertGreaterEqual(named, 6)


class Values(unittest.TestCase):
    def test_large_numbers_are_quoted_also_when_packed(self) -> None:
        for template in TEMPLATES:
            self.assertEqual(too_large(template.read_text()), [], template.name)
        self.assertEqual(too_large(release.template("arm64")), [])
        self.assertEqual(too_large("{a: [{Default: 2147483648}], b: -3000000000, c: '2147483648', d: 2147483647}"),
                         ["/a/0/Default", "/b"])

    def test_a_first_creation_that_fails_leaves_nothing_behind(self) -> None:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html: what `Retain`
        keeps of a creation that was rolled back stands in the way of the next one. `UpdateReplacePolicy` has no such value."""
        kept = 0
        for template in TEMPLATES:
            for name, resource in cfn_yaml.load(str(template))["Resources"].items():
                with self.subTest(f"{template.name} {name}"):
                    self.assertNotEqual(resource.get("DeletionPolicy"), "Retain")
                    self.assertIn(resource.get("UpdateReplacePolicy"), {None, "Retain", "Delete"})
                    if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                        kept += 1
                        self.assertEqual(resource["UpdateReplacePolicy"], "Retain")
        self.assertGreaterEqual(kept, 6)

    def test_the_user_pool_uses_nothing_beyond_its_plan(self) -> None:
        """https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-sign-in-feature-plans.html"""
        (pool,) = (resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::Cognito::UserPool")
        (client,) = (resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::Cognito::UserPoolClient")
        self.assertEqual(pool["UserPoolTier"], "LITE")
        # Sign-in without a password, e-mail as a second factor, earlier passwords, threat protection and changed access tokens.
        beyond = {"UserPoolAddOns", "WebAuthnRelyingPartyID", "WebAuthnUserVerification", "EmailAuthenticationMessage"}
        self.assertFalse(beyond & set(pool))
        self.assertNotIn("PasswordHistorySize", pool["Policies"]["PasswordPolicy"])
        self.assertNotIn("SignInPolicy", pool["Policies"])
        self.assertNotIn("PreTokenGenerationConfig", pool.get("LambdaConfig", {}))
        self.assertNotIn("ALLOW_USER_AUTH", client["ExplicitAuthFlows"])
        for kind in ("AWS::Cognito::ManagedLoginBranding", "AWS::Cognito::UserPoolRiskConfigurationAttachment"):
            self.assertNotIn(kind, {resource["Type"] for resource in RESOURCES.values()})


if __name__ == "__main__":
    unittest.main()
