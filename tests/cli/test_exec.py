"""`perijove exec`: programs and markdown in one kernel."""

import os
import pathlib
import signal

from support import BINARY, ECHO, CliTestCase, eventually, is_running


class ExecOutput(CliTestCase):
    def test_what_code_prints_goes_to_stdout_and_nothing_else_does(self):
        done = self.exec_echo("print one", "stderr two", "write three")
        self.assertEqual((done.code, done.out, done.err), (0, "one\nthree", "two\n"))

    def test_the_last_value_is_printed_as_text(self):
        self.assertEqual(self.exec_echo("result 42").out, "42\n")

    def test_chunks_arrive_while_the_code_runs(self):
        running = self.begin("exec", "-k", ECHO, "-c", "print early\nsleep 60")
        running.wait_for("early")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait().code, 128 + signal.SIGTERM)

    def test_a_hundred_thousand_lines_are_all_there(self):
        done = self.exec_echo("lines 100000")
        self.assertEqual(done.out.split(), [str(n) for n in range(1, 100_001)])

    def test_images_and_html_become_files_with_names_from_their_position(self):
        done = self.exec_echo("print x", "png", "html <b>bold</b>", "result plain")
        names = sorted(path.name for path in (self.directory / "out/code").iterdir())
        self.assertEqual(names, ["code-001-01.png", "code-001-02.html"])
        self.assertEqual((self.directory / "out/code/code-001-02.html").read_text(), "<b>bold</b>")
        self.assertIn("-> out/code/code-001-01.png", done.err)

    def test_without_such_outputs_no_directory_is_made(self):
        self.exec_echo("print x")
        self.assertFalse((self.directory / "out").exists())

    def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(self):
        victim = self.write("victim", "precious")
        (self.directory / "w").mkdir()
        (self.directory / "w/code-001-00.html").symlink_to(victim)
        self.exec_echo("html new", options=["--work-dir", "w"])
        self.assertEqual(victim.read_text(), "precious")
        self.assertEqual((self.directory / "w/code-001-00.html").read_text(), "new")

    def test_data_that_is_not_the_base64_it_should_be_is_reported(self):
        done = self.exec_echo("display image/png ***")
        self.assertEqual(done.code, 74)
        self.assertIn("cannot save code-001-00.png", done.err)

    def test_json_is_all_there_is_on_stdout(self):
        done = self.exec_echo("print one", "html <i>", "error ValueError bad", options=["--json"])
        summary = done.json
        self.assertEqual(done.code, 1)
        self.assertEqual(summary["status"], "error")
        self.assertEqual(summary["exit_code"], 1)
        self.assertEqual(summary["blocks"][0]["error"]["name"], "ValueError")
        self.assertEqual(pathlib.Path(summary["files"][0]["path"]).name, "code-001-01.html")
        self.assertTrue(summary["text"].startswith("one\n"))

    def test_colours_of_a_traceback_are_only_for_terminals(self):
        done = self.exec_echo("traceback ValueError bad")
        self.assertIn("ValueError", done.err)
        self.assertNotIn("\x1b", done.err)

    def test_a_reader_that_goes_ends_the_code(self):
        ours, theirs = os.pipe()
        running = self.begin("exec", "-k", ECHO, "-c", "pid\nlines 100000000", stdout=theirs)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            pid = int(pipe.readline())
        self.assertEqual(running.wait().code, 128 + signal.SIGPIPE)
        self.assertFalse(is_running(pid))


