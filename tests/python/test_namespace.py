"""The helper that saves the variables of a Python and reads them back into another process."""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import support

TEXT = support.script_text("namespace")
DRIVER = """
import json, sys, types
told = json.load(sys.stdin)
main = sys.modules["__main__"] = types.ModuleType("__main__")
helper = {"__name__": "perijove"}
exec(told["text"], helper)
if told["load"]:
    helper["load"](main.__dict__, json.dumps(told["load"]))
exec(compile(told["code"], "<block>", "exec"), main.__dict__)
if told["save"]:
    helper["save"](main.__dict__, json.dumps(told["save"]))
"""


class Namespace(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.place = pathlib.Path(directory.name)
        for name in ("file", "report"):
            (self.place / name).touch()

    def process(self, code, **told):
        request = {"load": None, "save": None, "text": TEXT, "code": code, **told}
        return subprocess.run([sys.executable, "-c", DRIVER], input=json.dumps(request), text=True, check=False,
                              cwd=self.place, capture_output=True, timeout=support.DEADLINE_SECONDS)

    def save(self, code):
        """The header of what a process has saved that ran this code."""
        done = self.process(code, save={"file": "file", "directories": ["/nowhere", str(self.place)]})
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((self.place / "file").read_bytes().split(b"\n", 1)[0])

    def load(self, code="", sha256=None):
        """(what a fresh process says that has loaded it and then ran this code, its report)."""
        digest = sha256 or hashlib.sha256((self.place / "file").read_bytes()).hexdigest()
        done = self.process(code, load={"file": "file", "report": "report", "sha256": digest,
                                        "directories": [str(self.place)]})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, json.loads((self.place / "report").read_text())

    def carried(self, code, check):
        self.assertEqual(self.save(code)["skipped"], [])
        self.assertEqual(self.load(check)[1]["failed"], [])

    def test_values_and_what_they_share(self):
        self.carried("a = [1]; b = {'a': a}; a.append(b); t = (a,); s = 'text'",
                     "assert b['a'] is a and a[1] is b and t[0] is a and s == 'text'")

    def test_names_that_share_nothing_are_apart(self):
        groups = self.save("a = [1]; b = a; c = [2]; d = 'x'; e = 'x'")["groups"]
        self.assertEqual([each["names"] for each in groups], [["a", "b"], ["c"], ["d"], ["e"]])

    def test_functions(self):
        self.carried("""
import functools
n = 1
def f(a, b=[2], *, c=3): "doc"; return a + b[0] + c + n
f.mark = 5
def outer():
    count = 0
    def up():
        nonlocal count
        count += 1
        return count
    def now(): return count
    return up, now
up, now = outer(); up()
def fact(k): return 1 if k < 2 else k * fact(k - 1)
def inner():
    def again(k): return 0 if k == 0 else again(k - 1)
    return again
again = inner()
partial = functools.partial(f, 1)
g = lambda: n
""", """
assert f(1) == 7 and f.mark == 5 and f.__doc__ == "doc" and f(1, c=0) == 4
n = 10
assert f(1) == 16 and partial() == 16 and g() == 10
assert up() == 2 and now() == 2, "they share what they have closed over"
assert fact(5) == 120 and again(3) == 0
""")

    def test_classes(self):
        self.carried("""
import abc, collections, dataclasses, enum, functools, typing
class Base:
    "doc"
    made = []
    def __init__(self): self.made.append(self)
    def me(self): return __class__
    @property
    def one(self): return 1
    @classmethod
    def make(cls): return cls()
    @staticmethod
    def two(): return 2
class Derived(Base):
    def me(self): return super().me(), __class__
d = Derived(); made = Base.made
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    tags: list = dataclasses.field(default_factory=list, compare=False)
p = Point(1)
class Colour(enum.Enum):
    RED = 1
    def low(self): return self.name.lower()
class Flags(enum.IntFlag): A = 1; B = 2
red, both = Colour.RED, Flags.A | Flags.B
Pair = collections.namedtuple("Pair", "a b"); pair = Pair(1, 2)
class Record(typing.NamedTuple): a: int = 3
record = Record()
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
class Square(Shape):
    def area(self): return 4
square = Square()
class Slots: __slots__ = ("a",)
slots = Slots(); slots.a = 1
class Lazy:
    @functools.cached_property
    def value(self): return 9
lazy = Lazy()
class Failure(ValueError): pass
failure = Failure("no")
class Meta(type):
    def twice(cls): return cls.n * 2
class WithMeta(metaclass=Meta): n = 2
T = typing.TypeVar("T", bound=int)
class Box(typing.Generic[T]):
    def __init__(self, value: T): self.value = value
box = Box[int](3)
""", """
assert type(d) is Derived and made == [d] and d.me() == (Base, Derived) and d.one == 1 and Derived.two() == 2
assert type(Derived.make()) is Derived and Base.__doc__ == "doc" and len(made) == 2
assert p == Point(1) and [f.name for f in dataclasses.fields(Point)] == ["x", "tags"] and Point(2).tags == []
try: p.x = 2; assert False
except dataclasses.FrozenInstanceError: pass
assert red is Colour.RED and Colour(1).low() == "red" and both == Flags.A | Flags.B and both & Flags.B
assert pair == Pair(1, 2) and pair.b == 2 and record.a == 3 and Record(4)._asdict() == {"a": 4}
assert square.area() == 4
try: Shape(); assert False
except TypeError: pass
assert slots.a == 1 and not hasattr(slots, "__dict__") and lazy.value == 9
assert box.value == 3 and Box.__parameters__ == (T,) and T.__bound__ is int
assert isinstance(failure, ValueError) and failure.args == ("no",) and WithMeta.twice() == 4
""")

    def test_modules_by_any_name(self):
        self.carried("import os.path as p, collections as c; holds = [c]",
                     "assert p.join('a', 'b') == 'a/b' and holds[0] is c")

    def test_names_of_the_interpreter_are_not_the_users(self):
        self.assertEqual(self.save("__x__ = 1; _ = 2; __ = 3; _i1 = ''; _1 = 4; _mine = 5; y = 6")["saved"],
                         ["_mine", "y"])

    def test_what_cannot_be_carried_takes_only_those_along_that_hold_it(self):
        header = self.save("""
import threading, socket
f = open("/dev/null"); g = (i for i in []); s = socket.socket(); t = threading.Thread(); e = threading.Event()
class Refuses:
    def __reduce__(self): raise ValueError("not me")
r = Refuses(); deep = {"f": [f]}; me = globals(); fine = [1]
class Swallows:
    def __getstate__(self): raise SystemExit(3)
w = Swallows()
""")
        reasons = {each["name"]: each["reason"] for each in header["skipped"]}
        self.assertEqual(set(reasons), {"f", "g", "s", "t", "e", "r", "deep", "me", "w"})
        self.assertEqual(reasons["deep"], reasons["f"])
        self.assertEqual(reasons["r"], "ValueError: not me")
        self.assertIn("fine", header["saved"])
        self.assertEqual(self.load()[1]["failed"], [])

    def test_what_cannot_be_read_takes_only_its_own_names_along(self):
        (self.place / "mine.py").write_text("class A: pass\n")
        self.save("import sys; sys.path.insert(0, ''); import mine\na = mine.A(); b = [a]; c = [1]; d = c")
        (self.place / "mine.py").unlink()
        report = self.load("assert c is d")[1]
        self.assertEqual({each["name"] for each in report["failed"]}, {"mine", "a", "b"})
        self.assertIn("No module named 'mine'", report["failed"][0]["reason"])

    def test_what_was_changed_is_not_unpickled(self):
        self.save("x = list(range(100))")
        file = self.place / "file"
        good, digest = file.read_bytes(), hashlib.sha256(file.read_bytes()).hexdigest()
        header, rest = good.split(b"\n", 1)
        changed = [good + b"x", good[:-1], header, b"", b"[" * 100_000, header + b"\n" + rest.replace(b"K", b"J"),
                   header.replace(b'"size": ', b'"size": 9999999999999') + b"\n" + rest]
        for each in changed:
            with self.subTest(each[:40]):
                file.write_bytes(each)
                done = self.process("", load={"file": "file", "report": "report", "sha256": digest,
                                              "directories": [str(self.place)]})
                self.assertIn("was changed on its way", done.stderr)
        file.write_bytes(good)
        self.load("assert x == list(range(100))")

    def test_a_link_is_neither_written_to_nor_read(self):
        (self.place / "file").unlink()
        (self.place / "file").symlink_to(self.place / "report")
        done = self.process("x = 1", save={"file": "file", "directories": [str(self.place)]})
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((self.place / "report").read_text(), "")

    def test_random_numbers_go_on(self):
        self.save("import random; random.seed(3)")
        first = self.load("print(random.random())")[0]
        self.assertEqual(self.load("print(random.random())")[0], first)

    def test_nothing_is_left_behind(self):
        self.save("x = 1")
        self.assertEqual(self.load("import sys; print(sorted(n for n in globals() if n[0] != '_'), "
                                   "[m for m in sys.modules if 'perijove' in m])")[0], "['sys', 'x'] []\n")


if __name__ == "__main__":
    unittest.main()
