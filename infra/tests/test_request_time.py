"""A request ends before its function does, and its function before API Gateway gives up."""

import re
import unittest

from infra.local.settings import ROOT
from infra.tests.test_template import FUNCTIONS, resources

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html: the maximum integration timeout, and the default.
GATEWAY_SECONDS = 30


def seconds(path: str, constant: str) -> int:
    """A duration as a constant of the code has it."""
    found = re.search(rf"const {constant}: Duration = Duration::from_secs\((\d+)\);", (ROOT / path).read_text())
    if found is None:
        raise AssertionError(f"{path} has no {constant}")
    return int(found[1])


class RequestTimeTest(unittest.TestCase):
    def test_a_request_ends_a_second_before_its_function(self) -> None:
        self.assertLessEqual(seconds("functions/upload/src/app.rs", "REQUEST_TIME") + 1, int(FUNCTIONS["UploadFunction"]["Timeout"]))

    def test_the_function_ends_before_the_gateway(self) -> None:
        integrations = resources("AWS::ApiGatewayV2::Integration")
        self.assertTrue(integrations)
        for name, integration in integrations.items():
            with self.subTest(name):
                gateway = int(integration.get("TimeoutInMillis", GATEWAY_SECONDS * 1000)) / 1000
                self.assertLess(int(FUNCTIONS["UploadFunction"]["Timeout"]), gateway)


if __name__ == "__main__":
    unittest.main()
