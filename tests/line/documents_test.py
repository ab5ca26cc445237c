#!/usr/bin/env python3
"""What the documents quote is true: commands under `<!-- run -->` run, trees name what is there, and every
`make` target they mention exists.

    documents_test.py PROGRAM
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from project import SOURCE, new_folder, remove

PAGES = [SOURCE / "README.md", SOURCE / "docs/lake.md", SOURCE / "docs/serving.md", SOURCE / "ARCHITECTURE.md", SOURCE / "CONTRIBUTING.md", SOURCE / "examples/flights/README.md",
         SOURCE / "examples/shop/README.md"]


def blocks(text, language):
    return re.findall(rf"(<!-- run -->\n)?```{language}\n(.*?)```", text, flags=re.S)


def run_quoted(program, root):
    """Blocks marked to run, page by page, in one shell that stays where the page's `cd` leaves it."""
    count = 0
    for page in PAGES:
        marked = [body for mark, body in blocks(page.read_text(), "sh") if mark]
        # The two examples' pages are walked through whole, but for what builds or does not end.
        if page.parent.parent.name == "examples":
            marked = [body for _, body in blocks(page.read_text(), "sh") if "make" not in body]
        if not marked:
            continue
        folder = root / page.parent.name.replace(".", "top")
        folder.mkdir(exist_ok=True)
        script = "set -e\n" + "\n".join(marked)
        done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": f"{Path(program).resolve().parent}:{os.environ['PATH']}"})
        assert done.returncode == 0, f"{page.name}: {done.stderr[-2000:]}"
        count += sum(line.startswith("assay ") for line in script.splitlines())
    return count


def check_trees():
    """Lines of a tree such as `  base/  what it is` name folders of src/, and all of them."""
    for mark, body in blocks((SOURCE / "ARCHITECTURE.md").read_text(), "text"):
        assert not mark
        if not body.startswith("src/"):
            continue
        named = {line.split()[0].rstrip("/") for line in body.splitlines()[1:]}
        there = {path.name for path in (SOURCE / "src").iterdir()}
        assert named == there, (named ^ there)
        return
    raise AssertionError("ARCHITECTURE.md has no tree of src/")


def check_targets():
    makefile = (SOURCE / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)`", page.read_text()):
            assert target in targets, f"{page.name}: make {target}"


def check_fail_points():
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", (SOURCE / "docs/reference/fail_points.md").read_text(), flags=re.M))
    there = set()
    for path in (SOURCE / "src").rglob("*.cc"):
        if not path.name.endswith(("_test.cc", "_fuzz.cc")):
            there |= set(re.findall(r'fail_point\("([a-z_.]+)"\)', path.read_text()))
    assert named == there, named ^ there


def main(program):
    root = new_folder("documents")
    try:
        check_trees()
        check_targets()
        check_fail_points()
        print(f"{run_quoted(program, root)} quoted commands run")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
