"""Kernels in the sandbox that were forked: whatever holds a kernel that bubblewrap has started holds them,
too, and what hostile code comes to is the same."""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import isolated
import test_sandbox
from gateway import Gateway, descriptors, process_runs, wait_until

KERNEL = "perijove-python"

# What a process says of itself and what holds it, as a JSON object in short lines.
DESCRIBE = r"""
import ctypes, json, os, re, resource
libc = ctypes.CDLL(None)
status = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
names = ("Uid", "Gid", "Groups", "Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
         "Seccomp", "Seccomp_filters", "CoreDumping", "SigBlk", "SigIgn", "THP_enabled")
def control(option):
    value = ctypes.c_int(-1)
    return [libc.prctl(option, ctypes.byref(value), 0, 0, 0), value.value]
def read(path):
    return open(path).read()
opened = {}
for number in os.listdir("/proc/self/fd"):
    if os.path.lexists("/proc/self/fd/" + number):
        opened[number] = re.sub(r"\d+", "N", os.readlink("/proc/self/fd/" + number))
print(json.dumps({
    "status": {name: status.get(name) for name in names},
    "maps": [read("/proc/self/" + name).split() for name in ("uid_map", "gid_map", "setgroups")],
    "namespaces": {name: os.readlink("/proc/self/ns/" + name) for name in os.listdir("/proc/self/ns")},
    "mounts": read("/proc/self/mountinfo").splitlines(),
    "cgroup": read("/proc/self/cgroup").splitlines(),
    "limits": read("/proc/self/limits").splitlines(),
    "oom_score_adj": read("/proc/self/oom_score_adj"),
    "controls": {"dumpable": libc.prctl(3, 0, 0, 0, 0), "keep_capabilities": libc.prctl(7, 0, 0, 0, 0),
                 "secure_bits": libc.prctl(27, 0, 0, 0, 0), "subreaper": control(37)},
    "nice": os.nice(0), "affinity": sorted(os.sched_getaffinity(0)),
    "environment": sorted(name for name in os.environ if not name.startswith("KERNEL_")),
    "directory": os.getcwd(), "leads": os.getsid(0) == os.getpid() == os.getpgid(0),
    "network": read("/proc/net/dev").count(":"), "host": os.uname().nodename,
    "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()],
    "opened": sorted(opened.values()), "root": sorted(os.listdir("/")), "home": os.listdir(os.environ["HOME"]),
    "temporary": os.listdir("/tmp"), "forked": "pandas" in __import__("sys").modules}, indent=0))
"""


def mounts_of(lines, *changed):
    """What is mounted where and how, without the numbers and names that differ between any two."""
    found = []
    for line in lines:
        fields = line.split()
        separator = fields.index("-")
        how = re.sub(r"[ug]id=\d+|inode\d+|nr_inodes=\d+", "", fields[separator + 3])
        place = [fields[3], fields[4], fields[5], fields[separator + 1], how]
        for path, name in changed:
            place = [each.replace(path, name) for each in place]
        found.append(tuple(place))
    return sorted(found)


class WithForks(test_sandbox.WithSessions):
    """Sessions whose Python kernels are forked: the first has made the server start."""

    all_are_forks = True

    @classmethod
    def why_not(cls):
        return super().why_not() or ("" if isolated.KIND == "none" else "made for sandboxes alone")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        first = cls("start_server")
        session = first.session()
        first.printed(session, "1")
        cls.server = wait_until(cls.ready_server, "the fork server is ready")
        first.doCleanups()
        cls.cold_starts = cls.gateway.output.count("kernel_starts_cold")

    def start_server(self):
        """No test; an object needs a method."""

    @classmethod
    def ready_server(cls):
        found = re.search(r"fork_server_(ready|failed).*", cls.gateway.output)
        if found and found[1] == "failed":
            raise AssertionError(found[0])
        return found and int(re.search(r"pid=(\d+)", found[0])[1])

    @classmethod
    def own_fields(cls):
        return {"kernel": KERNEL}

    def tearDown(self):
        super().tearDown()
        if self.all_are_forks:
            self.assertEqual(self.gateway.output.count("kernel_starts_cold"), self.cold_starts)

    def pid_of(self, session):
        return self.gateway.kernel_pid(self.kernel_of(session)["id"])

    def described(self, session):
        return json.loads(self.printed(session, DESCRIBE))


