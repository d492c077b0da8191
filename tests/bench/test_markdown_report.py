"""What compare --report writes."""

import pathlib
import tempfile
import unittest

import markdown_report


def row(target, variant, faults=None, **medians):
    values = {key: {"title": key, "median": value, "min": value, "max": value, "rounds": [value]}
              for key, value in medians.items()}
    return {"target": target, "variant": variant, "values": values, "faults": faults or {}}


def results(*scenarios):
    return {"reference": "ours", "notes": ["a machine"],
            "scenarios": [{"name": name, "title": title, "rows": rows} for name, title, rows in scenarios]}


FLOOD = ("flood", "a flood", [row("ours", "JSON ordinary", rate=150_000, lost=0, cpu=3.0),
                              row("ours", "v1 ordinary", rate=250_000, lost=0, cpu=3.0),
                              row("theirs", "v1 ordinary", {"lines were lost": 2}, rate=5_000, lost=9)])


class MarkdownReport(unittest.TestCase):
    def line(self, start, *scenarios):
        (found,) = [line for line in markdown_report.render(results(*scenarios)).splitlines()
                    if line.startswith(f"| {start}")]
        return [part.strip() for part in found.strip("|").split("|")[1:]]

    def test_an_aim_is_reached_when_every_way_reaches_it(self):
        self.assertEqual(self.line("stream messages", FLOOD), ["at least 200,000", "150,000, 250,000", "**no**"])
        self.assertEqual(self.line("of these lost", FLOOD), ["0", "0, 0", "yes"])

    def test_our_kernel_is_compared_with_theirs_under_their_server(self):
        kernels = ("python-kernels", "Python kernels", [
            row("ours", "perijove-python x 20", execute=500), row("ours", "perijove-python x 100", first_p50=19),
            row("jupyter_server", "perijove-python x 20", execute=700),
            row("jupyter_server", "system-ipykernel x 20", execute=4000)])
        self.assertEqual(self.line("execute on our Python", kernels), ["at least 4x", "8.00x", "yes"])
        self.assertEqual(self.line("our Python kernel, forked", kernels), ["at most 20 ms", "19.0 ms", "yes"])

    def test_an_aim_beside_no_server_takes_the_better_of_its_transports(self):
        output = ("output", "64 MiB image/png output", [row("direct-tcp", "", rate=100), row("direct-ipc", "", rate=200),
                                                        row("ours", "JSON ordinary", rate=10, peak=900),
                                                        row("ours", "v1 ordinary", rate=170, peak=80)])
        self.assertEqual(self.line("64 MiB output", output), ["at least 0.8x", "0.85x", "yes"])
        self.assertEqual(self.line("its peak", output), ["at most 1.25x", "1.25x", "yes"])

    def test_what_was_not_measured_or_at_another_size_is_not_judged(self):
        small = ("output", "16 MiB image/png output", [row("direct-tcp", "", rate=100),
                                                       row("ours", "v1 ordinary", rate=90, peak=20)])
        for start in ("64 MiB output", "its peak", "stream messages", "memory (RSS) without"):
            self.assertEqual(self.line(start, small)[1:], ["not in this run", ""])

    def test_faults_are_told(self):
        self.assertIn("- theirs v1 ordinary: lines were lost (2 times)\n", markdown_report.render(results(FLOOD)))

    def test_a_target_that_failed_from_the_start_has_its_fault_and_no_figure(self):
        failed = {"target": "theirs", "variant": "JSON ordinary", "faults": {"closed with code 1009": 1}}
        rendered = markdown_report.render(results(("upload-64", "uploads", [row("ours", "v1", rate=1), failed])))
        self.assertIn("| theirs | JSON ordinary | - |", rendered)
        self.assertIn("- theirs JSON ordinary: closed with code 1009\n", rendered)

    def test_only_what_is_between_the_marks_is_replaced(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "report.md")
            markdown_report.write(results(), path)
            path.write_text("mine above\n\n" + path.read_text() + "\nmine below\n")
            for _ in range(2):
                markdown_report.write(results(FLOOD), path)
            text = path.read_text()
            self.assertTrue(text.startswith("mine above\n\n# Performance\n"))
            self.assertTrue(text.endswith(f"{markdown_report.END}\n\nmine below\n"))
            self.assertEqual(text.count("### a flood"), 1)
            path.write_text("no marks")
            with self.assertRaises(ValueError):
                markdown_report.write(results(), path)


if __name__ == "__main__":
    unittest.main()
