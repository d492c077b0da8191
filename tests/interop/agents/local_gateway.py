"""The gateway under the name by which agent frameworks start one, on this machine or "in Docker"."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import tempfile
from unittest import mock

import docker.errors

import kernelspecs
import places
import server

NAME = "jupyter-kernelgateway"


def _program():
    if places.server_kind() == "perijove":
        return places.perijove_binary()
    if places.server_kind() == "jupyter_kernel_gateway":
        return places.installed("jupyter", "bin", NAME)
    return None


def can_be_started():
    """Whether the server under test answers to that name at all."""
    return _program() is not None


@contextlib.contextmanager
def installed():
    """Puts the gateway on PATH; yields the environment, which is this process's meanwhile."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pji-"))
    try:
        kernelspecs.write(directory / "share")
        (directory / "bin").mkdir()
        (directory / "bin" / NAME).symlink_to(_program())
        environment = server.environment(directory)
        scripts = places.installed("agents", "bin")  # where `jupyter` is
        environment["PATH"] = os.pathsep.join(
            [str(directory / "bin"), str(scripts), environment["PATH"]]
        )
        work = directory / "work"
        work.mkdir()
        before = os.getcwd()
        os.chdir(work)
        try:
            with mock.patch.dict(os.environ, environment, clear=True):
                yield environment
        finally:
            os.chdir(before)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Docker:
    """Stands in for the Docker client: "images" are the commands of Dockerfiles, run right here.

    Only as much as the frameworks call. What is not Docker's business, that is, the command line,
    the environment and the time until the port is open, is as in a container.
    """

    def __init__(self, images=()):
        self._commands = dict(images)
        self.images = self
        self.containers = self
        self.started = []

    # client.images
    def build(self, *, fileobj, tag, path=None):
        dockerfile = re.sub(r"\\\n", " ", fileobj.read().decode())
        command = re.search(r"^\s*CMD\s+(.*)$", dockerfile, re.MULTILINE).group(1).strip()
        self._commands[tag] = json.loads(command) if command.startswith("[") else command
        return None, []

    def get(self, name):
        if name in self._commands:
            return name
        for container in self.started:
            if container.id == name:
                return container
        raise docker.errors.ImageNotFound(name)

    # client.containers
    def run(self, image, **options):
        container = Container(self._commands[image], options)
        self.started.append(container)
        return container

    def patched(self):
        return mock.patch("docker.from_env", lambda: self)


class Container:
    status = "running"  # from the first moment, as Docker says too, whatever the program does

    def __init__(self, command, options):
        published = (options.get("ports") or {}).get("8888/tcp")
        port = published[1] if published else server.free_port()
        if isinstance(command, list):
            command = shlex.join(command)
        command = command.replace("0.0.0.0", "127.0.0.1").replace("8888", str(port))
        directory = pathlib.Path.cwd()
        environment = dict(os.environ, **options.get("environment") or {})
        self.ports = {"8888/tcp": [{"HostPort": str(port)}]}
        self.id = self.short_id = f"container-{port}"
        self._process = server.Process(
            ["/bin/sh", "-c", f"echo started; exec {command}"],
            ready="started",
            environment=environment,
            directory=directory,
        )

    @property
    def output(self):
        return self._process.output

    def reload(self):
        pass

    def stop(self):
        self._process.stop()

    def remove(self):
        pass
