"""Debug requests (the Debug Adapter Protocol and Jupyter's additions to it), relayed to debugpy.

debugpy is imported by the first request to start, and listens on a port of the loopback address then.
From there on until the client disconnects, cells are compiled under the names of files that the
client computes as well, from a hash of their code, so that breakpoints find them.
"""

import ast
import functools
import importlib.util
import json
import os
import queue
import re
import secrets
import shutil
import socket
import sys
import tempfile
import threading

import _perijove_kernel as core

from perijove_kernel.json_text import encode
from perijove_kernel.process_mark import MARK

CONTROL_THREAD = "perijove-control"
SECONDS = 30  # for an answer of debugpy
HASH_SEED = 0xC70F6907
CHILDREN_MAX = 500
TEXT_MAX = 1000
# Of the namespace, but nobody's variables.
HIDDEN = frozenset(
    "__name__ __doc__ __package__ __loader__ __spec__ __annotations__ __builtins__ __builtin__ "
    "__display__ get_ipython display debugpy exit quit open In Out _exit_code".split()
)
OF_PROMPTS = re.compile(r"(_+|_\d+|_i+|_i\d+|_[iod]h)$")


def is_available(shell):
    """Whether there is a debugpy, and a shell that can name its cells."""
    return hasattr(shell, "name_cells") and _has_debugpy()


@functools.lru_cache(maxsize=None)  # a fork server has looked for all that are forked from it
def _has_debugpy():
    return importlib.util.find_spec("debugpy") is not None


def place_of_files(connection_file):
    """Where the files of cells go. A gateway removes the directory of the connection file when the
    kernel ends, also when it is killed; others keep all of theirs in one."""
    if MARK in os.environ:
        return os.path.dirname(connection_file)
    return tempfile.gettempdir()


def hide_from_debugger(thread):
    """This thread is never traced or suspended."""
    thread.pydev_do_not_trace = True
    thread.is_pydev_daemon_thread = True


def hide_control():
    """The same for the thread that answers control, which Python learns of by this."""
    thread = threading.current_thread()
    thread.name = CONTROL_THREAD
    hide_from_debugger(thread)


def murmur2(text, seed=HASH_SEED):
    """MurmurHash2 for 32 bits, as ipykernel and JupyterLab have it."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    data = text.encode("utf-8")
    value = seed ^ len(data)
    whole = len(data) & ~3
    for begin in range(0, whole, 4):
        part = int.from_bytes(data[begin : begin + 4], "little") * multiplier & mask
        part = (part ^ part >> 24) * multiplier & mask
        value = value * multiplier & mask ^ part
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15


class Connection:
    """A client of debugpy's. Threads: any, and one of its own that reads."""

    def __init__(self, address, on_event):
        self._on_event = on_event
        self._answers = {}
        self._socket = socket.create_connection(address, SECONDS)
        self._socket.settimeout(None)
        self._number = 1 << 20  # of requests of our own, far from those of clients
        reader = threading.Thread(target=self._read, name="perijove-debugger", daemon=True)
        hide_from_debugger(reader)
        reader.start()

    def begin(self, request):
        """Sends it; the answer will come through this queue."""
        answer = self._answers[request["seq"]] = queue.SimpleQueue()
        text = json.dumps(request).encode("utf-8")
        self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        return answer

    def ask(self, request):
        """The answer to it; TimeoutError when none comes."""
        return self.wait_for(self.begin(request))

    def ask_for(self, command, arguments):
        self._number += 1
        return self.ask(
            {"type": "request", "seq": self._number, "command": command, "arguments": arguments}
        )

    @staticmethod
    def wait_for(answer):
        try:
            return answer.get(timeout=SECONDS)
        except queue.Empty:
            raise TimeoutError("debugpy did not answer within %d s" % SECONDS) from None

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        self._socket.close()

    def _read(self):
        try:
            with self._socket.makefile("rb") as stream:
                while True:
                    size = 0
                    while True:
                        line = stream.readline()
                        if not line:
                            return
                        if not line.strip():
                            break
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            size = int(value)
                    self._take(json.loads(stream.read(size)))
        except (OSError, ValueError):
            pass  # it was closed

    def _take(self, message):
        if message["type"] == "event":
            self._on_event(message)
        elif message["type"] == "response":
            answer = self._answers.pop(message["request_seq"], None)
            if answer is not None:
                answer.put(message)


