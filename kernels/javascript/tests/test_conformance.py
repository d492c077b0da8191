"""What jupyter_kernel_test, the suite of the Jupyter project, says of the kernel."""

import unittest

try:
    import jupyter_kernel_test
except ImportError:
    raise unittest.SkipTest("there is no jupyter_kernel_test (Debian: python3-jupyter-kernel-test)")


class ConformanceKernelTestCase(jupyter_kernel_test.KernelTests):
    kernel_name = "javascript"
    language_name = "javascript"
    file_extension = ".js"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('test')"
    completion_samples = [{"text": "encodeURIC", "matches": {"encodeURIComponent"}}]
    complete_code_samples = ["1 + 1", "let x = 1", "function f() { return 1 }"]
    incomplete_code_samples = ["function f() {", "[1, 2", "`a"]
    invalid_code_samples = ["let let = 1", ")"]
    code_generate_error = "throw new Error('no')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[1, 2].map(x => x * 2)", "result": "[ 2, 4 ]"},
    ]
    code_display_data = [
        {"code": "display('text/html', '<b>test</b>')", "mime": "text/html"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")


class Conformance(ConformanceKernelTestCase):
    pass


# It is there for others to derive from.
del ConformanceKernelTestCase
