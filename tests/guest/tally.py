# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Runs guests and adds up what they find."""

import time
from functools import partial
from threading import Lock

import boot
from tap import Result


class Tally:
    """The results so far; shows each, failures again at the end."""

    def __init__(self):
        self.results = []
        self.start = time.monotonic()
        self.lock = Lock()

    def say(self, text):
        print(f'# [{time.monotonic() - self.start:4.0f} s] {text}', flush=True)

    def add(self, where, result):
        named = Result(f'{where}: {result.name}', result.what, result.why)
        with self.lock:
            self.results.append(named)
            print(self.text(named), flush=True)

    @staticmethod
    def text(result):
        why = f' ({result.why})' if result.why else ''
        return f'{result.what}  {result.name}{why}'

    def count(self, what):
        return sum(r.what == what for r in self.results)

    def finish(self):
        """Prints the sum; returns the exit code."""
        self.say('done')
        for result in self.results:
            if result.what == 'fail':
                print(self.text(result))
        print(f'{self.count("pass")} passed, {self.count("fail")} failed, '
              f'{self.count("skip")} skipped')
        return 1 if self.count('fail') or not self.count('pass') else 0


def run(tally, job):
    """Boots one job; whatever goes wrong with that is a failed test."""
    where = f'{job.kernel} {job.setup}'
    tally.say(where)
    try:
        boot.boot(job, partial(tally.add, where))
    except (SystemExit, Exception) as error:
        tally.add(where, Result('guest', 'fail', f'{type(error).__name__}: {error}'))
