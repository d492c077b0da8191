"""Debug requests: breakpoints in cells, what is seen there, and what is seen without any."""

import os
import shutil
import unittest

from guest_tests import DEADLINE
from support import PythonKernelTestCase, new_connection_file
from test_branch import BranchKernelTestCase
from test_outputs import installed
from test_zygote import ZygoteKernelTestCase

CODE = """def scaled(values, by):
    result = []
    for value in values:
        result.append(value * by)
    return result

numbers = [1, 2, 3]
print(scaled(numbers, 10))
"""


@unittest.skipUnless(installed("debugpy"), "there is no debugpy (Debian: python3-debugpy)")
class DebuggerKernelTestCase(PythonKernelTestCase):
    """The kernel is `self.py`."""

    sequence = 0

    def debug(self, command, **arguments):
        """The content of the debug_reply."""
        self.sequence += 1
        content = {
            "type": "request", "seq": self.sequence, "command": command, "arguments": arguments,
        }
        request = self.py.client.session.msg("debug_request", content)
        self.py.client.control_channel.send(request)
        while True:
            reply = self.py.client.get_control_msg(timeout=DEADLINE)
            if reply["parent_header"]["msg_id"] == request["header"]["msg_id"]:
                self.assertEqual(reply["msg_type"], "debug_reply")
                return reply["content"]

    def body(self, command, **arguments):
        reply = self.debug(command, **arguments)
        self.assertTrue(reply["success"], reply)
        self.assertEqual((reply["type"], reply["command"]), ("response", command))
        return reply.get("body", {})

    def attach(self):
        # A kernel that is killed, as most are at the end of a test, leaves it.
        directory = self.body("debugInfo")["tmpFilePrefix"]
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.body("initialize", clientID="test", adapterID="", pathFormat="path",
                  linesStartAt1=True, columnsStartAt1=True, supportsVariableType=True)
        self.body("attach")

    def dump(self, code, *lines):
        """Breakpoints in these lines of a cell."""
        path = self.body("dumpCell", code=code)["sourcePath"]
        found = self.body("setBreakpoints", source={"path": path}, sourceModified=False,
                          breakpoints=[{"line": line} for line in lines])["breakpoints"]
        self.assertEqual([each["line"] for each in found], list(lines))
        self.body("configurationDone")
        return path

    def until_stopped(self):
        """The thread that has stopped."""
        while True:
            message = self.py.client.get_iopub_msg(timeout=DEADLINE)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == "stopped":
                return message["content"]["body"]["threadId"]

    def locals_of(self, frame):
        [scope] = [each for each in self.body("scopes", frameId=frame)["scopes"]
                   if each["name"] == "Locals"]
        found = self.body("variables", variablesReference=scope["variablesReference"])
        return {each["name"]: each["value"] for each in found["variables"]}


