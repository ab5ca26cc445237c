"""A Redis server of a test's own, on a socket in a folder."""

import shutil
import signal
import socket
import subprocess
import time


class RedisServer:
    """What it has said is done is in its append-only file, so that it can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.process = None
        self.url = f"redis+unix://{folder}/redis.sock?read_timeout=10s"

    def start(self):
        program = shutil.which("redis-check-rdb")
        assert program, "needs Redis; try: apt-get install redis-tools"
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(self.folder / "redis.sock"), "--dir",
                                         str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync", "no"],
                                        # Debian's redis-tools holds the whole program; its name decides what it is.
                                        executable=program, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline and self.process.poll() is None, "redis-server does not start"
            time.sleep(0.05)

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.folder / "redis.sock"))
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False

    def freeze(self):
        """It takes connections and says nothing, until it goes on."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
