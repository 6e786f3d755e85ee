"""Runs what is compared in turn, and prints medians, spread, memory and ratios."""

import json
import statistics
import subprocess


def last_line(command):
    """The JSON object on the last line that a command prints."""
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def in_turn(contenders, repeat):
    """The results of each contender, a function; in turn, so that a slow minute hits everyone."""
    runs = {name: [] for name in contenders}
    for _ in range(repeat):
        for name, run in contenders.items():
            runs[name].append(run())
    return runs


def show(runs, measure, unit, last, of_last):
    """Prints a row of each contender's `measure` in `unit`, under the heading `last` what `of_last` says of its first result, and the ratio of each of ours to each other."""
    print(f"{'':26}{unit:>12}{'spread':>8}{'peak GB':>9}{last:>20}")
    medians = {}
    for name, results in runs.items():
        speeds = [result[measure] for result in results]
        medians[name] = statistics.median(speeds)
        peak = max(result["peak_bytes"] for result in results)
        print(f"{name:26}{medians[name]:12.2f}{(max(speeds) - min(speeds)) / medians[name]:8.0%}{peak / 1e9:9.2f}{of_last(results[0]):>20}")
    for own in (name for name in medians if name.startswith("xldistill")):
        for name, median in medians.items():
            if not name.startswith("xldistill"):
                print(f"  {own} is {medians[own] / median:.2f} x {name}")


def same_labels(exact):
    """The share of a result's labels that are those of `exact`, another result."""
    def share(result):
        pairs = list(zip(result["labels"], exact["labels"], strict=True))
        return f"{sum(own == other for own, other in pairs) / len(pairs):.1%}"
    return share
