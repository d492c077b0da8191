"""The checker of Python code: what it calls wrong, what it denies, what it lets pass."""

import os
import tempfile
import unittest

import support

CHECKER = support.namespace("check_code")


def check(code, **policy):
    checker = CHECKER["Checker"](policy)
    checker.check(code)
    return checker.answer()


def rules(code, **policy):
    return {issue["rule"] for issue in check(code, **policy)["issues"]}


# Each does, or prepares, something that the strict profile denies.
EVASIONS = {
    # of the substring and regular expression lists of the guides
    "from os import system": "system-module",
    "import  os as o": "system-module",
    "import json, os": "system-module",
    "import importlib\nimportlib.import_module('os')": "dynamic-import",
    "getattr(__builtins__,'ev'+'al')": "dynamic-code",
    "().__class__.__base__.__subclasses__()": "introspection",
    "import pathlib\npathlib.Path('x').write_text('y')": "file-write",
    "%%bash\nrm -rf /": "destructive",
    "!cat /etc/passwd": "shell",
    # builtins by other names
    "__builtins__['eval']('1')": "introspection",
    "import builtins as b\nb.exec('1')": "dynamic-code",
    "from builtins import eval as harmless": "dynamic-code",
    "e = eval\ne('1')": "dynamic-code",
    "list(map(eval, ['1']))": "dynamic-code",
    "print.__self__.eval('1')": "introspection",
    "[f for f in (exec,)][0]('1')": "dynamic-code",
    "@eval\n@input\nclass X: pass": "dynamic-code",
    "def f(run=eval): run('1')": "dynamic-code",
    "(lambda: 0).__globals__['x']": "introspection",
    "globals()['__buil' 'tins__']": "introspection",
    "__import__('os')": "dynamic-import",
    "i = __import__": "dynamic-import",
    "ｅｖａｌ('1')": "dynamic-code",
    "def eval(): pass\nif 0: pass\ndel eval\neval('1')": "dynamic-code",
    # attributes by computed names
    "getattr(x, '__cl' + 'ass__')": "introspection",
    "getattr(x, f'__{\"class\"}__')": "introspection",
    "getattr(x, name)": "introspection",
    "g = getattr\ng(x, '__class__')": "introspection",
    "import operator\noperator.attrgetter('__class__.__base__')(1)": "introspection",
    "object.__getattribute__(x, 'y')": "introspection",
    "name = '__subclasses__'": "introspection",
    "'{0.__class__.__init__.__globals__}'.format(x)": "introspection",
    "s = '{x.__cl' + 'ass__}'": "introspection",
    "f'{().__class__.__mro__}'": "introspection",
    "match x:\n  case object(__class__=c): pass": "introspection",
    # modules through others, or under other names
    "import shutil\nshutil.os.system('x')": "file-write",
    "import random\nrandom._os.system('x')": "introspection",
    "import json\nm = json.codecs.builtins": "dynamic-code",
    "from shutil import os as o": "file-write",
    "from random import _os": "system-module",
    "import posix\nposix.system('x')": "system-module",
    "import _posixsubprocess": "process",
    "import pty\npty.spawn('sh')": "process",
    "import ctypes\nctypes.CDLL(None)": "native",
    "import numpy as np\nnp.ctypeslib.load_library('a', 'b')": "native",
    "import asyncio\nawait asyncio.create_subprocess_shell('x')": "process",
    "import sys\nsys.modules['os']": "system-module",
    "import logging\nlogging.sys.modules['os']": "system-module",
    "import platform as p\np.os.system('x')": "system-module",
    "import platform\nplatform.popen('x')": "process",
    "import urllib.parse\nurllib.request.urlopen('x')": "network",
    # files
    "open('x')": "file-read",
    "open('x', 'w')": "file-write",
    "import io\nio.open('x', mode='a')": "file-write",
    "import codecs\ncodecs.open('x', 'w')": "file-write",
    "from io import FileIO": "file-write",
    "from pathlib import Path\nPath('x').open('w')": "file-write",
    "Path('x').unlink()": "file-write",
    "with o('x') as f, open(*a): pass": "file-write",
    # data that is code
    "import pickle\npickle.loads(b'')": "deserialize",
    "import marshal": "deserialize",
    "import _pickle": "deserialize",
    "import pandas as pd\npd.read_pickle('x')": "deserialize",
    "import numpy as np\nnp.load('x', allow_pickle=True)": "deserialize",
    "import yaml\nyaml.load(x)": "deserialize",
    "import codecs\nexec(codecs.decode('vzcbeg bf', 'rot13'))": "dynamic-code",
    "import timeit\ntimeit.timeit('1')": "dynamic-code",
    "import pandas as pd\npd.eval('1')": "dynamic-code",
    "# coding: utf-7\nx = 1": "dynamic-code",
    "from sympy import sympify": "dynamic-code",
    # frames
    "(x for x in ()).gi_frame.f_back": "introspection",
    "try: 1/0\nexcept Exception as e: e.__traceback__.tb_frame": "introspection",
    "import gc\ngc.get_objects()": "introspection",
    # found by trying
    "import bz2 as z\nz._builtin_open('x', 'w')": "introspection",
    "from tokenize import _builtin_open": "introspection",
    "import typing\ntyping.get_type_hints(x)": "dynamic-code",
    "import string\nstring.Formatter().get_field('0.__class__', (1,), {})": "introspection",
    "from logging import config\nconfig.dictConfig({})": "dynamic-import",
    "from unittest import mock": "introspection",
    "import types\ntypes.CodeType": "introspection",
    "df.query('@pd.io.common.os.system(1)')": "dynamic-code",
    "import pandas as pd\npd.read_csv(filepath_or_buffer='http://x')": "network",
    "from asyncio import subprocess": "process",
    "import collections\ncollections._sys.modules": "introspection",
    "import dataclasses\ndataclasses.sys": "system-module",
    "f'{1:{eval(chr(49))}}'": "dynamic-code",
    "open('x', **options)": "file-write",
    "import os.path\nos.system('x')": "system-module",
    # IPython
    "%%capture\n!ls": "shell",
    "%%time\n%%capture\n%%bash\nls": "shell",
    "%%time\n" * 20 + "eval('1')": "magic",
    "get_ipython().system('x')": "magic",
    "from IPython import get_ipython": "magic",
    "x = !ls": "shell",
    "if x:\n    !ls": "shell",
    "%sx ls": "shell",
    "%%script bash\nls": "shell",
    "%cat /etc/passwd": "shell",
    "rm -f x": "shell",
    "/eval '1'": "dynamic-code",
    ",eval 1": "dynamic-code",
    "%time eval('1')": "dynamic-code",
    "%%time\neval('1')": "dynamic-code",
    "%%timeit import os\npass": "system-module",
    "%matplotlib {eval('1')}": "dynamic-code",
    "%run x.py": "dynamic-code",
    "%%writefile x.py\nprint(1)": "file-write",
    "%%python\nimport os": "system-module",
    "%unknown": "magic",
    "\n\n%%bash\nls": "shell",
    "!pip install x; reboot": "shell",
    ">>> import os": "system-module",
    "  import os": "system-module",
    "s = '''\n%x\n'''\n!ls": "shell",
}

