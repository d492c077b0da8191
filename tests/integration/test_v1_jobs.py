"""Jobs: notebooks and lists of steps that run on the server, whoever listens."""

import http.client
import json
import signal
import unittest

import isolated
from gateway import PATIENCE, Gateway, wait_until


def code_cell(source, **more):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [],
            "execution_count": None, **more}


def notebook(*sources, kernel="python3"):
    return {"nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
            "cells": [source if isinstance(source, dict) else code_cell(source)
                      for source in sources]}


def text_of(cell):
    return "".join("".join(o.get("text", "")) for o in cell["outputs"])


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)

    def tearDown(self):
        for session in self.ask("GET", "/v1/sessions")[2]["sessions"]:
            self.ask("DELETE", "/v1/sessions/" + session["session_id"])

    def ask(self, method, path, body=None, **more):
        return self.gateway.ask(method, path, body, **more)

    def submit(self, **body):
        status, headers, job = self.ask("POST", "/v1/jobs", body)
        self.assertEqual(status, 202, job)
        self.assertEqual(headers["Location"], f"/v1/jobs/{job['job_id']}")
        return "/v1/jobs/" + job["job_id"]

    def ended(self, job):
        def job_that_ended():
            shown = self.ask("GET", job)[2]
            return shown if shown["status"] != "running" else None
        return wait_until(job_that_ended, "the job's end")

    def events(self, job, begin=1, **headers):
        """The events from a number on, up to the end of the stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", f"{job}/events?from={begin}",
                           headers={"Authorization": f"token {self.gateway.token}", **headers})
        for line in connection.getresponse():
            yield line.decode()

    def saved(self, job):
        status, headers, notebook_saved = self.ask("GET", job + "/notebook")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/x-ipynb+json"))
        return notebook_saved

    def test_steps_run_in_order_and_share_state(self):
        job = self.submit(name="sum", kernel="python3", steps=[
            {"name": "load", "code": "x = 20"},
            {"name": "work", "code": "x += 22\nprint('working')"},
            {"name": "show", "code": "x"}])
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["name"]), ("succeeded", "sum"))
        self.assertEqual(shown["progress"], {"total": 3, "done": 3, "failed": 0, "current": None})
        self.assertEqual([s["name"] for s in shown["steps"]], ["load", "work", "show"])
        self.assertEqual([s["output"] for s in shown["steps"]], ["", "working\n", "42\n"])
        self.assertEqual([s["execution_count"] for s in shown["steps"]], [1, 2, 3])
        # Nothing is left to resume, so its own session has ended.
        self.assertEqual((shown["session_state"], shown["resumable"]), ("ended", False))
        self.assertEqual(self.ask("GET", "/v1/sessions/" + shown["session_id"])[0], 404)

    def test_a_notebook_is_executed_with_its_parameters_and_its_outputs_are_saved(self):
        parameters = code_cell("n = 1", id="defaults", metadata={"tags": ["parameters"]})
        job = self.submit(
            notebook=notebook({"cell_type": "markdown", "source": "# Title", "metadata": {}},
                              parameters, "print(type(n).__name__, n, text)", "n * 2",
                              "import sys; print('a'); print('b'); print('c', file=sys.stderr)"),
            parameters={"n": 21, "text": "7"}, output_path="reports/done.ipynb", keep_session=True)
        shown = self.ended(job)
        self.assertEqual(shown["status"], "succeeded", shown)
        self.assertEqual(shown["notebook"]["path"], "reports/done.ipynb")
        cells = self.saved(job)["cells"]
        self.assertEqual([c["cell_type"] for c in cells], ["markdown"] + ["code"] * 5)
        self.assertEqual(cells[2]["metadata"]["tags"], ["injected-parameters"])
        self.assertEqual(text_of(cells[3]), "int 21 7\n")
        self.assertEqual("".join(cells[4]["outputs"][0]["data"]["text/plain"]), "42")
        self.assertEqual([(o["name"], "".join(o["text"])) for o in cells[5]["outputs"]],
                         [("stdout", "a\nb\n"), ("stderr", "c\n")])
        self.assertEqual([c["execution_count"] for c in cells[1:]], [1, 2, 3, 4, 5])
        session = self.ask("GET", "/v1/sessions/" + shown["session_id"])[2]
        with open(session["work_dir"] + "/reports/done.ipynb", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["cells"], cells)

    def test_the_notebook_is_saved_after_every_cell(self):
        job = self.submit(stdin="interactive", kernel="python3", steps=[
            {"code": "print('one')"}, {"code": "input('go on?')"}])
        shown = wait_until(
            lambda: (s := self.ask("GET", job)[2])["progress"]["done"] == 1 and s, "the first step")
        self.assertEqual((shown["status"], shown["progress"]["current"]), ("running", 1))
        cells = self.saved(job)["cells"]
        self.assertEqual(text_of(cells[0]), "one\n")
        self.assertEqual((cells[1]["execution_count"], cells[1]["outputs"]), (None, []))
        wait_until(lambda: any("input_request" in e for e in self.first_events(job, 8)), "prompt")
        execution = next(json.loads(e) for e in self.first_events(job, 8)
                         if json.loads(e).get("step") == 1)["execution_id"]
        self.assertEqual(self.ask("POST", f"/v1/executions/{execution}/input", {"text": "y"})[0], 204)
        self.assertEqual(self.ended(job)["status"], "succeeded")

    def first_events(self, job, count):
        found = []
        for line in self.events(job):
            found.append(line)
            if len(found) == count or "input_request" in line:
                break
        return found

    def test_a_failed_job_resumes_from_its_failed_step_with_its_state(self):
        job = self.submit(kernel="python3", steps=[
            {"name": "load", "code": "runs = globals().get('runs', 0) + 1; data = [1, 2, 3]"},
            {"name": "divide", "code": "print('before'); data[0] / 0"},
            {"name": "show", "code": "print(runs, data, total)"}])
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["failed_step"]), ("failed", 1))
        self.assertEqual(shown["error"]["type"], "ZeroDivisionError")
        self.assertEqual([s["status"] for s in shown["steps"]], ["ok", "error", "pending"])
        self.assertTrue(shown["resumable"] and shown["state_kept"])
        outputs = self.saved(job)["cells"][1]["outputs"]
        self.assertEqual([o["output_type"] for o in outputs], ["stream", "error"])

        status, _, again = self.ask("POST", job + "/resume", {"steps": [
            {"name": "load", "code": "raise Exception('must not run again')"},
            {"name": "divide", "code": "total = sum(data)"},
            {"name": "show", "code": "print(runs, data, total)"}]})
        self.assertEqual((status, again["runs"]), (202, 2))
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["runs"]), ("succeeded", 2))
        self.assertEqual(shown["steps"][2]["output"], "1 [1, 2, 3] 6\n")
        cells = self.saved(job)["cells"]
        self.assertEqual([c["execution_count"] for c in cells], [1, 3, 4])

    def test_a_job_resumes_from_a_step_by_number_or_name(self):
        job = self.submit(keep_session=True, kernel="python3", steps=[
            {"name": "begin", "code": "x = 1"}, {"name": "grow", "code": "x += 1; print(x)"}])
        self.assertEqual(self.ended(job)["steps"][1]["output"], "2\n")
        for step in (1, "grow"):
            self.assertEqual(self.ask("POST", job + "/resume", {"from_step": step})[0], 202)
            shown = self.ended(job)
        self.assertEqual((shown["status"], shown["steps"][1]["output"]), ("succeeded", "4\n"))
        status, _, problem = self.ask("POST", job + "/resume")
        self.assertIn("every step has succeeded", problem["detail"])
        for step in (2, "none", -1, ""):
            status, _, problem = self.ask("POST", job + "/resume", {"from_step": step})
            self.assertEqual((status, problem["code"] in ("validation_failed", "invalid_argument")),
                             (400, True), problem)

    def test_a_client_that_vanishes_changes_nothing(self):
        job = self.submit(stdin="interactive", kernel="python3",
                          steps=[{"code": "input()"}, {"code": "print('on')"}])
        reader = self.events(job)
        self.assertEqual(json.loads(next(reader))["type"], "job_started")
        reader.close()
        self.doCleanups()  # closes the reader's connection
        execution = json.loads(self.first_events(job, 2)[1])["execution_id"]
        wait_until(lambda: self.ask("POST", f"/v1/executions/{execution}/input", {"text": ""})[0] == 204,
                   "the prompt")
        self.assertEqual(self.ended(job)["status"], "succeeded")

    def test_events_are_numbered_and_followed_from_any_of_them(self):
        job = self.submit(kernel="python3", steps=[{"code": "print('a')"}, {"code": "1/0"}])
        everything = [json.loads(line) for line in self.events(job)]
        self.assertEqual([e["seq"] for e in everything], list(range(1, len(everything) + 1)))
        types = [e["type"] for e in everything]
        self.assertEqual((types[0], types[-1]), ("job_started", "done"))
        self.assertEqual([t for t in types if t.startswith("step_")],
                         ["step_started", "step_done"] * 2)
        self.assertEqual([(e["step"], e["text"]) for e in everything if e["type"] == "stdout"],
                         [(0, "a\n")])
        self.assertEqual([e["error"]["type"] for e in everything if e["type"] == "error"],
                         ["ZeroDivisionError"])
        self.assertEqual(everything[-1]["job"]["status"], "failed")
        self.assertEqual([json.loads(line) for line in self.events(job, 3)], everything[2:])
        sse = list(self.events(job, len(everything), Accept="text/event-stream"))
        self.assertEqual(sse[0], f"id: {len(everything)}\n")
        self.assertTrue(sse[1].startswith("data: {"))

    def test_a_job_is_cancelled_and_can_go_on_later(self):
        job = self.submit(kernel="python3", steps=[
            {"code": "x = 5"}, {"code": "import time\nwhile go: time.sleep(0.01)"},
            {"code": "print(x)"}])
        self.assertEqual(self.ended(job)["error"]["type"], "NameError")
        self.ask("POST", job + "/resume", {"steps": [
            {"code": "x = 5"}, {"code": "import time\nprint('busy', flush=True)\nwhile True: time.sleep(0.01)"},
            {"code": "print(x)"}]})
        for line in self.events(job):
            if '"busy' in line:
                break
        status, _, problem = self.ask("POST", job + "/resume")
        self.assertEqual((status, problem["code"]), (409, "job_running"))
        self.assertEqual(self.ask("POST", job + "/cancel")[0], 202)
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["steps"][1]["status"]), ("cancelled", "cancelled"))
        self.assertEqual(text_of(self.saved(job)["cells"][1])[:5], "busy\n")
        self.ask("POST", job + "/resume", {"from_step": 2})
        self.assertEqual(self.ended(job)["steps"][2]["output"], "5\n")

    def test_errors_may_be_allowed(self):
        job = self.submit(allow_errors=True, kernel="python3",
                          steps=[{"code": "1/0"}, {"code": "print('on')"}])
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["progress"]["failed"]), ("succeeded", 1))
        self.assertEqual([s["status"] for s in shown["steps"]], ["error", "ok"])

    def test_a_step_over_its_time_ends_the_job_and_keeps_its_state(self):
        job = self.submit(timeout=0.5, kernel="python3", steps=[
            {"code": "x = 1"}, {"code": "import time\nprint('in')\ntime.sleep(60)"}])
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["steps"][1]["status"]), ("failed", "timeout"))
        self.assertEqual((shown["steps"][1]["exit_code"], shown["state_kept"]), (124, True))
        self.assertEqual(text_of(self.saved(job)["cells"][1])[:3], "in\n")

    def test_a_kernel_that_dies_is_told_in_the_notebook(self):
        job = self.submit(kernel="python3", steps=[{"code": "import os; os._exit(3)"}])
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["steps"][0]["status"]), ("failed", "kernel_died"))
        self.assertEqual((shown["state_kept"], shown["resumable"]), (False, True))
        self.assertEqual([o["output_type"] for o in self.saved(job)["cells"][0]["outputs"]], ["error"])

    def test_a_job_runs_in_a_session_that_is_there_and_leaves_it_there(self):
        session = self.ask("POST", "/v1/sessions", {"kernel": "python3", "key": "mine", "files": {
            "in.ipynb": json.dumps(notebook("print(base + 1)"))}})[2]
        path = "/v1/sessions/" + session["session_id"]
        self.ask("POST", path + "/execute", {"code": "base = 41"})
        job = self.submit(session="mine", notebook="in.ipynb")
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["steps"][0]["output"]), ("succeeded", "42\n"))
        self.assertEqual(shown["session_state"], "idle")
        self.assertEqual(self.ask("GET", path)[0], 200)

    @isolated.only_without("they need no restricted mode, which is refused")
    def test_what_ran_without_a_kernel_is_in_the_notebook_too(self):
        self.ask("POST", "/v1/sessions", {"kernel": "python3", "key": "guarded", "mode": "restricted"})
        job = self.submit(session="guarded", steps=[{"code": "print(6 * 7)"}, {"code": "import os"}])
        self.assertEqual(self.ended(job)["failed_step"], 1)
        cells = self.saved(job)["cells"]
        self.assertEqual(text_of(cells[0]), "42\n")
        self.assertEqual([o["output_type"] for o in cells[1]["outputs"]], ["error"])

    def test_a_session_of_its_own_is_made_as_any_other(self):
        job = self.submit(kernel="python3", env={"PLACE": "here"}, languages=["python"],
                          functions=["def double(x):\n    return 2 * x\n"], steps=[
                              {"code": "from functions import double\nprint(double(21))"},
                              {"code": "import os\nprint(os.environ['PLACE'])"},
                              {"language": "bash", "code": "echo no"}])
        shown = self.ended(job)
        self.assertEqual([s["status"] for s in shown["steps"]], ["ok", "ok", "rejected"])
        self.assertEqual([s["output"] for s in shown["steps"][:2]], ["42\n", "here\n"])
        self.assertEqual(shown["error"]["type"], "language_not_supported")
        status, _, problem = self.ask("POST", "/v1/jobs", {"session": shown["session_id"],
                                                          "kernel": "python3", "steps": [{"code": "1"}]})
        self.assertEqual((status, problem["code"]), (400, "validation_failed"))

    def test_the_end_of_its_session_ends_a_job(self):
        job = self.submit(stdin="interactive", kernel="python3",
                          steps=[{"code": "input()"}, {"code": "2"}])
        session = self.ask("GET", job)[2]["session_id"]
        self.assertEqual(self.ask("DELETE", "/v1/sessions/" + session)[0], 204)
        shown = self.ended(job)
        self.assertEqual((shown["status"], shown["resumable"]), ("failed", False))
        status, _, problem = self.ask("POST", job + "/resume")
        self.assertEqual((status, problem["code"]), (409, "session_expired"))
        self.assertEqual(len(self.saved(job)["cells"]), 2)

    def test_a_gateway_that_stops_leaves_the_notebook_with_what_has_run(self):
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        job = gateway.ask("POST", "/v1/jobs", {"kernel": "python3", "steps": [
            {"code": "print('kept')"}, {"code": "import time\nwhile True: time.sleep(0.01)"}]})[2]
        wait_until(lambda: gateway.ask("GET", "/v1/jobs/" + job["job_id"])[2]["progress"]["done"] == 1,
                   "the first step")
        session = gateway.ask("GET", "/v1/sessions/" + job["session_id"])[2]
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.exit_code(), 0)
        with open(f"{session['work_dir']}/{job['notebook']['path']}", encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        self.assertEqual(text_of(cells[0]), "kept\n")
        self.assertEqual([o["output_type"] for o in cells[1]["outputs"]], ["error"])

    def test_wrong_submissions_are_refused_and_leave_no_session(self):
        good = {"steps": [{"code": "1"}], "kernel": "python3"}
        for body, words in (
                ({}, "'notebook' or 'steps'"),
                ({"steps": []}, "no code"),
                ({"steps": [{"cod": "1"}]}, "did you mean"),
                ({"steps": "1"}, "an array"),
                ({**good, "notebook": notebook("1")}, "cannot both"),
                ({"notebook": 5}, "must be a notebook or the path of one"),
                ({"notebook": {"cells": []}}, "nbformat"),
                ({**good, "parameters": {"a": [1]}}, "'a' must be a string"),
                ({**good, "parameters": {"a b": 1}}, "not a name"),
                ({**good, "timeout": -1}, "timeout"),
                ({**good, "retries": 1}, "retries")):
            status, headers, problem = self.ask("POST", "/v1/jobs", body)
            self.assertEqual((status, problem.get("code")), (400, "validation_failed"), problem)
            self.assertEqual(headers["Content-Type"], "application/problem+json")
            self.assertIn(words, problem["detail"])
        status, _, problem = self.ask("POST", "/v1/jobs", {**good, "output_path": "../out.ipynb"})
        self.assertGreaterEqual(status, 400)
        self.assertLess(status, 500)
        for body in ({**good, "kernel": "nope"}, {"notebook": "../../etc/passwd"},
                     {"notebook": "missing.ipynb"}, {"steps": good["steps"], "session": "nobody"}):
            status = self.ask("POST", "/v1/jobs", body)[0]
            self.assertIn(status, (400, 403, 404), body)
        wait_until(lambda: not self.ask("GET", "/v1/sessions")[2]["sessions"], "no session is left")

    def test_jobs_are_listed_and_unknown_ones_are_404(self):
        job = self.submit(kernel="python3", name="listed", steps=[{"code": "1"}])
        self.ended(job)
        listed = [j for j in self.ask("GET", "/v1/jobs")[2]["jobs"] if j["name"] == "listed"]
        self.assertEqual((len(listed), "steps" in listed[0]), (1, False))
        for method, action in (("GET", ""), ("GET", "/events"), ("GET", "/notebook"),
                               ("POST", "/cancel"), ("POST", "/resume")):
            status, _, problem = self.ask(method, "/v1/jobs/j_none" + action)
            self.assertEqual((status, problem["code"]), (404, "job_not_found"))
        self.assertEqual(self.ask("GET", job + "/cancel")[0], 405)
        self.assertEqual(self.ask("GET", job + "/nothing")[0], 404)


if __name__ == "__main__":
    unittest.main()
