"""Blocks in languages that a container has no kernel for: they run by docker exec, beside its kernel."""

import os
import pathlib
import unittest

from gateway import Gateway, wait_until
from isolated import docker, why_no_docker
from test_docker import Base


@unittest.skipIf(why_no_docker(), why_no_docker())
class Exec(Base):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(environ={"DOCKER_HOST": os.environ["DOCKER_HOST"]})
        cls.addClassCleanup(cls.gateway.stop)

    def blocks(self, path, *blocks, **more):
        return self.gateway.ask("POST", path + "/execute", {
            "blocks": [{"language": language, "code": code} for language, code in blocks], **more})[2]

    # rows: D20 D25
    def test_several_languages_share_the_container_and_its_files(self):
        path = self.make()
        result = self.blocks(path, ("python", "open('made', 'w').write('by python')"),
                             ("bash", "cat made; hostname >name"),
                             ("sh", "echo shell"), ("shell", "id -u"),
                             ("python", "import socket\nprint(open('name').read().strip() == socket.gethostname())"))
        self.assertEqual(result["status"], "ok", result)
        self.assertEqual(result["blocks"][1]["stdout"], "by python")
        self.assertEqual(result["blocks"][2]["stdout"], "shell\n")
        self.assertNotEqual(result["blocks"][3]["stdout"], "0\n", "the container's user, who is not root")
        self.assertEqual(result["blocks"][4]["stdout"], "True\n")
        session = self.gateway.ask("GET", path)[2]
        self.assertEqual([k["language"] for k in session["kernels"]], ["python"], "one container for all")

    def test_it_has_no_state_and_says_so(self):
        path = self.make()
        self.blocks(path, ("python", "x = 1"))
        result = self.blocks(path, ("bash", "y=1; cd /tmp"), ("bash", "echo \"$y\"; pwd"))
        self.assertEqual(result["stdout"], "\n/workspace\n")
        warnings = [each["message"] for each in result["warnings"]]
        self.assertEqual(len(warnings), 2, result)
        self.assertIn("files stay, variables do not", warnings[0])
        self.assertTrue(result["state"]["kept"])
        self.assertEqual(self.output(path, "print(x)"), "1", "that of the kernel stays")

    def test_exit_codes_and_streams_are_told(self):
        path = self.make()
        result = self.blocks(path, ("bash", "echo out; echo err >&2; exit 3"), ("bash", "echo never"))
        self.assertEqual((result["status"], result["exit_code"]), ("error", 3), result)
        self.assertEqual((result["stdout"], result["stderr"]), ("out\n", "err\n"))
        self.assertEqual(len(result["blocks"]), 1)
        self.assertIn("exit status 3", result["error"]["message"])

    # rows: D21
    def test_files_are_reported_and_temporary_ones_are_not_left(self):
        path = self.make()
        result = self.blocks(path, ("bash", "echo made >made.csv"),
                             ("bash", "# filename: kept.sh\necho kept"))
        self.assertEqual([file["path"] for file in result["output_files"]], ["made.csv"], result)
        directory = pathlib.Path(self.gateway.ask("GET", path)[2]["work_dir"])
        self.assertEqual(sorted(p.name for p in directory.iterdir() if p.name[0] != "."),
                         ["kept.sh", "made.csv"])

    def test_output_comes_as_it_is_printed(self):
        path = self.make()
        begun = self.gateway.ask("POST", path + "/execute", {
            "blocks": [{"language": "bash", "code": "echo early; sleep 600"}], "mode": "async"})[2]
        location = f"/v1/executions/{begun['execution_id']}"
        wait_until(lambda: "early" in str(self.gateway.ask("GET", location + "/output?stream=stdout")[2]),
                   "what was printed first")
        self.assertLess(self.gateway.ask("POST", path + "/interrupt", {})[0], 300)
        ended = wait_until(lambda: (e := self.gateway.ask("GET", location)[2])["status"]
                           not in ("queued", "running") and e, "its end")
        self.assertEqual(ended["status"], "interrupted", ended)
        self.assertIn("early", ended["stdout"])

    def test_it_is_interrupted_at_its_time_limit_and_killed_when_it_does_not_yield(self):
        path = self.make()
        result = self.blocks(path, ("bash", "trap 'echo told; exit 5' INT; while :; do sleep 0.1; done"),
                             timeout=1)
        self.assertEqual((result["status"], result["stdout"]), ("timeout", "told\n"), result)
        result = self.blocks(path, ("bash", "trap '' INT; echo $$ >pid; while :; do sleep 0.1; done"),
                             timeout={"soft_s": 1, "grace_s": 0.3})
        self.assertEqual(result["status"], "timeout", result)
        self.assertIn("killed", result["note"])
        gone = "import os\ntry:\n  os.kill(int(open('pid').read()), 0); print('runs')\nexcept OSError: print('gone')"
        wait_until(lambda: self.output(path, gone) == "gone", "the program's end")

    def test_cancelling_ends_it(self):
        path = self.make()
        begun = self.gateway.ask("POST", path + "/execute", {
            "blocks": [{"language": "bash", "code": "echo begun; sleep 600"}], "mode": "async"})[2]
        location = f"/v1/executions/{begun['execution_id']}"
        wait_until(lambda: "begun" in str(self.gateway.ask("GET", location + "/output?stream=stdout")[2]),
                   "its beginning")
        self.gateway.ask("POST", location + "/cancel", {})
        ended = wait_until(lambda: (e := self.gateway.ask("GET", location)[2])["status"]
                           not in ("queued", "running") and e, "its end")
        self.assertEqual(ended["status"], "cancelled", ended)

    def test_the_environment_of_a_request_and_other_languages(self):
        path = self.make({"environment": {"OF_THE_CONTAINER": "1"}})
        result = self.blocks(path, ("bash", "echo $OF_THE_CONTAINER $OF_THE_REQUEST"),
                             env={"OF_THE_REQUEST": "2"})
        self.assertEqual(result["stdout"], "1 2\n", result)
        result = self.blocks(path, ("ruby", "puts 1"))
        self.assertEqual((result["status"], result["exit_code"]), ("error", 127), result)
        self.assertIn("ruby", result["stderr"], "which the image has not")

    def test_a_container_that_is_killed_is_told(self):
        path = self.make({"container_name": f"perijove-it-exec-{os.getpid()}"})
        begun = self.gateway.ask("POST", path + "/execute", {
            "blocks": [{"language": "bash", "code": "echo begun; sleep 600"}], "mode": "async"})[2]
        location = f"/v1/executions/{begun['execution_id']}"
        wait_until(lambda: "begun" in str(self.gateway.ask("GET", location + "/output?stream=stdout")[2]),
                   "its beginning")
        docker("kill", f"perijove-it-exec-{os.getpid()}")
        ended = wait_until(lambda: (e := self.gateway.ask("GET", location)[2])["status"]
                           not in ("queued", "running") and e, "its end")
        self.assertEqual(ended["status"], "error", ended)


del Base  # not to be run by itself


if __name__ == "__main__":
    unittest.main()
