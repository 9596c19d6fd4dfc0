"""A cluster on this machine: SLURM behind SSH, PostgreSQL and RabbitMQ, each a process of its own on loopback.

Nothing of what the machine itself runs is used or changed: every server has its own folder, port and key. No server
outlives the process that started it.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .service import Service, tied_to_this_process, wait_until

SLOTS = 2
PASSWORD = secrets.token_hex()
"""Of the database, another one every time: it may stand nowhere that a test looks."""
HOST = "cluster"
"""What clients call the login node."""
_STOP_TIMEOUT = 20.0

_SLURM_CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmdPort={slurmd}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MailProg=/bin/true
StateSaveLocation={folder}/slurmctld
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
KillWait=1
SlurmdParameters=config_overrides
NodeName={node} NodeAddr=127.0.0.1 CPUs={slots} RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes={node} Default=YES MaxTime=1440 DefaultTime=10 State=UP
"""

# SHLVL keeps bash, which sshd starts, from reading the ~/.bashrc of the person at this machine.
_SSHD_CONFIGURATION = """\
Port {sshd}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv SLURM_CONF={folder}/slurm.conf SHLVL=1 PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin
"""

_SSH_CONFIGURATION = """\
Host {host}
  HostName 127.0.0.1
  Port {sshd}
  User {user}
  IdentityFile {folder}/user_key
  UserKnownHostsFile {folder}/home/.ssh/known_hosts
"""

_MISLEADING = """\
#!/bin/bash
for ((call = 0; ; call++)); do mkdir {calls}/$call 2> /dev/null && break; done
case $call in {cases} esac
exec {program} "$@"
"""

# AiiDA's workers keep a message for as long as its process lives.
_RABBITMQ_ADVANCED = "[{rabbit,[{consumer_timeout,undefined}]}].\n"


@dataclass(frozen=True)
class Job:
    """A job that SLURM has seen end."""

    name: str
    state: str
    submit: str
    start: str
    end: str


