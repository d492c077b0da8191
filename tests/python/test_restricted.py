"""Restricted mode: what runs, what is refused, and that an answer always comes."""

import json
import os
import subprocess
import sys
import unittest

import support


def run(code, **request):
    return support.run("restricted", {"code": code, **request})


def calculate(expression, **request):
    return support.run("restricted", {"expression": expression, **request})


class Permitted(unittest.TestCase):
    # rows: R05
    def test_the_whole_small_language_works(self):
        programs = [
            ("print(1 + 2 * 3 ** 2 // 4 % 5 - 1 << 2 >> 1 | 8 & 9 ^ 3)", "11"),
            (
                "print([x * x for x in range(4) if x % 2], {x for x in [1]},"
                " {k: v for k, v in [(1, 2)]})",
                "[1, 9] {1} {1: 2}",
            ),
            (
                "print(len([1]), sum([1, 2]), max(1, 2), min([3]), abs(-1), round(1.5),"
                " sorted([2, 1]))",
                "1 3 2 3 1 2 [1, 2]",
            ),
            (
                "print(list('ab'), dict(a=1), set(), str(1), int('2'), float(3))",
                "['a', 'b'] {'a': 1} set() 1 2 3.0",
            ),
            ("a, (b, *c), d = 1, [2, 3, 4], 5\nprint(a, b, c, d)", "1 2 [3, 4] 5"),
            ("for i, (j, k) in [(1, (2, 3))]:\n  print(i, j, k)", "1 2 3"),
            ("x = 1\nx += 2\nx *= 5\nl = [1]\nl += [2]\nprint(x, l)", "15 [1, 2]"),
            (
                "d = {'a': 1}\nd['a'] += 1\nd['a'] **= 3\nl = [1, 2]\nl[0:1] += [7]\nprint(d, l)",
                "{'a': 8} [1, 7, 2]",
            ),
            (
                "d = {}\nd['a'] = [1, 2, 3]\nd['a'][0] = 9\ndel d['a'][1]\n"
                "print(d, d['a'][::-1], 'abc'[1:])",
                "{'a': [9, 3]} [3, 9] bc",
            ),
            (
                "def f(n, *a, k=1, **m):\n  return n if n < 2 else f(n - 1) + f(n - 2)\n"
                "print(f(10), f(*[1], **{'k': 2}))",
                "55 1",
            ),
            ("print((lambda x: x + 1)(1))", "2"),
            (
                "try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  print(e.args[0])\nfinally:\n"
                "  print('f')",
                "division by zero\nf",
            ),
            (
                "print(f'{1.5:.2f} {\"a\"!r}', ', '.join(['a', 'b']), 'A'.lower(), '%d' % 3)",
                "1.50 'a' a, b a 3",
            ),
            ("print([*range(2), *[5]], {**{'a': 1}, 'b': 2})", "[0, 1, 5] {'a': 1, 'b': 2}"),
            (
                "i = 0\nwhile True:\n  i += 1\n  if i > 3: break\n"
                "print(i, not i, i > 2 and 1, 1 in [1])",
                "4 False 1 True",
            ),
            (
                "print(sum(x for x in range(4)), str.join('-', ['a', 'b']), dict.fromkeys([1]))",
                "6 a-b {1: None}",
            ),
            ("x: int = 3\nassert x == 3\nprint(x, sep='', end='!')", "3!"),
        ]
        for code, output in programs:
            with self.subTest(code):
                answer = run(code)
                self.assertEqual((answer["success"], answer["error"]), (True, None))
                self.assertEqual(answer["output"].rstrip("\n"), output)

    def test_variables_come_from_the_caller(self):
        self.assertEqual(
            run("print(data['a'][0])", variables={"data": {"a": [7]}})["output"], "7\n"
        )
        self.assertFalse(run("", variables={"__builtins__": {}})["success"])

    # rows: R06
    def test_it_says_that_it_is_advisory(self):
        self.assertEqual(run("")["isolation"], "advisory")
        self.assertEqual(run("(")["isolation"], "advisory")


