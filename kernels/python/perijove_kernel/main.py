"""The command line of the kernel."""

import os
import sys

import _perijove_kernel as core

USAGE = """usage: perijove-kernel-python [--plain] -f CONNECTION_FILE
       perijove-kernel-python [--plain] --zygote FD|PATH [--preload MODULE,...]

A Jupyter kernel for Python {version}, with IPython's shell where IPython is installed.

  -f FILE           the connection file
  --zygote FD|PATH  fork a kernel for each request that comes from this inherited socket, or from
                    the first to connect to a socket that is made at this path
  --preload MODULE,...
                    what those kernels have imported already
  --plain           do without IPython
  --version, --help

The kernel ends with the process whose id JPY_PARENT_PID holds, if that is set.
"""

USAGE_ERROR = 2


class UsageError(Exception):
    pass


def parse(words):
    """{option: value}"""
    options = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("--plain", "--help", "-h", "--version"):
            options[word.lstrip("-")] = True
        elif word in ("-f", "--zygote", "--preload"):
            if not words:
                raise UsageError(word + " wants a value")
            options[word.lstrip("-")] = words.pop(0)
        else:
            raise UsageError("there is no option %r; see --help" % word)
    return options


def main():
    """Serves, and returns the exit status of the process."""
    version = sys.version.split()[0]
    try:
        options = parse(sys.argv[1:])
        if "help" in options or "h" in options:
            print(USAGE.format(version=version), end="")
            return 0
        if "version" in options:
            print("perijove-kernel-python %s (Python %s)" % (core.VERSION, version))
            return 0
        plain = options.get("plain", False)
        if "zygote" in options:
            where = options["zygote"]
            if not (where.isdigit() or where.startswith("/")) or "f" in options:
                raise UsageError("wanted: --zygote FD, or an absolute path")
            from perijove_kernel import zygote

            preload = [module for module in options.get("preload", "").split(",") if module]
            status = zygote.run(where, preload, plain)
            # What has been imported has nothing to put in order, and takes its time for that.
            sys.stderr.flush()
            os._exit(status)
        if "f" not in options or "preload" in options:
            raise UsageError("wanted: -f CONNECTION_FILE; see --help")
    except UsageError as error:
        print("perijove-kernel-python: %s" % error, file=sys.stderr)
        return USAGE_ERROR
    from perijove_kernel.run import make_kernel, serve

    return serve(make_kernel(plain), options["f"])