class Debugger(DebuggerKernelTestCase):
    def test_is_announced(self):
        info = self.py.ask("kernel_info")
        self.assertTrue(info["debugger"])
        self.assertIn("debugger", info["supported_features"])
        self.assertIs(self.py.manager.kernel_spec.metadata["debugger"], True)

    def test_stops_at_a_breakpoint_and_goes_on(self):
        self.attach()
        path = self.dump(CODE, 4)
        msg_id = self.py.client.execute(CODE)
        thread = self.until_stopped()
        frames = self.body("stackTrace", threadId=thread)["stackFrames"]
        self.assertEqual([(each["name"], each["line"]) for each in frames],
                         [("scaled", 4), ("<module>", 8)])
        self.assertEqual({each["source"]["path"] for each in frames}, {path})
        frame = frames[0]["id"]
        seen = self.locals_of(frame)
        self.assertEqual((seen["by"], seen["value"], seen["result"]), ("10", "1", "[]"))

        rich = self.body("richInspectVariables", variableName="values", frameId=frame)
        self.assertEqual(rich["data"]["text/plain"], "[1, 2, 3]")
        self.assertEqual(self.body("evaluate", expression="by + 1", frameId=frame)["result"], "11")
        self.assertTrue(self.debug("copyToGlobals", srcVariableName="by", dstVariableName="copied",
                                 srcFrameId=frame)["success"])
        self.assertEqual(self.body("debugInfo")["stoppedThreads"], [thread])

        self.body("next", threadId=thread)
        thread = self.until_stopped()
        frames = self.body("stackTrace", threadId=thread)["stackFrames"]
        self.assertEqual(frames[0]["line"], 3)
        self.assertEqual(self.locals_of(frames[0]["id"])["result"], "[10]")

        self.body("setBreakpoints", source={"path": path}, breakpoints=[], sourceModified=False)
        self.body("continue", threadId=thread)
        run = self.py.finish(msg_id)
        self.assertEqual((run.error, run.stdout), (None, "[10, 20, 30]\n"))
        self.assertEqual(self.result("copied"), "10")

    def test_stops_in_what_a_later_cell_calls(self):
        self.attach()
        function = "def called():\n    inside = 41\n    return inside + 1\n"
        self.dump(function, 3)
        self.py.run(function)
        msg_id = self.py.client.execute("called()")
        thread = self.until_stopped()
        frame = self.body("stackTrace", threadId=thread)["stackFrames"][0]
        self.assertEqual((frame["name"], self.locals_of(frame["id"])["inside"]), ("called", "41"))
        self.body("continue", threadId=thread)
        self.assertEqual(self.py.finish(msg_id).results, ["42"])

    def test_is_answered_while_a_cell_runs(self):
        msg_id = self.py.start("import time\nwhile True: time.sleep(0.01)")
        self.assertFalse(self.body("debugInfo")["isStarted"])
        self.py.interrupt()
        self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")

    def test_lets_go_when_it_is_told_to_and_comes_back(self):
        for _ in range(2):
            self.attach()
            self.dump(CODE, 4)
            self.assertTrue(self.body("debugInfo")["isStarted"])
            self.debug("disconnect", restart=False, terminateDebuggee=False)
            self.assertFalse(self.body("debugInfo")["isStarted"])
            self.assertEqual(self.py.run(CODE).stdout, "[10, 20, 30]\n")
        self.attach()
        self.dump(CODE, 8)
        msg_id = self.py.client.execute(CODE)
        self.body("continue", threadId=self.until_stopped())
        self.assertEqual(self.py.finish(msg_id).stdout, "[10, 20, 30]\n")

    def test_an_interrupt_ends_a_cell_that_is_stopped(self):
        self.attach()
        self.dump(CODE, 4)
        msg_id = self.py.client.execute(CODE)
        self.until_stopped()
        self.py.interrupt()
        self.assertEqual(self.py.finish(msg_id).error[0], "KeyboardInterrupt")
        self.debug("disconnect", restart=False, terminateDebuggee=False)
        self.assertEqual(self.result("6 * 7"), "42")

    def test_variables_are_seen_without_it(self):
        self.py.run("class Point:\n    def __init__(self): self.x = 1.5\n"
                    "import pathlib\np = Point(); d = {'key': [1, 2]}; text = 'é'; x1 = _index = 1")
        found = {each["name"]: each for each in self.body("inspectVariables")["variables"]}
        self.assertEqual((found["text"]["value"], found["text"]["type"]), ("'é'", "str"))
        self.assertEqual(found["text"]["variablesReference"], 0)
        self.assertLessEqual({"x1", "_index", "Point", "pathlib"}, set(found))
        self.assertNotIn("get_ipython", found)
        self.assertNotIn("In", found)
        rich = self.body("richInspectVariables", variableName="d")
        self.assertEqual(rich["data"]["text/plain"], "{'key': [1, 2]}")
        self.assertFalse(self.debug("richInspectVariables", variableName="1 +")["success"])
        self.attach()
        found = {each["name"]: each for each in self.body("inspectVariables")["variables"]}
        inside = self.body("variables", variablesReference=found["d"]["variablesReference"])
        [key] = inside["variables"]
        self.assertEqual((key["name"], key["value"]), ("'key'", "[1, 2]"))
        inside = self.body("variables", variablesReference=found["p"]["variablesReference"])
        self.assertEqual([(each["name"], each["value"]) for each in inside["variables"]],
                         [("x", "1.5")])

    def test_names_files_as_clients_compute_them(self):
        info = self.body("debugInfo")
        self.assertEqual((info["hashMethod"], info["tmpFileSuffix"]), ("Murmur2", ".py"))
        self.attach()
        try:
            from ipykernel.compiler import murmur2_x86
        except ImportError:
            self.skipTest("there is no ipykernel (Debian: python3-ipykernel), whose hash is compared")
        for code in ("", "a", "ab", "abc", "abcd", "print('é€😀')\n" * 9):
            path = self.body("dumpCell", code=code)["sourcePath"]
            expected = murmur2_x86(code, info["hashSeed"])
            self.assertEqual(path, f"{info['tmpFilePrefix']}{expected}.py")
            self.assertEqual(self.body("source", source={"path": path})["content"], code)
        self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o777, 0o700)

    def test_its_files_go_with_the_kernel(self):
        self.attach()
        directory = os.path.dirname(self.body("dumpCell", code="1")["sourcePath"])
        self.py.manager.shutdown_kernel()
        self.wait_until(lambda: not os.path.exists(directory))

    def test_what_cannot_be_is_refused_with_words(self):
        for command, arguments in (("setBreakpoints", {}), ("stackTrace", {"threadId": 1})):
            reply = self.debug(command, **arguments)
            self.assertFalse(reply["success"])
            self.assertIn("has not been started", reply["message"])
        self.attach()
        reply = self.debug("setBreakpoints")
        self.assertFalse(reply["success"])
        self.assertIn("KeyError", reply["message"])
        self.assertFalse(self.debug("source", source={"path": "/nowhere"})["success"])


