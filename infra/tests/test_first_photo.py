"""The way from an account to a first photo in docs/DEPLOY.md: its commands and names are ones that there are."""

import json
import re
import unittest

from cfnlint.decode import cfn_yaml

from infra.local.settings import ROOT, TEMPLATE

PAGE = (ROOT / "docs" / "DEPLOY.md").read_text()
WAY = re.search(r"^## From nothing to the first photo\n(.*?)^## ", PAGE, re.M | re.S)[1]
STEPS = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^From here)", WAY, re.M | re.S)
OUTPUTS = cfn_yaml.load(str(TEMPLATE))["Outputs"]


class TheWay(unittest.TestCase):
    def test_each_step_has_a_command_and_what_one_sees(self) -> None:
        self.assertEqual([int(number) for number, _ in STEPS], list(range(1, len(STEPS) + 1)))
        self.assertGreaterEqual(len(STEPS), 8)
        for number, text in STEPS:
            with self.subTest(number):
                self.assertRegex(text, r"(?m)^   ```sh\n")
                self.assertIn("ou see", text)

    def test_the_quota_comes_before_the_deployment_and_that_before_the_user(self) -> None:
        at = [WAY.index(part) for part in ("request-service-quota-increase", "make deploy\n", "make smoke\n", "make user NAME=",
                                           "**The first photo.**")]
        self.assertEqual(at, sorted(at))

    def test_the_page_is_configured_by_outputs_that_there_are(self) -> None:
        names = re.findall(r"\$\(output (\w+)\)", WAY)
        self.assertEqual(set(names), {"ApiUrl", "UserPoolClientId"})
        for name in names:
            self.assertIn(name, OUTPUTS)
        example = json.loads((ROOT / "examples" / "web" / "config.example.json").read_text())
        assigned = re.search(r"'(\.api = .*?)' \\", WAY, re.S)[1]
        self.assertEqual(set(re.findall(r"(?:^|\| )\.(\w+) = ", assigned)), {"api", "cognito"})
        self.assertLessEqual({"api", "cognito"}, example.keys())
        self.assertEqual(set(re.findall(r"[{,] ?(\w+): ", assigned)), example["cognito"].keys())

    def test_the_origin_of_the_page_is_let_in_by_default(self) -> None:
        origin = re.search(r"Open `(http://localhost:\d+)`", WAY)[1]
        self.assertEqual(cfn_yaml.load(str(TEMPLATE))["Parameters"]["AllowedOrigins"]["Default"], origin)
        self.assertIn(f"http.server {origin.rpartition(':')[2]} ", WAY)

    def test_the_rules_of_a_new_password_are_the_pool_s(self) -> None:
        policy = cfn_yaml.load(str(TEMPLATE))["Resources"]["UserPool"]["Properties"]["Policies"]["PasswordPolicy"]
        self.assertIn(f"{policy['MinimumLength']} characters or more", WAY)
        self.assertEqual((policy["RequireLowercase"], policy["RequireUppercase"], policy["RequireNumbers"], policy["RequireSymbols"]),
                         (True, True, True, False))


if __name__ == "__main__":
    unittest.main()