class Refused(unittest.TestCase):
    # rows: R01 R02
    def test_before_it_runs(self):
        for code, reason in {
            "print(1)\nimport os": "Line 2: Import statements are not allowed.",
            "from os import system": "Line 1: Import statements are not allowed.",
            "eval('1')": "Line 1: Eval calls are not allowed.",
            "exec('1')": "Line 1: Exec calls are not allowed.",
            "open('x')": "Line 1: Open calls are not allowed.",
            "__import__('os')": 'Line 1: "__import__" is an invalid variable name because it '
            "starts "
            'with "_"',
            "().__class__": 'Line 1: "__class__" is an invalid attribute name because it '
            "starts with "
            '"_".',
            "class A: pass": "Line 1: Class statements are not allowed.",
            "with x: pass": "Line 1: With statements are not allowed.",
            "x = lambda: (yield)": "Line 1: Yield statements are not allowed.",
            "x.a += 1": "Line 1: Attributes cannot be changed.",
            "def f(__x): pass": 'Line 1: "__x" is an invalid variable name because it starts '
            'with "_"',
            "x = = 1": "Line 1: invalid syntax",
        }.items():
            with self.subTest(code):
                answer = run(code)
                self.assertEqual((answer["success"], answer["output"]), (False, reason))

    # rows: R01
    def test_with_all_reasons(self):
        answer = run("import os\nx._y\nimport sys")
        self.assertEqual(answer["output"].count("\n"), 2)
        self.assertEqual(answer["line"], 1)

    def test_while_it_runs(self):
        for code in (
            "e = eval",
            "x = getattr",
            "f = open\nf('x')",
            "tuple([1])",
            "'{0.x}'.format(1)",
            "str.format('{0.real}', 1)",
            "'{x}'.format_map({})",
            "list(sorted([1], key=str.format))",
            "list.mro()",
            "print.x",
            "(lambda: 0).func_globals",
            "(x for x in []).gi_frame",
            "try:\n  1 / 0\nexcept Exception as e:\n  e.with_traceback",
            "try:\n  x.y\nexcept Exception as e:\n  e.obj",
            "print[0]",
            "for x in print: pass",
            "a, b = print",
            "[*print]",
            "print(**[1])",
            "x = 'a'\nx[0] = 1",
            "x = (1,)\nx[0] += 1",
            "x = [1]\nx[0:1, 2]",
            "x = {}\nx['a'] += 1",
            "print[0] += 1",
            "x = [1]\nx += print",
            "print(1, file=2)",
            "object",
            "type",
        ):
            with self.subTest(code):
                answer = run(code)
                self.assertFalse(answer["success"])
                self.assertTrue(answer["error"])

    # rows: R03
    def test_with_the_output_so_far(self):
        answer = run("print('before')\nx = 1\n1 / 0")
        self.assertEqual(
            answer,
            {
                "success": False,
                "output": "before\n",
                "line": 3,
                "isolation": "advisory",
                "error": "ZeroDivisionError: division by zero",
            },
        )


class Bounds(unittest.TestCase):
    # rows: H25
    def test_of_output(self):
        answer = run("for i in range(100000): print('x' * 100)", output_max=1000)
        self.assertTrue(answer["success"])
        self.assertEqual(len(answer["output"]), 1000 + len("...(truncated)"))

    # rows: H25
    def test_of_memory(self):
        answer = run("x = 'a' * (2 << 30)")
        self.assertIn("MemoryError", answer["error"])

    def test_of_numbers(self):
        for code in ("9 ** 9 ** 9", "1 << 10 ** 10", "x = 9\nx **= 10 ** 9"):
            self.assertIn("OverflowError", run(code)["error"])

    def test_of_depth(self):
        self.assertIn("RecursionError", run("def f(): return f()\nf()")["error"])
        for code in ("-" * 50_000 + "1", "(" * 300 + ")" * 300, "+".join("1" * 40_000)):
            self.assertFalse(run(code)["success"])

    # rows: R04
    def test_of_time_are_a_second_line_behind_the_callers(self):
        request = json.dumps({"code": "while True: pass", "timeout": 0}).encode()
        done = subprocess.run(
            [sys.executable, "-I", "-c", support.script_text("restricted")],
            input=request,
            stdout=subprocess.PIPE,
            timeout=support.DEADLINE_SECONDS,
            check=False,
        )
        self.assertLess(done.returncode, 0)

    def test_an_answer_comes_for_what_is_no_request(self):
        for text in (b"", b"[]", b"{}", b'{"code": 1}', b"[" * 100_000):
            self.assertFalse(support.run("restricted", text)["success"])


class Answers(unittest.TestCase):
    def test_can_have_a_descriptor_of_their_own(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        request = json.dumps({"code": "print(1)", "result_fd": writing}).encode()
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", support.script_text("restricted")],
                input=request,
                stdout=subprocess.PIPE,
                pass_fds=[writing],
                check=True,
                timeout=support.DEADLINE_SECONDS,
            )
        finally:
            os.close(writing)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(json.loads(os.read(reading, 1000))["output"], "1\n")


class Calculator(unittest.TestCase):
    # rows: H38
    def test_computes(self):
        self.assertEqual(calculate("2 + 3 * 4")["output"], "14")
        self.assertEqual(calculate(" round(sqrt(2) * pi, 3) ")["output"], "4.443")
        self.assertEqual(calculate("a / b", variables={"a": 1, "b": 4})["output"], "0.25")

    def test_refuses_all_but_expressions(self):
        for text in ("x = 1", "import os", "__import__('os')", "1 / 0", "", "().__class__"):
            self.assertFalse(calculate(text)["success"])


if __name__ == "__main__":
    unittest.main()
