"""What a fork server does before its first fork: cells like those of users, which nobody sees.

Code that has run once or a few times is faster, and the memory that this takes (specialised
bytecode, caches, modules that are imported on first use) is then shared by all kernels.
"""

import contextlib
import socket

from perijove_kernel import debugger

# CPython specialises code that has run eight times.
ROUNDS = 10

SHELL = """
def answer(values, *, scale=2):
    return {str(value): value * scale for value in values if value is not None}
class Thing:
    def __init__(self, name):
        self.name = name
    def __repr__(self):
        return f"<{self.name}>"
print(answer([1, 2.5, None]), Thing("one"))
[Thing(name) for name in sorted(("a", "b"), reverse=True)]
"""

FAULT = """
def divide(a, b):
    return a / b
divide(1, 0)
"""

CELLS = {
    "numpy": """
import numpy as np
a = np.arange(12.0).reshape(3, 4)
print(a.mean(axis=0), (a * 2 + 1)[a > 3].sum())
a
""",
    "pandas": """
import pandas as pd
frame = pd.DataFrame({"key": ["a", "b", "a"], "x": [1, 2, 3], "y": [0.5, None, 1.5]})
print(frame.groupby("key").x.sum(), frame.y.mean(), frame[frame.x > 1].sort_values("y").describe())
frame
""",
    "matplotlib.pyplot": """
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot([1, 2, 3], [1, 4, 9], label="squares")
axes.set_title("title")
axes.legend()
plt.show()
plt.close("all")
""",
}


def warm_up(kernel, modules):
    """`modules` are those that have been imported."""
    debugger.is_available(kernel.shell)
    with contextlib.suppress(OSError):
        # libzmq asks at its start: the C library looks for its sources of names once a process.
        socket.getprotobyname("pgm")
    cells = [SHELL] * ROUNDS
    for module in modules:
        if module in CELLS:
            # A figure takes long, and its second time is as good as its tenth.
            cells += [CELLS[module]] * (2 if module.startswith("matplotlib") else ROUNDS)
    kernel.warm_up([*cells, FAULT, FAULT])
