"""What a million photos cost, from the bench's tables."""

import importlib.util
import re
import sys
import unittest

from cfnlint.decode import cfn_yaml

from infra.local.settings import ROOT

SPEC = importlib.util.spec_from_file_location("cost", ROOT / "bench" / "cost.py")
cost = importlib.util.module_from_spec(SPEC)
sys.modules["cost"] = cost
SPEC.loader.exec_module(cost)

PAGE = """# Performance

### CPU

| photo | sharp cascade | at effort 2 | separate | photodrop | \u00f7 cascade |
| --- | --- | --- | --- | --- | --- |
| a.jpg (6.0 MP, 0.4 MB) | 200 | 120 | 400 | 100 | **0.50** |

### Memory and wall time

| photo | sharp cascade | separate | photodrop |
| --- | --- | --- | --- |
| a.jpg | 150 | 200 | 20 |

### Stages
"""


class Cost(unittest.TestCase):
    def test_cpu_work_costs_the_same_at_any_size_up_to_one_vcpu_and_waiting_does_not(self):
        way = cost.Way(cpu_seconds=0.1, peak_mib=20)
        for memory in (128, 512, 1769):
            cpu = way.gb_seconds(memory) - memory / 1024 * cost.WAIT_SECONDS
            self.assertAlmostEqual(cpu, 0.1 * 1769 / 1024)
        # Above it the work of one thread gets no faster.
        self.assertAlmostEqual(way.gb_seconds(3538), 3538 / 1024 * 0.2)

    def test_dollars_are_gb_seconds_and_invocations_of_a_million(self):
        way = cost.Way(cpu_seconds=0.1, peak_mib=20)
        self.assertAlmostEqual(way.dollars(1769), 1769 / 1024 * 0.2 * 13.3334 + 0.20)

    def test_a_photo_fits_where_it_takes_at_most_80_percent(self):
        self.assertEqual([cost.smallest_mib(peak) for peak in (102.4, 103, 204.8, 205, 1400)], [128, 256, 256, 512, 1769])
        with self.assertRaises(cost.Failure):
            cost.smallest_mib(9999)

    def test_the_bench_s_tables_are_read_by_the_names_of_their_columns(self):
        (ways,) = cost.measured(PAGE).values()
        self.assertEqual(ways["photodrop"], cost.Way(0.1, 20))
        self.assertEqual(ways["sharp"], cost.Way(0.2, 150))
        # The bench measures no memory of its own for it.
        self.assertEqual(ways["sharp at effort 2"], cost.Way(0.12, 150))

    def test_a_page_without_figures_is_told_and_not_guessed(self):
        for page, complaint in ((PAGE.replace("### CPU", "### Time"), "no table below '### CPU'"),
                                (PAGE.replace("| 100 |", "| ? |"), "column 'photodrop'"),
                                (PAGE.replace("| a.jpg | 150", "| b.jpg | 150"), "not in that of memory")):
            with self.assertRaisesRegex(cost.Failure, re.escape(complaint)):
                cost.measured(page)

    def test_the_tables_go_between_the_markers_and_nowhere_else(self):
        page = f"before\n{cost.BEGIN}\nold\n{cost.END}\nafter\n"
        self.assertEqual(cost.put_into(page, "new"), f"before\n{cost.BEGIN}\n\nnew\n\n{cost.END}\nafter\n")
        with self.assertRaises(cost.Failure):
            cost.put_into("before\nafter\n", "new")

    def test_a_stack_s_month_counts_what_the_template_has(self):
        resources = cfn_yaml.load(str(cost.TEMPLATE))["Resources"]
        alarms = [one for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]

        def looked_at(conditional):
            # On AWS an alarm looks at a metric of its own or at those of its expression.
            return sum(max(1, str(one["Properties"].get("Metrics")).count("'MetricStat'"))
                       for one in alarms if ("Condition" in one) == conditional)

        self.assertEqual(cost.alarm_metrics(cost.TEMPLATE.read_text()), (looked_at(False), looked_at(True)))
        self.assertGreater(looked_at(True), 0)
        routes = sum(one["Type"] == "AWS::ApiGatewayV2::Route" for one in resources.values())
        table = cost.standing(cost.TEMPLATE.read_text(), cost.METRICS.read_text())
        self.assertIn(f"6 for each of {routes} routes, if each is called in every hour | {6 * routes * 0.30:.2f} |", table)

    def test_the_readme_and_the_way_to_a_first_photo_round_the_same_figures(self):
        table = cost.standing(cost.TEMPLATE.read_text(), cost.METRICS.read_text())
        together = float(re.search(r"\*\*together\*\* \| \*\*([\d.]+)", table)[1])
        idle = float(re.search(r"without a request and a photo \| ([\d.]+)", table)[1])
        readme = (ROOT / "README.md").read_text()
        self.assertIn(f"about ${idle:.0f} a month, with traffic ${together:.0f},", readme)
        self.assertIn("a stack costs $10 to $35 a month", (ROOT / "docs" / "DEPLOY.md").read_text())
        self.assertLess(max(abs(together - 35), abs(idle - 10)), 3)

    def test_a_metric_by_version_costs_with_gradual_deployments_alone(self):
        page = ("| `A` | Count | Stack | a |\n| `B` | Count | Stack; Stack, Version | b |\n| `C` | Count | Stack, Version | c |\n"
                "| `D` | Percent | Stack, Function | d |\n| `E` | Count | Stack, Code | e |\n| `BackfillF` | Count | Stack | f |\n")
        self.assertEqual(cost.custom_metrics(page), (2, 1, 2))

    def test_the_page_has_what_the_bench_s_last_figures_give(self):
        text = cost.report(cost.measured(cost.PERFORMANCE.read_text()))
        self.assertIn(text, cost.CAPACITY.read_text(), "make cost writes it")


if __name__ == "__main__":
    unittest.main()
