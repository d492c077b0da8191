"""The helper that looks at a kernel's variables, in a real kernel."""

import json
import queue
import subprocess
import sys
import time
import unittest

import support

try:
    from jupyter_client.manager import start_new_kernel
except ImportError:
    raise unittest.SkipTest("jupyter_client is not installed")

try:
    import pandas  # noqa: F401  (only whether the kernel has it)
except ImportError:
    pandas = None

TEXT = support.script_text("variables")
EXPRESSION = (
    '(lambda b, n, u: (b.exec({text}, n), n["answer"](u, {request}))[1])'
    '(__import__("builtins"), {{"__name__": "perijove"}}, (lambda: 0).__globals__)'
)


def literal(text):
    """As the gateway writes it: a JSON string of UTF-8."""
    return json.dumps(text, ensure_ascii=False)


class Kernel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manager, cls.client = start_new_kernel(kernel_name="python3")
        cls.addClassCleanup(cls.manager.cleanup_resources)
        cls.addClassCleanup(cls.manager.shutdown_kernel, now=True)
        cls.addClassCleanup(cls.client.stop_channels)

    def setUp(self):
        self.run_code("%reset -f")

    def run_code(self, code, **expressions):
        reply = self.client.execute(
            code, user_expressions=expressions, reply=True, timeout=support.DEADLINE_SECONDS
        )
        self.assertEqual(reply["content"]["status"], "ok", reply["content"])
        return reply["content"]

    def value(self, expression):
        return self.run_code("", value=expression)["user_expressions"]["value"]["data"][
            "text/plain"
        ]

    def ask(self, **request):
        expression = EXPRESSION.format(text=literal(TEXT), request=literal(json.dumps(request)))
        reply = self.client.execute(
            "",
            silent=True,
            store_history=False,
            reply=True,
            user_expressions={"perijove": expression},
            timeout=support.DEADLINE_SECONDS,
        )
        outcome = reply["content"]["user_expressions"]["perijove"]
        self.assertEqual(outcome["status"], "ok", outcome)
        return json.loads(outcome["data"]["text/plain"])

    def variables(self, **request):
        answer = self.ask(op="list", **request)
        self.assertTrue(answer["ok"], answer)
        return {each["name"]: each for each in answer["variables"]}


