"""The bash kernel: state, outputs, errors, interrupts, and what it leaves behind."""

import os
import signal
import tempfile

from guest_tests import GuestKernelTestCase, is_alive


class BashKernelTestCase(GuestKernelTestCase):
    kernel_name = "bash"

    def setUp(self):
        self.bash = self.started()

    def out(self, code):
        run = self.bash.run(code)
        self.assertEqual((run.error, run.stderr), (None, ""), code)
        return run.stdout

    def error(self, code):
        return self.bash.run(code).error


def exit_status(number):
    return ("CalledProcessError", f"exit status {number}")


class State(BashKernelTestCase):
    def test_persists_between_blocks(self):
        self.out("x='a  b'; export y=2; list=(1 '2 3'); declare -A map=([k]=v); cd /usr")
        self.out(
            "f() { local x=inner; echo \"f:$1:$x\"; }; alias hello='echo hello'; shopt -s extglob"
        )
        self.assertEqual(self.out("echo \"$x\"; sh -c 'echo $y'; pwd"), "a  b\n2\n/usr\n")
        self.assertEqual(
            self.out('echo "${list[1]} ${map[k]}"; f 1; hello'), "2 3 v\nf:1:inner\nhello\n"
        )
        self.assertEqual(self.out("[[ aab == +(a)b ]] && echo matches"), "matches\n")

    def test_the_last_status_is_known_to_the_next_block(self):
        self.assertEqual(self.error("(exit 7)"), exit_status(7))
        self.bash.ask("complete", "ec", 2)
        self.assertEqual(self.out("echo $?"), "7\n")

    def test_background_jobs_are_known_to_later_blocks(self):
        self.out("sleep 600 & job=$!")
        self.assertIn("sleep 600", self.out("jobs"))
        self.out("kill -0 $job")
        self.assertEqual(self.out("kill $job; wait $job 2>/dev/null; echo $?"), "143\n")

    def test_redirections_end_with_their_block(self):
        self.assertEqual(self.out("exec >/dev/null 2>&1; echo gone; echo gone >&2"), "")
        self.assertEqual(self.bash.run("echo here; echo there >&2").text, "here\nthere\n")

    def test_own_descriptors_last(self):
        with tempfile.TemporaryDirectory() as directory:
            self.out(f"exec 3>{directory}/file")
            self.out("echo kept >&3")
            self.out("exec 3>&-")
            with open(directory + "/file") as file:
                self.assertEqual(file.read(), "kept\n")

    def test_rc_files_and_prompt_commands_are_not_run(self):
        with tempfile.TemporaryDirectory() as home:
            for name in (".bashrc", ".bash_profile", ".profile"):
                with open(os.path.join(home, name), "w") as file:
                    file.write("echo from rc; touched=1\n")
            bash = self.started(HOME=home, PROMPT_COMMAND="touch $HOME/prompted", TMOUT="1")
            self.assertEqual(bash.run("echo ${touched-no}").text, "no\n")
            bash.run("PROMPT_COMMAND='echo prompt; touch $HOME/prompted2'; PS1='$(echo noise) '")
            self.assertEqual(bash.run("echo only this").text, "only this\n")
            bash.manager.shutdown_kernel()
            self.assertNotIn("prompted", os.listdir(home))
            self.assertNotIn(".bash_history", os.listdir(home))


