"""Code that does its worst: each request has exactly one verdict in time, and the next call works."""

import contextlib
import json
import os
import pathlib
import time
import unittest

import isolated
from gateway import PATIENCE, WithGateway, process_runs, wait_until

# Seconds that code gets, and that it gets to yield; what happens in a container is known later.
SOFT, GRACE = (2, 2) if isolated.IN_CONTAINERS else (0.5, 0.5)


class WithSession(WithGateway):
    kernel = "python3"

    def setUp(self):
        status, _, session = self.gateway.ask("POST", "/v1/sessions", {"kernel": self.kernel})
        self.assertEqual(status, 201, session)
        self.path = "/v1/sessions/" + session["session_id"]
        self.directory = pathlib.Path(session["work_dir"])
        self.addCleanup(self.gateway.ask, "DELETE", self.path)

    def run_code(self, code, **more):
        status, _, result = self.gateway.ask("POST", self.path + "/execute", {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    def verdict(self, code, *, wait=None, **more):
        """The result of code that is given little time; checks what holds whatever it did."""
        body = {"code": code, "timeout": {"soft_s": SOFT, "grace_s": GRACE}, "mode": "async", **more}
        status, _, begun = self.gateway.ask("POST", self.path + "/execute", body)
        self.assertEqual(status, 202, begun)
        execution = f"/v1/executions/{begun['execution_id']}"
        if wait:
            wait()
        started = time.monotonic()
        result = self.gateway.ask("GET", f"{execution}?wait_s={PATIENCE}")[2]
        self.assertNotIn(result["status"], ("running", "queued"), "no verdict in time")
        # The limit, two graces, a restart of the kernel, and what a busy machine adds.
        limits = body["timeout"]
        self.assertLess(time.monotonic() - started, limits["soft_s"] + 2 * limits["grace_s"] + 30)
        events = [json.loads(line) for line in self.text(f"{execution}/events").splitlines()]
        types = [event["type"] for event in events]
        self.assertEqual((types.count("block_done"), types.count("done"), types[-1]), (1, 1, "done"))
        self.assertEqual(events[-1]["result"]["status"], result["status"])
        return result

    def text(self, path):
        answer = self.gateway.request("GET", path)[2]
        return answer.decode() if isinstance(answer, bytes) else answer

    def written(self, name):
        """What the code writes to a file when it is that far."""
        file = self.directory / name
        return wait_until(lambda: file.exists() and file.read_text(), f"{name} is written")


class Python(WithSession):
    def setUp(self):
        super().setUp()
        self.run_code("x = 41")

    def assert_state(self, result, *, kept):
        state = result["state"]
        self.assertEqual((state["kept"], state["restarted"]), (kept, not kept), result["note"])
        after = self.run_code("print('x' in dir())")
        self.assertEqual((after["status"], after["stdout"]), ("ok", f"{kept}\n"), after)

    def test_code_that_swallows_interrupts_is_killed(self):
        result = self.verdict("import time\nprint('in', flush=True)\nwhile True:\n"
                              "  try: time.sleep(600)\n  except BaseException: pass")
        self.assertEqual((result["status"], result["exit_code"], result["stdout"]), ("timeout", 124, "in\n"))
        self.assert_state(result, kept=False)

    def test_code_that_swallows_one_interrupt_keeps_its_state(self):
        result = self.verdict("import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt: pass\n"
                              "time.sleep(600)", timeout={"soft_s": SOFT, "grace_s": PATIENCE / 4})
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assert_state(result, kept=True)

    def test_code_that_blocks_in_c_is_killed(self):
        # It holds the interpreter's lock, and looks at no signal before it has an answer.
        result = self.verdict("sum(range(10 ** 15))")
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assert_state(result, kept=False)

    @isolated.only_without("the machine does not see their processes", "gvisor")
    def test_what_killed_code_has_started_dies_with_it(self):
        code = ("import os, signal, subprocess, time\n"
                "child = subprocess.Popen(['sleep', '600'])\n"
                "other = subprocess.Popen(['setsid', 'sleep', '600'])\n"
                "fork = os.fork()\n"
                "if fork == 0:\n  os.setsid(); time.sleep(600); os._exit(0)\n"
                "open('pids.new', 'w').write(f'{child.pid} {other.pid} {fork}')\n"
                "os.rename('pids.new', 'pids')\n"
                "signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)")
        pids = []

        def see_them():
            self.written("pids")
            (kernel,) = self.gateway.ask("GET", self.path)[2]["kernels"]
            pids.extend(self.gateway.pids_outside(
                kernel["id"], map(int, (self.directory / "pids").read_text().split())))

        result = self.verdict(code, wait=see_them, timeout={"soft_s": 3, "grace_s": GRACE})
        self.assertEqual((result["status"], len(pids)), ("timeout", 3))
        for pid in pids:
            wait_until(lambda: not process_runs(pid), f"process {pid} has ended")
        self.assert_state(result, kept=False)

    def test_a_flood_is_ended_and_told_in_part(self):
        # What it has printed already comes first: the interrupt may take a while to show.
        result = self.verdict("while True: print('y' * 1000)",
                              timeout={"soft_s": SOFT, "grace_s": PATIENCE / 4})
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assertTrue(result["stdout"].startswith("yyy"))
        self.assertGreater(result["truncated"]["stdout"]["total_chars"],
                           result["truncated"]["stdout"]["kept"])
        self.assert_state(result, kept=True)

    def test_code_that_ends_the_process_died(self):
        result = self.verdict("print('last words', flush=True)\nimport os, time\ntime.sleep(0.2)\n"
                              "os._exit(3)")
        self.assertEqual((result["status"], result["exit_code"]), ("kernel_died", 137))
        self.assertEqual(result["stdout"], "last words\n")
        self.assertIn("exited with code 3", result["note"])
        self.assert_state(result, kept=False)

    def test_code_that_is_killed_died_and_did_not_run_out_of_memory(self):
        result = self.verdict("import os\nos.kill(os.getpid(), 9)")
        self.assertEqual((result["status"], result["exit_code"]), ("kernel_died", 137))
        self.assertIn("signal 9", result["note"])
        self.assert_state(result, kept=False)

    def test_code_that_crashes_died(self):
        result = self.verdict("import ctypes\nctypes.string_at(0)")
        self.assertEqual((result["status"], result["exit_code"]), ("kernel_died", 137))
        self.assertIn("signal 11", result["note"])
        self.assert_state(result, kept=False)

    # rows: H21
    @isolated.only_without("their memory is that of a group of their own")
    def test_code_that_fills_its_memory_cgroup_ran_out_of_memory(self):
        group = MemoryGroup(96 << 20)
        self.addCleanup(group.remove)
        if reason := group.unusable():
            self.skipTest(reason)
        pid = int(self.run_code("import os; print(os.getpid())")["stdout"])
        group.add(pid)
        result = self.verdict("rows = []\nwhile True: rows.append(bytearray(1 << 20))",
                              timeout={"soft_s": PATIENCE, "grace_s": GRACE})
        self.assertEqual((result["status"], result["exit_code"]), ("oom", 137), result)
        self.assertIn("ran out of memory", result["note"])
        self.assert_state(result, kept=False)

    def test_memory_that_the_code_asks_for_in_vain_is_an_error_of_the_code(self):
        result = self.verdict("bytearray(1 << 60)")
        self.assertEqual((result["status"], result["error"]["type"]), ("error", "MemoryError"))
        self.assert_state(result, kept=True)

    # How a program ends by itself: state is kept as long as the process is there.

    def test_sys_exit_is_an_exit_code_and_the_kernel_goes_on(self):
        for code, exit_code in (("import sys; sys.exit(0)", 0), ("raise SystemExit(7)", 7),
                                ("import sys; sys.exit()", 0), ("import sys; sys.exit('why')", 1)):
            with self.subTest(code):
                result = self.verdict(code)
                self.assertEqual(result["exit_code"], exit_code)
                self.assertEqual(result["status"], "error" if exit_code else "ok")
                self.assert_state(result, kept=True)

    def test_exit_of_ipython_ends_the_kernel_and_the_blocks_and_the_next_result_says_so(self):
        for word in ("exit()", "quit()", "exit"):
            with self.subTest(word):
                self.run_code("x = 41")
                status, _, result = self.gateway.ask("POST", self.path + "/execute", {
                    "blocks": [{"code": word}, {"code": "open('not run', 'w')"}]})
                self.assertEqual((status, result["status"], len(result["blocks"])), (200, "ok", 1))
                after = self.run_code("'x' in dir()")
                self.assertEqual((after["status"], after["output"]), ("ok", "False\n"))
                self.assertEqual(after["state"]["kept"] and result["state"]["kept"], False)
                self.assertFalse((self.directory / "not run").exists())

    def test_exit_that_keeps_the_kernel_ends_the_blocks_only(self):
        status, _, result = self.gateway.ask("POST", self.path + "/execute", {
            "blocks": [{"code": "exit(keep_kernel=True)"}, {"code": "open('not run', 'w')"}]})
        self.assertEqual((status, result["status"], len(result["blocks"])), (200, "ok", 1))
        self.assert_state(result, kept=True)


class Echo(WithSession):
    kernel = "perijove-echo"

    def setUp(self):
        super().setUp()
        self.run_code("set x 41")

    def assert_state(self, result, *, kept):
        self.assertEqual(result["state"]["kept"], kept, result["note"])
        after = self.run_code("get x")
        self.assertEqual(after["status"], "ok" if kept else "error", after)

    def test_each_misdeed_has_one_verdict(self):
        table = [
            ("sleep 600", "timeout", 124, True),
            ("ignore-interrupt on\nsleep 600", "timeout", 124, False),
            ("ignore-interrupt on\nbusy 600", "timeout", 124, False),
            ("ignore-interrupt on\nignore-sigterm on\nsleep 600", "timeout", 124, False),
            ("fork-child\nignore-interrupt on\nsleep 600", "timeout", 124, False),
            ("fork-daemon\nignore-interrupt on\nsleep 600", "timeout", 124, False),
            ("die 3", "kernel_died", 137, False),
            ("die 0", "kernel_died", 137, False),
            ("abort", "kernel_died", 137, False),
            ("segv", "kernel_died", 137, False),
            ("kill 9", "kernel_died", 137, False),
        ]
        for code, status, exit_code, kept in table:
            with self.subTest(code):
                self.run_code("set x 41")
                result = self.verdict(code)
                self.assertEqual((result["status"], result["exit_code"]), (status, exit_code), result)
                self.assert_state(result, kept=kept)

    def test_a_flood_is_ended_and_the_state_kept(self):
        result = self.verdict("flood 1000000 1024",
                              timeout={"soft_s": SOFT, "grace_s": PATIENCE / 4})
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assert_state(result, kept=True)

    def test_a_kernel_that_forgets_its_reply_or_its_idle_has_one_verdict_too(self):
        for trick in ("no-idle", "no-reply"):
            with self.subTest(trick):
                result = self.verdict(f"{trick}\nprint on")
                self.assertEqual(result["stdout"], "on\n")
                self.assertIn(result["status"], ("ok", "timeout"))
                self.assertEqual(self.run_code("print next")["stdout"], "next\n")


class MemoryGroup:
    """A memory cgroup, version 1 or 2, made and removed by this test."""

    def __init__(self, limit):
        self.limit = limit
        self.path = None
        self._reason = self._make()

    def _make(self):
        if os.geteuid() != 0:
            return "making a cgroup takes root"
        counters = pathlib.Path("/proc/vmstat").read_text()
        if "oom_kill " not in counters:
            return "this system does not count the processes it kills for want of memory"
        name = f"perijove-test-{os.getpid()}"
        for root, limits in ((pathlib.Path("/sys/fs/cgroup/memory"),
                              ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
                             (pathlib.Path("/sys/fs/cgroup"), ("memory.max", "memory.swap.max"))):
            try:
                (root / name).mkdir()
            except OSError:
                continue
            self.path = root / name
            if not (self.path / limits[0]).exists():  # another hierarchy, without memory
                self.remove()
                continue
            (self.path / limits[0]).write_text(str(self.limit))
            with contextlib.suppress(OSError):  # where there is no swap to be limited
                (self.path / limits[1]).write_text("0" if limits[1].endswith("swap.max")
                                                   else str(self.limit))
            return None
        return "this system has no memory cgroups that this test could make one in"

    def unusable(self):
        return self._reason

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self):
        if self.path:
            wait_until(lambda: not (self.path / "cgroup.procs").read_text().strip(),
                       "the cgroup's processes have ended")
            self.path.rmdir()
            self.path = None


if __name__ == "__main__":
    unittest.main()
