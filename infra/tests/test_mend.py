"""What is set after MiniStack's deployment, taken from the template."""

import unittest

from samcli.yamlhelper import yaml_parse

from infra.local import mend
from infra.local.settings import TEMPLATE


class Mend(unittest.TestCase):
    def test_a_reference_to_a_list_parameter_becomes_its_list(self):
        parameters = {"AllowedOrigins": "https://a.example,https://b.example"}
        self.assertEqual(mend.resolved({"Ref": "AllowedOrigins"}, parameters), ["https://a.example", "https://b.example"])

    def test_other_values_stay_as_they_are(self):
        for value in (["GET"], 600, {"Fn::Sub": "x"}):
            self.assertEqual(mend.resolved(value, {}), value)

    def test_the_functions_with_an_alias_are_those_of_the_template(self):
        resources = yaml_parse(TEMPLATE.read_text())["Resources"]
        self.assertEqual(mend.aliases(resources), {"upload": "live", "thumbnail": "live"})


if __name__ == "__main__":
    unittest.main()
