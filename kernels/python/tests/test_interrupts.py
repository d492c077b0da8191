"""Interrupts, by message and by SIGINT: whatever code does, it ends with KeyboardInterrupt, and the
state stays."""

import os
import signal
import subprocess
import tempfile
import time

from support import PlainKernelTestCase, PythonKernelTestCase

# Each prints "on" once it is busy; none ends by itself within the deadline of a test.
BUSY = {
    "sleep": "import time; print('on', flush=True); time.sleep(600)",
    "loop": "print('on', flush=True)\nwhile True: pass",
    "await": "import asyncio; print('on', flush=True); await asyncio.sleep(600)",
    # It is fed by what ends it when it is interrupted: before that, Python would forget it.
    "program": "import subprocess\n"
    "subprocess.run('read _; echo on; exec sleep 600', shell=True, input=b'\\n')",
    "lock": "import threading; print('on', flush=True); threading.Event().wait()",
    "read": "import os; print('on', flush=True); r, w = os.pipe(); os.read(r, 1)",
}


class Interrupts(PythonKernelTestCase):
    busy = dict(
        BUSY,
        task="import asyncio\nasync def f():\n    while True: await asyncio.sleep(0)\n"
        "t = asyncio.create_task(f()); print('on', flush=True); await t",
    )

    def ways(self):
        yield "message", self.py.interrupt
        yield "signal", lambda: os.kill(self.py.pid, signal.SIGINT)

    def test_end_whatever_runs(self):
        for way, interrupt in self.ways():
            for what, code in self.busy.items():
                with self.subTest(what=what, way=way):
                    self.py.run("kept = 'kept'")
                    msg_id = self.py.start(code, until="on")
                    interrupt()
                    run = self.py.finish(msg_id)
                    self.assertEqual(run.reply["status"], "error")
                    self.assertEqual(run.error[0], "KeyboardInterrupt")
                    self.assertEqual(self.result("kept"), "'kept'")
        self.wait_until(lambda: not self.py.descendants())

    def test_end_the_programs_of_magics(self):
        for way, interrupt in self.ways():
            for code in ("!echo on; exec sleep 600", "%%bash\necho on\nexec sleep 600"):
                with self.subTest(code=code, way=way):
                    msg_id = self.py.start(code, until="on")
                    interrupt()
                    self.py.finish(msg_id)  # IPython does not call it an error
        self.wait_until(lambda: not self.py.descendants())

    def test_end_a_question(self):
        for way, interrupt in self.ways():
            with self.subTest(way):
                msg_id = self.py.client.execute("input('?')")
                self.py.client.get_stdin_msg(timeout=60)
                interrupt()
                self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")
        self.assertEqual(self.result("1"), "1")

    def test_that_are_over_spare_a_question(self):
        msg_id = self.py.start(
            "import time\ntry:\n    print('on', flush=True); time.sleep(600)\n"
            "except KeyboardInterrupt:\n    answer = input('?')",
            until="on",
        )
        self.py.interrupt()
        self.answer_question(self.py, msg_id, "yes")
        self.assertIsNone(self.py.finish(msg_id).error)
        self.assertEqual(self.result("answer"), "'yes'")

    def test_do_nothing_to_an_idle_kernel(self):
        for _ in range(20):
            self.py.interrupt()
            self.py.client.get_control_msg(timeout=60)
        self.assertEqual(self.result("1"), "1")
        for _ in range(20):
            os.kill(self.py.pid, signal.SIGINT)
        self.assertEqual(self.result("1"), "1")

    def test_end_what_refuses_to_be_cancelled(self):
        # Both times it says that it waits once it does.
        msg_id = self.py.start(
            "import asyncio\n"
            "def wait(text):\n"
            "    asyncio.get_running_loop().call_soon(lambda: print(text, flush=True))\n"
            "    return asyncio.sleep(600)\n"
            "try:\n    await wait('on')\nexcept asyncio.CancelledError:\n    await wait('again')",
            until="on",
        )
        self.py.interrupt()
        for message in self.py.iopub(msg_id):
            if message["msg_type"] == "stream":
                break
        self.py.interrupt()
        self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")

    def test_can_be_caught(self):
        msg_id = self.py.start(
            "import time\ntry:\n    print('on', flush=True); time.sleep(600)\n"
            "except KeyboardInterrupt:\n    print('caught')",
            until="on",
        )
        self.py.interrupt()
        run = self.py.finish(msg_id)
        self.assertEqual((run.error, run.stdout), (None, "caught\n"))

    def test_come_as_soon_as_a_cell_is_busy(self):
        for _ in range(20):
            msg_id = self.py.client.execute("import time; time.sleep(600)")
            for message in self.py.iopub(msg_id):
                if message["content"].get("execution_state") == "busy":
                    break
            self.py.interrupt()
            self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")

    def test_spare_tasks_that_nobody_awaits(self):
        self.py.run("import asyncio; t = asyncio.create_task(asyncio.sleep(600))")
        self.py.interrupt()
        self.py.client.get_control_msg(timeout=60)
        os.kill(self.py.pid, signal.SIGINT)
        self.assertEqual(self.result("t.done()"), "False")
        self.py.run("t.cancel()")

    def test_of_a_cell_with_a_handler_of_its_own_go_there(self):
        msg_id = self.py.start(
            "import signal, time\nseen = []\nsignal.signal(signal.SIGINT, lambda n, f: seen.append(n))\n"
            "print('on', flush=True)\nwhile not seen: time.sleep(0.01)",
            until="on",
        )
        os.kill(self.py.pid, signal.SIGINT)
        self.assertIsNone(self.py.finish(msg_id).error)
        # The next cell has the usual one again.
        msg_id = self.py.start(BUSY["sleep"], until="on")
        os.kill(self.py.pid, signal.SIGINT)
        self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")


