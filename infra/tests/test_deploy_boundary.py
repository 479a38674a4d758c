"""What `make deploy` gives to SAM for the deploy role."""

import re
import unittest
from pathlib import Path

from samcli.yamlhelper import yaml_parse

from infra.local import rollout
from infra.local.console import Failure
from infra.local.settings import ROOT, TEMPLATE

ARN = "arn:aws:iam::123456789012:policy/photodrop-boundary-eu-central-1"
ROLE = {"CHANGE_ROLE": "arn:aws:iam::123456789012:role/photodrop-cloudformation-eu-central-1"}


class Boundary(unittest.TestCase):
    def test_deployment_by_the_deploy_role_needs_the_boundary(self) -> None:
        bound, empty = {"PermissionsBoundaryArn": ARN}, {"PermissionsBoundaryArn": ""}
        for before, given, environment in (({}, {}, {}), ({}, bound, ROLE), (empty, bound, ROLE), (bound, {}, ROLE), ({}, empty, {"CHANGE_ROLE": ""})):
            rollout.check_boundary(before, given, "prod", environment)
        for before, given in (({}, {}), ({}, empty), (empty, {}), (empty, empty)):
            with self.subTest((before, given)), self.assertRaisesRegex(Failure, "missing PermissionsBoundaryArn"):
                rollout.check_boundary(before, given, "prod", ROLE)

    def test_deployment_that_would_drop_the_boundary_is_refused(self) -> None:
        """SAM's questions write an empty one into the samconfig.toml of the administrator who deployed first."""
        for environment in ({}, ROLE):
            with self.assertRaisesRegex(Failure, rf"{ARN} into parameter_overrides of \[prod.deploy.parameters\] in samconfig.toml"):
                rollout.check_boundary({"PermissionsBoundaryArn": ARN}, {"PermissionsBoundaryArn": ""}, "prod", environment)
        other = {"PermissionsBoundaryArn": ARN.replace("boundary", "other")}
        rollout.check_boundary({"PermissionsBoundaryArn": ARN}, other, "prod", {})

    def test_parameter_takes_policies_and_nothing_else(self) -> None:
        parameter = yaml_parse(TEMPLATE.read_text())["Parameters"]["PermissionsBoundaryArn"]
        self.assertEqual(parameter["Default"], "")
        pattern = re.compile(parameter["AllowedPattern"])
        for arn in ("", ARN, "arn:aws-us-gov:iam::123456789012:policy/a/b"):
            self.assertTrue(pattern.fullmatch(arn), arn)
        for arn in ("photodrop-boundary", ROLE["CHANGE_ROLE"], f"{ARN} ", "*"):
            self.assertFalse(pattern.fullmatch(arn), arn)

    def test_artifacts_go_below_the_stacks_name(self) -> None:
        for first, interactive in ((True, True), (False, True), (False, False)):
            words = rollout.command("dev", "photodrop-dev", Path("t.yaml"), {}, "eu-central-1", first=first, interactive=interactive, environment={})
            self.assertEqual(words[words.index("--s3-prefix") + 1], "photodrop-dev")

    def test_workflow_gives_the_boundary_and_builds_before_keys(self) -> None:
        (job,) = yaml_parse((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"].values()
        self.assertEqual(job["env"]["CHANGE_ROLE"], "${{ vars.AWS_CHANGE_ROLE }}")
        (taken,) = [place for place, step in enumerate(job["steps"]) if "configure-aws-credentials" in step.get("uses", "")]
        built = [step["run"] for step in job["steps"][:taken] if "run" in step]
        self.assertEqual(built, ["make release", "cargo build --locked --package photodrop-cli"])
        (deploy,) = [step for step in job["steps"][taken + 1:] if step.get("run") == "make deploy"]
        given = deploy["env"].pop("PHOTODROP_PARAMETERS")
        self.assertTrue(given.startswith("PermissionsBoundaryArn=${{ vars.AWS_PERMISSIONS_BOUNDARY }} "), given)
        # Otherwise `make deploy` packs the functions and builds the program.
        self.assertEqual(deploy["env"], {"PACKED": "1", "PHOTODROP_PROGRAM": "target/debug/photodrop"})

    def test_each_table_of_samconfig_has_the_stacks_prefix(self) -> None:
        for name in rollout.ENVIRONMENTS:
            found = rollout.table(name, ROOT / "samconfig.toml")
            self.assertEqual(found["s3_prefix"], found["stack_name"])


if __name__ == "__main__":
    unittest.main()
