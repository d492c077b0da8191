"""The same cells on ipykernel and here: the outputs must be the same."""

import unittest

from normal_form import normal_bundle, normal_state, normal_text
from support import PythonKernelTestCase
from test_outputs import installed

def normal_outputs(run):
    """Streams whole, since when they are flushed is a matter of time; the others in their order."""
    outputs = [("stdout", normal_text(run.stdout)), ("stderr", normal_text(run.stderr))]
    for message in run.messages:
        kind, content = message["msg_type"], message["content"]
        if kind in ("execute_result", "display_data", "update_display_data"):
            shown_again = "display_id" in content.get("transient", {})
            outputs.append((kind, normal_bundle(content["data"]), content["metadata"], shown_again))
        elif kind == "error":
            last_line = normal_text(content["traceback"][-1]).strip().split("\n")[-1]
            outputs.append((kind, content["ename"], normal_text(content["evalue"]), last_line))
        elif kind == "clear_output":
            outputs.append((kind, content))
        elif kind.startswith("comm_"):
            buffers = [bytes(buffer) for buffer in message["buffers"]]
            fields = {key: value for key, value in content.items() if value is not None}
            outputs.append((kind, normal_state(fields), message["metadata"], buffers))
    reply = run.reply
    outputs.append(("reply", reply["status"], reply["execution_count"], reply.get("ename")))
    outputs.append(("expressions", normal_state(reply.get("user_expressions"))))
    outputs.append(("payload", [part["source"] for part in reply.get("payload", [])]))
    return outputs


@unittest.skipUnless(installed("ipykernel"), "there is no ipykernel (Debian: python3-ipykernel)")
class ComparisonKernelTestCase(PythonKernelTestCase):
    def assert_same(self, *cells, **environ):
        PythonKernelTestCase.kernel_name, name = "python3", self.kernel_name
        try:
            theirs = self.started(**environ)
        finally:
            PythonKernelTestCase.kernel_name = name
        ours = self.started(**environ) if environ else self.py
        for cell in cells:
            with self.subTest(cell=cell):
                # ipykernel goes on aborting requests for a while after an error.
                mine, other = [k.run(cell, stop_on_error=False) for k in (ours, theirs)]
                self.assertEqual(normal_outputs(mine), normal_outputs(other))


