"""The shared object in every CPython of this machine, with nothing else installed."""

import glob
import os
import subprocess
import sys
import unittest

from support import PythonKernelTestCase
from test_outputs import installed

FOLDER = os.environ.get("PERIJOVE_KERNEL_ABI3", "")


def pythons():
    """{version: executable} of each CPython from 3.8 on that can be found."""
    places = ["/usr/bin/python3", "/usr/local/bin/python3", "~/.pyenv/versions/*/bin/python3"]
    found = {}
    for place in [sys.executable, *places]:
        for path in glob.glob(os.path.expanduser(place)):
            asked = subprocess.run(
                [path, "-c", "import sys; print(sys.implementation.name, *sys.version_info[:2])"],
                capture_output=True,
                text=True,
            )
            name, *version = asked.stdout.split() or ["", "0", "0"]
            version = tuple(int(number) for number in version)
            if name == "cpython" and version >= (3, 8):
                found.setdefault(version, path)
    return found


@unittest.skipUnless(
    os.path.exists(FOLDER + "/_perijove_kernel.abi3.so"),
    "the shared object was not built: CMake says which static library is missing",
)
class AnyPythonKernelTestCase(PythonKernelTestCase):
    def setUp(self):
        pass

    def kernel_of(self, python, *options):
        self.kernel_name = self.kernelspec_of(
            [python, FOLDER + "/perijove_kernel.py", *options, "-f", "{connection_file}"],
            env={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.py = self.started()
        return self.py


class AnyPython(AnyPythonKernelTestCase):
    def test_is_a_kernel(self):
        if len(pythons()) < 2:
            print("only one CPython was found, others would be below ~/.pyenv/versions")
        for version, python in sorted(pythons().items()):
            with self.subTest(version=version):
                py = self.kernel_of(python, "--plain")
                self.assertEqual(self.result("import sys; sys.version_info[:2]"), str(version))
                self.assertEqual(self.result("x = 20\nx + 1"), "21")
                self.assertEqual(
                    py.run("print('out'); print('err', file=sys.stderr)").text, "out\nerr\n"
                )
                self.assertEqual(
                    py.run("import subprocess; subprocess.call(['echo', 'sub']);").stdout, "sub\n"
                )
                self.assertEqual(
                    self.result("import asyncio; await asyncio.sleep(0.01, 'done')"), "'done'"
                )
                self.assertEqual(self.failed("1/0"), ("ZeroDivisionError", "division by zero"))
                msg_id = py.client.execute("input('?')")
                self.answer_question(py, msg_id, "é")
                self.assertEqual(py.finish(msg_id).results, ["'é'"])
                for code in (
                    "import time; print('on', flush=True); time.sleep(600)",
                    "print('on', flush=True)\nwhile True: pass",
                    "print('on', flush=True); await asyncio.sleep(600)",
                ):
                    msg_id = py.start(code, until="on")
                    py.interrupt()
                    self.assertEqual(py.finish(msg_id).error[0], "KeyboardInterrupt")
                self.assertEqual(self.result("x"), "20")
                py.client.shutdown()
                self.wait_until(lambda: not py.manager.is_alive())

    def test_drops_what_is_no_message_and_lives_on(self):
        import zmq

        py = self.kernel_of(sys.executable, "--plain")
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 1000
            socket.connect(py.client._make_url("shell"))
            socket.send_multipart([b"<IDS|MSG>", b"x"])
            self.assertEqual(self.result("1"), "1")

    def test_uses_ipython_where_it_is(self):
        self.kernel_of("/usr/bin/python3")
        if not installed("IPython"):
            self.skipTest("there is no IPython (Debian: python3-ipython)")
        self.assertEqual(self.result("get_ipython().__class__.__name__"), "'ZMQInteractiveShell'")
        self.assertEqual(self.result("__name__"), "'__main__'")
