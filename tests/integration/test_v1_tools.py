"""POST /v1/tools and /v1/tests: the helpers around code, with the guides' exact texts."""

import json
import unittest

from gateway import WithGateway, wait_until

FENCED = "First:\n```python\nx = 1\n```\nthen\n```sh\nls\n```\n"


class WithV1(WithGateway):
    def post(self, path, status, body):
        got, _, answer = self.gateway.request("POST", path, body)
        if isinstance(answer, bytes):
            answer = json.loads(answer)  # application/problem+json
        self.assertEqual(got, status, answer)
        return answer


class Tools(WithV1):
    def tool(self, name, status=200, **body):
        return self.post(f"/v1/tools/{name}", status, body)

    def codes(self, **body):
        return [(each["language"], each["code"]) for each in self.tool("extract", **body)["blocks"]]

    # extract

    def test_every_block_is_extracted_with_its_language(self):  # H02
        self.assertEqual(self.codes(text=FENCED), [("python", "x = 1"), ("bash", "ls")])
        self.assertEqual(self.codes(text=FENCED, mode="first"), [("python", "x = 1")])
        self.assertEqual(self.codes(text=FENCED, mode="last"), [("bash", "ls")])

    def test_code_without_a_language_is_judged_by_python_itself(self):  # H02
        text = "```\nfor i in range(3): pass\n```\n```\npip install x\n```\n```\nnot python at all\n```"
        self.assertEqual([language for language, _ in self.codes(text=text)],
                         ["python", "sh", "unknown"])

    def test_the_guides_extraction_takes_the_first_block_or_the_whole_text(self):  # H01
        self.assertEqual(self.codes(text=FENCED, mode="guide_first"), [("python", "x = 1")])
        self.assertEqual(self.codes(text="  print(1)\n", mode="guide_first"), [("python", "print(1)")])

    def test_agentchat_says_so_when_nothing_is_there_to_run(self):  # H03
        answer = self.tool("extract", text="```rust\nx\n```", mode="agentchat")
        self.assertEqual(answer["blocks"], [])
        self.assertEqual(answer["message"],
                         "No code blocks found in the thread. Please provide at least one "
                         "markdown-encoded code block to execute (i.e., quoting code in ```python "
                         "or ```sh code blocks).")

    def test_messages_are_searched_from_the_newest(self):  # U04
        messages = [{"role": "user", "content": "```python\nold\n```"},
                    {"role": "user", "content": FENCED},
                    {"role": "user", "content": "thanks"}]
        self.assertEqual(self.codes(messages=messages, last_n_messages=3),
                         [("python", "x = 1"), ("bash", "ls")])
        self.assertEqual(self.codes(messages=messages, last_n_messages=1), [])
        messages.insert(2, {"role": "assistant", "content": "done"})
        self.assertEqual(self.codes(messages=messages, last_n_messages="auto"), [])
        problem = self.tool("extract", 400, messages=messages, last_n_messages=-1)
        self.assertEqual(problem["detail"], "last_n_messages must be either a non-negative integer, "
                                            "or the string 'auto'.")

    def test_text_or_messages_but_not_both(self):
        self.assertEqual(self.tool("extract", 400)["code"], "validation_failed")
        self.tool("extract", 400, text="x", messages=[])
        self.tool("extract", 400, text="x", mood="all")

    # validate

    def test_the_tree_checker_finds_what_the_lists_miss(self):
        for code in ("from os import system", "import  os as o", "import importlib\n"
                     "importlib.import_module('os')", "getattr(__builtins__, 'ev' + 'al')('1')",
                     "().__class__.__base__.__subclasses__()", "!ls"):
            answer = self.tool("validate", code=code)
            self.assertFalse(answer["safe"], code)
            self.assertTrue(answer["issues"], code)

    def test_the_tree_checker_is_not_misled_by_words(self):
        for code in ("# import os", "s = 'import os'", "def reopen(x): pass\nreopen(1)",
                     "def my_eval(x): pass\nmy_eval(1)"):
            answer = self.tool("validate", code=code)
            self.assertEqual((answer["valid"], answer["safe"], answer["issues"]), (True, True, []),
                             code)

    def test_syntax_errors_tell_their_line(self):  # H04
        answer = self.tool("validate", code="x = 1\ndef f(:\n", policy="syntax")
        self.assertFalse(answer["valid"])
        self.assertRegex(answer["errors"][0], r"^Line 2: ")
        self.assertEqual(self.tool("validate", code="import os", policy="syntax"),
                         {"valid": True, "errors": [], "issues": []})

    def test_the_lists_answer_in_their_own_words(self):  # H05 H06 H07 H08
        for policy, code, error in (
                ("ag2", "import os", "Potentially unsafe code detected: import os"),
                ("ag2-forbidden", "x = eval('1')", "Potentially unsafe code detected: eval("),
                ("ag2", "import requests", "Network access not allowed: requests"),
                ("ag2-network", "from urllib import x", "Network access not allowed: urllib"),
                ("guide", "import os", "Code contains prohibited patterns"),
                ("course", "import os", "OS module import")):
            answer = self.tool("validate", code=code, policy=policy)
            self.assertEqual((answer["valid"], answer["errors"]), (False, [error]), policy)
            self.assertTrue(self.tool("validate", code="x = 1", policy=policy)["valid"])
        self.assertEqual(self.tool("validate", code="x", policy="course")["issues"], [])
        self.assertEqual(self.tool("validate", code="import  sys", policy="course")["issues"],
                         ["System module import"])

    def test_shell_code_has_a_list_of_its_own(self):  # L16
        answer = self.tool("validate", code="rm -rf /", language="sh", policy="ag2-shell")
        self.assertFalse(answer["valid"])
        self.assertRegex(answer["errors"][0], "^Potentially dangerous command detected: ")
        self.assertTrue(self.tool("validate", code="ls", language="sh", policy="ag2-shell")["valid"])

    def test_input_is_refused_for_the_first_of_four_reasons(self):  # H09
        for code, reason in (("x" * 10001, "Code too long (max 10000 chars)"),
                             ("x\0", "Invalid characters in code"),
                             ("x =", "Syntax error: ['Line 1: invalid syntax']"),
                             ("import os", "Unsafe operations: ['OS module import']"),
                             ("x = 1", None)):
            answer = self.tool("validate", code=code, policy="course-input")
            self.assertEqual((answer["valid"], answer["reason"]), (reason is None, reason))

    def test_an_unknown_policy_is_told_what_there_is(self):
        problem = self.tool("validate", 400, code="x", policy="strickt")
        self.assertIn("did you mean 'strict'?", problem["detail"])
        self.assertEqual(self.tool("validate", 400, code="x", language="r")["code"],
                         "language_not_supported")

    # parse_error, format

    def test_errors_are_parsed_as_in_the_guide_or_better(self):  # H10
        text = 'Traceback:\n  File "x.py", line 7, in f\nValueError: no'
        self.assertEqual(self.tool("parse_error", text=text),
                         {"type": "ValueError", "line": 7, "message": text})
        self.assertEqual(self.tool("parse_error", text="KeyboardInterrupt")["type"], "Unknown")
        better = self.tool("parse_error", text='  File "x.py", line 3\nKeyboardInterrupt', mode="any")
        self.assertEqual((better["type"], better["line"]), ("KeyboardInterrupt", 3))

    def test_results_are_formatted_for_their_reader(self):  # U09 H31
        self.assertEqual(self.tool("format", text="hi", format="exitcode")["text"],
                         "exitcode: 0 (execution succeeded)\nCode output: hi")
        result = {"output": "no\n", "exit_code": 3, "status": "error"}
        self.assertEqual(self.tool("format", result=result, format="autogen")["text"],
                         "The script ran, then exited with an error (POSIX exit code: 3)\n"
                         "Its output was:\nno\n")
        self.assertIn("did you mean 'autogen'", self.tool("format", 400, text="x",
                                                           format="autogne")["detail"])

    def test_a_reply_is_read_back(self):  # U10
        text = "exitcode: 1 (execution failed)\nCode output: oh\nno"
        self.assertEqual(self.tool("parse_reply", text=text),
                         {"exit_code": 1, "output": "oh\nno", "succeeded": False})
        self.assertEqual(self.tool("parse_reply", text="?")["exit_code"], -1)

    def test_functions_become_stubs_and_a_prompt(self):  # H28
        answer = self.tool("functions", functions=[
            {"source": 'def add(a: int, b: int) -> int:\n    """Adds."""\n    return a + b\n'}])
        self.assertEqual(answer["names"], ["add"])
        self.assertIn("def add(a: int, b: int) -> int:", answer["stubs"])
        self.assertIn("module called `functions`", answer["prompt"])
        self.tool("functions", 400, functions=[{"source": "x = 1"}])

    def test_the_calculator_calculates_and_does_nothing_else(self):  # H38
        answer = self.tool("compute", expression="2 ** 10 + sqrt(16)")
        self.assertEqual((answer["success"], answer["output"]), (True, "1028.0"))
        self.assertFalse(self.tool("compute", expression="__import__('os')")["success"])
        self.assertEqual(self.tool("compute", expression="n * 2", variables={"n": 21})["output"], "42")

    def test_an_unknown_tool_is_no_path(self):
        self.assertEqual(self.gateway.request("POST", "/v1/tools/nothing", {})[0], 404)
        self.assertEqual(self.gateway.request("GET", "/v1/tools/extract")[0], 405)


