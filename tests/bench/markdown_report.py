"""Turns what perijove-bench measured into a Markdown report: the aims first, then every table.

    tests/bench/markdown_report.py RESULTS.json REPORT.md

Writes between two marks in REPORT.md, so that what people wrote around them stays; makes the file
when there is none. compare --report does the same right after measuring. Standard library only.
"""
import json
import sys
from pathlib import Path

BEGIN = "<!-- measured: tests/bench/compare --report rewrites what follows -->"
END = "<!-- end -->"
PAYLOAD_MIB = 64  # of the aims on large outputs and uploads


class Results:
    """The medians of one run, by scenario, target, variant and figure."""

    def __init__(self, results):
        self.reference = results["reference"]
        self.notes = results["notes"]
        # A target that failed from the start has faults and no values.
        self.scenarios = [{**each, "rows": [{"values": {}, "faults": {}, **row} for row in each["rows"]]}
                          for each in results["scenarios"]]

    def rows(self, scenario, target, variant=""):
        """Rows of a target; `variant` is a word that must be in theirs."""
        return [row for each in self.scenarios if each["name"] == scenario for row in each["rows"]
                if row["target"] == target and (not variant or variant in row["variant"].split())]

    def values(self, scenario, figure, target=None, variant=""):
        return [row["values"][figure]["median"] for row in self.rows(scenario, target or self.reference, variant)
                if figure in row["values"]]

    def best_direct(self, scenario, figure, pick, variant=""):
        """The better of the kernels without a server; None when none was measured."""
        found = [value for transport in ("tcp", "ipc")
                 for value in self.values(scenario, figure, f"direct-{transport}", variant)]
        return pick(found) if found else None

    def has_size(self, scenario, words):
        return any(each["name"] == scenario and words in each["title"] for each in self.scenarios)


def number(value):
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or size == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def at_most(limit, values, unit=""):
    """(what was measured, whether it is within the limit); None when nothing was."""
    return ([f"{number(value)}{unit}" for value in values], max(values) <= limit) if values else None


def at_least(limit, values, unit=""):
    return ([f"{number(value)}{unit}" for value in values], min(values) >= limit) if values else None


def difference(values, base, limit, unit):
    return None if base is None else at_most(limit, [value - base for value in values], unit)


def share(values, base, limit):
    return at_least(limit, [value / base for value in values], "x") if base else None


def advantage(results, limit):
    rows = [row for row in results.rows("round-trip", "jupyter_server", "ordinary") if "p50" in row["values"]]
    return at_least(limit, [row["values"]["p50"].get("reference_advantage", 0) for row in rows], "x")


def tail(results, limit):
    rows = results.rows("round-trip", results.reference, "ordinary")
    return at_most(limit, [row["values"]["p99"]["median"] / row["values"]["p50"]["median"] for row in rows], "x")


def aims(results):
    """(what, the aim, (figures, reached) or None), in the order of the scenarios."""
    r = results
    whole = r.has_size("output", f"{PAYLOAD_MIB} MiB")
    start = r.values("start", "ready", variant="echo")
    return [
        ("execute, echo kernel: added to direct ZMQ over tcp, p50, each framing", "<= 90 µs",
         at_most(90, r.values("round-trip", "added", variant="ordinary"), " µs")),
        ("the same beside jupyter_server as it comes, p50", ">= 150x", advantage(r, 150)),
        ("the same, p99 beside p50", "<= 2.5x", tail(r, 2.5)),
        ("the same, the gateway's processor time", "<= 100 µs",
         at_most(100, r.values("round-trip", "cpu", variant="ordinary"), " µs")),
        ("stream messages relayed a second, each framing", ">= 200,000", at_least(200_000, r.values("flood", "rate"))),
        ("of these lost", "0", at_most(0, r.values("flood", "lost"))),
        ("processor time a stream message", "<= 3.5 µs", at_most(3.5, r.values("flood", "cpu"), " µs")),
        ("ipykernel's flushed prints lost", "0", at_most(0, r.values("prints", "lost"))),
        (f"{PAYLOAD_MIB} MiB output, v1, beside direct ZMQ", ">= 0.8x",
         share(r.values("output", "rate", variant="v1"), r.best_direct("output", "rate", max), 0.8) if whole else None),
        ("its peak of memory, v1, beside the payload", "<= 1.25x",
         at_most(1.25, [peak / PAYLOAD_MIB for peak in r.values("output", "peak", variant="v1")], "x")
         if whole else None),
        (f"{PAYLOAD_MIB} MiB buffer to the kernel and back, v1, beside direct ZMQ", ">= 0.6x",
         share(r.values(f"upload-{PAYLOAD_MIB}", "both", variant="v1"),
               r.best_direct(f"upload-{PAYLOAD_MIB}", "both", max), 0.6)),
        ("executes a second over 50 kernels, each framing", ">= 9,000", at_least(9000, r.values("kernels-50", "rate"))),
        ("the same, p99", "<= 12 ms", at_most(12, r.values("kernels-50", "p99"), " ms")),
        ("peak of memory while a client stalls", "<= 64 MiB", at_most(64, r.values("slow-reader", "peak"), " MiB")),
        ("start of an echo kernel: added to a start without a server", "<= 15 ms",
         difference(start, r.best_direct("start", "ready", min, "echo"), 15, " ms")),
        ("POST /api/kernels alone", "<= 3 ms", at_most(3, r.values("start", "post"), " ms")),
        ("restart, added to a start, echo kernel", "<= 15 ms",
         difference(r.values("restart", "restart", variant="echo"), min(start, default=None), 15, " ms")),
        ("interrupt: added to one without a server, echo kernel", "<= 1 ms",
         difference(r.values("interrupt", "interrupt", variant="echo"),
                    r.best_direct("interrupt", "interrupt", min, "echo"), 1, " ms")),
        ("a kernel's death, until its client knows", "<= 10 ms", at_most(10, r.values("death", "told", variant="echo"), " ms")),
        ("GET /api/kernels a second, 50 kernels", ">= 30,000",
         at_least(30_000, r.values("rest", "kernels")) if r.has_size("rest", " 50 kernels") else None),
        ("GET /api a second", ">= 30,000", at_least(30_000, r.values("rest", "api"))),
        ("our Python kernel, forked, with pandas: first result at 100 kernels, p50", "<= 20 ms",
         at_most(20, python(r, "perijove-python", 100, "first_p50"), " ms")),
        ("the same, p99", "<= 40 ms", at_most(40, python(r, "perijove-python", 100, "first_p99"), " ms")),
        ("the same, memory (PSS) each", "<= 9 MiB", at_most(9, python(r, "perijove-python", 100, "pss"), " MiB")),
        ("the same, 500 of them alive", "500", at_least(500, python(r, "perijove-python", 500, "reached"))),
        ("execute on our Python kernel beside ipykernel under jupyter_server, p50", ">= 4x",
         python_advantage(r, 20, "execute", 4)),
        ("copy of a session with 1 GiB, until its first result", "<= 25 ms",
         at_most(25, r.values("branch", "first", variant="1024"), " ms")),
        ("memory (RSS) without kernels", "<= 8 MiB", at_most(8, idle(r, "0 kernels", "rss"), " MiB")),
        ("memory (RSS) with 1,000 kernels", "<= 200 MiB", at_most(200, idle(r, "1000 kernels", "rss"), " MiB")),
        ("memory a kernel, of 50", "<= 165 KiB", at_most(165, idle(r, "50 kernels", "each"), " KiB")),
        ("memory a websocket, of 500", "<= 14 KiB", at_most(14, idle(r, "500 websockets", "each"), " KiB")),
        ("websockets on one kernel", "5,000", at_least(5000, idle(r, "5000 websockets", "reached"))),
        ("processor time with 50 idle kernels", "<= 0.1 %", at_most(0.1, idle(r, "50 kernels", "cpu"), " %")),
    ]


