# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Runs guests and adds up what they find."""

import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from threading import Lock

import boot
from tap import Result

WIDTH = 200     # of what is shown of a program's lines
LAST = 600      # s that the last guests may take when the minutes for all are over
SHOWN = 8       # failures of a guest that are shown at the end
SLOWEST = 4     # programs of a guest whose time is shown


def text(result):
    """The line of a result, and those that a failure has besides."""
    why = f' ({result.why})' if result.why else ''
    said = ''.join(f'\n      | {line[:WIDTH]}' for line in result.said)
    return f'{result.what}  {result.name}{why}{said}'


class Tally:
    """The results so far; shows each, failures again at the end, and what was counted."""

    def __init__(self):
        self.results = []
        self.figures = {}               # (name, guest): number
        self.start = time.monotonic()
        self.lock = Lock()

    def say(self, words):
        print(f'# [{time.monotonic() - self.start:4.0f} s] {words}', flush=True)

    def add(self, where, result):
        named = replace(result, name=f'{where}: {result.name}')
        with self.lock:
            self.results.append(named)
            print(text(named), flush=True)

    def count(self, what):
        return sum(r.what == what for r in self.results)

    def over(self):
        """Whether something was left out because the minutes were over."""
        return any(r.why == boot.OVER for r in self.results)

    def failures(self):
        """Those of each guest: the first ones tell most, others follow from them."""
        found = defaultdict(list)
        for result in self.results:
            if result.what == 'fail':
                found[result.name.split(':')[0]].append(result)
        return found

    def finish(self):
        """Prints the sum; returns the exit code."""
        self.say('done')
        for (name, where), number in sorted(self.figures.items()):
            print(f'{number:9}  {name} ({where})')
        for failures in self.failures().values():
            for result in failures[:SHOWN]:
                print(text(result))
            if len(failures) > SHOWN:
                print(f'fail  ... and {len(failures) - SHOWN} more of that guest')
        for failures in self.failures().values():
            for result in failures[:SHOWN]:
                print(text(replace(result, why=result.why[:WIDTH], said=())))
        print(f'{self.count("pass")} passed, {self.count("fail")} failed, '
              f'{self.count("skip")} skipped')
        return 1 if self.count('fail') or not self.count('pass') else 0


def slowest(times):
    """Where the time of a guest went."""
    rows = sorted(times.items(), key=lambda row: -row[1])
    programs = [row for row in rows if ':' not in row[0]][:SLOWEST]
    return ', '.join(f'{name} {seconds:.0f} s' for name, seconds in programs)


def run(tally, job, minutes=0):
    """Boots one job; whatever goes wrong with that is a failed test. When there are
    minutes for all, neither it nor any of its programs begins after them."""
    where = f'{job.kernel} {job.setup}'
    left = 60 * minutes - (time.monotonic() - tally.start)
    if minutes and left < 0:
        tally.add(where, Result('guest', 'skip', boot.OVER))
        return
    if minutes:
        job.seconds = round(left) + 1
        job.timeout = min(job.timeout, job.seconds + LAST)
        job.limit = min(job.limit, LAST - 120)
    tally.say(where)
    try:
        boot.boot(job, partial(tally.add, where))
    except (SystemExit, Exception) as error:
        tally.add(where, Result('guest', 'fail', f'{type(error).__name__}: {error}'))
    tally.figures |= {(name, where): number for name, number in job.figures.items()}
    tally.say(f'{where}: over ({slowest(job.times)})')
