"""Checkpoints that a session takes by itself, and what it goes back to after the loss of a kernel."""

import json
import os
import pathlib
import signal
import unittest

import isolated
from gateway import Gateway, wait_until
from test_v1_checkpoints import NEEDS_BASH, WithSessions as WithCheckpoints

DIES = "import os; os._exit(5)"


class WithSessions(WithCheckpoints):
    KERNEL = "perijove-python"

    def setUp(self):
        pass  # each test makes the session that it needs

    def begin(self, kernel=None, **options):
        self.session = self.make(kernel=kernel or self.KERNEL, auto_checkpoint=options)

    def state(self, code, **more):
        """What an execution says about its checkpoints: before, after, recovered."""
        state = self.run_code(code, **more)["state"]
        return state["checkpoint_before"], state["checkpoint_after"], state["recovered"]

    def warnings(self, result):
        return "\n".join(each["message"] for each in result["warnings"])

    def checkpoints(self):
        return self.ask("GET", f"sessions/{self.session}/checkpoints")[2]["checkpoints"]

    def go_back(self, checkpoint_id):
        return self.restore({"checkpoint_id": checkpoint_id})

    def shown(self):
        return self.ask("GET", f"sessions/{self.session}")[2]["auto_checkpoint"]


class Taking(WithSessions):
    def test_at_the_end_of_each_so_many_executions(self):
        self.begin(every=2)
        self.assertEqual(self.state("x = 1"), (None, None, None))
        before, after, _ = self.state("x = 2")
        self.assertIsNone(before)
        [taken] = self.checkpoints()
        self.assertEqual((taken["checkpoint_id"], taken["automatic"], taken["keep"]), (after, True, False))
        self.assertTrue(taken["label"].startswith("after e_"), taken)
        self.assertEqual(self.state("x = 3"), (None, None, None))
        self.go_back(after)
        self.assertEqual(self.value("x"), 2)

    def test_an_execution_that_failed_counts_and_one_that_was_denied_does_not(self):
        self.begin(every=1)
        self.assertTrue(self.state("x = 1; 1/0")[1])
        refused = self.run_code("import os; os.system('true')", policy={"validate": "deny"})
        self.assertEqual((refused["status"], refused["state"]["checkpoint_after"]), ("denied", None))
        self.assertEqual(len(self.checkpoints()), 1)

    def test_only_the_last_of_them_stay_and_those_that_were_asked_for_do(self):
        self.begin(every=1, keep_last=2)
        self.state("x = 0")
        asked_for = self.take(label="mine")
        ids = [self.state(f"x = {n}")[1] for n in range(1, 4)]
        self.assertEqual({each["checkpoint_id"] for each in self.checkpoints()},
                         {asked_for["checkpoint_id"], *ids[1:]})

    def test_before_code_that_a_checker_finds_risky(self):
        self.begin(before_risky=True)
        self.ask("PUT", f"sessions/{self.session}/files/f", b"f")
        self.assertEqual(self.state("x = 1"), (None, None, None))
        before, after, _ = self.state("import os\nos.remove('f')\nx = 2")
        self.assertTrue(before)
        self.assertIsNone(after)
        self.go_back(before)
        self.assertEqual(self.value("[x, open('f').read()]"), [1, "f"])

    @NEEDS_BASH
    def test_before_a_dangerous_command_of_a_shell(self):
        self.begin(before_risky="course")
        self.assertIsNone(self.state("echo fine", language="bash")[0])
        self.assertTrue(self.state("echo rm -rf /", language="bash")[0])

    def test_before_an_execution_that_asks_for_it_in_any_session(self):
        self.session = self.make(kernel=self.KERNEL)
        self.assertIsNone(self.shown())
        self.run_well("x = 1")
        before, _, _ = self.state("x = 2", checkpoint=True)
        self.go_back(before)
        self.assertEqual(self.value("x"), 1)

    def test_when_nothing_has_run_for_a_while(self):
        self.begin(idle_s=0.05)
        self.run_well("x = 1")
        [taken] = wait_until(self.checkpoints, what="a checkpoint")
        self.assertEqual((taken["label"], taken["automatic"]), ("idle", True))
        self.assertEqual(self.shown()["last"]["checkpoint_id"], taken["checkpoint_id"])
        self.run_well("x = 2")
        wait_until(lambda: len(self.checkpoints()) == 2, what="the next one")
        self.assertEqual(self.shown()["executions_since"], 0)

    def test_a_session_shows_what_it_was_told(self):
        self.begin(every=5, before_risky="strict", idle_s=60, keep_last=4, recover=True)
        self.assertEqual(self.shown(), {"every": 5, "before_risky": "strict", "idle_s": 60, "keep_last": 4,
                                        "recover": True, "last": None, "executions_since": 0, "problem": None})
        self.run_well("x = 1")
        self.assertEqual(self.shown()["executions_since"], 1)

    def test_it_can_be_told_otherwise_later(self):
        self.session = self.make(kernel=self.KERNEL)
        self.run_well("x = 1")
        status, _, session = self.ask("PATCH", f"sessions/{self.session}", {"auto_checkpoint": {"every": 1}})
        self.assertEqual((status, session["auto_checkpoint"]["every"]), (200, 1))
        self.assertTrue(self.state("x = 2")[1])
        self.refused(400, "validation_failed", "PATCH", f"sessions/{self.session}", {"auto_checkpoint": {"every": 0}})
        session = self.ask("PATCH", f"sessions/{self.session}", {"auto_checkpoint": None})[2]
        self.assertIsNone(session["auto_checkpoint"])
        self.assertIsNone(self.state("x = 3")[1])

    def test_events_tell_it(self):
        self.begin(every=1)
        result = self.run_code("x = 1", checkpoint=True)
        _, _, text = self.gateway.request("GET", f"/v1/executions/{result['execution_id']}/events")
        events = [json.loads(line) for line in text.decode().splitlines()]
        told = [(each["when"], each["checkpoint_id"]) for each in events if each["type"] == "checkpoint"]
        state = result["state"]
        self.assertEqual(told, [("before", state["checkpoint_before"]), ("after", state["checkpoint_after"])])

    def test_what_is_wrong_is_refused(self):
        for options, what in (({"every": 0}, "every"), ({"evry": 1}, "did you mean 'every'"),
                              ({"before_risky": "strct"}, "strict"), ({"before_risky": 5}, "not a number"),
                              ({"keep_last": 17}, "keep_last"), ({"idle_s": -1}, "idle_s"),
                              ({"recover": "yes"}, "recover"), ([], "must be an object")):
            with self.subTest(options=options):
                detail = self.refused(400, "validation_failed", "POST", "sessions", {"auto_checkpoint": options})
                self.assertIn("auto_checkpoint", detail)
                self.assertIn(what, detail)

    def test_where_none_can_be_taken_code_runs_all_the_same_and_that_is_said(self):
        gateway = Gateway(arguments=["--state-dir", "state"])
        self.addCleanup(gateway.stop)
        options = {"kernel": self.KERNEL, "work_dir": ".", "auto_checkpoint": {"every": 1}}
        session = self.ask("POST", "sessions", options, gateway)[2]["session_id"]
        result = self.ask("POST", f"sessions/{session}/execute", {"code": "print(1)"}, gateway)[2]
        self.assertEqual((result["status"], result["stdout"]), ("ok", "1\n"))
        self.assertIn("no checkpoint was taken", self.warnings(result))
        shown = self.ask("GET", f"sessions/{session}", gateway=gateway)[2]["auto_checkpoint"]
        self.assertIn("--state-dir", shown["problem"])


