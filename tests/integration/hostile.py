"""What code tries that should not be run: each attempt is a few lines of Python for a kernel, and what
is to come of it with each kind of isolation.

An attempt ends with reached(...) or stopped(...). `facts` is a dictionary that Attempts.prepare makes:
paths, ports and process ids of things that the test itself has put up outside. Nothing else is ever
contacted or touched.
"""

import dataclasses
import json
import textwrap

REACHED, STOPPED = "reached", "stopped"
# What it is that was reached belongs to the kind of isolation itself: gVisor has user namespaces and
# io_uring of its own, and they are not those of the machine.
ITS_OWN = {"docker+gvisor": ("user_namespace", "io_uring")}
# Depends on who runs the gateway, or on the machine: recorded, not asserted.
VARIES = "varies"

PRELUDE = """
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def end(outcome, detail):
    print("OUTCOME " + json.dumps([outcome, str(detail)[:200]]), flush=True)
def reached(detail=""):
    end("reached", detail)
def stopped(detail=""):
    end("stopped", detail)
def attempt(action):
    try:
        reached(action())
    except Exception as error:
        stopped(f"{type(error).__name__}: {error}")
def system_call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
"""


@dataclasses.dataclass(frozen=True)
class Attempt:
    name: str
    title: str  # for the table: what code tries
    code: str
    without: str = REACHED  # what comes of it without isolation, in a gateway that is root
    limits: dict | None = None
    options: dict | None = None  # for the kinds that have options of that name
    linux: str = ""  # of which architecture its numbers are

    def source(self, facts):
        return PRELUDE + f"facts = json.loads({json.dumps(json.dumps(facts))})\n" + self.code

    def expected(self, kind):
        if kind == "none":
            return self.without
        return REACHED if self.name in ITS_OWN.get(kind, ()) else STOPPED


def _attempt(name, title, code, **more):
    return Attempt(name, title, textwrap.dedent(code), **more)


