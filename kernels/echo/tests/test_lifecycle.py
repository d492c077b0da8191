"""Beginning and end of a kernel, and interrupts in between."""

import os
import signal
import socket
import subprocess
import sys
import time

import zmq
from jupyter_client import KernelManager

from support import CHANNELS, DEADLINE, KernelTestCase

FOR_EVER = (
    "sleep 600",
    "busy 600",
    "input ?",
    "flood 1000000000",
    "lines 1000000000",
    "os-write 1 1000000000",
)


class Interrupts(KernelTestCase):
    def end_of(self, echo, msg_id):
        """The error that ends the cell. iopub may hold millions of messages: only shell is read."""
        while True:
            message = echo.receive("shell")
            if message["parent_header"]["msg_id"] == msg_id:
                return message["content"].get("ename")

    def test_by_message(self):
        for code in FOR_EVER:
            with self.subTest(code):
                echo = self.started()
                msg_id = echo.start(code)
                self.assertEqual(echo.interrupt(), {"status": "ok"})
                self.assertEqual(self.end_of(echo, msg_id), "KeyboardInterrupt")

    def test_by_signal(self):
        for code in FOR_EVER:
            with self.subTest(code):
                echo = self.started()
                msg_id = echo.start(code)
                echo.process.send_signal(signal.SIGINT)
                self.assertEqual(self.end_of(echo, msg_id), "KeyboardInterrupt")

    def test_state_survives(self):
        echo = self.started()
        echo.run("set x 1")
        msg_id = echo.start("sleep 600")
        echo.interrupt()
        self.assertEqual(echo.finish(msg_id).error, ("KeyboardInterrupt", ""))
        self.assertEqual(echo.run("get x").results, ["1"])

    def test_an_idle_kernel_takes_no_notice(self):
        echo = self.started()
        for _ in range(20):
            echo.process.send_signal(signal.SIGINT)
            echo.interrupt()
            self.assert_lives(echo)

    def test_no_output_is_lost_or_doubled_by_signals(self):
        echo = self.started()
        echo.run("ignore-interrupt on")
        msg_id = echo.start("lines 30000")
        count = 0
        for message in echo.iopub(msg_id):
            if message["msg_type"] == "stream":
                count += 1
                self.assertEqual(message["content"]["text"], f"{count}\n")
                if count % 100 == 0:
                    echo.process.send_signal(signal.SIGINT)
        self.assertEqual(count, 30000)
        self.assertEqual(echo.reply("shell", msg_id)["status"], "ok")

    def test_ignored_when_told_to(self):
        echo = self.started()
        echo.run("ignore-interrupt on")
        msg_id = echo.start("input ?")
        self.assertEqual(echo.interrupt(), {"status": "ok"})
        echo.process.send_signal(signal.SIGINT)
        echo.receive("stdin")
        echo.send("stdin", "input_reply", {"value": "not interrupted"})
        self.assertEqual(echo.finish(msg_id).text, "not interrupted\n")
        echo.run("ignore-interrupt off")
        msg_id = echo.start("sleep 600")
        echo.interrupt()
        self.assertEqual(self.end_of(echo, msg_id), "KeyboardInterrupt")

    def test_sigint_reaches_a_kernel_that_was_started_with_it_ignored(self):
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            echo = self.kernel()
        finally:
            signal.signal(signal.SIGINT, previous)
        echo.connect()
        msg_id = echo.start("sleep 600")
        echo.process.send_signal(signal.SIGINT)
        self.assertEqual(self.end_of(echo, msg_id), "KeyboardInterrupt")


class Control(KernelTestCase):
    def test_is_answered_while_a_cell_runs(self):
        echo = self.started()
        msg_id = echo.start("sleep 600")
        self.assertEqual(echo.ask("control", "kernel_info_request")["status"], "ok")
        beat = echo.socket(zmq.REQ, "hb")
        self.addCleanup(beat.close)
        beat.send(b"alive?")
        self.assertEqual(beat.recv(), b"alive?")
        echo.interrupt()
        echo.finish(msg_id)

    def test_its_statuses_name_the_control_request(self):
        echo = self.started()
        running = echo.start("sleep 600")
        asked = echo.send("control", "kernel_info_request")
        echo.reply("control", asked)
        self.assertEqual(
            [m["content"]["execution_state"] for m in echo.iopub(asked)], ["busy", "idle"]
        )
        echo.interrupt()
        echo.finish(running)


