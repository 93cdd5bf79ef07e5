# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Reads what a guest says on its test port and judges it.

The guest (see ./guest) sends the output of each program, with lines of its own:

    # uptime S          it has booted, in so many seconds by its own clock
    # program NAME      a program starts
    #k LINE             a line of /dev/kmsg, sent before '# exit'
    # exit NAME CODE    it ended: 0 passed, 1 failed, 4 skipped, else broken
    # done              nothing more comes

and programs what they have counted (tests/selftests/figure.h):

    # figure N NAME     to be added to those of the same name
    # most N NAME       the largest of those of the same name counts

A test is a TAP line of a program. The kernel log of a program is a test too, one
that only shows when it fails.
"""

import re
import time
from collections import deque
from dataclasses import dataclass

TEST = re.compile(r'(?P<bad>not )?ok\b\s*(?P<number>\d*)\s*-?\s*(?P<name>.*?)'
                  r'(?:\s*#\s*(?P<skip>SKIP)\b\s*(?P<why>.*))?$', re.I)
PLAN = re.compile(r'1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$', re.I)
FIGURE = re.compile(r'# (figure|most) (\d+) (.*)')
KERNEL = re.compile(r'(\d+),\d+,\d+,[^;]*;(.*)')
EXPECT = re.compile(r'expect: (.*)')

# What must not be in a kernel log
TROUBLE = re.compile('|'.join((
    r'WARNING:', r'\bBUG:', r'\bOops\b', r'Call Trace', r'Kernel panic',
    r'possible (circular|recursive) locking', r'suspicious RCU', r'refcount_t',
    r'hung task', r'blocked for more than', r'(soft|hard) ?lockup',
    r'rcu.*stall', r'UBSAN', r'KASAN', r'KFENCE', r'unable to handle',
    r'general protection', r'invalid opcode', r'scheduling while atomic',
    r'sleeping function called', r'list_(add|del) corruption',
    r'Bad page', r'Objects remaining', r'timed out', r'page allocation failure',
    r'segfault')), re.I)
# ... nor in that of a guest that shuts down
AT_THE_END = re.compile(r'resetting the device')
# ... but for what a processor of this kind says at boot, and races between others
HARMLESS = re.compile(r'kasan_multi_shot|Spectre|RETBleed|mitigation|clocksource'
                      r'|KCSAN: data-race in (?!.*\[virtio_gpu\])')
# A line of the driver or of DRM
OURS = re.compile(r'virtio_gpu|virtio-pci|\[drm|\bdrm_')
ERROR = 3       # the kernel's KERN_ERR


# What the harness of the selftests says of a test that there is nothing to say of
CHATTER = re.compile(r'#\s+(RUN|OK|FAIL|SKIP)\b|# (Starting|PASSED|FAILED|Totals)\b|#\s*$')
EXCERPT = 40    # lines of a kernel log that are shown from the first trouble on
SAID = 24       # lines of a program that are kept for its next failure


@dataclass
class Result:
    """One test: what is 'pass', 'fail' or 'skip'."""
    name: str
    what: str
    why: str = ''
    said: tuple = ()    # what a reader of the failure wants to see, line by line


def excerpt(lines):
    """The first trouble in a kernel log, and what follows it."""
    for n, line in enumerate(lines):
        if TROUBLE.search(line) and not HARMLESS.search(line):
            return tuple(lines[n:n + EXCERPT])
    return ()


class KernelLog:
    """The lines of a kernel log that are trouble and were not announced."""

    def __init__(self):
        self.expected = []
        self.hits = []
        self.after = []     # lines from the first of them on

    def record(self, line):
        """A line of /dev/kmsg; those that begin with a space are details."""
        match = KERNEL.match(line)
        if not match:
            return
        facility, level = divmod(int(match[1]), 8)
        announced = EXPECT.match(match[2])
        if facility and announced:
            self.expected.append(re.compile(announced[1]))
        elif not facility:
            self.text(match[2], level)

    def text(self, text, level=7):
        """What the kernel itself said."""
        bad = TROUBLE.search(text) and not HARMLESS.search(text)
        if bad or (level <= ERROR and OURS.search(text)):
            if not any(e.search(text) for e in self.expected):
                self.hits.append(text)
        if self.hits and len(self.after) < EXCERPT:
            self.after.append(text)


class Program:
    """One program's output, line by line."""

    def __init__(self, name):
        self.name = name
        self.log = KernelLog()
        self.start = self.last = time.monotonic()
        self.seconds = {}       # how long each test took
        self.results = []
        self.plan = None
        self.skipped = ''
        self.said = deque(maxlen=SAID)      # since the last test

    def line(self, text):
        """Takes a line; says whether it was TAP."""
        plan, test = PLAN.match(text), TEST.match(text)
        if plan:
            self.plan, self.skipped = int(plan[1]), plan[2] or ''
        elif test:
            self.add(test)
        elif not CHATTER.match(text):
            self.said.append(text)
        return plan or test or text.startswith('#')

    def add(self, test):
        name = f'{self.name}: {test["name"] or test["number"]}'
        now = time.monotonic()
        self.seconds[name] = now - self.last
        self.last = now
        if test['bad']:
            self.results.append(Result(name, 'fail', said=tuple(self.said)))
        elif not test['skip']:
            self.results.append(Result(name, 'pass'))
        elif test['why']:
            self.results.append(Result(name, 'skip', test['why']))
        else:
            self.results.append(Result(name, 'fail', 'skipped without a reason'))
        self.said.clear()

    def end(self, code):
        """The program is over (code None: the guest ended first)."""
        for fault in self.faults(code):
            self.results.append(Result(self.name, 'fail', fault, tuple(self.said)))
        if code == 4 and not self.results:
            self.results.append(Result(self.name, 'skip', self.skipped))
        if self.log.hits:
            shown = self.log.hits[:5]
            more = len(self.log.hits) - len(shown)
            why = ' | '.join(shown) + (f' | and {more} more' if more else '')
            self.results.append(Result(f'{self.name}: kernel log', 'fail', why,
                                       tuple(self.log.after)))
        return self.results

    def faults(self, code):
        """What is wrong with the program as a whole."""
        failed = any(r.what == 'fail' for r in self.results)
        if code is None:
            yield 'the guest ended while it ran'
        elif code in (124, 137):
            yield 'it ran out of time'
        elif code > 128:
            yield f'it was killed by signal {code - 128}'
        elif code not in (0, 1, 4) or (code == 1 and not failed):
            yield f'it ended with code {code}'
        elif code == 4 and not self.results and not self.skipped:
            yield 'skipped without a reason'
        elif code == 0 and not self.results:
            yield 'it ran no test'
        elif self.plan is not None and self.plan != len(self.results):
            yield f'it planned {self.plan} tests and ran {len(self.results)}'


