"""Branches: forks of a live kernel with all its variables."""

import ctypes.util
import os
import signal
import tempfile
import unittest

from guest_tests import is_alive
from support import Attached, PythonKernelTestCase, new_connection_file, open_files
from test_outputs import installed

USE_OPENMP = """
import ctypes
library = ctypes.CDLL("libgomp.so.1")
SECTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def parallel():
    seen = []
    library.GOMP_parallel(SECTION(lambda _: seen.append(library.omp_get_thread_num())), None, 3, 0)
    return sorted(seen)
parallel()
"""


class BranchKernelTestCase(PythonKernelTestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        super().setUp()

    def ask(self, kernel, content):
        client = kernel.client
        message = client.session.msg("perijove_fork_request", content)
        client.shell_channel.send(message)
        return kernel.reply(message["header"]["msg_id"])

    def fork(self, kernel=None, **fields):
        """The branch, and the warnings."""
        file = new_connection_file(self.directory)
        reply = self.ask(kernel or self.py, {"connection_file": file, **fields})
        self.assertEqual(reply["status"], "ok", reply)
        self.end_later(reply["pid"])
        branch = Attached(file, reply["pid"])
        self.addCleanup(branch.close)
        return branch, reply["warnings"]

    def value(self, kernel, code):
        run = kernel.run(code)
        self.assertEqual((run.error, run.stderr), (None, ""), code)
        return run.results[0]


class Branches(BranchKernelTestCase):
    def test_begin_where_they_are_told(self):
        output = os.path.join(self.directory, "output")
        open(output, "w").close()
        branch, _ = self.fork(cwd=self.directory, output=output)
        self.assertEqual(self.value(branch, "import os; os.getcwd()"), repr(self.directory))
        self.assertNotEqual(self.value(self.py, "import os; os.getcwd()"), repr(self.directory))
        opened = f"/proc/{branch.pid}/fd"
        self.assertIn(output, [os.readlink(os.path.join(opened, n)) for n in os.listdir(opened)])

    def test_have_all_variables_and_change_their_own(self):
        self.py.run("import os\nx = [1, 2]\ndef f(): return sum(x)\nclass C: n = 7\nimport json")
        branch, warnings = self.fork()
        self.assertEqual(warnings, [])
        self.assertEqual(
            self.value(branch, "f(), C.n, json.dumps(x), _i1[:9]"), "(3, 7, '[1, 2]', 'import os')"
        )
        branch.run("x.append(10); only_here = 1")
        self.assertEqual(self.value(branch, "f()"), "13")
        self.assertEqual(self.value(self.py, "f(), 'only_here' in globals()"), "(3, False)")
        self.py.run("x.clear()")
        self.assertEqual(self.value(branch, "f()"), "13")

    def test_are_kernels_in_full(self):
        self.py.run("import time, asyncio")
        branch, _ = self.fork()
        self.assertEqual(
            branch.run("print('out'); import sys; print('err', file=sys.stderr)").text, "out\nerr\n"
        )
        self.assertEqual(
            branch.run("import subprocess; subprocess.run(['echo', 'sub'])").stdout, "sub\n"
        )
        self.assertEqual(self.value(branch, "await asyncio.sleep(0.01, 5)"), "5")
        self.assertEqual(branch.run("1/0").error[0], "ZeroDivisionError")
        msg_id = branch.client.execute("input('?')")
        self.answer_question(branch, msg_id, "y")
        self.assertEqual(branch.finish(msg_id).results, ["'y'"])
        for interrupt in (branch.interrupt, lambda: os.kill(branch.pid, signal.SIGINT)):
            for code in (
                "print('on', flush=True); time.sleep(600)",
                "print('on', flush=True); await asyncio.sleep(600)",
            ):
                msg_id = branch.start(code, until="on")
                interrupt()
                self.assertEqual(branch.finish(msg_id).error[0], "KeyboardInterrupt")
        self.assertEqual(self.value(branch, "import os; os.getsid(0) == os.getpid()"), "True")
        self.assertEqual(self.value(self.py, "1 + 1"), "2")

    def test_outlive_their_parent_and_can_be_forked_again(self):
        self.py.run("generation = 0")
        branch, _ = self.fork()
        branch.run("generation += 1")
        grandchild, _ = self.fork(branch)
        self.py.manager.shutdown_kernel(now=True)
        os.kill(branch.pid, signal.SIGKILL)
        self.assertEqual(self.value(grandchild, "generation + 1"), "2")
        grandchild.client.shutdown()
        self.wait_until(lambda: not is_alive(grandchild.pid))

    def test_leave_the_sockets_of_their_parent(self):
        branch, _ = self.fork()
        paths = {name for name in os.listdir(self.py.directory) if name.startswith("k-")}
        self.assertEqual(len(paths), 5)
        shared = open_files(branch.pid) & open_files(self.py.pid) - open_files(os.getpid())
        self.assertEqual({name for name in shared if name.startswith(("socket:", "pipe:"))}, set())
        # Its end takes nothing of the parent's along.
        branch.client.shutdown()
        self.wait_until(lambda: not is_alive(branch.pid))
        self.assertEqual({n for n in os.listdir(self.py.directory) if n.startswith("k-")}, paths)
        self.assertEqual(self.value(self.py, "1"), "1")

    def test_can_be_left_to_others_with_variables_of_their_own(self):
        py = self.started(PERIJOVE_PROCESS="0123", KEPT="1")
        branch, _ = self.fork(py, orphan=True, env={"PERIJOVE_PROCESS": "4567", "NEW": "é"})
        self.assertNotIn(branch.pid, py.descendants())
        self.assertEqual(
            self.value(
                branch, "import os; [os.environ[n] for n in ('PERIJOVE_PROCESS', 'NEW', 'KEPT')]"
            ),
            "['4567', 'é', '1']",
        )
        for pid, mark in ((branch.pid, b"4567"), (py.pid, b"0123")):
            with open(f"/proc/{pid}/environ", "rb") as file:
                self.assertIn(b"PERIJOVE_PROCESS=" + mark, file.read().split(b"\0"))

    def test_come_after_the_cells_before_them(self):
        self.py.client.execute("import time; time.sleep(0.2); x = 'late'")
        branch, _ = self.fork()
        self.assertEqual(self.value(branch, "x"), "'late'")

    def test_that_have_ended_are_no_zombies_for_long(self):
        branch, _ = self.fork()
        os.kill(branch.pid, signal.SIGKILL)
        # Each request is an occasion; the first one may come before all threads have ended.
        self.wait_until(lambda: self.py.run("1") and not os.path.exists(f"/proc/{branch.pid}"))


class Answers(BranchKernelTestCase):
    def test_begin_with_the_information_that_there_are_branches(self):
        features = self.py.reply(self.py.client.kernel_info())["supported_features"]
        self.assertIn("perijove fork", features)

    def test_name_what_a_branch_lacks(self):
        self.py.run(
            "import threading, asyncio, socket, tempfile\n"
            "stop = threading.Event(); threading.Thread(target=stop.wait, name='worker', daemon=True).start()\n"
            "task = asyncio.create_task(asyncio.sleep(600), name='waiting')\n"
            "s = socket.socket(); f = open('/etc/hostname')"
        )
        branch, warnings = self.fork()
        text = "\n".join(warnings)
        for name in ("'worker'", "'waiting'", "/etc/hostname", "socket"):
            self.assertIn(name, text)
        self.assertEqual(len(warnings), 4, text)
        self.assertEqual(self.value(branch, "threading.active_count() <= 2"), "True")
        # The parent goes on with all of it.
        self.assertEqual(
            self.value(self.py, "task.done(), await asyncio.sleep(0, 'on')"), "(False, 'on')"
        )
        self.py.run("stop.set(); task.cancel()")

    def test_refuse_what_cannot_be(self):
        for content in ({}, {"connection_file": 1}, {"connection_file": "/no/such/file"}):
            reply = self.ask(self.py, content)
            self.assertEqual((reply["status"], reply["ename"]), ("error", "FileNotFoundError"))
        file = new_connection_file(self.directory)
        reply = self.ask(self.py, {"connection_file": file, "env": {"A": 1}})
        self.assertEqual((reply["status"], reply["ename"]), ("error", "ValueError"))
        self.assertEqual(self.value(self.py, "1"), "1")

    def test_refuse_when_a_graphics_context_is_open(self):
        self.py.run(
            "from perijove_kernel import branch\n"
            "branch._mapped_files = lambda: '7f00-7f01 r-xp 0 /usr/lib/libcuda.so.1'\n"
            "branch._open_files = lambda: [(9, '/dev/nvidiactl')]"
        )
        reply = self.ask(self.py, {"connection_file": new_connection_file(self.directory)})
        self.assertEqual((reply["status"], reply["ename"]), ("error", "ForkRefused"))
        self.assertIn("CUDA", reply["evalue"])


@unittest.skipUnless(ctypes.util.find_library("gomp"), "there is no libgomp (Debian: libgomp1)")
class BranchesOfOpenmp(BranchKernelTestCase):
    def test_can_go_on_in_parallel(self):
        self.assertEqual(self.py.run(USE_OPENMP).results, ["[0, 1, 2]"])
        branch, warnings = self.fork()
        self.assertIn("OpenMP", "\n".join(warnings))
        self.assertEqual(self.value(branch, "parallel()"), "[0, 1, 2]")
        msg_id = branch.start("import time; print('on', flush=True); time.sleep(600)", until="on")
        os.kill(branch.pid, signal.SIGINT)
        self.assertEqual(branch.finish(msg_id).error[0], "KeyboardInterrupt")
        self.assertEqual(self.value(self.py, "parallel()"), "[0, 1, 2]")


@unittest.skipUnless(installed("numpy"), "there is no numpy (Debian: python3-numpy)")
class BranchesOfArrays(BranchKernelTestCase):
    def test_share_the_memory(self):
        self.py.run("import numpy as np; a = np.ones(50_000_000)")
        branch, _ = self.fork()
        with open(f"/proc/{branch.pid}/smaps_rollup") as file:
            private = sum(int(l.split()[1]) for l in file if l.startswith("Private_"))
        self.assertLess(private, 100_000)  # KiB, of 400 MB
        self.assertEqual(self.value(branch, "a[0] = 5; float(a[:2].sum())"), "6.0")
        self.assertEqual(self.value(self.py, "float(a[:2].sum())"), "2.0")