class Variables:
    """Values, as clients look at them when nothing is stopped, by numbers for what is inside."""

    def __init__(self):
        self._values = []

    def of_namespace(self, namespace):
        return [
            self._shown(name, value, name)
            for name, value in sorted(namespace.items())
            if is_shown(name)
        ]

    def children(self, number):
        if not 0 < number <= len(self._values):
            return []
        value = self._values[number - 1]
        return [self._shown(name, each, "") for name, each in self._parts(value)][:CHILDREN_MAX]

    @staticmethod
    def _parts(value):
        if isinstance(value, dict):
            return [(text_of(key), each) for key, each in list(value.items())[:CHILDREN_MAX]]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [(str(index), each) for index, each in enumerate(list(value)[:CHILDREN_MAX])]
        return sorted(getattr(value, "__dict__", {}).items())

    def _shown(self, name, value, expression):
        number = 0
        if self._parts(value):
            self._values.append(value)
            number = len(self._values)
        return {
            "name": name,
            "value": text_of(value),
            "type": type(value).__name__,
            "evaluateName": expression,
            "variablesReference": number,
        }


def text_of(value):
    try:
        return repr(value)[:TEXT_MAX]
    except Exception as error:
        return "<no repr: %s>" % type(error).__name__


def is_shown(name):
    return name not in HIDDEN and not OF_PROMPTS.match(name)