class Shutdown(KernelTestCase):
    def test_idle(self):
        for transport in ("ipc", "tcp"):
            for restart in (False, True):
                echo = self.started(transport=transport)
                self.assertEqual(echo.shutdown(restart), {"status": "ok", "restart": restart})
                self.assertEqual(echo.wait(), 0)

    def test_on_shell_as_old_clients_do(self):
        echo = self.started()
        self.assertEqual(echo.ask("shell", "shutdown_request", {"restart": False})["status"], "ok")
        self.assertEqual(echo.wait(), 0)

    def test_the_last_messages_are_delivered(self):
        echo = self.started()
        msg_id = echo.send("control", "shutdown_request", {"restart": True})
        self.assertEqual(echo.wait(), 0)
        self.assertEqual(
            [(m["msg_type"], m["content"].get("restart")) for m in echo.iopub(msg_id)],
            [("status", None), ("shutdown_reply", True), ("status", None)],
        )
        self.assertEqual(echo.reply("control", msg_id)["status"], "ok")

    def test_ends_a_running_cell(self):
        for code in ("sleep 600", "busy 600", "input ?"):
            echo = self.started()
            msg_id = echo.start(code)
            self.assertEqual(echo.shutdown()["status"], "ok")
            self.assertEqual(echo.wait(), 0)
            self.assertEqual(echo.finish(msg_id).error[0], "KeyboardInterrupt")

    def test_ends_the_process_under_a_cell_that_does_not_yield(self):
        echo = self.started()
        echo.run("ignore-interrupt on")
        echo.start("busy 600")
        self.assertEqual(echo.shutdown()["status"], "ok")
        self.assertEqual(echo.wait(), 0)

    def test_acknowledged_and_ignored_when_told_to(self):
        echo = self.started()
        echo.run("ignore-shutdown on")
        self.assertEqual(echo.shutdown()["status"], "ok")
        self.assert_lives(echo)
        echo.run("ignore-shutdown off")
        echo.shutdown()
        self.assertEqual(echo.wait(), 0)

    def test_does_not_wait_for_a_client_that_does_not_read(self):
        echo = self.started()
        stuck = echo.context.socket(zmq.SUB)
        self.addCleanup(stuck.close)
        stuck.rcvhwm = 1
        stuck.subscribe(b"")
        stuck.connect(echo.endpoint("iopub"))
        self.assertIn(b"iopub_welcome", stuck.recv_multipart()[3])
        echo.run("big 50000000\nbig 50000000")
        echo.shutdown()
        self.assertEqual(echo.wait(), 0)

    def test_removes_its_ipc_sockets(self):
        echo = self.started()
        echo.shutdown()
        echo.wait()
        self.assertEqual(os.listdir(echo.directory), ["connection.json"])


