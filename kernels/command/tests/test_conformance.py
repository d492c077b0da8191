"""What jupyter_kernel_test, the suite of the Jupyter project, says of the kernel in three languages."""

import shutil
import unittest

try:
    import jupyter_kernel_test
except ImportError:
    raise unittest.SkipTest("there is no jupyter_kernel_test (Debian: python3-jupyter-kernel-test)")


class ConformanceKernelTestCase(jupyter_kernel_test.KernelTests):
    """Failures are statuses: the suite wants no output beside an error, and programs that fail by
    themselves say why on stderr."""


class ConformancePerl(ConformanceKernelTestCase):
    kernel_name = "perl"
    language_name = "perl"
    file_extension = ".pl"
    code_hello_world = "print 'hello, world'"
    code_stderr = "print STDERR 'test'"
    code_generate_error = "exit 1"


@unittest.skipUnless(shutil.which("lua"), "there is no lua (Debian: lua5.4)")
class ConformanceLua(ConformanceKernelTestCase):
    kernel_name = "lua"
    language_name = "lua"
    file_extension = ".lua"
    code_hello_world = "print('hello, world')"
    code_stderr = "io.stderr:write('test')"
    code_generate_error = "os.exit(1)"


@unittest.skipUnless(shutil.which("ruby"), "there is no ruby (Debian: ruby)")
class ConformanceRuby(ConformanceKernelTestCase):
    kernel_name = "ruby"
    language_name = "ruby"
    file_extension = ".rb"
    code_hello_world = "puts 'hello, world'"
    code_stderr = "$stderr.puts 'test'"
    code_generate_error = "exit 1"


# It is there for others to derive from.
del ConformanceKernelTestCase
