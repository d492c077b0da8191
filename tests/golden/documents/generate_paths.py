"""Writes data_path.json and connection_*.json: what the real peers compute.

Run with a Python that has jupyter_core >= 5 and jupyter_client >= 8:
    python tests/golden/documents/generate_paths.py
"""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# What a shell with that environment active would make of Python: sys.prefix, and whether the user
# site is on. The gateway has to reach the same list from the variables alone.
CASES = {
    "plain user": {"HOME": "/home/ada"},
    "explicit path comes first and loses trailing slashes": {
        "HOME": "/home/ada", "JUPYTER_PATH": "/srv/one/:/srv/two"},
    "JUPYTER_DATA_DIR replaces the user's directory": {
        "HOME": "/home/ada", "JUPYTER_DATA_DIR": "/data/ada"},
    "XDG_DATA_HOME moves the user's directory": {
        "HOME": "/home/ada", "XDG_DATA_HOME": "/home/ada/xdg"},
    "JUPYTER_DATA_DIR wins over XDG_DATA_HOME": {
        "HOME": "/home/ada", "JUPYTER_DATA_DIR": "/data/ada", "XDG_DATA_HOME": "/home/ada/xdg"},
    "PYTHONUSERBASE is searched after the user's directory": {
        "HOME": "/home/ada", "PYTHONUSERBASE": "/opt/user-base"},
    "PYTHONNOUSERSITE switches the user base off": {
        "HOME": "/home/ada", "XDG_DATA_HOME": "/home/ada/xdg", "PYTHONNOUSERSITE": "1"},
    "a virtual environment goes before the user": {
        "HOME": "/home/ada", "VIRTUAL_ENV": "/opt/venv"},
    "JUPYTER_PREFER_ENV_PATH=0 puts the user first again": {
        "HOME": "/home/ada", "VIRTUAL_ENV": "/opt/venv", "JUPYTER_PREFER_ENV_PATH": "0"},
    "JUPYTER_PREFER_ENV_PATH=No is false too": {
        "HOME": "/home/ada", "VIRTUAL_ENV": "/opt/venv", "JUPYTER_PREFER_ENV_PATH": "No"},
    "an empty JUPYTER_PREFER_ENV_PATH is true": {
        "HOME": "/home/ada", "CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": "base",
        "JUPYTER_PREFER_ENV_PATH": ""},
    "a conda environment goes before the user": {
        "HOME": "/home/ada", "CONDA_PREFIX": "/opt/conda/envs/data", "CONDA_DEFAULT_ENV": "data"},
    "the base environment of conda goes after the user": {
        "HOME": "/home/ada", "CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": "base"},
    "everything at once": {
        "HOME": "/home/ada", "JUPYTER_PATH": "/srv/one", "VIRTUAL_ENV": "/opt/venv",
        "JUPYTER_DATA_DIR": "/data/ada", "PYTHONUSERBASE": "/opt/user-base"},
    "a directory named twice is searched once": {
        "HOME": "/home/ada", "JUPYTER_PATH": "/usr/share/jupyter:/srv/one"},
}

PROBE = """
import json, site, sys
sys.prefix = {prefix!r}
sys.base_prefix = {base_prefix!r}
site.ENABLE_USER_SITE = {user_site!r}
import jupyter_core.paths as paths
paths._do_i_own = lambda path: True
print(json.dumps(list(dict.fromkeys(paths.jupyter_path()))))
"""


def data_paths():
    for name, environment in CASES.items():
        prefix = environment.get("VIRTUAL_ENV") or environment.get("CONDA_PREFIX") or "/usr"
        user_site = "VIRTUAL_ENV" not in environment and "PYTHONNOUSERSITE" not in environment
        base_prefix = "/usr" if "VIRTUAL_ENV" in environment else prefix  # conda has no base
        # PYTHONUSERBASE and the like must not decide where this interpreter finds jupyter_core.
        answer = subprocess.run(
            [sys.executable, "-c",
             PROBE.format(prefix=prefix, base_prefix=base_prefix, user_site=user_site)],
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True, capture_output=True, text=True)
        yield {"name": name, "environment": environment, "path": json.loads(answer.stdout)}


def connection_file(transport, ip):
    from jupyter_client.connect import write_connection_file

    with tempfile.TemporaryDirectory() as directory:
        path, _ = write_connection_file(
            os.path.join(directory, "kernel.json"), shell_port=40001, iopub_port=40002,
            stdin_port=40003, hb_port=40004, control_port=40005, transport=transport, ip=ip,
            key=b"3e8c1f0a-9d1b8c", kernel_name="python3")
        with open(path, encoding="utf-8") as file:
            return file.read()


def write(name, text):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    write("data_path.json", json.dumps(list(data_paths()), indent=1) + "\n")
    write("connection_tcp.json", connection_file("tcp", "127.0.0.1"))
    write("connection_ipc.json", connection_file("ipc", "/run/user/1000/kernels/caf\u00e9"))
