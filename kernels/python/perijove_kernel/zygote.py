"""The fork server: python/zygote.hpp is its contract."""

import array
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import sys
import time

import _perijove_kernel as core
from perijove_kernel import forks
from perijove_kernel.process_mark import set_mark
from perijove_kernel.run import make_kernel, serve
from perijove_kernel.warm_up import warm_up

NOT_SINGLE_THREADED = 3
PACKET_BYTES_MAX = 1 << 20
DESCRIPTORS_MAX = 32
STANDARD = 2  # descriptors: stdout and stderr of a kernel
NAMESPACES_MAX = 8

LIMITS = {
    "address_space_bytes": "RLIMIT_AS",
    "data_bytes": "RLIMIT_DATA",
    "cpu_seconds": "RLIMIT_CPU",
    "file_bytes": "RLIMIT_FSIZE",
    "open_files": "RLIMIT_NOFILE",
    "processes": "RLIMIT_NPROC",
}


def run(where, preload, plain):
    """Serves requests, and returns the exit status of the process. They come from a socket: the number
    of a descriptor, or the path of one that does not exist yet."""
    kernel = make_kernel(plain)
    preloaded, skipped = [], {}
    for module in preload:
        try:
            importlib.import_module(module)
            preloaded.append(module)
        except Exception as error:
            skipped[module] = "%s: %s" % (type(error).__name__, error)
            _complain("%s is not preloaded: %s" % (module, skipped[module]))
    try:
        warm_up(kernel, preloaded)
    except Exception as error:
        _complain("it is not warmed up: %s: %s" % (type(error).__name__, error))
    # Libraries that know of forks, as OpenBLAS does, end their threads before one, and start them
    # again when there is work for them.
    os.waitpid(forks.fork_on_fresh_thread(lambda: os._exit(0)), 0)
    threads = _other_threads()
    if threads:
        _complain("an import has started threads, which no fork can copy: " + ", ".join(threads))
        return NOT_SINGLE_THREADED
    # The collector would otherwise write to every object, and so copy the pages of all.
    gc.collect()
    gc.freeze()
    paths = [path for path in sys.path if os.path.isdir(path)]
    report = {"preloaded": preloaded, "skipped": skipped, "paths": paths}
    if where.isdigit():
        with socket.socket(fileno=int(where)) as peer:
            return Zygote(kernel, peer, pages_of_a_kernel(kernel)).serve(report)
    with _first_peer_at(where) as peer:
        return ContainerZygote(kernel, peer).serve(report)


def _first_peer_at(where):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(where)
        listener.listen(1)
        return listener.accept()[0]