class ForkedKernels(WithForks):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cold = Gateway(arguments=["--isolation", "sandbox", "--fork-servers=false"])
        cls.addClassCleanup(cls.cold.stop)

    def described_cold(self, **fields):
        status, _, session = self.cold.ask("POST", "/v1/sessions", {"kernel": KERNEL, **fields})
        self.assertEqual(status, 201, session)
        _, _, result = self.cold.ask("POST", f"/v1/sessions/{session['session_id']}/execute", {"code": DESCRIBE})
        self.assertEqual(result["status"], "ok", result)
        return session, json.loads(result["stdout"])

    def test_what_holds_it_is_what_holds_one_that_was_started(self):
        fields = {"limits": {"processes": 77, "open_files": 555, "file_bytes": 1 << 30, "cpu_time_s": 500}}
        if not os.environ.get("PERIJOVE_SANITIZED"):  # which needs terabytes of addresses
            fields["limits"]["memory_bytes"] = 2 << 30
        session = self.session(**fields)
        forked = self.described(session)
        cold_session, cold = self.described_cold(**fields)
        self.assertEqual((forked.pop("forked"), cold.pop("forked")), (True, False))
        for name in ("processes", "directory", "temporary"):  # one holds the sandbox; these are the session's own
            forked.pop(name), cold.pop(name)
        cold.pop("leads")
        self.assertTrue(forked.pop("leads"), "a session of its own; bubblewrap's processes have one together")
        self.assertEqual(collections.Counter(forked.pop("opened")) - collections.Counter(cold.pop("opened")), {})
        seen = [mounts_of(each.pop("mounts"), (where["work_dir"], "WORK"), (str(gateway.runtime_dir), "RUNTIME"))
                for each, where, gateway in ((forked, session, self.gateway), (cold, cold_session, self.cold))]
        numbers = r"[0-9a-f]{8}-\d+$|bindfile\w+//deleted|pji-\w+"
        self.assertEqual(*[sorted(tuple(re.sub(numbers, "ID", part) for part in mount) for mount in mounts)
                           for mounts in seen])
        for name, kind in forked.pop("namespaces").items():
            if not name.startswith("time"):  # which bubblewrap leaves as it is
                others = [os.readlink(f"/proc/{pid}/ns/{name}") for pid in (self.gateway.pid, self.server)]
                self.assertNotIn(kind, [cold["namespaces"][name], *others])
        cold.pop("namespaces")
        self.assertEqual(forked, cold)
        self.assertEqual(set(forked["status"]["CapBnd"]), {"0"})
        self.assertEqual((forked["status"]["NoNewPrivs"], forked["status"]["Seccomp"]), ("1", "2"))
        self.assertEqual(forked["maps"][0][0], "1000")
        self.assertRegex("\n".join(forked["limits"]), r"Max open files\s+555\s+555")

    def test_it_is_alone(self):
        one, other = self.session(), self.session()
        first, second = self.described(one), self.described(other)
        self.assertTrue(first["forked"] and second["forked"])
        self.assertEqual(first["processes"][:2], [1, 2], "of bubblewrap and the one that holds the sandbox")
        self.assertEqual(len(first["processes"]), 3)
        for name in ("pid", "mnt", "net", "ipc", "uts", "user"):
            self.assertNotEqual(first["namespaces"][name], second["namespaces"][name])
        self.printed(one, "x = 1; open('/tmp/mine', 'w').write('x')")
        self.assertEqual(self.printed(other, "import os; print('x' in globals(), 'mine' in os.listdir('/tmp'))"), "False False\n")
        dice = "import random, numpy; print(random.random(), numpy.random.rand())"
        self.assertNotEqual(self.printed(one, dice), self.printed(other, dice))

    def test_nothing_of_server_or_gateway_is_open_or_known(self):
        session = self.session()
        described = self.described(session)
        self.assertTrue(described["forked"])
        mine = set(descriptors(self.pid_of(session)).values())
        for process in (self.gateway.pid, self.server):
            shared = mine & set(descriptors(process).values())
            # What it prints goes to a pipe that the gateway reads.
            self.assertEqual([each for each in shared if not each.startswith(("/dev/", "anon_inode", "pipe:"))], [])

    def test_the_program_that_it_is_cannot_be_written_to(self):
        session = self.session()
        code = """
import os
for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
    try:
        os.open("/proc/self/exe", flags)
        print("opened")
    except OSError as error:
        print(error.strerror)"""
        self.assertNotIn("opened", self.printed(session, code))
        pid = self.pid_of(session)
        # Also where the program is the user's own: the mount that it was started from is read-only.
        self.assertTrue(self.is_read_only(self.server, os.readlink(f"/proc/{pid}/exe")))

    @staticmethod
    def is_read_only(pid, path):
        mounts = [line.split()[4:6] for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        point, options = max((mount for mount in mounts if path.startswith(mount[0])), key=lambda each: len(each[0]))
        return "ro" in options.split(",")

    def test_the_server_is_nobody_and_sees_no_work(self):
        session = self.session()
        self.printed(session, "1")
        status = pathlib.Path(f"/proc/{self.server}/status").read_text()
        user = int(re.search(r"Uid:\t(\d+)", status)[1])
        capabilities = int(re.search(r"CapEff:\t(\w+)", status)[1], 16)
        setgid_setuid = 1 << 6 | 1 << 7
        self.assertEqual(capabilities & ~setgid_setuid, 0)
        if os.geteuid() == 0:
            self.assertNotEqual(user, 0)
        self.assertNotEqual(*[os.readlink(f"/proc/{pid}/ns/user") for pid in (self.server, self.gateway.pid)])
        root = pathlib.Path(f"/proc/{self.server}/root")
        for path in (session["work_dir"], str(self.gateway.runtime_dir), "/root", "/etc/shadow"):
            self.assertFalse((root / path.lstrip("/")).exists(), path)

    def test_ends_are_told_as_they_were(self):
        for code, end in (("import os; os._exit(3)", "code 3"), ("import os; os.abort()", "SIGABRT")):
            session = self.session()
            result = self.run_code(session, code)
            self.assertEqual(result["status"], "kernel_died", result)
            self.assertIn(end, result["note"])
            self.assertTrue(self.described(session)["forked"], "the next one, too")

    def test_an_interrupt_reaches_what_it_started(self):
        session = self.session()
        self.printed(session, "kept = 1")
        result = self.run_code(session, "import os; os.system('sleep 1000')", timeout=1)
        self.assertEqual(result["status"], "timeout", result)
        self.assertEqual(self.printed(session, "print(kept)"), "1\n")

    def test_its_sandbox_ends_with_it_and_it_with_its_sandbox(self):
        session = self.session()
        self.assertEqual(self.described(session)["processes"][1], 2)
        pid = self.pid_of(session)
        namespace = os.readlink(f"/proc/{pid}/ns/pid")
        self.printed(session, "import os\nif os.fork() == 0:\n    os.setsid(); import time; time.sleep(1000)")
        self.assertEqual(len(in_namespace(namespace)), 4)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not in_namespace(namespace), "nothing is left")
        other = self.session()
        result = self.run_code(other, "import os; os.kill(2, 9); import time; time.sleep(1000)")
        self.assertEqual(result["status"], "kernel_died", result)

    def test_a_mount_and_the_size_of_tmp_are_as_asked(self):
        session = self.session(sandbox={"tmp_bytes": 8 << 20})
        self.assertEqual(self.printed(session, "import os; s = os.statvfs('/tmp'); print(s.f_blocks * s.f_frsize)"),
                         f"{8 << 20}\n")


