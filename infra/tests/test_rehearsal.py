"""A rehearsal that goes wrong: what is told of it, and what it leaves behind."""

import unittest
from pathlib import Path
from unittest import mock

from infra.local import rehearsal, settings
from infra.local.console import Failure
from infra.tests.support import target

ENTRY = rehearsal.Entry("api-5xx", once="break it", until="", clears="put it right")


class Rehearsal(unittest.TestCase):
    def shell_after(self, failing: set[str]) -> tuple[list[str], str]:
        """The commands that ran, and the failure that was told."""
        ran: list[str] = []

        def shell(_: rehearsal.Stage, commands: str) -> None:
            ran.append(commands)
            if commands in failing:
                raise Failure(f"{commands}: failed")

        stage = rehearsal.Stage(target({}), settings.main_place(), Path())
        with mock.patch.object(rehearsal.Stage, "shell", shell), mock.patch.object(rehearsal.Stage, "wait"), \
                self.assertRaises(Failure) as caught:
            stage.rehearse(ENTRY)
        return ran, str(caught.exception)

    def test_the_first_failure_is_told_and_the_stack_is_put_right(self) -> None:
        for failing in ({ENTRY.once}, {ENTRY.once, ENTRY.clears}):
            ran, told = self.shell_after(failing)
            self.assertEqual((ran, told), ([ENTRY.once, ENTRY.clears], f"{ENTRY.once}: failed"), failing)

    def test_a_stack_that_cannot_be_put_right_is_told(self) -> None:
        self.assertEqual(self.shell_after({ENTRY.clears}), ([ENTRY.once, ENTRY.clears], f"{ENTRY.clears}: failed"))


if __name__ == "__main__":
    unittest.main()
