"""When the checks that need Node and a browser are run, and what is said when they are not."""

import contextlib
import io
import os
import unittest
from unittest import mock

from infra.local import node
from infra.local.console import Failure


class Node(unittest.TestCase):
    def check(self, *, version, programs, required=False, given=""):
        """What was run, and what was said."""
        said = io.StringIO()
        variables = {"PHOTODROP_BROWSER": "required" if required else "", "PHOTODROP_CHROMIUM": given}
        with mock.patch.object(node, "node_version", return_value=version), \
                mock.patch.object(node.shutil, "which", lambda name: f"/bin/{name}" if name in programs else None), \
                mock.patch.object(node, "npm") as npm, mock.patch.dict(os.environ, variables), \
                contextlib.redirect_stdout(said):
            node.require()
            node.check("stack.json")
        return [call.args[0].name for call in npm.call_args_list], said.getvalue()

    def test_where_everything_is_everything_is_run(self):
        run, said = self.check(version=(20, 11), programs={"npm", "chromium"}, required=True)
        self.assertEqual((run, said), (["typescript", "tests"], ""))

    def test_a_browser_that_is_given_need_not_be_installed(self):
        run, said = self.check(version=(22, 0), programs={"npm"}, required=True, given="/opt/chrome")
        self.assertEqual((run, said), (["typescript", "tests"], ""))

    def test_what_there_is_npm_for_is_installed_ahead(self):
        for programs, expected in [({"npm", "chromium"}, ["typescript", "tests"]), ({"npm"}, ["typescript"]), (set(), [])]:
            with self.subTest(programs=programs), mock.patch.object(node, "node_version", return_value=(20, 11)), \
                    mock.patch.object(node.shutil, "which", lambda name: f"/bin/{name}" if name in programs else None), \
                    mock.patch.dict(os.environ, {"PHOTODROP_CHROMIUM": ""}), \
                    mock.patch.object(node, "install_packages") as installed:
                node.install()
                self.assertEqual([call.args[0].name for call in installed.call_args_list], expected)

    def test_what_is_missing_is_said_with_the_way_to_it(self):
        for version, programs, run, needed in [
            ((22, 0), {"npm"}, ["typescript"], ["apt-get install chromium"]),
            ((22, 0), {"chromium"}, [], ["apt-get install npm"]),
            ((18, 19), {"npm", "chromium"}, [], ["Node 20.11 or newer", "found 18.19"]),
            (None, {"npm", "chromium"}, [], ["apt-get install nodejs npm"]),
        ]:
            with self.subTest(version=version, programs=programs):
                ran, said = self.check(version=version, programs=programs)
                self.assertEqual(ran, run)
                for words in needed:
                    self.assertIn(words, said)
                with self.assertRaises(Failure):
                    self.check(version=version, programs=programs, required=True)


if __name__ == "__main__":
    unittest.main()
