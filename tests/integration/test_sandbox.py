"""Kernels in the sandbox: that code works there, and what hostile code comes to, there and without.

Each kind's outcomes are written to $PERIJOVE_ISOLATION_RESULTS/KIND.json when that is set;
scripts/isolation_table.py makes the table of docs/isolation.md of them.
"""

import json
import os
import pathlib
import platform
import shutil
import socket
import socketserver
import stat
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import hostile
from gateway import Gateway, process_runs, wait_until
from isolated import why_no_sandbox

PATIENCE = 90


class WithSessions(unittest.TestCase):
    """Sessions of one kind of isolation."""

    kind = "sandbox"
    arguments = ()
    environ = {}

    @classmethod
    def setUpClass(cls):
        reason = cls.why_not()
        if reason:
            raise unittest.SkipTest(reason)
        cls.gateway = Gateway(arguments=list(cls.arguments), environ=cls.environ)
        cls.addClassCleanup(cls.gateway.stop)

    @classmethod
    def why_not(cls):
        return why_no_sandbox() if cls.kind == "sandbox" else ""

    @classmethod
    def own_fields(cls):
        """What a session of this kind needs besides."""
        return {}

    def ask(self, method, path, status, body=None):
        got, _, answer = self.gateway.ask(method, path, body)
        self.assertEqual(got, status, answer)
        return answer

    def session(self, status=201, **body):
        fields = {"kernel": "python3", "isolation": self.kind, **self.own_fields(), **body}
        answer = self.ask("POST", "/v1/sessions", status, fields)
        if status == 201:
            self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{answer['session_id']}")
        return answer

    def run_code(self, session, code, **body):
        what = {"code": code} if isinstance(code, str) else {"blocks": code}
        begun = self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 202,
                         {**what, "mode": "async", **body})
        return self.ask("GET", f"/v1/executions/{begun['execution_id']}?wait_s={PATIENCE}", 200)

    def printed(self, session, code, **body):
        result = self.run_code(session, code, **body)
        self.assertEqual(result["status"], "ok", result)
        return result["stdout"]

    def kernel_of(self, session):
        (kernel,) = self.ask("GET", f"/v1/sessions/{session['session_id']}", 200)["kernels"]
        return kernel


