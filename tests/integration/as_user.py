#!/usr/bin/env python3
"""Runs a module of these tests as an ordinary user, where root runs it: `as_user.py test_sandbox`.

Isolation must not need a gateway that is root. The user has a number that nobody else has, a home of its
own, and the group of the socket of DOCKER_HOST, as people do who may use Docker.
"""

import os
import pathlib
import pwd
import subprocess
import sys
import tempfile

FIRST, LAST = 61_184, 65_519  # which neither Debian, systemd nor containers give to anybody


def unused_number():
    for number in range(FIRST + os.getpid() % 1000, LAST):
        try:
            pwd.getpwuid(number)
        except KeyError:
            return number
    raise SystemExit("every user number is taken")


def groups_of_docker():
    host = os.environ.get("DOCKER_HOST", "")
    path = pathlib.Path(host.removeprefix("unix://"))
    if not host.startswith("unix://") or not path.exists():
        return []
    return [path.stat().st_gid]


def main():
    command = [sys.executable, "-m", "unittest", "-v", *sys.argv[1:]]
    if os.geteuid() != 0:
        return subprocess.run(command).returncode
    number = unused_number()
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PERIJOVE_ISOLATION_RESULTS", "XDG_RUNTIME_DIR", "TMPDIR")}
    with tempfile.TemporaryDirectory(prefix="pju-") as home:
        os.chown(home, number, number)
        environment.update(HOME=home, XDG_CACHE_HOME=f"{home}/.cache", USER=str(number))
        return subprocess.run(command, env=environment, user=number, group=number,
                              extra_groups=groups_of_docker()).returncode


if __name__ == "__main__":
    sys.exit(main())
