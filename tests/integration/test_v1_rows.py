"""Rows of docs/rows.md that show best on a running gateway with a real Python kernel."""

import unittest

import isolated
from gateway import Gateway


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)

    def setUp(self):
        self.session = self.make()
        self.path = "/v1/sessions/" + self.session["session_id"]

    def make(self, **body):
        status, _, session = self.gateway.ask("POST", "/v1/sessions", {"kernel": "python3", **body})
        self.assertEqual(status, 201, session)
        self.addCleanup(self.gateway.ask, "DELETE", "/v1/sessions/" + session["session_id"])
        return session

    def execute(self, code, path=None, **more):
        status, _, result = self.gateway.ask("POST", (path or self.path) + "/execute",
                                             {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    # rows: K11
    def test_output_before_an_error_is_kept(self):
        result = self.execute("print('before'); 1/0")
        self.assertEqual((result["status"], result["stdout"]), ("error", "before\n"))
        self.assertTrue(result["output"].startswith("before\n"))
        self.assertEqual(result["error"]["type"], "ZeroDivisionError")
        self.assertNotIn("\x1b", result["error"]["traceback"])

    # rows: J10
    def test_magics_shell_escapes_and_rich_output_work(self):
        self.assertIn("Wall time", self.execute("%%time\nx = 1")["output"])
        self.assertEqual(self.execute("!echo from the shell")["stdout"].strip(), "from the shell")
        result = self.execute("from IPython.display import HTML\nHTML('<b>bold</b>')")
        (file,) = result["output_files"]
        self.assertEqual((file["mime"], file["source"]), ("text/html", "display"))
        self.assertEqual(self.gateway.ask("GET", f"{self.path}/files/{file['path']}")[2], "<b>bold</b>")

    # rows: B01
    def test_success_output_and_error_are_apart(self):
        result = self.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)")
        self.assertEqual((result["status"], result["stdout"], result["stderr"]), ("ok", "out\n", "err\n"))
        result = self.execute("raise ValueError('no')")
        self.assertEqual((result["status"], result["error"]["message"]), ("error", "no"))

    # rows: L04
    def test_only_files_that_somebody_named_are_left(self):
        self.execute("print('temporary')")
        self.execute("# filename: kept.py\nprint('named')")
        entries = self.gateway.ask("GET", self.path + "/files?recursive=1")[2]["entries"]
        self.assertEqual([e["path"] for e in entries], ["kept.py"])

    # rows: L17 H36
    def test_it_says_how_kernels_are_isolated(self):
        self.execute("1")
        session = self.gateway.ask("GET", self.path)[2]
        self.assertEqual([k["isolation"] for k in session["kernels"]], [isolated.REPORTED])
        info = self.gateway.ask("GET", "/v1/info")[2]
        self.assertEqual(info["isolation"]["default"], isolated.DEFAULT)

    # rows: H15
    def test_an_execution_tells_its_times_and_its_success(self):
        path = "/v1/sessions/" + self.make(profile="simple")["session_id"]
        result = self.execute("import time; time.sleep(0.2)", path, timeout=30)
        self.assertGreaterEqual(result["timing"]["exec_ms"], 200)
        self.assertGreaterEqual(result["timing"]["total_ms"], result["timing"]["exec_ms"])
        statistics = result["statistics"]
        self.assertGreaterEqual(statistics.pop("execution_s"), 0.2)
        self.assertEqual(statistics, {"profile": "simple", "memory_limit_bytes": 256 << 20,
                                      "cpu_limit": 0.5, "timeout_s": 30, "success": True})
        self.assertFalse(self.execute("1/0", path)["statistics"]["success"])

    # rows: B02
    @isolated.only_without("gVisor has no pidfd_open, which our kernels wait with", "gvisor")
    def test_a_shell_command_has_success_output_and_error_apart(self):
        run = lambda code: self.gateway.ask("POST", self.path + "/execute", {
            "blocks": [{"language": "bash", "code": code}]})[2]
        result = run("echo out; echo err >&2")
        self.assertEqual((result["status"], result["stdout"], result["stderr"]), ("ok", "out\n", "err\n"))
        result = run("echo before; false")
        self.assertEqual((result["status"], result["exit_code"], result["stdout"]), ("error", 1, "before\n"))

    # rows: H22
    def test_history_has_what_a_debugging_wrapper_prints(self):
        self.execute("print('out')")
        self.execute("import sys; sys.exit(4)")
        history = self.gateway.ask("GET", self.path + "/history")[2]["history"]
        self.assertEqual([(h["language"], h["code"], h["status"], h["exit_code"]) for h in history],
                         [("python", "print('out')", "ok", 0),
                          ("python", "import sys; sys.exit(4)", "error", 4)])
        self.assertEqual(history[0]["outputs"][0]["text"], "out\n")
        self.assertIn("SystemExit", [output.get("ename") for output in history[1]["outputs"]])

    def test_blocks_that_run_after_a_failure_are_told_with_it(self):
        status, _, result = self.gateway.ask("POST", self.path + "/execute", {
            "blocks": [{"code": "1/0"}, {"code": "print('between')"}, {"code": "nowhere"}],
            "stop_on_error": False})
        self.assertEqual((result["status"], result["exit_code"], result["error"]["block"]), ("error", 1, 0))
        self.assertEqual([b["status"] for b in result["blocks"]], ["error", "ok", "error"])
        output = result["output"]
        self.assertLess(output.index("between"), output.index("ZeroDivisionError"))
        self.assertLess(output.index("ZeroDivisionError"), output.index("Block 2: "))
        self.assertIn("NameError: name 'nowhere' is not defined", output)

    # rows: Z07
    def test_a_session_with_the_same_key_begins_anew_after_its_end(self):
        first = self.make(key="again")
        path = "/v1/sessions/" + first["session_id"]
        self.execute("x = 1", path)
        self.gateway.ask("DELETE", path)
        status, _, second = self.gateway.ask("PUT", "/v1/sessions/by-key/again", {"kernel": "python3"})
        self.addCleanup(self.gateway.ask, "DELETE", "/v1/sessions/" + second["session_id"])
        self.assertEqual((status, second["session_id"] != first["session_id"]), (201, True))
        result = self.execute("x", "/v1/sessions/" + second["session_id"])
        self.assertEqual(result["error"]["type"], "NameError")

    # rows: H12
    def test_the_history_has_every_attempt(self):
        self.execute("value = 1 / 0")
        self.execute("value = 1 / 2\nvalue")
        history = self.gateway.ask("GET", self.path + "/history")[2]["history"]
        self.assertEqual([(h["code"], h["status"]) for h in history],
                         [("value = 1 / 0", "error"), ("value = 1 / 2\nvalue", "ok")])
        self.assertEqual(history[0]["outputs"][0]["ename"], "ZeroDivisionError")
        self.assertEqual(history[1]["outputs"][0]["data"]["text/plain"], "0.5")

    # rows: J11
    def test_what_follows_an_error_at_once_is_run(self):
        # A kernel that was told to stop at errors skips what comes just after one, too.
        for _ in range(20):
            self.assertEqual(self.execute("1/0")["status"], "error")
            self.assertEqual(self.execute("print('on')")["stdout"], "on\n")

    # rows: H20
    def test_exit_codes_are_those_of_the_program(self):
        self.assertEqual(self.execute("import sys; sys.exit(3)")["exit_code"], 3)
        self.assertEqual(self.execute("raise SystemExit")["exit_code"], 0)
        result = self.execute("import time\ntime.sleep(60)", timeout=0.3)
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))

    # rows: H30 H31 U09
    def test_a_result_is_told_in_the_words_of_each_client(self):
        def told(format, code):
            return self.gateway.ask("POST", f"{self.path}/execute?format={format}", {"code": code})[2]
        self.assertIn("The script ran but produced no output to console", told("autogen", "x = 1"))
        self.assertEqual(told("exitcode", "print(5)").strip(),
                         "exitcode: 0 (execution succeeded)\nCode output: 5")
        answer = told("anthropic", "print(5)")
        self.assertEqual((answer["return_code"], answer["stdout"]), (0, "5\n"))


if __name__ == "__main__":
    unittest.main()
