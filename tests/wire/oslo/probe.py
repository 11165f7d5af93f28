# SPDX-License-Identifier: Apache-2.0
"""Asks a probe program, and counts what was compared so that nothing passes unasked."""
import json
import subprocess
import sys


class Probe:
    def __init__(self, program):
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._compared = 0
        self._different = 0

    def ask(self, what, **question):
        question['what'] = what
        self._process.stdin.write(json.dumps(question).encode() + b'\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit('the probe died at %r' % question)
        return json.loads(line)

    def compare(self, about, ours, theirs):
        self._compared += 1
        if ours != theirs:
            self._different += 1
            if self._different <= 10:
                print('%s differs:\n  ours   %r\n  theirs %r' % (about, ours, theirs))

    def finish(self, at_least):
        self._process.stdin.close()
        if self._process.wait() != 0:
            sys.exit('the probe failed')
        print('%d compared, %d different' % (self._compared, self._different))
        if self._different or self._compared < at_least:
            sys.exit(1)
