"""Python kernels that are forked from a server which has imported what they need."""

import json
import os
import pathlib
import signal
import tempfile
import unittest

import isolated
from gateway import Gateway, process_runs, wait_until

KERNEL = "perijove-python"


@isolated.only_without("a fork server is a process of this machine")
class ForkServer(unittest.TestCase):
    def serve(self, *arguments, **environ):
        gateway = Gateway(arguments=list(arguments), environ=environ)
        self.addCleanup(gateway.stop)
        return gateway

    def session(self, gateway, **options):
        status, _, session = gateway.request("POST", "/v1/sessions", {"kernel": KERNEL, **options})
        self.assertEqual(status, 201, session)
        return session["session_id"]

    def run_code(self, gateway, session, code, **more):
        status, _, result = gateway.request("POST", f"/v1/sessions/{session}/execute", {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    def value(self, gateway, session, expression):
        result = self.run_code(gateway, session, f"import json\nprint(json.dumps({expression}))")
        self.assertEqual(result["status"], "ok", result)
        return json.loads(result["stdout"])

    def wait_until_ready(self, gateway):
        """The process id of the fork server; the first kernel has made it start."""
        self.run_code(gateway, self.session(gateway), "pass")
        return wait_until(lambda: self.ready_server(gateway), "the fork server is ready")

    def ready_server(self, gateway, count=1):
        lines = [line for line in gateway.output.splitlines() if "fork_server_ready" in line]
        return int(lines[count - 1].partition("pid=")[2].split()[0]) if len(lines) >= count else None

    def forked(self, gateway, session):
        """Whether modules were there before any code asked for them."""
        return self.value(gateway, session, "'pandas' in __import__('sys').modules")

    def test_a_kernel_is_a_fork_and_a_child_of_the_gateway(self):
        gateway = self.serve()
        server = self.wait_until_ready(gateway)
        session = self.session(gateway)
        self.assertTrue(self.forked(gateway, session))
        process, parent, leads = self.value(
            gateway, session, "[(os := __import__('os')).getpid(), os.getppid(), os.getsid(0) == os.getpid()]")
        self.assertEqual((parent, leads), (gateway.pid, True))
        self.assertNotEqual(process, server)
        self.assertEqual(self.value(gateway, session, "__import__('pandas').DataFrame({'a': [1, 2]}).a.sum().item()"), 3)

    def test_kernels_share_no_state_and_throw_dice_of_their_own(self):
        gateway = self.serve()
        self.wait_until_ready(gateway)
        one = self.session(gateway, env={"SECRET_OF_ONE": "1"})
        other = self.session(gateway, env={"COLOUR": "blue"})
        self.assertTrue(self.forked(gateway, one) and self.forked(gateway, other))
        self.run_code(gateway, one, "x = 1")
        self.assertFalse(self.value(gateway, other, "'x' in globals()"))
        environ = self.value(gateway, other, "dict(__import__('os').environ)")
        self.assertEqual((environ.get("COLOUR"), environ.get("SECRET_OF_ONE")), ("blue", None))
        dice = "[__import__('random').random(), __import__('numpy').random.rand()]"
        self.assertNotEqual(self.value(gateway, one, dice), self.value(gateway, other, dice))
        directories = {self.value(gateway, each, "__import__('os').getcwd()") for each in (one, other)}
        self.assertEqual(len(directories), 2)

    def test_no_descriptor_of_server_or_gateway_is_inherited(self):
        gateway = self.serve()
        self.wait_until_ready(gateway)
        session = self.session(gateway)
        self.assertTrue(self.forked(gateway, session))
        opened = self.value(gateway, session, "{n: __import__('os').readlink('/proc/self/fd/' + n) for n in "
                            "__import__('os').listdir('/proc/self/fd') if __import__('os').path.lexists('/proc/self/fd/' + n)}")
        theirs = {os.readlink(f"/proc/{gateway.pid}/fd/{n}") for n in os.listdir(f"/proc/{gateway.pid}/fd")
                  if os.path.lexists(f"/proc/{gateway.pid}/fd/{n}")}
        shared = {path for path in opened.values() if path.startswith("socket:")} & theirs
        self.assertEqual(shared, set())

    def test_the_end_of_a_fork_is_told_as_it_was(self):
        gateway = self.serve()
        self.wait_until_ready(gateway)
        session = self.session(gateway)
        self.assertTrue(self.forked(gateway, session))
        result = self.run_code(gateway, session, "import os; os._exit(3)")
        self.assertEqual(result["status"], "kernel_died")
        self.assertIn("exited with code 3", result["note"])
        process = self.value(gateway, session, "__import__('os').getpid()")
        begun = gateway.request("POST", f"/v1/sessions/{session}/execute",
                                {"code": "import time; time.sleep(600)", "mode": "async"})[2]
        os.kill(process, signal.SIGABRT)
        result = gateway.request("GET", f"/v1/executions/{begun['execution_id']}?wait_s=60")[2]
        self.assertEqual(result["status"], "kernel_died")
        self.assertIn("SIGABRT", result["note"])

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "a sanitizer needs terabytes of addresses")
    def test_limits_hold(self):
        gateway = self.serve()
        self.wait_until_ready(gateway)
        session = self.session(gateway, limits={"file_bytes": 4096, "memory_bytes": 1 << 30})
        self.assertTrue(self.forked(gateway, session))
        result = self.run_code(gateway, session, "open('big', 'wb', buffering=0).write(b'x' * 4096 + b'x'); open('big', 'ab', buffering=0).write(b'x')")
        self.assertEqual(result["error"]["type"], "OSError")
        result = self.run_code(gateway, session, "x = bytearray(2 << 30)")
        self.assertEqual(result["error"]["type"], "MemoryError")

    def test_what_a_fork_has_left_ends_with_it(self):
        gateway = self.serve()
        self.wait_until_ready(gateway)
        session = self.session(gateway)
        self.assertTrue(self.forked(gateway, session))
        # A daemon that runs no program of its own: nothing but its environment tells whose it is.
        result = self.run_code(gateway, session, """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("daemon", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists("daemon") or not open("daemon").read(): time.sleep(0.01)
print(open("daemon").read())""")
        daemon = int(result["stdout"])
        self.assertTrue(process_runs(daemon))
        self.assertEqual(gateway.request("DELETE", f"/v1/sessions/{session}")[0], 204)
        wait_until(lambda: not process_runs(daemon), "the daemon has ended")

    def test_without_its_server_a_kernel_lives_and_others_start_by_themselves(self):
        gateway = self.serve()
        server = self.wait_until_ready(gateway)
        session = self.session(gateway)
        self.run_code(gateway, session, "x = 41")
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: "fork_server_failed" in gateway.output, "its end is noticed")
        self.assertEqual(self.value(gateway, session, "x + 1"), 42)
        self.assertFalse(self.forked(gateway, self.session(gateway)))
        # The next one makes another server start.
        self.run_code(gateway, self.session(gateway), "pass")
        wait_until(lambda: self.ready_server(gateway, 2), "another server is ready")
        self.assertTrue(self.forked(gateway, self.session(gateway)))

    def test_one_that_does_not_answer_is_ended(self):
        gateway = self.serve()
        server = self.wait_until_ready(gateway)
        os.kill(server, signal.SIGSTOP)
        session = self.session(gateway)
        self.assertFalse(self.forked(gateway, session))
        self.assertIn("did not answer within", gateway.output)
        wait_until(lambda: not process_runs(server), "it has ended")
        # Nothing waits for an orphan any more: what code leaves is reaped.
        result = self.run_code(gateway, session, """
import os
if (pid := os.fork()) == 0:
    if os.fork() == 0:
        open("orphan", "w").write(str(os.getpid()))
    os._exit(0)
os.waitpid(pid, 0)
while not os.path.exists("orphan") or not open("orphan").read(): pass
print(open("orphan").read())""")
        orphan = int(result["stdout"])
        wait_until(lambda: not pathlib.Path(f"/proc/{orphan}").exists(), "the orphan is reaped")

    def test_a_change_of_what_it_has_imported_ends_its_use(self):
        with tempfile.TemporaryDirectory() as directory:
            gateway = self.serve("--inherit-env", "PYTHONPATH", PYTHONPATH=directory)
            self.wait_until_ready(gateway)
            self.assertTrue(self.forked(gateway, self.session(gateway)))
            pathlib.Path(directory, "installed.py").write_text("version = 2\n")
            session = self.session(gateway)
            self.assertFalse(self.forked(gateway, session))
            self.assertEqual(self.value(gateway, session, "__import__('installed').version"), 2)

    def test_it_is_not_used_when_it_is_not_wanted(self):
        gateway = self.serve("--fork-servers=false")
        for _ in range(2):
            self.assertFalse(self.forked(gateway, self.session(gateway)))
        self.assertNotIn("fork_server", gateway.output)

    def test_nothing_is_left_of_it(self):
        gateway = self.serve()
        server = self.wait_until_ready(gateway)
        process = self.value(gateway, self.session(gateway), "__import__('os').getpid()")
        gateway.stop()
        wait_until(lambda: not process_runs(server) and not process_runs(process), "both have ended")


if __name__ == "__main__":
    unittest.main()
