"""A shell for a Python that has nothing but its standard library."""

import ast
import builtins
import linecache
import os
import sys
import traceback
import types

import _perijove_kernel as core

from perijove_kernel import plain_display, plain_syntax

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without the time that inspect takes


class StdinNotImplementedError(NotImplementedError):
    """The client takes no questions."""


class PlainShell:
    """Runs cells in __main__, with the value of a last expression, `await` at the top level, and a
    few of IPython's conveniences. Threads: the main thread.
    """

    pygments_lexer = "python3"
    stdin_error = StdinNotImplementedError

    def __init__(self, publisher):
        self._publisher = publisher
        self.execution_count = 1
        self._kernel = None
        self._loop = None
        self._count_reply = 0
        module = types.ModuleType("__main__", "The cells of this kernel.")
        module.__builtins__ = builtins
        sys.modules["__main__"] = module
        self._module = module
        self.namespace = module.__dict__
        self.init_environment()
        display = plain_display.Display(publisher)
        self._display = display
        builtins.display = display
        builtins.exit = builtins.quit = self._exit

    def attach(self, kernel):
        self._kernel = kernel

    def banner(self):
        return "Python %s" % sys.version

    def trigger(self, event):
        if event == "post_execute":
            self._display.show_figures()

    def init_environment(self):
        os.environ.setdefault("MPLBACKEND", "agg")

    def on_interrupt(self, frame):
        """How the interrupt is dealt with; empty when KeyboardInterrupt is to be raised."""
        if self._loop is not None and self._loop.cancel_what_is_awaited(frame):
            return "cancelled"
        return ""

    def tasks(self):
        return self._loop.tasks() if self._loop is not None else []

    def descriptors(self):
        return self._loop.descriptors() if self._loop is not None else []

    def warm_up(self, cells):
        """Runs them, apart from those of a client."""
        for code in cells:
            self.rehearse(code)

    @staticmethod
    def rehearse(code):
        try:
            exec(code, {"__name__": "__main__"})
        except Exception:
            traceback.format_exc()

    def after_fork(self):
        if self._loop is not None:
            self._loop.after_fork()

    def wait(self, *descriptors):
        return self._loop is not None and self._loop.wait(*descriptors)

    @staticmethod
    def _exit(status=0):
        core.end_soon()

    # Running code.

    def execute(self, code, silent, store_history, user_expressions):
        number = self.execution_count
        if store_history:
            self.execution_count += 1
        self._count_reply = number
        try:
            value = self._run(code, "<cell %d>" % number)
            if value is not None and not silent:
                self._show_result(value, number)
            self._display.show_figures()
        except BaseException:
            return self._report(sys.exc_info(), silent)
        return {
            "status": "ok",
            "execution_count": number,
            "payload": [],
            "user_expressions": {
                name: self._evaluate(expression) for name, expression in user_expressions.items()
            },
        }

    def _run(self, code, filename):
        code = plain_syntax.translate(code)
        lines = code.splitlines(keepends=True)
        linecache.cache[filename] = (len(code), None, lines, filename)
        tree = ast.parse(code, filename)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_muted(code):
            last = ast.Expression(tree.body.pop().value)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        # Both are compiled before either runs.
        steps = [compile(tree, filename, "exec", flags, True)] if tree.body else []
        if last is not None:
            steps.append(compile(last, filename, "eval", flags, True))
        awaits = any(step.co_flags & CO_COROUTINE for step in steps)
        if self._loop is None and (awaits or "asyncio" in code or "asyncio" in sys.modules):
            from perijove_kernel.event_loop import EventLoop

            self._loop = EventLoop()
        if self._loop is None:
            value = None
            for step in steps:
                value = eval(step, self.namespace)
            return value if last is not None else None
        return self._loop.run(self._run_in_loop(steps, last is not None))

    async def _run_in_loop(self, steps, has_value):
        value = None
        for step in steps:
            value = eval(step, self.namespace)
            if step.co_flags & CO_COROUTINE:
                value = await value
        return value if has_value else None

    def run_callback(self, callback, message):
        if self._loop is None:
            callback(message)
            return

        async def run():
            callback(message)

        self._loop.run(run())

    def _show_result(self, value, number):
        self.namespace.update(___=self.namespace.get("__"), __=self.namespace.get("_"), _=value)
        data, metadata = plain_display.bundle(value)
        self._publisher.publish(
            "execute_result", {"execution_count": number, "data": data, "metadata": metadata}
        )

    def _evaluate(self, expression):
        try:
            data, metadata = plain_display.bundle(eval(expression, self.namespace))
            return {"status": "ok", "data": data, "metadata": metadata}
        except BaseException as error:
            return dict(self._error(type(error), error, error.__traceback__), status="error")

    # Errors.

    def _error(self, kind, value, where):
        while where is not None and where.tb_frame.f_code.co_filename.startswith(
            "<perijove_kernel/"
        ):
            where = where.tb_next  # this shell is not what the user wants to see
        lines = traceback.format_exception(kind, value, where)
        return {
            "ename": kind.__name__,
            "evalue": str(value),
            "traceback": "".join(lines).splitlines(),
        }

    def _report(self, exception, silent):
        kind, value, where = exception
        if kind.__name__ == "CancelledError" and self._loop is not None and self._loop.interrupted:
            kind, value = KeyboardInterrupt, KeyboardInterrupt().with_traceback(where)
        sys.last_type, sys.last_value, sys.last_traceback = kind, value, where
        error = self._error(kind, value, where)
        self._publisher.publish("error", error)
        return dict(
            error,
            status="error",
            execution_count=self._count_reply,
            payload=[],
            user_expressions={},
        )

    def show_interrupt(self):
        return self._report((KeyboardInterrupt, KeyboardInterrupt(), None), False)

    # Help.

    def complete(self, code, cursor):
        from perijove_kernel import plain_completion

        return plain_completion.complete(self.namespace, code, cursor)

    def inspect(self, code, cursor, detail_level):
        from perijove_kernel import plain_completion

        return plain_completion.inspect_name(self.namespace, code, cursor, detail_level)

    def is_complete(self, code):
        import codeop

        try:
            compiler = codeop.CommandCompiler()
            compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            if compiler(plain_syntax.translate(code), "<cell>", "exec") is not None:
                return {"status": "complete"}
        except (SyntaxError, ValueError, OverflowError):
            return {"status": "invalid"}
        return {"status": "incomplete", "indent": plain_syntax.indent_after(code)}


def _is_muted(code):
    """A semicolon at the end says that the value shall not be shown."""
    return code.rstrip().endswith(";")
