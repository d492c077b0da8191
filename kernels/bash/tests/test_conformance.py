"""What jupyter_kernel_test, the suite of the Jupyter project, says of the kernel."""

import unittest

try:
    import jupyter_kernel_test
except ImportError:
    raise unittest.SkipTest("there is no jupyter_kernel_test (Debian: python3-jupyter-kernel-test)")


class ConformanceKernelTestCase(jupyter_kernel_test.KernelTests):
    kernel_name = "bash"
    language_name = "bash"
    file_extension = ".sh"
    code_hello_world = "echo hello, world"
    code_stderr = "echo test >&2"
    completion_samples = [{"text": "compge", "matches": {"compgen"}}]
    complete_code_samples = ["echo a", "for x in 1; do echo; done", "# comment"]
    incomplete_code_samples = ["for x in 1; do", "echo 'a", "f() {"]
    invalid_code_samples = ["fi", "echo )"]
    code_generate_error = "false"


class Conformance(ConformanceKernelTestCase):
    pass


# It is there for others to derive from.
del ConformanceKernelTestCase
