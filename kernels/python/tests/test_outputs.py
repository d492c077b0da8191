"""What cells show: streams, rich outputs, figures, and their order."""

import base64
import struct
import unittest

from support import PythonKernelTestCase


def installed(module):
    """Whether the Python of the kernel, which is the one that runs the tests, has this module."""
    import importlib.util

    return importlib.util.find_spec(module) is not None


class Streams(PythonKernelTestCase):
    def test_are_apart_and_keep_their_order(self):
        run = self.py.run("import sys\nprint('a'); print('b', file=sys.stderr); print('c')")
        self.assertEqual((run.stdout, run.stderr), ("a\nc\n", "b\n"))
        self.assertEqual(
            [(c["name"], c["text"]) for c in run.contents("stream")],
            [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")],
        )

    def test_come_before_what_follows_them(self):
        run = self.py.run(
            "import os\nprint('1'); display(2); os.system('echo 3'); display(4); print('5'); 6"
        )
        kinds = [
            m["msg_type"] for m in run.messages if m["msg_type"] not in ("status", "execute_input")
        ]
        self.assertEqual(
            kinds, ["stream", "display_data", "stream", "display_data", "stream", "execute_result"]
        )
        self.assertEqual(run.stdout, "1\n3\n5\n")

    def test_come_while_the_cell_runs(self):
        msg_id = self.py.start("import time; print('early'); time.sleep(600)", until="early")
        self.py.interrupt()
        self.py.finish(msg_id)

    def test_of_programs_and_of_C_code(self):
        run = self.py.run(
            "import subprocess, os, ctypes\n"
            "subprocess.run('echo program; echo error >&2', shell=True)\n"
            "os.write(1, b'descriptor\\n')\n"
            "c = ctypes.CDLL(None); c.puts(b'libc'); c.fflush(None);"
        )
        self.assertEqual(run.stdout, "program\ndescriptor\nlibc\n")
        self.assertEqual(run.stderr, "error\n")

    def test_of_threads_come_during_and_after_the_cell(self):
        msg_id = self.py.client.execute(
            "import threading; go = threading.Event()\n"
            "def f():\n    print('during'); started.set(); go.wait(); print('after')\n"
            "started = threading.Event(); threading.Thread(target=f).start(); started.wait();"
        )
        self.assertEqual(self.py.finish(msg_id).stdout, "during\n")
        later = self.py.client.execute("go.set()")
        texts = ""
        while "after\n" not in texts:
            message = self.py.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream":
                self.assertIn(message["parent_header"]["msg_id"], (msg_id, later))
                texts += message["content"]["text"]

    def test_of_many_prints_are_few_messages(self):
        run = self.py.run("for i in range(20000): print(i)")
        self.assertEqual(run.stdout, "".join(f"{i}\n" for i in range(20000)))
        self.assertLess(len(run.contents("stream")), 200)

    def test_that_are_large_arrive_whole(self):
        run = self.py.run("import sys; print('x' * 5_000_000); sys.stderr.write('é€😀' * 100_000);")
        self.assertEqual(run.stdout, "x" * 5_000_000 + "\n")
        self.assertEqual(run.stderr, "é€😀" * 100_000)
        run = self.py.run(
            "import subprocess; subprocess.run(['head', '-c', '3000000', '/dev/zero']);"
        )
        self.assertEqual(len(run.stdout), 3_000_000)

    def test_bear_what_is_no_text(self):
        self.assertEqual(self.py.run("print('a\\udc80b\\x00')").stdout, "a?b\x00\n")
        self.assertEqual(self.py.run("import os; os.write(1, b'\\xff');").stdout, "�")

    def test_are_files(self):
        self.assertEqual(
            self.result("import sys; sys.stdout.fileno(), sys.stderr.isatty()"), "(1, False)"
        )
        self.assertEqual(self.failed("sys.stdout.write(1)")[0], "TypeError")
        self.assertEqual(
            self.py.run(
                "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print(1)\ns.getvalue()"
            ).results,
            ["'1\\n'"],
        )

    def test_of_children_arrive(self):
        run = self.py.run(
            "import multiprocessing, sys\n"
            "def work(n):\n    print('child', n, flush=True); return n * n\n"
            "with multiprocessing.get_context('fork').Pool(2) as pool: squares = pool.map(work, range(4))\n"
            "squares"
        )
        self.assertEqual(run.results, ["[0, 1, 4, 9]"])
        self.assertEqual(sorted(run.stdout.split("\n")), [""] + [f"child {n}" for n in range(4)])

    def test_displays_of_children_are_nobodys(self):
        run = self.py.run(
            "import os\npid = os.fork()\n"
            "if pid == 0:\n    display('nobody sees this'); os._exit(0)\n"
            "os.waitpid(pid, 0)[1]"
        )
        self.assertEqual((run.results, run.contents("display_data")), (["0"], []))

    def test_a_forked_child_that_comes_to_the_end_of_the_cell_is_gone(self):
        run = self.py.run("import os; pid = os.fork(); pid > 0")
        self.assertEqual(run.results, ["True"])
        self.assertEqual(self.result("os.waitpid(pid, 0)[1]"), "0")


class Displays(PythonKernelTestCase):
    def test_have_a_bundle(self):
        run = self.py.run(
            "from IPython.display import HTML, JSON, Markdown, Image, Latex, SVG\n"
            "display(HTML('<b>x</b>')); display(JSON({'a': 1})); display(Markdown('*m*'))\n"
            "display(Latex('$x$')); display({'text/plain': 'raw'}, raw=True)\n"
            "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png'))"
        )
        data = [c["data"] for c in run.contents("display_data")]
        self.assertEqual(data[0]["text/html"], "<b>x</b>")
        self.assertEqual(data[1]["application/json"], {"a": 1})
        self.assertEqual(data[2]["text/markdown"], "*m*")
        self.assertEqual(data[3]["text/latex"], "$x$")
        self.assertEqual(data[4], {"text/plain": "raw"})
        self.assertEqual(base64.b64decode(data[5]["image/png"]), b"\x89PNG\r\n\x1a\n")

    def test_of_objects_that_know_how(self):
        self.py.run(
            "class Rich:\n    def _repr_html_(self): return '<i>r</i>'\n    def __repr__(self): return 'rich'"
        )
        [content] = self.py.run("Rich()").contents("execute_result")
        self.assertEqual(content["data"], {"text/plain": "rich", "text/html": "<i>r</i>"})

    def test_can_be_updated(self):
        run = self.py.run("h = display('one', display_id=True)\nh.update('two')")
        [first] = run.contents("display_data")
        [second] = run.contents("update_display_data")
        self.assertTrue(first["transient"]["display_id"])
        self.assertEqual(first["transient"], second["transient"])
        self.assertEqual(second["data"]["text/plain"], "'two'")

    def test_can_be_cleared(self):
        run = self.py.run(
            "from IPython.display import clear_output\nclear_output(); clear_output(wait=True)"
        )
        self.assertEqual([c["wait"] for c in run.contents("clear_output")], [False, True])

    def test_bear_numbers_that_json_has_not(self):
        run = self.py.run(
            "display({'application/json': {'x': float('nan'), 'y': {1: 2}}}, raw=True)"
        )
        [content] = run.contents("display_data")
        self.assertEqual(content["data"]["application/json"], {"x": "nan", "y": {"1": 2}})


@unittest.skipUnless(installed("matplotlib"), "there is no matplotlib (Debian: python3-matplotlib)")
class FiguresKernelTestCase(PythonKernelTestCase):
    def png_size(self, content):
        image = base64.b64decode(content["data"]["image/png"])
        self.assertEqual(image[:8], b"\x89PNG\r\n\x1a\n")
        return struct.unpack(">II", image[16:24])


class Figures(FiguresKernelTestCase):
    def test_appear_at_the_end_of_the_cell(self):
        run = self.py.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('text');")
        [figure] = run.contents("display_data")
        self.assertGreater(min(self.png_size(figure)), 100)
        self.assertIn("Figure", figure["data"]["text/plain"])
        self.assertEqual(self.py.run("1").contents("display_data"), [])

    def test_appear_where_they_are_shown(self):
        run = self.py.run(
            "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()\nprint('between')\nplt.plot([2]);"
        )
        kinds = [m["msg_type"] for m in run.messages if m["msg_type"] in ("stream", "display_data")]
        self.assertEqual(kinds, ["display_data", "stream", "display_data"])

    def test_can_be_vectors(self):
        self.py.run("%matplotlib inline\n%config InlineBackend.figure_formats = ['svg']")
        [figure] = self.py.run("import matplotlib.pyplot as plt; plt.plot([1]);").contents(
            "display_data"
        )
        self.assertIn("<svg", figure["data"]["image/svg+xml"])
