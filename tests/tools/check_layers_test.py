#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one violation at a time in a small tree that is otherwise right, and expects the rule of
that violation, at that file, and nothing else."""

import os
import re
import tempfile
import unittest

import check_layers

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
HASH = "# SPDX-License-Identifier: Apache-2.0\n"
OUTSIDE = "/" + "work/"


def header(*body):
    return SPDX + "#pragma once\n// What this header owns, and what it does not.\n" + lines(*body)


def source(*body):
    return SPDX + lines(*body)


def lines(*body):
    return "".join(line + "\n" for line in body)


# Right in every rule, and using what each layer is allowed.
TREE = {
    "README.md": "See [the design](docs/design.md#layers) and [ombt](https://example.org/).\n",
    "docs/design.md": "# Design\n",
    "CMakeLists.txt": HASH,
    ".ci/run": "#!/bin/sh\n" + HASH,
    "tools/scripts/steps.sh": "# shellcheck shell=bash\n" + HASH,
    "wire/error.hpp": header("#include <boost/system/error_code.hpp>"),
    "wire/json/value.hpp": header(),
    "wire/json/value.cpp": source('#include "wire/json/value.hpp"', "#include <simdjson.h>"),
    "wire/hdr/histogram.hpp": header('#include "wire/error.hpp"'),
    "wire/oslo/messages.hpp": header('#include "wire/json/value.hpp"'),
    "wire/amqp091/codec.hpp": header('#include "wire/error.hpp"'),
    "wire/amqp091/codec.cpp": source('#include "wire/amqp091/codec.hpp"', "#include <amqp.h>"),
    "wire/amqp10/engine.hpp": header(),
    "wire/amqp10/engine.cpp": source('#include "wire/amqp10/engine.hpp"',
                                     "#include <proton/message.hpp>"),
    "drivers/loop.hpp": header("// a socket stays in drivers/io", "class loop;"),
    "drivers/loop.cpp": source('#include "drivers/loop.hpp"', '#include "drivers/io/stream.hpp"',
                               "#include <boost/asio/post.hpp>"),
    "drivers/io/stream.hpp": header('#include "drivers/loop.hpp"',
                                    "#include <boost/asio/ip/tcp.hpp>", "asio::ip::tcp x;"),
    "drivers/rabbit/transport.hpp": header('#include "wire/amqp091/codec.hpp"',
                                           '#include "drivers/io/stream.hpp"'),
    "drivers/amqp10/transport.hpp": header('#include "wire/amqp10/engine.hpp"'),
    "agents/fleet.hpp": header('#include "drivers/loop.hpp"', '#include "wire/error.hpp"'),
    "agents/control/carrier.hpp": header('#include "agents/measure/recorder.hpp"'),
    "agents/measure/recorder.hpp": header('#include "drivers/loop.hpp"'),
    "agents/main.cpp": source("#include <CLI/CLI.hpp>", "int main() {}"),
    "controller/session.hpp": header('#include "agents/control/carrier.hpp"'),
    "controller/main.cpp": source('#include "controller/session.hpp"',
                                  '#include "tools/command_line/read.hpp"',
                                  '#include "tools/embedded/test.hpp"', "int main() {}"),
    "tools/command_line/read.hpp": header('#include "wire/oslo/messages.hpp"'),
    "tools/embedded/test.hpp": header('#include "controller/session.hpp"'),
    "tools/router/router.hpp": header('#include "drivers/io/stream.hpp"'),
    "tools/ombt/main.cpp": source('#include "agents/fleet.hpp"', "int main() {}"),
    "tests/peer.hpp": header("#include <boost/asio/ip/tcp.hpp>"),
    "bench/bare.hpp": header(),
    "bench/loop.cpp": source('#include "drivers/rabbit/transport.hpp"', "#include <amqp.h>"),
}

# name of the violation: (rule, path, the file's new text)
VIOLATIONS = {
    "wire includes drivers":
        ("layer", "wire/oslo/messages.hpp", header('#include "drivers/loop.hpp"')),
    "the engines know each other":
        ("layer", "wire/amqp091/codec.hpp", header('#include "wire/amqp10/engine.hpp"')),
    "the engines know each other, the other way":
        ("layer", "wire/amqp10/engine.hpp", header('#include "wire/amqp091/codec.hpp"')),
    "an engine knows oslo.messaging":
        ("layer", "wire/amqp091/codec.hpp", header('#include "wire/oslo/messages.hpp"')),
    "json knows oslo.messaging":
        ("layer", "wire/json/value.hpp", header('#include "wire/oslo/messages.hpp"')),
    "a driver knows the other's engine":
        ("layer", "drivers/rabbit/transport.hpp", header('#include "wire/amqp10/engine.hpp"')),
    "a driver knows the other driver":
        ("layer", "drivers/amqp10/transport.hpp",
         header('#include "drivers/rabbit/transport.hpp"')),
    "io knows a driver":
        ("layer", "drivers/io/stream.hpp", header('#include "drivers/rabbit/transport.hpp"')),
    "drivers include agents":
        ("layer", "drivers/rabbit/transport.hpp", header('#include "agents/fleet.hpp"')),
    "agents include a driver's inside":
        ("layer", "agents/fleet.hpp", header('#include "drivers/rabbit/transport.hpp"')),
    "agents include drivers/io":
        ("layer", "agents/fleet.hpp", header('#include "drivers/io/stream.hpp"')),
    "agents include the controller":
        ("layer", "agents/fleet.hpp", header('#include "controller/session.hpp"')),
    "measure includes control":
        ("layer", "agents/measure/recorder.hpp", header('#include "agents/control/carrier.hpp"')),
    "the controller includes agents":
        ("layer", "controller/session.hpp", header('#include "agents/fleet.hpp"')),
    "a main outside tools/ includes more of tools than the command line":
        ("layer", "controller/main.cpp", source('#include "tools/router/router.hpp"')),
    "the agents' main includes what is the controller's":
        ("layer", "agents/main.cpp", source('#include "tools/embedded/test.hpp"', "int main() {}")),
    "the embedded test's part is for a main":
        ("layer", "controller/session.hpp", header('#include "tools/embedded/test.hpp"')),
    "the command line's part is for mains":
        ("layer", "controller/session.hpp", header('#include "tools/command_line/read.hpp"')),
    "the command line includes agents":
        ("layer", "tools/command_line/read.hpp", header('#include "agents/fleet.hpp"')),
    "the controller includes a driver's inside":
        ("layer", "controller/session.hpp", header('#include "drivers/rabbit/transport.hpp"')),
    "the router includes another engine":
        ("layer", "tools/router/router.hpp", header('#include "wire/amqp091/codec.hpp"')),
    "the router includes agents":
        ("layer", "tools/router/router.hpp", header('#include "agents/fleet.hpp"')),
    "somebody includes tools":
        ("layer", "agents/fleet.hpp", header('#include "tools/router/router.hpp"')),
    "somebody includes tests":
        ("layer", "tools/ombt/main.cpp", source('#include "tests/peer.hpp"')),
    "tests include bench":
        ("layer", "tests/peer.hpp", header('#include "bench/bare.hpp"')),
    "an include relative to the file":
        ("include", "agents/fleet.hpp", header('#include "worker.hpp"')),
    "an own header in angle brackets":
        ("include", "agents/fleet.hpp", header("#include <wire/error.hpp>")),
    "a public header includes io":
        ("public", "drivers/loop.hpp", header('#include "drivers/io/stream.hpp"')),
    "a public header shows an Asio type":
        ("public", "drivers/loop.hpp", header("boost::asio::io_context& context();")),
    "a public header shows a rabbitmq-c type":
        ("public", "drivers/loop.hpp", header("amqp_pool_t* pool();")),
    "a public header shows a proton type":
        ("public", "drivers/loop.hpp", header("proton::message message();")),
    "a public header shows a proton C type":
        ("public", "drivers/loop.hpp", header("pn_delivery_t* delivery();")),
    "a public header shows a socket":
        ("public", "drivers/loop.hpp", header("int socket();")),
    "a public header includes a library":
        ("heavy", "drivers/loop.hpp", header("#include <boost/asio/io_context.hpp>")),
    "a system socket in a driver":
        ("socket", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "#include <sys/socket.h>")),
    "an Asio socket in a driver":
        ("socket", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "boost::asio::ip::tcp::socket s;")),
    "a socket in agents":
        ("socket", "agents/main.cpp", source("#include <netinet/in.h>", "int main() {}")),
    "a socket in a tool":
        ("socket", "tools/ombt/main.cpp", source("int main() { ::socket(0, 0, 0); }")),
    "rabbitmq-c in a driver":
        ("library", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "#include <amqp_framing.h>")),
    "proton in the other engine":
        ("library", "wire/amqp091/codec.cpp",
         source('#include "wire/amqp091/codec.hpp"', "#include <proton/types.hpp>")),
    "simdjson outside wire/json":
        ("library", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "#include <simdjson.h>")),
    "zlib in another file of the driver":
        ("library", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "#include <zlib.h>")),
    "OpenSSL outside drivers/io":
        ("library", "agents/main.cpp", source("#include <openssl/ssl.h>", "int main() {}")),
    "Asio in agents":
        ("library", "agents/main.cpp", source("#include <boost/asio/post.hpp>", "int main() {}")),
    "a heavy include in a header":
        ("heavy", "agents/fleet.hpp", header("#include <nlohmann/json.hpp>")),
    "CLI11 in a library":
        ("cli", "drivers/loop.cpp",
         source('#include "drivers/loop.hpp"', "#include <CLI/CLI.hpp>")),
    "a third program in agents":
        ("main", "agents/second.cpp", source("int main() {}")),
    "a clock in wire":
        ("wire", "wire/amqp091/codec.cpp",
         source('#include "wire/amqp091/codec.hpp"', "auto t = std::chrono::steady_clock::now();")),
    "a thread in wire":
        ("wire", "wire/amqp091/codec.cpp",
         source('#include "wire/amqp091/codec.hpp"', "#include <mutex>")),
    "a source that includes its header second":
        ("own header", "wire/amqp091/codec.cpp",
         source('#include "wire/error.hpp"', '#include "wire/amqp091/codec.hpp"')),
    "a source without the licence": ("spdx", "agents/main.cpp", "int main() {}\n"),
    "a source whose first line is empty": ("spdx", "agents/main.cpp", "\n" + source()),
    "a script without the licence": ("spdx", ".ci/run", "#!/bin/sh\nset -e\n"),
    "a sourced script without the licence": ("spdx", "tools/scripts/steps.sh", "set -e\n"),
    "a CMake file without the licence": ("spdx", "CMakeLists.txt", "project(ombt)\n"),
    "a header without #pragma once":
        ("pragma", "agents/fleet.hpp", SPDX + "\n// What this header owns, and what not.\n"),
    "a header without a paragraph":
        ("paragraph", "agents/fleet.hpp", SPDX + "#pragma once\n\nclass fleet;\n"),
    "a file of 551 lines": ("length", "agents/main.cpp", source(*["int x;"] * 550)),
    "a path outside the project": ("outside", "docs/design.md", "In " + OUTSIDE + "elsewhere.\n"),
    "the other path outside the project":
        ("outside", "agents/main.cpp", source("// ../" + "shared/docs", "int main() {}")),
    "work that is not done": ("unfinished", "agents/main.cpp", source("// TO" + "DO: all of it")),
    "a link to nowhere": ("link", "README.md", "See [the design](docs/desing.md).\n"),
    "an exception that nothing needs":
        ("exception", "wire/oslo/ids.cpp", source("int x;")),
}


def write(root, path, text):
    os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
        file.write(text)


def findings_in(tree):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            write(root, path, text)
        return check_layers.Checker(root).run()


class CheckLayersTest(unittest.TestCase):
    def test_a_tree_that_is_right_has_no_finding(self):
        self.assertEqual(findings_in(TREE), [])

    def test_each_violation_is_found_where_it_is_and_nothing_else(self):
        # What a violation also is, by the same line.
        by_the_way = {"public": {"library", "socket"}, "heavy": {"library"}}
        with tempfile.TemporaryDirectory() as root:
            for path, text in TREE.items():
                write(root, path, text)
            for name, (rule, path, text) in VIOLATIONS.items():
                with self.subTest(name):
                    write(root, path, text)
                    found = {(f.rule, f.path) for f in check_layers.Checker(root).run()
                             if f.rule not in by_the_way.get(rule, ())}
                    self.assertEqual(found - {("exception", "controller/main.cpp")},
                                     {(rule, path)})
                if path in TREE:
                    write(root, path, TREE[path])
                else:
                    os.remove(os.path.join(root, path))
            self.assertEqual(check_layers.Checker(root).run(), [])

    def test_every_rule_has_a_violation(self):
        with open(check_layers.__file__, encoding="utf-8") as file:
            text = file.read()
        rules = set(re.findall(r'self\.report\(\s*[\w.]+, [\w. +]+, "([\w ]+)"', text))
        self.assertGreater(len(rules), 12)
        self.assertEqual(rules - {rule for rule, _, _ in VIOLATIONS.values()}, {"empty"})

    def test_a_folder_without_sources_is_a_finding(self):
        self.assertEqual({f.rule for f in findings_in({"README.md": "\n"})}, {"empty"})

    def test_an_excepted_file_may_do_only_what_it_is_excepted_from(self):
        probe = "tools/ombt-bus/amqp_probe.cpp"
        socket = source("#include <sys/socket.h>")
        self.assertEqual(findings_in(TREE | {probe: socket}), [])
        found = findings_in(TREE | {probe: socket + "#include <amqp.h>\n"})
        self.assertEqual([f.rule for f in found], ["library"])

    def test_build_folders_caches_and_corpora_are_not_read(self):
        bad = "int main() {}\n"
        self.assertEqual(findings_in(TREE | {
            "build/dev/x.cpp": bad, "mine/CMakeCache.txt": "", "mine/a/x.cpp": bad,
            "tests/__pycache__/x.cpp": bad, ".cache/x.cpp": bad,
            "tests/fuzz/corpus/url/x.cpp": bad}), [])
        self.assertEqual([f.path for f in findings_in(TREE | {"tools/build/x.cpp": bad})],
                         ["tools/build/x.cpp"])


if __name__ == "__main__":
    unittest.main()
