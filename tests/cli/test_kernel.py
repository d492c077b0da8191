"""`perijove kernel`, `kernelspec`, `doctor`, `completion`: a user looks around."""

import json
import os
import signal
import subprocess

from support import BINARY, ECHO, CliTestCase, eventually, get_json, is_running


class KernelCommand(CliTestCase):
    def test_a_kernel_is_started_listed_and_ended(self):
        self.serve()
        started = self.perijove("kernel", "start", ECHO)
        self.assertEqual(started.code, 0)
        identifier = started.out.strip()
        listed = self.perijove("kernel", "list")
        self.assertRegex(listed.out, rf"{identifier} +{ECHO} +idle +0 ")
        self.assertEqual(self.perijove("kernel", "shutdown", identifier[:6]).code, 0)
        self.assertEqual(self.perijove("kernel", "list").out, "")

    def test_list_shows_process_and_directory_as_json(self):
        self.serve()
        self.perijove("kernel", "start", ECHO)
        [kernel] = self.perijove("kernel", "list", "--json").json
        self.assertEqual(kernel["perijove"]["work_dir"], str(self.directory))
        self.assertTrue(is_running(int(kernel["perijove"]["process"].split()[1])))

    def test_restart_keeps_the_id_and_changes_the_process(self):
        self.serve()
        identifier = self.perijove("kernel", "start", ECHO).out.strip()
        def process():
            return self.perijove("kernel", "list", "--json").json[0]["perijove"]["process"]
        before = process()
        self.assertEqual(self.perijove("kernel", "restart", identifier).code, 0)
        self.assertNotEqual(process(), before)

    def test_interrupt_takes_beginnings_of_ids_and_all(self):
        self.serve()
        for _ in range(2):
            self.perijove("kernel", "start", ECHO)
        self.assertEqual(self.perijove("kernel", "interrupt", "--all").err.count("interrupted"), 2)
        done = self.perijove("kernel", "interrupt", "nothing")
        self.assertEqual(done.code, 66)
        self.assertIn("`perijove kernel list`", done.err)
        self.assertEqual(self.perijove("kernel", "interrupt").code, 64)

    def test_logs_show_what_the_process_wrote(self):
        self.serve()
        done = self.perijove("kernel", "start", "perijove-words")
        self.assertEqual(done.code, 66)
        spec = self.directory / "share/jupyter/kernels/words"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(json.dumps({
            "argv": ["sh", "-c", "echo last words; exit 3"], "display_name": "W",
            "language": "x"}))
        _, url = self.serve(environment={"JUPYTER_PATH": str(self.directory / "share/jupyter")})
        done = self.perijove("kernel", "start", "words", "--url", url)
        self.assertEqual(done.code, 69)
        self.assertIn("did not start", done.err)
        [kernel] = self.perijove("kernel", "list", "--json", "--url", url).json
        self.assertEqual(kernel["execution_state"], "dead")
        logs = self.perijove("kernel", "logs", "--url", url, kernel["id"][:8])
        self.assertIn("last words", logs.out)

    def test_which_gateway_is_meant_must_be_clear(self):
        done = self.perijove("kernel", "list")
        self.assertEqual(done.code, 66)
        self.assertIn("`perijove serve`", done.err)
        _, first = self.serve()
        _, second = self.serve()
        done = self.perijove("kernel", "list")
        self.assertEqual(done.code, 1)
        self.assertIn(second.split("?")[0], done.err)
        self.assertNotIn("token=", done.err)
        # Its own file knows the token.
        self.assertEqual(self.perijove("kernel", "list", "--url", first.split("?")[0]).code, 0)
        done = self.perijove("kernel", "list", "--url", first.split("?")[0], "--token", "wrong")
        self.assertEqual(done.code, 77)
        self.assertIn("--token", done.err)
        for url, code, words in (("http://127.0.0.1:1/", 69, "cannot reach"),
                                 ("https://127.0.0.1/", 64, "https"),
                                 ("nonsense", 64, "not a URL")):
            with self.subTest(url):
                done = self.perijove("kernel", "list", "--url", url)
                self.assertEqual(done.code, code)
                self.assertIn(words, done.err)


