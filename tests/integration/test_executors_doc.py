"""The examples of docs/executors.md, run in order as a reader would run them."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from gateway import PATIENCE, Gateway

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "executors.md"
EXAMPLE = re.compile(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.M | re.S)


class Examples(unittest.TestCase):
    def test_give_what_the_document_shows(self):
        examples = EXAMPLE.findall(DOCUMENT.read_text())
        self.assertGreater(len(examples), 15)
        script = "set -eo pipefail\n"
        for number, (commands, _) in enumerate(examples):
            script += f"printf '\\n@@{number}\\n'\n{commands}\n"
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(["bash", "-c", script], cwd=directory, text=True, timeout=4 * PATIENCE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={**gateway.environment, "URL": gateway.url, "TOKEN": gateway.token})
        self.assertEqual(done.returncode, 0, done.stdout)
        shown = re.split(r"^@@\d+\n", done.stdout, flags=re.M)[1:]
        for (commands, expected), output in zip(examples, shown, strict=True):
            with self.subTest(commands):
                lines = [line for line in output.splitlines() if line.strip()]
                self.assertEqual(lines, expected.splitlines())


if __name__ == "__main__":
    unittest.main()