class Listing(Kernel):
    def test_shows_values_and_leaves_out_the_rest(self):
        self.run_code(
            "import os\ndef f(): pass\nclass C: pass\n_p = 1\nx = 42\nt = 'a\\u2028b'\nl = [1, 2]"
        )
        found = self.variables()
        self.assertEqual(set(found), {"x", "t", "l"})
        self.assertEqual(found["x"]["type"], "int")
        self.assertEqual(found["x"]["preview"], "42")
        self.assertEqual(found["l"]["length"], 2)
        self.assertGreater(found["l"]["size_bytes"], 0)
        self.assertEqual(
            set(self.variables(include=["modules", "functions", "private"])),
            {"x", "t", "l", "os", "f", "C", "_p"}
            | {name for name in self.variables(include=["private"]) if name[0] == "_"},
        )

    def test_leaves_no_names_and_no_history(self):
        self.run_code("x = 1")
        # Cells without history: they add nothing to In themselves.
        names = (
            "sorted(k for k in globals() if not k.startswith('_i')), "
            "len(In), len(Out), repr(globals().get('_'))"
        )
        before = self.quietly(names)
        self.variables()
        self.ask(op="inspect", name="x")
        self.assertEqual(self.quietly(names), before)

    def quietly(self, expression):
        reply = self.client.execute(
            "",
            silent=True,
            store_history=False,
            reply=True,
            user_expressions={"value": expression},
            timeout=30,
        )
        return reply["content"]["user_expressions"]["value"]["data"]["text/plain"]

    def test_says_nothing_to_others(self):
        self.run_code("x = 1")
        while True:
            try:
                self.client.get_iopub_msg(timeout=0)
            except queue.Empty:
                break
        self.variables()
        kinds = set()
        deadline = time.monotonic() + support.DEADLINE_SECONDS
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=support.DEADLINE_SECONDS)
            kinds.add(message["msg_type"])
            if message["content"].get("execution_state") == "idle":
                break
        self.assertEqual(kinds, {"status"})

    def test_works_where_builtins_have_other_meanings(self):
        self.run_code(
            "exec = eval = dict = list = len = type = str = repr = globals = json = sys = 0"
        )
        self.assertIn("dict", self.variables())
        self.run_code("del exec, eval, dict, list, len, type, str, repr, globals")

    def test_survives_hostile_objects(self):
        self.run_code(
            "class Raises:\n  def __repr__(self): raise SystemExit(3)\n"
            "class Never:\n  def __repr__(self):\n    while True:\n      try:\n"
            "        while True: pass\n"
            "      except Exception: pass\n"
            "class Liar:\n  __class__ = property(lambda self: 1 / 0)\n"
            "  def __getattribute__(self, name): raise RuntimeError\n"
            "  def __eq__(self, other): raise RuntimeError\n  def __sizeof__(self): return -1\n"
            "class Meta(type):\n  __name__ = property(lambda self: 1 / 0)\n"
            "  __module__ = 7\n  def __instancecheck__(self, other): raise RuntimeError\n"
            "class Odd(metaclass=Meta): pass\n"
            "class Long(list):\n  def __len__(self): return -5\n"
            "  def __iter__(self): raise RuntimeError\n"
            "a, b, c, d, e = Raises(), Never(), Liar(), Odd(), Long([1, 2])\n"
            "f = '\\ud800'; g = 10 ** 100_000; h = []; h.append(h)\n"
            "globals()[3] = globals()['not a name'] = 1"
        )
        found = self.variables()
        self.run_code("del globals()[3]")
        self.assertEqual(found["a"]["preview"], "<Raises: repr raises SystemExit>")
        self.assertEqual(found["b"]["preview"], "<Never: repr takes too long>")
        self.assertEqual(found["c"]["type"], "Liar")
        self.assertEqual(found["d"]["type"], "Odd")
        self.assertEqual(found["e"]["preview"], "Long([1, 2])")
        self.assertEqual(found["f"]["preview"], r"'\ud800'")
        self.assertEqual(found["g"]["preview"], "<int of 332193 bits>")
        self.assertIn("h", found)

    def test_is_bounded_for_huge_values(self):
        self.run_code(
            "a = list(range(3_000_000)); b = 'x' * 100_000_000; c = dict.fromkeys(range(10 ** 6))\n"
            "from dataclasses import dataclass\n@dataclass\nclass D:\n  a: list\nd = D(a)"
        )
        found = self.variables(preview_max=100)
        for name in "abcd":
            self.assertLessEqual(len(found[name]["preview"]), 100)
        self.assertEqual(found["a"]["length"], 3_000_000)
        self.run_code("for i in range(1000): globals()[f'v{i}'] = 'y' * 500")
        answer = self.ask(op="list", items_max=2000, bytes_max=10_000)
        self.assertTrue(answer["truncated"])
        self.assertEqual(answer["total"], 1005)
        self.assertLess(len(json.dumps(answer)), 11_000)

    def test_shows_containers_and_records_as_python_does(self):
        values = {
            "a": "(1,)",
            "b": "set()",
            "c": "OrderedDict({1: 2})",
            "d": "P(x=1, y='z')",
            "e": "mine",
            "f": "{'k': (1, [2, {3}])}",
            "g": "b'x'",
            "h": "-1.5",
            "i": "range(0, 3)",
        }
        self.run_code(
            "from collections import OrderedDict\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass P:\n  x: int\n  y: str\n"
            "@dataclass\nclass Q:\n  x: int\n  def __repr__(self): return 'mine'\n"
            "a, b, c, d, e = (1,), set(), OrderedDict({1: 2}), P(1, 'z'), Q(1)\n"
            "f, g, h, i = {'k': (1, [2, {3}])}, b'x', -1.5, range(3)"
        )
        self.assertEqual({name: each["preview"] for name, each in self.variables().items()}, values)

    def test_gives_back_the_users_alarm(self):
        self.run_code(
            "import signal\nrung = []\nsignal.signal(signal.SIGALRM, lambda *_: rung.append(1))\n"
            "signal.setitimer(signal.ITIMER_REAL, 1000)\n"
            "class Slow:\n  def __repr__(self):\n    while True: pass\nslow = Slow()"
        )
        self.variables()
        self.assertEqual(self.value("signal.getitimer(signal.ITIMER_REAL)[0] > 900"), "True")
        self.run_code(
            "signal.setitimer(signal.ITIMER_REAL, 0)\nsignal.raise_signal(signal.SIGALRM)"
        )
        self.assertEqual(self.value("rung"), "[1]")
        self.run_code("signal.signal(signal.SIGALRM, signal.SIG_DFL)")