class LookAround(CliTestCase):
    def test_kernelspec_list_shows_what_is_there_and_what_is_broken(self):
        broken = self.write("share/kernels/broken/kernel.json", "{")
        self.environment["JUPYTER_PATH"] += f":{self.directory}/share"
        done = self.perijove("kernelspec", "list")
        self.assertEqual(done.code, 0)
        self.assertRegex(done.out, rf"{ECHO} .*echo +Perijove echo ")
        self.assertIn(f"broken: {broken}", done.err)
        self.assertIn(f"{self.directory}/share/kernels", done.err)
        found = self.perijove("kernelspec", "list", "--json").json
        self.assertEqual(found["kernelspecs"][ECHO]["language"], "echo")
        self.assertEqual(found["broken"][0]["path"], str(broken))

    def test_doctor_finds_nothing_wrong_with_a_sound_machine_or_says_what(self):
        done = self.perijove("doctor", "--json")
        problems = [finding for finding in done.json["findings"]
                    if finding["verdict"] == "problem"]
        self.assertEqual(done.code, 1 if problems else 0)
        self.assertEqual(done.json["sound"], not problems)
        self.assertTrue(all(finding["remedy"] for finding in problems))

    def test_doctor_names_problems_and_remedies(self):
        self.write("share/kernels/broken/kernel.json", "{")
        self.write("share/kernels/gone/kernel.json",
                   json.dumps({"argv": ["/no/such/program"], "display_name": "G", "language": "x"}))
        self.environment["JUPYTER_PATH"] += f":{self.directory}/share"
        done = self.perijove("doctor", "--runtime-dir", "/tmp/" + "x" * 90)
        self.assertEqual(done.code, 1)
        for words in ("broken/kernel.json", "cannot run /no/such/program",
                      "is too long by"):
            self.assertIn(words, done.out)

    def test_doctor_offers_to_end_strays_and_does(self):
        pid = self.leave_stray()
        done = self.perijove("doctor")
        self.assertEqual(done.code, 1)
        self.assertIn("with 1 running process", done.out)
        self.assertTrue(is_running(pid))
        self.assertIn("removed", self.perijove("doctor", "--fix").out)
        eventually(lambda: not is_running(pid), "the stray kernel has ended")
        self.assertNotIn("strays", self.perijove("doctor").out)

    def test_version_and_help(self):
        self.assertRegex(self.perijove("--version").out, r"^perijove [0-9]+\.[0-9]+\.[0-9]+\n$")
        for command in ([], ["run"], ["exec"], ["serve"], ["kernel"], ["kernel", "logs"],
                        ["kernelspec"], ["doctor"], ["completion"]):
            with self.subTest(command):
                done = self.perijove(*command, "--help")
                self.assertEqual((done.code, done.err), (0, ""))
                self.assertLessEqual(max(map(len, done.out.splitlines())), 100)

    def test_a_command_that_is_not_there_gets_a_hint(self):
        done = self.perijove("exce", "x.py")
        self.assertEqual(done.code, 64)
        self.assertIn("did you mean 'exec'?", done.err)

    def test_bash_completes_commands_and_options(self):
        script = self.perijove("completion", "bash").out
        def complete(*words):
            run = subprocess.run(
                ["bash", "-c", script + "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))"
                 "; _perijove; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", *words],
                capture_output=True, text=True, cwd=self.directory, check=True)
            return run.stdout.split()
        self.assertEqual(complete("perijove", "ex"), ["exec"])
        self.assertEqual(complete("perijove", "kernel", "sh"), ["shutdown"])
        self.assertEqual(complete("perijove", "run", "--allow"), ["--allow-errors"])
        self.write("a.ipynb", "")
        self.assertIn("a.ipynb", complete("perijove", "run", "a"))

    def test_zsh_and_fish_have_scripts_too(self):
        self.assertIn("bashcompinit", self.perijove("completion", "zsh").out)
        self.assertIn("complete -c perijove", self.perijove("completion", "fish").out)
        self.assertEqual(self.perijove("completion", "csh").code, 64)


