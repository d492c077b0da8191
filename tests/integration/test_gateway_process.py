"""The gateway as a process: its end, its environment, its descriptors, and others beside it."""

import concurrent.futures
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import unittest
import urllib.request

from gateway import (PATIENCE, Gateway, WithGateway, descriptors, process_runs, result, stdout, wait_until)
from server import Process, environment, places

STUBBORN = "ignore-shutdown on\nignore-sigterm on"


def variables(messages):
    """What the echo kernel's `env` printed."""
    return dict(line.split("=", 1) for line in stdout(messages).splitlines())


def run_perijove(*arguments, environ=None):
    """Runs the program to its end."""
    with tempfile.TemporaryDirectory(prefix="pji-") as directory:
        return subprocess.run(
            [places.perijove_binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**environment(pathlib.Path(directory)), **(environ or {})}, timeout=PATIENCE)


def kill_if_left(pid):
    if process_runs(pid):
        os.kill(pid, signal.SIGKILL)


class WithGateways(unittest.TestCase):
    """Tests that start gateways of their own."""

    def launch(self, *arguments, **options):
        gateway = Gateway(arguments=list(arguments), **options)
        self.addCleanup(gateway.stop)
        return gateway

    def open(self, gateway, kernel):
        channels = gateway.channels(kernel)
        self.addCleanup(channels.close)
        return channels

    def ended(self, pids):
        wait_until(lambda: not any(process_runs(pid) for pid in pids), "all processes are gone")


class End(WithGateways):
    def test_sigterm_drains(self):
        gateway = self.launch("--shutdown-timeout", "1")
        kernels = [gateway.start(name) for name in ("perijove-echo", "perijove-echo-tcp", "python3")]
        kernels.append(gateway.start("perijove-echo"))
        websockets = [self.open(gateway, kernel) for kernel in kernels]
        for channels in websockets:
            channels.run("1")
        websockets[0].run(STUBBORN)
        websockets[-1].execute("sleep 600")
        pids = [gateway.kernel_pid(kernel) for kernel in kernels]
        pids += [int(stdout(websockets[1].run(fork))) for fork in ("fork-child", "fork-daemon")]
        gateway.signal(signal.SIGTERM)
        for channels in websockets:
            channels.until_closed()
            self.assertEqual(channels.close_code, 1012)
        self.assertEqual(gateway.exit_code(), 0)
        self.assertEqual([pid for pid in pids if process_runs(pid)], [])
        self.assertEqual(gateway.runtime_files(), [])

    def test_no_kernel_starts_while_it_drains_and_a_second_sigterm_ends_it_at_once(self):
        gateway = self.launch("--shutdown-timeout", "3600")
        kernel = gateway.start()
        channels = self.open(gateway, kernel)
        channels.run(STUBBORN)
        pid = gateway.kernel_pid(kernel)
        gateway.signal(signal.SIGTERM)
        channels.until_closed()
        self.assertEqual(channels.close_code, 1012)
        status, _, body = gateway.request("POST", "/api/kernels", {"name": "perijove-echo"})
        self.assertEqual(status, 503)
        self.assertIn("shutting down", body["message"])
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.exit_code(), 0)
        self.assertFalse(process_runs(pid))
        self.assertEqual(gateway.runtime_files(), [])

    def test_sigint_ends_it_too_with_kernels_that_still_start(self):
        gateway = self.launch()
        gateway.add_kernelspec("sleepy", "--start-delay", "600")
        pids = [gateway.kernel_pid(gateway.start("sleepy")) for _ in range(3)]
        gateway.signal(signal.SIGINT)
        self.assertEqual(gateway.exit_code(), 0)
        self.assertEqual([pid for pid in pids if process_runs(pid)], [])
        self.assertEqual(gateway.runtime_files(), [])