class Stream:
    """All that comes from one guest, and the results in it."""

    def __init__(self, show, echo=None):
        self.show = show            # called with each Result
        self.echo = echo            # called with each line that is no TAP
        self.results = []
        self.figures = {}           # what programs have counted, by name
        self.seconds = {}           # how long programs took, and their tests
        self.program = Program('boot')
        self.done = False

    def line(self, text):
        words = text.split()
        if text.startswith('#k '):
            self.program.log.record(text[3:])
        elif words[:2] == ['#', 'program']:
            self.close(0)
            self.program = Program(words[2])
        elif words[:2] == ['#', 'exit']:
            self.close(int(words[3]))
        elif words[:2] == ['#', 'done']:
            self.close(0)
            self.done = True
        elif figure := FIGURE.match(text):
            self.count(figure[1], figure[3], int(figure[2]))
        elif self.program and not self.program.line(text) and self.echo:
            self.echo(text)

    def count(self, kind, name, number):
        old = self.figures.get(name, 0)
        self.figures[name] = old + number if kind == 'figure' else max(old, number)

    def close(self, code):
        """Ends the running program; what is between programs has no test."""
        if not self.program:
            return
        results = self.program.end(code)
        self.seconds |= {self.program.name: time.monotonic() - self.program.start,
                         **self.program.seconds}
        if self.program.name in ('boot', 'end'):
            results = [r for r in results if r.why != 'it ran no test']
        for result in results:
            self.results.append(result)
            self.show(result)
        self.program = None if self.done else Program('end')

    def finish(self, rest):
        """The guest is gone; rest is what its console said after '# done'."""
        if not self.done:
            if self.program.name in ('boot', 'end'):
                self.program.results.append(Result(
                    self.program.name, 'fail', 'the guest ended early'))
                self.close(0)
            else:
                self.close(None)
        self.program = Program('shutdown')
        for text in rest:
            self.program.log.text(text)
            if AT_THE_END.search(text):
                self.program.log.hits.append(text)
        self.program.results.append(Result('shutdown', 'pass'))
        self.done = True
        self.close(0)
