"""Perijove's Python kernel for any CPython from 3.8 on, with nothing else installed:

    python3 perijove_kernel.py -f CONNECTION_FILE

It needs this file and the shared object beside it. (The object has another name, since Python would
find it first and could not run it as a program.)
"""

import sys

import _perijove_kernel

exec(compile(_perijove_kernel.SOURCES["loader"], "<perijove_kernel/loader.py>", "exec"), {})

from perijove_kernel.main import main

if __name__ == "__main__":
    del sys.path[0]  # this folder, or where the kernel was started, which it adds itself
    sys.exit(main())
