"""What a session knows, through /v1: variables, expressions, history, and packages of its Python."""

import json
import pathlib
import subprocess
import threading
import unittest

import nbformat  # python3-nbformat

import isolated
from gateway import WithGateway, wait_until
import places  # where the gateway's own helpers are
import wheels


class State(WithGateway):
    def session(self, kernel="python3", **options):
        status, _, session = self.gateway.request("POST", "/v1/sessions", {"kernel": kernel, **options})
        self.assertEqual(status, 201, session)
        self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{session['session_id']}")
        self.id = session["session_id"]
        return session

    def ask(self, method, path, body=None):
        return self.gateway.request(method, f"/v1/sessions/{self.id}/{path}", body)

    def run_code(self, code, **more):
        status, _, result = self.ask("POST", "execute", {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    def refused(self, status, code, method, path, body=None):
        answer = self.ask(method, path, body)
        problem = json.loads(answer[2])
        self.assertEqual((answer[0], problem["code"]), (status, code), problem)
        return problem

    def wait_until_running(self):
        """The id of the execution that the session is busy with."""
        return wait_until(
            lambda: self.gateway.request("GET", f"/v1/sessions/{self.id}")[2]["running"],
            "something runs")


class Variables(State):
    def setUp(self):
        self.session()

    # rows: H37
    def test_are_listed_inspected_and_set(self):
        self.run_code("import os\nx = [1, 2]\n_p = 1\ndef f(a): 'Doc.'\nfor out in (): pass")
        status, _, answer = self.ask("GET", "variables")
        self.assertEqual(status, 200)
        self.assertEqual([(v["name"], v["type"], v["preview"]) for v in answer["variables"]],
                         [("x", "list", "[1, 2]")])
        self.assertEqual((answer["total"], answer["truncated"]), (1, False))
        names = {v["name"] for v in
                 self.ask("GET", "variables?include=modules,functions,private")[2]["variables"]}
        self.assertEqual(names, {"os", "x", "_p", "f"})
        status, _, variable = self.ask("GET", "variables/f")
        self.assertEqual((status, variable["signature"], variable["doc"]), (200, "(a)", "Doc."))

        value = {"text": "ä\u2028\"\\ \U0001f600", "list": [1, 2.5, None, True], "deep": {"a": [{}]}}
        status, _, variable = self.ask("PUT", "variables/data", value)
        self.assertEqual((status, variable["type"], variable["length"]), (200, "dict", 3))
        self.run_code("import json; print(json.dumps(data))")
        result = self.run_code("import json; print(json.dumps(data))")
        self.assertEqual(json.loads(result["stdout"]), value)

    def test_looking_leaves_no_trace(self):
        self.run_code("x = 1")
        self.ask("GET", "variables")
        self.ask("PUT", "variables/y", 2)
        self.ask("POST", "evaluate", {"expressions": {"a": "x + y"}})
        result = self.run_code("print(len(In), sorted(Out), _i)")
        self.assertEqual(result["stdout"], "3 [] x = 1\n")
        self.assertEqual(result["blocks"][0]["execution_count"], 2)
        self.assertEqual(len(self.ask("GET", "history")[2]["history"]), 2)

    def test_what_is_wrong_is_said(self):
        self.refused(404, "variable_not_found", "GET", "variables/missing")
        self.refused(400, "validation_failed", "PUT", "variables/class", 1)
        self.refused(400, "validation_failed", "PUT", "variables/__name__", 1)
        self.refused(400, "validation_failed", "PUT", "variables/x", b"not JSON")
        self.refused(400, "validation_failed", "POST", "evaluate", {"expression": {"a": "1"}})
        self.refused(400, "validation_failed", "POST", "evaluate", {"expressions": {"a": 1}})
        self.assertEqual(self.ask("DELETE", "variables/x")[0], 405)

    def test_every_expression_has_its_own_answer(self):
        self.run_code("x = 20")
        status, _, answer = self.ask("POST", "evaluate", {
            "expressions": {"double": "x * 2", "broken": "x +", "missing": "nope",
                            "large": "list(range(10 ** 6))"}})
        self.assertEqual(status, 200, answer)
        results = answer["results"]
        self.assertEqual((results["double"]["status"], results["double"]["value"]), ("ok", 40))
        self.assertEqual(results["double"]["preview"], "40")
        self.assertEqual((results["broken"]["status"], results["broken"]["error"]["type"]),
                         ("error", "SyntaxError"))
        self.assertEqual(results["missing"]["error"]["message"], "name 'nope' is not defined")
        self.assertEqual(results["large"]["length"], 10 ** 6)
        self.assertLess(len(json.dumps(results["large"])), 10_000)

    def test_a_busy_kernel_says_so(self):
        self.run_code("x = 1")
        self.ask("POST", "execute", {"code": "import time; time.sleep(600)", "mode": "async"})
        running = self.wait_until_running()
        for method, path, body in (("GET", "variables", None), ("GET", "variables/x", None),
                                   ("PUT", "variables/x", 2),
                                   ("POST", "evaluate", {"expressions": {"a": "1"}})):
            self.refused(409, "kernel_busy", method, path, body)
        self.gateway.request("POST", f"/v1/executions/{running}/cancel", {})
        self.gateway.request("GET", f"/v1/executions/{running}?wait_s=60")
        self.assertEqual(self.ask("GET", "variables/x")[2]["preview"], "1")


    def test_an_expression_without_end_is_ended_and_the_variables_stay(self):
        self.run_code("x = 1")
        self.refused(504, "timeout", "POST", "evaluate",
                     {"expressions": {"a": "__import__('time').sleep(600)"}})
        self.assertEqual(self.ask("GET", "variables/x")[2]["preview"], "1")


class OtherLanguages(State):
    def test_have_no_variables_here(self):
        self.session("perijove-echo")
        problem = self.refused(501, "language_not_supported", "GET", "variables")
        self.assertIn("Python only", problem["detail"])
        self.refused(501, "language_not_supported", "POST", "evaluate", {"expressions": {"a": "1"}})


class History(State):
    def setUp(self):
        self.session()
        self.run_code("x = 1\nprint('one\\ntwo')\nx")
        self.run_code("from IPython.display import display, HTML\ndisplay(HTML('<b>b</b>'))\n1 / 0")
        self.run_code("quiet = 1", store_history=False)

    def test_as_json(self):
        status, _, answer = self.ask("GET", "history")
        self.assertEqual((status, answer["session_id"]), (200, self.id))
        first, second = answer["history"]
        self.assertEqual((first["language"], first["status"], first["execution_count"]),
                         ("python", "ok", 1))
        self.assertEqual([o["output_type"] for o in first["outputs"]], ["stream", "execute_result"])
        self.assertEqual((second["status"], second["outputs"][-1]["ename"]),
                         ("error", "ZeroDivisionError"))
        self.assertTrue(second["execution_id"].startswith("e_"))

    def test_as_a_notebook(self):
        status, headers, body = self.ask("GET", "history?format=ipynb")
        self.assertEqual((status, headers.get_content_type()), (200, "application/x-ipynb+json"))
        self.assertIn(".ipynb", headers["Content-Disposition"])
        notebook = nbformat.reads(body, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
        self.assertEqual((notebook.nbformat, notebook.nbformat_minor), (4, 5))
        self.assertEqual(notebook.metadata.kernelspec.name, "python3")
        self.assertEqual(len(notebook.cells), 2)
        self.assertEqual(notebook.cells[0].outputs[0].text, "one\ntwo\n")
        self.assertEqual(notebook.cells[1].outputs[0].data["text/html"], "<b>b</b>")

    def test_as_a_script(self):
        status, headers, body = self.ask("GET", "history?format=py")
        self.assertEqual((status, headers.get_content_type()), (200, "text/x-python"))
        self.assertTrue(body.startswith("# %%\nx = 1\nprint('one\\ntwo')\nx\n\n# %%\nfrom IPython"))
        compile(body, "history.py", "exec")

    def test_in_no_other_form(self):
        self.refused(400, "validation_failed", "GET", "history?format=pdf")
        self.assertEqual(self.ask("POST", "history", {})[0], 405)


@isolated.only_without("theirs are below the work directory: test_v1_packages.py")
class Packages(State):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # An interpreter of its own, which sees the system's ipykernel.
        cls.venv = cls.gateway.directory / "venv"
        subprocess.run([places.DEBIAN_PYTHON, "-m", "venv", "--system-site-packages", cls.venv],
                       check=True, stdin=subprocess.DEVNULL)
        kernel = cls.gateway.directory / "share" / "kernels" / "venv"
        kernel.mkdir()
        (kernel / "kernel.json").write_text(json.dumps({
            "language": "python", "display_name": "Python with packages of its own",
            "argv": [str(cls.venv / "bin" / "python"), "-m", "ipykernel_launcher", "-f",
                     "{connection_file}"]}))
        cls.wheels = cls.gateway.directory / "wheels"
        cls.wheels.mkdir()
        for name, version in (("pj_tiny", "1.0"), ("pj_tiny", "2.0"), ("pj_other", "0.1")):
            wheels.write_wheel(cls.wheels, name, version)
        cls.env = wheels.environment(cls.wheels)

    def setUp(self):
        self.session("venv", env=self.env)
        self.addCleanup(subprocess.run, [self.venv / "bin" / "python", "-m", "pip", "uninstall", "-qy",
                                         "pj_tiny", "pj_other"], capture_output=True, check=True)

    def install(self, *requirements, **more):
        status, _, answer = self.ask("POST", "packages", {"install": list(requirements), **more})
        self.assertEqual(status, 200, answer)
        return answer

    def test_are_there_for_the_code_that_runs_already(self):
        self.run_code("x = 1\ntry:\n  import pj_tiny\nexcept ImportError: print('missing')")
        answer = self.install("pj-tiny<2", "PJ.Other")
        self.assertEqual(answer["installed"], [{"name": "pj-tiny", "version": "1.0"},
                                               {"name": "pj-other", "version": "0.1"}])
        self.assertEqual(answer["failed"], [])
        self.assertEqual(self.run_code("import pj_tiny; print(pj_tiny.VERSION, x)")["stdout"], "1.0 1\n")
        self.assertEqual(self.install("pj_tiny")["installed"][0]["version"], "1.0")
        self.assertEqual(self.install("pj_tiny", upgrade=True)["installed"][0]["version"], "2.0")

    def test_installing_leaves_no_trace_in_the_session(self):
        self.install("pj_other")
        self.assertEqual(self.ask("GET", "variables?include=modules,functions,private")[2]["total"], 0)
        self.assertEqual(self.ask("GET", "history")[2]["history"], [])
        self.assertEqual(self.run_code("print(len(In))")["stdout"], "2\n")

    def test_one_that_fails_keeps_no_other_back(self):
        answer = self.install("pj_nowhere", "pj_other")
        self.assertEqual(answer["installed"], [{"name": "pj-other", "version": "0.1"}])
        self.assertEqual(answer["failed"], ["pj_nowhere"])
        self.assertIn("pj_nowhere", answer["log_tail"])

    def test_what_is_no_package_reaches_no_pip(self):
        for wrong in ("--index-url=http://127.0.0.1:9/", "-r x.txt", "./x.whl", "a; rm -rf /", "a b",
                      "$(id)", "a @ file:///tmp/a.whl", ""):
            self.refused(400, "validation_failed", "POST", "packages", {"install": ["pj_other", wrong]})
        for wrong in ({}, {"install": []}, {"install": "pj_other"}, {"install": [1]},
                      {"install": ["a"], "pip_args": "x"}):
            self.refused(400, "validation_failed", "POST", "packages", wrong)
        self.assertEqual(self.gateway.request("GET", f"/v1/sessions/{self.id}")[2]["kernels"], [])

    def slow_pip(self):
        """Makes the pip of this session's interpreter one that never ends; returns its mark."""
        mark = pathlib.Path(self.gateway.directory) / f"{self.id}.pid"
        shadow = self.gateway.directory / f"shadow-{self.id}"
        shadow.mkdir()
        (shadow / "pip.py").write_text(
            f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\n"
            "while True: time.sleep(600)\n")
        self.run_code(f"import os; os.environ['PYTHONPATH'] = {str(shadow)!r}")
        return mark

    def in_background(self, **body):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.ask("POST", "packages", {"install": ["pj_other"], **body})))
        thread.start()
        self.addCleanup(thread.join)
        return thread, answers

    def test_installing_can_be_cancelled_and_others_wait_for_it(self):
        mark = self.slow_pip()
        thread, answers = self.in_background()
        wait_until(lambda: mark.exists() and mark.read_text(), "pip runs")
        self.refused(409, "kernel_busy", "GET", "variables")
        running = self.wait_until_running()
        self.assertEqual(self.gateway.request("POST", f"/v1/executions/{running}/cancel", {})[0], 202)
        thread.join()
        status, _, body = answers[0]
        self.assertEqual((status, json.loads(body)["code"]), (409, "cancelled"))
        pid = int(mark.read_text())
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "pip has ended")
        self.assertEqual(self.run_code("print(1)")["stdout"], "1\n")

    def test_installing_has_a_time_limit(self):
        self.slow_pip()
        status, _, body = self.ask("POST", "packages", {"install": ["pj_other"], "timeout_s": 1})
        self.assertEqual((status, json.loads(body)["code"]), (504, "timeout"))
        self.assertEqual(self.run_code("print(1)")["stdout"], "1\n")


if __name__ == "__main__":
    unittest.main()
