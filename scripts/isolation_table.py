#!/usr/bin/env python3
"""Makes the table of docs/isolation.md: what hostile code comes to with each kind of isolation.

The outcomes are those of a run of the tests, which write them when told where:

    PERIJOVE_ISOLATION_RESULTS=build/isolation ctest --test-dir build \\
        -R 'integration[.](sandbox|docker_hostile|gvisor_hostile)'
    scripts/isolation_table.py build/isolation            writes the table
    scripts/isolation_table.py build/isolation --check    exits with 1 when it says something else
"""

import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = TOP / "docs" / "isolation.md"
BEGIN = "<!-- generated: outcomes (scripts/isolation_table.py) -->\n"
END = "<!-- end -->\n"
KINDS = ("none", "sandbox", "docker", "docker+gvisor")
sys.path.insert(0, str(TOP / "tests" / "integration"))
import hostile  # noqa: E402


def table(results):
    titles = {attempt.name: attempt.title for attempt in hostile.ATTEMPTS}
    titles.update({name: title for name, (title, _) in hostile.SEEN_FROM_OUTSIDE.items()})
    lines = ["| code tries to | " + " | ".join(f"`{each['kind']}`" for each in results) + " |",
             "|---" * (len(results) + 1) + "|"]
    for name, title in titles.items():
        cells = []
        for result in results:
            outcome = result["outcomes"].get(name)
            reached = outcome is not None and outcome["outcome"] == hostile.REACHED
            cells.append("not tried" if outcome is None else "stopped" if not reached
                         else "its own" if name in hostile.ITS_OWN.get(result["kind"], ()) else "**can**")
        if set(cells) != {"not tried"}:
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    arguments = [each for each in sys.argv[1:] if each != "--check"]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    paths = [pathlib.Path(arguments[0], f"{kind}.json") for kind in KINDS]
    results = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not results:
        print(f"no results in {arguments[0]}: run the tests first, see --help", file=sys.stderr)
        return 1
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    made = head + BEGIN + table(results) + END + tail
    if "--check" in sys.argv[1:]:
        if made == page:
            return 0
        print("docs/isolation.md is not what the run says; run scripts/isolation_table.py",
              file=sys.stderr)
        return 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
