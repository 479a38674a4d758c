"""For which CPU the functions are built."""

import unittest

from infra.local import build, cpu
from infra.local.settings import ROOT

HASWELL = "processor\t: 0\nmodel name\t: a CPU\nflags\t\t: fpu movbe avx2 bmi1 bmi2 f16c fma abm\nbugs\t\t: none\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd crc32 atomics fphp asimdhp asimdrdm lrcpc asimddp\n"


class Machines(unittest.TestCase):
    def test_what_a_machine_lacks_of_lambdas_cpu_is_named(self) -> None:
        for architecture, cpuinfo, expected in [
            ("x86_64", HASWELL, []),
            ("x86_64", HASWELL.replace("avx2 ", "").replace("fma ", ""), ["avx2", "fma"]),
            ("arm64", GRAVITON, []),
            ("arm64", GRAVITON.replace("atomics ", ""), ["atomics"]),
            # Built for another architecture, or the kernel does not tell: nothing is known to be lacking.
            ("arm64", HASWELL, []),
            ("x86_64", GRAVITON, []),
            ("x86_64", "", []),
        ]:
            with self.subTest(architecture=architecture, cpuinfo=cpuinfo):
                self.assertEqual(cpu.lacking(architecture, cpuinfo), expected)

    def test_a_name_within_another_is_not_taken_for_it(self) -> None:
        self.assertEqual(cpu.lacking("x86_64", HASWELL.replace("avx2", "avx2x")), ["avx2"])


class Flags(unittest.TestCase):
    def test_the_users_flags_are_kept_and_the_cpu_that_they_chose(self) -> None:
        self.assertEqual(cpu.rustflags("x86_64", {}), "-C target-cpu=haswell")
        self.assertEqual(cpu.rustflags("arm64", {"RUSTFLAGS": "-D warnings"}), "-D warnings -C target-cpu=neoverse-n1")
        self.assertEqual(cpu.rustflags("x86_64", {"RUSTFLAGS": "-C target-cpu=native"}), "-C target-cpu=native")

    def test_each_machine_has_its_table_of_settings(self) -> None:
        # Python 3.10 has no TOML reader.
        tables = (ROOT / "CargoLambda.toml").read_text().split("\n[")[1:]
        plain = {table.partition(".build]")[0]: "\ndisable_optimizations = true" in table for table in tables}
        for architecture in cpu.LAMBDA:
            with self.subTest(architecture):
                context = build.environment(architecture, any_cpu=True)["CARGO_LAMBDA_CONTEXT"]
                self.assertIs(plain[context], True)
        self.assertIs(plain[build.environment("x86_64")["CARGO_LAMBDA_CONTEXT"]], False)
        self.assertNotIn("CARGO_LAMBDA_CONTEXT", build.environment("arm64"))
