"""The page of cold starts: its own part and nothing else."""

import unittest

from infra.local import coldstart
from infra.local.coldstart import Contender, Sample
from infra.local.console import Failure
from infra.local.settings import ROOT


class Page(unittest.TestCase):
    def test_only_what_is_between_its_markers_changes(self) -> None:
        page = f"before\n<!-- make bench writes below -->\nbench\n{coldstart.BEGIN}\nold\n{coldstart.END}\nafter\n"
        fresh = coldstart.put_into(page, "new\n")
        self.assertEqual(fresh, page.replace("\nold\n", "\n\nnew\n\n"))
        self.assertEqual(coldstart.put_into(fresh, "new\n"), fresh)

    def test_a_page_without_markers_is_refused(self) -> None:
        with self.assertRaisesRegex(Failure, "no markers"):
            coldstart.put_into("page", "new")

    def test_the_projects_page_has_them(self) -> None:
        coldstart.put_into((ROOT / "docs" / "PERFORMANCE.md").read_text(), "new")

    def test_ratios_are_ours_by_the_others_and_rows_are_medians(self) -> None:
        def one(name: str, role: str) -> Contender:
            return Contender(name, role, ("x",), 10 if name == "photodrop" else 40)

        fast = [Sample(number, 10, 1, 2, 10) for number in (1, 2, 9)]
        slow = [Sample(number, 40, 2, 8, 40) for number in (10, 20, 30)]
        samples = {one(name, role): fast if name == "photodrop" else slow
                   for role in ("upload", "thumbnail") for name in ("photodrop", "Node")}
        text = coldstart.report(samples, 3, "as told", "20")
        self.assertIn("| photodrop | 0.0 | 2.0 | 10.0 | 1.0 | 2.0 | 10 |", text)
        self.assertIn("| photodrop ÷ Node | 0.25 | 0.100 | 0.25 | 0.50 | 0.25 | 0.25 |", text)


class Emulator(unittest.TestCase):
    def test_its_report_of_the_init_is_read(self) -> None:
        log = "25 Nov 2026 [INFO] (rapid) INIT RTDONE(status: success)\n25 Nov 2026 [INFO] (rapid) INIT REPORT(durationMs: 12.345000)\n"
        self.assertEqual(coldstart.init_milliseconds(log), 12.345)
        with self.assertRaisesRegex(Failure, "no init"):
            coldstart.init_milliseconds("nothing")

    def test_sam_ships_it(self) -> None:
        self.assertTrue(coldstart.emulator().exists())

    def test_an_answer_that_failed_is_no_sample(self) -> None:
        for answer in ({"errorType": "Error"}, {"statusCode": 503}):
            with self.subTest(answer), self.assertRaises(Failure):
                coldstart.judge(Contender("Node", "upload", ("x",), 1), answer)
        coldstart.judge(Contender("Node", "upload", ("x",), 1), {"statusCode": 201})


if __name__ == "__main__":
    unittest.main()
