"""One kernel, from its start to the end of the process."""

import os
import signal
import sys

import _perijove_kernel as core

CANNOT_START = 1


def make_shell(publisher, plain):
    """IPython's shell where it can be had, and otherwise ours."""
    if not plain:
        try:
            from perijove_kernel import ipython_shell
        except ImportError:
            pass
        else:
            return ipython_shell.IPythonShell(publisher)
    from perijove_kernel import plain_shell

    return plain_shell.PlainShell(publisher)


def make_kernel(plain):
    """A kernel that is ready to be served."""
    from perijove_kernel.kernel import Kernel
    from perijove_kernel.publisher import Publisher

    sys.path.insert(0, "")  # modules are found from the work directory
    publisher = Publisher()
    return Kernel(make_shell(publisher, plain), publisher)


def serve(kernel, connection_file):
    """Serves on this thread, Python's main one, to the end of the process; returns the exit status
    when it cannot be started."""
    kernel.connection_file = connection_file
    try:
        core.serve(kernel, connection_file)
    except RuntimeError as error:
        print("perijove-kernel-python: %s" % error, file=sys.__stderr__, flush=True)
        return CANNOT_START
    end_process()


def end_process():
    """Runs what was left for the exit, and ends, whatever threads and destructors may think of it."""
    import atexit

    seconds_for_exit_handlers = 5
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds_for_exit_handlers)
    atexit._run_exitfuncs()
    sys.__stdout__.flush()
    sys.__stderr__.flush()
    os._exit(0)