class KernelGateway(CliTestCase):
    """The binary by the name that AG2, AutoGen, smolagents and OpenHands start."""

    def setUp(self):
        super().setUp()
        self.binary = self.directory / "jupyter-kernelgateway"
        self.binary.symlink_to(BINARY)

    def gateway(self, *arguments, **environment):
        running = self.begin(*arguments, binary=self.binary, environment=environment)
        line = running.wait_for("is available at", "err")
        return running, line.strip()

    def test_ag2_reads_the_port_behind_the_last_colon_of_a_line_on_stderr(self):
        running, line = self.gateway(
            "--KernelGatewayApp.ip", "127.0.0.1", "--KernelGatewayApp.auth_token", "t",
            "--JupyterApp.answer_yes", "true", "--JupyterApp.logging_config",
            json.dumps({"handlers": {"file": {"level": "DEBUG"}}}),
            "--JupyterWebsocketPersonality.list_kernels", "true",
            "--KernelGatewayApp.port", "0", "--KernelGatewayApp.port_retries", "0")
        self.assertTrue(line.startswith("[KernelGatewayApp] Jupyter Kernel Gateway "))
        port = int(line.split(":")[-1])
        self.assertEqual(get_json(f"http://127.0.0.1:{port}/?token=t", "api/kernels"), (200, []))
        self.assertNotIn("ERROR:", running.so_far("err"))

    def test_openhands_waits_for_a_line_with_at_on_stdout(self):
        running, _ = self.gateway("--KernelGatewayApp.ip=0.0.0.0", "--KernelGatewayApp.port=0",
                                  PERIJOVE_ALLOW_NO_AUTH="1")
        running.wait_for("at", "out")

    def test_smolagents_gives_the_token_as_a_variable(self):
        _, line = self.gateway("--KernelGatewayApp.ip=0.0.0.0", "--KernelGatewayApp.port=0",
                               KG_AUTH_TOKEN="secret")
        port = int(line.split(":")[-1])
        url = f"http://127.0.0.1:{port}/"
        self.assertEqual(get_json(url, "api/kernelspecs")[0], 401)
        self.assertEqual(get_json(url + "?token=secret", "api/kernelspecs")[0], 200)
        self.assertEqual(get_json(url + "?token=secret", "api/kernels")[0], 403)

    def test_without_a_token_others_are_not_let_in(self):
        done = self.perijove("--KernelGatewayApp.ip=0.0.0.0", "--KernelGatewayApp.port=0",
                             binary=self.binary)
        self.assertEqual(done.code, 77)
        self.assertIn("ERROR:", done.err)
        self.assertIn("PERIJOVE_ALLOW_NO_AUTH=1", done.err)

    def test_version_succeeds(self):
        done = self.perijove("--version", binary=self.binary)
        self.assertEqual(done.code, 0)
        self.assertRegex(done.out, r"^[0-9]+\.[0-9]+\.[0-9]+\n$")

    def test_unknown_options_are_warned_of_and_what_cannot_be_left_out_is_refused(self):
        running, _ = self.gateway("--KernelGatewayApp.port=0", "--Foo.bar", "3", "--Foo.flag")
        running.wait_for("--Foo.bar is ignored", "err")
        for argument in ("--KernelGatewayApp.certfile=x", "--api=notebook-http",
                         "--KernelGatewayApp.seed_uri=x.ipynb"):
            with self.subTest(argument):
                done = self.perijove(argument, binary=self.binary)
                self.assertEqual(done.code, 1)
                self.assertIn("ERROR:", done.err)

    def test_jupyter_finds_it_on_the_path(self):
        probe = subprocess.run(["/usr/bin/python3", "-c", "import jupyter_core"],
                               capture_output=True)
        if probe.returncode != 0:
            self.skipTest("python3-jupyter-core is not installed")
        path = f"{self.directory}:{os.environ['PATH']}"
        done = self.perijove("-m", "jupyter", "kernelgateway", "--version",
                             binary="/usr/bin/python3", environment={"PATH": path})
        self.assertEqual(done.code, 0, done.err)
