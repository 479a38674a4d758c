"""docs/openapi.yaml is the truth of the API: routes, refusals and failures are the code's own, both ways."""

import re
import unittest

import yaml
from cfnlint.decode import cfn_yaml

from infra.local.settings import ROOT, TEMPLATE

DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
METHODS = {"get", "post", "put", "delete", "patch"}
OPERATIONS = {f"{method.upper()} {path}": operation for path, item in DOCUMENT["paths"].items()
              for method, operation in item.items() if method in METHODS}
SCHEMAS = DOCUMENT["components"]["schemas"]


def source(path: str) -> str:
    return (ROOT / path).read_text().split("#[cfg(test)]")[0]


class TheDescription(unittest.TestCase):
    def test_it_has_every_route_that_is_deployed_and_no_other(self) -> None:
        resources = cfn_yaml.load(str(TEMPLATE))["Resources"].values()
        deployed = {resource["Properties"]["RouteKey"]: resource["Properties"]["AuthorizationType"]
                    for resource in resources if resource["Type"] == "AWS::ApiGatewayV2::Route"}
        self.assertEqual(set(OPERATIONS), set(deployed))
        for route, operation in OPERATIONS.items():
            self.assertEqual(operation.get("security") == [], deployed[route] == "NONE", route)

    def test_it_has_every_route_that_the_function_serves_and_no_other(self) -> None:
        routes = source("functions/upload/src/routes.rs")
        served = set(re.findall(r'=> "((?:GET|POST|DELETE) /[^"]*)"', routes))
        self.assertEqual(set(OPERATIONS), served)

    def test_it_has_every_code_of_a_refusal_and_no_other(self) -> None:
        codes = set(re.findall(r'\("([A-Z_]+)",\s*StatusCode', source("functions/upload/src/error.rs")))
        self.assertGreater(len(codes), 10)
        self.assertEqual(set(SCHEMAS["ProblemCode"]["enum"]), codes)

    def test_it_and_the_architecture_have_every_code_of_a_failed_photo_and_no_other(self) -> None:
        codes = set(re.findall(r'=> "([A-Z_]+)"', source("crates/photo-domain/src/failure.rs")))
        self.assertEqual(set(SCHEMAS["FailureCode"]["enum"]), codes)
        table = (ROOT / "docs" / "ARCHITECTURE.md").read_text().split("## Failure codes")[1].split("\n## ")[0]
        self.assertEqual(set(re.findall(r"`([A-Z_]+)`", table)), codes)

    def test_every_operation_has_a_name_and_says_what_an_unknown_caller_gets(self) -> None:
        names = [operation["operationId"] for operation in OPERATIONS.values()]
        self.assertEqual(len(names), len(set(names)))
        for route, operation in OPERATIONS.items():
            self.assertEqual("401" in operation["responses"], operation.get("security") != [], route)


if __name__ == "__main__":
    unittest.main()