class LikeIpykernel(ComparisonKernelTestCase):
    def test_values(self):
        self.assert_same(
            "1 + 1",
            "x = 3",
            "x;",
            "_",
            "[list(range(30)), {'a': {'b': 1}}, None, 'é', b'bytes', 1e100, ...]",
            "{i: str(i) * 20 for i in range(20)}",
            "In, Out",
            "object()",
            "None",
            "class Rich:\n    def _repr_html_(self): return '<b>rich</b>'\nRich()",
            "Rich",
            "(lambda: 1), print, len",
            "",
            "# nothing",
            "get_ipython().__class__.__name__, __name__, __builtins__.__name__",
            "import sys; sys.stdout.encoding, sys.stdout.isatty(), sys.executable",
            "'IPKernelApp' in get_ipython().config",
        )

    def test_streams(self):
        self.assert_same(
            "print('one'); import sys; print('two', file=sys.stderr)",
            "for i in range(1000): print(i)",
            "print('x' * 1_000_000)",
            "sys.stdout.write('no newline')",
            "print('a', end=''); print('\\rb', flush=True)",
            "import warnings; warnings.warn('careful')",
            "import logging; logging.warning('logged')",
        )

    def test_errors(self):
        self.assert_same(
            "1/0",
            "raise ValueError('a\\nb')",
            "undefined_name",
            "x = (",
            "if True:\nprint(1)",
            "class E(Exception): pass\nraise E('mine', 2)",
            "try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e",
            "def f(n): return f(n - 1) if n else 1/0\nf(20)",
            "assert 1 == 2, 'message'",
            "raise KeyboardInterrupt('by hand')",
            "import sys; sys.exit('goodbye')",
            "exec('x ===')",
            "%no_such_magic",
            "raise Exception",
            "import no_such_module",
            "raise BaseException('base')",
        )

    def test_displays(self):
        self.assert_same(
            "from IPython.display import *\ndisplay(1, 'two', [3])",
            "display(HTML('<b>x</b>'), Markdown('*y*'), Latex('$z$'), JSON([1, 2]), Javascript('1'))",
            "h = display('first', display_id='fixed'); h.update('second')",
            "clear_output(); clear_output(wait=True); print('after')",
            "display({'text/plain': 'p', 'text/html': 'h'}, raw=True, metadata={'text/html': {'m': 1}})",
            "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')",
            "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'\\0' * 20, format='png', width=10)",
            "Pretty('pretty')",
            "Math('x'), Code('y = 1', language='python')",
            "IFrame('x.html', 10, 10)",
            "print('before'); display('between'); print('after')",
        )

    def test_magics(self):
        self.assert_same(
            "%%bash\necho out; echo err >&2",
            "%%bash\nexit 3",
            "%%sh --out kept\necho kept",
            "kept",
            "%%python3\nprint('other process')",
            "%pwd",
            "lines = !printf 'a\\nb\\n'\nlines",
            "!echo $((1 + 1))",
            "%env PERIJOVE_TEST=1",
            "!echo $PERIJOVE_TEST",
            "%%capture c\nprint('captured'); 5",
            "c.stdout, c.outputs",
            "%%writefile /dev/null\nnothing",
            "%who_ls int",
            "%precision 3",
            "3.14159265",
            "%pprint",
            "%psearch zip",
            "zip?",
            "%%html\n<b>x</b>",
            "%%javascript\n1",
            "%xmode Plain",
            "1/0",
            "%load_ext autoreload\n%autoreload 2",
            "%history -n 1-2",
            "%recall 1",
            "%pinfo len",
            "%%script sh\necho script",
        )

    def test_asyncio(self):
        self.assert_same(
            "import asyncio\nasync def f(x):\n    await asyncio.sleep(0.01)\n    print('f', x)\n    return x",
            "await f(1)",
            "await asyncio.gather(*(f(i) for i in range(3)))",
            "t = asyncio.create_task(f('task'))\nprint('made'); await t",
            "async with asyncio.timeout(1): await f(2)",
            "await asyncio.wait_for(asyncio.sleep(1), 0.01)",
            "async def bad(): raise ValueError('async')\nawait bad()",
            "async def count():\n    yield 1; yield 2\n[x async for x in count()]",
            "asyncio.run(f(1))",
            "asyncio.get_event_loop() is asyncio.get_running_loop()",
            "await asyncio.to_thread(lambda: 'thread')",
            "p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=asyncio.subprocess.PIPE)\n"
            "(await p.communicate())[0]",
        )

    def test_processes_and_threads(self):
        self.assert_same(
            "import multiprocessing as mp, concurrent.futures as cf, threading, os, subprocess",
            "def square(x): return x * x",
            "with mp.Pool(2) as pool: print(pool.map(square, range(5)))",
            "with cf.ProcessPoolExecutor(2) as pool: print(list(pool.map(square, range(5))))",
            "with cf.ThreadPoolExecutor(2) as pool: print(list(pool.map(square, range(5))))",
            "q = mp.Queue(); p = mp.Process(target=lambda: q.put('from the child')); p.start(); print(q.get()); p.join()",
            "subprocess.run(['sh', '-c', 'echo sub; echo err >&2'])",
            "subprocess.check_output('echo x', shell=True)",
            "os.system('exit 3')",
            "t = threading.Thread(target=lambda: print('thread')); t.start(); t.join()",
            "mp.get_start_method(), mp.current_process().name, threading.current_thread().name",
        )

    def test_modules_of_the_user(self):
        self.assert_same(
            "import pickle, dataclasses, inspect\n@dataclasses.dataclass\nclass D:\n    x: int = 1",
            "pickle.loads(pickle.dumps(D(2)))",
            "inspect.getsource(D)",
            "import __main__; __main__.D is D",
            "import pdb, doctest; doctest.run_docstring_examples(lambda: None, {})",
            "help(D.__eq__)",
            "globals() is __main__.__dict__, '__file__' in globals()",
        )


@unittest.skipUnless(installed("pandas"), "there is no pandas (Debian: python3-pandas)")
class LikeIpykernelWithPandas(ComparisonKernelTestCase):
    def test_tables(self):
        self.assert_same(
            "import pandas as pd, numpy as np",
            "df = pd.DataFrame({'a': range(5), 'b': list('vwxyz'), 'c': np.linspace(0, 1, 5)}); df",
            "df.describe()",
            "df.groupby('b').sum()",
            "df['c']",
            "display(df.head(2)); df.info()",
            "df.dtypes",
            "pd.DataFrame(np.arange(3000).reshape(100, 30))",
            "df['missing']",
            "np.random.seed(0); np.random.rand(3)",
            "pd.date_range('2026-01-01', periods=3)",
        )


@unittest.skipUnless(installed("matplotlib"), "there is no matplotlib (Debian: python3-matplotlib)")
class LikeIpykernelWithMatplotlib(ComparisonKernelTestCase):
    def test_figures(self):
        self.assert_same(
            "import matplotlib.pyplot as plt",
            "plt.plot([1, 3, 2])",
            "fig, ax = plt.subplots(figsize=(3, 2)); ax.bar([1, 2], [3, 4]); plt.show(); print('shown')",
            "fig",
            "%matplotlib inline",
            "plt.figure(dpi=50); plt.plot([1]);",
            "import matplotlib; matplotlib.get_backend()",
            "plt.subplots(2, 2); plt.figure(); plt.close('all')",
            "plt.get_fignums()",
        )


@unittest.skipUnless(
    installed("ipywidgets"), "there are no ipywidgets (Debian: python3-ipywidgets)"
)
class LikeIpykernelWithWidgets(ComparisonKernelTestCase):
    def test_traffic_of_comms(self):
        self.assert_same(
            "import ipywidgets as w",
            "slider = w.IntSlider(value=3); slider",
            "slider.value = 7",
            "slider.observe(lambda change: print(change['new']), 'value'); slider.value = 8",
            "out = w.Output(); display(out)",
            "with out: print('inside'); display('shown inside')",
            "w.Image(value=b'\\x01\\x02')",
            "w.interact(lambda x: x * 2, x=(0, 10));",
            "slider.close()",
        )
