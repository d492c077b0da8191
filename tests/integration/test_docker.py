"""Sessions whose kernels are in containers of a real Docker daemon, that of DOCKER_HOST.

Skipped without one. `scripts/dockerd start DIR` starts one for tests, and `scripts/images kernels --tag
perijove-kernels:test` makes the image.
"""

import json
import os
import pathlib
import unittest

from gateway import Gateway, wait_until
from isolated import IMAGE, docker, why_no_docker

LABEL = "label=org.perijove.gateway"


class Base(unittest.TestCase):
    gateway = None

    def create(self, options=None, **more):
        body = {"isolation": "docker", "docker": {"image": IMAGE, **(options or {})}, **more}
        if "kernel_spec" not in more:
            body.setdefault("kernel", "python3")
        status, _, session = self.gateway.ask("POST", "/v1/sessions", body)
        if status == 201:
            self.addCleanup(self.gateway.ask, "DELETE", "/v1/sessions/" + session["session_id"])
        return status, session

    def make(self, options=None, **more):
        status, session = self.create(options, **more)
        self.assertEqual(status, 201, session)
        return "/v1/sessions/" + session["session_id"]

    def execute(self, path, code, **more):
        return self.gateway.ask("POST", path + "/execute", {"code": code, **more})[2]

    def refusal(self, options):
        """What is answered to a session, or to its first block, that cannot be."""
        status, answer = self.create(options)
        if status == 201:
            answer = self.execute("/v1/sessions/" + answer["session_id"], "1")
            self.assertNotEqual(answer.get("status"), "ok", answer)
        return json.dumps(answer)

    def output(self, path, code):
        result = self.execute(path, code)
        self.assertEqual(result["status"], "ok", result)
        return result["stdout"].strip()


