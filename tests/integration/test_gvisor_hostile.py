"""What hostile code comes to in a container behind gVisor: the suite of test_sandbox.py."""

import unittest

import hostile
from gateway import process_runs, wait_until
from isolated import docker, why_no_gvisor
from test_docker_hostile import HostileInDocker


class HostileInGVisor(HostileInDocker):
    reported = "docker+gvisor"
    options = {"runtime": "runsc"}

    @classmethod
    def why_not(cls):
        return why_no_gvisor() or super().why_not()

    def test_outlive(self):
        """The machine does not see its processes; they end with that of gVisor."""
        session = self.session()
        self.printed(session, """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)""")
        kernel = self.kernel_of(session)
        self.assertEqual(kernel["isolation"], self.reported)
        container = docker("ps", "--quiet", "--filter", f"label=org.perijove.kernel={kernel['id']}")
        pid = int(docker("inspect", "--format", "{{.State.Pid}}", container))
        self.assertTrue(process_runs(pid))
        self.ask("DELETE", f"/v1/sessions/{session['session_id']}", 204)
        wait_until(lambda: not process_runs(pid), "gVisor's end")
        self.record("outlive", hostile.STOPPED, "", hostile.STOPPED)


del HostileInDocker


if __name__ == "__main__":
    unittest.main()
