"""A ClickHouse server of a test's own, with an account that has a password and a database, on a folder that it keeps."""

import pathlib
import signal
import urllib.error
import urllib.parse
import urllib.request

from . import process
from .waiting import wait_until

PROGRAM = "/usr/sbin/clickhouse-server"
USER, PASSWORD, DATABASE = "campus", "pass'word", "facts"
CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host><http_port>{port}</http_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><user_files_path>{folder}/files/</user_files_path>
<mark_cache_size>16777216</mark_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
</yandex>
"""
USERS = f"""<yandex><profiles><default/></profiles><quotas><default/></quotas><users><{USER}>
<password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
</{USER}></users></yandex>
"""


class ClickHouse:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.port = process.free_port()
        (self.folder / "config.xml").write_text(CONFIG.format(port=self.port, folder=self.folder))
        (self.folder / "users.xml").write_text(USERS)
        self.url = f"http://{USER}:{urllib.parse.quote(PASSWORD)}@127.0.0.1:{self.port}/{DATABASE}"
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.start()
        self.run(f"create database {DATABASE}", database="default")

    def start(self):
        self.process = process.spawn([PROGRAM, f"--config-file={self.folder}/config.xml"], self.log, cwd=self.folder)
        wait_until(self.answers, 30, "ClickHouse to answer")

    def answers(self):
        assert self.process.poll() is None, f"ClickHouse has ended with status {self.process.returncode}"
        try:
            return self.run("select 1", database="default") == "1\n"
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        if self.process.poll() is None:
            self.kill()

    def run(self, statement, database=DATABASE):
        """As an operator would; gives what it prints."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/?database={database}", statement.encode(),
                                         {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            raise AssertionError(refused.read().decode()) from None

    def value(self, statement):
        return int(self.run(statement))
