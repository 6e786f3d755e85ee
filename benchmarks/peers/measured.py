"""What every peer measures, and the JSON line that it prints."""

import json
import resource
import time


def seconds(work):
    """The time that a call takes, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median_seconds(step, count):
    """The median of `count` steps after one that allocates the memory and warms the caches."""
    step()
    return sorted(seconds(step)[0] for _ in range(count))[count // 2]


def report(packages, **numbers):
    """Prints the numbers with the peak memory so far and the packages' versions."""
    print(json.dumps(numbers | {
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": ", ".join(f"{package.__name__} {package.__version__}" for package in packages),
    }))