class Sandbox(WithSessions):
    def test_state_files_and_the_report(self):
        session = self.session(limits={"memory_bytes": 1 << 30, "processes": 100})
        self.printed(session, "x = 41")
        directory = pathlib.Path(session["work_dir"])
        (directory / "in.txt").write_text("from outside")
        self.assertEqual(self.printed(session, """
x += 1
open("out.txt", "w").write(open("in.txt").read().upper())
open("in.txt", "a").write("!")
print(x)"""), "42\n")
        self.assertEqual((directory / "out.txt").read_text(), "FROM OUTSIDE")
        kernel = self.kernel_of(session)
        self.assertEqual((kernel["isolation"], kernel["network"]), ("sandbox", "none"))
        held = {limit["name"]: limit for limit in kernel["limits"]}
        self.assertEqual(held["processes"]["value"], 100)
        self.assertRegex(held["memory"]["held_by"], "cgroup v|RLIMIT_DATA")
        self.assertIn("open_files", held, "has a limit even if nobody asks for one")
        self.assertTrue(any("Linux kernel" in note for note in kernel["notes"]))

    def test_two_languages_share_the_files(self):
        session = self.session()
        result = self.run_code(session, [
            {"language": "python", "code": "open('made', 'w').write('by python\\n')"},
            {"language": "bash", "code": "cat made; echo 'by bash' >>made"},
            {"language": "python", "code": "print(open('made').read())"}])
        self.assertEqual(result["status"], "ok", result)
        self.assertIn("by python\nby bash\n", result["stdout"])

    def test_an_endless_loop_is_interrupted_and_the_state_is_kept(self):
        session = self.session()
        self.printed(session, "kept = 1")
        result = self.run_code(session, "import time\nwhile True: time.sleep(0.1)", timeout=1)
        self.assertEqual(result["status"], "timeout", result)
        self.assertEqual(self.printed(session, "print(kept)"), "1\n")

    def test_a_kernel_that_runs_out_of_memory_says_so(self):
        session = self.session(limits={"memory_bytes": 300 << 20})
        result = self.run_code(session, """
taken = bytearray(600 << 20)
taken[::4096] = bytes(len(taken[::4096]))""")
        self.assertNotEqual(result["status"], "ok")
        text = json.dumps(result)
        self.assertRegex(text, "ran out of memory|MemoryError")

    def test_wrong_wishes_are_refused_before_anything_starts(self):
        for wrong, named in (({"sandbox": {"tmp_byte": 1}}, "tmp_bytes"),
                             ({"network": "bridge"}, "bridge"),
                             ({"mounts": [{"source": "/proc"}]}, "/proc"),
                             ({"mounts": [{"source": "/etc", "target": "/data", "read_only": False}]},
                              "/etc")):
            with self.subTest(wrong):
                status, _, problem = self.gateway.ask(
                    "POST", "/v1/sessions", {"kernel": "python3", "isolation": "sandbox", **wrong})
                if status == 201:  # kernels start when code runs
                    self.addCleanup(self.gateway.request, "DELETE",
                                    f"/v1/sessions/{problem['session_id']}")
                    problem = self.run_code(problem, "1")
                    self.assertNotEqual(problem["status"], "ok")
                else:
                    self.assertIn(status, (400, 403, 422), problem)
                self.assertIn(named, json.dumps(problem))

    def test_kernels_end_with_a_gateway_that_is_killed(self):
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        status, _, session = gateway.ask("POST", "/v1/sessions",
                                         {"kernel": "python3", "isolation": "sandbox"})
        self.assertEqual(status, 201, session)
        mark = f"mark-{uuid.uuid4().hex}"
        begun = gateway.ask("POST", f"/v1/sessions/{session['session_id']}/execute", {
            "mode": "async", "code": f"import subprocess\nsubprocess.Popen(['{mark}', '1000'], "
                                     "executable='/bin/sleep', start_new_session=True).wait()"})
        self.assertEqual(begun[0], 202, begun)
        pid = wait_until(lambda: find_process(mark), "what the code starts")
        gateway.kill()
        wait_until(lambda: not process_runs(pid), "its end")


def find_process(mark):
    """The id of a process with this in its command line; None when there is none."""
    for directory in pathlib.Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                if (directory / "cmdline").read_bytes().startswith(mark.encode()):
                    return int(directory.name)
            except OSError:
                continue
    return None


class ClientsPrograms(WithSessions):
    """A program is shown to its sandbox with what it needs; one that a client names is not, for it could
    name any file."""

    ARGV = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]

    def setUp(self):
        self.private = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="pjo-")))
        self.private.chmod(0o755)
        for name in ("bin", "lib"):
            (self.private / name).mkdir()
        (self.private / "bin/python3").symlink_to("/usr/bin/python3")
        self.key = self.private / "lib/key"
        self.key.write_text("of the machine")

    def with_kernelspec(self, argv, **perijove):
        return self.session(kernel="", kernel_spec={
            "display_name": "Mine", "language": "python", "argv": argv, "metadata": {"perijove": perijove}})

    def refusal(self, session):
        result = self.run_code(session, "1")
        self.assertEqual(result["status"], "kernel_died", result)
        return result["error"]["message"]

    def test_a_file_that_its_kernelspec_names_is_not_there(self):
        session = self.with_kernelspec(["/usr/bin/python3", *self.ARGV, str(self.key)])
        self.assertEqual(self.printed(session, f"import os; print(os.path.exists({str(self.key)!r}))"), "False\n")

    def test_a_program_that_its_kernelspec_names_must_be_the_systems_or_lent(self):
        refusal = self.refusal(self.with_kernelspec([str(self.private / "bin/python3"), *self.ARGV]))
        self.assertIn("is not shown to the sandbox", refusal)
        self.assertIn("--isolation-mounts", refusal)

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
    def test_a_program_that_its_path_leads_to_must_be_so_too(self):
        session = self.session(kernel="perijove-python-any", env={"PATH": f"{self.private}/bin:/usr/bin"})
        self.assertIn("is not shown to the sandbox", self.refusal(session))

    def test_its_kernelspec_has_no_fork_server(self):
        session = self.with_kernelspec(["/usr/bin/python3", *self.ARGV], fork_server=["/bin/sh", "-c", "id"])
        self.assertEqual(self.printed(session, "print(1)"), "1\n")
        self.assertIn("a client decides what code runs", self.gateway.output)
        self.assertNotIn("fork_server_says", self.gateway.output)


