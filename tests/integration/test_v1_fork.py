"""Copies of a session that lives: POST /v1/sessions/{id}/fork."""

import json
import os
import pathlib
import signal
import unittest

import isolated
from gateway import WithGateway, process_runs, wait_until

KERNEL = "perijove-python"


@isolated.only_without("a kernel in isolation cannot be forked")
class Forks(WithGateway):
    def setUp(self):
        self.session = self.make(kernel=KERNEL)

    def ask(self, method, path, body=None):
        return self.gateway.request(method, f"/v1/{path}", body)

    def make(self, **options):
        status, _, session = self.ask("POST", "sessions", options)
        self.assertEqual(status, 201, session)
        self.addCleanup(self.ask, "DELETE", f"sessions/{session['session_id']}")
        return session["session_id"]

    def run_code(self, code, session=None, **more):
        status, _, result = self.ask("POST", f"sessions/{session or self.session}/execute", {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    def value(self, expression, session=None):
        result = self.run_code(f"import json\nprint(json.dumps({expression}))", session)
        self.assertEqual(result["status"], "ok", result)
        return json.loads(result["stdout"])

    def fork(self, session=None, **body):
        status, _, answer = self.ask("POST", f"sessions/{session or self.session}/fork", body)
        self.assertEqual(status, 201, answer)
        self.assertEqual(answer["method"], "fork")
        for each in answer["sessions"]:
            self.addCleanup(self.ask, "DELETE", f"sessions/{each['session_id']}")
        return answer

    def branch(self, session=None):
        [branch] = self.fork(session)["sessions"]
        return branch["session_id"]

    def refused(self, status, code, session=None, body=None):
        answer = self.ask("POST", f"sessions/{session or self.session}/fork", body or {})
        problem = answer[2] if isinstance(answer[2], dict) else json.loads(answer[2])
        self.assertEqual((answer[0], problem["code"]), (status, code), problem)
        return problem["detail"]

    def test_a_copy_has_the_variables_and_changes_its_own(self):
        self.run_code("x = [1, 2]\ndef f(): return sum(x)\nimport collections\nclass C: n = 7")
        branch = self.branch()
        self.assertEqual(self.value("[f(), C.n, collections.Counter('aa')['a']]", branch), [3, 7, 2])
        self.run_code("x.append(10)", branch)
        self.run_code("x.append(100)")
        self.assertEqual((self.value("f()", branch), self.value("f()")), (13, 103))

    def test_copies_are_sessions_in_full(self):
        self.run_code("x = 1")
        forks = self.fork(count=3, labels={"try": "1"})["sessions"]
        ids = [each["session_id"] for each in forks]
        self.assertEqual(len({*ids, self.session}), 4)
        self.assertEqual(len({each["work_dir"] for each in forks}), 3)
        self.assertEqual(len({each["kernels"][0]["id"] for each in forks}), 3)
        for number, (each, session) in enumerate(zip(forks, ids)):
            self.assertEqual((each["labels"], each["key"]), ({"try": "1"}, None))
            self.run_code(f"x += {number}; open('mine', 'w').write(str(x))", session)
            self.assertEqual(self.ask("GET", f"sessions/{session}/files/mine")[2], b"%d" % (1 + number))
            self.assertEqual(self.value("__import__('os').getcwd()", session), each["work_dir"])
        self.assertEqual(self.value("x"), 1)

    def test_files_are_copied_as_they_are(self):
        self.run_code("import os; os.makedirs('a/b'); open('a/b/f', 'w').write('1'); os.symlink('a/b/f', 'link')")
        branch = self.branch()
        self.run_code("open('a/b/f', 'w').write('2')", branch)
        self.assertEqual(self.value("[open('link').read(), os.readlink('link')]", branch), ["2", "a/b/f"])
        self.assertEqual(self.value("open('link').read()"), "1")

    def test_a_copy_lives_and_dies_by_itself(self):
        self.run_code("x = 41")
        branch = self.branch()
        again = self.branch(branch)
        self.assertEqual(self.ask("DELETE", f"sessions/{self.session}")[0], 204)
        self.assertEqual(self.value("x + 1", branch), 42)
        process = self.value("__import__('os').getpid()", branch)
        result = self.run_code("__import__('os')._exit(5)", branch)
        self.assertEqual(result["status"], "kernel_died")
        self.assertIn("exited with code 5", result["note"])
        self.assertFalse(process_runs(process))
        self.assertFalse(self.value("'x' in globals()", branch), "a restart begins anew")
        self.assertEqual(self.value("x", again), 41)

    def test_a_copy_is_interrupted_and_killed_as_any_kernel(self):
        self.run_code("x = 1")
        branch = self.branch()
        result = self.run_code("while True: pass", branch, timeout={"soft_s": 0.3, "grace_s": 30})
        self.assertEqual((result["status"], result["exit_code"]), ("timeout", 124))
        self.assertEqual(self.value("x", branch), 1)
        process = self.value("__import__('os').getpid()", branch)
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not process_runs(process), "it is gone")
        self.run_code("pass", branch)  # may be there before the gateway knows
        self.assertEqual(self.value("1 + 1", branch), 2)

    def test_history_goes_along(self):
        self.run_code("first = 1")
        branch = self.branch()
        history = self.ask("GET", f"sessions/{branch}/history")[2]["history"]
        self.assertEqual([each["code"] for each in history], ["first = 1"])

    def test_what_a_copy_lacks_is_named(self):
        self.run_code("""
import threading, time, asyncio
threading.Thread(target=time.sleep, args=(600,), daemon=True, name="worker of mine").start()
file = open("log", "w")""")
        warnings = "\n".join(self.fork()["warnings"])
        self.assertIn("worker of mine", warnings)
        self.assertIn("/log", warnings)

    def test_what_cannot_be_forked_is_refused(self):
        self.assertIn("no kernel yet", self.refused(409, "failed_precondition"))
        self.assertIn("count", self.refused(400, "validation_failed", body={"count": 0}))
        self.assertIn("count", self.refused(400, "validation_failed", body={"count": 17}))
        self.assertIn("cuont", self.refused(400, "validation_failed", body={"cuont": 1}))
        places = pathlib.Path(self.ask("GET", f"sessions/{self.session}")[2]["work_dir"]).parent
        before = sorted(places.iterdir())
        begun = self.ask("POST", f"sessions/{self.session}/execute",
                         {"code": "import time; time.sleep(600)", "mode": "async"})[2]
        self.assertIn("busy", self.refused(409, "aborted"))
        self.ask("POST", f"executions/{begun['execution_id']}/cancel")
        wait_until(lambda: sorted(places.iterdir()) == before, "no copy that failed leaves a directory")

    def test_a_kernel_that_cannot_be_forked_is_copied_as_far_as_a_checkpoint_carries(self):
        echo = self.make(kernel="perijove-echo")
        self.run_code("print x", echo)
        self.ask("PUT", f"sessions/{echo}/files/f", b"1")
        status, _, answer = self.ask("POST", f"sessions/{echo}/fork", {})
        self.assertEqual((status, answer["method"]), (201, "files"), answer)
        [branch] = [each["session_id"] for each in answer["sessions"]]
        self.addCleanup(self.ask, "DELETE", f"sessions/{branch}")
        self.assertIn("not carried", "\n".join(answer["warnings"]))
        self.assertEqual(self.ask("GET", f"sessions/{branch}/files/f")[2], b"1")

    def test_a_gigabyte_is_shared(self):
        if os.environ.get("PERIJOVE_SANITIZED"):
            self.skipTest("a sanitizer's kernels are another matter")
        self.run_code("import numpy; a = numpy.ones(1 << 27)")
        branch = self.branch()
        self.run_code("a[0] = 5", branch)
        self.assertEqual(self.value("[float(a[0]), float(a.sum())]", branch), [5.0, 4.0 + (1 << 27)])
        own = self.value("[int(line.split()[1]) for line in open('/proc/self/smaps_rollup') "
                         "if line.startswith('Private_Dirty')][0]", branch)
        self.assertLess(own, 256 * 1024, "KiB of its own, of 1 GiB")
        self.assertEqual(self.value("float(a[0])"), 1.0)


if __name__ == "__main__":
    unittest.main()
