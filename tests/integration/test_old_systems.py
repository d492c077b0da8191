"""Kernels of this repository on systems that lack what newer ones have."""

import json
import os
import pathlib
import unittest

import isolated
from gateway import WithGateway, reply, stdout

WITHOUT_PIDFD = ["/usr/bin/python3", str(pathlib.Path(__file__).with_name("without_pidfd.py"))]


@isolated.only_without("the launcher is a file of the machine's")
class WithoutPidfd(WithGateway):
    def start_without(self, language):
        for place in pathlib.Path(os.environ.get("JUPYTER_PATH", "")).glob("kernels/*/kernel.json"):
            spec = json.loads(place.read_text())
            if spec["language"] == language:
                break
        else:
            self.skipTest(f"there is no kernel for {language} in this build")
        directory = self.gateway.directory / "share" / "kernels" / f"old-{language}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "kernel.json").write_text(json.dumps({**spec, "argv": [*WITHOUT_PIDFD, *spec["argv"]]}))
        return self.start(directory.name)

    def test_a_shell_runs_and_its_end_is_noticed(self):
        kernel = self.start_without("bash")
        with self.gateway.channels(kernel) as channels:
            self.assertEqual(stdout(channels.run("x=41; echo $((x + 1))")), "42\n")
            self.assertEqual(reply(channels.run("exit 3"))["status"], "error")
            self.assertEqual(stdout(channels.run("echo again $x")), "again\n", "a fresh shell")


if __name__ == "__main__":
    unittest.main()
