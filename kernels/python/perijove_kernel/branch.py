"""A branch: a copy of the live kernel, with all its variables, behind a connection file of its own.

The copy is made by fork(), so memory is shared until one of the two writes to it. What a fork cannot
copy is refused where going on would be unsafe, and named in the answer otherwise.

    on shell
    perijove_fork_request  {"connection_file": PATH, "cwd": PATH, "output": PATH,
                            "env": {NAME: VALUE...}, "orphan": BOOLEAN}
    perijove_fork_reply    {"status": "ok", "pid": P, "warnings": [TEXT...]}
                        or {"status": "error", "ename", "evalue", "traceback"}

All but connection_file may be absent. The branch goes to cwd, and opens output as its stdout and
stderr. The variables are set in the branch, PERIJOVE_PROCESS in its
/proc/PID/environ, too, when it is as long as the kernel's. The branch leads a session of its own. It
is a child of the kernel, which reaps it, or, as an orphan, of whoever adopts it. Like the kernel, it
ends with the process that JPY_PARENT_PID names. It inherits no socket of the kernel, and goes on
with what of its stdout, stderr, work directory and environment the request leaves as it is. A kernel that can do
this says so in its kernel_info: supported_features has "perijove fork".
"""

import os
import sys
import threading

import _perijove_kernel as core

from perijove_kernel import debugger, forks
from perijove_kernel.process_mark import set_mark
from perijove_kernel.run import serve

# Their threads are not in a child, and wait there for each other for ever.
OPENMP = ("libgomp", "libomp.so", "libomp-", "libiomp5", "openblaso")
GRAPHICS = "/dev/nvidia"

# Those of ZeroMQ (2), of the streams of descriptors, of the control channel, and for interrupts.
NATIVE_THREADS_OF_THE_KERNEL = 5
OWN_THREADS = ("perijove-streams",)


def fork(kernel, publisher, content):
    """Answers a perijove_fork_request: the content of its reply."""
    connection_file = content.get("connection_file")
    if not isinstance(connection_file, str) or not os.access(connection_file, os.R_OK):
        return _refusal("FileNotFoundError", "cannot read the connection file %r" % connection_file)
    environment = content.get("env", {})
    if not isinstance(environment, dict) or not all(
        isinstance(value, str) for value in environment.values()
    ):
        return _refusal("ValueError", "env is not an object of strings")
    places = {}
    for name in ("cwd", "output"):
        places[name] = content.get(name)
        if places[name] is not None and not isinstance(places[name], str):
            return _refusal("ValueError", "%s is not a path" % name)
    mapped = _mapped_files()
    obstacle = _obstacle(kernel, mapped)
    if obstacle:
        return _refusal("ForkRefused", obstacle)
    publisher.flush()
    warnings = _warnings(kernel)

    # Opened here: once it is answered, whoever has named it may close it.
    output = None
    if places["output"] is not None:
        try:
            output = os.open(places["output"], os.O_WRONLY)
        except OSError as error:
            return _refusal(type(error).__name__, str(error))

    def child():
        become_branch(kernel, connection_file, environment, places["cwd"], output)

    fork_it = forks.fork
    if any(library in mapped for library in OPENMP):
        warnings.append(
            "a library uses OpenMP: the branch runs on a new thread, without the thread-local data "
            "of this one"
        )
        fork_it = forks.fork_on_fresh_thread
    try:
        orphan = content.get("orphan") is True
        process = fork_it(child, orphan)
        if not orphan:
            kernel.branches.append(process)
    except OSError as error:
        return _refusal(type(error).__name__, str(error))
    finally:
        if output is not None:
            os.close(output)
    return {"status": "ok", "pid": process, "warnings": warnings}


def become_branch(kernel, connection_file, environment, cwd=None, output=None):
    """In the child. Does not return."""
    status = 1
    try:
        os.setsid()
        core.leave_to_parent()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
        if cwd is not None:
            os.chdir(cwd)
        kernel.branches.clear()
        set_mark(environment)
        os.environ.update(environment)
        kernel.after_fork()
        sys.argv[1:] = ["-f", connection_file]
        status = serve(kernel, connection_file)
    except BaseException as error:
        os.write(2, ("perijove-kernel-python: %s\n" % error).encode("utf-8", "replace"))
    finally:
        os._exit(status)


def _refusal(name, why):
    return {"status": "error", "ename": name, "evalue": why, "traceback": []}


def _mapped_files():
    with open("/proc/self/maps") as file:
        return file.read()


def _open_files():
    """[(descriptor, what /proc says that it is)]"""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append((int(name), os.readlink("/proc/self/fd/" + name)))
        except OSError:
            pass  # that of the listing
    return found


def _obstacle(kernel, mapped):
    if kernel.is_debugged():
        return "a debugger is attached, whose threads no fork can copy; disconnect it first"
    if "libcuda.so" in mapped and any(path.startswith(GRAPHICS) for _, path in _open_files()):
        return "a CUDA context is open, and no fork can copy one"
    return None


def _warnings(kernel):
    warnings = []
    python_threads = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.current_thread() and thread.name != debugger.CONTROL_THREAD
    ]
    for thread in python_threads:
        if thread.name not in OWN_THREADS:
            warnings.append("the thread %r does not exist in the branch" % thread.name)
    native = len(os.listdir("/proc/self/task")) - 1 - len(python_threads)
    if native > NATIVE_THREADS_OF_THE_KERNEL:
        warnings.append(
            "%d threads of libraries do not exist in the branch"
            % (native - NATIVE_THREADS_OF_THE_KERNEL)
        )
    for task in kernel.shell.tasks():
        warnings.append("the task %r is dropped in the branch" % task.get_name())
    own = {*core.own_descriptors(), *kernel.shell.descriptors()}
    for descriptor, path in sorted(_open_files()):
        if descriptor <= 2 or descriptor in own:
            continue
        if path.startswith("/") and os.path.isfile(path):
            warnings.append("the open file %s is shared, with its position" % path)
        elif path.startswith("socket:"):
            warnings.append("the socket of descriptor %d is shared" % descriptor)
    return warnings
