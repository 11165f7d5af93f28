#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the compiler does not: who includes whom, where libraries may be seen, and how a
file begins. docs/design.md holds the same table in prose; a change of one is a change of both.

  check_layers.py [ROOT]     exit 0 and a count, or 1 and a line "file:line: rule: what" a finding
"""

import collections
import os
import re
import sys

Finding = collections.namedtuple("Finding", "path line rule text")

FOLDERS = ("wire", "drivers", "agents", "controller", "tools", "tests", "bench")

# Who may include whom, beside the own folder. "a/b" is all below that folder, "a/*" its own files
# only, "*" everything. The longest folder that a path is in counts.
GROUND = ["wire/*"]  # errors: what every part may know
LAYERS = {
    "wire": GROUND,
    "wire/json": GROUND,
    "wire/hdr": GROUND + ["wire/json"],
    "wire/oslo": GROUND + ["wire/json"],
    "wire/control": GROUND + ["wire/json", "wire/hdr", "wire/oslo"],
    "wire/amqp091": GROUND,
    "wire/amqp10": GROUND,
    "drivers": ["wire", "drivers"],
    "drivers/io": GROUND + ["drivers/*"],
    "drivers/direct": GROUND + ["wire/control", "drivers/*", "drivers/io"],
    "drivers/rabbit": GROUND
    + ["wire/amqp091", "wire/json", "wire/oslo", "drivers/*", "drivers/io"],
    "drivers/amqp10": GROUND
    + ["wire/amqp10", "wire/json", "wire/oslo", "drivers/*", "drivers/io"],
    "agents": ["wire", "drivers/*", "agents"],
    "agents/control": ["wire", "drivers/*", "agents/measure", "agents/*"],
    "agents/load": ["wire"],
    "agents/measure": ["wire", "drivers/*"],
    "controller": ["wire", "drivers/*", "agents/control", "agents/measure"],
    "tools": ["wire", "drivers", "agents", "controller", "tools"],
    "tools/command_line": GROUND + ["wire/oslo"],
    "tools/router": GROUND
    + ["wire/amqp10", "drivers/*", "drivers/io", "tools/command_line"],
    "tests": ["wire", "drivers", "agents", "controller", "tools", "tests"],
    "bench": ["wire", "drivers", "agents", "controller", "tools", "bench"],
}

# The programs outside tools/, and what of tools/ they include: what their command lines share with
# those in it, and a bus for a controller that was told of none.
MAINS = {"agents/main.cpp": ["tools/command_line"],
         "controller/main.cpp": ["tools/command_line", "tools/embedded"]}

SOCKET_INCLUDES = re.compile(
    r"(sys/(socket|un|epoll)\.h|netinet/|arpa/|netdb\.h|boost/asio\.hpp|boost/asio/(ip|local|ssl)/"
    r"|boost/beast)"
)
SOCKET_WORDS = re.compile(r"\basio::(ip|local)\b|\bsockaddr\w*\b|::socket\(")
# A library is seen in these folders only (tests and bench are free).
LIBRARY_HOMES = {
    "rabbitmq-c": (re.compile(r"amqp(_\w+)?\.h$|rabbitmq-c/"), ("wire/amqp091/",)),
    # The router's management messages are maps, which nothing of ours reads or writes.
    "proton": (re.compile(r"proton/"), ("wire/amqp10/", "tools/router/management.cpp")),
    "OpenSSL": (re.compile(r"openssl/"), ("drivers/io/",)),
    "zlib": (re.compile(r"zlib\.h$"), ("wire/hdr/", "drivers/rabbit/body.cpp")),
    "simdjson": (re.compile(r"simdjson"), ("wire/json/",)),
    "Asio": (re.compile(r"boost/asio"), ("drivers/",)),
}
HEAVY_INCLUDES = re.compile(r"nlohmann/json\.hpp|simdjson|CLI/|boost/asio|boost/beast|openssl/")
PUBLIC_WORDS = re.compile(r"\basio::|\bamqp_\w+|\bpn_\w+|\bproton::|\bsockaddr\w*\b"
                          r"|(?<!std::string )\bsocket\b")
WIRE_INCLUDES = re.compile(r"(thread|mutex|shared_mutex|condition_variable|future|poll\.h)$")
WIRE_WORDS = re.compile(
    r"_clock::now\b|\bclock_gettime\b|\bgettimeofday\b|\bstd::(j?thread|mutex)\b")

MAX_LINES = 550  # rarely above 500, and never far above
# (path, rule, how the finding begins): why. One not needed any more is a finding itself.
EXCEPTIONS = {
    ("tools/ombt-bus/amqp_probe.cpp", "socket", ""):
        "asks, before any driver runs, whether a broker it started speaks AMQP yet",
    ("wire/oslo/ids.cpp", "wire", ""):
        "seeds ids from the clock where the kernel gives no random bytes",
}

SOURCE_SUFFIXES = (".cpp", ".hpp", ".c", ".h")
SCRIPT_SUFFIXES = (".py", ".sh", ".cmake")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
# Put together here, so that this file does not name what it forbids.
OUTSIDE = re.compile("/" + "work/|" + r"\.\./" + "shared")
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + "ME)\\b")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def all_files(root):
    """Paths relative to root, without what is built, cached or hidden (but .ci)."""
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        if "CMakeCache.txt" in files:  # a build folder of another name
            folders.clear()
            continue
        folders[:] = sorted(
            f for f in folders
            if (not f.startswith(".") or f == ".ci") and f != "__pycache__"
            and not (inside == "." and f == "build")
            and os.path.join(inside, f) != os.path.join("tests", "fuzz", "corpus"))
        for name in sorted(files):
            yield os.path.normpath(os.path.join(inside, name))


def read_text(root, path):
    """The file's lines; None if it is not text."""
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read().splitlines()
    except (UnicodeDecodeError, FileNotFoundError):  # binary, or a dangling link
        return None


