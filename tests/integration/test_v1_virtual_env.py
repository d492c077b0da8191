"""Sessions with a Python environment of their client's choice, whatever keeps their kernels from the
machine."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import isolated
from gateway import Gateway, WithGateway

ANY = "perijove-python-any"
NEEDS_ANY = unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
NEEDS_FILES = isolated.only_without("they see no files but the session's", "docker", "gvisor")
WHERE = "import os, sys; print(sys.prefix, os.environ['VIRTUAL_ENV'], os.environ['PATH'].split(':')[0])"


class WithEnvironments(WithGateway):
    @classmethod
    def setUpClass(cls):
        cls.lent = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pjv-"))
        os.chmod(cls.lent, 0o755)  # a sandbox's user is another
        lent = ["--isolation-mounts", cls.lent, *isolated.argument_list()] if isolated.KIND == "sandbox" else []
        # Debian's python3, and not what pyenv has put in front of it: a shell script, which runs nowhere else.
        cls.gateway = Gateway(arguments=lent, environ={"PATH": "/usr/bin:/bin"})
        cls.addClassCleanup(cls.gateway.stop)

    def make(self, status=201, gateway=None, **options):
        got, _, answer = (gateway or self.gateway).ask("POST", "/v1/sessions", {"kernel": "python3", **options})
        self.assertEqual(got, status, answer)
        if status != 201:
            return answer["detail"]
        path = f"/v1/sessions/{answer['session_id']}"
        self.addCleanup((gateway or self.gateway).request, "DELETE", path)
        self.warnings = answer["warnings"]
        return path

    def execute(self, path, code, **more):
        return self.gateway.request("POST", path + "/execute", {"code": code, **more})[2]

    def printed(self, path, code, **more):
        result = self.execute(path, code, **more)
        self.assertEqual(result["status"], "ok", result)
        return result["stdout"]

    def directory(self):
        made = self.enterContext(tempfile.TemporaryDirectory(dir=self.lent))
        os.chmod(made, 0o755)
        return made

    def environment(self, *options):
        made = self.directory() + "/env"
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", *options, made], check=True)
        return made


class VirtualEnv(WithEnvironments):
    # rows: L05
    def test_one_that_a_session_has_made_runs_the_next_one(self):
        first = self.make()
        place = self.printed(
            first, "import os, subprocess; print(os.getcwd(), end='')\n"
                   "subprocess.run(['python3', '-m', 'venv', '--without-pip', '--system-site-packages', 'env'],"
                   " check=True);") + "/env"
        work_dir = self.gateway.ask("GET", first)[2]["work_dir"]
        path = self.make(work_dir=work_dir, virtual_env=place)
        self.assertEqual(self.warnings, [])
        self.assertEqual(self.printed(path, WHERE), f"{place} {place} {place}/bin\n")
        result = self.gateway.request("POST", path + "/execute", {"blocks": [
            {"language": "bash", "code": "python -c 'import sys; print(sys.prefix)'"}]})[2]
        self.assertEqual(result["stdout"], place + "\n", result)

    @NEEDS_ANY
    def test_it_needs_nothing_for_a_kernel_that_brings_itself(self):
        first = self.make(kernel=ANY)
        place = self.printed(
            first, "import os, subprocess; print(os.getcwd(), end='')\n"
                   "subprocess.run(['python3', '-m', 'venv', '--without-pip', 'env'], check=True);") + "/env"
        work_dir = self.gateway.ask("GET", first)[2]["work_dir"]
        path = self.make(kernel=ANY, work_dir=work_dir, virtual_env=place)
        self.assertEqual(self.warnings, [])
        self.assertEqual(self.printed(path, WHERE), f"{place} {place} {place}/bin\n")
        self.assertEqual(self.execute(path, "import zmq")["error"]["type"], "ModuleNotFoundError")
        # Nothing that others are forked from, or that stays, runs a Python of somebody's choice.
        why = {"none": "would outlive all use of it", "sandbox": "a client decides what code runs"}
        self.assertIn(why.get(isolated.KIND, ""), self.gateway.output)

    @NEEDS_FILES
    def test_one_of_this_machine_runs_the_kernel(self):
        place = self.environment("--system-site-packages")
        path = self.make(virtual_env=place)
        self.assertEqual(self.warnings, [])
        self.assertEqual(self.printed(path, WHERE), f"{place} {place} {place}/bin\n")
        self.assertEqual(self.printed(path, "!python -c 'import sys; print(sys.prefix)'").split(), [place])

    @NEEDS_FILES
    def test_without_ipykernel_it_is_for_programs(self):
        place = self.environment()
        path = self.make(virtual_env=place)
        self.assertIn("has no ipykernel", json.dumps(self.warnings))
        self.assertNotEqual(self.printed(path, "import sys; print(sys.prefix)"), place + "\n")
        self.assertEqual(self.printed(path, "!python -c 'import sys; print(sys.prefix)'").split(), [place])

    @NEEDS_FILES
    @NEEDS_ANY
    def test_a_kernel_with_a_python_of_its_own_says_so(self):
        self.make(kernel="perijove-python", virtual_env=self.environment("--system-site-packages"))
        self.assertIn("has a Python of its own", json.dumps(self.warnings))

    @NEEDS_FILES
    def test_a_directory_that_is_none_is_refused(self):
        self.assertIn("is no Python environment", self.make(400, virtual_env=self.directory()))
        self.assertIn("virtual_env", self.make(400, virtual_env="relative"))


@unittest.skipUnless(isolated.KIND == "sandbox", "it is about what a sandbox shows")
class InASandbox(WithEnvironments):
    def test_it_is_read_only_unless_it_is_in_the_work_directory(self):
        place = self.environment("--system-site-packages")
        path = self.make(virtual_env=place)
        self.assertIn("Read-only", self.execute(path, f"open({place!r} + '/x', 'w')")["error"]["message"])

    def test_what_the_gateway_does_not_lend_is_refused(self):
        place = self.environment("--system-site-packages")
        with Gateway(arguments=["--isolation", "sandbox"]) as gateway:
            refusal = self.make(403, gateway, virtual_env=place)
        self.assertIn("virtual_env: ", refusal)
        self.assertIn("--isolation-mounts", refusal)

    def test_code_that_changes_it_is_shown_nothing_else_by_that(self):
        secret = pathlib.Path(self.directory())
        for name in ("bin", "lib"):
            (secret / name).mkdir()
            (secret / name / "key").write_text("of the machine")
        (secret / "bin/python").symlink_to("/usr/bin/python3")
        first = self.make()
        work_dir = self.gateway.ask("GET", first)[2]["work_dir"]
        self.printed(first, "import os, subprocess\n"
                            "subprocess.run(['python3', '-m', 'venv', '--without-pip', '--system-site-packages',"
                            " 'env'], check=True)\n"
                            f"os.remove('env/bin/python'); os.symlink({str(secret / 'bin/python')!r}, 'env/bin/python')")
        result = self.execute(self.make(work_dir=work_dir, virtual_env=work_dir + "/env"), "1")
        self.assertEqual(result["status"], "kernel_died", result)
        self.printed(first, "os.remove('env/bin/python'); os.symlink('/usr/bin/python3', 'env/bin/python')\n"
                            f"open('env/pyvenv.cfg', 'w').write('home = {secret}/bin\\n"
                            "include-system-site-packages = true')")
        path = self.make(work_dir=work_dir, virtual_env=work_dir + "/env")
        self.assertEqual(self.printed(path, f"import os; print(os.path.exists({str(secret)!r} + '/lib/key'))"),
                         "False\n")


if __name__ == "__main__":
    unittest.main()
