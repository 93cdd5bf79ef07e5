# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Answers what test programs in the guest ask of the host.

One request a line on the guest's second serial port, one line in answer, 'ok ...'
or 'error ...'. What does not fit a line is put on the scratch disk, and the
answer says at which OFFSET and of what LENGTH.

    qmp JSON          run a QMP command         -> ok JSON
    shot HEAD         take a picture, 32-bit words 0x00RRGGBB
                      -> ok WIDTH HEIGHT OFFSET LENGTH
    save NAME         keep the last picture as NAME.png
    resize HEAD W H   the output's window now has this size (0 0: no output)
    cursor HEAD       the cursor as the host shows it, 32-bit words
                      -> ok W H HOTX HOTY OFFSET LENGTH (all 0: hidden)
    snapshot          keep the guest as it is now; ok saved
    restore           put it back: the answer comes to who asked for the snapshot,
                      again: ok restored
    mark              forget QEMU's trace so far
    trace REGEX       lines of the trace since the mark -> ok N OFFSET LENGTH

With the scripted GPU (tests/device) it is the device that is asked for pictures,
cursors and sizes, and what it got is told as QEMU's trace would. There are also

    dev REQUEST       a request of the device's control socket -> ok its answer
    devlog REGEX      lines of its log since the mark -> ok N OFFSET LENGTH
    unplug            take the GPU out of the guest's slot
    plug FEATURES [PROPERTY=VALUE ...]
                      put it in again, with these features and properties of QEMU's;
                      its process is started again if it has ended
