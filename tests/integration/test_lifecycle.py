"""A kernel's life as its clients see it: death, restart, interrupt, shutdown, culling, its place."""

import concurrent.futures
import importlib.util
import json
import os
import pathlib
import signal
import unittest

import websocket

import isolated
from gateway import (PATIENCE, WithGateway, children, header, is_kernel_state, kernel_states, process_runs, reply,
                     result, stdout, wait_until)


def parallel(functions):
    """Their results, in order; all of them run at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


def answers_to(msg_id, messages):
    return [m for m in messages if m["parent_header"].get("msg_id") == msg_id]


def printed_pid(messages):
    return int(stdout(messages).split()[-1])


class Death(WithGateway):
    def test_a_cell_whose_kernel_dies_ends_and_the_next_one_runs_in_a_new_process(self):
        for code, cause in (("die 7", "exited with code 7"), ("segv", "signal 11"), ("kill 9", "signal 9")):
            with self.subTest(code):
                kernel = self.start()
                channels = self.open(kernel)
                channels.run("set x 41")
                msg_id = channels.execute(code)
                seen = channels.until(is_kernel_state("idle"))
                self.assertEqual(kernel_states(seen), ["restarting", "idle"])
                answers = answers_to(msg_id, seen)
                # `busy` and `execute_input` may never have left the process.
                self.assertEqual([m["msg_type"] for m in answers][-3:], ["error", "execute_reply", "status"])
                self.assertEqual((reply(answers)["status"], reply(answers)["ename"]), ("error", "KernelDied"))
                self.assertIn(cause, reply(answers)["evalue"])
                self.assertEqual(answers[-1]["content"], {"execution_state": "idle"})
                self.assertEqual(result(channels.run("result on")), "on")  # over the same websocket
                self.assertEqual(reply(channels.run("get x"))["ename"], "NameError")
                self.assertIn(cause, self.gateway.model(kernel)["reason"])

    def test_a_kernel_that_dies_between_two_cells_is_started_again(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("1")
        os.kill(self.gateway.kernel_pid(kernel), signal.SIGKILL)
        self.assertEqual(kernel_states(channels.until(is_kernel_state("idle"))), ["restarting", "idle"])
        self.assertEqual(result(channels.run("result on")), "on")

    def test_cells_behind_the_one_that_kills_the_kernel_end_too(self):
        kernel = self.start()
        first, second = self.open(kernel), self.open(kernel)
        first.run("1")
        second.run("1")
        killer = first.execute("sleep 0.2\ndie 7")
        queued = [(first, first.execute("1")), (second, second.execute("1"))]
        self.assertEqual(reply(first.until_idle(killer))["ename"], "KernelDied")
        for channels, msg_id in queued:
            self.assertEqual(reply(channels.until_idle(msg_id))["ename"], "KernelDied")
            self.assertEqual(result(channels.run("result on")), "on")

    def test_what_a_kernel_sent_comes_in_order_and_before_its_end(self):
        channels = self.open(self.start())
        msg_id = channels.execute("lines 2000\ndie 7")
        answers = channels.until_idle(msg_id)
        lines = stdout(answers).split()  # the later ones may never have left its process
        self.assertEqual(lines, [str(i) for i in range(1, len(lines) + 1)])
        types = [m["msg_type"] for m in answers]
        self.assertEqual(types[-3:], ["error", "execute_reply", "status"])
        self.assertEqual(reply(answers)["ename"], "KernelDied")

    def test_a_client_that_was_away_when_its_kernel_died_is_told(self):
        kernel = self.start()
        lost, other = self.open(kernel, session_id="mine"), self.open(kernel)
        lost.run("1")
        other.run("1")
        msg_id = lost.execute("sleep 0.3\ndie 7")
        lost.wait_for(lambda m: m["content"].get("execution_state") == "busy")
        lost.drop()
        other.wait_for(is_kernel_state("idle"))
        seen = self.open(kernel, session_id="mine").until(is_kernel_state("idle"))
        self.assertEqual(kernel_states(seen), ["restarting", "idle"])
        self.assertEqual(reply(answers_to(msg_id, seen))["ename"], "KernelDied")


class FinalDeath(WithGateway):
    arguments = ("--auto-restart", "never")

    def test_a_dead_kernel_says_why_and_a_restart_brings_it_back_under_its_id(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("set x 41")
        msg_id = channels.execute("os-write 2 5\ndie 7")
        seen = channels.until_closed()
        self.assertEqual(reply(answers_to(msg_id, seen))["ename"], "KernelDied")
        self.assertEqual((kernel_states(seen), channels.close_code), (["dead"], 1000))
        model = self.gateway.model(kernel)
        self.assertEqual(model["execution_state"], "dead")
        self.assertIn("exited with code 7", model["reason"])
        self.assertIn(model["id"], [m["id"] for m in self.gateway.request("GET", "/api/kernels")[2]])
        self.assertGreaterEqual(self.gateway.interrupt(kernel), 400)
        with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
            self.gateway.channels(kernel)
        self.assertEqual(refused.exception.status_code, 404)

        status, restarted = self.gateway.restart(kernel)
        self.assertEqual((status, restarted["id"]), (200, kernel))
        self.assertEqual(reply(self.gateway.run(kernel, "get x"))["ename"], "NameError")

    def test_a_dead_kernel_can_be_deleted(self):
        kernel = self.gateway.start()
        self.open(kernel).execute("die")
        self.gateway.wait_for_state(kernel, "dead")
        self.assertEqual(self.gateway.delete(kernel), 204)
        self.assertFalse(self.gateway.exists(kernel))


class RestartBudget(WithGateway):
    arguments = ("--restart-limit", "2")

    def test_one_more_death_than_the_limit_is_final_and_a_restart_forgives_it(self):
        kernel = self.start()
        for _ in range(2):  # the second time with a fresh budget
            channels = self.open(kernel)
            channels.run("1")
            for _ in range(2):
                channels.execute("die 7")
                self.assertEqual(kernel_states(channels.until(is_kernel_state("idle"))), ["restarting", "idle"])
            channels.execute("die 7")
            self.assertEqual(kernel_states(channels.until_closed()), ["dead"])
            self.assertEqual(channels.close_code, 1000)
            self.assertIn("exited with code 7", self.gateway.model(kernel)["reason"])
            self.assertEqual(self.gateway.restart(kernel)[0], 200)


class Restart(WithGateway):
    def test_a_restart_keeps_the_id_and_the_websockets_and_forgets_the_state(self):
        kernel = self.start()
        clients = [self.open(kernel), self.open(kernel, v1=True)]
        for channels in clients:
            channels.run("set x 41")
        pid = self.gateway.kernel_pid(kernel)
        status, model = self.gateway.restart(kernel)
        self.assertEqual((status, model["id"]), (200, kernel))
        for channels in clients:
            # `restarting` is the word for a restart that nobody asked for.
            self.assertEqual(kernel_states(channels.until(is_kernel_state("idle"))), ["starting", "idle"])
            self.assertEqual(reply(channels.run("get x"))["ename"], "NameError")
        self.assertNotEqual(self.gateway.kernel_pid(kernel), pid)
        self.assertFalse(process_runs(pid))

    def test_cells_that_run_or_wait_end_with_a_restart(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("1")
        cells = [channels.execute(code) for code in ("sleep 600", "1", "1")]
        channels.wait_for(lambda m: m["msg_type"] == "execute_input")
        self.assertEqual(self.gateway.restart(kernel)[0], 200)
        seen = channels.until(is_kernel_state("idle"))
        for msg_id in cells:
            answers = answers_to(msg_id, seen)
            self.assertIn(reply(answers)["status"], ("error", "aborted"))
            self.assertIn("idle", [m["content"].get("execution_state") for m in answers])
        self.assertEqual(result(channels.run("result on")), "on")

    def test_a_cell_sent_right_after_a_restart_runs_in_the_new_process(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("set x 41")
        for i in range(10):
            self.assertEqual(self.gateway.restart(kernel)[0], 200)
            self.assertEqual(stdout(channels.run(f"print {i}")), f"{i}\n")

    def test_a_restart_while_the_kernel_starts_gives_a_kernel(self):
        slow = self.gateway.add_kernelspec("slow-restart", "--start-delay", "0.3")
        kernel = self.start(slow)
        status, model = self.gateway.restart(kernel)
        self.assertEqual((status, model["id"]), (200, kernel))
        self.assertEqual(result(self.gateway.run(kernel, "result on")), "on")

    @isolated.only_without("they are not the gateway's own children")
    def test_restarts_at_the_same_time_are_all_answered_and_leave_one_process(self):
        kernel = self.start()
        self.gateway.wait_for_state(kernel, "idle")
        answers = parallel([lambda: self.gateway.restart(kernel)] * 8)
        self.assertEqual([(status, model["id"]) for status, model in answers], [(200, kernel)] * 8)
        self.assertEqual(int(result(self.gateway.run(kernel, "pid"))), self.gateway.kernel_pid(kernel))
        wait_until(lambda: [pid for pid in children(self.gateway.pid) if process_runs(pid)]
                   == [self.gateway.kernel_pid(kernel)], "one process is left")


class Interrupt(WithGateway):
    def test_a_running_cell_is_interrupted_in_the_way_its_kernelspec_names(self):
        echo = ("print in it\nsleep 600", "print in it\nbusy 600")
        # ipykernel swallows an interrupt that comes before the cell's own code has begun.
        python = tuple(f"import time; print('in it', flush=True)\n{code}"
                       for code in ("time.sleep(600)", "while True: pass"))
        for name, codes in (("perijove-echo", echo), ("perijove-echo-signal", echo), ("python3", python)):
            kernel = self.start(name)
            channels = self.open(kernel)
            for code in codes:
                with self.subTest(name, code=code):
                    # ipykernel aborts what comes right behind an error, unless told that it is none.
                    msg_id = channels.execute(code, stop_on_error=False)
                    channels.wait_for(lambda m: m["msg_type"] == "stream")
                    self.assertEqual(self.gateway.interrupt(kernel), 204)
                    self.assertEqual(reply(channels.until_idle(msg_id))["ename"], "KeyboardInterrupt")

    def answers_on_control(self, channels):
        """An interrupt_request before has then been handled, and cannot meet the next cell."""
        asked = channels.send("control", header("kernel_info_request"), {})
        channels.wait_for(lambda m: m["channel"] == "control" and m["parent_header"]["msg_id"] == asked)

    def test_an_interrupt_of_an_idle_or_starting_kernel_harms_nothing(self):
        for name, code in (("perijove-echo", "print on"), ("perijove-echo-signal", "print on"),
                           ("python3", "print('on')")):
            with self.subTest(name):
                kernel = self.start(name)
                channels = self.open(kernel)
                for _ in range(3):
                    self.assertEqual(self.gateway.interrupt(kernel), 204)  # it starts
                self.answers_on_control(channels)
                self.assertEqual(stdout(channels.run(code)), "on\n")
                pid = self.gateway.kernel_pid(kernel)
                self.assertEqual(self.gateway.interrupt(kernel), 204)  # it is idle
                self.answers_on_control(channels)
                self.assertEqual(stdout(channels.run(code)), "on\n")
                self.assertEqual(self.gateway.kernel_pid(kernel), pid)

    def test_a_kernel_that_ignores_interrupts_can_be_restarted(self):
        for name in ("perijove-echo", "perijove-echo-signal"):
            kernel = self.start(name)
            channels = self.open(kernel)
            channels.run("ignore-interrupt on")
            msg_id = channels.execute("sleep 600")
            channels.wait_for(lambda m: m["msg_type"] == "execute_input")
            self.assertEqual(self.gateway.interrupt(kernel), 204)
            self.assertEqual(self.gateway.restart(kernel)[0], 200)
            self.assertIn(reply(channels.until_idle(msg_id))["status"], ("error", "aborted"))
            self.assertEqual(result(channels.run("result on")), "on")


class Shutdown(WithGateway):
    arguments = ("--shutdown-timeout", "1")

    def test_a_kernel_that_wants_to_stay_is_killed(self):
        for code in ("ignore-shutdown on", "ignore-sigterm on", "ignore-shutdown on\nignore-sigterm on"):
            with self.subTest(code):
                kernel = self.gateway.start()
                channels = self.open(kernel)
                channels.run(code)
                pid = self.gateway.kernel_pid(kernel)
                self.assertEqual(self.gateway.delete(kernel), 204)
                self.assertFalse(process_runs(pid))
                self.assertFalse(self.gateway.exists(kernel))
                self.assertEqual(kernel_states(channels.until_closed()), ["dead"])
                self.assertEqual(channels.close_code, 1000)

    def test_a_kernel_that_wants_to_stay_is_restarted(self):
        kernel = self.start()
        self.gateway.run(kernel, "ignore-shutdown on\nignore-sigterm on")
        pid = self.gateway.kernel_pid(kernel)
        self.assertEqual(self.gateway.restart(kernel)[0], 200)
        self.assertFalse(process_runs(pid))
        self.assertEqual(result(self.gateway.run(kernel, "result on")), "on")
        self.assertNotEqual(self.gateway.kernel_pid(kernel), pid)

    def test_a_running_cell_does_not_keep_a_kernel_from_being_deleted(self):
        for name in ("perijove-echo", "python3"):
            kernel = self.gateway.start(name)
            channels = self.open(kernel)
            msg_id = channels.execute("busy 600" if name == "perijove-echo" else "while True: pass")
            channels.wait_for(lambda m: m["msg_type"] == "execute_input")
            pid = self.gateway.kernel_pid(kernel)
            self.assertEqual(self.gateway.delete(kernel), 204)
            self.assertFalse(process_runs(pid))
            self.assertIn(reply(answers_to(msg_id, channels.until_closed()))["status"], ("error", "aborted"))

    @isolated.only_without("the machine does not see their processes", "gvisor")
    def test_grandchildren_go_with_their_kernel(self):
        ends = {"delete": lambda kernel, channels: self.gateway.delete(kernel),
                "restart": lambda kernel, channels: self.gateway.restart(kernel),
                "death": lambda kernel, channels: channels.run("die 7")}
        for fork in ("fork-child", "fork-daemon"):
            for name, end in ends.items():
                with self.subTest(fork, end=name):
                    kernel = self.start()
                    channels = self.open(kernel)
                    grandchildren = self.gateway.pids_outside(
                        kernel, [printed_pid(channels.run(fork)) for _ in range(3)])
                    self.assertTrue(all(process_runs(pid) for pid in grandchildren))
                    end(kernel, channels)
                    wait_until(lambda: not any(process_runs(pid) for pid in grandchildren), "all are gone")

    @isolated.only_without("the machine does not see their processes", "gvisor")
    def test_grandchildren_leave_no_zombies(self):
        kernel = self.gateway.start()
        grandchildren = self.gateway.pids_outside(
            kernel, [printed_pid(self.gateway.run(kernel, fork)) for fork in ("fork-child", "fork-daemon")])
        self.gateway.delete(kernel)
        wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in grandchildren),
                   "they have been reaped")

    @isolated.only_without("each has a /tmp of its own, which ends with it")
    @unittest.skipUnless(importlib.util.find_spec("debugpy"), "there is no debugpy (Debian: python3-debugpy)")
    def test_the_files_of_a_debugged_kernel_that_is_killed_go_with_it(self):
        kernel = self.start("perijove-python")
        channels = self.open(kernel)

        def debug(command, **arguments):
            msg_id = channels.send("control", header("debug_request"), {
                "type": "request", "seq": 1, "command": command, "arguments": arguments})
            answer = channels.wait_for(lambda message: message["msg_type"] == "debug_reply"
                                       and message["parent_header"]["msg_id"] == msg_id)["content"]
            self.assertTrue(answer["success"], answer)
            return answer.get("body", {})

        debug("initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True,
              columnsStartAt1=True)
        debug("attach")
        cell = pathlib.Path(debug("dumpCell", code="1 + 1")["sourcePath"])
        self.assertEqual(cell.read_text(), "1 + 1")
        os.kill(self.gateway.kernel_pid(kernel), signal.SIGKILL)
        self.gateway.delete(kernel)
        self.assertFalse(cell.parent.exists())

    def test_a_kernel_that_a_client_shuts_down_is_gone_and_not_started_again(self):
        for name in ("perijove-echo", "python3"):
            kernel = self.gateway.start(name)
            channels, other = self.open(kernel), self.open(kernel)
            channels.run("1")
            pid = self.gateway.kernel_pid(kernel)
            asked = channels.send("control", header("shutdown_request"), {"restart": False})
            seen = channels.until_closed()
            self.assertIn("shutdown_reply", [m["msg_type"] for m in answers_to(asked, seen)])
            other_seen = other.until_closed()
            for states in (kernel_states(seen), kernel_states(other_seen)):
                self.assertEqual(states[-1], "dead")
                self.assertNotIn("restarting", states)
            wait_until(lambda: not self.gateway.exists(kernel), "it is gone")
            self.assertFalse(process_runs(pid))

    def test_a_kernel_that_a_client_restarts_comes_back(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("set x 41")
        channels.send("control", header("shutdown_request"), {"restart": True})
        self.assertNotIn("dead", kernel_states(channels.until(is_kernel_state("idle"))))
        self.assertEqual(reply(channels.run("get x"))["ename"], "NameError")

    def test_deletes_at_the_same_time_are_all_answered(self):
        kernel = self.gateway.start()
        self.gateway.wait_for_state(kernel, "idle")
        statuses = parallel([lambda: self.gateway.delete(kernel)] * 8)
        self.assertIn(204, statuses)
        self.assertLessEqual(set(statuses), {204, 404})
        self.assertFalse(self.gateway.exists(kernel))

    def test_a_delete_wins_over_restarts_at_the_same_time(self):
        for _ in range(5):
            kernel = self.gateway.start()
            self.gateway.wait_for_state(kernel, "idle")
            pid = self.gateway.kernel_pid(kernel)
            restart = lambda: self.gateway.restart(kernel)[0]
            statuses = parallel([restart, lambda: self.gateway.delete(kernel), restart])
            self.assertEqual(statuses[1], 204)
            self.assertFalse(self.gateway.exists(kernel))
            self.assertFalse(process_runs(pid))

    def test_a_kernel_that_is_deleted_while_it_starts_leaves_nothing(self):
        slow = self.gateway.add_kernelspec("slow-delete", "--start-delay", "600")
        kernel = self.gateway.start(slow)
        channels = self.open(kernel)
        pid = self.gateway.kernel_pid(kernel)
        self.assertEqual(self.gateway.delete(kernel), 204)
        if isolated.IN_CONTAINERS:  # which the daemon is told to end, and does in its time
            wait_until(lambda: not process_runs(pid), "its container has ended")
        self.assertFalse(process_runs(pid))
        self.assertFalse(self.gateway.exists(kernel))
        channels.until_closed()
        self.assertEqual(channels.close_code, 1000)


class Start(WithGateway):
    arguments = ("--start-timeout", "1")

    def test_a_kernel_that_never_answers_is_dead_with_the_reason(self):
        silent = self.gateway.add_kernelspec("silent", "--no-kernel-info")
        kernel = self.start(silent)
        pid = self.gateway.kernel_pid(kernel)
        with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
            self.open(kernel)
        self.assertEqual(refused.exception.status_code, 404)
        self.assertIn("kernel_info", self.gateway.wait_for_state(kernel, "dead")["reason"])
        wait_until(lambda: not process_runs(pid), "its process is gone")

    def test_a_kernel_that_never_binds_its_sockets_is_dead_with_the_reason(self):
        sleepy = self.gateway.add_kernelspec("sleepy", "--start-delay", "600")
        kernel = self.start(sleepy)
        pid = self.gateway.kernel_pid(kernel)
        self.assertTrue(self.gateway.wait_for_state(kernel, "dead")["reason"])
        wait_until(lambda: not process_runs(pid), "its process is gone")


class ColdStart(WithGateway):
    def test_a_slow_start_works(self):
        slow = self.gateway.add_kernelspec("slow-start", "--start-delay", "2")
        self.assertEqual(stdout(self.gateway.run(self.start(slow), "print here")), "here\n")

    def test_a_websocket_opens_when_its_kernel_has_started(self):
        slow = self.gateway.add_kernelspec("slow-open", "--start-delay", "1")
        kernel = self.start(slow)
        self.open(kernel)
        self.assertEqual(self.gateway.model(kernel)["execution_state"], "idle")

    def test_no_output_of_the_first_cell_is_lost(self):
        plain = self.gateway.add_kernelspec("no-welcome", "--no-iopub-welcome")
        for name in ("perijove-echo", plain):
            for i in range(50):
                kernel = self.gateway.start(name)
                answers = self.gateway.run(kernel, f"print first {i}\nresult {i}")
                self.assertEqual((stdout(answers), result(answers)), (f"first {i}\n", str(i)))
                self.assertEqual(self.gateway.delete(kernel), 204)

    @isolated.only_without("they have no network that the gateway reaches")
    def test_kernels_that_ask_for_tcp_start_side_by_side(self):
        def start_and_ask(number):
            kernel = self.gateway.start("perijove-echo-tcp")
            return kernel, result(self.gateway.run(kernel, f"result {number}"))

        started = parallel([lambda i=i: start_and_ask(i) for i in range(20)])
        try:
            self.assertEqual([answer for _, answer in started], [str(i) for i in range(20)])
            for kernel, _ in started:
                file = pathlib.Path(self.gateway.model(kernel)["perijove"]["connection_file"])
                self.assertEqual(json.loads(file.read_text())["transport"], "tcp")
        finally:
            for kernel, _ in started:
                self.gateway.delete(kernel)


class Culling(WithGateway):
    arguments = ("--cull-idle-timeout", "0.3")

    def outlives_idle_kernels(self, kernel):
        """Whether it is still there after others have come and been culled, one after the other."""
        for _ in range(3):
            idle = self.gateway.start()
            wait_until(lambda: not self.gateway.exists(idle), "an idle kernel is culled")
        return self.gateway.exists(kernel)

    def test_an_idle_kernel_ends_with_its_process(self):
        kernel = self.gateway.start()
        pid = self.gateway.kernel_pid(kernel)
        wait_until(lambda: not self.gateway.exists(kernel), "it is culled")
        self.assertFalse(process_runs(pid))

    def test_a_busy_kernel_stays_until_it_is_idle(self):
        kernel = self.gateway.start()
        with self.gateway.channels(kernel) as channels:
            channels.execute("sleep 600")
            channels.wait_for(lambda m: m["msg_type"] == "execute_input")
        self.assertTrue(self.outlives_idle_kernels(kernel))
        self.gateway.interrupt(kernel)
        wait_until(lambda: not self.gateway.exists(kernel), "it is culled")

    def test_a_connected_kernel_stays_until_it_is_left(self):
        kernel = self.gateway.start()
        with self.gateway.channels(kernel) as channels:
            channels.run("1")
            self.assertTrue(self.outlives_idle_kernels(kernel))
            self.assertEqual(result(channels.run("result on")), "on")
        wait_until(lambda: not self.gateway.exists(kernel), "it is culled")

    def test_the_kernelspec_has_the_last_word(self):
        kept = self.gateway.add_kernelspec("kept", metadata={"cull_idle_timeout": 0})
        self.assertTrue(self.outlives_idle_kernels(self.start(kept)))


class CullingAll(WithGateway):
    arguments = ("--cull-idle-timeout", "0.3", "--cull-connected", "--cull-busy")

    def test_busy_and_connected_kernels_are_culled_when_that_is_asked_for(self):
        kernel = self.gateway.start()
        channels = self.open(kernel)
        channels.execute("sleep 600")
        self.assertEqual(kernel_states(channels.until_closed())[-1], "dead")
        self.assertEqual(channels.close_code, 1000)
        wait_until(lambda: not self.gateway.exists(kernel), "it is gone")


class Events(WithGateway):
    def test_every_action_on_a_kernel_is_an_event(self):
        events = websocket.create_connection(
            f"{self.gateway.websocket_url}/api/events/subscribe?token={self.gateway.token}", timeout=PATIENCE)
        self.addCleanup(events.close)
        kernel = self.gateway.start()
        self.gateway.wait_for_state(kernel, "idle")
        self.gateway.interrupt(kernel)
        self.gateway.restart(kernel)
        self.gateway.delete(kernel)
        for action in ("start", "interrupt", "restart", "shutdown"):
            event = json.loads(events.recv())
            self.assertEqual(
                (event["schema_id"], event["action"], event["kernel_id"], event["kernel_name"], event["status"]),
                ("https://events.jupyter.org/jupyter_server/kernel_actions/v1", action, kernel,
                 "perijove-echo", "success"))
            self.assertTrue(event["msg"])

    def test_a_death_is_an_error_event(self):
        events = websocket.create_connection(
            f"{self.gateway.websocket_url}/api/events/subscribe?token={self.gateway.token}", timeout=PATIENCE)
        self.addCleanup(events.close)
        kernel = self.start()
        self.gateway.run(kernel, "die 7")
        seen = [json.loads(events.recv()) for _ in range(2)]
        self.assertEqual([event["status"] for event in seen], ["success", "error"])
        self.assertIn("exited with code 7", seen[1]["msg"])


class Place(WithGateway):
    def cwd(self, **body):
        kernel = self.start(**body)
        inside = result(self.gateway.run(kernel, "cwd"))
        if not isolated.IN_CONTAINERS:
            return pathlib.Path(inside)
        container = self.gateway.kernel_process(kernel).split()[1]
        mounts = json.loads(isolated.docker("inspect", "--format", "{{json .Mounts}}", container))
        return pathlib.Path({mount["Destination"]: mount["Source"] for mount in mounts}[inside])

    def test_a_kernel_runs_beside_its_notebook_and_never_outside_the_work_directory(self):
        root = self.gateway.work_dir
        (root / "sub" / "deep").mkdir(parents=True)
        (root.parent / "work-beside").mkdir()
        for path, expected in (("sub/a.ipynb", "sub"), ("sub", "sub"), ("/sub/deep/a.ipynb", "sub/deep"),
                               ("a.ipynb", "."), ("", "."), ("missing/a.ipynb", "."),
                               ("sub/../sub/deep/a.ipynb", "sub/deep"), ("../../etc/passwd", "."),
                               ("..", "."), ("/etc/passwd", "."), ("../work-beside/a.ipynb", "."),
                               ("sub/../../work-beside", ".")):
            with self.subTest(path):
                self.assertEqual(self.cwd(path=path), (root / expected).resolve())

    def test_a_client_may_ask_for_a_work_directory_by_variable(self):
        root = self.gateway.work_dir
        (root / "asked").mkdir()
        for asked, expected in (("asked", "asked"), (str(root / "asked"), "asked"), ("..", "."), ("/etc", ".")):
            with self.subTest(asked):
                self.assertEqual(self.cwd(env={"KERNEL_WORKING_DIR": asked}), (root / expected).resolve())


if __name__ == "__main__":
    unittest.main()