HARMLESS = [
    "x = 1  # import os",
    "x = 'import os'",
    '"""import os; eval(1); __subclasses__ {0.__class__}"""',
    "reopen(1)",
    "my_eval('1')",
    "def evaluate(evaluation): return evaluation",
    "model.eval()",
    "import re\nre.compile('a')",
    "class A(B):\n  def __init__(self): super().__init__(); self.os = 'linux'; self.os\n"
    "  def __repr__(self): return self.__class__.__name__",
    "if __name__ == '__main__': print(type(1).__name__)",
    "import platform\nplatform.system()",
    "import os.path as p\np.join('a', 'b')",
    "from os.path import join",
    "from urllib.parse import quote",
    "import urllib.parse\nurllib.parse.quote('x')",
    "from http import HTTPStatus",
    "open, close = 1, 2\nprint(open + close)",
    "import pandas as pd\ndf = pd.read_csv('x.csv')\ndf.rename(columns={'a': 'b'}).query('a > 1')",
    "import numpy as np\nnp.stack([1]); np.load('x.npy')",
    "getattr(x, 'shape')",
    "'{0.real} {name}'.format(1, name=2)",
    "for i in model.modules(): pass",
    "import asyncio\nawait asyncio.gather()",
    "%matplotlib inline",
    "%config InlineBackend.figure_format = 'retina'",
    "%timeit -n 10 sum(range(3))",
    "%%time\nx = 1",
    "x = %time 1 + 1",
    "len?",
    "?len",
    "a = b % c\nd = (e\n%f)",
    "x = '''\n!ls\n%%bash\n'''",
    "df.query('a in @wanted and b > @limit')",
    "import collections\ncollections.namedtuple('P', 'x y')(1, 2)._replace(x=3)",
    "for _ in range(3): pass\nself._hidden = 1\nprint(self._hidden)",
    "from .neighbour import thing",
    "%%time\n%matplotlib inline\nx = 1",
    "import yaml\nyaml.load(x, Loader=yaml.SafeLoader)",
]


