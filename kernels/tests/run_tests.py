"""Runs the named tests of this directory; status 77 means that they could not be run.

By hand: PERIJOVE_ECHO=<build>/.../perijove-kernel-echo JUPYTER_PATH=<build>/share/jupyter \\
         python3 run_tests.py test_xeus_bugs
"""

import os
import sys

sys.dont_write_bytecode = True
for folder in ("../echo/tests", "../guest/tests"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), folder))
import guest_tests

guest_tests.main()
