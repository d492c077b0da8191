"""IPython's InteractiveShell behind the protocol."""

import os
import sys

from perijove_kernel import lazy_ipython

lazy_ipython.install()

from IPython.core import page, payloadpage
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.inputtransformer2 import leading_empty_lines
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from IPython.utils.process import system
from IPython.utils.tokenutil import token_at_cursor
from traitlets import Any, Bool, Instance, Type, default
from traitlets.config import Config

import _perijove_kernel as core

from perijove_kernel.event_loop import EventLoop
from perijove_kernel.kernel_magics import KernelMagics

try:
    from IPython.core.interactiveshell import _asyncio_runner
except ImportError:
    _asyncio_runner = None


class Compiler(CachingCompiler):
    """Names cells as IPython does, or as it is told to."""

    file_of = None  # code -> name

    def get_code_name(self, raw_code, transformed_code, number):
        if self.file_of is not None:
            return self.file_of(raw_code)
        return super().get_code_name(raw_code, transformed_code, number)


class ResultPublisher(DisplayHook):
    """Publishes the value of a cell."""

    def start_displayhook(self):
        self._result = {"execution_count": None, "data": {}, "metadata": {}}

    def write_output_prompt(self):
        self._result["execution_count"] = self.prompt_count

    def write_format_data(self, format_dict, md_dict=None):
        self._result["data"] = format_dict
        self._result["metadata"] = md_dict or {}

    def finish_displayhook(self):
        if self._result["data"]:
            self.shell.publisher.publish("execute_result", self._result)
        self._result = None


