"""Outputs wait for who reads them slowly, though not for ever for who does not read at all."""

import unittest

import zmq
from support import KernelTestCase

LINES = 20000


class SlowSubscribers(KernelTestCase):
    def setUp(self):
        self.echo = self.started()
        self.slow = self.echo.context.socket(zmq.SUB)
        self.addCleanup(self.slow.close)
        self.slow.rcvhwm = 1
        self.slow.rcvtimeo = 60_000
        self.slow.subscribe(b"")
        self.slow.connect(self.echo.endpoint("iopub"))
        self.assertIn(b"iopub_welcome", self.slow.recv_multipart()[3])

    def test_code_is_held_up_until_a_slow_one_reads_and_it_gets_everything(self):
        msg_id = self.echo.execute(f"flood {LINES} 2000")
        # Until nothing more comes to one who reads at once: the code has ended, or is held up.
        quick = self.echo.sockets["iopub"]
        while quick.poll(1000):
            quick.recv_multipart()
        self.assertFalse(self.echo.has_message("shell"), "the code has not been held up")
        lines = 0
        while lines < LINES:
            frames = self.slow.recv_multipart()
            lines += b'"stream"' in frames[3]
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")
        self.assertIn(b'"idle"', self.slow.recv_multipart()[6])

    def test_one_that_never_reads_holds_up_the_others_for_a_while_only(self):
        run = self.echo.run(f"flood {LINES} 2000")
        self.assertEqual(len(run.outputs), LINES)
        # The kernel was not held up for each of them, nor is it again.
        self.assertEqual(len(self.echo.run(f"flood {LINES} 2000").outputs), LINES)

    def test_one_that_goes_holds_up_nobody(self):
        msg_id = self.echo.execute(f"flood {LINES} 2000")
        self.slow.close()
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")


if __name__ == "__main__":
    unittest.main()
