"""Kernels that run before a client of Jupyter's own interface asks for one."""

import unittest

from gateway import WithGateway, process_runs, result, stdout, wait_until

ECHO = "perijove-echo"


class WarmKernels(WithGateway):
    arguments = ("--warm-kernels", f"{ECHO}=2", "--max-kernels", "1", "--cull-idle-timeout", "250ms")

    def waiting(self):
        """How many wait to be handed out, as /metrics tells."""
        text = self.gateway.request("GET", "/metrics")[2]
        (line,) = [line for line in text.splitlines()
                   if line.startswith(f'perijove_warm_kernels{{type="{ECHO}",state="ready"}}')]
        return float(line.split()[-1])

    def wait_until_ready(self):
        wait_until(lambda: self.waiting() == 2, "two kernels are ready")

    def test_a_kernel_that_is_asked_for_runs_already(self):
        self.wait_until_ready()
        self.assertEqual(self.gateway.request("GET", "/api/kernels")[2], [])
        _, _, model = self.gateway.request("POST", "/api/kernels", {"name": ECHO})
        with self.gateway.channels(model["id"]) as channels:
            self.assertEqual(model["execution_state"], "idle")
            self.assertEqual(stdout(channels.run("print here")), "here\n")
            self.assertEqual(self.gateway.request("POST", "/api/kernels", {"name": ECHO})[0], 403,
                             "the maximum counts those that clients have")
            self.wait_until_ready()
        self.gateway.delete(model["id"])

    def test_those_that_wait_are_not_culled_and_those_in_use_are(self):
        self.wait_until_ready()
        kernel = self.gateway.start()
        pid = self.gateway.kernel_pid(kernel)
        wait_until(lambda: not self.gateway.exists(kernel) and not process_runs(pid), "the idle kernel is culled")
        self.wait_until_ready()

    def test_wishes_of_its_own_start_a_kernel_of_its_own(self):
        self.wait_until_ready()
        _, _, model = self.gateway.request("POST", "/api/kernels", {"name": ECHO, "env": {"KERNEL_COLOUR": "blue"}})
        with self.gateway.channels(model["id"]) as channels:
            self.assertNotEqual(model["execution_state"], "idle")
            self.assertIn("blue", str(result(channels.run("env KERNEL_COLOUR"))))
        self.gateway.delete(model["id"])


if __name__ == "__main__":
    unittest.main()