class ExecEndings(CliTestCase):
    def test_an_error_is_exit_code_1(self):
        done = self.exec_echo("error ValueError bad")
        self.assertEqual(done.code, 1)
        self.assertIn("ValueError: bad", done.err)

    def test_system_exit_gives_its_own_code(self):
        for said, code in (("3", 3), ("0", 0), ("None", 0), ("256", 0), ("-1", 255)):
            with self.subTest(said):
                done = self.exec_echo(f"error SystemExit {said}")
                self.assertEqual((done.code, done.err), (code, ""))

    def test_system_exit_with_a_text_prints_it(self):
        done = self.exec_echo("error SystemExit out of cheese")
        self.assertEqual((done.code, done.err), (1, "out of cheese\n"))

    def test_code_out_of_time_is_interrupted_with_124(self):
        done = self.exec_echo("print begun", "sleep 60", options=["--timeout", "0.2"])
        self.assertEqual((done.code, done.out), (124, "begun\n"))
        self.assertIn("time limit of 200 ms", done.err)

    def test_code_that_will_not_yield_is_killed(self):
        done = self.exec_echo("pid", "ignore-interrupt on", "sleep 600",
                              options=["--timeout", "0.1"])
        self.assertEqual(done.code, 124)
        self.assertIn("did not yield", done.err)
        self.assertFalse(is_running(int(done.out)))

    def test_a_kernel_that_dies_says_how_once(self):
        done = self.exec_echo("print last words", "sleep 0.1", "die 3")
        self.assertEqual((done.code, done.out), (1, "last words\n"))
        self.assertEqual(done.err.count("exited with code 3"), 1)

    def test_a_kernel_that_forgets_its_reply_ends_all_the_same(self):
        done = self.exec_echo("print x", "no-reply")
        self.assertEqual((done.code, done.out), (0, "x\n"))
        self.assertIn("sent no execute_reply", done.err)

    def test_a_kernel_that_does_not_start_shows_its_own_words(self):
        done = self.perijove("exec", "-k", ECHO, "-c", "print x",
                             environment={"PERIJOVE_ECHO_OPTIONS": "--fail-start"})
        self.assertEqual(done.code, 0, "the kernel does not get our variables by itself")
        done = self.perijove("exec", "-k", ECHO, "-c", "print x",
                             "--env", "PERIJOVE_ECHO_OPTIONS=--fail-start")
        self.assertEqual(done.code, 69)
        self.assertIn("its last output:", done.err)

    def test_a_kernel_that_takes_too_long_to_start_is_ended(self):
        done = self.perijove("exec", "-k", ECHO, "-c", "print x", "--start-timeout", "0.3",
                             "--env", "PERIJOVE_ECHO_OPTIONS=--start-delay 60")
        self.assertEqual(done.code, 124)

    def test_ctrl_c_interrupts_the_code_and_ends_in_order(self):
        running = self.begin("exec", "-k", ECHO, "-c", "pid\nsleep 60")
        pid = int(running.wait_for("").strip())
        running.signal(signal.SIGINT)
        self.assertEqual(running.wait().code, 130)
        self.assertFalse(is_running(pid))

    def test_ctrl_c_twice_ends_at_once(self):
        running = self.begin("exec", "-k", ECHO, "-c", "pid\nignore-interrupt on\nprint on\nsleep 60")
        running.wait_for("on\n")
        pid = int(running.wait_for(""))
        running.signal(signal.SIGINT)
        running.signal(signal.SIGTERM)
        # Which of two signals that wait at the same time comes first is the system's choice.
        self.assertIn(running.wait().code, (130, 143))
        self.assertFalse(is_running(pid))

    def test_signals_that_are_ignored_stay_so(self):
        running = self.begin("-c", "trap '' HUP INT; exec \"$0\" \"$@\"", BINARY, "exec", "-k", ECHO,
                             "-c", "print begun\nsleep 1\nprint end", binary="/bin/sh")
        running.wait_for("begun")
        running.signal(signal.SIGHUP)
        running.signal(signal.SIGINT)
        self.assertEqual(running.wait().out, "begun\nend\n")

    def test_the_kernel_of_a_killed_command_ends_with_the_next_one(self):
        pid = self.leave_stray()
        self.assertTrue(is_running(pid))
        self.exec_echo("print x")
        eventually(lambda: not is_running(pid), "the stray kernel has ended")


class ExecInput(CliTestCase):
    def test_input_reads_what_is_piped_in(self):
        done = self.perijove("exec", "-k", ECHO, "-c", "input first?\ninput second?",
                             stdin="one\ntwo\n")
        # A question may overtake the output before it: they come on different sockets.
        self.assertLess(done.out.index("first?"), done.out.index("second?"))
        self.assertEqual(done.out.replace("first?", "").replace("second?", ""), "one\ntwo\n")

    def test_input_behind_the_end_is_the_end_of_file_character(self):
        done = self.perijove("exec", "-k", ECHO, "-c", "input ?")
        self.assertEqual(done.out, "?\x04\n")

    def test_a_program_from_stdin_gets_no_input(self):
        done = self.perijove("exec", "-k", ECHO, "-", stdin="input ?\nprint never")
        self.assertEqual(done.code, 1)
        self.assertIn("StdinNotImplementedError", done.err)

    def test_a_file_that_is_piped_in_is_read_to_its_end(self):
        path = self.write("lines", "one\n")
        with open(path) as file:
            done = self.begin("exec", "-k", ECHO, "-c", "input ?", stdin=file).wait()
        self.assertEqual(done.out, "?one\n")