class Recovering(WithSessions):
    def test_variables_come_back_after_the_death_of_a_kernel_and_files_stay(self):
        self.begin(every=2, recover=True)
        self.run_well("x = 41; open('f', 'w').write('old')")
        self.run_well("y = x + 1")
        self.run_well("y = 0; open('f', 'w').write('new')")
        result = self.run_code(DIES)
        self.assertEqual((result["status"], result["state"]["kept"]), ("kernel_died", False))
        recovered = result["state"]["recovered"]
        self.assertLessEqual({"x", "y"}, set(recovered["restored"]))
        self.assertEqual((recovered["executions_lost"], recovered["failed"]), (2, []))
        self.assertEqual(recovered["checkpoint_id"], self.shown()["last"]["checkpoint_id"])
        self.assertEqual(self.value("[x, y, open('f').read()]"), [41, 42, "new"])
        self.assertIsNone(self.state("x")[2])

    @isolated.only_without("a process in a container has no number here", "docker", "gvisor", "sandbox")
    def test_the_same_when_it_died_while_nothing_ran(self):
        self.begin(every=1, recover=True)
        self.run_well("x = 1")
        kernel = self.ask("GET", f"sessions/{self.session}")[2]["kernels"][0]["id"]
        process = self.gateway.kernel_pid(kernel)
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: self.gateway.kernel_pid(kernel) != process, what="its next process")
        result = self.run_code("print(x)")
        self.assertEqual((result["status"], result["stdout"]), ("ok", "1\n"))
        self.assertEqual((result["state"]["kept"], result["state"]["recovered"]["executions_lost"]), (False, 0))
        self.assertEqual(self.value("x"), 1)

    @NEEDS_BASH
    def test_other_kernels_keep_what_they_have(self):
        self.begin(recover=True)
        self.run_well("x = 1")
        self.run_well("y=1", language="bash")
        self.take()
        self.run_well("y=2", language="bash")
        self.assertEqual(self.run_code(DIES)["state"]["recovered"]["restored"].count("x"), 1)
        self.assertEqual((self.value("x"), self.run_well("echo $y", language="bash")), (1, "2\n"))

    def test_a_kernel_that_no_checkpoint_has_begins_anew(self):
        self.begin(recover=True)
        result = self.run_code(DIES)
        self.assertEqual((result["status"], result["state"]["recovered"]), ("kernel_died", None))
        self.run_well("x = 1")
        self.assertIsNone(self.run_code(DIES)["state"]["recovered"])

    def test_after_a_restart_that_was_asked_for_it_begins_anew(self):
        self.begin(every=1, recover=True)
        self.run_well("x = 1")
        self.assertEqual(self.ask("POST", f"sessions/{self.session}/restart")[0], 200)
        self.assertEqual(self.value("'x' in globals()"), False)

    def test_it_goes_back_to_the_checkpoint_that_it_stood_at_last(self):
        self.begin(recover=True)
        first = (self.run_well("x = 1"), self.take())[1]
        self.run_well("x = 2")
        self.take()
        self.restore(first)
        self.assertEqual(self.run_code(DIES)["state"]["recovered"]["checkpoint_id"], first["checkpoint_id"])
        self.assertEqual(self.value("x"), 1)

    def test_a_checkpoint_that_was_removed_is_none_and_that_is_said(self):
        self.begin(recover=True)
        self.run_well("x = 1")
        taken = self.take()
        self.ask("DELETE", f"checkpoints/{taken['checkpoint_id']}")
        result = self.run_code(DIES)
        self.assertIsNone(result["state"]["recovered"])
        self.assertIn("did not come back", self.warnings(result))
        self.assertEqual(self.run_code("print(x)")["error"]["type"], "NameError")

    def test_code_that_runs_again_finds_its_variables(self):
        self.begin(every=1, recover=True)
        self.run_well("x = 1")
        result = self.run_code("import os\nif not os.path.exists('once'):\n    open('once', 'w').close()\n"
                               "    os._exit(5)\nx += 1\nprint(x)", retries={"max": 1})
        self.assertEqual((result["status"], result["stdout"]), ("ok", "2\n"))
        self.assertIn("x", result["state"]["recovered"]["restored"])
        self.assertEqual(self.value("x"), 2)

    def test_after_code_that_did_not_end_in_time(self):
        self.begin(every=1, recover=True)
        self.run_well("x = 1")
        stubborn = ("import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                    "while True:\n    try: time.sleep(60)\n    except BaseException: pass")
        result = self.run_code(stubborn, timeout={"soft_s": 0.3, "grace_s": 0.2})
        self.assertEqual((result["status"], result["state"]["kept"]), ("timeout", False))
        self.assertIn("x", result["state"]["recovered"]["restored"])
        self.assertEqual(self.value("x"), 1)

    def test_code_that_ends_its_kernel_meant_it(self):
        self.begin(every=1, recover=True)
        self.run_well("x = 1")
        self.assertIsNone(self.run_code("exit()")["state"]["recovered"])


class WithoutRestarts(WithSessions):
    arguments = ("--auto-restart", "never")

    test_variables_come_back = Recovering.test_variables_come_back_after_the_death_of_a_kernel_and_files_stay
    test_code_that_runs_again = Recovering.test_code_that_runs_again_finds_its_variables


class OnIpykernel(WithSessions):
    KERNEL = "python3"

    test_variables_come_back = Recovering.test_variables_come_back_after_the_death_of_a_kernel_and_files_stay
    test_undo = Taking.test_before_code_that_a_checker_finds_risky


if __name__ == "__main__":
    unittest.main()