class RichPublisher(DisplayPublisher):
    """Publishes what display() shows."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **others):
        metadata = metadata or {}
        self._validate_data(data, metadata)
        self.shell.publisher.publish(
            "update_display_data" if update else "display_data",
            {"data": data, "metadata": metadata, "transient": transient or {}},
        )

    def clear_output(self, wait=False):
        self.shell.publisher.publish("clear_output", {"wait": wait})


# Many libraries ask for the name of this class to learn that they run in a Jupyter kernel.
class ZMQInteractiveShell(InteractiveShell):
    """The shell that get_ipython() returns."""

    displayhook_class = Type(ResultPublisher)
    display_pub_class = Type(RichPublisher)
    compiler_class = Type(Compiler)
    publisher = Any()
    event_loop = Any()
    kernel = Any()
    exiter = Instance(ZMQExitAutocall)
    keepkernel_on_exit = None
    enable_html_pager = True
    cell_runs = False
    code_has_begun = False  # that of the running cell
    interrupt_waits = False  # for that
    last_error = None  # the content of the error that the running cell has published

    @default("exiter")
    def _make_exiter(self):
        return ZMQExitAutocall(self)

    @default("banner1")
    def _make_banner(self):
        from IPython.core.usage import default_banner

        return default_banner

    autoindent = Bool(False)  # nobody types into a terminal

    def init_environment(self):
        """Programs shall use colours, and no pagers: nobody could turn their pages."""
        os.environ["TERM"] = "xterm-color"
        os.environ["CLICOLOR"] = "1"
        os.environ["PAGER"] = "cat"
        os.environ["GIT_PAGER"] = "cat"

    def init_virtualenv(self):
        """The kernel was started in the environment that it shall use."""

    def init_hooks(self):
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)

    def init_magics(self):
        super().init_magics()
        self.register_magics(KernelMagics)
        self.magics_manager.register_alias("ed", "edit")

    def enable_gui(self, gui=None):
        """GUI toolkits have event loops of their own, which nothing runs here."""
        if gui not in (None, "inline", "asyncio", "none"):
            raise NotImplementedError("this kernel runs no event loop of the GUI %r" % gui)

    def ask_exit(self):
        keep = bool(self.keepkernel_on_exit)
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": keep})
        if not keep:
            core.end_soon()

    def set_next_input(self, text, replace=False):
        self.payload_manager.write_payload(
            {"source": "set_next_input", "text": text, "replace": replace}
        )

    def get_parent(self):
        return self.kernel.get_parent()

    @property
    def parent_header(self):
        return self.kernel.get_parent()

    def system_piped(self, command):
        """Runs a command of the shell and shows what it prints."""
        if command.rstrip().endswith("&"):
            raise OSError("Background processes not supported.")
        self.user_ns["_exit_code"] = system(self.var_expand(command, depth=1))

    system = system_piped

    async def run_code(self, *arguments, **options):
        if not self.code_has_begun:
            self.code_has_begun = True
            if self.interrupt_waits:
                raise KeyboardInterrupt
            if core.is_interrupted():
                core.raise_interrupt()
        return await super().run_code(*arguments, **options)

    def showtraceback(self, exc_tuple=None, *arguments, **options):
        import asyncio

        kind, value, traceback = exc_tuple or sys.exc_info()
        if self.event_loop.interrupted and kind is asyncio.CancelledError:
            # It was cancelled because the user has interrupted it.
            value = KeyboardInterrupt().with_traceback(traceback)
            exc_tuple = (KeyboardInterrupt, value, traceback)
        super().showtraceback(exc_tuple, *arguments, **options)

    def _showtraceback(self, etype, evalue, stb):
        self.last_error = {
            "ename": str(etype.__name__),
            "evalue": str(evalue),
            "traceback": list(stb),
        }
        self.publisher.publish("error", self.last_error)


InteractiveShellABC.register(ZMQInteractiveShell)


class IPythonShell:
    """The face of that shell to kernel.py. Threads: the main thread."""

    pygments_lexer = "ipython3"
    stdin_error = StdinNotImplementedError

    def __init__(self, publisher):
        config = Config()
        # Libraries ask for this section to learn that they run in a Jupyter kernel.
        config.IPKernelApp.parent_appname = ""
        # The thread that writes IPython's history file would be in the way of forks.
        config.HistoryManager.enabled = False
        self._event_loop = EventLoop()
        self._publisher = publisher
        self._shell = ZMQInteractiveShell.instance(
            config=config, publisher=publisher, event_loop=self._event_loop
        )
        self.init_environment()

    def attach(self, kernel):
        self._shell.kernel = kernel

    @property
    def execution_count(self):
        return self._shell.execution_count

    def banner(self):
        return self._shell.banner

    def trigger(self, event):
        self._shell.events.trigger(event)

    def wait(self, *descriptors):
        return self._event_loop.wait(*descriptors)

    def on_interrupt(self, frame):
        """How the interrupt is dealt with; empty when KeyboardInterrupt is to be raised."""
        shell = self._shell
        if shell.cell_runs and not shell.code_has_begun and not shell.interrupt_waits:
            # IPython's own work before the code may swallow it, or break off with a lock held.
            shell.interrupt_waits = True
            return "deferred"
        return "cancelled" if self._event_loop.cancel_what_is_awaited(frame) else ""

    @property
    def namespace(self):
        return self._shell.user_ns

    def evaluate(self, expressions):
        """As user_expressions of a request."""
        return self._shell.user_expressions(expressions)

    def name_cells(self, file_of):
        """Cells are compiled under the names that this gives their code, for a debugger, and keep
        empty lines at their beginning; None: as IPython does by itself."""
        self._shell.compile.file_of = file_of
        transforms = self._shell.input_transformer_manager.cleanup_transforms
        if file_of is None:
            if leading_empty_lines not in transforms:
                transforms.insert(0, leading_empty_lines)
        elif leading_empty_lines in transforms:
            transforms.remove(leading_empty_lines)

    def tasks(self):
        return self._event_loop.tasks()

    def descriptors(self):
        return self._event_loop.descriptors()

    def rehearse(self, code):
        """Runs it, and nobody interrupts it."""
        self._shell.code_has_begun = True
        self._event_loop.run(self._run_cell(code, False, False))

    def warm_up(self, cells):
        """Runs them as those of a client, and forgets them."""
        shell = self._shell
        names = dict(shell.user_ns)
        for code in cells:
            self.rehearse(code)
        shell.user_ns.clear()
        shell.user_ns.update(names)
        names["_oh"].clear()
        for name in ("_", "__", "___"):
            setattr(shell.displayhook, name, "")
        shell.last_error = shell.last_execution_result = None
        shell.last_execution_succeeded = True
        shell.payload_manager.clear_payload()
        self._event_loop.close()

    def after_fork(self):
        self._event_loop.after_fork()
        try:
            # Where it is now, the home may be another one of the same name.
            profile = self._shell.profile_dir
            os.makedirs(profile.location, exist_ok=True)
            profile.check_dirs()
        except OSError:
            pass  # as IPython does where there is no home

    def init_environment(self):
        """To be called again when the variables of the environment were replaced."""
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        self._shell.init_environment()

    # Requests.

    def execute(self, code, silent, store_history, user_expressions):
        shell = self._shell
        shell.last_error = None
        shell.code_has_begun = shell.interrupt_waits = False
        shell.cell_runs = True
        try:
            result = self._event_loop.run(self._run_cell(code, silent, store_history))
        finally:
            shell.cell_runs = False
        fault = result.error_before_exec or result.error_in_exec
        reply = {"status": "ok" if result.success else "error"}
        if not result.success:
            if shell.last_error is None and isinstance(fault, KeyboardInterrupt):
                # A second one has come while the first was to be shown.
                return self.show_interrupt()
            reply.update(
                shell.last_error
                or {"ename": type(fault).__name__, "evalue": str(fault), "traceback": []}
            )
        reply["execution_count"] = self._reply_count()
        reply["user_expressions"] = (
            shell.user_expressions(user_expressions) if result.success else {}
        )
        reply["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        return reply

    async def _run_cell(self, code, silent, store_history):
        shell = self._shell
        transformation_fault = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed = code
            transformation_fault = sys.exc_info()
        runs_here = shell.loop_runner is _asyncio_runner and shell.should_run_async(
            code, transformed_cell=transformed, preprocessing_exc_tuple=transformation_fault
        )
        if not runs_here:
            return shell.run_cell(code, store_history=store_history, silent=silent)
        result = None
        try:
            result = await shell.run_cell_async(
                code,
                store_history=store_history,
                silent=silent,
                transformed_cell=transformed,
                preprocessing_exc_tuple=transformation_fault,
            )
        finally:
            shell.events.trigger("post_execute")
            if not silent:
                shell.events.trigger("post_run_cell", result)
        return result

    def show_interrupt(self):
        """The running cell was interrupted outside of its code."""
        error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
        self._publisher.publish("error", error)
        return dict(error, status="error", execution_count=self._reply_count())

    def _reply_count(self):
        return self._shell.execution_count - 1

    def run_callback(self, callback, message):
        """Runs code of the user that a message has woken, inside the event loop."""

        async def run():
            callback(message)

        self._event_loop.run(run())

    def complete(self, code, cursor):
        with provisionalcompleter():
            raw = self._shell.Completer.completions(code, cursor)
            found = list(rectify_completions(code, raw))
        return {
            "status": "ok",
            "matches": [completion.text for completion in found],
            "cursor_start": found[0].start if found else cursor,
            "cursor_end": found[0].end if found else cursor,
            "metadata": {
                "_jupyter_types_experimental": [
                    {
                        "start": completion.start,
                        "end": completion.end,
                        "text": completion.text,
                        "type": completion.type,
                        "signature": completion.signature,
                    }
                    for completion in found
                ]
            },
        }

    def inspect(self, code, cursor, detail_level):
        name = token_at_cursor(code, cursor)
        reply = {"status": "ok", "found": False, "data": {}, "metadata": {}}
        try:
            reply["data"] = self._shell.object_inspect_mime(name, detail_level=detail_level)
            reply["found"] = True
        except KeyError:
            pass
        return reply

    def is_complete(self, code):
        status, spaces = self._shell.input_transformer_manager.check_complete(code)
        if status == "incomplete":
            return {"status": status, "indent": " " * (spaces or 0)}
        return {"status": status}