class Outputs(BashKernelTestCase):
    def test_streams_are_apart_and_in_order(self):
        run = self.bash.run("echo out; sleep 0.2; echo err >&2; sleep 0.2; printf 'no newline'")
        self.assertEqual(run.text, "out\nerr\nno newline")
        self.assertEqual((run.stdout, run.stderr), ("out\nno newline", "err\n"))

    def test_come_while_the_block_runs(self):
        msg_id = self.bash.start("echo first; sleep 600", until="first\n")
        self.bash.interrupt()
        self.assertEqual(self.bash.finish(msg_id).error[0], "KeyboardInterrupt")

    def test_characters_are_never_cut(self):
        run = self.bash.run(
            "printf 'a\\xe2'; sleep 0.2; printf '\\x82'; sleep 0.2; printf '\\xacz'"
        )
        self.assertEqual(run.stdout, "a€z")
        text = self.out("for i in {1..20000}; do printf 'aé€😀'; done")
        self.assertEqual(text, "aé€😀" * 20000)

    def test_what_is_not_text_is_replaced(self):
        self.assertEqual(self.out(r"printf 'a\xff\0b\xe2'"), "a\ufffd\0b\ufffd")

    def test_of_background_jobs_come_with_the_last_block(self):
        msg_id = self.bash.client.execute("(sleep 0.3; echo late; echo later >&2) &")
        self.bash.finish(msg_id)
        texts = ""
        for message in self.bash.iopub(msg_id, until_idle=False):
            texts += message["content"]["text"]
            if "later\n" in texts:
                break
        self.assertEqual(sorted(texts.split()), ["late", "later"])

    def test_nothing_printed_can_pass_for_the_end(self):
        code = r"for fd in 1 2 3 4 5 200 201 202 203; do printf '2 0 - - x\0' >&$fd; done 2>/dev/null; sleep 0.3; echo end"
        for number in range(3):
            self.assertTrue(self.out(code).endswith("end\n"))
        self.assertEqual(self.out("echo 1; printf '%s' 'no end'; sleep 0.2; echo"), "1\nno end\n")

    def test_commands_get_no_descriptors_of_the_kernel(self):
        self.assertEqual(self.out("ls /proc/self/fd").split(), ["0", "1", "2", "3"])

    def test_to_the_terminal_appear_as_stderr(self):
        self.assertEqual(self.bash.run("echo question >/dev/tty; sleep 0.2").stderr, "question\n")

    def test_a_flood_arrives_whole(self):
        megabytes = 100
        msg_id = self.bash.client.execute(f"head -c {megabytes}000000 /dev/zero | tr '\\0' x")
        size = 0
        for message in self.bash.iopub(msg_id):
            if message["msg_type"] == "stream":
                size += len(message["content"]["text"])
        self.assertEqual(size, megabytes * 1000000)
        self.assertEqual(self.bash.reply(msg_id)["status"], "ok")