class InterruptsOfPlainCells(PlainKernelTestCase):
    busy = BUSY
    ways = Interrupts.ways
    test_end_whatever_runs = Interrupts.test_end_whatever_runs
    test_do_nothing_to_an_idle_kernel = Interrupts.test_do_nothing_to_an_idle_kernel
    test_end_a_question = Interrupts.test_end_a_question


class Ends(PythonKernelTestCase):
    def test_of_a_busy_kernel_come_within_its_grace(self):
        self.py.start(
            "while True:\n  try:\n    print('on', flush=True)\n    while True: pass\n"
            "  except KeyboardInterrupt: pass",
            until="on",
        )
        begin = time.monotonic()
        self.py.client.shutdown()
        self.wait_until(lambda: not self.py.manager.is_alive())
        self.assertLess(time.monotonic() - begin, 30)

    def test_with_the_process_that_owns_the_kernel(self):
        from jupyter_client import write_connection_file
        from jupyter_client.kernelspec import KernelSpecManager

        [executable, *_] = KernelSpecManager().get_kernel_spec(self.kernel_name).argv
        with tempfile.TemporaryDirectory() as directory:
            file, _ = write_connection_file(
                directory + "/connection.json", transport="ipc", ip=directory + "/k"
            )
            owner = subprocess.Popen(["sleep", "600"])
            self.addCleanup(owner.wait)
            self.addCleanup(owner.kill)
            kernel = subprocess.Popen(
                [executable, "-f", file], env={**os.environ, "JPY_PARENT_PID": str(owner.pid)}
            )
            self.addCleanup(kernel.wait)
            self.addCleanup(kernel.kill)
            self.wait_until(lambda: len(os.listdir(directory)) > 1)  # the sockets
            owner.kill()
            owner.wait()
            self.assertEqual(kernel.wait(timeout=60), 0)
            self.assertEqual(os.listdir(directory), ["connection.json"])
