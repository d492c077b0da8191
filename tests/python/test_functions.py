"""The builder of the functions module: what AutoGen 0.7.5 makes of the same functions."""

import os
import subprocess
import sys
import tempfile
import unittest

import support

LOAD = '''def load(path: str, rows: int = 10, *, sep=",", **more) -> dict:
    """Load a table.

    Args:
        path: where it is
    """
    return pd.DataFrame(dict(a=[1], path=path))
'''


def build(*functions, **request):
    wanted = [each if isinstance(each, dict) else {"source": each} for each in functions]
    return support.run("functions", {"functions": wanted, **request})


def message(*functions, **request):
    errors = build(*functions, **request)["errors"]
    return errors[0]["message"]


class Stubs(unittest.TestCase):
    # rows: H28
    def test_read_as_those_of_autogen(self):
        self.assertEqual(
            build(LOAD)["stubs"],
            (
                "def load(path: str, rows: int = 10, *, sep=',', **more) -> dict:\n"
                '    """Load a table.\n\n        Args:\n            path: where it is\n    """\n'
                "    ..."
            ),
        )

    def test_know_all_kinds_of_parameters(self):
        signatures = [
            "(a, b=1, /, c: 'int' = 2, *rest: str, d, e=None, **more: dict[str, int])",
            "()",
            "(*, a)",
            "(a, /)",
        ]
        for signature in signatures:
            stub = build(f"def f{signature}: pass")["stubs"]
            self.assertEqual(stub, f"def f{signature}:\n    ...")

    def test_are_python_whatever_the_docstring(self):
        stub = build('def f():\n    \'a \\\\ """ b\'\n')["stubs"]
        names = {}
        exec(stub, names)
        self.assertEqual(names["f"].__doc__, 'a \\ """ b')

    def test_say_async(self):
        self.assertEqual(build("async def f(): pass")["stubs"], "async def f():\n    ...")


class Prompts(unittest.TestCase):
    def test_name_module_and_functions(self):
        answer = build("def f(): pass", "def g(): pass", module="tools")
        self.assertIn(
            "from the module called `tools` by their function names.\n\n"
            "For example, if there was a function called `foo` you could import it by "
            "writing `from tools import foo`\n\n"
            "def f():\n    ...\n\ndef g():\n    ...",
            answer["prompt"],
        )

    # rows: H28
    def test_follow_a_template(self):
        self.assertEqual(
            build("def f(): pass", template="$module_name: $functions")["prompt"],
            "functions: def f():\n    ...",
        )
        self.assertEqual(
            message("def f(): pass", template="$x"), "Prompt template has an unknown name: $x"
        )


class Modules(unittest.TestCase):
    def test_hold_imports_first_and_sources_after(self):
        answer = build(
            {
                "source": LOAD,
                "python_packages": ["pandas>=1", "numpy"],
                "global_imports": [{"name": "pandas", "alias": "pd"}, "os.path"],
            },
            {
                "source": "def g(): return sqrt(e2)",
                "python_packages": ["numpy"],
                "global_imports": [
                    "os.path",
                    {"module": "math", "imports": ["sqrt", {"name": "e", "alias": "e2"}]},
                ],
            },
        )
        self.assertEqual(
            answer["module_source"],
            (
                "import pandas as pd\nimport os.path\nfrom math import sqrt, e as e2\n\n"
                + LOAD
                + "\n\ndef g(): return sqrt(e2)\n\n\n"
            ),
        )
        self.assertEqual(answer["packages"], ["pandas>=1", "numpy"])
        self.assertEqual(answer["names"], ["load", "g"])

    # rows: L03 H29
    def test_can_be_imported(self):
        answer = build(
            {"source": "def area(r):\n    return math.pi * r * r", "global_imports": ["math"]},
            module="shapes",
        )
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "shapes.py"), "w", encoding="utf-8") as file:
                file.write(answer["module_source"])
            done = subprocess.run(
                [sys.executable, "-B", "-c", "from shapes import area; print(area(0))"],
                cwd=folder,
                stdout=subprocess.PIPE,
                check=True,
                timeout=30,
            )
        self.assertEqual(done.stdout, b"0.0\n")

    def test_do_without_the_decorator_of_the_sender(self):
        source = (
            "    @with_requirements(\n        python_packages=['x'],\n    )\n"
            "    @staticmethod\n    def f():\n        return 1\n"
        )
        self.assertEqual(
            build(source)["module_source"], "\n\n@staticmethod\ndef f():\n    return 1\n\n\n"
        )

    def test_may_be_empty(self):
        self.assertEqual(build()["module_source"], "\n\n")


class Refusals(unittest.TestCase):
    # rows: L03
    def test_use_the_words_of_autogen(self):
        for name in ("a b", "1a", "", "a.b", "class", "../x"):
            self.assertEqual(message(module=name), "Module name must be a valid Python identifier")
        for source in ("x = 1", "def f(): pass\ndef g(): pass", ""):
            self.assertEqual(message(source), "The string must contain exactly one function")
        self.assertIn("Could not compile function: ", message("def f("))
        self.assertIn("Could not compile function: ", message("def f(): pass\nreturn"))

    def test_name_the_function(self):
        errors = build("def f(): pass", "def g(", "def f(): pass")["errors"]
        self.assertEqual([error["function"] for error in errors], [1, 2])
        self.assertEqual(errors[1]["message"], "Function 'f' is defined twice")

    def test_meet_imports_and_packages_that_are_none(self):
        for wanted in (
            "os; x",
            "",
            3,
            {"name": "os"},
            {"name": "os", "alias": "a b"},
            {"module": "os", "imports": ["*"]},
            {"module": "os", "imports": []},
        ):
            self.assertIn("mport", message({"source": "def f(): pass", "global_imports": [wanted]}))
        for wanted in ("--index-url=x", "", " ", 3):
            self.assertIn(
                "not a requirement",
                message({"source": "def f(): pass", "python_packages": [wanted]}),
            )

    def test_meet_what_is_no_request(self):
        for text in (b"", b"[]", b'{"functions": 1}', b'{"functions": [1]}', b"[" * 100_000):
            self.assertIn("errors", support.run("functions", text))

    def test_are_made_without_running_anything(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            build(f"def f(x=open({trace!r}, 'w')): pass")
            self.assertFalse(os.path.exists(trace))


if __name__ == "__main__":
    unittest.main()