class ExecSources(CliTestCase):
    def test_a_file_runs_in_the_current_directory(self):
        self.write("below/prog.txt", "cwd")
        done = self.perijove("exec", "-k", ECHO, "below/prog.txt")
        self.assertEqual(done.out, f"{self.directory}\n")

    def test_cwd_and_env_are_passed_on(self):
        (self.directory / "there").mkdir()
        done = self.perijove("exec", "-k", ECHO, "--cwd", "there", "--env", "A=b c",
                             "--inherit-env", "MINE_*", "-c", "cwd\nenv A\nenv MINE_1",
                             environment={"MINE_1": "x", "OTHER": "y"})
        self.assertEqual(done.out, f"{self.directory}/there\nb c\nx\n")

    def test_markdown_blocks_share_their_state(self):
        path = self.write("a.md", "# Title\n```echo\nset x 41\n```\ntext\n```console\n$ ls\n```\n"
                                  "- item\n  ```echo\n  get x\n  ```\n")
        done = self.perijove("exec", path)
        self.assertEqual((done.code, done.out), (0, "41\n"))
        self.assertIn("[2/2] line 10: get x", done.err)

    def test_a_block_of_another_language_is_refused_with_its_line(self):
        path = self.write("a.md", "```echo\nprint x\n```\n\n```python\n1\n```\n")
        done = self.perijove("exec", path)
        self.assertEqual((done.code, done.out), (1, ""))
        self.assertIn("line 5 is python", done.err)
        self.assertEqual(self.perijove("exec", "--skip-others", path).out, "x\n")

    def test_the_kernel_that_is_named_decides_which_blocks_are_its_own(self):
        path = self.write("a.md", "```python\n1\n```\n```echo\nprint x\n```\n")
        done = self.perijove("exec", "-k", ECHO, "--skip-others", path)
        self.assertEqual(done.out, "x\n")

    def test_blocks_stop_at_the_first_error_unless_allowed(self):
        path = self.write("a.md", "```echo\nerror E x\n```\n```echo\nprint on\n```\n")
        self.assertEqual(self.perijove("exec", path).out, "")
        done = self.perijove("exec", "--allow-errors", path)
        self.assertEqual((done.code, done.out), (0, "on\n"))

    def test_nothing_runs_on_in_a_kernel_that_lost_its_state(self):
        path = self.write("a.md", "```echo\nset x 1\ndie\n```\n```echo\nget x\n```\n")
        done = self.perijove("exec", "--allow-errors", "--json", path)
        self.assertEqual(done.code, 1)
        self.assertEqual(done.json["status"], "died")
        self.assertTrue(done.json["state_lost"])
        self.assertEqual(len(done.json["blocks"]), 1)

    def test_mistakes_are_explained(self):
        self.write("a.xyz", "1")
        self.write("n.ipynb", "{}")
        for arguments, code, words in (
                (["exec"], 64, "name one source of code"),
                (["exec", "a.xyz", "-c", "1"], 64, "name one source of code"),
                (["exec", "a.xyz"], 64, "--language"),
                (["exec", "gone.py"], 66, "gone.py"),
                (["exec", "n.ipynb"], 64, "perijove run n.ipynb"),
                (["exec", "-k", "perijove-ecko", "-c", "1"], 66, "did you mean 'perijove-echo'"),
                (["exec", "-c", "1", "--timeout", "soon"], 64, "--timeout must be a number"),
                (["exec", "-c", "1", "--env", "A"], 64, "NAME=VALUE"),
                (["exec", "-c", "1", "--env", "A-B=1"], 64, "variable names"),
                (["exec", "-c", "1", "--cwd", "gone"], 66, "no such directory"),
                (["exec", "-c", "1", "--alow-errors"], 64, "did you mean '--allow-errors'"),
        ):
            with self.subTest(arguments):
                done = self.perijove(*arguments)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(words, done.err)
                self.assertEqual(done.out, "")
