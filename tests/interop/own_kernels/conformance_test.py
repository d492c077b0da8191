"""jupyter_kernel_test, the Jupyter project's own suite, in its current release, with the current
jupyter_client: on each of our kernels, and on ipykernel, which says what can be expected.

The tests of a kernel are those of its folder (kernels/*/tests/test_conformance.py), which run with
Debian's release there.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import places

KERNELS = pathlib.Path(__file__).resolve().parents[3] / "kernels"
SECONDS = 200
# Of the Python kernel, for another kernelspec. One thing is not asked of ipykernel: it answers for a range
# of its own session, by its number, with session 0.
YARDSTICK = """
import sys, unittest
sys.path[:0] = sys.argv[1:]
import test_conformance
test_conformance.Conformance.kernel_name = "python3"
test_conformance.Conformance.supported_history_operations = ("tail", "search")
unittest.main(module=test_conformance, argv=["", "-v", "Conformance"])
"""


class Conformance(unittest.TestCase):
    def setUp(self):
        # ipykernel keeps a history over sessions there.
        self.home = self.enterContext(tempfile.TemporaryDirectory(prefix="pji-"))

    def run_suite(self, *command):
        """(how many tests ran, how many of them found nothing to do)"""
        done = subprocess.run(
            [str(places.installed("jupyter", "bin", "python")), "-B", *map(str, command)],
            env={**os.environ, "PERIJOVE_ECHO": "", "IPYTHONDIR": self.home},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        ran = int(re.search(r"^Ran (\d+) tests? in", done.stderr, re.MULTILINE)[1])
        skipped = re.search(r"^OK \(skipped=(\d+)\)$", done.stderr, re.MULTILINE)
        return ran, int(skipped[1]) if skipped else 0

    def test_of_our_kernels(self):
        for name in ("echo", "bash", "javascript", "command", "python"):
            with self.subTest(name):
                ran, skipped = self.run_suite(KERNELS / name / "tests/run_tests.py", "test_conformance")
                self.assertGreaterEqual(ran, 12)
                self.assertLess(skipped, ran)

    def test_of_ipykernel_as_of_our_python_kernel(self):
        tests = KERNELS / "python/tests"
        self.assertEqual(self.run_suite("-c", YARDSTICK, tests, KERNELS / "guest/tests"), (12, 1))
        ran, skipped = self.run_suite(tests / "run_tests.py", "test_conformance")
        self.assertEqual((ran % 12, skipped), (0, 0), "once for each way to run it")


if __name__ == "__main__":
    unittest.main()