@unittest.skipUnless(os.geteuid() == 0, "all tests run as an ordinary user already")
class AsAnOrdinaryUser(unittest.TestCase):
    def test_all_of_that(self):
        user = "54321"  # nobody's
        with tempfile.TemporaryDirectory() as home:
            os.chown(home, int(user), int(user))
            done = subprocess.run(
                ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", sys.executable, "-m", "unittest",
                 f"{__name__}.ForkedKernels"], env={**os.environ, "HOME": home, "TMPDIR": home},
                capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("skipped", done.stderr)


class WhereThereIsNone(WithForks):
    """A kernel starts as a program, and the log says why."""

    all_are_forks = False

    def starts_cold(self, why, **fields):
        session = self.session(**fields)
        self.assertFalse(self.described(session)["forked"])
        lines = [line for line in self.gateway.output.splitlines() if "kernel_starts_cold" in line]
        self.assertIn(why, lines[-1])

    def test_the_network_of_the_machine(self):
        self.starts_cold("no network", network="host")

    def test_a_variable_that_decides_what_runs(self):
        self.starts_cold("PYTHONPATH decides", env={"PYTHONPATH": "/tmp"})

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
    def test_a_path_that_decides_what_runs(self):
        path = "/usr/bin:" + os.environ["PATH"]
        self.starts_cold("a client decides", kernel="perijove-python-any", env={"PATH": path})

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
    def test_a_path_that_decides_what_the_server_runs(self):
        kernels = self.gateway.directory / "share/kernels"
        built = pathlib.Path(os.environ["JUPYTER_PATH"], "kernels/perijove-python-any")
        shutil.copytree(built, kernels / "absolute")
        spec = json.loads((built / "kernel.json").read_text())
        spec["argv"][0] = "/usr/bin/python3"  # the server's stays python3
        (kernels / "absolute/kernel.json").write_text(json.dumps(spec))
        self.starts_cold("PATH decides", kernel="absolute", env={"PATH": "/usr/bin:" + os.environ["PATH"]})

    def test_its_end(self):
        gateway = Gateway(arguments=["--isolation", "sandbox"])
        self.addCleanup(gateway.stop)
        created = gateway.ask("POST", "/v1/sessions", {"kernel": KERNEL})[2]["session_id"]
        run = lambda code: gateway.ask("POST", f"/v1/sessions/{created}/execute", {"code": code})[2]
        run("1")
        found = wait_until(lambda: re.search(r"fork_server_ready.*pid=(\d+)", gateway.output), "the server is ready")
        gateway.ask("POST", f"/v1/sessions/{created}/restart", {})
        self.assertTrue(json.loads(run(DESCRIBE)["stdout"])["forked"])
        run("x = 41")
        os.kill(int(found[1]), signal.SIGKILL)
        wait_until(lambda: "fork_server_failed" in gateway.output, "its end is noticed")
        self.assertEqual(run("print(x + 1)")["stdout"], "42\n")
        gateway.ask("POST", f"/v1/sessions/{created}/restart", {})
        self.assertFalse(json.loads(run(DESCRIBE)["stdout"])["forked"])


class AKilledGateway(WithForks):
    def test_takes_all_with_it(self):
        session = self.session()
        self.assertTrue(self.described(session)["forked"])
        pid = self.pid_of(session)
        namespace = os.readlink(f"/proc/{pid}/ns/pid")
        self.gateway.kill()
        self.doCleanups = lambda: None  # nobody is there to end sessions
        wait_until(lambda: not in_namespace(namespace) and not process_runs(self.server), "their end")


def in_namespace(namespace):
    found = []
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(directory / "ns" / "pid") == namespace and process_runs(int(directory.name)):
                found.append(int(directory.name))
        except OSError:
            continue
    return found


class TheSandbox(WithForks, test_sandbox.Sandbox):
    """What is so of every kernel in the sandbox."""

    test_kernels_end_with_a_gateway_that_is_killed = None  # above
    test_two_languages_share_the_files = None  # one of them would not be forked


class HostileInForks(test_sandbox.Hostile, WithForks):
    reported = "sandbox"

    @classmethod
    def write_outcomes(cls):
        """They are those of the sandbox, as each attempt has asserted."""


if __name__ == "__main__":
    unittest.main()
