# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Does the scripted GPU notice a driver that breaks the rules?

A driver of our own, without a guest: it speaks vhost-user to the device, puts
commands in its queues, right and wrong ones, and looks at what the device says.
"""

import mmap
import os
import re
import shutil
import socket
import struct
import tempfile
import time

from device import Device
from tap import Result

MEMORY = 1 << 20
USER = 0x10000000           # where the front end claims to have the memory
QUEUE_SIZE = 16
DATA = 0x10000              # requests and answers go here
PAGES = 0x40000             # what is attached as backing
OPTIONS = ('--outputs', '2', '--window', '16M')
FEATURES = {'virgl': 0, 'edid': 1, 'uuid': 2, 'blob': 3, 'context_init': 4,
            'blob_alignment': 5}
VERSION_1 = 1 << 32
INDIRECT = 1 << 28

(GET_DISPLAY_INFO, CREATE_2D, UNREF, SET_SCANOUT, FLUSH, TRANSFER_2D, ATTACH, DETACH,
 GET_CAPSET_INFO, GET_CAPSET, GET_EDID, ASSIGN_UUID, CREATE_BLOB,
 SET_SCANOUT_BLOB) = range(0x100, 0x10e)
(CTX_CREATE, CTX_DESTROY, CTX_ATTACH, CTX_DETACH, CREATE_3D, TO_HOST_3D, FROM_HOST_3D,
 SUBMIT, MAP_BLOB, UNMAP_BLOB) = range(0x200, 0x20a)
UPDATE_CURSOR, MOVE_CURSOR = 0x300, 0x301
OK = 0x1100


def command(kind, body=b'', flags=0, fence=0, ctx=0, ring=0, pad=0):
    return struct.pack('<IIQIBBH', kind, flags, fence, ctx, ring, pad, 0) + body


def words(*values):
    return struct.pack(f'<{len(values)}I', *values)


def create_2d(number=1, width=64, height=64, kind=1):
    return command(CREATE_2D, words(number, kind, width, height))


def entry(addr=PAGES, length=64 * 64 * 4, pad=0):
    return struct.pack('<QII', addr, length, pad)


def attach(number=1, entries=None, count=None):
    entries = [entry()] if entries is None else entries
    return command(ATTACH, words(number, len(entries) if count is None else count)
                   + b''.join(entries))


def transfer(number=1, rect=(0, 0, 64, 64), offset=0, pad=0):
    return command(TRANSFER_2D, words(*rect) + struct.pack('<QII', offset, number, pad))


def scanout(head=0, number=1, rect=(0, 0, 64, 64)):
    return command(SET_SCANOUT, words(*rect, head, number))


def flush(number=1, rect=(0, 0, 64, 64)):
    return command(FLUSH, words(*rect, number, 0))


def blob(number=1, mem=1, flags=1, entries=None, size=4096, ctx=0, blob_id=0):
    entries = [entry(length=size)] if entries is None else entries
    return command(CREATE_BLOB, words(number, mem, flags, len(entries))
                   + struct.pack('<QQ', blob_id, size) + b''.join(entries), ctx=ctx)


def scanout_blob(number=1, size=(16, 16), stride=64, offset=0, rect=(0, 0, 16, 16), kind=2,
                 head=0):
    return command(SET_SCANOUT_BLOB, words(*rect, head, number, *size, kind, 0,
                                           stride, 0, 0, 0, offset, 0, 0, 0))


def cursor(number=1, head=0, hot=(0, 0), kind=UPDATE_CURSOR):
    return command(kind, words(head, 5, 6, 0, number, *hot, 0))


def resource(kind, number=1, pad=0, **rest):
    return command(kind, words(number, pad), **rest)


def context(number=1, init=0, name=b'', nlen=None):
    return command(CTX_CREATE, words(len(name) if nlen is None else nlen, init)
                   + name.ljust(64, b'\0'), ctx=number)


def submit(ctx=1, size=4, data=b'abcd', **rest):
    return command(SUBMIT, words(size, 0) + data, ctx=ctx, **rest)


class Driver:
    """A front end with a driver behind it, on one device."""

    def __init__(self, dir, features):
        self.device = Device(OPTIONS, dir, dir)
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(self.device.socket_path)
        fd = os.memfd_create('guest')
        os.ftruncate(fd, MEMORY)
        self.memory = mmap.mmap(fd, MEMORY)
        self.message(3)
        self.message(2, struct.pack('<Q', features | VERSION_1 | INDIRECT))
        self.message(5, struct.pack('<IIQQQQ', 1, 0, 0, MEMORY, USER, 0), [fd])
        os.close(fd)
        self.kicks = [self.start(0), self.start(1)]
        self.next = [0, 0]

    def message(self, number, payload=b'', fds=()):
        data = struct.pack('<III', number, 1, len(payload)) + payload
        socket.send_fds(self.connection, [data], list(fds))

    @staticmethod
    def ring(queue):
        """Where the three parts of a queue are."""
        base = 0x1000 + 0x4000 * queue
        return base, base + 0x1000, base + 0x2000

    def start(self, queue):
        desc, avail, used = (USER + part for part in self.ring(queue))
        kick = os.eventfd(0)
        self.message(8, struct.pack('<II', queue, QUEUE_SIZE))
        self.message(10, struct.pack('<II', queue, 0))
        self.message(9, struct.pack('<IIQQQQ', queue, 0, desc, used, avail, 0))
        self.message(12, struct.pack('<Q', queue), [kick])
        return kick

    def descriptor(self, queue, number, addr, length, flags, following=0):
        struct.pack_into('<QIHH', self.memory, self.ring(queue)[0] + 16 * number,
                         addr, length, flags, following)

    def answered(self, queue, limit=2):
        """Waits for the next used element; its length, or None."""
        used = self.ring(queue)[2]
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if struct.unpack_from('<H', self.memory, used + 2)[0] == self.next[queue]:
                at = used + 4 + 8 * ((self.next[queue] - 1) % QUEUE_SIZE)
                return struct.unpack_from('<II', self.memory, at)[1]
            time.sleep(0.001)
        return None

    def make_available(self, queue, head=0):
        avail = self.ring(queue)[1]
        struct.pack_into('<H', self.memory, avail + 4 + 2 * (self.next[queue] % QUEUE_SIZE), head)
        self.next[queue] = (self.next[queue] + 1) % 65536
        struct.pack_into('<H', self.memory, avail + 2, self.next[queue])
        os.eventfd_write(self.kicks[queue], 1)

    def send(self, request, queue=0, room=2048):
        """One command; the type of its answer, None without one."""
        answer = DATA + 0x8000
        self.memory[DATA:DATA + len(request)] = request
        self.memory[answer:answer + 4] = bytes(4)
        self.descriptor(queue, 0, DATA, len(request), 1 if room else 0, 1)
        self.descriptor(queue, 1, answer, room or 1, 2)
        self.make_available(queue)
        used = self.answered(queue)
        return struct.unpack_from('<I', self.memory, answer)[0] if used else None

    def violations(self):
        count, _, last = self.device.ask('violations').partition(' ')
        return int(count), last

    def close(self):
        self.connection.close()
        self.device.kill()
        for kick in self.kicks:
            os.close(kick)


# What a driver may do: each list of commands, all answered OK, no violation
RIGHT = {
    '2D': [create_2d(), attach(), transfer(), scanout(), flush(), resource(DETACH),
           resource(UNREF)],
    'parts': [create_2d(), attach(), transfer(rect=(8, 8, 4, 4), offset=8 * 260),
              scanout(rect=(8, 8, 32, 32)), flush(rect=(60, 60, 4, 4))],
    'blobs': [blob(), scanout_blob(), flush(rect=(0, 0, 16, 16)), resource(UNREF)],
    'a blob that moves': [blob(), resource(DETACH), attach(entries=[entry(PAGES + 8192)]),
                          scanout_blob()],
    'contexts': [context(name=b'test', init=1), create_2d(), resource(CTX_ATTACH, ctx=1),
                 submit(), submit(flags=3, fence=7, ring=5), resource(CTX_DETACH, ctx=1),
                 command(CTX_DESTROY, ctx=1)],
    'the rest': [command(GET_DISPLAY_INFO), command(GET_EDID, words(0, 0)),
                 command(GET_CAPSET_INFO, words(0, 0)), command(GET_CAPSET, words(1, 1)),
                 create_2d(), resource(ASSIGN_UUID)],
    'a fenced answer': [command(GET_DISPLAY_INFO, flags=1, fence=3)],
}

READY = [create_2d(), attach()]

# What it may not: the commands before, the wrong one, and what is said of it
WRONG = {
    'id 0': ([], create_2d(0), 'resource id 0'),
    'created twice': ([create_2d()], create_2d(), 'resource 1 exists'),
    'unknown format': ([], create_2d(kind=5), 'format 5'),
    'no pixels': ([], create_2d(width=0), '0x64'),
    'unref of nothing': ([], resource(UNREF), 'no resource 1'),
    'unref twice': ([create_2d(), resource(UNREF)], resource(UNREF), 'no resource 1'),
    'attached to nothing': ([], attach(), 'no resource 1'),
    'attached twice': (READY, attach(), 'has one'),
    'no entries': ([create_2d()], attach(entries=[]), 'no entries'),
    'fewer entries than said': ([create_2d()], attach(count=2), '2 entries'),
    'entry outside of memory': ([create_2d()], attach(entries=[entry(MEMORY - 8)]),
                                'not guest memory'),
    'entry of no bytes': ([create_2d()], attach(entries=[entry(length=0)]), 'not guest memory'),
    'padding of an entry': ([create_2d()], attach(entries=[entry(pad=1)]), 'padding of entry'),
    'detached from nothing': ([create_2d()], resource(DETACH), 'has none'),
    'transfer without backing': ([create_2d()], transfer(), 'no backing'),
    'transfer beyond the resource': (READY, transfer(rect=(1, 0, 64, 64)), '64x64 at 1,0'),
    'transfer of nothing': (READY, transfer(rect=(0, 0, 0, 1)), '0x1'),
    'transfer beyond the backing': (READY, transfer(offset=4), 'more than the backing'),
    'scan-out that is not there': (READY, scanout(head=2), 'scan-out 2'),
    'scan-out beyond the resource': (READY, scanout(rect=(0, 1, 64, 64)), '64x64 at 0,1'),
    'scan-out of nothing': ([], scanout(), 'no resource 1'),
    'flush beyond the resource': (READY, flush(rect=(0, 0, 65, 1)), '65x1'),
    'padding of a command': ([create_2d()], resource(UNREF, pad=1), 'padding at byte'),
    'padding of the header': ([], command(GET_DISPLAY_INFO, pad=1), 'padding of the header'),
    'unknown flags': ([], command(GET_DISPLAY_INFO, flags=4), 'unknown flags'),
    'fence id without the flag': ([], command(GET_DISPLAY_INFO, fence=1), 'without the flag'),
    'ring without the flag': ([context()], submit(ring=1), 'without the flag'),
    'ring without a context': ([], command(GET_DISPLAY_INFO, flags=2), 'without a context'),
    'ring too high': ([context()], submit(flags=2, ring=64), 'ring index 64'),
    'a context that is not wanted': ([context()], command(GET_DISPLAY_INFO, ctx=1),
                                     'of context 1'),
    'a context too few': ([], submit(ctx=0), 'without a context'),
    'unknown context': ([], submit(), 'no context 1'),
    'context made twice': ([context()], context(), 'context 1 exists'),
    'context of an unknown kind': ([], context(init=9), 'context_init'),
    'context with a long name': ([], context(nlen=65), 'name of 65'),
    'context destroyed twice': ([context(), command(CTX_DESTROY, ctx=1)],
                                command(CTX_DESTROY, ctx=1), 'no context 1'),
    'attach of nothing to a context': ([context()], resource(CTX_ATTACH, ctx=1),
                                       'no resource 1'),
    'detach of what is not attached': ([context(), create_2d()], resource(CTX_DETACH, ctx=1),
                                       'not attached'),
    'size of a submission': ([context()], submit(size=8), '8 bytes'),
    'capability set that is not there': ([], command(GET_CAPSET, words(3, 0)), 'id 3'),
    'capability index that is not there': ([], command(GET_CAPSET_INFO, words(2, 0)), 'index 2'),
    'second UUID': ([create_2d(), resource(ASSIGN_UUID)], resource(ASSIGN_UUID), 'has one'),
    'blob of unknown memory': ([], blob(mem=4), 'blob_mem 4'),
    'blob of unknown flags': ([], blob(flags=8), 'blob_flags'),
    'blob of no bytes': ([], blob(size=0, entries=[entry()]), 'size 0'),
    'blob that is not aligned': ([], blob(size=4100), 'not aligned'),
    'blob larger than its pages': ([], blob(size=8192, entries=[entry(length=4096)]),
                                   'less than the blob'),
    'blob that is given fewer pages': ([blob(), resource(DETACH)],
                                       attach(entries=[entry(length=2048)]), 'less than'),
    'blob of no pages': ([], blob(entries=[]), 'no entries'),
    'host blob with pages': ([context()], blob(mem=2, ctx=1), 'entries of a host blob'),
    'host blob without a context': ([], blob(mem=2, entries=[]), 'no context'),
    'second backing of a blob': ([blob()], attach(), 'has one'),
    'backing of a host blob': ([context(), blob(mem=2, entries=[], ctx=1)], attach(),
                               "is the host's"),
    'blob shown without pages': ([blob(), resource(DETACH)], scanout_blob(), 'no backing'),
    'picture shown without pages': ([create_2d()], scanout(), 'no backing'),
    'blob that loses its pages on a screen': ([blob(), scanout_blob()], resource(DETACH),
                                              'on a screen'),
    'transfer to a blob': ([blob()], transfer(), 'is a blob'),
    'scan-out of a blob without its layout': ([blob()], scanout(), 'no picture'),
    'layout of what is no blob': (READY, scanout_blob(), 'no blob'),
    'stride too small': ([blob()], scanout_blob(stride=60), 'stride 60'),
    'picture larger than the blob': ([blob()], scanout_blob(offset=4096), 'offset 4096'),
    'rectangle outside of the picture': ([blob()], scanout_blob(rect=(1, 0, 16, 16)),
                                         '16x16 at 1,0'),
    'mapping of what cannot be mapped': ([blob()], command(MAP_BLOB, struct.pack('<IIQ', 1, 0, 0)),
                                         'not mappable'),
    'unmapping of what is not mapped': ([blob()], resource(UNMAP_BLOB), 'not mapped'),
    'unknown command': ([], command(0x150), 'command 0x150'),
    'command of the other queue': ([], cursor(), 'on queue 0'),
    'too short': ([], command(SET_SCANOUT, words(0, 0)), 'of 32 bytes'),
    'too long': ([], command(GET_DISPLAY_INFO, words(0)), 'of 28 bytes'),
}

FILLED = [create_2d(), attach(), transfer()]

WRONG_CURSORS = {
    'cursor of nothing': ([], cursor(), 'no resource 1'),
    'cursor of another size': ([create_2d(width=32), attach(), transfer(rect=(0, 0, 32, 64))],
                               cursor(), 'is 32x64'),
    'cursor that was not filled': (READY, cursor(), 'was not filled'),
    'cursor filled in part': ([*READY, transfer(rect=(0, 0, 64, 63))], cursor(),
                              'was not filled'),
    'hot spot outside': (FILLED, cursor(hot=(64, 0)), 'hot spot'),
    'cursor of no output': (FILLED, cursor(head=2), 'scan-out 2'),
}

# Features that each of these commands needs
NEEDED = {
    'edid': command(GET_EDID, words(0, 0)),
    'uuid': resource(ASSIGN_UUID),
    'blob': blob(),
    'virgl': context(),
    'context_init': context(init=1),
}


class Failure(Exception):
    """The device does not do what it should."""


def features_but(name=''):
    return sum(1 << bit for feature, bit in FEATURES.items() if feature != name)


def all_right(driver, commands):
    for request in commands:
        kind, answer = struct.unpack_from('<I', request)[0], driver.send(request)
        if answer is None or answer >> 8 != OK >> 8:
            raise Failure(f'command 0x{kind:x} is answered {answer}')
    count, last = driver.violations()
    if count:
        raise Failure(last)


def one_wrong(driver, before, request, said, queue=0):
    all_right(driver, before)
    driver.send(request, queue, room=0 if queue else 2048)
    count, last = driver.violations()
    if not count or not re.search(re.escape(said), last):
        raise Failure(f'{count} violations, the last: {last}')


def bad_chains():
    """Chains that are wrong as such: what is done, and what is said of it."""
    def put(driver, *descriptors, head=0):
        for number, fields in enumerate(descriptors):
            driver.descriptor(0, number, *fields)
        driver.make_available(0, head)

    def endless(driver):
        put(driver, (DATA, 24, 1, 1), (DATA, 24, 1, 0))

    def outside(driver):
        put(driver, (MEMORY, 24, 0))

    def nothing(driver):
        put(driver, (DATA, 0, 0))

    def backwards(driver):
        put(driver, (DATA, 24, 3, 1), (DATA, 24, 0))

    def numbered(driver):
        put(driver, (DATA, 24, 0), head=QUEUE_SIZE)

    def long_table(driver):
        put(driver, (DATA, 16 * (QUEUE_SIZE + 1), 4))

    def no_room(driver):
        driver.send(command(GET_DISPLAY_INFO), room=100)

    return {'chain without an end': (endless, 'longer than the queue'),
            'buffer outside of memory': (outside, 'outside of guest memory'),
            'buffer of no bytes': (nothing, 'of no bytes'),
            'request behind the answer': (backwards, 'behind a writable'),
            'descriptor that is not there': (numbered, 'out of range'),
            'table longer than the queue': (long_table, 'longer than the queue'),
            'no room for the answer': (no_room, 'room for 100 bytes')}


def chain_is_noticed(driver, act, said):
    act(driver)
    end = time.monotonic() + 2
    count, last = driver.violations()
    while not count and time.monotonic() < end:
        time.sleep(0.005)
        count, last = driver.violations()
    if said not in last:
        raise Failure(f'{count} violations, the last: {last}')


def tests():
    """Name, features and what is done with a driver, of each test."""
    full = features_but()
    for name, commands in RIGHT.items():
        yield f'right: {name}', full, lambda d, c=commands: all_right(d, c)
    for name, (before, request, said) in WRONG.items():
        yield name, full, lambda d, b=before, r=request, s=said: one_wrong(d, b, r, s)
    for name, (before, request, said) in WRONG_CURSORS.items():
        yield name, full, lambda d, b=before, r=request, s=said: one_wrong(d, b, r, s, queue=1)
    for feature, request in NEEDED.items():
        yield (f'without {feature}', features_but(feature),
               lambda d, r=request: one_wrong(d, [create_2d()], r, 'feature'
                                              if r is not NEEDED['context_init']
                                              else 'without the feature'))
    for name, (act, said) in bad_chains().items():
        yield name, full, lambda d, a=act, s=said: chain_is_noticed(d, a, s)


def results():
    """Each rule as a test."""
    found = []
    for name, features, run in tests():
        dir = tempfile.mkdtemp(prefix='rules-')
        driver = Driver(dir, features)
        try:
            run(driver)
            found.append(Result(f'scripted GPU: {name}', 'pass'))
        except Failure as failure:
            found.append(Result(f'scripted GPU: {name}', 'fail', str(failure)))
        finally:
            driver.close()
            shutil.rmtree(dir)
    return found


if __name__ == '__main__':
    for result in results():
        print(result.what, result.name, result.why)
