"""Where the commands for an account find its region."""

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


if __name__ == "__main__":
    unittest.main()
