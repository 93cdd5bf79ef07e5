# SPDX-License-Identifier: GPL-2.0 OR MIT
"""A client of QEMU's RFB (VNC) server: asks an output for a size, gets its cursor."""

import socket
import struct

DESKTOP_SIZE = -308
ALPHA_CURSOR = -314


class Rfb:
    """One output's connection. The pixels of the screen are never asked for."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.ready = False
        self.cursor = None      # (width, height, hot x, hot y, pixels)
        self.buffer = b''
        self.parser = self.conversation()
        self.wanted = next(self.parser)

    def fileno(self):
        return self.sock.fileno()

    def readable(self):
        """Takes what the server has sent, and never waits: what select() saw may
        have been taken since, while a request of the guest was answered."""
        try:
            data = self.sock.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError('the RFB server closed the connection')
        self.buffer += data
        while len(self.buffer) >= self.wanted:
            taken, self.buffer = self.buffer[:self.wanted], self.buffer[self.wanted:]
            self.wanted = self.parser.send(taken)

    def resize(self, width, height):
        screen = struct.pack('>IHHHHI', 0, 0, 0, width, height, 0)
        self.sock.sendall(struct.pack('>BxHHBx', 251, width, height, 1) + screen)

    def conversation(self):
        """The protocol: yields how many bytes it wants, is sent them."""
        yield 12
        self.sock.sendall(b'RFB 003.008\n')
        kinds = yield (yield 1)[0]
        if 1 not in kinds:
            raise ConnectionError('the RFB server wants a password')
        self.sock.sendall(b'\x01')
        yield 4
        self.sock.sendall(b'\x01')
        head = yield 24
        yield struct.unpack('>I', head[20:])[0]
        self.sock.sendall(struct.pack('>BxHii', 2, 2, ALPHA_CURSOR, DESKTOP_SIZE))
        self.ready = True
        while True:
            kind = (yield 1)[0]
            if kind == 0:
                yield from self.update()
            elif kind == 3:
                head = yield 7
                yield struct.unpack('>xxxI', head)[0]
            elif kind != 2:
                raise ConnectionError(f'RFB message {kind} was not asked for')

    def update(self):
        count = struct.unpack('>xH', (yield 3))[0]
        for _ in range(count):
            x, y, width, height, kind = struct.unpack('>HHHHi', (yield 12))
            if kind == ALPHA_CURSOR:
                yield 4
                pixels = yield width * height * 4
                self.cursor = (width, height, x, y, pixels)
            elif kind == DESKTOP_SIZE:
                screens = (yield 4)[0]
                yield 16 * screens
            else:
                raise ConnectionError(f'RFB encoding {kind} was not asked for')
