"""Cells without IPython."""

import base64
import unittest

from support import PlainKernelTestCase
from test_outputs import installed


class PlainCells(PlainKernelTestCase):
    def test_have_state_and_values(self):
        self.assertEqual(self.result("import sys; 'IPython' in sys.modules"), "False")
        self.assertIsNone(self.result("x = 20"))
        self.assertEqual(self.result("def f(): return x + 1\nf()"), "21")
        self.assertEqual(self.result("_ + 1"), "22")
        self.assertIsNone(self.result("x;"))
        self.assertIsNone(self.result(""))
        self.assertEqual(self.result("__name__"), "'__main__'")
        self.assertEqual(
            self.result("import pickle\nclass C: pass\ntype(pickle.loads(pickle.dumps(C()))) is C"),
            "True",
        )

    def test_await(self):
        self.assertEqual(self.result("import asyncio\nawait asyncio.sleep(0.01, 'done')"), "'done'")
        self.assertIsNone(self.result("t = asyncio.create_task(asyncio.sleep(0, 4));"))
        self.assertEqual(self.result("await t"), "4")

    def test_fail_with_a_traceback_that_shows_their_lines(self):
        run = self.py.run("def f():\n    return [][1]\nf()")
        self.assertEqual(run.error, ("IndexError", "list index out of range"))
        self.assertIn("return [][1]", run.traceback)
        self.assertIn("<cell 1>", run.traceback)
        self.assertNotIn("perijove_kernel", run.traceback)
        self.assertEqual(self.failed("x = (")[0], "SyntaxError")
        self.assertEqual(self.failed("import sys; sys.exit(2)"), ("SystemExit", "2"))
        self.assertEqual(self.result("1"), "1")

    def test_run_commands(self):
        self.assertEqual(self.py.run("!echo one; echo two >&2").text, "one\ntwo\n")
        self.assertEqual(self.py.run("%%bash\necho three\n").stdout, "three\n")
        self.assertEqual(self.failed("%%bash\nexit 3")[0], "CalledProcessError")
        self.assertEqual(self.result("%cd /\nimport os; os.getcwd()"), "'/'")
        self.assertEqual(self.result("'''\n!no command\n'''"), "'\\n!no command\\n'")

    def test_show_rich_objects(self):
        self.py.run(
            "class R:\n  def _repr_html_(self): return '<b>'\n  def _repr_png_(self): return b'\\x89'\n  def __repr__(self): return 'r'"
        )
        [content] = self.py.run("R()").contents("execute_result")
        self.assertEqual(
            content["data"], {"text/html": "<b>", "image/png": "iQ==", "text/plain": "r"}
        )
        run = self.py.run("print(1); display(R(), display_id='d'); print(2)")
        self.assertEqual(
            (run.stdout, run.contents("display_data")[0]["transient"]),
            ("1\n2\n", {"display_id": "d"}),
        )

    def test_evaluate_user_expressions(self):
        values = self.py.run("a = 6", user_expressions={"a": "a * 7", "b": "c"}).reply[
            "user_expressions"
        ]
        self.assertEqual(values["a"]["data"]["text/plain"], "42")
        self.assertEqual((values["b"]["status"], values["b"]["ename"]), ("error", "NameError"))

    def test_ask_the_client(self):
        msg_id = self.py.client.execute("name = input('?')")
        self.assertEqual(self.answer_question(self.py, msg_id, "Ada")["prompt"], "?")
        self.py.finish(msg_id)
        self.assertEqual(self.result("name"), "'Ada'")
        self.assertEqual(
            self.py.run("input()", allow_stdin=False).error[0], "StdinNotImplementedError"
        )

    def test_help(self):
        self.py.run("variable_of_mine = 1; import os")
        reply = self.py.ask("complete", "variable_o", 10)
        self.assertEqual((reply["matches"], reply["cursor_start"]), (["variable_of_mine"], 0))
        self.assertIn("os.path", self.py.ask("complete", "x = os.pat", 10)["matches"])
        self.assertIn("iterables", self.py.ask("inspect", "zip(", 4)["data"]["text/plain"])
        self.assertFalse(self.py.ask("inspect", "not_there")["found"])
        for code, status in (
            ("x = 1", "complete"),
            ("if x:", "incomplete"),
            ("x ===", "invalid"),
            ("await f()", "complete"),
            ("!ls", "complete"),
        ):
            self.assertEqual(self.py.ask("is_complete", code)["status"], status, code)

    def test_exit_ends_the_kernel(self):
        self.py.client.execute("exit()")
        self.wait_until(lambda: not self.py.manager.is_alive())

    @unittest.skipUnless(
        installed("matplotlib"), "there is no matplotlib (Debian: python3-matplotlib)"
    )
    def test_draw_figures(self):
        run = self.py.run("import matplotlib.pyplot as plt; plt.plot([1, 2]);")
        [content] = run.contents("display_data")
        self.assertEqual(base64.b64decode(content["data"]["image/png"])[:4], b"\x89PNG")
