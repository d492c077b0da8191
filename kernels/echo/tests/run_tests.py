"""Runs the named tests of this directory; status 77 means that they could not be run.

By hand: PERIJOVE_ECHO=<build>/.../perijove-kernel-echo JUPYTER_PATH=<build>/share/jupyter \\
         python3 run_tests.py test_protocol [test_lifecycle.Interrupts ...]
"""

import sys
import unittest

sys.dont_write_bytecode = True
try:
    import jupyter_client
except ImportError:
    print(f"skipped: {sys.executable} has no jupyter_client (Debian: python3-jupyter-client)")
    sys.exit(77)
unittest.main(module=None, argv=sys.argv + ["-v"])
