"""Where the commands for an account find its region, and a stack's API."""

import os
import unittest
from unittest import mock

from infra.local import aws
from infra.local.console import Failure


class TheSession(unittest.TestCase):
    def region(self, **variables: str) -> str | None:
        nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        with mock.patch.dict(os.environ, {**nowhere, **variables}, clear=True):
            return aws.session_of_the_environment().region_name

    def test_the_region_is_the_one_of_the_aws_cli(self) -> None:
        self.assertEqual(self.region(AWS_REGION="eu-central-1"), "eu-central-1")
        self.assertEqual(self.region(AWS_DEFAULT_REGION="eu-west-1"), "eu-west-1")
        self.assertEqual(self.region(AWS_REGION="eu-central-1", AWS_DEFAULT_REGION="eu-west-1"), "eu-central-1")

    def test_without_a_region_it_says_what_to_set(self) -> None:
        with self.assertRaisesRegex(Failure, "AWS_REGION"):
            self.region()


class TheApisAddress(unittest.TestCase):
    OUTPUTS = {"ApiId": "0a1b2c3d"}

    def test_on_aws_it_is_the_one_that_the_stack_reports(self) -> None:
        reported = "https://0a1b2c3d.execute-api.eu-central-1.amazonaws.com"
        for parameters in ({}, {"AwsEndpointUrl": ""}):
            self.assertEqual(aws.api_url({**self.OUTPUTS, "ApiUrl": reported}, parameters, "http://localhost:4566"), reported)

    def test_in_an_emulator_it_is_one_that_every_program_can_look_up(self) -> None:
        parameters = {"AwsEndpointUrl": "http://localhost:4566"}
        for scheme in ("http", "https"):
            outputs = {**self.OUTPUTS, "ApiUrl": f"{scheme}://0a1b2c3d.execute-api.localhost:4566"}
            # Where it is asked, which need not be how its functions reach it.
            for endpoint in ("http://127.0.0.1:4700", "http://127.0.0.1:4700/"):
                self.assertEqual(aws.api_url(outputs, parameters, endpoint), "http://127.0.0.1:4700/_aws/execute-api/0a1b2c3d")


if __name__ == "__main__":
    unittest.main()