class Stack:
    """SLURM with two slots, an SSH server, PostgreSQL and RabbitMQ, in a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qdsim-hpc-"))
        self.folder.chmod(0o755)  # PostgreSQL and RabbitMQ run as users of their own
        self.ports = _free_ports("slurmctld", "slurmd", "sshd", "postgresql", "rabbitmq", "erlang", "epmd")
        self.work = self._make_folder("work")
        self.programs = self._make_folder("bin")
        self.munge = self._munge()
        self.slurmctld, self.slurmd = self._slurm()
        self.sshd = self._sshd()
        self.postgresql = self._postgresql()
        self.epmd, self.rabbitmq = self._rabbitmq()

    @property
    def services(self) -> list[Service]:
        """All servers, in the order in which they are started."""
        return [self.munge, self.slurmctld, self.slurmd, self.sshd, self.postgresql, self.epmd, self.rabbitmq]

    @property
    def postgres_url(self) -> str:
        """Where an empty database is, with the name and password of its owner."""
        return f"postgresql://qdsim:{PASSWORD}@127.0.0.1:{self.ports['postgresql']}/qdsim"

    @property
    def postgres_administrator_url(self) -> str:
        """Where those who may make databases get in, without a password."""
        return f"postgresql://postgres@/postgres?host={self._path('postgresql')}&port={self.ports['postgresql']}"

    @property
    def rabbitmq_url(self) -> str:
        """Where the message broker is, with its user and password."""
        return f"amqp://guest:guest@127.0.0.1:{self.ports['rabbitmq']}"

    @property
    def client_environment(self) -> dict[str, str]:
        """What makes `ssh cluster` reach this login node: a home folder with its configuration and key."""
        return {"HOME": str(self.folder / "home")}

    def start(self) -> None:
        """Start everything; nothing is left running if that fails."""
        try:
            for service in self.services:
                service.start()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel what runs, stop everything and remove the folder."""
        with suppress(subprocess.CalledProcessError, RuntimeError):
            self.run("scancel", "--user", getpass.getuser())
            wait_until(lambda: not self.run("squeue", "--noheader"), _STOP_TIMEOUT, "jobs do not end")
        for service in reversed(self.services):
            service.stop()
        shutil.rmtree(self.folder)

    def run(self, *command: str) -> str:
        """Run a command of SLURM, such as `scontrol`, and return what it prints."""
        environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        return subprocess.run(command, env=environment, check=True, text=True, capture_output=True).stdout.strip()

    @contextmanager
    def misled(self, program: str, *answers: str) -> Iterator[Callable[[], int]]:
        """Put a script in front of a program of the login node, that does something else the first times it is called.

        What this yields returns how often the program has been called by then.
        """
        calls = Path(tempfile.mkdtemp(dir=self.folder))
        script = self.programs / program
        cases = " ".join(f"{call}) {answer}; exit;;" for call, answer in enumerate(answers))
        text = _MISLEADING.format(calls=calls, cases=cases, program=shutil.which(program))
        complete = script.with_suffix(".new")
        complete.write_text(text, encoding="utf-8")
        complete.chmod(0o755)
        complete.rename(script)
        yield lambda: len(list(calls.iterdir()))
        script.unlink()

    def drain(self) -> None:
        """Keep the node from taking jobs; those that run go on."""
        self.run("scontrol", "update", f"NodeName={_node()}", "State=DRAIN", "Reason=test")

    def resume(self) -> None:
        """Let the node take jobs again."""
        self.run("scontrol", "update", f"NodeName={_node()}", "State=RESUME")

    def running_jobs(self) -> list[str]:
        """Return the ids of the jobs that run."""
        return self.run("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()

    def ended_jobs(self) -> list[Job]:
        """Return the jobs that have ended, whatever became of them."""
        path = self.folder / "jobs.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return [Job(job["Name"], job["JobState"], job["SubmitTime"], job["StartTime"], job["EndTime"]) for job in found]

    def _munge(self) -> Service:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        sock = self.folder / "munge.socket"
        files = {
            "key-file": key,
            "socket": sock,
            "pid-file": self.folder / "munge.pid",
            "seed-file": self._path("seed"),
        }
        options = [f"--{name}={path}" for name, path in files.items()]
        probe = ["munge", "--no-input", f"--socket={sock}"]
        return self._service("munge", [_server("munged"), "--foreground", *options], lambda: _succeeds(probe))

    def _slurm(self) -> tuple[Service, Service]:
        for name in ("slurmctld", "slurmd"):
            self._make_folder(name)
        values = {"node": _node(), "user": getpass.getuser(), "folder": self.folder, "slots": SLOTS, **self.ports}
        configuration = self._path("slurm.conf")
        configuration.write_text(_SLURM_CONFIGURATION.format(**values), encoding="utf-8")
        environment = {"SLURM_CONF": str(configuration)}
        return (
            self._service(
                "slurmctld",
                [_server("slurmctld"), "-D"],
                lambda: "is UP" in self.run("scontrol", "ping"),
                environment=environment,
            ),
            self._service(
                "slurmd",
                [_server("slurmd"), "-D", "-N", _node()],
                lambda: self.run("sinfo", "--noheader", "--format=%T") in {"idle", "mixed", "allocated", "drained"},
                environment=environment,
            ),
        )

    def _sshd(self) -> Service:
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # sshd's own, compiled in
        for name in ("host_key", "user_key"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._path(name))]
            subprocess.run(key, check=True)
        configuration = self._path("sshd_config")
        values = {"folder": self.folder, "host": HOST, "user": getpass.getuser(), **self.ports}
        configuration.write_text(_SSHD_CONFIGURATION.format(**values), encoding="utf-8")
        home = self._make_folder("home/.ssh")
        (home / "config").write_text(_SSH_CONFIGURATION.format(**values), encoding="utf-8")
        kind, key_text = self._path("host_key.pub").read_text(encoding="utf-8").split()[:2]
        (home / "known_hosts").write_text(f"[127.0.0.1]:{self.ports['sshd']} {kind} {key_text}\n", encoding="utf-8")
        command = [_server("sshd"), "-D", "-e", "-f", str(configuration)]
        return self._service("sshd", command, lambda: _listens(self.ports["sshd"]))

    def _postgresql(self) -> Service:
        programs = _postgresql_programs()
        folder = self._make_folder("postgresql", owner="postgres")
        data = folder / "data"
        initialise = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync"]
        access = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        # AiiDA asks for this collation, whatever the machine's is.
        encoding = ["--encoding=UTF8", "--locale=C.UTF-8"]
        command = [*tied_to_this_process("postgres"), *initialise, *access, *encoding]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        port = str(self.ports["postgresql"])
        options = ["-c", "listen_addresses=127.0.0.1", "-p", port, "-k", str(folder), "-c", "fsync=off"]
        probe = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port]
        return self._service(
            "postgresql",
            [str(programs / "postgres"), "-D", str(data), *options],
            lambda: _succeeds(probe),
            user="postgres",
            stop_signal=signal.SIGINT,  # without waiting for its clients to leave
        )

    def _make_database(self) -> None:
        client = [str(_postgresql_programs() / "psql"), "-q", self.postgres_administrator_url]
        statements = [f"create role qdsim login password '{PASSWORD}'", "create database qdsim owner qdsim"]
        for statement in statements:
            subprocess.run([*client, "-c", statement], check=True)

    def _rabbitmq(self) -> tuple[Service, Service]:
        folder = self._make_folder("rabbitmq", owner="rabbitmq")
        listener = f"listeners.tcp.1 = 127.0.0.1:{self.ports['rabbitmq']}\n"
        (folder / "rabbitmq.conf").write_text(listener, encoding="utf-8")
        (folder / "advanced.config").write_text(_RABBITMQ_ADVANCED, encoding="utf-8")
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "qdsim@localhost",
            "RABBITMQ_DIST_PORT": str(self.ports["erlang"]),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "1",  # the server in place of the shell that starts it
            "NOTIFY_SOCKET": "",
        }
        # Erlang's register of names; RabbitMQ would leave one of its own behind.
        epmd = self._service(
            "epmd",
            ["epmd", "-port", str(self.ports["epmd"]), "-address", "127.0.0.1"],
            lambda: _listens(self.ports["epmd"]),
            user="rabbitmq",
        )
        rabbitmq = self._service(
            "rabbitmq",
            ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
            lambda: _listens(self.ports["rabbitmq"]),
            user="rabbitmq",
            environment=environment,
        )
        return epmd, rabbitmq

    def _service(
        self,
        name: str,
        command: list[str],
        is_up: Callable[[], bool],
        *,
        user: str | None = None,
        environment: dict[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Service:
        return Service(name, command, self._path(f"{name}.log"), is_up, user, environment or {}, stop_signal)

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _make_folder(self, name: str, *, owner: str | None = None) -> Path:
        path = self._path(name)
        path.mkdir(parents=True)
        if owner is not None and os.geteuid() == 0:
            shutil.chown(path, owner, owner)
        return path


def _free_ports(*names: str) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: taken.getsockname()[1] for name, taken in zip(names, sockets, strict=True)}
    for taken in sockets:
        taken.close()
    return ports


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _node() -> str:
    """Return the name of this machine, which SLURM's servers know it by."""
    return socket.gethostname().partition(".")[0]


def _server(name: str) -> str:
    """Return the path of a server program; Debian keeps them where the PATH of users may not lead."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed; `make test-hpc` does that")
    return found


def _postgresql_programs() -> Path:
    """Return the folder of PostgreSQL's newest programs, which Debian keeps out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed; `make test-hpc` does that")
    return found[-1].parent
