"""fork(), on this thread or on a fresh one.

The runtime of OpenMP keeps a pool of threads for each thread that has used it, and a child in which
such a thread lives on would wait for a pool that was not copied. On a thread that has used nothing,
the child begins with nothing.
"""

import os
import threading
import warnings

import _perijove_kernel as core

# As much as a main thread usually has, and room for deep recursion.
STACK_BYTES = 16 << 20


def fork(child, orphan=False):
    """Calls `child`, which must not return, in a child process. Returns the process id of that, or
    raises OSError. Whoever adopts orphans is the parent of an orphan."""
    with warnings.catch_warnings():
        # Newer Pythons warn of forks where there are threads; whoever calls this knows of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = core.fork_orphan() if orphan else os.fork()
    if process:
        return process
    try:
        child()
    finally:
        os._exit(1)


def fork_on_fresh_thread(child, orphan=False):
    """The same, but the main thread of the child is one that has done nothing before."""
    outcome = []
    before = threading.stack_size(STACK_BYTES)

    def begin():
        threading.stack_size(before)
        threading.current_thread().name = "MainThread"
        child()

    def run():
        try:
            outcome.append(fork(begin, orphan))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    threading.stack_size(before)
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def fork_into(sandbox, child):
    """The same for an orphan in a sandbox, by way of a process that calls enter() and ends; the
    child calls confine() before anything else. Raises OSError when one of them does."""
    reader, writer = os.pipe()

    def begin():
        os.close(reader)
        os.close(writer)
        child()

    def between():
        try:
            answer = _enter_and_fork(sandbox, begin)
        except OSError as error:
            answer = error
        os.write(writer, str(answer).encode("utf-8", "replace"))
        os._exit(0)

    try:
        process = fork_on_fresh_thread(between)
        os.close(writer)
        writer = None
        answer = os.read(reader, 4096)
        os.waitpid(process, 0)
    finally:
        os.close(reader)
        if writer is not None:
            os.close(writer)
    if not answer.isdigit():
        raise OSError(answer.decode() or "the process between has failed to fork")
    return int(answer)


def _enter_and_fork(sandbox, begin):
    sandbox.enter()
    reader, writer = os.pipe()

    def confine_and_begin():
        os.close(reader)
        try:
            sandbox.confine()
        except OSError as error:
            os.write(writer, str(error).encode("utf-8", "replace"))
            os._exit(1)
        os.close(writer)
        begin()

    process = fork(confine_and_begin)
    os.close(writer)
    fault = os.read(reader, 4096)
    os.close(reader)
    if fault:
        raise OSError(fault.decode())
    return process