class Deaths(KernelTestCase):
    def death_by(self, code):
        echo = self.started()
        echo.execute(code)
        return echo.wait()

    def test_statuses_and_signals(self):
        self.assertEqual(self.death_by("die"), 1)
        self.assertEqual(self.death_by("die 7"), 7)
        self.assertEqual(self.death_by("abort"), -signal.SIGABRT)
        self.assertEqual(self.death_by("segv"), -signal.SIGSEGV)
        self.assertEqual(self.death_by("kill 9"), -signal.SIGKILL)
        self.assertEqual(self.death_by("kill 15"), -signal.SIGTERM)

    def test_sigterm_is_ignored_when_told_to(self):
        echo = self.started()
        echo.run("ignore-sigterm on")
        echo.process.terminate()
        self.assert_lives(echo)
        echo.run("ignore-sigterm off")
        echo.process.terminate()
        self.assertEqual(echo.wait(), -signal.SIGTERM)

    def test_children_outlive_the_kernel(self):
        for code, own_session in (("fork-child", False), ("fork-daemon", True)):
            with self.subTest(code):
                echo = self.started()
                child = int(echo.run(code).text)
                self.end_later(child)
                self.assertEqual(os.getsid(child) == child, own_session)
                echo.execute("die 0")
                echo.wait()
                os.kill(child, 0)

    def test_ends_with_the_process_of_jpy_parent_pid(self):
        parent = subprocess.Popen(["sleep", "600"])
        self.addCleanup(parent.wait)
        self.addCleanup(parent.kill)
        echo = self.started(environ={"JPY_PARENT_PID": str(parent.pid)})
        echo.start("sleep 600")
        self.assertIsNone(echo.process.poll())
        parent.kill()
        self.assertEqual(echo.wait(), 0)

    def test_does_not_start_for_a_parent_that_is_gone(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        kernel = self.kernel(environ={"JPY_PARENT_PID": str(gone.pid)})
        self.assertEqual(kernel.wait(), 1)
        self.assertIn("JPY_PARENT_PID", kernel.process.stderr.read().decode())

    def test_steal_socket(self):
        echo = self.started()
        for channel in CHANNELS:
            echo.run(f"steal-socket {channel} /tmp/elsewhere")
            self.assertEqual(
                os.readlink(echo.endpoint(channel).removeprefix("ipc://")), "/tmp/elsewhere"
            )
        self.assert_lives(echo)  # connections that exist stay
        self.assertEqual(
            self.started(transport="tcp").run("steal-socket hb /x").error[0], "OSError"
        )


class Start(KernelTestCase):
    def failure(self, *options, **connection):
        kernel = self.kernel(*options, **connection)
        return kernel.wait(), kernel.process.stderr.read().decode()

    def test_on_tcp(self):
        self.assert_lives(self.started(transport="tcp"))

    def test_on_an_ipc_path_of_the_greatest_length(self):
        # sun_path holds 108 bytes, the last of them zero.
        room = self.kernel().directory
        longest = room + "/" + "k" * (107 - len(room) - len("/-1"))
        self.assert_lives(self.started(ip=longest))
        status, message = self.failure(ip=longest + "k")
        self.assertEqual(status, 1)
        self.assertIn("cannot bind iopub to ipc://" + longest, message)

    def test_port_in_use(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            status, message = self.failure(transport="tcp", control_port=holder.getsockname()[1])
        self.assertEqual(status, 1)
        self.assertIn("cannot bind control", message)
        self.assertIn("Address already in use", message)

    def test_bad_connection_files(self):
        for wrong, said in (
            ({"shell_port": 0}, "shell_port is 0"),
            ({"shell_port": "x"}, "not usable"),
            ({"transport": "udp"}, "transport is 'udp'"),
            ({"ip": None}, "not usable"),
        ):
            status, message = self.failure(**wrong)
            self.assertEqual(status, 1)
            self.assertIn(said, message)

    def test_bad_command_lines(self):
        for options in (["--nonsense"], ["--start-delay"], ["--start-delay", "x"]):
            self.assertEqual(self.failure(*options)[0], 2)

    def test_fail_start(self):
        self.assertEqual(
            self.failure("--fail-start"),
            (3, "perijove-kernel-echo: not starting, as --fail-start asks\n"),
        )
        self.assertEqual(
            self.failure(environ={"PERIJOVE_ECHO_OPTIONS": "--start-delay 0 --fail-start"})[0], 3
        )

    def test_start_delay(self):
        begin = time.monotonic()
        self.started("--start-delay", "0.5")
        self.assertGreaterEqual(time.monotonic() - begin, 0.5)

    def test_no_kernel_info(self):
        echo = self.started("--no-kernel-info")
        for channel in ("shell", "control"):
            list(echo.iopub(echo.send(channel, "kernel_info_request")))
        self.assert_lives(echo)
        self.assertFalse(echo.has_message("shell") or echo.has_message("control"))

    def test_no_iopub_welcome(self):
        echo = self.kernel("--no-iopub-welcome").connect(welcome=False)
        end = time.monotonic() + DEADLINE
        while not echo.sockets["iopub"].poll(20):  # nudge, as clients of older kernels must
            self.assertLess(time.monotonic(), end)
            echo.ask("shell", "kernel_info_request")
        self.assertEqual(echo.receive("iopub")["msg_type"], "status")
        self.assert_lives(echo)

    def test_starts_without_a_client(self):
        echo = self.kernel()
        self.wait_until(lambda: len(os.listdir(echo.directory)) == 1 + len(CHANNELS))
        echo.process.terminate()
        self.assertEqual(echo.wait(), -signal.SIGTERM)


class Kernelspecs(KernelTestCase):
    """jupyter_client itself starts, drives and ends the kernel."""

    def drive(self, name, interrupt_mode, **options):
        manager = KernelManager(kernel_name=name, **options)
        self.assertEqual(manager.kernel_spec.interrupt_mode, interrupt_mode)
        self.assertEqual(
            sorted(os.listdir(manager.kernel_spec.resource_dir)),
            ["kernel.json", "logo-32x32.png", "logo-64x64.png"],
        )
        manager.start_kernel()
        self.addCleanup(manager.shutdown_kernel, now=True)
        client = manager.client()
        client.start_channels()
        self.addCleanup(client.stop_channels)
        client.wait_for_ready(timeout=DEADLINE)
        outputs = []
        client.execute_interactive(
            "print a\nb", output_hook=lambda m: outputs.append(m["msg_type"]), timeout=DEADLINE
        )
        self.assertEqual(outputs[2:4], ["stream", "execute_result"])
        msg_id = client.execute("sleep 600")
        while client.get_iopub_msg(timeout=DEADLINE)["msg_type"] != "execute_input":
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=DEADLINE)
        self.assertEqual(
            (reply["parent_header"]["msg_id"], reply["content"]["ename"]),
            (msg_id, "KeyboardInterrupt"),
        )
        manager.restart_kernel()
        client.wait_for_ready(timeout=DEADLINE)
        manager.shutdown_kernel()
        self.assertFalse(manager.is_alive())

    def test_interrupted_by_message(self):
        self.drive("perijove-echo", "message")

    def test_interrupted_by_signal_on_ipc(self):
        directory = self.kernel().directory
        self.drive("perijove-echo-signal", "signal", transport="ipc", ip=directory + "/jc")

    def test_tcp(self):
        self.drive("perijove-echo-tcp", "message")
        spec = KernelManager(kernel_name="perijove-echo-tcp").kernel_spec
        self.assertEqual(spec.metadata["perijove"]["transport"], "tcp")