"""

import json
import os
import re
import select
import subprocess
import time

from device import DeviceError
from qemu import QmpError
from rfb import Rfb

ALIGN = 4096
LAST_CURSOR = re.compile(r'virtio_gpu_update_cursor scanout (\d+),.* res (0x[0-9a-f]+)')


class Agent:
    """Serves one guest."""

    def __init__(self, qemu, dir, out):
        self.qemu = qemu
        self.out = out
        self.ppm = os.path.join(dir, 'shot.ppm')
        self.picture = None
        self.scratch = open(qemu.scratch_path, 'r+b', buffering=0)
        self.size = os.path.getsize(qemu.scratch_path)
        self.offset = 0
        self.marked = 0
        self.followed = 0               # so far in the trace
        self.shown = {}                 # the cursor's resource of each head, 0: none
        self.line = b''
        self.log = open(os.path.join(out, 'agent.log'), 'w', buffering=1, encoding='utf-8')
        self.started = time.monotonic()
        self.heads = [Rfb(path) for path in qemu.rfb_paths]
        self.pump(20, self.ready)
        if not self.ready():
            raise SystemExit("QEMU's RFB servers do not answer")

    def ready(self):
        return all(head.ready for head in self.heads)

    def reconnect(self, head):
        """QEMU drops who does not keep up with a storm of cursors. False when it has
        gone itself."""
        try:
            self.heads[self.heads.index(head)] = Rfb(head.path)
        except OSError:
            return False
        return True

    def pump(self, seconds, enough=lambda: False):
        """Takes in what the RFB servers say: for some time, or until enough."""
        end = time.monotonic() + seconds
        while self.heads and not enough():
            left = max(0, end - time.monotonic())
            for head in select.select(self.heads, [], [], left)[0]:
                head.readable()
            if not left:
                return

    def feed(self, data):
        """Bytes from the guest: answers each whole line."""
        self.line += data
        while b'\n' in self.line:
            line, self.line = self.line.split(b'\n', 1)
            request = line.decode(errors='replace').strip()
            self.note('<', request)
            answer = self.answer(request)
            self.qemu.agent.sendall((answer + '\n').encode())
            self.note('>', answer)

    def note(self, way, text):
        """Keeps what was asked and answered, and when."""
        self.log.write(f'{time.monotonic() - self.started:9.3f} {way} {text[:200]}\n')

    def answer(self, request):
        name, _, rest = request.partition(' ')
        method = getattr(self, f'do_{name}', None)
        if not method:
            return f'error no such request: {request}'
        try:
            return f'ok {method(rest)}'.rstrip()
        except (DeviceError, QmpError, ValueError, IndexError, OSError, re.error,
                subprocess.CalledProcessError) as error:
            return 'error ' + ' '.join(str(error).split())

    def put(self, data):
        """Writes data on the scratch disk; returns 'OFFSET LENGTH'."""
        if len(data) > self.size:
            raise ValueError('too much for the scratch disk')
        if self.offset + len(data) > self.size:
            self.offset = 0
        at = self.offset
        os.pwrite(self.scratch.fileno(), data, at)
        self.offset = (at + len(data) + ALIGN - 1) // ALIGN * ALIGN
        return f'{at} {len(data)}'

    def trace_since(self, start):
        with open(self.qemu.trace_path, 'rb') as file:
            file.seek(start)
            return file.read().decode(errors='replace').splitlines()

    def settle(self):
        """QEMU has done what the guest asked of it before."""
        self.qemu.qmp.command('query-status')
        self.pump(0.02)
        self.qemu.qmp.command('query-status')

    def do_qmp(self, text):
        return json.dumps(self.qemu.qmp.execute(json.loads(text)))

    def do_shot(self, head):
        self.picture = self.qemu.picture(int(head), self.ppm)
        return f'{self.picture.width} {self.picture.height} ' + self.put(self.picture.words())

    def do_save(self, name):
        if not re.fullmatch(r'[\w.-]+', name):
            raise ValueError('the name of a picture is letters, digits, . and -')
        if not self.picture:
            raise ValueError('no picture was taken yet')
        self.picture.save(os.path.join(self.out, name + '.png'))
        return ''

    def do_resize(self, rest):
        head, width, height = map(int, rest.split())
        self.heads[head].resize(width, height)
        self.settle()
        return ''

    def do_snapshot(self, _):
        self.qemu.snapshot('snapshot-save')
        return 'saved'

    def do_restore(self, _):
        self.qemu.snapshot('snapshot-load')
        return 'restored'

    def follow_cursors(self):
        """Takes in which heads show a cursor, from what the trace has new."""
        with open(self.qemu.trace_path, 'rb') as file:
            file.seek(self.followed)
            new = file.read()
        new = new[:new.rfind(b'\n') + 1]
        self.followed += len(new)
        for head, resource in LAST_CURSOR.findall(new.decode(errors='replace')):
            self.shown[int(head)] = int(resource, 16)

    def do_cursor(self, rest):
        head = int(rest)
        self.settle()
        self.follow_cursors()
        cursor = self.heads[head].cursor
        if not cursor or not self.shown.get(head):
            return '0 0 0 0 0 0'
        width, height, hot_x, hot_y, pixels = cursor
        return f'{width} {height} {hot_x} {hot_y} ' + self.put(pixels)

    def do_mark(self, _):
        self.settle()
        self.marked = os.path.getsize(self.qemu.trace_path)
        return ''

    def matching(self, pattern, lines):
        pattern = re.compile(pattern)
        lines = [line for line in lines if pattern.search(line)]
        return f'{len(lines)} ' + self.put('\n'.join(lines).encode() + b'\0')

    def do_trace(self, pattern):
        self.settle()
        return self.matching(pattern, self.trace_since(self.marked))


class ScriptedAgent(Agent):
    """Serves a guest whose GPU is the scripted one."""

    @property
    def device(self):
        return self.qemu.device

    def do_resize(self, rest):
        return self.device.ask(f'display {rest}')

    def do_cursor(self, rest):
        width, height, hot_x, hot_y, pixels = self.device.cursor(int(rest))
        return f'{width} {height} {hot_x} {hot_y} ' + self.put(pixels)

    def do_mark(self, _):
        # The guest may still be at what a program asked of it before
        time.sleep(0.02)
        self.device.mark()
        return ''

    def do_trace(self, pattern):
        return self.matching(pattern, self.device.trace_lines())

    def do_dev(self, request):
        return self.device.ask(request)

    def do_unplug(self, _):
        self.qemu.unplug()
        return ''

    def do_plug(self, rest):
        features, *properties = rest.split()
        self.device.ask(f'features {features}')
        self.qemu.plug(properties)
        return ''

    def do_devlog(self, pattern):
        return self.matching(pattern, self.device.log_lines())