class Debugger:
    """Threads: the one that answers control, but for before_cell()."""

    def __init__(self, shell, publisher, connection_file):
        self._shell = shell
        self._publisher = publisher
        self._header = "{}"
        self._address = None  # where debugpy listens, once it does
        self._connection = None
        self._initialized = threading.Event()  # debugpy's event
        self._directory = os.path.join(
            place_of_files(connection_file), "perijove-python-" + secrets.token_hex(8)
        )
        self._breakpoints = {}
        self._stopped = set()
        self._variables = Variables()
        self._traces = False  # the main thread does
        self._anytime = {
            "debugInfo": self._debug_info,
            "inspectVariables": self._inspect_variables,
            "richInspectVariables": self._rich_inspect_variables,
            "modules": self._modules,
        }
        self._started = {
            "dumpCell": self._dump_cell,
            "setBreakpoints": self._set_breakpoints,
            "source": self._source,
            "stackTrace": self._stack_trace,
            "variables": self._variables_of,
            "attach": self._attach,
            "configurationDone": lambda request: self._answer(request),
            "copyToGlobals": self._copy_to_globals,
            "disconnect": self._disconnect,
        }

    @property
    def is_attached(self):
        return self._connection is not None

    def before_cell(self):
        """On the main thread, whose code is to be stopped, or no more."""
        wanted = self.is_attached
        if wanted != self._traces:
            import debugpy

            debugpy.trace_this_thread(wanted)
            self._traces = wanted

    def close(self):
        """The kernel ends."""
        if self._connection is not None:
            self._connection.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def answer(self, header, request):
        """The content of the debug_reply."""
        if self._address is not None:
            hide_control()
        self._header = header
        command = request.get("command")
        try:
            if command in self._anytime:
                return self._anytime[command](request)
            if command == "initialize" and self._connection is None:
                self._start()
            if self._connection is None:
                return self._refusal(request, "the debugger has not been started (initialize)")
            return self._started.get(command, self._connection.ask)(request)
        except (OSError, ImportError, RuntimeError, LookupError, TypeError) as error:
            return self._refusal(request, "%s: %s" % (type(error).__name__, error))

    @staticmethod
    def _answer(request, body=None, success=True):
        return {
            "type": "response",
            "seq": request.get("seq", 0),
            "request_seq": request.get("seq", 0),
            "success": success,
            "command": request.get("command"),
            "body": body or {},
        }

    def _refusal(self, request, why):
        return dict(self._answer(request, success=False), message=why)

    # Life.

    def _start(self):
        if self._address is None:
            hide_control()
            os.mkdir(self._directory, 0o700)
            # Its words about modules that are frozen into Python, which nobody debugs here.
            os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
            import debugpy

            debugpy.configure(subProcess=False)
            self._address = debugpy.listen(("127.0.0.1", 0))
        self._initialized.clear()
        self._connection = Connection(self._address, self._on_event)
        self._shell.name_cells(self._file_of)

    def _disconnect(self, request):
        try:
            return self._connection.ask(request)
        finally:
            self._connection.close()
            self._connection = None
            self._stopped.clear()
            self._shell.name_cells(None)

    def _attach(self, request):
        host, port = self._address
        arguments = request.setdefault("arguments", {})
        arguments["connect"] = {"host": host, "port": port}
        arguments.setdefault("justMyCode", True)
        answer = self._connection.begin(request)
        # debugpy takes breakpoints from now on, and answers when it has all of them. Those of the
        # client come later: to it, an attached debugger is one that runs.
        if not self._initialized.wait(SECONDS):
            raise TimeoutError("debugpy was not ready within %d s" % SECONDS)
        self._connection.ask_for("configurationDone", {})
        return self._connection.wait_for(answer)

    def _on_event(self, event):
        body = event.get("body", {})
        if event["event"] == "initialized":
            self._initialized.set()
        elif event["event"] == "stopped":
            self._stopped.add(body.get("threadId"))
        elif event["event"] == "continued":
            if body.get("allThreadsContinued", True):
                self._stopped.clear()
            else:
                self._stopped.discard(body.get("threadId"))
        core.publish(self._header, "debug_event", encode(event), b"{}", [])

    # Files.

    def _file_of(self, code):
        return os.path.join(self._directory, "%d.py" % murmur2(code))

    def _dump_cell(self, request):
        code = request["arguments"]["code"]
        file = self._file_of(code)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(code)
        return self._answer(request, {"sourcePath": file})

    def _source(self, request):
        path = request["arguments"]["source"]["path"]
        if not os.path.isfile(path):
            return self._refusal(request, "source unavailable")
        with open(path, encoding="utf-8") as stream:
            return self._answer(request, {"content": stream.read()})

    def _set_breakpoints(self, request):
        arguments = request["arguments"]
        self._breakpoints[arguments["source"]["path"]] = arguments["breakpoints"]
        return self._connection.ask(request)

    # What is there.

    def _debug_info(self, request):
        return self._answer(
            request,
            {
                "isStarted": self._connection is not None,
                "hashMethod": "Murmur2",
                "hashSeed": HASH_SEED,
                "tmpFilePrefix": self._directory + os.sep,
                "tmpFileSuffix": ".py",
                "breakpoints": [
                    {"source": source, "breakpoints": breakpoints}
                    for source, breakpoints in self._breakpoints.items()
                ],
                "stoppedThreads": sorted(self._stopped),
                "richRendering": True,
                "exceptionPaths": ["Python Exceptions"],
                "copyToGlobals": True,
            },
        )

    def _stack_trace(self, request):
        """Without the frames of the kernel, which are below those of the cell."""
        reply = self._connection.ask(request)
        frames = reply.get("body", {}).get("stackFrames", [])
        of_cells = [
            index
            for index, frame in enumerate(frames)
            if (frame.get("source") or {}).get("path", "").startswith(self._directory)
        ]
        if of_cells:
            reply["body"]["stackFrames"] = frames[: of_cells[-1] + 1]
        return reply

    def _variables_of(self, request):
        if not self._stopped:
            number = request["arguments"]["variablesReference"]
            return self._answer(request, {"variables": self._variables.children(number)})
        reply = self._connection.ask(request)
        if reply.get("success"):
            shown = [each for each in reply["body"]["variables"] if is_shown(each["name"])]
            reply["body"]["variables"] = shown
        return reply

    def _inspect_variables(self, request):
        self._variables = Variables()
        shown = self._variables.of_namespace(dict(self._shell.namespace))
        return self._answer(request, {"variables": shown})

    def _rich_inspect_variables(self, request):
        name = request["arguments"]["variableName"]
        if not name.isidentifier():
            groups = ("special variables", "function variables")
            return self._answer(request, {"data": {}, "metadata": {}}, name in groups)
        data, metadata = {}, {}
        frame = request["arguments"].get("frameId")
        if self._stopped and frame is not None:
            expression = "get_ipython().display_formatter.format(%s)" % name
            reply = self._connection.ask_for(
                "evaluate", {"expression": expression, "frameId": frame, "context": "clipboard"}
            )
            if not reply["success"]:
                return self._refusal(request, reply.get("message", ""))
            data, metadata = ast.literal_eval(reply["body"]["result"])
        else:
            result = self._shell.evaluate({name: name})[name]
            if result.get("status") == "ok":
                data, metadata = result["data"], result["metadata"]
        return self._answer(request, {"data": data, "metadata": metadata})

    def _copy_to_globals(self, request):
        arguments = request["arguments"]
        return self._connection.ask_for(
            "setExpression",
            {
                "expression": "globals()['%s']" % arguments["dstVariableName"],
                "value": arguments["srcVariableName"],
                "frameId": arguments["srcFrameId"],
            },
        )

    def _modules(self, request):
        arguments = request.get("arguments") or {}
        modules = list(sys.modules.values())
        first = arguments.get("startModule", 0)
        shown = []
        for number, module in enumerate(modules[first:][: arguments.get("moduleCount")], first):
            file = getattr(getattr(module, "__spec__", None), "origin", None)
            if file and file.endswith(".py"):
                shown.append({"id": number, "name": module.__name__, "path": file})
        return self._answer(request, {"modules": shown, "totalModules": len(modules)})
