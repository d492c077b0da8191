"""What jupyter_kernel_test, the suite of the Jupyter project, says of the kernel."""

import unittest

from jupyter_client.kernelspec import KernelSpecManager

try:
    import jupyter_kernel_test
except ImportError:
    raise unittest.SkipTest("there is no jupyter_kernel_test (Debian: python3-jupyter-kernel-test)")


class ConformanceKernelTestCase(jupyter_kernel_test.KernelTests):
    kernel_name = "perijove-python"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_inspect_sample = "zip"
    code_generate_error = "raise ValueError('no')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
            "mime": "text/html",
        },
        {
            "code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))",
            "mime": "text/latex",
        },
    ]
    code_page_something = "zip?"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")


class Conformance(ConformanceKernelTestCase):
    pass


@unittest.skipUnless(
    "perijove-python-any" in KernelSpecManager().find_kernel_specs(),
    "the shared object was not built: CMake says which static library is missing",
)
class ConformanceOfAnyPython(ConformanceKernelTestCase):
    kernel_name = "perijove-python-any"


# It is there for others to derive from.
del ConformanceKernelTestCase
