"""What the check of the first deployment answers on a terminal."""

from __future__ import annotations

import os
import sys
import unittest

from infra.local.console import Failure
from infra.local.guided import answered

# Asks as SAM does: a default in brackets, in colour; ends well if it was told both.
ASKS = """
name = input("\\tStack Name [sam-app]: ")
sure = input("\\x1b[33mDeploy this changeset? [y/N]: \\x1b[0m")
input("\\tAnything else [nothing]: ")
raise SystemExit(0 if (name, sure) == ("mine", "y") else 3)
"""
ANSWERS = {"Stack Name": "mine", "Deploy this changeset?": "y"}


class Answered(unittest.TestCase):
    def test_questions_are_answered_and_what_is_not_known_is_left_at_its_default(self) -> None:
        asked = answered([sys.executable, "-c", ASKS], os.environ, ANSWERS)
        self.assertEqual([question.partition(" [")[0] for question in asked],
                         ["Stack Name", "Deploy this changeset?", "Anything else"])

    def test_a_wrong_answer_or_one_that_nobody_asked_for_is_a_failure(self) -> None:
        wrong = {**ANSWERS, "Stack Name": "another"}
        unasked = {**ANSWERS, "Region": "us-east-1"}
        for answers, said in ((wrong, "exit code 3"), (unasked, "never asked: \\['Region'\\]")):
            with self.subTest(said), self.assertRaisesRegex(Failure, said), open(os.devnull, "w") as nowhere:
                sys.stderr, kept = nowhere, sys.stderr
                try:
                    answered([sys.executable, "-c", ASKS], os.environ, answers)
                finally:
                    sys.stderr = kept
