"""What the C++ side calls: the requests of clients, as JSON texts."""

import faulthandler
import json
import os
import signal
import sys

import _perijove_kernel as core

from perijove_kernel import debugger
from perijove_kernel.comms import CommManager
from perijove_kernel.json_text import encode
from perijove_kernel.stdin import Stdin


class Kernel:
    """A shell, IPython's or ours, behind the protocol.

    Threads: the main thread, but for what says otherwise.
    """

    def __init__(self, shell, publisher):
        self.shell = shell
        self.connection_file = None
        self._publisher = publisher
        self._stdin = Stdin(publisher, shell.stdin_error)
        self._parent = {}
        self._runs = False  # code of a client does, and may be interrupted
        self.branches = []  # process ids of children that nobody else waits for
        self._debugger = None  # made by the first request for it
        self.comm_manager = CommManager(publisher, shell, self)
        shell.attach(self)

    # Life.

    def on_started(self):
        """The sockets are there, and descriptors 1 and 2 are captured."""
        faulthandler.enable(core.original_stderr())
        for stream in (sys.__stdout__, sys.__stderr__):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)
        sys.stdout = self._publisher.stdout
        sys.stderr = self._publisher.stderr
        self._stdin.install()
        self._take_sigint()

    def shutdown(self):
        if self._debugger is not None:
            self._debugger.close()
        self._publisher.flush()
        sys.stdout = sys.__stdout__
        sys.stderr = sys.__stderr__
        faulthandler.disable()

    def wait(self, shell_descriptor, wake_descriptor):
        """Not empty when the event loop has waited for the descriptors."""
        return "waited" if self.shell.wait(shell_descriptor, wake_descriptor) else ""

    def warm_up(self, cells):
        """Before any fork, and before the kernel is served: runs cells that leave nothing behind."""
        streams = sys.stdout, sys.stderr
        self._publisher.start_no_thread()
        sys.stdout, sys.stderr = self._publisher.stdout, self._publisher.stderr
        try:
            self.shell.warm_up(cells)
        finally:
            self._publisher.flush()
            sys.stdout, sys.stderr = streams
            for name in ("last_type", "last_value", "last_traceback"):
                if hasattr(sys, name):
                    delattr(sys, name)

    def rehearse(self, code):
        """In a child that is going to be no kernel: does what a kernel does until it has run that."""
        self.after_fork()
        self._publisher.start_no_thread()
        sys.stdout, sys.stderr = self._publisher.stdout, self._publisher.stderr
        self.shell.rehearse(code)
        self._publisher.flush()

    def after_fork(self):
        """This process, a child, is the kernel from now on."""
        self._debugger = None
        self._publisher.after_fork()
        self.shell.after_fork()
        self.shell.init_environment()

    # Code of clients is interrupted, and nothing else is.

    def on_interrupt(self, frame):
        """Not empty when the interrupt is dealt with; KeyboardInterrupt is raised otherwise."""
        if not self._runs:
            return "ignored"
        return self.shell.on_interrupt(frame)

    def _run(self, call, *arguments):
        try:
            self._take_sigint()
            self._runs = True
            if core.is_interrupted():  # since the request came, but before the line above
                raise KeyboardInterrupt
            result = call(*arguments)
            self._runs = False
            return result
        finally:
            self._runs = False

    @staticmethod
    def _take_sigint():
        if signal.getsignal(signal.SIGINT) is not core.on_sigint:
            signal.signal(signal.SIGINT, core.on_sigint)
            core.catch_sigint()

    # Requests.

    def execute(self, header, code, silent, store_history, user_expressions, allow_stdin):
        self._begin(header)
        self._stdin.is_allowed = allow_stdin
        if self._debugger is not None:
            self._debugger.before_cell()
        if not silent:
            self._publisher.publish(
                "execute_input", {"code": code, "execution_count": self.shell.execution_count}
            )
        try:
            reply = self._run(
                self.shell.execute, code, silent, store_history, json.loads(user_expressions)
            )
        except KeyboardInterrupt:  # where the shell did not expect it
            reply = self.shell.show_interrupt()
        self._publisher.flush()
        return encode(reply)

    def complete(self, code, cursor):
        return self._answer(self.shell.complete, code, len(code) if cursor < 0 else cursor)

    def inspect(self, code, cursor, detail_level):
        return self._answer(
            self.shell.inspect, code, len(code) if cursor < 0 else cursor, detail_level
        )

    def is_complete(self, code):
        return self._answer(self.shell.is_complete, code)

    def _answer(self, ask, *arguments):
        return encode(self._run(ask, *arguments))

    def info(self):
        version = sys.version.split()[0]
        return encode(
            {
                "status": "ok",
                "implementation": "perijove-python",
                "implementation_version": core.VERSION,
                "banner": self.shell.banner(),
                "language_info": {
                    "name": "python",
                    "version": version,
                    "mimetype": "text/x-python",
                    "file_extension": ".py",
                    "pygments_lexer": self.shell.pygments_lexer,
                    "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
                    "nbconvert_exporter": "python",
                },
                "help_links": [
                    {
                        "text": "Python Reference",
                        "url": "https://docs.python.org/%i.%i" % sys.version_info[:2],
                    },
                    {
                        "text": "IPython Reference",
                        "url": "https://ipython.org/documentation.html",
                    },
                ],
                "debugger": debugger.is_available(self.shell),
                "supported_features": ["perijove fork"]
                + ["debugger"] * debugger.is_available(self.shell),
            }
        )

    # Comms: (header, metadata, content as JSON texts, buffers).

    def comm_open(self, *message):
        self._dispatch(self.comm_manager.comm_open, *message)

    def comm_msg(self, *message):
        self._dispatch(self.comm_manager.comm_msg, *message)

    def comm_close(self, *message):
        self._dispatch(self.comm_manager.comm_close, *message)

    def comm_info_request(self, header, metadata, content, buffers):
        target = json.loads(content).get("target_name")
        return encode({"status": "ok", "comms": self.comm_manager.names(target)})

    def debug_request(self, header, metadata, content, buffers):
        """On the thread that answers control, while code may be running."""
        request = json.loads(content)
        if self._debugger is None:
            if not debugger.is_available(self.shell):
                return encode(
                    {
                        "type": "response",
                        "request_seq": request.get("seq", 0),
                        "success": False,
                        "command": request.get("command"),
                        "message": "there is no debugpy for this Python, or no IPython",
                    }
                )
            self._debugger = debugger.Debugger(
                self.shell, self._publisher, self.connection_file
            )
        return encode(self._debugger.answer(header, request))

    def is_debugged(self):
        """On the main thread: it is not traced any more when this says no."""
        if self._debugger is None:
            return False
        self._debugger.before_cell()
        return self._debugger.is_attached

    def fork_request(self, header, metadata, content, buffers):
        from perijove_kernel import branch

        self._begin(header)
        return encode(branch.fork(self, self._publisher, json.loads(content)))

    def _dispatch(self, handler, header, metadata, content, buffers):
        self._begin(header)
        message = {
            "header": json.loads(header),
            "parent_header": {},
            "metadata": json.loads(metadata),
            "content": json.loads(content),
            "buffers": [memoryview(buffer) for buffer in buffers],
        }
        self._parent = message
        message["msg_id"] = message["header"].get("msg_id")
        message["msg_type"] = message["header"].get("msg_type")
        try:
            self._run(self.shell.run_callback, handler, message)
        except KeyboardInterrupt:
            print("KeyboardInterrupt", file=sys.stderr)
        self._publisher.flush()

    def _begin(self, header):
        self._publisher.begin(header)
        self._parent = None
        for process in list(self.branches):
            try:
                ended = os.waitpid(process, os.WNOHANG) != (0, 0)
            except ChildProcessError:  # code of the user has waited for it
                ended = True
            if ended:
                self.branches.remove(process)

    # What libraries ask `get_ipython().kernel` for.

    def get_parent(self, channel="shell"):
        """The request that the outputs of now belong to."""
        if self._parent is None:
            self._parent = {
                "header": json.loads(self._publisher.request_header),
                "parent_header": {},
                "metadata": {},
                "content": {},
            }
        return self._parent

    @property
    def _parent_header(self):
        return self.get_parent()