def idle(results, variant, figure):
    return [row["values"][figure]["median"] for row in results.rows("idle", results.reference)
            if row["variant"] == variant and figure in row["values"]]


def python(results, kernel, count, figure, target=None):
    return [row["values"][figure]["median"] for row in results.rows("python-kernels", target or results.reference, kernel)
            if row["variant"].endswith(f" {count}") and figure in row["values"]]


def python_advantage(results, count, figure, limit):
    ours = python(results, "perijove-python", count, figure)
    theirs = python(results, "system-ipykernel", count, figure, "jupyter_server")
    return at_least(limit, [theirs[0] / ours[0]], "x") if ours and theirs else None


def table(header, lines):
    return ["| " + " | ".join(header) + " |", "|---" * len(header) + "|",
            *("| " + " | ".join(line) + " |" for line in lines), ""]


def aims_table(results):
    lines = []
    for what, aim, outcome in aims(results):
        measured, reached = outcome or (["not in this run"], None)
        lines.append((what, aim.replace("<=", "at most").replace(">=", "at least"), ", ".join(measured),
                      "" if reached is None else "yes" if reached else "**no**"))
    return table((f"{results.reference}", "aim", "measured", "reached"), lines)


def cell(value):
    text = number(value["median"])
    if len(value["rounds"]) > 1 and value["median"]:
        text += f" ±{50 * (value['max'] - value['min']) / abs(value['median']):.0f} %"
    return text


def scenario_table(scenario):
    titles = {}  # by key, in the order of the rows
    ratios = set()
    for row in scenario["rows"]:
        for key, value in row["values"].items():
            titles.setdefault(key, value["title"])
            if "reference_advantage" in value:
                ratios.add(key)
    header = ["target", "variant"]
    for key, title in titles.items():
        header += [title, "ratio"] if key in ratios else [title]
    lines = []
    for row in scenario["rows"]:
        line = [row["target"], row["variant"]]
        for key in titles:
            value = row["values"].get(key)
            line.append(cell(value) if value else "-")
            if key in ratios:
                found = value and value.get("reference_advantage")
                line.append(f"{number(found)}x" if found else "")
        lines.append(line)
    if not any(line[1] for line in lines):
        header, lines = header[:1] + header[2:], [line[:1] + line[2:] for line in lines]
    out = [f"### {scenario['title']}", "", *table(header, lines)]
    faults = [f"- {row['target']} {row['variant']}: ".replace(" :", ":") + fault + (f" ({times} times)" if times > 1 else "")
              for row in scenario["rows"] for fault, times in row["faults"].items()]
    return out + (faults + [""] if faults else [])


def render(results):
    results = Results(results)
    lines = [f"- {note}" for note in results.notes]
    lines += ["", "Medians of the rounds, ± half the distance from the lowest to the highest. A *ratio* is how many times "
              f"better {results.reference} is in the column before it; only ratios of one run mean anything. *Mended* is a "
              "server without Nagle's algorithm and without its limit on output. What each figure is: "
              "tests/bench/README.md.", "", "## Aims", "", *aims_table(results), "## Figures", ""]
    for scenario in results.scenarios:
        lines += scenario_table(scenario)
    return "\n".join(lines).rstrip() + "\n"


def write(results, path):
    """Puts the report between the marks of the file, or makes the file."""
    measured = f"{BEGIN}\n\n{render(results)}\n{END}\n"
    text = path.read_text() if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{path} has no place for the figures: it needs the lines {BEGIN} and {END}")
    path.write_text(before + measured + after.removeprefix("\n"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
