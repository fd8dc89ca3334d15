"""A switch for Ethernet in this program, between network interfaces of its own namespace: frames come late by as much as it is told.

Linux's netem does that too, where the kernel has it; many that containers run on have not. Frames keep their order."""
import random
import selectors
import socket
import threading
import time

ETH_P_ALL, SOL_PACKET, PACKET_VNET_HDR, OUTGOING = 3, 263, 15, 4
HEADER = 10  # of virtio: with it a frame may be longer than the wire's, and have no checksum yet


class Wire(threading.Thread):
    def __init__(self, interfaces, delay=0, jitter=0):
        """Seconds that each frame is late, and by how much these may differ."""
        super().__init__(daemon=True)
        self.delay, self.jitter = delay, jitter
        self.frames = 0
        self.ends = False
        self.ports = {}  # by address, of frames that came from there
        self.waiting = []  # (when, port, frame), in order
        self.selector = selectors.DefaultSelector()
        for name in interfaces:
            port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            port.bind((name, 0))
            port.setblocking(False)
            self.selector.register(port, selectors.EVENT_READ)
        self.draw = random.Random(1)

    def run(self):
        while not self.ends:
            until = min(0.1, self.waiting[0][0] - time.monotonic()) if self.waiting else 0.1
            for key, _ in self.selector.select(max(0, until)):
                self.take(key.fileobj)
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                self.give(*self.waiting.pop(0)[1:])

    def close(self):
        self.ends = True
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def take(self, port):
        """All frames that there are."""
        while True:
            try:
                frame, sender = port.recvfrom(1 << 17)
            except BlockingIOError:
                return
            except OSError:  # the interface is down: one frame that says so, then none
                return
            if sender[2] == OUTGOING or len(frame) < HEADER + 14:
                continue
            self.frames += 1
            self.ports[frame[HEADER + 6:HEADER + 12]] = port
            when = time.monotonic() + max(0, self.delay + self.jitter * (2 * self.draw.random() - 1))
            if self.waiting:
                when = max(when, self.waiting[-1][0])
            known = self.ports.get(frame[HEADER:HEADER + 6])
            others = [known] if known else [key.fileobj for key in self.selector.get_map().values()]
            self.waiting += [(when, other, frame) for other in others if other is not port]

    @staticmethod
    def give(port, frame):
        try:
            port.send(frame)
        except OSError:  # down, or full: frames may be lost
            pass
