"""Packages and functions that a session is made with, whatever keeps its kernels from the machine."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import isolated
from gateway import WithGateway
from wheels import environment, write_wheel

SHOW = "import pj_tiny, sys; print(pj_tiny.VERSION)"


@unittest.skipIf(subprocess.run(["/usr/bin/python3", "-m", "pip", "--version"], capture_output=True,
                                check=False).returncode, "/usr/bin/python3 has no pip")
class Packages(WithGateway):
    def session(self, status=201, **options):
        """One whose directory has the wheels of packages that are nowhere else."""
        directory = tempfile.mkdtemp(dir=self.gateway.directory / "work")
        pathlib.Path(directory).chmod(0o755)
        wheels = pathlib.Path(directory) / "wheels"
        wheels.mkdir()
        for name, version in (("pj_tiny", "1.0"), ("pj_tiny", "2.0"), ("pj_other", "0.1")):
            write_wheel(wheels, name, version)
        got, _, answer = self.gateway.request("POST", "/v1/sessions", {
            "kernel": "python3", "work_dir": directory, "env": environment("wheels"), **options})
        if isinstance(answer, bytes):
            answer = json.loads(answer)
        self.assertEqual(got, status, answer)
        if status == 201:
            self.path = f"/v1/sessions/{answer['session_id']}"
            self.addCleanup(self.gateway.request, "DELETE", self.path)
        return answer

    def ask(self, method, path, body=None, status=200):
        got, _, answer = self.gateway.request(method, f"{self.path}/{path}", body)
        self.assertEqual(got, status, answer)
        return answer

    def printed(self, code, **more):
        result = self.ask("POST", "execute", {"code": code, **more})
        return result["stdout"] or result["error"]["type"]

    # rows: L03 D08
    def test_requirements_are_installed_for_the_session_alone(self):
        session = self.session(requirements=["pj-tiny<2"])
        self.assertEqual(session["requirements"], ["pj-tiny<2"])
        self.assertEqual(self.printed(SHOW), "1.0\n")
        if isolated.KIND != "none":
            self.assertEqual([kernel["isolation"] for kernel in
                              self.ask("GET", "")["kernels"]], [isolated.REPORTED])
        self.session()
        self.assertEqual(self.printed(SHOW), "ModuleNotFoundError")

    def test_what_cannot_be_installed_makes_no_session(self):
        problem = self.session(400, requirements=["pj-nowhere"])
        self.assertRegex(problem["detail"], "^Pip install failed. ")
        self.assertIn("pj-nowhere", problem["detail"])
        self.assertEqual(self.session(400, requirements=["--index-url=x"])["code"],
                         "validation_failed")

    # rows: L03 D08 H29
    def test_functions_find_their_packages(self):
        tiny = {"source": "def tiny() -> str:\n    return pj_tiny.VERSION\n",
                "python_packages": ["pj_tiny==2.0"], "global_imports": ["pj_tiny"]}
        session = self.session(functions=[tiny])
        self.assertEqual((session["functions"], session["warnings"]), (["tiny"], []))
        self.assertEqual(self.printed("from functions import tiny; print(tiny())"), "2.0\n")

    def test_functions_that_do_not_load_make_no_session(self):
        problem = self.session(400, functions=[
            {"source": "def f(): pass", "global_imports": ["no_such_module"]}])
        self.assertEqual(problem["code"], "setup_failed")
        self.assertRegex(problem["detail"].replace("\n", " "),
                         "^Functions failed to load: .*no_such_module")

    def test_packages_are_there_for_new_processes_of_the_kernel_and_for_its_children(self):
        self.session(requirements=["pj-tiny"])
        child = ("import os, subprocess, sys; os.chdir('/')\n"
                 f"print(subprocess.check_output([sys.executable, '-c', {SHOW!r}], text=True), end='')")
        self.assertEqual(self.printed(child), "2.0\n")
        self.ask("POST", "restart", {})
        self.assertEqual(self.printed(child), "2.0\n")
        result = self.ask("POST", "execute", {"code": "import os; os._exit(3)"})
        self.assertEqual(result["status"], "kernel_died", result)
        self.assertEqual(self.printed(SHOW), "2.0\n")

    def test_programs_of_other_blocks_find_them(self):
        self.session(requirements=["pj-tiny"])
        result = self.ask("POST", "execute", {"blocks": [
            {"language": "bash", "code": f"cd /; python3 -c '{SHOW}'"}]})
        self.assertEqual(result["stdout"], "2.0\n", result)

    @isolated.only_without("without isolation they go where the kernel's Python has its own", "none")
    def test_packages_come_later_too(self):
        self.session()
        self.assertEqual(self.printed("x = 5; print(x)"), "5\n")
        answer = self.ask("POST", "packages", {"install": ["pj-tiny<2"]})
        self.assertEqual(answer["installed"], [{"name": "pj-tiny", "version": "1.0"}], answer)
        self.assertEqual(self.printed(SHOW + "; print(x)"), "1.0\n5\n")
        self.ask("POST", "restart", {})
        self.assertEqual(self.printed(SHOW), "1.0\n")
        answer = self.ask("POST", "packages", {"install": ["pj-tiny", "pj-nowhere"], "upgrade": True})
        self.assertEqual((answer["installed"], answer["failed"]),
                         ([{"name": "pj-tiny", "version": "2.0"}], ["pj-nowhere"]), answer)


if __name__ == "__main__":
    unittest.main()