class Killed(WithGateways):
    def leave(self):
        """A gateway that was killed: (environment of others beside it, its directory, processes)."""
        gateway = self.launch()
        # A kernel that does not look whether its gateway lives.
        gateway.add_kernelspec("deaf", launcher=["/usr/bin/env", "-u", "JPY_PARENT_PID"])
        kernels = [gateway.start(name) for name in ("perijove-echo", "python3", "deaf")]
        for kernel in kernels:
            self.open(gateway, kernel).run("1")
        pids = [gateway.kernel_pid(kernel) for kernel in kernels]
        for pid in pids:
            self.addCleanup(kill_if_left, pid)
        gateway.kill()
        self.assertTrue(gateway.runtime_dir.exists())
        return {"XDG_RUNTIME_DIR": gateway.environment["XDG_RUNTIME_DIR"]}, gateway.runtime_dir, pids

    def test_kernels_end_with_their_gateway(self):
        _, _, pids = self.leave()
        self.ended(pids[:2])
        self.assertTrue(process_runs(pids[2]))  # or the tests below would show nothing

    def test_the_next_start_ends_and_removes_what_was_left(self):
        beside, directory, pids = self.leave()
        after = self.launch(environ=beside)
        self.ended(pids)
        self.assertFalse(directory.exists())
        self.assertEqual(result(after.run(after.start(), "result on")), "on")

    def test_commands_ask_the_gateway_that_runs_and_not_the_one_that_was_killed(self):
        beside, directory, _ = self.leave()
        file = directory.parent / "servers" / f"{directory.name}.json"
        self.assertTrue(file.exists())
        nobody = run_perijove("kernel", "list", environ=beside)
        self.assertNotEqual(nobody.returncode, 0)
        self.assertIn("no gateway of this user is running", nobody.stderr)
        after = self.launch(environ=beside)
        kernel = after.start()
        self.assertIn(kernel, run_perijove("kernel", "list", environ=beside).stdout)
        self.assertEqual([each.name for each in file.parent.iterdir()], [f"{after.pid}.json"])

    def test_doctor_tells_what_was_left_and_removes_it_when_asked(self):
        beside, directory, pids = self.leave()
        told = run_perijove("doctor", environ=beside)
        self.assertIn(str(directory), told.stdout + told.stderr)
        self.assertTrue(directory.exists())
        self.assertTrue(process_runs(pids[2]))
        run_perijove("doctor", "--fix", environ=beside)
        self.ended(pids)
        self.assertFalse(directory.exists())

    def test_grandchildren_are_ended_too(self):
        gateway = self.launch()
        kernel = gateway.start()
        grandchildren = [int(stdout(gateway.run(kernel, fork))) for fork in ("fork-child", "fork-daemon")]
        for pid in grandchildren:
            self.addCleanup(kill_if_left, pid)
        pid = gateway.kernel_pid(kernel)
        gateway.kill()
        self.ended([pid])
        self.launch(environ={"XDG_RUNTIME_DIR": gateway.environment["XDG_RUNTIME_DIR"]})
        self.ended(grandchildren)


class Environment(WithGateways):
    secrets = {"PERIJOVE_TOKEN": "canary-1", "KG_AUTH_TOKEN": "canary-2", "JUPYTER_TOKEN": "canary-3",
               "JUPYTERHUB_API_TOKEN": "canary-4", "TOKEN": "canary-5", "AWS_SECRET_ACCESS_KEY": "canary-6",
               "DATABASE_URL": "canary-7", "SSH_AUTH_SOCK": "/canary-8", "PYTHONPATH": "/canary-9",
               "LD_LIBRARY_PATH": "/canary-10"}

    def environment_of(self, gateway, kernel):
        env = variables(gateway.run(kernel, "env"))
        initial = pathlib.Path(f"/proc/{gateway.kernel_pid(kernel)}/environ").read_bytes().decode()
        self.assertEqual(env, dict(line.split("=", 1) for line in initial.rstrip("\0").split("\0")))
        return env

    def test_no_secret_of_the_gateway_reaches_a_kernel(self):
        gateway = self.launch(environ=self.secrets)
        env = self.environment_of(gateway, gateway.start())
        self.assertNotIn("canary", repr(env))
        self.assertNotIn(gateway.token, env.values())
        self.assertEqual(env["PATH"], gateway.environment["PATH"])
        self.assertEqual((env["KERNEL_GATEWAY"], env["JPY_PARENT_PID"]), ("1", str(gateway.pid)))

    def test_only_what_is_named_is_inherited_and_tokens_never(self):
        gateway = self.launch("--inherit-env", "DATABASE_URL", "--inherit-env", "AWS_*", environ=self.secrets)
        env = self.environment_of(gateway, gateway.start())
        self.assertEqual({name for name, value in env.items() if "canary" in value},
                         {"DATABASE_URL", "AWS_SECRET_ACCESS_KEY"})
        gateway = self.launch("--inherit-env", "*", environ=self.secrets)
        env = self.environment_of(gateway, gateway.start())
        self.assertEqual({name for name, value in env.items() if "canary" in value},
                         {"DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "PYTHONPATH",
                          "LD_LIBRARY_PATH"})

    def test_variables_of_a_client_arrive_verbatim_or_not_at_all(self):
        asked = {"KERNEL_X": "a $HOME ${PATH} $(id) `id` 'b' \"c\" \\ %s é =", "KERNEL_EMPTY": "",
                 "KERNEL_GATEWAY": "0", "KERNEL_ID": "mine", "MY_SETTING": "1", "PATH": "/evil",
                 "LD_PRELOAD": "/evil.so", "JPY_PARENT_PID": "1", "PERIJOVE_PROCESS": "forged"}
        gateway = self.launch()
        kernel = gateway.start(env=asked)
        env = self.environment_of(gateway, kernel)
        self.assertEqual((env["KERNEL_X"], env["KERNEL_EMPTY"]), (asked["KERNEL_X"], ""))
        self.assertEqual((env["KERNEL_GATEWAY"], env["KERNEL_ID"]), ("1", kernel))
        self.assertEqual((env["PATH"], env["JPY_PARENT_PID"]), (gateway.environment["PATH"], str(gateway.pid)))
        self.assertNotEqual(env["PERIJOVE_PROCESS"], "forged")
        self.assertEqual({"MY_SETTING", "LD_PRELOAD"} & set(env), set())

        gateway = self.launch("--client-env", "MY_*")
        env = self.environment_of(gateway, gateway.start(env=asked))
        self.assertEqual(env["MY_SETTING"], "1")
        self.assertNotIn("LD_PRELOAD", env)

    def test_variables_of_starts_at_the_same_time_never_mix(self):
        gateway = self.launch()

        def start_and_ask(number):
            kernel = gateway.start(env={"KERNEL_USERNAME": f"user-{number}", f"KERNEL_ONLY_{number}": "1"})
            return variables(gateway.run(kernel, "env"))

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            for number, env in enumerate(pool.map(start_and_ask, range(20))):
                self.assertEqual(env["KERNEL_USERNAME"], f"user-{number}")
                self.assertEqual([name for name in env if name.startswith("KERNEL_ONLY_")],
                                 [f"KERNEL_ONLY_{number}"])


