"""The settings from the environment."""

import os
import stat
import tempfile
import unittest
from pathlib import Path

from infra.local import settings
from infra.local.console import Failure, duration


class Settings(unittest.TestCase):
    def test_a_port_is_taken_from_its_variable_or_is_the_default(self):
        self.assertEqual(settings.port_from("P", 4566, {}), (4566, False))
        self.assertEqual(settings.port_from("P", 4566, {"P": ""}), (4566, False))
        self.assertEqual(settings.port_from("P", 4566, {"P": "5000"}), (5000, True))

    def test_a_bad_port_is_named_with_what_is_expected(self):
        for text in ("80", "65536", "abc", "-1", "4566 "):
            with self.assertRaisesRegex(Failure, "P is .*1024 to 65535"):
                settings.port_from("P", 4566, {"P": text})

    def test_parameters_may_hold_equal_signs_and_commas(self):
        given = {"PHOTODROP_PARAMETERS": "Variants=a:1,b:2 Background=a=b,c"}
        self.assertEqual(settings.extra_parameters(given), {"Variants": "a:1,b:2", "Background": "a=b,c"})
        # Quoted as for a shell, a value may hold spaces, or nothing.
        given = {"PHOTODROP_PARAMETERS": "ReconcileSchedule='rate(10 minutes)' AlarmEmail= LogLevel=warn"}
        self.assertEqual(settings.extra_parameters(given),
                         {"ReconcileSchedule": "rate(10 minutes)", "AlarmEmail": "", "LogLevel": "warn"})
        for text in ("Variants", "=x", "a-b=c", "ReconcileSchedule='rate(10 minutes)"):
            with self.assertRaises(Failure):
                settings.extra_parameters({"PHOTODROP_PARAMETERS": text})

    def test_no_setting_of_the_users_reaches_the_tools_of_the_local_stack(self):
        users = {"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SESSION_TOKEN": "t", "PATH": "/bin"}
        stack = {"endpoint": "http://localhost:1", "access_key_id": "test", "secret_access_key": "of the stack"}
        environment = settings.aws_environment(stack, users)
        self.assertNotIn("AWS_PROFILE", environment)
        self.assertNotIn("AWS_SESSION_TOKEN", environment)
        self.assertEqual(environment["AWS_ACCESS_KEY_ID"], "test")
        self.assertEqual(environment["AWS_SECRET_ACCESS_KEY"], "of the stack")
        self.assertEqual(environment["AWS_ENDPOINT_URL"], "http://localhost:1")
        self.assertEqual(environment["AWS_SHARED_CREDENTIALS_FILE"], os.devnull)
        self.assertEqual(environment["PATH"], "/bin")

    def test_a_stack_without_a_secret_says_how_to_get_one(self):
        with tempfile.TemporaryDirectory() as folder:
            place = settings.Place(Path(folder), 1, False, "photodrop-x")
            with self.assertRaisesRegex(Failure, "make down, make up"):
                place.access(1)
            settings.write_private(place.secret_file, "s3cret")
            self.assertEqual(place.access(1)["secret_access_key"], "s3cret")

    def test_a_private_file_is_its_owners_from_the_first_byte_whoever_had_it_before(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "stack.json"
            file.write_text("readable by all")
            file.chmod(0o666)
            settings.write_private(file, "secret")
            self.assertEqual((file.read_text(), stat.S_IMODE(file.stat().st_mode)), ("secret", 0o600))
            self.assertEqual(os.listdir(folder), ["stack.json"])

    def test_the_test_stack_shares_nothing_with_the_other(self):
        main, test = settings.main_place(), settings.test_place()
        self.assertNotEqual(main.folder, test.folder)
        self.assertNotEqual(main.port, test.port)
        self.assertNotEqual(main.name, test.name)

    def test_times_read_well(self):
        self.assertEqual([duration(t) for t in (0.04, 9.96, 59.6, 185)], ["0.0 s", "10 s", "1 min 0 s", "3 min 5 s"])


if __name__ == "__main__":
    unittest.main()
