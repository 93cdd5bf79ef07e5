# SPDX-License-Identifier: GPL-2.0 OR MIT
"""One QEMU process: its command line, its life, its QMP monitor."""

import json
import os
import signal
import socket
import subprocess
import time

from device import Device
from picture import read_ppm, read_xwd


class QmpError(Exception):
    """QEMU refused a command."""


def best_accel():
    """KVM only where the processor really has it: /dev/kvm alone says little."""
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        flags = file.read().split()
    if {'vmx', 'svm'}.intersection(flags):
        try:
            os.close(os.open('/dev/kvm', os.O_RDWR))
            return 'kvm'
        except OSError:
            pass
    return 'tcg,thread=multi'


class Listener:
    """A socket that QEMU connects to, so that nothing it says is missed."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(1)
        self.sock.settimeout(30)

    def accept(self):
        connection, _ = self.sock.accept()
        self.sock.close()
        return connection


class Qmp:
    """The monitor, one command at a time. Events are kept in self.events."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b''
        self.events = []
        self.read()
        self.command('qmp_capabilities')

    def read(self, limit=60):
        deadline = time.monotonic() + limit
        while b'\n' not in self.buffer:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError('QEMU closed its monitor')
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def execute(self, request):
        """Sends one request, a dict; returns the value QEMU answers."""
        self.sock.sendall(json.dumps(request).encode() + b'\n')
        while True:
            answer = self.read()
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise QmpError(answer['error']['desc'])
            self.events.append(answer)

    def command(self, name, **arguments):
        return self.execute({'execute': name, 'arguments': arguments})

    def wait(self, event, limit=80):
        """Waits for an event that was not there before."""
        deadline = time.monotonic() + limit
        while True:
            for seen in self.events:
                if seen.get('event') == event:
                    self.events.remove(seen)
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpError(f'no {event} in {limit} s')
            self.events.append(self.read(left))


class XServer:
    """An X server without a screen, for what only draws in a window."""

    def __init__(self, log):
        ours, its = os.pipe()
        self.process = subprocess.Popen(
            ['Xvfb', '-displayfd', str(its), '-screen', '0', '2048x1536x24', '-nolisten', 'tcp'],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[its])
        os.close(its)
        with os.fdopen(ours) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise SystemExit('Xvfb did not start: see qemu.log')
        self.display = ':' + number

    def kill(self):
        self.process.terminate()
        self.process.wait()


