"""Output without end costs the gateway no memory: neither in its own queues nor in libzmq's."""

import os
import pathlib
import unittest

from gateway import WithGateway

MIB = 1 << 20
SMALL, LARGE = 200, 10_000  # MiB that code prints


@unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "a sanitizer keeps what was freed")
class Floods(WithGateway):
    def peak_after(self, kernel, code):
        """Runs it in a new session; the gateway's greatest memory so far, in bytes."""
        status, _, session = self.gateway.ask("POST", "/v1/sessions", {"kernel": kernel})
        self.assertEqual(status, 201, session)
        path = "/v1/sessions/" + session["session_id"]
        self.addCleanup(self.gateway.ask, "DELETE", path)
        answer = self.gateway.ask("POST", path + "/execute", {"code": code, "timeout": None}, timeout=600)
        self.assertEqual(answer[2]["status"], "ok", answer)
        self.printed = answer[2]["warnings"][0]["message"]
        text = pathlib.Path(f"/proc/{self.gateway.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024

    def test_10_gb_of_a_kernel_that_waits_take_no_more_memory_than_200_mb(self):
        def code(mebibytes):
            return f"head -c {mebibytes * MIB} /dev/zero | tr '\\0' x"

        small = self.peak_after("bash", code(SMALL))
        large = self.peak_after("bash", code(LARGE))
        # What is missing of the result is told; 16 MiB are kept.
        self.assertIn(str((LARGE - 16) * MIB), self.printed)
        self.assertLess(large - small, 100 * MIB)

    def test_nor_does_that_of_ipykernel_which_does_not_wait(self):
        def code(mebibytes):
            return f"for i in range({mebibytes * 1024}): print('x' * 1023)"

        # Its messages are what it printed in 0.2 s each, and the largest is held three times.
        small = self.peak_after("python3", code(2 * SMALL))
        large = self.peak_after("python3", code(6 * SMALL))
        self.assertLess(large - small, 400 * MIB)


if __name__ == "__main__":
    unittest.main()