class Zygote:
    def __init__(self, kernel, peer, pages=()):
        self._kernel = kernel
        self._peer = peer
        self._pages = pages  # that a kernel is going to write to
        self._spare = None
        self._wants_spare = False  # from the first request for an orphan on
        self._kernels = {}  # what its end is known by: process id
        self._events = selectors.DefaultSelector()
        self._ends = False

    def serve(self, report):
        wakeup, woken = socket.socketpair()
        wakeup.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno())
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; it is meant for others
        self._events.register(self._peer, selectors.EVENT_READ, self._answer_request)
        self._events.register(woken, selectors.EVENT_READ, lambda _: self._look_at_signals(woken))
        try:
            self._send(dict(report, ready=True, pid=os.getpid(), python=sys.version.split()[0]))
            while not self._ends:
                for key, _ in self._events.select():
                    key.data(key.fd)
                if self._wants_spare and not self._ends:
                    self._wants_spare = False
                    self._make_spare()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the peer is gone
        return 0

    def _make_spare(self):
        try:
            self._spare = Spare(self._kernel, self._pages)
        except OSError as error:  # the next request may have more luck
            _complain("no kernel is forked ahead: %s" % error)

    def _look_at_signals(self, woken):
        if signal.SIGTERM in woken.recv(1 << 10):
            self._ends = True

    def _send(self, message):
        self._peer.send(json.dumps(message).encode("utf-8"))

    def _reap(self, pidfd):
        self._events.unregister(pidfd)
        os.close(pidfd)
        process = self._kernels.pop(pidfd)
        self._tell_end(process, os.waitpid(process, 0)[1])

    def _tell_end(self, process, status):
        if os.WIFSIGNALED(status):
            self._send({"exited": process, "signal": os.WTERMSIG(status)})
        else:
            self._send({"exited": process, "code": os.WEXITSTATUS(status)})

    def _answer_request(self, peer):
        packet, descriptors, is_whole = self._receive()
        if not packet:
            self._ends = True
            return
        identity = None
        try:
            if not is_whole:
                raise ValueError("the packet is longer than %d bytes" % PACKET_BYTES_MAX)
            request = json.loads(packet)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            if "signal" in request:
                self._signal(request["signal"])
                return
            identity = request.get("id")
            check(request)
            check_descriptors(request, descriptors)
            process = self._fork(request, descriptors)
        except (ValueError, OSError) as error:
            self._send({"id": identity, "error": str(error)})
        else:
            self._send({"id": identity, "pid": process})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _signal(self, number):
        if type(number) is not int or not 0 < number < signal.NSIG:
            raise ValueError("signal is not the number of one")
        for process in self._kernels.values():
            os.killpg(process, number)

    def _receive(self):
        """(bytes, descriptors, whether nothing was cut off)"""
        descriptors = array.array("i")
        packet, ancillary, flags, _ = self._peer.recvmsg(
            PACKET_BYTES_MAX,
            socket.CMSG_SPACE(DESCRIPTORS_MAX * descriptors.itemsize),
            socket.MSG_CMSG_CLOEXEC,
        )
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        return packet, list(descriptors), not flags & socket.MSG_TRUNC

    def _fork(self, request, descriptors):
        sys.__stdout__.flush()
        sys.__stderr__.flush()

        def child():
            become_kernel(self._kernel, request, descriptors[:STANDARD])

        if request.get("sandbox"):
            sandbox = Sandbox(request["sandbox"], descriptors[STANDARD:])
            return forks.fork_into(sandbox, child)
        if request.get("orphan"):
            spare, self._spare = self._spare, None
            self._wants_spare = True
            if spare and spare.take(request, descriptors):
                return spare.process
            return forks.fork_on_fresh_thread(child, orphan=True)
        process = forks.fork_on_fresh_thread(child)
        self._watch(process)
        return process

    def _watch(self, process):
        pidfd = os.pidfd_open(process)
        self._kernels[pidfd] = process
        self._events.register(pidfd, selectors.EVENT_READ, self._reap)


class Spare:
    """A process that was forked ahead, and waits for the request that it is to fulfil: the fork, and
    the copies of the pages that a kernel writes to, have taken place when that comes."""

    def __init__(self, kernel, pages):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def child():
            stop_listening()
            close_all_but(theirs.fileno())
            core.own(pages)
            request, descriptors = wait_for_request(theirs)
            become_kernel(kernel, request, descriptors)

        with theirs:
            self.process = forks.fork_on_fresh_thread(child, orphan=True)

    def take(self, request, descriptors):
        """False when it is not there any more."""
        try:
            with self._socket:
                packet = json.dumps(request).encode("utf-8")
                socket.send_fds(self._socket, [packet], descriptors)
                return True
        except OSError:
            return False


def wait_for_request(peer):
    """In a spare; ends it when the zygote has ended."""
    packet, descriptors, _, _ = socket.recv_fds(peer, PACKET_BYTES_MAX, STANDARD)
    if not packet:
        os._exit(0)
    return json.loads(packet), descriptors


class ContainerZygote(Zygote):
    """One that is the main process of a container, which has one kernel at a time: what that has
    started is over when it is, as if the container had been started anew."""

    def serve(self, report):
        core.adopt_orphans()
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return super().serve(report)

    def _look_at_signals(self, woken):
        super()._look_at_signals(woken)
        for process in list(self._kernels):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del self._kernels[process]
                self._tell_end(process, status)
        core.reap_orphans(next(iter(self._kernels), -1))

    def _watch(self, process):
        self._kernels[process] = process  # without a pidfd, which gVisor does not have

    def _tell_end(self, process, status):
        core.end_descendants()
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            super()._tell_end(process, status)
        else:
            self._ends = True  # something forks faster than it is killed: the container ends it


class Sandbox:
    """One that stands, for a fork to go into."""

    def __init__(self, fields, descriptors):
        count = fields["cgroups"]
        self._cgroups, self._namespaces = descriptors[:count], descriptors[count:-1]
        self._filter = descriptors[-1]
        self._user = fields.get("uid", -1)

    def enter(self):
        core.enter_sandbox(self._cgroups, self._user, self._namespaces)

    def confine(self):
        core.confine(self._filter)