class Syntax(unittest.TestCase):
    # rows: H04
    def test_errors_name_line_and_reason(self):
        answer = check("x = 1\ny = = 2")
        self.assertEqual(answer["errors"], ["Line 2: invalid syntax"])
        self.assertFalse(answer["valid"])
        self.assertFalse(answer["safe"])

    def test_a_return_outside_a_function_is_an_error(self):
        self.assertEqual(check("return 1")["errors"], ["Line 1: 'return' outside function"])

    def test_an_await_at_the_top_is_none(self):
        self.assertTrue(check("await x\nasync with y: pass")["valid"])

    def test_lines_are_right_behind_magics(self):
        self.assertEqual(
            check("%matplotlib inline\n!ls \\\n -l\nx = = 1")["errors"], ["Line 4: invalid syntax"]
        )
        self.assertEqual(check("%%time\nx = 1\ny = = 2")["errors"], ["Line 3: invalid syntax"])

    def test_a_nul_is_an_invalid_character(self):
        self.assertEqual(check("x\n\0")["errors"], ["Line 2: Invalid characters in code"])

    def test_the_body_of_another_language_is_not_python(self):
        self.assertTrue(check("%%html\n<b>")["valid"])
        self.assertTrue(
            check("%%bash\nif [ -f x ]; then echo; fi", rules={"shell": "allow"})["safe"]
        )


class Evasions(unittest.TestCase):
    # rows: H07 H08
    def test_do_not_pass(self):
        for code, rule in EVASIONS.items():
            with self.subTest(code):
                if code.startswith("match ") and not hasattr(__import__("ast"), "Match"):
                    continue
                answer = check(code)
                self.assertEqual(answer["errors"], [])
                self.assertIn(rule, {issue["rule"] for issue in answer["issues"]})
                self.assertFalse(answer["safe"])

    # rows: H07 H08
    def test_harmless_code_passes(self):
        for code in HARMLESS:
            with self.subTest(code):
                answer = check(code)
                self.assertEqual(answer, {"valid": True, "safe": True, "errors": [], "issues": []})

    def test_issues_say_where(self):
        issue = check("x = 1\ny = eval('1')")["issues"][0]
        self.assertEqual((issue["line"], issue["column"], issue["severity"]), (2, 4, "deny"))
        self.assertEqual(check("%%bash\nls\nrm -rf /")["issues"][1]["line"], 3)


