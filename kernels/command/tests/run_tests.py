"""Runs the named tests of this directory; status 77 means that they could not be run.

By hand: JUPYTER_PATH=<build>/share/jupyter python3 run_tests.py test_command [test_command.Blocks ...]
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../guest/tests"))
import guest_tests

guest_tests.main()
