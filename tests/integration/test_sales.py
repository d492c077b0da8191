"""The sales analysis in five steps that share state: as a notebook, a job and an agent."""

import json
import pathlib
import subprocess
import sys
import unittest

from gateway import PATIENCE, Gateway, wait_until

NOTEBOOKS = pathlib.Path(__file__).resolve().parents[2] / "notebooks"


class Sales(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)

    def test_the_notebook_runs_as_a_job(self):
        session = self.gateway.ask("POST", "/v1/sessions", {"kernel": "python3", "files": {
            "data/sales.csv": (NOTEBOOKS / "data/sales.csv").read_text()}})[2]
        self.addCleanup(self.gateway.ask, "DELETE", "/v1/sessions/" + session["session_id"])
        status, headers, job = self.gateway.ask("POST", "/v1/jobs", {
            "session": session["session_id"], "output_path": "done.ipynb",
            "notebook": json.loads((NOTEBOOKS / "02-sales-in-five-steps.ipynb").read_text())})
        self.assertEqual(status, 202, job)
        shown = wait_until(lambda: (j := self.gateway.ask("GET", headers["Location"])[2])["status"]
                           != "running" and j, "the job's end", 4 * PATIENCE)
        self.assertEqual(shown["status"], "succeeded", shown["error"])
        self.assertEqual([s["name"] for s in shown["steps"]],
                         ["load", "clean", "tables", "chart", "report"])
        self.assertIn("774 order lines", shown["steps"][0]["output"])
        files = {f["path"]: f for step in shown["steps"] for f in step["output_files"]}
        self.assertIn("report.md", files)
        self.assertEqual(sum(f["mime"] == "image/png" for f in files.values()), 1)
        self.assertEqual(sum(f["mime"] == "text/html" for f in files.values()), 2)
        done = json.loads((pathlib.Path(session["work_dir"]) / "done.ipynb").read_text())
        self.assertTrue(all(c["outputs"] for c in done["cells"] if c["cell_type"] == "code"))

    # rows: H11 J09
    def test_the_agent_mends_a_step_and_goes_on(self):
        done = subprocess.run(
            [sys.executable, NOTEBOOKS / "sales_agent.py", "--url", self.gateway.url,
             "--token", self.gateway.token], capture_output=True, text=True, timeout=4 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertIn("[3 tables] line 2: KeyError", done.stdout)
        for number, name in enumerate(("load", "clean", "tables", "chart", "report"), 1):
            self.assertIn(f"[{number} {name}] ok", done.stdout)
        self.assertIn("774 order lines", done.stdout)
        self.assertRegex(done.stdout, r"file outputs/\S+\.png \(image/png, \d+ bytes, \d+x\d+\)")
        self.assertIn("file report.md (text/markdown", done.stdout)
        wait_until(lambda: not self.gateway.ask("GET", "/v1/sessions")[2]["sessions"], "no session is left")


if __name__ == "__main__":
    unittest.main()