class Policies(unittest.TestCase):
    def test_network_is_a_rule_apart(self):
        code = "import requests\nfrom urllib.request import urlopen"
        answer = check(code)
        self.assertEqual(
            [issue["message"] for issue in answer["issues"]],
            ["Network access not allowed: requests", "Network access not allowed: urllib"],
        )
        self.assertEqual(check(code, network="allow")["issues"], [])
        self.assertTrue(check(code, network="warn")["safe"])

    def test_standard_lets_ordinary_programs_pass(self):
        code = "import os\nos.makedirs('x')\nopen('x/y', 'w').write('z')\n"
        self.assertTrue(check(code, profile="standard")["safe"])
        self.assertFalse(check(code + "os.system('x')", profile="standard")["safe"])
        self.assertFalse(check("from os import system as s", profile="standard")["safe"])

    def test_standard_warns_of_files_that_go_and_not_of_lists_and_texts(self):
        for code in ("import os\nos.remove('x')", "import os as o\no.rename('x', 'y')",
                     "from os import replace", "os.symlink('x', 'y')"):
            with self.subTest(code=code):
                answer = check(code, profile="standard")
                self.assertEqual([issue["severity"] for issue in answer["issues"]], ["warn"])
        code = "names.remove('x')\ntext.replace('a', 'b')\ntable.rename(columns={})\nos = []\nos.append(1)"
        self.assertEqual(rules(code, profile="standard"), set())

    def test_single_rules_can_be_changed(self):
        self.assertEqual(rules("open('x')", rules={"file-read": "allow"}), set())
        self.assertEqual(
            check("open('x')", rules={"file-read": "warn"})["issues"][0]["severity"], "warn"
        )

    def test_unknown_names_are_refused(self):
        for policy in ({"profile": "lax"}, {"rules": {"files": "deny"}}, {"network": "no"}):
            answer = support.run("check_code", {"code": "1", "policy": policy})
            self.assertFalse(answer["valid"])
            self.assertIn("is not", answer["errors"][0])

    def test_installing_packages_is_told_from_other_shell_commands(self):
        self.assertEqual(rules("!pip install -q numpy==1.2"), {"package-install"})
        self.assertEqual(rules("%pip install numpy"), {"package-install"})
        self.assertIn("shell", rules("%pip install numpy && reboot"))


class HostileInput(unittest.TestCase):
    def test_is_answered(self):
        deep = {
            "brackets": "(" * 100_000 + ")" * 100_000,
            "signs": "-" * 100_000 + "1",
            "sum": "+".join(["1"] * 100_000),
            "attributes": "a" + ".b" * 100_000,
            "blocks": "\n".join(" " * i + "if 1:" for i in range(200)) + "pass",
            "names": "\n".join(f"eval({i})" for i in range(20_000)),
            "quotes": "'" * 300_001 + "\n%x",
            "not unicode": "x = '\ud800'",
        }
        for what, code in deep.items():
            with self.subTest(what):
                answer = support.run("check_code", {"code": code})
                self.assertFalse(answer["safe"])
                self.assertLessEqual(len(answer["issues"]), 200)

    def test_of_ten_megabytes_is_refused_by_its_length(self):
        answer = support.run("check_code", {"code": "x = 1\n" * 1_700_000})
        self.assertEqual(answer["errors"], ["Line 1: Code too long (max 1000000 chars)"])

    def test_that_is_no_request_gets_an_answer(self):
        for text in (b"", b"[]", b"{}", b'{"code": 1}', b"[" * 100_000, b"\xff"):
            self.assertFalse(support.run("check_code", text)["valid"])

    def test_is_never_run(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            code = f"open({trace!r}, 'w')\n!touch {trace}\n@open({trace!r}, 'w')\ndef f(): pass"
            support.run("check_code", {"code": code})
            self.assertFalse(os.path.exists(trace))

    def test_is_not_denied_less_by_many_warnings(self):
        code = "\n".join(f"x.to_csv({i})" for i in range(300)) + "\neval('1')"
        self.assertFalse(check(code)["safe"])


if __name__ == "__main__":
    unittest.main()
