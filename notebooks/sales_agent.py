#!/usr/bin/env python3
"""Analyses data/sales.csv in five steps, as an agent does: code goes to a gateway's /v1, and what
comes back decides what is sent next. One session keeps the variables from step to step; a step that
fails is mended and sent again, and the steps before it are not repeated.

    perijove serve &
    python3 notebooks/sales_agent.py --url http://127.0.0.1:8888 --token TOKEN

Standard library only. PERIJOVE_URL and PERIJOVE_TOKEN stand in for the options.
"""

import argparse
import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

DATA = pathlib.Path(__file__).resolve().parent / "data" / "sales.csv"

# What a language model would write, the third step with the kind of mistake that it makes.
STEPS = [
    ("load", """
import pandas as pd
orders = pd.read_csv("sales.csv", parse_dates=["date"])
print(len(orders), "order lines")
"""),
    ("clean", """
orders = orders.dropna().drop_duplicates()
orders["revenue"] = orders["units"] * orders["unit_price"]
print(f"revenue {orders['revenue'].sum():,.2f}")
"""),
    ("tables", """
by_product = orders.groupby("product")["revenue"].sum().sort_values(ascending=False)
by_month = orders.groupby(orders["month"])["revenue"].sum()
by_product
"""),
    ("chart", """
import matplotlib.pyplot as plt
plt.bar([period.strftime("%b") for period in by_month.index], by_month / 1000)
plt.title("Revenue by month, thousands")
plt.show()
"""),
    ("report", """
text = f"{by_product.index[0]} sells best, {by_month.idxmax().strftime('%B')} is the best month."
with open("report.md", "w") as file:
    file.write("# Sales\\n\\n" + text + "\\n")
print(text)
"""),
]


class Gateway:
    """The few calls of /v1 that this needs."""

    def __init__(self, url, token):
        self.url = url.rstrip("/")
        self.token = token

    def call(self, method, path, body=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            raise SystemExit(f"{method} {path}: {problem.get('detail', problem)}") from None
        return json.loads(text) if text else None


def mended(code, error):
    """What the model makes of its code and the error that came back."""
    if error["type"] == "KeyError" and "month" in error["message"]:
        return code.replace('orders["month"]', 'orders["date"].dt.to_period("M")')
    raise SystemExit(f"no idea how to mend {error['type']}: {error['message']}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--url", default=os.environ.get("PERIJOVE_URL", "http://127.0.0.1:8888"))
    options.add_argument("--token", default=os.environ.get("PERIJOVE_TOKEN", ""))
    options = options.parse_args()

    gateway = Gateway(options.url, options.token)
    session = gateway.call("POST", "/v1/sessions", {"kernel": "python3"})
    path = "/v1/sessions/" + session["session_id"]
    try:
        gateway.call("PUT", path + "/files/sales.csv", DATA.read_bytes())
        for number, (name, code) in enumerate(STEPS, 1):
            result = gateway.call("POST", path + "/execute", {"code": code.strip()})
            if result["status"] != "ok":
                error = result["error"]
                print(f"[{number} {name}] line {error['line']}: {error['type']}: {error['message']}")
                result = gateway.call("POST", path + "/execute", {"code": mended(code, error).strip()})
            print(f"[{number} {name}] {result['status']} in {result['timing']['exec_ms']} ms")
            print(result["output"], end="")
            for file in result["output_files"]:
                size = f", {file['width']}x{file['height']}" if "width" in file else ""
                print(f"  file {file['path']} ({file['mime']}, {file['size']} bytes{size})")
            if result["status"] != "ok":
                return 1
        print("files are in", session["work_dir"])
        return 0
    finally:
        gateway.call("DELETE", path)


if __name__ == "__main__":
    sys.exit(main())