class Qemu:
    """A guest of a set-up. dir is a private folder for its sockets and files. With
    terminal, the console is on ours and the screen is a window."""

    def __init__(self, setup, dir, out, boot, initrd, disk, append,
                 memory='2G', args=(), terminal=False, accel=None):
        self.setup = setup
        self.trace_path = os.path.join(dir, 'trace')
        self.scratch_path = os.path.join(dir, 'scratch')
        with open(self.scratch_path, 'wb') as file:
            file.truncate(256 << 20)
        listeners = {name: Listener(os.path.join(dir, name))
                     for name in ('agent', 'tap', 'qmp')}
        self.device = Device(setup.scripted, dir, out) if setup.scripted else None
        accel = accel or setup.accel or best_accel()
        self.argv = [
            'qemu-system-x86_64', '-nodefaults', '-no-user-config', '-no-reboot',
            '-machine', 'q35,vmport=off', '-global', 'ICH9-LPC.disable_s3=0',
            '-accel', accel, '-smp', '2',
            '-m', memory, '-vga', 'none',
            '-cpu', 'host' if accel.startswith('kvm') else 'qemu64',
            '-kernel', os.path.join(boot, 'vmlinuz'), '-initrd', initrd,
            '-append', append,
            '-drive', f'file={disk},format=raw,if=none,id=lab,snapshot=on',
            '-device', 'virtio-blk-pci,drive=lab,serial=lab',
            '-drive', f'file={self.scratch_path},format=raw,if=none,id=scratch',
            '-device', 'virtio-blk-pci,drive=scratch,serial=scratch',
            *self.swap_args(dir), *self.scripted_args(memory),
            *self.slot_args(), '-device', setup.device_arg(),
            '-chardev', self.console(out, terminal), '-serial', 'chardev:console',
            '-trace', 'virtio_gpu_*', '-D', self.trace_path,
        ]
        for name in ('agent', 'tap'):
            self.argv += ['-chardev', f'socket,id={name},path={listeners[name].path}',
                          '-serial', f'chardev:{name}']
        self.argv += ['-qmp', f'unix:{listeners["qmp"].path}']
        self.rfb_paths = []
        self.argv += self.display(dir, terminal) + list(setup.args) + list(args)
        self.x_server = None
        with open(os.path.join(out, 'qemu.log'), 'wb') as log:
            log.write((' '.join(self.argv) + '\n').encode())
            log.flush()
            if setup.gl and not terminal:
                self.x_server = XServer(log)
            self.process = subprocess.Popen(
                self.argv, env=self.environment(), stderr=log, stdout=None if terminal else log,
                stdin=None if terminal else subprocess.DEVNULL)
        try:
            self.qmp = Qmp(listeners['qmp'].accept())
            self.agent = listeners['agent'].accept()
            self.tap = listeners['tap'].accept()
        except (OSError, ConnectionError) as error:
            self.kill()
            raise SystemExit(f'QEMU did not start ({error}): see {out}/qemu.log')

    def environment(self):
        if not self.x_server:
            return None
        return dict(os.environ, DISPLAY=self.x_server.display, LIBGL_ALWAYS_SOFTWARE='1',
                    XDG_RUNTIME_DIR='/tmp')

    @staticmethod
    def console(out, terminal):
        kind = 'stdio,signal=off' if terminal else 'null'
        return f'{kind},id=console,logfile={os.path.join(out, "serial.log")}'

    def swap_args(self, dir):
        """A disk that a guest can hibernate to, empty."""
        if not self.setup.swap:
            return []
        path = os.path.join(dir, 'swap')
        with open(path, 'wb') as file:
            file.truncate(2 << 30)
        return ['-drive', f'file={path},format=raw,if=none,id=swap',
                '-device', 'virtio-blk-pci,drive=swap,serial=swap']

    def scripted_args(self, memory):
        """What a GPU in another process needs: memory to share, and a connection."""
        if not self.device:
            return []
        return ['-object', f'memory-backend-memfd,id=shared,size={memory},share=on',
                '-machine', 'memory-backend=shared',
                '-chardev', f'socket,id=gpu0,path={self.device.socket_path}']

    def slot_args(self):
        return ['-device', 'pcie-root-port,id=gpu0-port,chassis=1'] if self.setup.in_slot() else []

    def snapshot(self, job, limit=120):
        """Saves the machine, its memory and devices, or goes back to that, the lab's
        disk with it. The scratch disk stays as it is."""
        self.qmp.command('stop')
        disk = next(d['inserted']['node-name'] for d in self.qmp.command('query-block')
                    if d['device'] == 'lab')
        self.qmp.command(job, **{'job-id': job, 'tag': 'lab', 'vmstate': disk,
                                 'devices': [disk]})
        deadline = time.monotonic() + limit
        while True:
            state = next(j for j in self.qmp.command('query-jobs') if j['id'] == job)
            if state['status'] == 'concluded':
                break
            if time.monotonic() > deadline:
                raise QmpError(f'{job} takes longer than {limit} s')
            time.sleep(0.1)
        self.qmp.command('job-dismiss', id=job)
        if 'error' in state:
            raise QmpError(state['error'])
        self.qmp.command('cont')

    def unplug(self):
        """Takes the GPU in another process away, which the guest has to allow."""
        self.qmp.events.clear()
        self.qmp.command('device_del', id='gpu0')
        self.qmp.wait('DEVICE_DELETED')
        self.qmp.command('chardev-remove', id='gpu0')

    def plug(self, more=()):
        """Brings it back, with more properties; the connection is a new one."""
        address = {'type': 'unix', 'data': {'path': self.device.socket_path}}
        self.qmp.command('chardev-add', id='gpu0', backend={
            'type': 'socket', 'data': {'addr': address, 'server': False}})
        driver, *properties = self.setup.device_arg().split(',')
        values = dict(p.split('=', 1) for p in (*properties, *more))
        self.qmp.command('device_add', driver=driver, **{
            name: int(value) if value.isdigit() else value
            for name, value in values.items()})

    def display(self, dir, window):
        """A window, or an RFB server for each output, which also resizes it."""
        if window or self.setup.gl:
            return ['-display', 'sdl,gl=on' if self.setup.gl else 'sdl']
        args = ['-display', 'none']
        if self.device:
            return args
        for head in range(self.setup.heads):
            path = os.path.join(dir, f'rfb{head}')
            self.rfb_paths.append(path)
            args += ['-vnc', f'unix:{path},display=gpu0,head={head}']
        return args

    def picture(self, head, path):
        """What an output shows; path is a file to use on the way. A screen that
        is drawn by OpenGL is in QEMU's window only."""
        if self.x_server:
            dump = subprocess.run(['xwd', '-silent', '-name', 'QEMU'], check=True,
                                  env=self.environment(), stdout=subprocess.PIPE)
            return read_xwd(dump.stdout)
        if self.device:
            return read_ppm(self.device.picture_file(head))
        self.qmp.command('screendump', filename=path, device='gpu0', head=head)
        return read_ppm(path)

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """Ends our QEMU and nothing else."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.x_server:
            self.x_server.kill()
        if self.device:
            self.device.kill()