@unittest.skipIf(why_no_docker(), why_no_docker())
class Docker(Base):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        cls.addClassCleanup(cls.gateway.stop)

    def containers(self):
        """Of kernels of this gateway, in any state."""
        mine = json.dumps(str(self.gateway.pid))
        listed = docker("ps", "--all", "--no-trunc", "--filter", LABEL, "--format",
                        "{{.Names}}\t{{.Label \"org.perijove.gateway\"}}").splitlines()
        return [line.split("\t")[0] for line in listed if f'"pid":{mine[1:-1]},' in line]

    # rows: D01 D04 U02 U05
    def test_state_lives_over_blocks_and_files_are_shared(self):
        path = self.make({"container_name": "perijove-it-state"})
        self.assertEqual(self.output(path, "x = 41"), "")
        self.assertEqual(self.output(path, "print(x + 1); open('made.txt', 'w').write('here')"), "42")
        self.assertIn("perijove-it-state", self.containers())
        session = self.gateway.ask("GET", path)[2]
        self.assertEqual((pathlib.Path(session["work_dir"]) / "made.txt").read_text(), "here")
        self.assertEqual(self.gateway.ask("GET", path + "/files/made.txt")[2], "here")
        self.assertEqual([k["isolation"] for k in session["kernels"]], ["docker"])

    # rows: K12
    def test_rich_outputs_are_files(self):
        path = self.make()
        result = self.execute(path, "from IPython.display import HTML\nopen('own.csv', 'w').write('a')\n"
                                    "HTML('<b>bold</b>')")
        files = {file["mime"]: file for file in result["output_files"]}
        self.assertIn("text/csv", files)
        self.assertEqual(self.gateway.ask("GET", f"{path}/files/{files['text/html']['path']}")[2],
                         "<b>bold</b>")

    # rows: D03 D22
    def test_code_that_takes_too_long_is_interrupted_and_the_state_stays(self):
        path = self.make()
        self.execute(path, "x = 7")
        result = self.execute(path, "import time\nwhile True: time.sleep(0.1)", timeout=1)
        self.assertEqual((result["status"], result["state"]["kept"]), ("timeout", True))
        self.assertEqual(self.output(path, "print(x)"), "7")

    # rows: D14
    def test_memory_that_runs_out_is_told(self):
        path = self.make({"resource_limits": {"memory": "160m"}})
        result = self.execute(path, "x = bytearray(1 << 30); x[:] = b'1' * len(x)")
        self.assertEqual(result["status"], "oom", result)
        self.assertIn("ran out of memory", json.dumps(result))
        self.assertEqual(self.output(path, "print('again')"), "again")

    def test_a_container_that_somebody_kills_is_told(self):
        path = self.make({"container_name": "perijove-it-killed"})
        self.execute(path, "x = 1")
        status, _, execution = self.gateway.ask(
            "POST", path + "/execute", {"code": "import time; time.sleep(600)", "mode": "async"})
        self.assertEqual(status, 202, execution)
        location = f"/v1/executions/{execution['execution_id']}"
        wait_until(lambda: self.gateway.ask("GET", location)[2].get("status") == "running",
                   "the execution runs")
        docker("kill", "perijove-it-killed")
        ended = wait_until(lambda: (e := self.gateway.ask("GET", location)[2])["status"]
                           not in ("queued", "running") and e, "its end")
        self.assertEqual(ended["status"], "kernel_died", ended)
        self.assertIn("SIGKILL", json.dumps(ended))

    # rows: D02 D10 D11 D12 D13 D15 D17
    def test_options_are_honoured(self):
        directory = self.gateway.directory / "lent"
        directory.mkdir(mode=0o755, exist_ok=True)
        (directory / "in.txt").write_text("lent")
        path = self.make({
            "extra_volumes": {str(directory): {"bind": "/lent", "mode": "ro"}},
            "extra_hosts": {"peer.test": "192.0.2.9"},
            "environment": {"GIVEN": "value"},
            "init_command": "echo initialised > init.txt",
            "read_only": True,
            "docker_run_args": "--cpus 1 --pids-limit 100",
        })
        self.assertEqual(self.output(path, "print(open('/lent/in.txt').read(), open('init.txt').read())"),
                         "lent initialised")
        self.assertEqual(self.output(path, "import os, socket\nprint(os.environ['GIVEN'], "
                                           "socket.gethostbyname('peer.test'), os.listdir('/sys/class/net'))"),
                         "value 192.0.2.9 ['lo']")
        for place in ("/lent/x", "/usr/x"):
            result = self.execute(path, f"open('{place}', 'w')")
            self.assertIn("Read-only file system", result["error"]["message"])

    # rows: D05
    def test_the_daemon_may_be_told_another_directory(self):
        other = self.gateway.directory / "other"
        other.mkdir(mode=0o777, exist_ok=True)
        other.chmod(0o777)
        (other / "there.txt").write_text("elsewhere")
        path = self.make({"bind_dir": str(other)})
        self.assertEqual(self.output(path, "print(open('there.txt').read()); open('made.txt', 'w').write('x')"),
                         "elsewhere")
        self.assertEqual((other / "made.txt").read_text(), "x")
        directory = pathlib.Path(self.gateway.ask("GET", path)[2]["work_dir"])
        self.assertFalse((directory / "made.txt").exists())

    # rows: B03
    def test_a_sandbox_for_one_piece_of_code(self):
        """As DockerSandbox: little memory, no network, success, output and exit code, and nothing left."""
        name = f"perijove-it-once-{os.getpid()}"
        for code, expected in (("print(6 * 7)", ("ok", "42\n", 0)),
                               ("import sys; print('so far'); sys.exit(3)", ("error", "so far\n", 3)),
                               ("import socket; socket.create_connection(('192.0.2.1', 9))", ("error", "", 1))):
            path = self.make({"container_name": name, "network_disabled": True,
                              "resource_limits": {"memory": "160m"}})
            result = self.execute(path, code, timeout=30)
            self.assertEqual((result["status"], result["stdout"], result["exit_code"]), expected, result)
            self.assertEqual(self.gateway.ask("DELETE", path)[0], 204)
            wait_until(lambda: name not in self.containers(), "the container's end")
        path = self.make({"image": "perijove/no-such:image", "pull": "never"})
        result = self.execute(path, "1")
        self.assertNotIn(result["status"], ("ok", "error"), "not the code's fault")
        self.assertIn("no-such", result["error"]["message"])

    # rows: D23
    def test_a_restart_empties_the_state_and_keeps_the_files(self):
        path = self.make()
        self.execute(path, "x = 1; open('kept.txt', 'w').write('kept'); open('/var/tmp/inside', 'w')")
        host = "import socket; print(socket.gethostname())"
        container = self.output(path, host)
        self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
        self.assertEqual(self.output(path, "print('x' in globals(), open('kept.txt').read())"),
                         "False kept")
        self.assertEqual(self.output(path, host), container)
        self.assertEqual(self.output(path, "import os; print(os.listdir('/var/tmp'))"), "['inside']")

    # rows: U06
    def test_what_opens_the_container_is_refused_by_name(self):
        for options, what in (({"docker_run_args": "--privileged"}, "--privileged"),
                              ({"docker_run_args": ["-v", "/:/host"]}, "/"),
                              ({"network": "host"}, "host"),
                              ({"imgae": "x"}, "image"),
                              ({"extra_volumes": {"/var/run/docker.sock": {"bind": "/s"}}}, "could leave its container")):
            self.assertIn(what, self.refusal(options))

    def test_a_missing_image_is_told(self):
        self.assertIn("127.0.0.1:1/no/such:image",
                      self.refusal({"image": "127.0.0.1:1/no/such:image"}))

    def test_nothing_is_left_of_a_session(self):
        path = self.make({"container_name": "perijove-it-deleted"})
        self.execute(path, "1")
        self.gateway.ask("DELETE", path)
        wait_until(lambda: "perijove-it-deleted" not in self.containers(), "the container's end")

    def test_the_next_gateway_ends_what_a_killed_one_left(self):
        gateway = Gateway(environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        self.addCleanup(gateway.stop)
        body = {"kernel": "python3", "isolation": "docker",
                "docker": {"image": IMAGE, "container_name": "perijove-it-stray"}}
        session = gateway.ask("POST", "/v1/sessions", body)[2]
        self.assertEqual(gateway.ask("POST", f"/v1/sessions/{session['session_id']}/execute",
                                     {"code": "1"})[2]["status"], "ok")
        gateway.kill()
        self.assertIn("perijove-it-stray", docker("ps", "--format", "{{.Names}}"))
        path = self.make({"container_name": "perijove-it-living"})
        self.execute(path, "x = 41")
        with Gateway(environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]}):  # which is asked for nothing
            wait_until(lambda: "perijove-it-stray" not in docker("ps", "--all", "--format", "{{.Names}}"),
                       "the stray's end")
        self.assertEqual(self.output(path, "print(x + 1)"), "42", "that of a living gateway stays")


@unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "the image lacks what a sanitizer links")
@unittest.skipIf(why_no_docker(), why_no_docker())
class OurKernels(Base):
    """Programs of this machine in containers whose image has the libraries that they need."""

    PARENT = "import os; print(open(f'/proc/{os.getppid()}/cmdline').read().replace(chr(0), ' '))"

    @classmethod
    def setUpClass(cls):
        spec = pathlib.Path(os.environ["JUPYTER_PATH"], "kernels", "perijove-python", "kernel.json")
        cls.spec = json.loads(spec.read_text())
        programs = str(pathlib.Path(cls.spec["argv"][0]).parent)
        cls.options = {"volumes": [f"{programs}:{programs}:ro"]}
        cls.gateway = Gateway(arguments=["--isolation", "docker", "--isolation-mounts", programs],
                              environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        cls.addClassCleanup(cls.gateway.stop)

    def started_at(self, path):
        """When the container of the session was started."""
        host = self.output(path, "import socket; print(socket.gethostname())")
        return docker("inspect", "--format", "{{.State.StartedAt}}", host)

    def test_the_python_kernel(self):
        path = self.make(self.options, kernel="perijove-python")
        self.assertEqual(self.output(path, "import IPython\nx = 41\n!id -u\nprint(x + 1)").splitlines()[1:], ["42"])
        self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
        self.assertEqual(self.output(path, "print('x' in globals())"), "False")

    def test_a_restart_is_a_fork_in_the_container_that_runs(self):
        path = self.make(self.options, kernel="perijove-python")
        started = self.started_at(path)
        self.assertIn("--zygote", self.output(path, self.PARENT))
        self.output(path, "import subprocess; open('/var/tmp/inside', 'w')\n"
                          "p = subprocess.Popen(['sleep', '600'], start_new_session=True)")
        for _ in range(3):
            self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
            self.assertEqual(self.output(path, "import os; print(os.listdir('/var/tmp'))"), "['inside']")
        programs = "import glob; print({open(path).read().strip() for path in glob.glob('/proc/[0-9]*/comm')})"
        self.assertNotIn("sleep", self.output(path, programs), "it ends with its kernel")
        self.assertEqual(self.started_at(path), started)

    def test_how_a_fork_ends_is_told(self):
        path = self.make({**self.options, "resource_limits": {"memory": "300m"}}, kernel="perijove-python")
        for code, status, words in (
                ("import os; os._exit(7)", "kernel_died", "exited with code 7"),
                ("import os; os.kill(os.getpid(), 9)", "kernel_died", "killed by signal 9"),
                ("x = []\nwhile True: x.append(bytearray(1 << 20))", "oom", "ran out of memory")):
            with self.subTest(code=code):
                result = self.execute(path, code)
                self.assertEqual(result["status"], status, result)
                self.assertIn(words, result["error"]["message"])
                self.assertEqual(self.output(path, "print(1)"), "1")

    def test_a_container_that_is_killed_is_told(self):
        path = self.make(self.options, kernel="perijove-python")
        host = self.output(path, "import socket; print(socket.gethostname())")
        docker("kill", host)
        wait_until(lambda: self.gateway.ask("GET", path)[2]["kernels"] == [] or
                   self.gateway.ask("GET", path)[2]["kernels"][0]["execution_state"] != "idle", "its end")
        self.assertEqual(self.output(path, "print(1)"), "1")

    def test_a_kernel_that_stops_its_fork_server_ends_all_the_same(self):
        path = self.make(self.options, kernel="perijove-python")
        for what in ("SIGSTOP", "SIGKILL"):
            self.execute(path, f"import os, signal; os.kill(os.getppid(), signal.{what})")
            self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
            self.assertIn("--zygote", self.output(path, self.PARENT))

    def test_a_fork_server_that_does_not_get_ready_is_done_without(self):
        spec = json.loads(json.dumps(self.spec))
        for command in (["{program}", "--zygote"], ["sh", "-c", "exit 3"]):
            spec["metadata"]["perijove"]["fork_server"] = command
            status, session = self.create(self.options, kernel_spec=spec)
            self.assertEqual(status, 201, session)
            path = "/v1/sessions/" + session["session_id"]
            self.assertNotIn("--zygote", self.output(path, self.PARENT))


@unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
@unittest.skipIf(why_no_docker(), why_no_docker())
class BareImage(Base):
    """CPython, and nothing installed in it: the kernel comes along, in its kernelspec's directory."""

    OPTIONS = {"tmpfs": {"/usr/lib/python3/dist-packages": "size=1m"}}  # where the image has its packages

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(arguments=["--isolation", "docker"],
                              environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        cls.addClassCleanup(cls.gateway.stop)

    def test_has_a_kernel(self):
        self.assertIn("No module named ipykernel", self.refusal(self.OPTIONS))
        path = self.make(self.OPTIONS, kernel="perijove-python-any")
        self.assertEqual(self.output(path, "x = 41"), "")
        self.assertEqual(self.output(path, "print(x + 1)"), "42")
        self.assertEqual(self.execute(path, "import IPython")["error"]["type"], "ModuleNotFoundError")
        result = self.execute(path, "open('/run/perijove-kernelspec/x', 'w')")
        self.assertIn("Read-only", result["error"]["message"])
        self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
        self.assertEqual(self.output(path, "print('x' in globals())"), "False")

    def test_ipython_is_used_where_it_is(self):
        path = self.make(kernel="perijove-python-any")
        self.assertEqual(self.output(path, "%env COLOUR=blue\n!echo $COLOUR").splitlines()[-1], "blue")


class NoDaemon(Base):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
        cls.addClassCleanup(cls.gateway.stop)

    # rows: D24
    def test_a_missing_daemon_is_told_with_its_remedy(self):
        refusal = self.refusal({})
        for part in ("/nowhere/docker.sock", "systemctl start docker", "DOCKER_HOST"):
            self.assertIn(part, refusal)


if __name__ == "__main__":
    unittest.main()
