"""What requests and sessions say about whether, where and how often code runs."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from gateway import WithGateway, wait_until


class WithSessions(WithGateway):
    def ask(self, method, path, status, body=None):
        got, _, answer = self.gateway.request(method, path, body)
        if isinstance(answer, bytes) and answer:
            answer = json.loads(answer)  # application/problem+json
        self.assertEqual(got, status, answer)
        return answer

    def session(self, status=201, **body):
        answer = self.ask("POST", "/v1/sessions", status, {"kernel": "python3", **body})
        if status == 201:
            self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{answer['session_id']}")
        return answer

    def begin(self, session, code, **body):
        """The id of an execution that goes on by itself."""
        what = {"code": code} if isinstance(code, str) else {"blocks": code}
        return self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 202,
                        {**what, "mode": "async", **body})["execution_id"]

    def run_code(self, session, code, **body):
        return self.wait(self.begin(session, code, **body))

    def wait(self, execution):
        return self.ask("GET", f"/v1/executions/{execution}?wait_s=60", 200)

    def events(self, execution, kind):
        _, _, text = self.gateway.request("GET", f"/v1/executions/{execution}/events")
        lines = text.decode() if isinstance(text, bytes) else text
        return [event for event in map(json.loads, lines.splitlines()) if event["type"] == kind]

    def directory(self, session):
        return pathlib.Path(session["work_dir"])


class Validation(WithSessions):
    def test_denied_code_is_not_run_nor_is_any_other_block(self):
        session = self.session()
        result = self.run_code(session, [{"code": "open('made', 'w')"},
                                         {"code": "x = 1\nfrom os import system"}],
                               policy={"validate": "deny", "profile": "strict"})
        self.assertEqual((result["status"], result["exit_code"]), ("denied", 1))
        self.assertEqual((result["error"]["type"], result["error"]["block"]),
                         ("validation_failed", 0))
        self.assertFalse((self.directory(session) / "made").exists())
        result = self.run_code(session, "x = 1\nfrom os import system",
                               policy={"validate": "deny", "profile": "strict"})
        self.assertEqual(result["error"]["line"], 2)
        self.assertEqual(self.ask("GET", f"/v1/sessions/{session['session_id']}", 200)["kernels"], [])

    def test_a_warning_runs_the_code_and_tells(self):
        result = self.run_code(self.session(), "import subprocess\nprint(1)",
                               policy={"validate": "warn", "profile": "strict"})
        self.assertEqual((result["status"], result["stdout"]), ("ok", "1\n"))
        self.assertRegex(json.dumps(result["warnings"]), "block 0: Line 1: ")

    def test_lists_of_patterns_are_profiles_too(self):
        session = self.session(policy={"validate": "deny", "profile": "guide"})
        self.assertEqual(self.run_code(session, "import os")["status"], "denied")
        self.assertEqual(self.run_code(session, "print(2)")["stdout"], "2\n")
        self.assertEqual(self.run_code(session, "import os", policy={"validate": "off"})["status"], "ok")

    def test_files_that_a_block_brings_are_looked_at(self):
        result = self.run_code(self.session(), [{"files": {"main.py": "import helper",
                                                           "helper.py": "eval('1')"},
                                                 "entry_point": "main.py"}],
                               policy={"validate": "deny", "profile": "standard"})
        self.assertEqual(result["status"], "denied")

    def test_shell_blocks_are_sanitized(self):  # L16
        session = self.session(sanitize=True)
        result = self.run_code(session, [{"language": "sh", "code": "rm -rf /tmp/nothing"}])
        self.assertEqual((result["status"], result["error"]["type"]), ("denied", "validation_failed"))
        self.assertRegex(result["error"]["message"], "^Potentially dangerous command detected: ")

    def test_unknown_profiles_are_refused_at_once(self):
        session = self.session()
        problem = self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 400,
                           {"code": "1", "policy": {"validate": "deny", "profile": "strickt"}})
        self.assertIn("did you mean 'strict'?", problem["detail"])


class Approval(WithSessions):
    def asked(self, execution):
        wait_until(lambda: self.ask("GET", f"/v1/executions/{execution}", 200).get("waits_for")
                   == "approval", "the question")

    def approve(self, execution, status=204, **body):
        return self.ask("POST", f"/v1/executions/{execution}/approve", status, body)

    def test_approved_code_runs(self):  # H32 U08
        execution = self.begin(self.session(), "print(1)", approval={"required": True})
        self.asked(execution)
        self.approve(execution, approved=True)
        self.assertEqual(self.wait(execution)["stdout"], "1\n")
        self.approve(execution, 409, approved=True)

    def test_the_code_is_shown_in_fences_and_a_no_is_told(self):  # H32
        execution = self.begin(self.session(), [{"language": "python", "code": "x = 1"},
                                                {"language": "sh", "code": "ls"}],
                               approval={"required": True})
        self.asked(execution)
        self.approve(execution, 400, approved="yes")
        self.approve(execution, approved=False, reason="too risky")
        result = self.wait(execution)
        self.assertEqual((result["status"], result["exit_code"], result["error"]["type"]),
                         ("denied", 1, "not_approved"))
        self.assertEqual(result["output"].rstrip(),
                         "Code execution was not approved. Reason: too risky")
        self.assertEqual(self.events(execution, "approval_request")[0]["code"],
                         "```python\nx = 1\n```\n\n```sh\nls\n```")

    def test_no_answer_is_a_no(self):
        result = self.run_code(self.session(), "1", approval={"required": True, "wait_s": 0.2})
        self.assertEqual(result["status"], "denied")
        self.assertIn("nobody approved it within 200 ms", result["error"]["message"])

    def test_a_cancelled_question_runs_nothing(self):
        execution = self.begin(self.session(), "1", approval={"required": True})
        self.asked(execution)
        self.ask("POST", f"/v1/executions/{execution}/cancel", 202)
        self.assertEqual(self.wait(execution)["status"], "cancelled")


class Again(WithSessions):
    DIES_ONCE = """
