"""Starts one evenkeel-fs, and its successor at once when it dies, with the descriptors that were given to be kept.

A process of its own, without a file of the application, because the stand-in lives in the process of the application: that one may
wait in the mount with Python's lock held (a page fault, msync), and what it forks flushes its copies of files to the dead server
before it can become the new one. And it is the guard: nobody else keeps a descriptor of the connection, so its end ends the
connection, whatever waits there. It ends when the stand-in does, or says nothing for SILENCE_SECONDS.

    starter.py DESCRIPTOR DIE_FILE LOG PROGRAM ARGUMENT...      (DESCRIPTOR: a SOCK_SEQPACKET)

It hears {"keep": NAME} with a descriptor, {"forget": NAME}, {"last": true} (no successor), {"alive": true}; it says {"pid": PID} and
{"ended": STATUS}.
"""
import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

SILENCE_SECONDS = 60        # an end, not a bound: the stand-in speaks every second
AGAIN_SECONDS = 0.1         # who ended by itself is not started again at once


class Starter:
    def __init__(self, channel, die_file, log, command):
        self.channel, self.die_file, self.command = channel, die_file, command
        self.log = open(log, "ab")
        self.kept, self.is_last, self.process, self.pidfd = {}, False, None, -1

    def launch(self):
        names, fds = list(self.kept), list(self.kept.values())

        def place():
            high = [os.dup2(fd, 500 + i, inheritable=False) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)

        environment = dict(os.environ, EVENKEEL_DIE_FILE=self.die_file, LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(names))
        self.process = subprocess.Popen(["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *self.command], env=environment,
                                        preexec_fn=place, close_fds=False, stdout=self.log, stderr=self.log)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.say(pid=self.process.pid)

    def say(self, **message):
        self.channel.send(json.dumps(message).encode())

    def forget(self, name):
        if name in self.kept:
            os.close(self.kept.pop(name))

    def hear(self):
        """False: the stand-in is gone."""
        data, ancillary, _, _ = self.channel.recvmsg(4096, 1024, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        message, fds = json.loads(data), array.array("i")
        for _, _, content in ancillary:
            fds.frombytes(content)
        if "keep" in message:
            self.forget(message["keep"])
            self.kept[message["keep"]] = fds.pop()
        elif "forget" in message:
            self.forget(message["forget"])
        elif "last" in message:
            self.is_last = True
        return True

    def on_ended(self):
        status = self.process.wait()
        os.close(self.pidfd)
        self.process, self.pidfd = None, -1
        self.say(ended=status)
        if status >= 0:
            time.sleep(AGAIN_SECONDS)

    def run(self):
        heard = time.monotonic()
        while True:
            # What it gave to be kept before it died comes first, as with evenkeel-hold.
            while select.select([self.channel], [], [], 0)[0]:
                if not self.hear():
                    return
                heard = time.monotonic()
            if time.monotonic() - heard > SILENCE_SECONDS:
                return
            if self.process is None and not self.is_last:
                self.launch()
            ready, _, _ = select.select([self.channel, *([self.pidfd] if self.process else [])], [], [], 1)
            if self.pidfd in ready:
                self.on_ended()

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def main(channel, die_file, log, *command):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)       # its end is the end of the stand-in
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = socket.socket(fileno=int(channel))
    own.set_inheritable(False)
    starter = Starter(own, die_file, log, command)
    try:
        starter.run()
    except OSError:     # nobody hears
        pass
    finally:
        starter.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