def without_comments(lines):
    """Yields (number, code) with // comments blanked; our sources have no other comments."""
    for number, line in enumerate(lines, 1):
        yield number, line.split("//", 1)[0]


def layer_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in LAYERS:
        folder = os.path.dirname(folder)
    return folder


def may_include(path, include):
    layer = layer_of(path)
    if layer_of(include) == layer or os.path.dirname(include) in MAINS.get(path, ()):
        return True
    return any(
        os.path.dirname(include) == entry[:-2] if entry.endswith("/*")
        else include.startswith(entry + "/")
        for entry in LAYERS[layer])


class Checker:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.used_exceptions = set()
        self.counts = collections.Counter()

    def report(self, path, line, rule, text):
        for exception in EXCEPTIONS:
            if exception[:2] == (path, rule) and text.startswith(exception[2]):
                self.used_exceptions.add(exception)
                return
        self.findings.append(Finding(path, line, rule, text))

    def run(self):
        for path in all_files(self.root):
            lines = read_text(self.root, path)
            if lines is None:
                continue
            self.check_text(path, lines)
            script = path.endswith(SCRIPT_SUFFIXES) or lines[:1] and lines[0].startswith("#!")
            cmake = os.path.basename(path) == "CMakeLists.txt"
            if path.endswith(SOURCE_SUFFIXES) or script or cmake:
                self.check_opening(path, lines)
            if path.endswith(".md"):
                self.check_links(path, lines)
            if path.endswith(SOURCE_SUFFIXES) and path.split(os.sep)[0] in FOLDERS:
                self.counts[path.split(os.sep)[0]] += 1
                self.check_source(path, lines)
        for folder in FOLDERS[:4]:
            if not self.counts[folder]:
                self.report(folder, 0, "empty", "no source found: is this the project's root?")
        for path, rule, _ in EXCEPTIONS.keys() - self.used_exceptions:
            if self.exists(path):
                self.findings.append(Finding(
                    path, 0, "exception", f"the exception from '{rule}' is not needed any more"))
        return self.findings

    def exists(self, path):
        return os.path.isfile(os.path.join(self.root, path))

    def check_text(self, path, lines):
        for number, line in enumerate(lines, 1):
            if OUTSIDE.search(line):
                self.report(path, number, "outside", "names a path outside the project")
            if UNFINISHED.search(line):
                self.report(path, number, "unfinished", "names work that is not done")

    def check_opening(self, path, lines):
        at = 1 if lines and lines[0].startswith(("#!", "# shellcheck shell=")) else 0
        if "SPDX-License-Identifier: Apache-2.0" not in "".join(lines[at:at + 1]):
            self.report(path, at + 1, "spdx", "does not begin with the SPDX line")
        if len(lines) > MAX_LINES:
            self.report(path, MAX_LINES, "length", f"{len(lines)} lines, above {MAX_LINES}")
        if path.endswith((".hpp", ".h")):
            if lines[1:2] != ["#pragma once"]:
                self.report(path, 2, "pragma", "the second line is not #pragma once")
            rest = [line for line in lines[2:] if line]
            if not rest or not rest[0].startswith("//") or len(rest[0]) < 20:
                self.report(path, 3, "paragraph", "no opening paragraph says what this owns")

    def check_links(self, path, lines):
        for number, line in enumerate(lines, 1):
            for target in LINK.findall(line):
                there = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if "://" not in target and not os.path.exists(os.path.join(self.root, there)):
                    self.report(path, number, "link", f"{target} does not exist")

    def check_source(self, path, lines):
        product = path.split(os.sep)[0] not in ("tests", "bench")
        header = path.endswith((".hpp", ".h"))
        has_main = any(re.match(r"int main\(", line) for line in lines)
        public = os.path.dirname(path) == "drivers" and header
        includes = [(n, *m.groups()) for n, line in enumerate(lines, 1)
                    if (m := INCLUDE.match(line))]
        for number, ours, theirs in includes:
            if ours or theirs.split("/")[0] in FOLDERS:
                self.check_own_include(path, number, ours or theirs, quoted=bool(ours))
            if theirs:
                self.check_library(path, number, theirs, product, header, has_main)
            if public and ours and ours.startswith("drivers/") and ours.count("/") > 1:
                self.report(path, number, "public", f"a public header includes {ours}")
        own_header = os.path.splitext(path)[0] + ".hpp"
        if not header and self.exists(own_header) and (
                not includes or includes[0][1] != own_header):
            self.report(path, 1, "own header", f"the first include is not {own_header}")
        if has_main and path.split(os.sep)[0] in ("wire", "drivers", "agents", "controller") and (
                path not in MAINS):
            self.report(path, 1, "main", "a program outside tools/, agents/main.cpp, "
                        "controller/main.cpp")
        for number, code in without_comments(lines):
            if product and not path.startswith("drivers/io/") and SOCKET_WORDS.search(code):
                self.report(path, number, "socket", "a socket outside drivers/io")
            if public and PUBLIC_WORDS.search(code):
                self.report(path, number, "public", "a library's or a socket's type")
            if path.startswith("wire/") and WIRE_WORDS.search(code):
                self.report(path, number, "wire", "a clock or a thread in wire/")

    def check_own_include(self, path, number, include, quoted):
        if not quoted or not self.exists(include):
            self.report(path, number, "include", f"{include} is not written \"from/the/root.hpp\"")
        elif not may_include(path, include):
            self.report(path, number, "layer", f"{layer_of(path)} must not include {include}")

    def check_library(self, path, number, include, product, header, has_main):
        if include.startswith("CLI/") and product and not has_main and (
                not path.startswith("tools/")):
            self.report(path, number, "cli", "CLI11 in a library")
        if path.startswith("wire/") and WIRE_INCLUDES.match(include):
            self.report(path, number, "wire", f"<{include}> in wire/")
        if not product:
            return
        if SOCKET_INCLUDES.match(include) and not path.startswith("drivers/io/"):
            self.report(path, number, "socket", f"<{include}> outside drivers/io")
        for library, (pattern, homes) in LIBRARY_HOMES.items():
            if pattern.match(include) and not path.startswith(homes):
                self.report(path, number, "library", f"{library} outside {', '.join(homes)}")
        if header and HEAVY_INCLUDES.match(include) and not path.startswith("drivers/io/"):
            self.report(path, number, "heavy", f"<{include}> in a header")


def main(arguments):
    root = os.path.abspath(arguments[0] if arguments else
                           os.path.join(os.path.dirname(__file__), "..", ".."))
    checker = Checker(root)
    findings = checker.run()
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}")
    print(f"{sum(checker.counts.values())} sources checked, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
