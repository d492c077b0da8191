"""Starts the gateway under test, or a peer of it, and ends it without leftovers.

Standard library only: it serves the Python tests as a module and the Node.js tests as a program
(`python3 server.py` prints one line of JSON, then serves until its standard input is closed).

PERIJOVE_TEST_PEER chooses what is started: nothing or `perijove` for $PERIJOVE_BIN, or
`jupyter_server` or `jupyter_kernel_gateway` for those that tests/interop/setup installed.
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import kernelspecs
import places

START_SECONDS = 60
STOP_SECONDS = 30


def free_port():
    """A port for a peer that cannot be asked for port 0 and tell what it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(directory):
    """An environment of their own for a server and its kernels below `directory`."""
    home = places.cache() / "home"  # kept: Matplotlib takes seconds to list the fonts in a new one
    home.mkdir(parents=True, exist_ok=True)
    result = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "TZ", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")
        if name in os.environ
    }
    for name in (
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTER_DATA_DIR",
        "TMPDIR",
    ):
        place = directory / name.lower().removeprefix("xdg_")
        place.mkdir(mode=0o700, exist_ok=True)
        result[name] = str(place)
    path = [str(directory / "share"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    result.update(HOME=str(home), JUPYTER_PATH=os.pathsep.join(path), PYTHONDONTWRITEBYTECODE="1")
    return result


def _command(kind, token, arguments):
    if kind == "perijove":
        access = ["--token", token] if token else ["--no-auth"]
        if "--isolation" not in arguments:  # as of the peers: what is tested of isolation says so
            arguments = ["--isolation", "none", *arguments]
        return [
            places.perijove_binary(),
            "serve",
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            *access,
            *arguments,
        ]
    if kind == "jupyter_server":
        return [
            str(places.installed("jupyter", "bin", "jupyter-server")),
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={free_port()}",
            "--ServerApp.port_retries=0",
            "--ServerApp.open_browser=False",
            f"--IdentityProvider.token={token}",
            *arguments,
        ]
    if kind == "jupyter_kernel_gateway":
        return [
            str(places.installed("jupyter", "bin", "jupyter-kernelgateway")),
            "--KernelGatewayApp.ip=127.0.0.1",
            f"--KernelGatewayApp.port={free_port()}",
            "--KernelGatewayApp.port_retries=0",
            f"--KernelGatewayApp.auth_token={token}",
            "--JupyterWebsocketPersonality.list_kernels=True",
            *arguments,
        ]
    raise ValueError(f"there is no peer '{kind}'")


def _end_with_parent():
    """In the new process: SIGTERM when the test is killed, so that nothing outlives it."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)


class Process:
    """A server process whose output is kept, and read until the line that says it accepts."""

    def __init__(self, command, *, ready, environment, directory):
        self.command = command
        self._lines = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ready = self.wait_for_line(ready, START_SECONDS)

    @property
    def pid(self):
        return self._process.pid

    @property
    def output(self):
        return "".join(self._lines)

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._lines.append("")  # ended
            self._changed.notify_all()

    def wait_for_line(self, pattern, seconds):
        """The match of `pattern` in the first line that has one, from the start."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                seen = len(self._lines)
                ended = seen > 0 and self._lines[-1] == ""
                remaining = deadline - time.monotonic()
                if ended or remaining <= 0:
                    break
                self._changed.wait(remaining)
        self.stop()
        raise RuntimeError(
            f"{'ended' if ended else f'no line in {seconds} s'} before /{pattern}/: "
            f"{self.command}\n{self.output}"
        )

    def stop(self):
        """Ends it with SIGTERM; an error when that does not end it, or it ends badly."""
        forced = False
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                forced = True
                self._process.kill()
                self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()
        if forced and places.server_kind() == "perijove":
            raise RuntimeError(
                f"still running {STOP_SECONDS} s after SIGTERM: {self.command}\n{self.output}"
            )
        return self._process.returncode


def wait_until_it_accepts(port):
    """For servers that say too early that they do."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Remote:
    """A server's REST interface."""

    def __init__(self, url, token):
        self.url = url
        self.token = token

    def request(self, method, path, body=None, *, headers=None, token=True, timeout=60):
        """(status, headers, body: what its JSON says, text, bytes or None). `body` as for JSON, or bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=body, method=method)
        if token and self.token:
            request.add_header("Authorization", f"token {self.token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            answer = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read()
        kind = answer.headers.get_content_type()
        if body and kind == "application/json":
            body = json.loads(body)
        elif kind.startswith("text/"):
            body = body.decode()
        return answer.status, answer.headers, None if body in ("", b"") else body


class Server(Remote):
    """The server under test. A context manager; `url` has no slash at its end.

    A `token` that is empty lets everybody in.
    """

    def __init__(self, *, arguments=(), environ=None, token="interop-token"):
        self.kind = places.server_kind()
        self.token = token
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pji-"))  # short: holds socket paths
        try:
            self.write_kernelspecs(self.directory / "share")
            self.environment = dict(environment(self.directory), **(environ or {}))
            work = self.directory / "work"
            work.mkdir()
            ready = r"(http://127\.0\.0\.1:(\d+))"
            if token and self.kind == "perijove":  # its line is to be opened as it stands
                ready += rf"/\S*\?token={token}"
            self._process = Process(
                _command(self.kind, token, arguments),
                ready=ready,
                environment=self.environment,
                directory=work,
            )
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        self.url = self._process.ready.group(1)
        self.port = int(self._process.ready.group(2))
        if self.kind != "perijove":  # whose line says that it accepts; the peers say so too early
            try:
                wait_until_it_accepts(self.port)
            except ConnectionRefusedError:
                self.stop()
                raise

    def write_kernelspecs(self, directory):
        kernelspecs.write(directory)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    @property
    def pid(self):
        return self._process.pid

    @property
    def output(self):
        return self._process.output

    @property
    def websocket_url(self):
        return "ws" + self.url.removeprefix("http")

    def stop(self):
        """Ends the server and forgets its files; what it said goes to PERIJOVE_TEST_OUTPUT."""
        try:
            status = self._process.stop()
            if self.kind == "perijove" and status != 0:
                raise RuntimeError(f"ended with status {status} on SIGTERM\n{self.output}")
        finally:
            output = places.test_output_directory()
            if output:
                name = pathlib.Path(os.environ.get("PERIJOVE_TEST_NAME", "server")).name
                (output / f"{name}-{self.pid}.log").write_text(self.output)
            shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("arguments", nargs="*")
    with Server(arguments=parser.parse_args().arguments) as server:
        print(
            json.dumps(
                {
                    "url": server.url,
                    "token": server.token,
                    "pid": server.pid,
                    "kind": server.kind,
                    "directory": str(server.directory),
                }
            ),
            flush=True,
        )
        sys.stdin.read()


if __name__ == "__main__":
    main()
