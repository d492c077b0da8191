"""What becomes of kernels in containers when their Docker daemon is started again: a daemon of the test's
own, a real one."""

import unittest

from gateway import Gateway, wait_until
from isolated import IMAGE
from docker_daemon import Daemon


class Restart(unittest.TestCase):
    def begin(self, *options):
        """A daemon, and a session whose kernel has a variable."""
        self.daemon = self.enterContext(Daemon(*options))
        self.daemon.make_image("kernels", IMAGE)
        self.gateway = self.enterContext(Gateway(arguments=["--isolation", "docker"],
                                                 environ={"DOCKER_HOST": self.daemon.host}))
        status, _, session = self.gateway.ask("POST", "/v1/sessions", {
            "kernel": "python3", "docker": {"image": IMAGE}})
        self.assertEqual(status, 201, session)
        self.path = f"/v1/sessions/{session['session_id']}"
        self.assertEqual(self.execute("x = 41")["status"], "ok")

    def execute(self, code, **more):
        return self.gateway.ask("POST", self.path + "/execute", {"code": code, **more})[2]

    def ended(self, execution):
        location = f"/v1/executions/{execution['execution_id']}"
        return wait_until(lambda: (e := self.gateway.ask("GET", location)[2])["status"]
                          not in ("queued", "running") and e, "its end")

    def begin_to_wait(self):
        """An execution that is in the middle of a block until there is a file `go`."""
        begun = self.execute("open('begun', 'w')\nimport os, time\n"
                             "while not os.path.exists('go'): time.sleep(0.05)\nprint(x + 1)", mode="async")
        wait_until(lambda: self.gateway.ask("GET", self.path + "/files/begun")[0] == 200, "it has begun")
        return begun

    def test_a_restart_that_ends_containers_is_the_death_of_their_kernels(self):
        self.begin()
        waiting = self.begin_to_wait()
        self.daemon.restart()
        result = self.ended(waiting)
        self.assertEqual(result["status"], "kernel_died", result)
        self.assertIn("SIGTERM", result["note"])
        result = self.execute("print('x' in globals(), sorted(__import__('os').listdir()))")
        self.assertEqual((result["status"], result["stdout"]), ("ok", "False ['begun']\n"), result)

    def test_with_live_restore_nobody_notices(self):
        self.begin("--live-restore")
        waiting = self.begin_to_wait()
        self.daemon.restart()
        self.gateway.ask("PUT", self.path + "/files/go", b"")
        result = self.ended(waiting)
        self.assertEqual((result["status"], result["stdout"]), ("ok", "42\n"), result)
        result = self.execute("while True: time.sleep(0.1)", timeout=1)
        self.assertEqual((result["status"], result["state"]["kept"]), ("timeout", True), result)
        self.assertEqual(self.execute("print(x)")["stdout"], "41\n")
        self.gateway.ask("DELETE", self.path)


if __name__ == "__main__":
    unittest.main()