class Errors(BashKernelTestCase):
    def test_a_status_other_than_zero(self):
        run = self.bash.run("echo before\nfalse\n(exit 3)\n")
        self.assertEqual(run.error, exit_status(3))
        self.assertEqual(run.reply["traceback"], ["bash: line 3: exit status 3"])
        self.assertEqual(run.stdout, "before\n")

    def test_only_the_last_command_counts(self):
        self.assertEqual(self.out("false; echo ok"), "ok\n")
        self.assertEqual(self.error("true | false"), exit_status(1))
        self.assertIsNone(self.error("false | true"))
        self.assertEqual(self.error("set -o pipefail; false | true"), exit_status(1))

    def test_unknown_commands(self):
        run = self.bash.run("\n\nno-such-command-here")
        self.assertEqual(run.error, exit_status(127))
        self.assertEqual(run.traceback, "bash: line 3: exit status 127")
        self.assertIn("no-such-command-here: command not found", run.stderr)

    def test_code_that_is_not_whole(self):
        for code in (
            "if then",
            "echo 'open",
            'echo "open',
            "echo $(open",
            "f() {",
            "for x in",
            ")",
            "`",
            "${",
            "echo a &&",
            "echo <(open",
            "case x in a) echo $(open",
        ):
            with self.subTest(code):
                run = self.bash.run(code)
                self.assertEqual(run.error[0], "CalledProcessError")
                self.assertRegex(run.stderr, "syntax error|unexpected EOF")
                self.assertEqual(self.out("echo alive"), "alive\n")

    def test_an_open_heredoc(self):
        run = self.bash.run("cat <<END\ntext")
        self.assertEqual(run.stdout.strip(), "text")
        self.assertIn("here-document", run.stderr)
        self.assertEqual(self.out("echo alive"), "alive\n")

    def test_errors_that_abandon_the_line(self):
        self.out("kept=1; readonly fixed=1")
        for code in (
            "echo $((1/0)); echo no",
            "echo ${none?}; echo no",
            "set -u; echo $none; echo no",
            "f() { echo ${none?}; echo no; }; f; echo no",
        ):
            with self.subTest(code):
                run = self.bash.run(code)
                self.assertEqual(run.error[0], "CalledProcessError")
                self.assertEqual(run.stdout, "")
                self.assertEqual(self.out("set +u; echo $kept"), "1\n")

    def test_return_ends_the_block(self):
        self.assertEqual(self.error("return 4; echo no"), exit_status(4))
        self.assertIsNone(self.error("true; return"))

    def test_odd_code(self):
        for code, text in (
            ("", ""),
            ("   \n\n", ""),
            ("# comment", ""),
            ("#!/bin/sh\necho a", "a\n"),
            ("echo a \\\n", "a\n"),
            ("echo 'a\nb'", "a\nb\n"),
            ("echo a\r\n", "a\r\n"),
            ("echo é€😀", "é€😀\n"),
            ("cat <<E\n$((1+1))\nE\n", "2\n"),
            ("echo !! !x", "!! !x\n"),
        ):
            with self.subTest(code):
                self.assertEqual(self.out(code), text)
        self.assertEqual(self.out("x=" + "y" * 1_000_000 + "\necho ${#x}"), "1000000\n")

    def test_own_builtins_are_not_needed(self):
        self.out(
            "read() { :; }; printf() { :; }; eval() { :; }; source() { :; }; set() { :; }; kill() { :; }"
        )
        self.out("alias set=false; alias printf=false; alias __perijove_report=false")
        self.assertEqual(self.out("echo alive"), "alive\n")
        self.assertEqual(self.error("(exit 3)"), exit_status(3))


class Errexit(BashKernelTestCase):
    def test_ends_the_block_and_keeps_the_shell(self):
        run = self.bash.run("set -euo pipefail\nx=1\nf() {\n  (exit 5)\n  echo no\n}\nf\necho no")
        self.assertEqual(run.error, exit_status(5))
        self.assertEqual((run.stdout, run.stderr), ("", ""))
        self.assertEqual(self.out("echo $x"), "1\n")

    def test_lasts(self):
        self.out("set -e")
        self.assertEqual(self.bash.run("echo a\nfalse\necho no").stdout, "a\n")
        self.assertEqual(
            self.bash.run("echo b\nfalse | cat\necho c\n(exit 6)\necho no").stdout, "b\nc\n"
        )
        self.out("set +e")
        self.assertEqual(self.out("false; echo yes"), "yes\n")

    def test_conditions_do_not_count(self):
        self.assertEqual(self.error("set -e; [[ -e /none ]] && echo no"), exit_status(1))
        self.assertEqual(
            self.out("if false; then :; fi; false || echo yes; ! true; echo also"), "yes\nalso\n"
        )
        self.assertEqual(self.error("x=$(false; true); y=$(false); echo no"), exit_status(1))
        self.assertEqual(self.out("(false; echo yes) || echo no"), "yes\n")

    def test_with_a_trap_of_the_users_ends_the_shell_and_says_so(self):
        run = self.bash.run("set -e; trap 'echo cleaning' ERR; (exit 3); echo no")
        self.assertEqual(run.error, ("SystemExit", "3"))
        self.assertEqual(run.stdout, "cleaning\n")
        self.assertIn("fresh", run.stderr)
        self.assertEqual(self.out("echo alive"), "alive\n")


