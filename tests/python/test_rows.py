"""docs/rows.md is what the marks in the tests say."""

import pathlib
import subprocess
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "rows.py"


class Rows(unittest.TestCase):
    def test_the_table_is_up_to_date_and_every_mark_is_sound(self):
        done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