class Outside:
    """What hostile code looks for: processes, services and files that the test puts up, and removes."""

    def __init__(self):
        self.canary = f"canary-{uuid.uuid4().hex}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pjo-"))
        self.directory.joinpath("secret").write_text(self.canary)
        self.directory.joinpath("secret").chmod(0o600)
        answer = self.canary.encode()

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(answer)

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                self.request[1].sendto(answer, self.client_address)

        class Threading(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = True

        self._tcp = Threading(("127.0.0.1", 0), Tcp)
        self._udp = socketserver.UDPServer(("127.0.0.1", 0), Udp)
        for server in (self._tcp, self._udp):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.abstract_name = f"perijove-test-{uuid.uuid4().hex}"
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind("\0" + self.abstract_name)
        self._abstract.listen()
        self._victim = None

    @property
    def victim(self):
        """A process that nobody may touch, started anew when somebody has."""
        if self._victim is None or self._victim.poll() is not None:
            self._victim = subprocess.Popen([self.canary, "1000"], executable="/bin/sleep",
                                            stdin=subprocess.DEVNULL)
        return self._victim.pid

    def close(self):
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()
        self._abstract.close()
        if self._victim:
            self._victim.kill()
            self._victim.wait()
        shutil.rmtree(self.directory)

    def facts(self):
        return {"canary": self.canary, "outside": str(self.directory),
                "secret_file": str(self.directory / "secret"), "victim_mark": self.canary,
                "victim_pid": self.victim, "tcp_port": self._tcp.server_address[1],
                "udp_port": self._udp.server_address[1], "abstract_name": self.abstract_name,
                "devices": [str(path) for path in sorted(pathlib.Path("/dev").iterdir())
                            if path.is_block_device()][:3],
                "disk_numbers": [254, 0]}


class Hostile:
    """The suite, for a class that also is a WithSessions. `kind` says what it runs in, and `reported` what
    kernels then say."""

    reported = None

    @classmethod
    def setUpClass(cls):
        cls.outside = Outside()
        cls.addClassCleanup(cls.outside.close)
        cls.environ = {"AWS_SECRET_ACCESS_KEY": cls.outside.canary}
        super().setUpClass()
        cls.reported = cls.reported or cls.kind
        cls.outcomes = {}
        cls.addClassCleanup(cls.write_outcomes)

    @classmethod
    def write_outcomes(cls):
        directory = os.environ.get("PERIJOVE_ISOLATION_RESULTS")
        if directory:
            pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
            pathlib.Path(directory, f"{cls.reported}.json").write_text(
                json.dumps({"kind": cls.reported, "root": os.geteuid() == 0,
                            "outcomes": cls.outcomes}, indent=1))

    def record(self, name, outcome, detail, expected):
        self.outcomes[name] = {"outcome": outcome, "detail": detail}
        # Without isolation, what an ordinary user reaches is less, and another thing on each machine.
        if expected != hostile.VARIES and (self.kind != "none" or os.geteuid() == 0):
            self.assertEqual(outcome, expected, detail)

    def facts(self):
        """With a kernel of somebody else beside."""
        other = self.session()
        self.printed(other, "1")
        runtime = self.gateway.runtime_files()
        return {**self.outside.facts(), "gateway_pid": self.gateway.pid,
                "gateway_url": self.gateway.url, "token": self.gateway.token,
                "runtime_files": [str(path) for path in self.gateway.runtime_dir.parent.rglob("*.json")
                                  if "servers" in path.parts],
                "connection_files": [str(path) for path in runtime
                                     if path.name.startswith("kernel-") and path.suffix == ".json"],
                "kernel_sockets": [str(path) for path in runtime if path.is_socket()]}

    def test_attempts(self):
        facts = self.facts()
        self.assertTrue(facts["runtime_files"], "where the token is")
        for attempt in hostile.ATTEMPTS:
            if attempt.linux and attempt.linux != platform.machine():
                continue
            with self.subTest(attempt.name):
                session = self.session(
                    **({"limits": attempt.limits} if attempt.limits else {}),
                    **({self.kind: attempt.options[self.kind]}
                       if attempt.options and self.kind in attempt.options else {}))
                facts["victim_pid"] = self.outside.victim
                result = self.run_code(session, attempt.source(facts))
                found = hostile.read_outcome(result["stdout"])
                if found is None:  # its kernel was killed for it
                    self.assertNotEqual(result["status"], "ok", result)
                    self.assertIsNotNone(attempt.limits, result)
                    found = [hostile.STOPPED, "the kernel was killed"]
                expected = attempt.expected(self.reported)
                if attempt.name == "memory_together" and expected == hostile.STOPPED:
                    held = {each["name"]: each["held_by"] for each in self.kernel_of(session)["limits"]}
                    if held["memory"].startswith("RLIMIT"):
                        expected = hostile.REACHED  # and the session's report says so
                self.ask("DELETE", f"/v1/sessions/{session['session_id']}", 204)
                self.record(attempt.name, *found, expected)

    def get(self, session, path):
        return self.gateway.request("GET", f"/v1/sessions/{session['session_id']}/files/{path}")

    def test_link_through_files(self):
        session = self.session()
        self.printed(session, "import os\nos.symlink('/etc/shadow', 'link')\nos.symlink('/', 'top')")
        answers = [self.get(session, path)[0] for path in ("link", "top/etc/shadow")]
        self.record("link_through_files",
                    hostile.REACHED if 200 in answers else hostile.STOPPED, answers, hostile.STOPPED)

    def test_link_race(self):
        session = self.session()
        secret = self.outside.directory / "secret"
        self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 202, {
            "mode": "async", "code": f"""
import os, time
end = time.monotonic() + 4
open("file", "w").write("mine")
print("begun", flush=True)
while time.monotonic() < end:
    os.symlink({str(secret)!r}, "link")
    os.rename("link", "file")
    open("plain", "w").write("mine")
    os.rename("plain", "file")
"""})
        file = pathlib.Path(session["work_dir"]) / "file"
        wait_until(lambda: file.is_symlink() or file.exists(), "the race's beginning")
        got, end = [], time.monotonic() + 3
        while time.monotonic() < end:
            status, _, body = self.get(session, "file")
            got.append(status)
            if body and self.outside.canary.encode() in (body if isinstance(body, bytes)
                                                         else str(body).encode()):
                self.record("link_race", hostile.REACHED, len(got), hostile.STOPPED)
        self.assertIn(200, got, "now and then it is a file")
        self.record("link_race", hostile.STOPPED, f"{len(got)} reads", hostile.STOPPED)

    def test_setuid_file(self):
        session = self.session()
        self.printed(session, "import os\nopen('tool', 'w').close()\nos.chmod('tool', 0o4755)")
        status = os.stat(pathlib.Path(session["work_dir"]) / "tool")
        is_root = status.st_uid == 0 and bool(status.st_mode & stat.S_ISUID)
        expected = hostile.SEEN_FROM_OUTSIDE["setuid_file"][1]
        self.record("setuid_file", hostile.REACHED if is_root else hostile.STOPPED,
                    f"owner {status.st_uid}, mode {status.st_mode:o}",
                    expected if self.kind == "none" else hostile.STOPPED)

    def test_outlive(self):
        session = self.session()
        mark = f"mark-{uuid.uuid4().hex}"
        self.printed(session, f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", [{mark!r}, "1000"])
    os._exit(0)""")
        pid = wait_until(lambda: find_process(mark), "the daemon")
        self.ask("DELETE", f"/v1/sessions/{session['session_id']}", 204)
        wait_until(lambda: not process_runs(pid), "the daemon's end")
        self.record("outlive", hostile.STOPPED, "", hostile.STOPPED)


class HostileInTheSandbox(Hostile, WithSessions):
    kind = "sandbox"


class HostileWithoutIsolation(Hostile, WithSessions):
    """So that the table says what isolation is for, and the tests can fail."""

    kind = "none"


if __name__ == "__main__":
    unittest.main()