class Exit(BashKernelTestCase):
    def test_ends_the_shell(self):
        self.out("x=1; trap 'echo bye' EXIT")
        run = self.bash.run("echo a; exit 3; echo no")
        self.assertEqual(run.error, ("SystemExit", "3"))
        self.assertEqual(run.stdout, "a\nbye\n")
        self.assertIn("next block starts a fresh one", run.stderr)
        self.assertEqual(self.out("echo ${x-unset}"), "unset\n")

    def test_zero_is_no_error(self):
        run = self.bash.run("exit")
        self.assertIsNone(run.error)
        self.assertIn("fresh", run.stderr)

    def test_in_a_subshell_is_an_ordinary_status(self):
        self.out("x=1")
        self.assertEqual(self.error("(exit 3)"), exit_status(3))
        self.assertEqual(self.out("echo $x"), "1\n")

    def test_exec(self):
        run = self.bash.run("exec sh -c 'echo from sh; exit 4'")
        self.assertEqual((run.error, run.stdout), (("SystemExit", "4"), "from sh\n"))
        self.assertEqual(self.out("echo fresh"), "fresh\n")

    def test_a_killed_shell(self):
        self.assertEqual(self.error("kill -KILL $$"), exit_status(137))
        self.assertEqual(self.out("echo fresh"), "fresh\n")

    def test_takes_its_jobs_along(self):
        self.bash.run("sleep 600 & setsid sleep 600 & exit 0")
        self.assertEqual(self.bash.descendants(), [])


class Stdin(BashKernelTestCase):
    def test_is_empty(self):
        self.assertEqual(self.error("read line"), exit_status(1))
        self.assertEqual(self.out("cat; wc -c; echo on"), "0\non\n")
        self.assertEqual(
            self.out("read a b <<< '1 2'; echo $b; echo x | { read y; echo $y; }"), "2\nx\n"
        )


class Interrupts(BashKernelTestCase):
    FOR_EVER = (
        "echo go; sleep 600",
        "echo go; while :; do :; done",
        "echo go; while :; do sleep 0.01; done",
        "echo go; while :; do /bin/true; done",
        "echo go; sleep 600 | cat | cat",
        "echo go; x=$(sleep 600)",
        "echo go; (while :; do :; done)",
        "f() { echo go; sleep 600; }; f",
        "echo go; wait_for() { sleep 600 & wait; }; wait_for",
        "echo go; read x </dev/tty",
        "echo go; set -m; set +m; sleep 600",
        "echo go; sh -c 'while :; do sleep 600; done'",
    )

    def ended(self, code, interrupt):
        # An interrupt in the very moment in which bash starts a command may end that command only:
        # so there is one more to end.
        self.bash.run("state=before")
        msg_id = self.bash.start(
            "state=kept\n" + code + "\necho not-reached; sleep 600", until="go\n"
        )
        interrupt()
        run = self.bash.finish(msg_id)
        self.assertEqual(run.error, ("KeyboardInterrupt", ""))
        self.assertEqual(self.out("set -m; echo $state"), "kept\n")

    def test_by_message(self):
        for code in self.FOR_EVER:
            with self.subTest(code):
                self.ended(code, self.bash.interrupt)

    def test_by_signal_to_the_group(self):
        for code in self.FOR_EVER:
            with self.subTest(code):
                self.ended(code, lambda: os.killpg(self.bash.pid, signal.SIGINT))

    def test_are_never_lost_between_short_commands(self):
        for _ in range(30):
            self.ended("echo go; while :; do /bin/true; x=$(echo); done", self.bash.interrupt)

    def test_late_ones_do_not_reach_the_next_block(self):
        for _ in range(30):
            self.bash.interrupt()
            run = self.bash.run("sleep 0.005; echo done")
            self.bash.interrupt()
            if run.error is None:
                self.assertEqual(run.stdout, "done\n")
            else:
                self.assertEqual(run.error, ("KeyboardInterrupt", ""))
        # Answered on control after all of them.
        self.bash.client.control_channel.send(self.bash.client.session.msg("kernel_info_request"))
        run = self.bash.run("echo alive")
        while run.error:
            run = self.bash.run("echo alive")
        self.assertEqual(run.stdout, "alive\n")

    def test_background_jobs_live_on(self):
        self.out("sleep 600 & job=$!")
        self.ended("echo go; sleep 600", self.bash.interrupt)
        self.out("kill -0 $job")

    def test_a_program_may_take_it_for_something_else(self):
        msg_id = self.bash.start(
            "bash -c 'trap \"echo caught; exit 0\" INT; echo go; while :; do sleep 0.01; done'",
            until="go\n",
        )
        self.bash.interrupt()
        run = self.bash.finish(msg_id)
        self.assertIsNone(run.error)
        self.assertEqual(run.stdout.strip(), "caught")