class Descriptors(WithGateway):
    def test_a_kernel_has_no_descriptor_of_the_gateway_or_of_another_kernel(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            kernels = list(pool.map(lambda _: self.start(), range(8)))
        websockets = [self.open(kernel) for kernel in kernels]
        late = self.start()  # when the gateway has more to give away
        for channels in [*websockets, self.open(late)]:
            channels.run("1")
        gateway = set(descriptors(self.gateway.pid).values())
        seen = set()
        for kernel in [*kernels, late]:
            opened = descriptors(self.gateway.kernel_pid(kernel))
            self.assertEqual(opened[0], "/dev/null")
            self.assertEqual(opened[1], opened[2])
            self.assertRegex(opened[1], r"^pipe:")
            own = {name for number, name in opened.items() if number > 2}
            self.assertEqual([name for name in own if not name.startswith(("socket:", "anon_inode:"))], [])
            sockets = {name for name in own if name.startswith("socket:")}
            self.assertEqual((sockets & gateway, sockets & seen), (set(), set()))
            seen |= sockets

    def count(self):
        return len(descriptors(self.gateway.pid))

    def settled_count(self):
        """Once connections that have ended are closed: the same number, many times in a row."""
        counts = []
        wait_until(lambda: counts.append(self.count()) or len(counts) > 20 and len(set(counts[-20:])) == 1,
                   "the number of descriptors settles")
        return counts[-1]

    def settles_at(self, expected, what):
        wait_until(lambda: self.count() == expected, f"{what}: {expected} descriptors, not {self.count()}", 20)

    def test_each_kernel_costs_the_same_and_gives_all_back(self):
        self.gateway.run(warm := self.gateway.start(), "1")
        self.gateway.delete(warm)
        before = self.settled_count()
        kernels, counts = [], [before]
        for _ in range(6):
            kernels.append(self.gateway.start())
            self.gateway.run(kernels[-1], "1")
            counts.append(self.settled_count())
        costs = {after - earlier for earlier, after in zip(counts, counts[1:])}
        self.assertEqual(len(costs), 1, counts)
        self.assertLessEqual(max(costs), 16)
        for kernel in kernels:
            self.gateway.delete(kernel)
        self.settles_at(before, "after the deletes")

    def test_clients_share_the_sockets_of_a_kernel_and_leave_nothing_open(self):
        kernel = self.start()
        self.gateway.run(kernel, "1")
        before = self.settled_count()
        many = [self.open(kernel) for _ in range(20)]
        many[-1].run("1")
        self.assertEqual(self.settled_count(), before + len(many))
        for channels in many:
            channels.close()
        self.settles_at(before, "after 20 websockets")
        for i in range(200):
            channels = self.gateway.channels(kernel, session_id=f"session-{i}" if i % 2 else None)
            if i % 10 == 0:
                channels.run("1")
            channels.drop() if i % 3 == 0 else channels.close()
        self.settles_at(before, "after 200 websockets")

    def test_restarts_and_deaths_leave_nothing_open(self):
        kernel = self.start()
        channels = self.open(kernel)
        channels.run("1")
        before = self.settled_count()
        for _ in range(5):
            self.gateway.restart(kernel)
            channels.run("1")
        for _ in range(4):
            channels.run("die")
            channels.run("1")
        self.settles_at(before, "after restarts")


class ManyKernels(WithGateways):
    KERNELS = 1_000
    DESCRIPTORS = 18_000

    def test_a_thousand_kernels_live_at_the_same_time(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < self.DESCRIPTORS:
            self.skipTest(f"only {hard} files may be open (ulimit -Hn); {self.DESCRIPTORS} are needed")
        gateway = self.launch()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            kernels = list(pool.map(lambda _: gateway.start(), range(self.KERNELS)))
            answers = pool.map(lambda i: result(gateway.run(kernels[i], f"result {i}")), range(self.KERNELS))
            self.assertEqual(list(answers), [str(i) for i in range(self.KERNELS)])
            models = gateway.request("GET", "/api/kernels?perijove=1")[2]
            self.assertEqual({model["execution_state"] for model in models}, {"idle"})
            pids = {int(model["perijove"]["process"].partition("pid ")[2]) for model in models}
            self.assertEqual(len([pid for pid in pids if process_runs(pid)]), self.KERNELS)
            self.assertEqual(set(pool.map(gateway.delete, kernels)), {204})
        self.assertEqual([pid for pid in pids if process_runs(pid)], [])
        self.assertEqual(gateway.request("GET", "/api/kernels")[2], [])


class SideBySide(WithGateways):
    def test_two_gateways_do_not_disturb_one_another(self):
        first = self.launch()
        kernel = first.start()
        channels = self.open(first, kernel)
        channels.run("set x 41")
        second = self.launch(environ={"XDG_RUNTIME_DIR": first.environment["XDG_RUNTIME_DIR"]})
        other = second.start(kernel_id=kernel)  # even with the same id
        self.assertEqual(other, kernel)
        self.assertEqual(result(second.run(other, "result two")), "two")
        self.assertEqual([m["id"] for m in second.request("GET", "/api/kernels")[2]], [other])
        run_perijove("doctor", "--fix", environ={"XDG_RUNTIME_DIR": first.environment["XDG_RUNTIME_DIR"]})
        self.assertEqual(result(second.run(other, "result two")), "two")
        second.stop()
        self.assertEqual(result(channels.run("get x")), "41")

    def test_a_port_that_is_taken_is_named(self):
        port = str(self.launch().port)
        failed = run_perijove("serve", "--port", port)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn(port, failed.stderr)
        self.assertIn("in use", failed.stderr)

    # rows: K05
    def test_the_next_free_port_is_taken_when_that_is_asked_for(self):
        taken = self.launch().port
        gateway = self.launch("--port", str(taken), "--port-retries", "20")
        self.assertGreater(gateway.port, taken)


class CommandLine(WithGateways):
    def test_no_auth_is_refused_where_others_can_connect(self):
        for address in ("0.0.0.0", "::"):
            refused = run_perijove("serve", "--no-auth", "--ip", address, "--port", "0")
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("token", refused.stderr)
            self.assertNotIn("serving", refused.stdout)

    def test_it_serves_as_jupyter_kernelgateway_by_name(self):
        beside = self.launch()  # whose directories and environment the program may use
        program = beside.directory / "jupyter-kernelgateway"
        program.symlink_to(places.perijove_binary())
        gateway = Process(
            [str(program), "--KernelGatewayApp.port=0", "--KernelGatewayApp.auth_token", "secret",
             "--JupyterWebsocketPersonality.list_kernels=True"],
            ready=r"is available at (http://127\.0\.0\.1:(\d+))$", environment=beside.environment,
            directory=beside.directory)
        try:
            def ask(body=None):
                request = urllib.request.Request(gateway.ready.group(1) + "/api/kernels", data=body,
                                                 headers={"Authorization": "token secret"})
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                    return json.load(answer)

            model = ask(b'{"name": "perijove-echo"}')
            self.assertEqual([each["id"] for each in ask()], [model["id"]])
        finally:
            self.assertEqual(gateway.stop(), 0)


if __name__ == "__main__":
    unittest.main()