class DebuggerOfForksKernelTestCase(DebuggerKernelTestCase, ZygoteKernelTestCase):
    def setUp(self):
        ZygoteKernelTestCase.setUp(self)
        self.py = self.kernel(self.ready())


class DebuggerOfForks(DebuggerOfForksKernelTestCase):
    def test_stops_there_as_well(self):
        self.attach()
        self.dump(CODE, 4)
        msg_id = self.py.client.execute(CODE)
        thread = self.until_stopped()
        frame = self.body("stackTrace", threadId=thread)["stackFrames"][0]
        self.assertEqual(self.locals_of(frame["id"])["value"], "1")
        self.debug("disconnect", restart=False, terminateDebuggee=False)
        self.assertEqual(self.py.finish(msg_id).stdout, "[10, 20, 30]\n")


class DebuggerAndBranchesKernelTestCase(DebuggerKernelTestCase, BranchKernelTestCase):
    pass


class DebuggerAndBranches(DebuggerAndBranchesKernelTestCase):
    def test_know_nothing_of_each_other_before_there_is_one(self):
        self.body("debugInfo")
        _, warnings = self.fork()
        self.assertEqual(warnings, [])

    def test_exclude_each_other(self):
        self.attach()
        self.dump(CODE, 4)
        reply = self.ask(self.py, {"connection_file": new_connection_file(self.directory)})
        self.assertEqual(reply["ename"], "ForkRefused")
        self.assertIn("debugger is attached", reply["evalue"])
        self.debug("disconnect", restart=False, terminateDebuggee=False)
        branch, warnings = self.fork()
        self.assertNotIn("perijove", str(warnings))
        self.assertEqual(branch.run(CODE).stdout, "[10, 20, 30]\n")