import os, pathlib
seen = pathlib.Path("seen")
if not seen.exists():
    seen.touch()
    os.kill(os.getpid(), 9)
print("second")
"""

    def test_a_kernel_that_died_is_tried_again(self):
        result = self.run_code(self.session(), self.DIES_ONCE, retries={"max": 1})
        self.assertEqual((result["status"], result["stdout"]), ("ok", "second\n"))
        self.assertFalse(result["state"]["kept"])
        self.assertIn("attempt 1 ended with kernel_died", json.dumps(result["warnings"]))

    def test_without_retries_and_for_errors_of_the_code_nothing_runs_twice(self):
        session = self.session()
        self.assertEqual(self.run_code(session, self.DIES_ONCE)["status"], "kernel_died")
        result = self.run_code(session, "open('count', 'a').write('x'); 1/0", retries={"max": 3})
        self.assertEqual(result["status"], "error")
        self.assertEqual((self.directory(session) / "count").read_text(), "x")
        self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 400,
                 {"code": "1", "retries": {"max": 1, "on": ["error"]}})

    def test_pure_code_is_answered_from_the_cache(self):  # H16
        session = self.session()
        code = "open('count', 'a').write('x'); print(1)"
        cache = {"key": "auto", "pure": True}
        first = self.run_code(session, code, cache=cache)
        again = self.run_code(session, code, cache={**cache, "mark": True})
        self.assertEqual((first["state"]["cached"], again["state"]["cached"]), (False, True))
        self.assertEqual(again["output"], "[CACHED RESULT]\n1\n")
        self.assertNotEqual(first["execution_id"], again["execution_id"])
        self.assertEqual((self.directory(session) / "count").read_text(), "x")
        other = self.run_code(session, code, cache={**cache, "key": "mine"})
        self.assertFalse(other["state"]["cached"])

    def test_an_answer_whose_files_have_changed_is_not_used(self):
        session = self.session()
        code = "open('made', 'w').write('x')"
        for _ in range(2):
            self.assertFalse(self.run_code(session, code, cache={"pure": True})["state"]["cached"])
            (self.directory(session) / "made").unlink()

    def test_code_that_may_depend_on_state_is_run_unless_the_kernels_are_fresh(self):  # H16
        session = self.session()
        cache = {"key": "auto"}
        self.assertFalse(self.run_code(session, "print(3)", cache=cache)["state"]["cached"])
        self.assertFalse(self.run_code(session, "print(3)", cache=cache)["state"]["cached"])
        self.ask("POST", f"/v1/sessions/{session['session_id']}/restart", 200)
        self.assertTrue(self.run_code(session, "print(3)", cache=cache)["state"]["cached"])

    def test_old_answers_are_not_used(self):
        session = self.session()
        for _ in range(2):
            result = self.run_code(session, "print(4)", cache={"pure": True, "ttl_s": 0})
            self.assertFalse(result["state"]["cached"])


class Languages(WithSessions):
    def test_only_the_languages_of_the_session_run(self):  # L06
        session = self.session(languages=["py"])
        self.assertEqual(self.run_code(session, "print(1)")["status"], "ok")
        result = self.run_code(session, [{"language": "bash", "code": "ls"},
                                         {"language": "python", "code": "open('no', 'w')"}])
        self.assertEqual((result["status"], result["error"]["type"]),
                         ("rejected", "language_not_supported"))
        self.assertFalse((self.directory(session) / "no").exists())

    def test_a_language_is_given_a_program_and_a_file_extension(self):  # L06
        session = self.session(languages={
            "perl": {"executable": "perl", "file_extension": ".pl"},
            "python": {"file_extension": "py3"}, "sh": {"executable": "/nowhere/at all"}})
        code = "print 'in ', $0, \"\\n\"; print STDERR \"err\\n\"; exit 3"
        result = self.run_code(session, [{"language": "Perl", "code": code}])
        block = result["blocks"][0]
        self.assertEqual((block["language"], block["status"], block["exit_code"]), ("perl", "error", 3))
        self.assertRegex(block["stdout"], r"^in tmp_code_[0-9a-f]{64}\.pl\n$")
        self.assertEqual((block["stderr"], result["output_files"]), ("err\n", []))
        self.assertEqual(list(self.directory(session).glob("tmp_code_*")), [])
        result = self.run_code(session, [{"language": "perl", "code": "# filename: it's.pl\nprint 5"},
                                         {"language": "python", "code": "print(6)"}])
        self.assertEqual((result["status"], result["output"]), ("ok", "56\n"))
        self.assertTrue((self.directory(session) / "it's.pl").exists())
        result = self.run_code(session, [{"language": "perl", "code": "sleep 600"}], timeout=0.5)
        self.assertEqual((result["status"], result["state"]["kept"]), ("timeout", True))
        result = self.run_code(session, [{"language": "bash", "code": "ls"}])
        self.assertEqual(result["exit_code"], 127)
        self.session(400, languages={"perl": {"executable": "perl", "kernel": "bash"}})

    def test_languages_of_the_command_kernel(self):  # L09 H35
        markdown = "\n".join((
            "```python", "x = 41", "size = open('made', 'w').write('by python')", "```",
            "```perl", "open my $file, '<', 'made'; print <$file>; print qq(\\n); our $y = 1;", "```",
            "```Perl", "print defined $y ? 'kept' : 'stateless', qq(\\n)", "```",
            "```sh", "echo shell", "```",
            "```py", "print(x + 1)", "```"))
        session = self.session()
        result = self.wait(self.ask("POST", f"/v1/sessions/{session['session_id']}/execute", 202,
                                    {"markdown": markdown, "mode": "async"})["execution_id"])
        self.assertEqual((result["status"], [block["language"] for block in result["blocks"]]),
                         ("ok", ["python", "perl", "perl", "bash", "python"]), result)
        self.assertEqual(result["output"], "by python\nstateless\nshell\n42\n")
        shown = self.ask("GET", f"/v1/sessions/{session['session_id']}", 200)
        self.assertEqual({kernel["language"]: kernel["stateless"] for kernel in shown["kernels"]},
                         {"python": False, "perl": True, "bash": False})

    def test_a_language_of_the_command_kernel_fails_with_its_own_words(self):  # L12
        session = self.session(kernel="perl")
        result = self.run_code(session, [
            {"language": "perl", "code": "print qq(out\n);\ndie 'boom'"},
            {"language": "perl", "code": "print 'never'"}])
        block = result["blocks"][0]
        self.assertEqual((result["status"], block["stdout"], len(result["blocks"])), ("error", "out\n", 1))
        self.assertEqual((block["error"]["type"], block["error"]["message"]), ("PerlError", "boom"))
        result = self.run_code(session, [{"language": "perl", "code": "exit 3"}])
        self.assertEqual(result["exit_code"], 3)
        result = self.run_code(session, [{"language": "perl", "code": "sleep 600"}], timeout=0.5)
        self.assertEqual(result["status"], "timeout")
        self.assertIn("and was interrupted", result["note"])
        self.assertNotIn("variables", result["note"])

    def test_allowed_languages_and_unknown_ones(self):  # L06 L09
        session = self.session(languages=["perl", "python"])
        result = self.run_code(session, [{"language": "perl", "code": "print 1"},
                                         {"language": "bash", "code": "touch no"}])
        self.assertEqual((result["status"], result["error"]["type"]),
                         ("rejected", "language_not_supported"))
        self.assertFalse((self.directory(session) / "no").exists())
        session = self.session()
        result = self.run_code(session, [{"language": "perl", "code": "print 1"},
                                         {"language": "cobol", "code": "x"},
                                         {"language": "perl", "code": "open my $f, '>', 'no'"}])
        self.assertEqual((result["status"], result["error"]["type"], len(result["blocks"])),
                         ("rejected", "language_not_supported", 2), result)
        self.assertFalse((self.directory(session) / "no").exists())

    def test_a_language_is_given_a_kernel(self):  # J06
        session = self.session(languages={"python": {}, "bash": {"kernel": "perijove-echo"}})
        result = self.run_code(session, [{"language": "sh", "code": "print hello"}])
        self.assertEqual(result["status"], "ok", result)

    def test_languages_that_are_saved_are_not_run(self):  # L10 U11
        session = self.session(execution_policies={"html": False, "python": False})
        result = self.run_code(session, [{"language": "html", "code": "<p>x"},
                                         {"language": "python", "code": "# filename: a.py\n1/0"}])
        self.assertEqual((result["status"], len(result["blocks"])), ("ok", 2))
        saved = result["blocks"][0]["code_file"]
        self.assertRegex(saved, r"^tmp_code_[0-9a-f]{64}\.html$")
        self.assertEqual((self.directory(session) / saved).read_text(), "<p>x")
        self.assertEqual(result["output"], f"Code saved to {saved}\nCode saved to a.py\n")

    def test_pip_is_silent_and_the_saved_code_is_what_came(self):  # L14
        session = self.session(env={"PATH": f"{self.fake_pip()}:{os.environ['PATH']}"})
        code = "# filename: a.py\n!pip install thing\n"
        self.assertEqual(self.run_code(session, code)["stdout"].split(), ["install", "-qqq", "thing"])
        self.assertEqual((self.directory(session) / "a.py").read_text(), code)
        result = self.run_code(session, code, output={"silence_pip": False})
        self.assertEqual(result["stdout"].split(), ["install", "thing"])

    def fake_pip(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        pip = pathlib.Path(directory.name) / "pip"
        pip.write_text('#!/bin/sh\necho "$@"\n')
        pip.chmod(0o755)
        return directory.name


class EveryWayIn(WithSessions):
    """What a session does not permit its blocks, nobody gets by another path."""

    EVALUATE = {"expressions": {"a": "__import__('os').getpid()"}}

    def refused(self, session, code, status, method, path, body=None):
        problem = self.ask(method, f"/v1/sessions/{session['session_id']}/{path}", status, body)
        self.assertEqual(problem["code"], code, problem)
        return problem

    def test_expressions_are_validated_as_code_is(self):
        session = self.session(policy={"validate": "deny", "profile": "strict"})
        self.refused(session, "denied", 403, "POST", "evaluate", self.EVALUATE)
        answer = self.ask("POST", f"/v1/sessions/{session['session_id']}/evaluate", 200,
                          {"expressions": {"a": "1 + 1"}})
        self.assertEqual(answer["results"]["a"]["value"], 2)
        session = self.session(policy={"validate": "warn", "profile": "strict"})
        answer = self.ask("POST", f"/v1/sessions/{session['session_id']}/evaluate", 200, self.EVALUATE)
        self.assertEqual(answer["results"]["a"]["status"], "ok")
        self.assertTrue(answer["warnings"])

    def test_expressions_are_not_run_where_code_has_to_be_approved(self):
        session = self.session(approval={"required": True})
        self.refused(session, "denied", 403, "POST", "evaluate", self.EVALUATE)
        self.ask("GET", f"/v1/sessions/{session['session_id']}/variables", 200)

    def test_sessions_without_python_have_no_variables_and_no_packages(self):
        for policies in ({"languages": ["bash"]}, {"execution_policies": {"python": False}},
                         {"mode": "restricted"}, {"mode": "off"}):
            session = self.session(**policies)
            for method, path, body in (("GET", "variables", None), ("GET", "variables/x", None),
                                       ("PUT", "variables/x", 1), ("POST", "evaluate", self.EVALUATE),
                                       ("POST", "packages", {"install": ["x"]})):
                with self.subTest(policies=policies, path=path):
                    self.refused(session, "denied", 403, method, path, body)
            shown = self.ask("GET", f"/v1/sessions/{session['session_id']}", 200)
            self.assertEqual(shown["kernels"], [])

    def test_packages_are_approved_by_their_names_and_not_validated_as_our_code(self):
        session = self.session(approval={"required": True, "wait_s": 0.2},
                               policy={"validate": "deny", "profile": "strict"})
        self.refused(session, "denied", 403, "POST", "packages", {"install": ["pj-nowhere<2"]})
        # The question was about what is to be done, in words that somebody can judge.
        history = self.ask("GET", f"/v1/sessions/{session['session_id']}/history", 200)["history"]
        self.assertEqual(history, [])


class Off(WithSessions):
    def test_no_code_runs(self):  # U07
        session = self.session(config=False)
        result = self.run_code(session, "open('made', 'w')")
        self.assertEqual((result["status"], result["exit_code"], result["error"]["type"]),
                         ("denied", 1, "execution_off"))
        self.assertFalse((self.directory(session) / "made").exists())
        self.assertEqual(session["policies"]["mode"], "off")


class Config(WithSessions):
    def create(self, config, status=201, **more):
        body = {"config": config, **more}
        answer = self.ask("POST", "/v1/sessions", status, body)
        if status == 201:
            self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{answer['session_id']}")
        return answer

    def test_an_executor_is_chosen_by_its_name(self):  # U12
        session = self.create({"executor": "commandline-local",
                               "commandline-local": {"timeout": 7, "work_dir": "config-a"}})
        self.assertEqual((session["timeout_s"], pathlib.Path(session["work_dir"]).name), (7, "config-a"))
        session = self.create({"executor": "ipython-embedded", "last_n_messages": 3,
                               "ipython-embedded": {"kernel_name": "python3", "timeout": 8}})
        self.assertEqual((session["kernel"], session["timeout_s"], session["labels"]),
                         ("python3", 8, {"last_n_messages": "3"}))
        self.assertEqual(self.run_code(session, "print(1)")["stdout"], "1\n")
        self.assertIn("ipython-embedded", self.create({"executor": "ipython-embeded"}, 400)["detail"])
        self.create({"executor": "yepcode"}, 400)
        self.create({"executor": "commandline-local", "commandline-local": {"sudo": True}}, 400)
        session = self.create({"work_dir": "config-b", "use_docker": False, "timeout": 9,
                               "last_n_messages": "auto"})
        self.assertEqual((session["timeout_s"], session["labels"]["last_n_messages"]), (9, "auto"))

    def test_a_declarative_config_makes_the_session_again(self):  # H33
        first = self.create({"provider": "autogen_ext.code_executors.jupyter.JupyterCodeExecutor",
                             "component_type": "code_executor", "version": 1,
                             "config": {"kernel_name": "python3", "timeout": 11}})
        self.assertEqual(first["timeout_s"], 11)
        self.assertEqual(first["config"], {"provider": "perijove.Session",
                                           "config": {"kernel": "python3", "timeout": 11}})
        second = self.create(first["config"], env={"SECRET": "word"}, languages=["python"])
        self.assertEqual((second["timeout_s"], second["kernel"]), (11, "python3"))
        self.assertEqual(self.create(second["config"])["policies"], second["policies"])
        self.assertNotIn("word", json.dumps(second))

    def test_a_session_brings_its_kernelspec(self):  # J05
        spec = {"display_name": "Mine", "language": "python", "env": {"MARK": "mine"},
                "argv": ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
        session = self.ask("POST", "/v1/sessions", 201, {"kernel_spec": spec})
        self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{session['session_id']}")
        result = self.run_code(session, "import os; x = 5; print(os.environ['MARK'])")
        self.assertEqual(result["stdout"], "mine\n")
        self.assertEqual(self.run_code(session, "x", env={"A": "1"})["output"], "5\n")
        self.assertNotIn("inline", self.gateway.ask("GET", "/api/kernelspecs")[2]["kernelspecs"])
        self.ask("POST", "/v1/sessions", 400, {"kernel_spec": {"language": "python"}})
        self.ask("POST", "/v1/sessions", 400, {"kernel_spec": spec, "kernel": "python3"})


class Restricted(WithSessions):
    def setUp(self):
        self.restricted = self.session(mode="restricted")

    def run_restricted(self, code, **more):
        return self.run_code(self.restricted, code, **more)

    def test_it_says_that_it_is_advisory(self):  # R06
        self.assertEqual(self.restricted["policies"]["isolation"], "advisory")
        self.assertIn("advisory", json.dumps(self.run_restricted("print(1)")["warnings"]))

    def test_plain_code_runs_without_a_kernel(self):  # R02 R03 R05
        result = self.run_restricted("d = {'a': [1, 2]}\nd['a'] += [3]\n"
                                     "print(sum(x for x in d['a']), len(d))")
        self.assertEqual((result["status"], result["stdout"]), ("ok", "6 1\n"))
        session = self.ask("GET", f"/v1/sessions/{self.restricted['session_id']}", 200)
        self.assertEqual(session["kernels"], [])

    def test_refused_code_answers_its_reasons(self):  # R01 R02
        result = self.run_restricted("import os\nopen('x')\nx._y")
        self.assertEqual((result["status"], result["exit_code"]), ("error", 1))
        self.assertEqual(result["output"].splitlines(),
                         ["Line 1: Import statements are not allowed.",
                          "Line 2: Open calls are not allowed.",
                          'Line 3: "_y" is an invalid attribute name because it starts with "_".'])
        self.assertEqual(result["error"]["line"], 1)

    def test_what_was_printed_before_an_error_is_kept(self):  # R03
        result = self.run_restricted("print('before')\nx = 1 / 0")
        self.assertEqual((result["stdout"], result["error"]["type"], result["error"]["line"]),
                         ("before\n", "ZeroDivisionError", 2))

    def test_its_time_is_limited(self):  # R04
        result = self.run_restricted("while True: pass", timeout=1)
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assertEqual(self.restricted["timeout_s"], 5)

    def test_it_can_be_cancelled(self):
        execution = self.begin(self.restricted, "while True: pass", timeout=60)
        wait_until(lambda: self.ask("GET", f"/v1/executions/{execution}", 200)["status"] == "running",
                   "its start")
        self.ask("POST", f"/v1/executions/{execution}/cancel", 202)
        self.assertEqual(self.wait(execution)["status"], "cancelled")

    def test_there_is_no_kernel_to_get_around_it(self):
        path = f"/v1/sessions/{self.restricted['session_id']}"
        for method, rest, body in (("POST", "/evaluate", {"expressions": {"x": "open('/etc/passwd')"}}),
                                   ("GET", "/variables", None)):
            status, _, _ = self.gateway.request(method, path + rest, body)
            self.assertGreaterEqual(status, 400)
        self.assertEqual(self.ask("GET", path, 200)["kernels"], [])

    def test_other_languages_are_refused(self):
        self.assertEqual(self.run_restricted([{"language": "sh", "code": "ls"}])["error"]["type"],
                         "language_not_supported")


class Profiles(WithSessions):
    def test_a_profile_limits_memory_time_and_processors(self):  # H14
        session = self.session(profile="simple")
        self.assertEqual(session["timeout_s"], 30)
        self.assertEqual(session["policies"]["limits"],
                         {"memory_bytes": 256 << 20, "cpu_time_s": None, "processors": 0.5,
                          "processes": None, "file_bytes": None, "open_files": None})
        result = self.run_code(session, "import os, resource\n"
                                        "print(resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20,"
                                        " len(os.sched_getaffinity(0)))")
        self.assertEqual(result["stdout"], "256 1\n")

    def test_code_over_its_memory_gets_a_memory_error_and_the_session_lives(self):  # L07 H25
        session = self.session(limits={"memory_bytes": 300 << 20})
        result = self.run_code(session, "x = bytearray(400 << 20)")
        self.assertEqual(result["error"]["type"], "MemoryError")
        self.assertEqual(self.run_code(session, "print(1)")["stdout"], "1\n")

    def test_unknown_profiles_are_told_what_there_is(self):
        self.assertIn("did you mean 'simple'?", self.session(400, profile="simpel")["detail"])


class Setup(WithSessions):
    ADD = 'def add(a: int, b: int) -> int:\n    """Adds."""\n    return a + b\n'

    def test_functions_can_be_imported(self):  # L03 H28
        session = self.session(functions=[self.ADD], functions_module="mine")
        self.assertEqual(session["functions"], ["add"])
        self.assertIn("`mine`", session["function_prompt"])
        self.assertEqual(self.run_code(session, "from mine import add; print(add(1, 2))")["stdout"],
                         "3\n")

    def test_functions_that_do_not_load_make_no_session(self):  # L03
        for functions, words in (
                ([{"source": "def f(): pass", "global_imports": ["no_such_module"]}],
                 "Functions failed to load: .*no_such_module"),
                (["def f(:"], "Could not compile function"),
                (["x = 1"], "must contain exactly one function")):
            problem = self.session(400, functions=functions)
            self.assertEqual(problem["code"], "setup_failed")
            self.assertRegex(problem["detail"].replace("\n", " "), words)
        self.assertEqual(self.session(400, functions=[self.ADD], functions_module="not a name")["code"],
                         "setup_failed")

    def test_a_virtual_environment_comes_first(self):  # L05
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", directory.name], check=True)
        session = self.session(virtual_env=directory.name)
        self.assertIn("has no ipykernel", json.dumps(session["warnings"]))
        result = self.run_code(session, "import os; print(os.environ['VIRTUAL_ENV'],"
                                        " os.environ['PATH'].split(':')[0])")
        self.assertEqual(result["stdout"], f"{directory.name} {directory.name}/bin\n")

    def test_a_virtual_environment_with_ipykernel_runs_the_kernel(self):  # L05
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", "--system-site-packages",
                        directory.name], check=True)
        session = self.session(virtual_env=directory.name)
        self.assertEqual(session["warnings"], [])
        result = self.run_code(session, "import sys; print(sys.prefix)")
        self.assertEqual(result["stdout"], f"{directory.name}\n")

    def test_a_directory_that_is_no_environment_is_refused(self):
        self.assertIn("is no Python environment", self.session(400, virtual_env="/tmp")["detail"])
        self.assertEqual(self.session(400, virtual_env="venv")["code"], "validation_failed")


if __name__ == "__main__":
    unittest.main()
