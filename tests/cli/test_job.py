"""`perijove job`: notebooks that a running gateway executes by itself."""

import json

from support import CliTestCase


def notebook(*sources):
    return json.dumps({
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"},
                     "language_info": {"name": "python"}},
        "cells": [{"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "outputs": [],
                   "execution_count": None, "source": source} for i, source in enumerate(sources)]})


class JobCommand(CliTestCase):
    def setUp(self):
        super().setUp()
        self.file = self.directory / "work.ipynb"

    def test_a_notebook_is_submitted_watched_and_got_back(self):
        self.serve()
        self.file.write_text(notebook("print(n + 1, text)"))
        done = self.perijove("job", "submit", self.file, "-p", "n", "41", "-p", "text", "a b", "--wait")
        self.assertEqual(done.code, 0, done.err)
        identifier, status, progress = done.out.split()
        self.assertEqual((status, progress), ("succeeded", "2/2"))
        self.assertIn("work.ipynb", self.perijove("job", "list").out)
        self.assertEqual(self.perijove("job", "status", identifier, "--json").json["status"], "succeeded")
        cells = json.loads(self.perijove("job", "notebook", identifier).out)["cells"]
        self.assertEqual("".join(cells[-1]["outputs"][0]["text"]), "42 a b\n")

    def test_a_job_that_fails_is_mended_and_resumed(self):
        self.serve()
        self.file.write_text(notebook("x = 1", "y = x / 0", "print(x, y)"))
        done = self.perijove("job", "submit", self.file, "--wait", "--json")
        self.assertEqual((done.code, done.json["failed_step"]), (1, 1))
        self.file.write_text(notebook("raise Exception('not again')", "y = x / 2", "print(x, y)"))
        done = self.perijove("job", "resume", done.json["job_id"], "--notebook", self.file, "--wait",
                             "--json")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.json["steps"][2]["output"], "1 0.5\n")

    def test_a_job_is_cancelled(self):
        self.serve()
        self.file.write_text(notebook("import time\nwhile True: time.sleep(0.01)"))
        identifier = self.perijove("job", "submit", self.file, "--json").json["job_id"]
        self.assertEqual(self.perijove("job", "cancel", identifier).code, 0)
        done = self.perijove("job", "status", identifier, "--wait")
        self.assertEqual((done.code, done.out.split()[1]), (1, "cancelled"))

    def test_what_cannot_be_is_said(self):
        self.serve()
        self.assertEqual(self.perijove("job", "submit", "none.ipynb").code, 66)
        self.assertEqual(self.perijove("job", "status", "j_none").code, 66)
        self.file.write_text("{}")
        self.assertIn("nbformat", self.perijove("job", "submit", self.file).err)


if __name__ == "__main__":
    import unittest
    unittest.main()