ATTEMPTS = [
    # Files and secrets of the machine
    _attempt("shadow", "read `/etc/shadow`", """
        attempt(lambda: open("/etc/shadow").read() and "read")
        """),
    _attempt("secret_file", "read a file of the gateway's user outside the work directory", """
        attempt(lambda: open(facts["secret_file"]).read())
        """),
    _attempt("write_outside", "write a file outside the work directory", """
        attempt(lambda: open(facts["outside"] + "/written", "w").write("x"))
        """),
    _attempt("environment", "find a secret of the gateway's environment in its own", """
        value = [name for name, text in os.environ.items() if facts["canary"] in text]
        reached(value) if value else stopped()
        """, without=STOPPED),
    _attempt("gateway_environment", "read the gateway's environment through `/proc`", """
        def look():
            text = open(f"/proc/{facts['gateway_pid']}/environ", "rb").read().decode()
            if facts["canary"] not in text:
                raise OSError("another process")
            return "read"
        attempt(look)
        """),
    _attempt("token", "read the gateway's token from its runtime directory", """
        def look():
            for path in facts["runtime_files"]:
                if facts["token"] in open(path).read():
                    return path
            raise OSError("not there")
        attempt(look)
        """),
    _attempt("descriptors", "use descriptors that it inherited", """
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + number)
            except OSError:
                continue
            # The kernel's own: its pipe, sockets, history and what its libraries keep open.
            own = (os.environ["HOME"], os.getcwd(), "/dev/", "/usr/", "/tmp/ipython", "/proc/")
            if target.startswith("/") and not target.startswith(own):
                found.append(target)
            elif target.startswith("/memfd:perijove"):
                found.append(target)
        reached(found) if found else stopped()
        """, without=STOPPED),
    # Other processes
    _attempt("see_processes", "see processes of the machine", """
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        def command(pid):
            try:
                return open(f"/proc/{pid}/cmdline").read()
            except OSError:
                return ""
        seen = [pid for pid in pids if facts["victim_mark"] in command(pid)]
        reached(seen) if seen else stopped(f"{len(pids)} processes")
        """),
    _attempt("signal", "end a process of the machine", """
        import signal
        def end_it():
            if facts["victim_mark"] not in open(f"/proc/{facts['victim_pid']}/cmdline").read():
                raise OSError("another process")
            os.kill(facts["victim_pid"], signal.SIGTERM)
        attempt(end_it)
        """),
    _attempt("ptrace", "trace a process of the machine", """
        attempt(lambda: system_call(101, 16, facts["victim_pid"], 0, 0))
        """, linux="x86_64"),
    # Other kernels
    _attempt("kernel_key", "read another kernel's key", """
        def look():
            for path in facts["connection_files"]:
                if json.load(open(path))["key"]:
                    return "read"
            raise OSError("not there")
        attempt(look)
        """),
    _attempt("kernel_socket", "connect to another kernel's sockets", """
        def connect():
            for path in facts["kernel_sockets"]:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    return "connected"
            raise OSError("not there")
        attempt(connect)
        """),
    # The system
    _attempt("core_pattern", "open settings of the machine for writing (`core_pattern` and others)", """
        opened = []
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                     "/proc/sys/vm/swappiness", "/proc/sys/fs/file-max", "/proc/sysrq-trigger",
                     "/sys/kernel/uevent_helper", "/proc/sys/kernel/hostname"):
            try:
                os.close(os.open(path, os.O_WRONLY))
                opened.append(path)
            except OSError:
                pass
        reached(opened) if opened else stopped()
        """),
    _attempt("user_namespace", "make a user namespace to be root in", """
        import subprocess
        attempt(lambda: subprocess.run(["unshare", "-r", "true"], check=True, capture_output=True)
                and "made")
        """),
    _attempt("mount", "mount a file system", """
        def mount():
            os.mkdir("mounted")
            if libc.mount(b"none", b"mounted", b"tmpfs", 0, None) != 0:
                raise OSError(ctypes.get_errno(), "mount")
            libc.umount2(b"mounted", 2)
        attempt(mount)
        """),
    _attempt("devices", "open memory and disks of the machine as devices", """
        import stat
        opened = []
        for path in facts["devices"] + ["/dev/mem", "/dev/kmem"]:
            try:
                os.close(os.open(path, os.O_RDONLY))
                opened.append(path)
            except OSError:
                pass
        reached(opened) if opened else stopped()
        """, without=VARIES),
    _attempt("mknod", "make a device", """
        attempt(lambda: os.mknod("disk", 0o60666, os.makedev(*facts["disk_numbers"])))
        """),
    _attempt("hostname", "name the machine anew", """
        attempt(lambda: socket.sethostname(socket.gethostname()))
        """),
    _attempt("io_uring", "do system calls by io_uring", """
        parameters = ctypes.create_string_buffer(120)
        attempt(lambda: os.close(system_call(425, 1, parameters)))
        """, linux="x86_64", without=VARIES),
    _attempt("keyctl", "use the kernel's keyrings", """
        attempt(lambda: system_call(250, 0, -3, 0))
        """, linux="x86_64", without=VARIES),
    _attempt("bpf", "load a BPF program", """
        attributes = ctypes.create_string_buffer(120)
        ctypes.memmove(attributes, (ctypes.c_uint32 * 4)(2, 4, 8, 1), 16)  # an array of one entry
        attempt(lambda: os.close(system_call(321, 0, attributes, 120)))
        """, linux="x86_64", without=VARIES),
    _attempt("vsock", "open a socket to the machine's hypervisor (vsock)", """
        attempt(lambda: socket.socket(40, socket.SOCK_STREAM).close())
        """, without=VARIES),
    _attempt("raw_socket", "listen to the network's packets", """
        attempt(lambda: socket.socket(17, socket.SOCK_RAW, 0x0300).close())
        """),
    # The network, all of it on the machine's own loopback
    _attempt("loopback", "connect to a service on the machine's loopback", """
        def connect():
            with socket.create_connection(("127.0.0.1", facts["tcp_port"]), timeout=5) as client:
                return client.recv(100)
        attempt(connect)
        """),
    _attempt("gateway_api", "speak to the gateway's own API", """
        import urllib.request
        attempt(lambda: urllib.request.urlopen(facts["gateway_url"] + "/api", timeout=5).read())
        """),
    _attempt("name_server", "ask a name server", """
        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(3)
                client.sendto(b"name?", ("127.0.0.1", facts["udp_port"]))
                return client.recv(100)
        attempt(ask)
        """),
    _attempt("abstract_socket", "connect to an abstract unix socket of the machine", """
        def connect():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("\\0" + facts["abstract_name"])
        attempt(connect)
        """),
    # Using everything up
    _attempt("fork_bomb", "start processes without end", """
        import signal
        children = []
        try:
            for _ in range(200):
                child = os.fork()
                if child == 0:
                    signal.pause()
                children.append(child)
            outcome = reached
        except OSError:
            outcome = stopped
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        outcome(f"{len(children)} processes")
        """, limits={"processes": 100}),
    _attempt("memory_bomb", "take more memory than it may", """
        try:
            taken = bytearray(600 << 20)
            taken[::4096] = bytes(len(taken[::4096]))
            reached("600 MiB")
        except MemoryError:
            stopped("MemoryError")
        """, limits={"memory_bytes": 300 << 20}, without=STOPPED),
    _attempt("memory_together", "take more memory than it may, with several processes", """
        import signal
        children = []
        for _ in range(6):
            said, say = os.pipe()
            asked, ask = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(ask)
                taken = bytearray(100 << 20)
                taken[::4096] = bytes(len(taken[::4096]))
                os.write(say, b"x")
                os.read(asked, 1)
                os.write(say, b"y")
                signal.pause()
            os.close(say)
            os.close(asked)
            os.read(said, 1)
            children.append((child, said, ask))
        # Those count that hold it together: one that had it may have been ended for the next one's sake.
        for _, _, ask in children:
            try:
                os.write(ask, b"?")
            except BrokenPipeError:
                pass
        taken = sum(os.read(said, 1) == b"y" for _, said, _ in children)
        for child, _, _ in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        (reached if taken == 6 else stopped)(f"{taken} of 6 times 100 MiB")
        """, limits={"memory_bytes": 400 << 20}),
    _attempt("long_file", "write a file that is longer than it may be", """
        def write():
            with open("long", "wb") as file:
                for _ in range(64):
                    file.write(bytes(1 << 20))
        attempt(write)
        """, limits={"file_bytes": 8 << 20}, without=STOPPED),
    _attempt("fill_tmp", "fill `/tmp`", """
        import tempfile
        def write():
            with tempfile.TemporaryFile(dir="/tmp") as file:
                for _ in range(80):
                    file.write(bytes(1 << 20))
                file.flush()
                return "80 MiB"
        attempt(write)
        """, options={"sandbox": {"tmp_bytes": 64 << 20},
                    "docker": {"tmpfs": {"/tmp": "size=64m,mode=1777"}}}),
    _attempt("open_files", "open files without end", """
        kept = []
        try:
            for _ in range(500):
                kept.append(os.open("/dev/null", os.O_RDONLY))
            outcome = reached
        except OSError:
            outcome = stopped
        for each in kept:  # without one, the kernel could not tell
            os.close(each)
        outcome(f"{len(kept)} files")
        """, limits={"open_files": 200}, without=STOPPED),
]

# What needs the outside to see what came of it; each has a test of its own in test_sandbox.py.
SEEN_FROM_OUTSIDE = {
    "link_through_files": ("have the gateway read `/etc/shadow` through a link in the work directory",
                           STOPPED),
    "link_race": ("the same, swapping file and link while the gateway reads", STOPPED),
    "setuid_file": ("leave a program for others that makes them root (setuid)", REACHED),
    "outlive": ("outlive the session with a daemon", STOPPED),
}


def read_outcome(stdout):
    """[outcome, detail]; None when the code did not come to its end."""
    lines = [line for line in stdout.splitlines() if line.startswith("OUTCOME ")]
    return json.loads(lines[-1].removeprefix("OUTCOME ")) if lines else None
