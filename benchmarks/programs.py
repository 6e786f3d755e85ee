"""Builds the Rust examples once for all benchmarks, always with the same set of packages, so that nothing is built twice."""

import json
import pathlib
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent


def build():
    """The folder of the release build's examples."""
    return release("--examples") / "examples"


def build_program():
    """The program."""
    return release("--bin", "xldistill") / "xldistill"


def release(*what):
    """Builds a part of the workspace; returns the folder of the release build."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--workspace", *what], cwd=root, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=root, check=True, capture_output=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "release"