class Inspecting(Kernel):
    def test_shows_the_source_of_a_function(self):
        self.run_code("def half(x: int, y=2):\n    'Halves.'\n    return x / y\n")
        found = self.ask(op="inspect", name="half")["variable"]
        self.assertEqual(found["signature"], "(x: int, y=2)")
        self.assertEqual(found["doc"], "Halves.")
        self.assertIn("return x / y", found["source"])

    def test_of_a_missing_name_is_an_error(self):
        self.assertEqual(
            self.ask(op="inspect", name="nothing"),
            {
                "ok": False,
                "error": {"type": "NameError", "message": "name 'nothing' is not defined"},
            },
        )

    @unittest.skipUnless(pandas, "pandas is not installed")
    def test_shows_the_head_of_a_table(self):
        self.run_code(
            "import pandas as pd\ndf = pd.DataFrame({'n': range(1000), 's': ['x' * 500] * 1000})"
        )
        found = self.ask(op="inspect", name="df", rows=2)["variable"]
        self.assertEqual(found["type"], "pandas.core.frame.DataFrame")
        self.assertEqual(found["shape"], [1000, 2])
        self.assertEqual(found["dtype"], "int64, object")
        self.assertGreater(found["size_bytes"], 8000)
        self.assertEqual(found["table"]["columns"], ["n", "s"])
        self.assertEqual([row[0] for row in found["table"]["data"]], [0, 1])
        self.assertEqual(len(found["table"]["data"][0][1]), 200)

    @unittest.skipUnless(pandas, "numpy is not installed")
    def test_shows_arrays_by_shape_and_kind(self):
        self.run_code(
            "import numpy as np\na = np.zeros((1000, 1000), dtype='float32')\nz = np.float64(1)"
        )
        found = self.variables()
        self.assertEqual(
            (found["a"]["shape"], found["a"]["dtype"], found["a"]["size_bytes"]),
            ([1000, 1000], "float32", 4_000_000),
        )
        self.assertIn("array([[0.", found["a"]["preview"])
        self.assertEqual(found["z"]["dtype"], "float64")


class Setting(Kernel):
    def test_gives_a_name_a_json_value(self):
        value = {"text": 'ä\U0001f600\u2028"\\', "list": [1, 2.5, None, True]}
        answer = self.ask(op="set", name="data", value=value)
        self.assertEqual(answer["variable"]["type"], "dict")
        self.assertEqual(self.value(f"data == {value!r}"), "True")

    def test_refuses_what_is_no_name(self):
        for name in ("a b", "class", "__builtins__", "", "x.y"):
            answer = self.ask(op="set", name=name, value=1)
            self.assertEqual(answer["error"]["type"], "ValueError")

    def test_unknown_requests_are_errors(self):
        self.assertFalse(self.ask(op="delete", name="x")["ok"])
        self.assertFalse(self.ask(op="set", name="x")["ok"])
        self.assertFalse(self.ask(op="inspect")["ok"])


class Evaluating(Kernel):
    def test_gives_every_expression_its_own_result(self):
        self.run_code("x = [1, 2]\nd = {1: 'a'}")
        results = self.ask(
            op="evaluate", expressions={"sum": " sum(x)", "x": "x", "d": "d", "no": "nope", "bad": "x ="}
        )["results"]
        self.assertEqual(results["sum"]["value"], 3)
        self.assertEqual((results["x"]["type"], results["x"]["value"]), ("list", [1, 2]))
        self.assertEqual(results["d"]["preview"], "{1: 'a'}")
        self.assertNotIn("value", results["d"])  # its keys would be others in JSON
        self.assertEqual(results["no"]["error"]["type"], "NameError")
        self.assertEqual(results["bad"]["error"]["type"], "SyntaxError")

    def test_survives_hostile_errors(self):
        self.run_code(
            "class E(Exception):\n  def __str__(self): raise ValueError\n"
            "def f(): raise E\nclass I(int):\n  def __eq__(self, other): raise E\ni = [I(1)]"
        )
        results = self.ask(op="evaluate", expressions={"f": "f()", "i": "i", "ok": "1"})["results"]
        self.assertEqual(results["f"]["error"], {"type": "E", "message": ""})
        self.assertNotIn("value", results["i"])
        self.assertEqual(results["ok"]["value"], 1)

    def test_shows_large_values_without_sending_them(self):
        results = self.ask(op="evaluate", expressions={"l": "list(range(10**6))", "f": "float('nan')"})
        self.assertEqual(results["results"]["l"]["length"], 10**6)
        self.assertNotIn("value", results["results"]["l"])
        self.assertEqual(results["results"]["f"]["preview"], "nan")


class WithoutLibraries(unittest.TestCase):
    def test_imports_neither_pandas_nor_numpy(self):
        code = (
            "import sys\nnames = {'__name__': 'perijove'}\nexec(sys.stdin.read(), names)\n"
            "print(names['answer']({'x': 1}, '{\"op\": \"list\"}'))\n"
            "print([m for m in ('pandas', 'numpy', 'IPython') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", code],
            input=TEXT,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
            timeout=support.DEADLINE_SECONDS,
        )
        answer, modules = done.stdout.splitlines()
        self.assertEqual(json.loads(answer)["variables"][0]["name"], "x")
        self.assertEqual(modules, "[]")


del Kernel  # a base: without tests of its own

if __name__ == "__main__":
    unittest.main()
