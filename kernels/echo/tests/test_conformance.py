"""What jupyter_kernel_test, the suite of the Jupyter project, says of the kernel."""

import unittest

try:
    import jupyter_kernel_test
except ImportError:
    raise unittest.SkipTest("there is no jupyter_kernel_test (Debian: python3-jupyter-kernel-test)")


class ConformanceKernelTestCase(jupyter_kernel_test.KernelTests):
    kernel_name = "perijove-echo"
    language_name = "echo"
    file_extension = ".txt"
    code_hello_world = "print hello, world"
    code_stderr = "stderr test"
    completion_samples = [{"text": "traceb", "matches": {"traceback"}}]
    complete_code_samples = ["print x"]
    incomplete_code_samples = ["print x\\"]
    invalid_code_samples = ["!x"]
    code_inspect_sample = "print"
    code_generate_error = "error ValueError no"
    code_execute_result = [{"code": "this comes back", "result": "this comes back"}]
    code_display_data = [{"code": "html <b>test</b>", "mime": "text/html"}]
    code_clear_output = "clear"
    code_history_pattern = "th?s*"
    supported_history_operations = ("tail", "range", "search")


class Conformance(ConformanceKernelTestCase):
    pass


# It is there for others to derive from.
del ConformanceKernelTestCase
