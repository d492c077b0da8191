"""Commands of the system, for cells."""

import subprocess


def system(command):
    """`!command`: what it prints comes by way of descriptors 1 and 2."""
    subprocess.call(command, shell=True, stdin=subprocess.DEVNULL)


def bash(script):
    """`%%bash`"""
    subprocess.run(["bash"], input=script.encode("utf-8"), check=True)
