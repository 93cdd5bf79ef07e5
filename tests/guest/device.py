# SPDX-License-Identifier: GPL-2.0 OR MIT
"""The scripted GPU (tests/device): its build, its process, its control socket."""

import json
import os
import socket
import subprocess
import time

from programs import SOURCE
from tap import Result

BINARY = os.path.join(SOURCE, 'out', 'device', 'virtgpu-device')
BUILD = ['make', '-C', 'tests/device', f'OUT={os.path.dirname(BINARY)}']

# What QEMU's trace says of a command, for tests that do not care whose GPU it is
TRACES = {
    'resource_create_2d': 'virtio_gpu_cmd_res_create_2d res 0x{resource_id:x}, '
                          'fmt 0x{format:x}, w {width}, h {height}',
    'resource_unref': 'virtio_gpu_cmd_res_unref res 0x{resource_id:x}',
    'set_scanout': 'virtio_gpu_cmd_set_scanout id {scanout_id}, res 0x{resource_id:x}, '
                   'w {r.width}, h {r.height}, x {r.x}, y {r.y}',
    'set_scanout_blob': 'virtio_gpu_cmd_set_scanout_blob id {scanout_id}, '
                        'res 0x{resource_id:x}, w {r.width}, h {r.height}, '
                        'x {r.x}, y {r.y}',
    'resource_flush': 'virtio_gpu_cmd_res_flush res 0x{resource_id:x}, '
                      'w {r.width}, h {r.height}, x {r.x}, y {r.y}',
    'transfer_to_host_2d': 'virtio_gpu_cmd_res_xfer_toh_2d res 0x{resource_id:x}',
    'update_cursor': 'virtio_gpu_update_cursor scanout {pos.scanout_id}, x {pos.x}, '
                     'y {pos.y}, update, res 0x{resource_id:x}',
    'move_cursor': 'virtio_gpu_update_cursor scanout {pos.scanout_id}, x {pos.x}, '
                   'y {pos.y}, move, res 0x{resource_id:x}',
    'ctx_create': 'virtio_gpu_cmd_ctx_create ctx 0x{ctx:x}, name {debug_name}',
    'ctx_destroy': 'virtio_gpu_cmd_ctx_destroy ctx 0x{ctx:x}',
}


class DeviceError(Exception):
    """The device refused a request."""


def signed(value):
    return value - (1 << 32) if value >= 1 << 31 else value


def as_trace(line):
    """A line of the device's log as QEMU's trace has it, '' when it has none."""
    command = json.loads(line)
    text = TRACES.get(command.get('type'))
    if not text:
        return ''
    for name, value in command.items():
        if name in ('pos.x', 'pos.y'):
            value = signed(value)
        text = text.replace('{' + name + '}', str(value))
        if isinstance(value, int):
            text = text.replace('{' + name + ':x}', f'{value:x}')
    return text


class Device:
    """One scripted GPU. dir is a private folder for its sockets."""

    def __init__(self, options, dir, out, name='device'):
        self.socket_path = os.path.join(dir, name + '.socket')
        self.log_path = os.path.join(out, name + '.json')
        self.control_path = os.path.join(dir, name + '.control')
        self.shot_path = os.path.join(dir, name + '.shot')
        self.said_path = os.path.join(out, name + '.log')
        self.argv = [BINARY, '--socket', self.socket_path, '--control', self.control_path,
                     '--log', self.log_path, *options]
        self.marked = 0
        self.crashed = ''
        if not os.path.exists(BINARY):
            raise SystemExit("the scripted GPU is not built: 'make device'")
        self.start()

    def start(self):
        self.answers = b''
        with open(self.said_path, 'ab') as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.control = self.connect(self.control_path)

    def revive(self):
        """Starts it again if it has ended, as it does when it is told to."""
        code = self.process.poll()
        if code is None:
            return
        if code:
            self.crashed = f'the scripted GPU ended with code {code}'
        self.control.close()
        os.unlink(self.socket_path)
        self.start()

    def connect(self, path):
        """Connects as soon as the device is there: its socket comes last."""
        end = time.monotonic() + 10
        while not os.path.exists(self.socket_path):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit('the scripted GPU did not start: see its log')
            time.sleep(0.01)
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(30)
        control.connect(path)
        return control

    def ask(self, request):
        """What follows 'ok' in the answer to one request."""
        self.revive()
        self.control.sendall(request.encode() + b'\n')
        while b'\n' not in self.answers:
            data = self.control.recv(65536)
            if not data:
                raise DeviceError('the scripted GPU is gone')
            self.answers += data
        line, self.answers = self.answers.split(b'\n', 1)
        line = line.decode(errors='replace')
        if not line.startswith('ok'):
            raise DeviceError(f'{line} ({request})')
        return line[3:]

    def mark(self):
        self.ask('mark')
        self.marked = os.path.getsize(self.log_path)

    def log_lines(self):
        """The log's lines since the mark."""
        self.ask('stats')
        with open(self.log_path, encoding='utf-8') as file:
            file.seek(self.marked)
            return file.read().splitlines()

    def trace_lines(self):
        return [text for text in map(as_trace, self.log_lines()) if text]

    def picture_file(self, head):
        """Takes a picture, a PPM; returns its path."""
        self.ask(f'shot {head} {self.shot_path}')
        return self.shot_path

    def cursor(self, head):
        """Width, height, hot spot and words of an output's cursor."""
        width, height, hot_x, hot_y, _, _ = self.ask(f'cursor {head} {self.shot_path}').split()
        with open(self.shot_path, 'rb') as file:
            return int(width), int(height), int(hot_x), int(hot_y), file.read()

    def judge(self):
        """Whether the driver kept the rules, as a test."""
        name = 'device: no violation'
        try:
            self.ask('stats')
        except (DeviceError, OSError) as error:
            return Result(name, 'fail', str(error))
        if self.crashed:
            return Result(name, 'fail', self.crashed)
        with open(self.said_path, encoding='utf-8') as file:
            lines = [line.strip() for line in file]
        said = [line for line in lines if line.startswith('violation: ')]
        if said:
            return Result(name, 'fail', f'{len(said)} of them, the last: {said[-1]}')
        if any(line.startswith('after a lie: ') for line in lines):
            return Result(name, 'skip', 'the device has told lies, and saw what comes of that')
        return Result(name, 'pass')

    def kill(self):
        """Ends this device and nothing else."""
        self.control.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
