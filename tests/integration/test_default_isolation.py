"""What `perijove serve` makes of its default isolation, auto, on machines with and without Docker."""

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import unittest

from gateway import Gateway, result
from isolated import IMAGE, why_no_docker, why_no_sandbox

NO_DAEMON = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
NO_SANDBOX = ["unshare", "--mount", "sh", "-c",
              'mount --bind /dev/null "$0" && exec "$@"', shutil.which("bwrap") or "/usr/bin/bwrap"]


class Base(unittest.TestCase):
    def serve(self, *arguments, environ=None):
        gateway = Gateway(arguments=["--isolation", "auto", *arguments], environ={**NO_DAEMON, **(environ or {})})
        self.addCleanup(gateway.stop)
        return gateway

    def session(self, gateway, **fields):
        status, _, session = gateway.ask("POST", "/v1/sessions", {"kernel": "python3", **fields})
        return status, session


@unittest.skipIf(why_no_sandbox(), why_no_sandbox())
class WithoutDocker(Base):
    def test_it_is_the_sandbox_and_the_gateway_says_why(self):
        gateway = self.serve()
        told = gateway.ask("GET", "/v1/info")[2]["isolation"]
        self.assertEqual(told["default"], "sandbox")
        for part in ("bubblewrap", "Not docker", "/nowhere/docker.sock"):
            self.assertIn(part, told["why"])
            self.assertIn(part, gateway.output)
        self.assertIn("isolation: sandbox", gateway.output)

    def test_both_faces_start_their_kernels_in_it(self):
        gateway = self.serve()
        look = "import os; os.path.exists('/etc/shadow')"
        kernel = gateway.start("python3")
        self.assertEqual(result(gateway.run(kernel, look)), "False")
        self.assertEqual(gateway.model(kernel)["perijove"]["isolation"], "sandbox")
        status, session = self.session(gateway)
        self.assertEqual((status, session["isolation"]), (201, "sandbox"))
        path = "/v1/sessions/" + session["session_id"]
        self.assertEqual(gateway.ask("POST", path + "/execute", {"code": look})[2]["output"].strip(), "False")

    def test_clients_get_no_less_and_may_name_it(self):
        gateway = self.serve()
        status, problem = self.session(gateway, isolation="none")
        self.assertEqual(status, 403, problem)
        self.assertIn("--isolation none", problem["detail"])
        self.assertEqual(self.session(gateway, isolation="sandbox")[0], 201)

    def test_a_work_directory_that_holds_the_program_itself_is_warned_of(self):
        directory = pathlib.Path(os.environ["PERIJOVE_BIN"]).resolve().parent
        self.assertIn(f"warning: kernels may write to {directory}", self.serve("--work-dir", str(directory)).output)
        self.assertNotIn("warning: kernels may write", self.serve().output)

    def test_an_image_that_is_not_there_is_the_reason(self):
        if why_no_docker():
            self.skipTest(why_no_docker())
        gateway = self.serve("--docker-image", "perijove/no-such:image",
                             environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        told = gateway.ask("GET", "/v1/info")[2]["isolation"]
        self.assertEqual(told["default"], "sandbox")
        self.assertIn("has no image 'perijove/no-such:image'", told["why"])

    def test_a_home_directory_is_refused_with_what_would_help(self):
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            self.skipTest("this user has no home that the system knows")
        gateway = self.serve("--work-dir", home)
        status, _, problem = gateway.ask("POST", "/api/kernels", {"name": "python3"})
        if status == 201:
            gateway.wait_for_state(problem["id"], "dead")
            problem = gateway.model(problem["id"])
        for part in ("the next login", "directory below it", "--isolation none"):
            self.assertIn(part, json.dumps(problem))


@unittest.skipIf(why_no_docker(), why_no_docker())
class WithDocker(Base):
    def test_it_is_docker_where_the_image_is(self):
        gateway = self.serve("--docker-image", IMAGE, environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        told = gateway.ask("GET", "/v1/info")[2]["isolation"]
        self.assertEqual(told["default"], "docker", told)
        self.assertIn(IMAGE, told["why"])
        kernel = gateway.start("python3")
        self.assertEqual(result(gateway.run(kernel, "6 * 7")), "42")
        self.assertEqual(gateway.model(kernel)["perijove"]["isolation"], "docker")
        # auto promises a sandbox, so that one may be asked for
        self.assertEqual(self.session(gateway, isolation="sandbox")[0], 201)
        self.assertEqual(self.session(gateway, isolation="none")[0], 403)


def run_perijove(*arguments, prefix=(), stdin=None):
    with tempfile.TemporaryDirectory(prefix="pja-") as directory:
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "XDG_RUNTIME_DIR": directory,
                       "JUPYTER_PATH": os.environ.get("JUPYTER_PATH", ""),
                       "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", ""), **NO_DAEMON}
        work = pathlib.Path(directory, "work")
        work.mkdir()
        return subprocess.run([*prefix, os.environ["PERIJOVE_BIN"], *arguments], cwd=work, env=environment,
                              input=stdin, capture_output=True, text=True, timeout=60)


class OfOtherCommands(unittest.TestCase):
    CODE = "import os; print(os.path.exists('/etc/shadow'))"

    def exec_code(self, *arguments):
        done = run_perijove("exec", "-k", "python3", *arguments, "-c", self.CODE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_exec_takes_the_code_for_ones_own(self):
        self.assertEqual(self.exec_code(), "True")

    @unittest.skipIf(why_no_sandbox(), why_no_sandbox())
    def test_exec_isolates_when_asked(self):
        self.assertEqual(self.exec_code("--isolation", "auto"), "False")

    @unittest.skipIf(why_no_sandbox(), why_no_sandbox())
    def test_doctor_says_what_serve_would_do(self):
        findings = {f["subject"]: f for f in json.loads(run_perijove("doctor", "--json").stdout)["findings"]}
        self.assertEqual(findings["isolation"]["verdict"], "ok")
        self.assertIn("kernels of `serve` get sandbox: bubblewrap", findings["isolation"]["text"])
        self.assertIn("/nowhere/docker.sock", findings["isolation"]["text"])


@unittest.skipIf(os.geteuid() != 0 or subprocess.run([*NO_SANDBOX, "true"], capture_output=True).returncode != 0,
                 "only root can take bubblewrap away for a test")
class WithoutAnything(unittest.TestCase):
    def test_no_kernel_starts_and_what_is_missing_is_told(self):
        done = run_perijove("exec", "-k", "python3", "--isolation", "auto", "-c", "1", prefix=NO_SANDBOX)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout, "")
        for part in ("/nowhere/docker.sock", "apt install bubblewrap", "--isolation none"):
            self.assertIn(part, done.stderr)

    def test_doctor_warns(self):
        told = run_perijove("doctor", "--json", prefix=NO_SANDBOX)
        findings = {f["subject"]: f for f in json.loads(told.stdout)["findings"]}
        self.assertEqual(findings["isolation"]["verdict"], "warning")
        self.assertIn("apt install bubblewrap", findings["isolation"]["text"])


if __name__ == "__main__":
    unittest.main()