class Cases(WithV1):
    CODE = "def f(x):\n    return x * 2\n"

    def run_tests(self, status=200, **body):
        return self.post("/v1/tests", status, body)

    def sessions(self):
        return self.gateway.request("GET", "/v1/sessions")[2]["sessions"]

    def kernels(self):
        return {each["id"] for each in self.gateway.request("GET", "/api/kernels")[2]}

    def directories(self):
        return set((self.gateway.work_dir).glob("sessions/*"))

    def test_calls_are_compared_with_what_is_printed(self):  # H23
        before = self.directories()
        answer = self.run_tests(kernel="python3", code=self.CODE, cases=[
            {"call": "f(2)", "expected": "4"}, {"call": "f(2)", "expected": 4},
            {"call": "f([1, 'a'])", "expected": [1, "a", 1, "a"]},
            {"call": "f(True) == 2", "expected": True}, {"call": "f(3)", "expected": 7},
            {"call": "f()", "expected": None}])
        self.assertEqual((answer["total"], answer["passed"]), (6, 4))
        self.assertEqual(answer["results"][0],
                         {"test": "f(2)", "expected": "4", "actual": "4", "passed": True})
        self.assertEqual(answer["results"][4]["actual"], "6")
        self.assertRegex(answer["results"][5]["actual"], "^TypeError: ")
        wait_until(lambda: not self.sessions(), "the end of the session")
        wait_until(lambda: self.directories() == before, "the end of its directory")

    def test_statements_are_asserted(self):  # H24
        answer = self.run_tests(kernel="python3", code=self.CODE, cases=[
            {"assert": "f(2) == 4"}, {"assert": "assert f(2) == 5, 'no five'"}])
        self.assertEqual(answer["output"], "Test 1: PASS\nTest 2: FAIL\n")
        self.assertEqual(answer["results"][1]["actual"], "AssertionError: no five")

    def test_code_that_fails_fails_every_case(self):
        answer = self.run_tests(kernel="python3", code="1/0", cases=[{"call": "1", "expected": 1}])
        self.assertEqual((answer["passed"], answer["error"]["type"]), (0, "ZeroDivisionError"))
        self.assertEqual(answer["results"][0]["actual"], "not run")

    def test_a_session_keeps_its_state_for_and_after_the_tests(self):
        session = self.gateway.request("POST", "/v1/sessions", {"kernel": "python3"})[2]["session_id"]
        self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{session}")
        self.run_tests(session=session, code=self.CODE, cases=[{"call": "f(1)", "expected": 2}])
        answer = self.run_tests(session=session, cases=[{"call": "f(5)", "expected": 10}])
        self.assertEqual(answer["passed"], 1)
        self.assertEqual(answer["session_id"], session)

    def test_restricted_tests_need_no_kernel(self):
        before = self.kernels()
        answer = self.run_tests(mode="restricted", code=self.CODE, cases=[
            {"call": "f(2)", "expected": 4}, {"call": "open('x')", "expected": ""}])
        self.assertEqual(answer["passed"], 1)
        self.assertLessEqual(self.kernels(), before)

    def test_wrong_requests_are_refused(self):
        for body in ({"cases": []}, {"cases": [{"call": "x"}]}, {"cases": [{"expected": 1}]},
                     {"cases": [{"assert": "x", "call": "y"}]}, {"code": "x"},
                     {"cases": [{"assert": "x"}], "profil": "simple"}):
            self.assertEqual(self.run_tests(400, **body)["code"], "validation_failed", body)
        self.assertEqual(self.run_tests(404, session="s_none", cases=[{"assert": "1"}])["code"],
                         "session_not_found")


if __name__ == "__main__":
    unittest.main()
