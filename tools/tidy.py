#!/usr/bin/env python3
"""House rules that a machine can check. Prints one line a finding and exits 1 if there is any.

    tools/tidy.py [--self-test]

Walls of the rooms (src/ROOMS), sizes of files, banned names and calls, files no CMakeLists.txt knows,
marks left behind, dead links and untrue trees in documents.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# (pattern, where it is allowed, what to use instead)
BANNED_CALLS = [
    (r"\bsystem_clock::now\b|\bsteady_clock::now\b|\btime\(nullptr\)", {"base/clock.cc"}, "World::clock"),
    (r"\bstd::random_device\b|\bstd::mt19937|\brand\(\)", {"base/random.cc"}, "World::random"),
    (r"\bstd::(i|o)?fstream\b|\bfopen\(", set(), "World::files"),
    (r"\bthrow\b(?!\w)", set(), "Status"),
    (r"\busing namespace\b(?! std::literals)", set(), "full names"),
    (r"\bstd::regex\b", set(), "RE2 behind its adapter"),
    (r"\bstd::async\b|\bstd::thread\b", {"base/base_test.cc"}, "std::jthread, started by flow or serve"),
    (r"\bstd::cout\b|\bstd::cerr\b", set(), "Log, or cli's output"),
]
BANNED_FILE_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "manager"}
THIRD_PARTY = re.compile(
    r"#include [<\"](absl|duckdb|simdjson|yaml-cpp|sqlite3|lmdb|xgboost|boost|CLI|spdlog|fmt|openssl|zstd|zlib|re2|curl|librdkafka)")
SIZE_LIMITS = {".h": 300, ".cc": 600}
TEST_SIZE_LIMIT = 800


def tracked(pattern: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


def read_rooms(text: str) -> tuple[dict[str, set[str]], list[str]]:
    """Rooms in order, each with what it may include; and what is wrong with the list itself."""
    rooms: dict[str, set[str]] = {}
    findings = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, allowed = line.partition(":")
        entries = set(allowed.split())
        for entry in entries:
            if entry.split("/")[0] not in rooms:
                findings.append(f"src/ROOMS: {name} names {entry}, which is not above it: that would be a cycle")
        rooms[name] = entries
    return rooms, findings


def wall_findings(rooms: dict[str, set[str]], room: str, file: str, text: str) -> list[str]:
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#include "([a-z_]+)/([^"]+)"', line)
        if not match or match[1] == room:
            continue
        target = f"{match[1]}/{match[2]}"
        if match[1] not in rooms[room] and target not in rooms[room]:
            findings.append(f"{file}:{number}: {room} may not include {target} (src/ROOMS)")
    return findings


def check_rooms() -> list[str]:
    rooms, findings = read_rooms((SRC / "ROOMS").read_text())
    for folder in sorted(p for p in SRC.iterdir() if p.is_dir()):
        room = folder.name
        if room not in rooms:
            findings.append(f"src/{room}: not in src/ROOMS")
            continue
        readme = folder / "README.md"
        if not readme.exists():
            findings.append(f"src/{room}: has no README.md")
        elif len(readme.read_text().splitlines()) > 40:
            findings.append(f"src/{room}/README.md: over 40 lines")
        for path in sorted(folder.glob("*.cc")) + sorted(folder.glob("*.h")):
            # Tests and fuzz targets may look at rooms above to build their inputs.
            if not path.name.endswith(("_test.cc", "_fuzz.cc")):
                findings += wall_findings(rooms, room, f"src/{room}/{path.name}", path.read_text())
    return findings


def check_cmake_lists() -> list[str]:
    findings = []
    for folder in sorted(p for p in SRC.iterdir() if p.is_dir()):
        lists = (folder / "CMakeLists.txt").read_text() if (folder / "CMakeLists.txt").exists() else ""
        for path in sorted(folder.glob("*.cc")) + sorted(folder.glob("*.h")):
            if not re.search(rf"(^|\s|\(){re.escape(path.name)}(\s|\)|$)", lists):
                findings.append(f"src/{folder.name}/{path.name}: no line of CMakeLists.txt names it")
    return findings


def check_files() -> list[str]:
    findings = []
    for path in tracked("*.cc") + tracked("*.h"):
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        lines = text.count("\n")
        is_test = path.name.endswith(("_test.cc", "_fuzz.cc")) or name.startswith("tests/")
        limit = TEST_SIZE_LIMIT if is_test else SIZE_LIMITS[path.suffix]
        if lines > limit:
            findings.append(f"{name}: {lines} lines, limit {limit}")
        if BANNED_FILE_WORDS & set(path.stem.split("_")):
            findings.append(f"{name}: name it by what its functions share")
        if path.suffix == ".h":
            if "#pragma once" not in text:
                findings.append(f"{name}: no #pragma once")
            if name.startswith("src/") and THIRD_PARTY.search(text):
                findings.append(f"{name}: a third-party header in a header of ours; keep it in one adapter .cc")
        findings += call_findings(name, text, is_test)
    return findings


def call_findings(name: str, text: str, is_test: bool) -> list[str]:
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
        for pattern, allowed, instead in BANNED_CALLS:
            if is_test and instead not in ("full names",):
                continue
            if name.startswith("bench/"):
                continue
            if re.search(pattern, code) and not any(name.endswith(a) for a in allowed):
                findings.append(f"{name}:{number}: use {instead} here")
    return findings


def check_marks() -> list[str]:
    findings = []
    mark = re.compile(r"\b(FIXME|XXX|HACK|GTEST_SKIP|DISABLED_)|TO" + r"DO(?!\(#)|pytest\.mark\.skip")
    place = re.compile("/" + "work/|registry\\.npm" + "js|pypi\\." + "org|deb\\.debi" + "an\\.org")
    for path in tracked("*"):
        name = str(path.relative_to(ROOT))
        if path.suffix in {".gz", ".zst", ".parquet", ".png", ".csv"} or name in {"tools/tidy.py", "LICENSE"}:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if mark.search(line):
                findings.append(f"{name}:{number}: a mark left behind; do it or write an issue")
            if place.search(line):
                findings.append(f"{name}:{number}: an address or path of somebody's machine")
        if path.stat().st_size > 1_000_000:
            findings.append(f"{name}: over 1 MB")
    return findings


def check_documents() -> list[str]:
    findings = []
    for path in tracked("*.md"):
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        if sum(1 for line in re.sub(r"```.*?```", "", text, flags=re.S).splitlines() if line.startswith("# ")) != 1:
            findings.append(f"{name}: a document has exactly one `# ` title")
        for match in re.finditer(r"\]\(([^)#]+)(#[^)]*)?\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)):
            link = match[1]
            if "://" not in link and not (path.parent / link).exists():
                findings.append(f"{name}: dead link {link}")
        findings += [f"{name}: names {f}, which is not there" for f in missing_paths(text)]
    return findings


def missing_cases(text: str, tests: str, functions: dict[str, str]) -> list[str]:
    """Tests that a document names, `Suite.Name` or `file.py function`, and that are not there."""
    missing = []
    for match in re.finditer(r"`(?:([A-Z]\w*)\.([A-Z]\w*)|(\w+\.py) (\w+))`", text):
        found = (re.search(rf"\b{match[1]},\s*{match[2]}\b", tests) if match[1]
                 else f"def {match[4]}(" in functions.get(match[3], ""))
        if not found:
            missing.append(match[0])
    return missing


def check_cases() -> list[str]:
    tests = "\n".join(path.read_text() for path in sorted(SRC.glob("*/*_test.cc")))
    functions = {path.name: path.read_text() for path in sorted((ROOT / "tests").glob("*/*.py"))}
    name = "docs/reference/feast_cases.md"
    return [f"{name}: no such test: {case}" for case in missing_cases((ROOT / name).read_text(), tests, functions)]


def missing_paths(text: str) -> list[str]:
    """Paths like `src/gold/view.cc` in backticks that do not exist."""
    missing = []
    for match in re.finditer(r"`((?:src|docs|tools|tests|bench|examples|cmake)/[A-Za-z0-9_./-]+)`", text):
        if not (ROOT / match[1]).exists():
            missing.append(match[1])
    return missing


def self_test() -> list[str]:
    """The checks find what they are for."""
    rooms, findings = read_rooms("base:\ndata: base\ngold: base data silver/contract.h\n")
    wrong = []
    if not findings:
        wrong.append("a room that names one not above it was not found")
    if wall_findings(rooms, "data", "x", '#include "base/status.h"\n'):
        wrong.append("an allowed include was refused")
    if not wall_findings(rooms, "data", "x", '#include "gold/view.h"\n'):
        wrong.append("a forbidden include was let through")
    if not call_findings("src/gold/x.cc", "auto t = std::chrono::system_clock::now();", False):
        wrong.append("a banned call was let through")
    if call_findings("src/gold/x.cc", "// never throw\n", False):
        wrong.append("a comment was taken for a call")
    if missing_paths("see `src/ROOMS`") or not missing_paths("see `src/nothing.cc`"):
        wrong.append("paths in documents are not checked right")
    if missing_cases("`A.B`, `x.py f`", "TEST(A, B)", {"x.py": "def f(a):"}) or \
            len(missing_cases("`A.B`, `x.py f`", "TEST(A, Bad)", {"x.py": "def g(f):"})) != 2:
        wrong.append("tests that documents name are not checked right")
    return [f"tidy.py itself: {w}" for w in wrong]


def main() -> int:
    findings = self_test()
    if "--self-test" not in sys.argv:
        findings += check_rooms() + check_cmake_lists() + check_files() + check_marks() + check_documents() + check_cases()
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
