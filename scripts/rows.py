#!/usr/bin/env python3
"""Makes docs/rows.md: which test shows which of the rows in tests/rows.tsv.

A test shows rows by a comment above it, `// rows: L09 H20` in C++ and `# rows: L09 H20` in Python, or
behind the name of a Python test: `def test_x(self):  # L09 H20`. Those of quirks have theirs in the name:
`def test_q5_q14_x(self)`.

    scripts/rows.py            writes the table
    scripts/rows.py --check    exits with 1 when the table is not what the marks say
"""

import collections
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
TABLE = TOP / "docs" / "rows.md"
MARK = re.compile(r"^\s*(?://|#) rows: ([A-Z0-9 ]+)$")
CPP = re.compile(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)")
PYTHON = re.compile(r"^\s*(?:async )?def (test_\w+)\(")
QUIRKS = re.compile(r"^test((?:_q\d+)+)_")
BEHIND = re.compile(r"  # ((?:[A-Z]\d\d ?)+)$")
HEAD = """# Rows

What the executors that agents use promise, one row each, and the test that shows it here. Made by
`scripts/rows.py` from marks in the tests: change those. U: code_execution_config of AG2 and AutoGen
0.2; L, D: command-line executors, local and in containers; J, K: Jupyter executors, local and in
containers; Z: cloud sessions; B, R: sandboxes and restricted Python; H: helpers; Q: what clients of the
Jupyter interface do, or need.

"""


def read_rows():
    rows = {}
    for line in (TOP / "tests" / "rows.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            row, what, *later = line.split("\t")
            rows[row] = (what, later[0] if later else "")
    return rows


def read_marks():
    """Row -> [(path, name of the test)]; and what is wrong with the marks."""
    tests, faults = collections.defaultdict(list), []
    for path in sorted(TOP.glob("tests/**/*")):
        if path.suffix not in (".cpp", ".py"):
            continue
        marked = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            place = f"{path.relative_to(TOP)}:{number}"
            test = CPP.match(line) or PYTHON.match(line)
            behind = BEHIND.search(line) if test else None
            if mark := MARK.match(line):
                marked += mark[1].split()
            elif test:
                quirks = QUIRKS.match(test[test.lastindex])
                in_name = [f"Q{int(each):02}" for each in quirks[1].split("_q")[1:]] if quirks else []
                for row in marked + (behind[1].split() if behind else []) + in_name:
                    tests[row].append((path.relative_to(TOP), ".".join(test.groups())))
                marked = []
            elif marked and not line.strip().startswith(("@", "//", "#")):
                faults.append(f"{place}: no test follows the mark")
                marked = []
    return tests, faults


def table(rows, tests):
    shown = sum(row in tests for row in rows)
    later = sum(bool(later) and row not in tests for row, (_, later) in rows.items())
    lines = [f"{len(rows)} rows: {shown} shown by tests, {later} that belong to work which is not done "
             f"yet, {len(rows) - shown - later} open.", "",
             "| row | what | shown by |", "|---|---|---|"]
    for row, (what, later) in rows.items():
        found = "<br>".join(f"[{name}](../{path})" for path, name in dict.fromkeys(tests.get(row, [])))
        if not found:
            found = f"not yet: {later}" if later else "open"
        lines.append(f"| {row} | {what} | {found} |")
    return HEAD + "\n".join(lines) + "\n"


def main():
    rows = read_rows()
    tests, faults = read_marks()
    faults += [f"{path}: there is no row {row}" for row in tests if row not in rows
               for path, _ in tests[row]]
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    text = table(rows, tests)
    if sys.argv[1:] == ["--check"]:
        if TABLE.exists() and TABLE.read_text() == text:
            return 0
        print("docs/rows.md is not what the tests' marks say; run scripts/rows.py", file=sys.stderr)
        return 1
    TABLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