def check(request):
    """Raises ValueError unless these are the fields of a request."""
    for field in ("connection_file", "cwd"):
        if not isinstance(request.get(field), str) or not request[field].startswith("/"):
            raise ValueError("%s is not an absolute path" % field)
    environment = request.get("env")
    if "env" in request and (
        not isinstance(environment, dict)
        or not all(
            isinstance(value, str) and name and "=" not in name and "\0" not in name + value
            for name, value in environment.items()
        )
    ):
        raise ValueError("env is not an object of strings")
    if type(request.get("orphan", False)) is not bool:
        raise ValueError("orphan is neither true nor false")
    sandbox = request.get("sandbox")
    if sandbox is not None:
        if not isinstance(sandbox, dict) or set(sandbox) - {"uid", "cgroups"}:
            raise ValueError("sandbox is not an object of uid and cgroups")
        for name in sandbox:
            if type(sandbox[name]) is not int or sandbox[name] < 0:
                raise ValueError("%s of sandbox is not a whole number" % name)
        if "cgroups" not in sandbox:
            raise ValueError("sandbox has no cgroups")
        if not request.get("orphan"):
            raise ValueError("only an orphan can be in a sandbox")
    limits = request.get("limits", {})
    if not isinstance(limits, dict):
        raise ValueError("limits is not an object")
    for name, value in limits.items():
        if name not in LIMITS:
            raise ValueError("there is no limit %r; there are %s" % (name, ", ".join(LIMITS)))
        if type(value) is not int or value < 0:
            raise ValueError("the limit %s is not a whole number" % name)


def check_descriptors(request, descriptors):
    """Raises ValueError unless as many came along as the request wants."""
    if not descriptors and not request.get("sandbox"):
        return
    least = most = STANDARD
    if request.get("sandbox"):
        least += request["sandbox"]["cgroups"] + 2  # a namespace and the filter
        most = least + NAMESPACES_MAX - 1
    if not least <= len(descriptors) <= most:
        raise ValueError("%d descriptors came along, not %d" % (len(descriptors), least))


def pages_of_a_kernel(kernel):
    """(address, bytes) of the memory that a kernel writes to until it has run a cell, as a child has
    it that does so."""
    reader, writer = os.pipe()

    def child():
        try:
            stop_listening()
            os.close(reader)
            kernel.rehearse("print(1)")
            with open(writer, "w") as told:
                json.dump(core.own_pages(), told)
        finally:
            os._exit(0)

    try:
        process = forks.fork_on_fresh_thread(child)
        os.close(writer)
        with open(reader) as told:
            text = told.read()
        os.waitpid(process, 0)
        return [tuple(pages) for pages in json.loads(text)]
    except (OSError, ValueError) as error:
        _complain("what kernels write to is not known: %s" % error)
        return []


def become_kernel(kernel, request, descriptors):
    """In the child: everything of the zygote's is left behind. Does not return."""
    status = 1
    try:
        os.setsid()
        stop_listening()
        _take_descriptors(descriptors)
        if "env" in request:
            _take_environment(request["env"])
        sys.argv[1:] = ["-f", request["connection_file"]]
        _reseed()
        kernel.after_fork()
        _take_limits(request.get("limits", {}))
        os.chdir(request["cwd"])
        status = serve(kernel, request["connection_file"])
    except BaseException as error:
        print("perijove-kernel-python: %s" % error, file=sys.__stderr__, flush=True)
    finally:
        os._exit(status)


def stop_listening():
    """Signals are as by default from here on, and the zygote does not hear of them."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_all_but(*kept):
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # that of the listing itself


def _take_descriptors(descriptors):
    null = os.open("/dev/null", os.O_RDONLY)
    # They have numbers beyond 2, so that none of these is overwritten before it is copied.
    for source, target in zip([null, *descriptors], (0, 1, 2)):
        os.dup2(source, target)
    close_all_but()


def _take_environment(environment):
    set_mark(environment)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for directory in reversed(environment.get("PYTHONPATH", "").split(os.pathsep)):
        if directory and directory not in sys.path:
            sys.path.insert(1, directory)


def _take_limits(limits):
    import resource

    for name, value in limits.items():
        resource.setrlimit(getattr(resource, LIMITS[name]), (value, value))


def _reseed():
    """Two children shall not throw the same dice."""
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _other_threads():
    """The names of all threads but this one, once those that are about to end have had time to."""
    patience = time.monotonic() + 1
    while True:
        names = []
        for thread in os.listdir("/proc/self/task"):
            try:
                with open("/proc/self/task/%s/comm" % thread) as file:
                    if int(thread) != os.getpid():
                        names.append(file.read().strip())
            except OSError:
                pass  # it has ended
        if not names or time.monotonic() > patience:
            return names
        time.sleep(0.002)


def _complain(what):
    print("perijove-kernel-python: %s" % what, file=sys.stderr, flush=True)