class End(BashKernelTestCase):
    STARTED = "sleep 600 & setsid sleep 600 & nohup sleep 600 >/dev/null 2>&1 & (setsid sh -c 'sleep 600 & sleep 600' &); sleep 0.2"

    def strays(self):
        pids = self.bash.descendants()
        self.assertGreaterEqual(len(pids), 6)
        for pid in pids:
            self.end_later(pid)
        return pids

    def gone(self, pids):
        self.wait_until(lambda: not any(map(is_alive, pids)))

    def test_shutdown_leaves_no_process(self):
        self.bash.run(self.STARTED)
        pids = self.strays()
        self.bash.manager.shutdown_kernel()
        self.gone(pids)

    def test_shutdown_of_a_busy_kernel_leaves_no_process(self):
        for code in ("sleep 600", "trap '' INT HUP TERM; while :; do sleep 1; done"):
            with self.subTest(code):
                self.setUp()
                self.bash.start(self.STARTED + "; echo go; " + code, until="go\n")
                pids = self.strays()
                self.bash.manager.shutdown_kernel()
                self.gone(pids)

    def test_a_killed_kernel_takes_its_shell_along(self):
        self.out("sleep 600 &")
        pids = self.bash.descendants()
        for pid in pids:
            self.end_later(pid)
        os.kill(self.bash.pid, signal.SIGKILL)
        self.gone(pids)

    def test_zombies_are_collected(self):
        self.out("for i in {1..20}; do (setsid true &); done; sleep 0.2")
        self.out("true")
        with os.popen(f"ps --ppid {self.bash.pid} -o stat=") as pipe:
            self.assertNotIn("Z", pipe.read())


class Requests(BashKernelTestCase):
    def test_kernel_info(self):
        info = self.bash.ask("kernel_info")
        self.assertEqual(info["language_info"]["name"], "bash")
        self.assertRegex(info["language_info"]["version"], r"^\d+\.\d+")

    def test_is_complete(self):
        for status, codes in {
            "complete": ("echo a", "for x in 1; do echo; done", "# comment", "", "[[ a == +(a) ]]"),
            "incomplete": (
                "for x in 1; do",
                "echo 'a",
                'echo "a',
                "echo a \\",
                "cat <<E\na",
                "f() {",
                "echo $(",
            ),
            "invalid": ("fi", "echo )", "for x in; in"),
        }.items():
            for code in codes:
                with self.subTest(code):
                    self.assertEqual(self.bash.ask("is_complete", code)["status"], status)

    def matches(self, code):
        reply = self.bash.ask("complete", code, len(code))
        self.assertEqual(reply["cursor_end"], len(code))
        return [code[: reply["cursor_start"]] + match for match in reply["matches"]]

    def test_completion_knows_the_shell(self):
        self.out("my_variable=1; my_function() { :; }; cd /usr")
        self.assertEqual(self.matches("echo é $my_va"), ["echo é $my_variable"])
        self.assertEqual(self.matches("echo ${my_va"), ["echo ${my_variable"])
        self.assertEqual(self.matches("true; my_func"), ["true; my_function"])
        self.assertIn("ls ./bin/", self.matches("ls ./b"))
        self.assertIn("ls bin/", self.matches("ls b"))
        self.assertEqual(self.matches("echo it's_none"), [])
        self.assertEqual(self.matches("__perijove_"), [])
        self.assertGreater(len(self.matches("")), 50)
        self.assertEqual(self.out("echo alive"), "alive\n")

    def test_inspection_finds_nothing(self):
        self.assertFalse(self.bash.ask("inspect", "ls", 2)["found"])
