"""A private RabbitMQ on loopback, with a private epmd, for tests that stop, kill, wipe and cluster it."""

import itertools
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.support.servers import processes
from tests.support.servers.processes import Process
from tests.support.servers.programs import ProgramMissing, rabbitmq_programs

#: Nodes of one test process share it, so that they can form a cluster.
COOKIE = secrets.token_hex(16)
LOOPBACK_DISTRIBUTION = "-kernel inet_dist_use_interface {127,0,0,1}"
# Two cores: idle schedulers must not spin.
QUIET_SCHEDULERS = "+sbwt none +sbwtdcpu none +sbwtdio none"

#: What rabbitmqctl's commands of these names do.
_ADD_VHOST = (
    'ok = rabbit_vhost:add(<<"{name}">>, <<"a test">>), '
    "ok = rabbit_auth_backend_internal:set_permissions("
    '<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"a test">>).'
)
_LIST_CONNECTIONS = (
    '[Pid || [{{pid, Pid}}, {{vhost, <<"{vhost}">>}}] <- rabbit_networking:connection_info_all([pid, vhost])]'
)
_CLOSE_CONNECTIONS = f'[ok = rabbit_networking:close_connection(One, "a test") || One <- {_LIST_CONNECTIONS}], ok.'
_COUNT_CONNECTIONS = f"length({_LIST_CONNECTIONS})."
_COUNT_READY = 'lists:sum([N || [{{messages_ready, N}}] <- rabbit_amqqueue:info_all(<<"{vhost}">>, [messages_ready])]).'
#: How `erl_call` begins what came out; an error is a term as well.
_RESULT = "{ok, "
#: The calls of this process, which each need a name of their own.
_calls = itertools.count(1)


def vhost_of(url: str) -> str:
    return url.rpartition("/")[2]


class Epmd:
    """The port mapper that Erlang nodes find each other by; our own, so that the machine's is never started or met."""

    def __init__(self) -> None:
        found = shutil.which("epmd")
        if not found:
            raise ProgramMissing("epmd is not installed: it comes with Erlang (apt install erlang-base).")
        self.port = processes.free_port()
        self.folder = processes.private_folder(prefix="epmd")
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        argv = [found, "-port", str(self.port), "-address", "127.0.0.1"]
        self.process = Process(argv, log=self.folder / "epmd.log", env=env, cwd=Path("/"))
        processes.wait_until(lambda: accepts(self.port), what="epmd")


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


_epmd: list[Epmd] = []


def shared_epmd() -> Epmd:
    """One for all nodes of this process, started with the first and ended with the process."""
    if not _epmd or not _epmd[0].process.is_running():
        _epmd[:] = [Epmd()]
    return _epmd[0]


class RabbitServer:
    def __init__(self) -> None:
        self._programs = rabbitmq_programs()
        self.epmd_port = shared_epmd().port
        self._user = processes.servants_name("rabbitmq")
        self.folder = processes.private_folder(prefix="rabbitmq", user=self._user)
        self.port = processes.free_port()
        self.distribution_port = processes.free_port()
        self.node = f"notifier-{secrets.token_hex(4)}@localhost"
        self.process: Process | None = None
        self._numbers = itertools.count(1)
        self._write("rabbitmq.conf", self._configuration())
        self._write("enabled_plugins", "[].\n")
        self._write("advanced.config", "[].\n")
        self._write("environment.conf", "")
        self._write(".erlang.cookie", COOKIE, mode=0o400)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _configuration(self) -> str:
        return (
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            # A nearly full laptop must not raise the alarm that blocks publishers.
            "disk_free_limit.absolute = 1MB\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
        )

    def _write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        if self._user:
            shutil.chown(path, self._user, self._user)

    @property
    def _env(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            # Makes the start script become the Erlang machine instead of its parent: signals and kills then meet it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            # Not the machine's own /etc/rabbitmq/rabbitmq-env.conf.
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "server.pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{QUIET_SCHEDULERS} {LOOPBACK_DISTRIBUTION}",
            "RABBITMQ_CTL_ERL_ARGS": f"{QUIET_SCHEDULERS} {LOOPBACK_DISTRIBUTION}",
        }

    def ctl(self, *argv: str) -> str:
        """What `rabbitmqctl` printed about this node, tables without their headers. Takes about a second."""
        command = [str(self._programs / "rabbitmqctl"), "--silent", "-n", self.node, *argv]
        return processes.run_as(command, user=self._user, env=self._env, cwd=Path("/"))

    def evaluate(self, expression: str) -> str:
        """What the node makes of an Erlang expression, which ends with a full stop.

        Takes milliseconds where Erlang's own `erl_call` is installed: a `rabbitmqctl` is an Erlang machine that starts
        and ends, half a second of processor time. Raises `RuntimeError` for what fails.
        """
        erl_call = shutil.which("erl_call")
        if not erl_call:
            return self.ctl("eval", expression).strip()
        cookie = (self.folder / ".erlang.cookie").read_text()
        # By itself each call has the same name, and a node refuses a second one of a name while the first is connected.
        name = f"test{os.getpid()}x{next(_calls)}"
        command = [erl_call, "-sname", self.node, "-h", name, "-c", cookie, "-e"]
        said = processes.run_as(command, user=self._user, env=self._env, cwd=Path("/"), stdin=f"{expression}\n")
        if not said.startswith(_RESULT):
            raise RuntimeError(f"{self.node}: {expression}\n{said}")
        return said.removeprefix(_RESULT).removesuffix("}")

    def url(self, vhost: str = "%2F") -> str:
        """The address as BROKER_URL takes it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def meet(self, nodes: Sequence["RabbitServer"]) -> None:
        """From its first start on it is one of these nodes' cluster; it joins whichever of them is up before it."""
        peers = [f"cluster_formation.classic_config.nodes.{i} = {peer.node}\n" for i, peer in enumerate(nodes, 1)]
        discovery = "cluster_formation.peer_discovery_backend = classic_config\n"
        self._write("rabbitmq.conf", self._configuration() + discovery + "".join(peers))

    def start(self) -> None:
        """Returns once the node serves clients. Raises with its log if it doesn't come up."""
        self.launch()
        processes.wait_until(self._listens, what=f"RabbitMQ, see {self.folder}/server.log")
        # It listens before it has an account for anybody.
        self.evaluate("ok = rabbit:await_startup().")

    def launch(self) -> None:
        """Starts it, if it does not run, without waiting for it."""
        if self.process is None or not self.process.is_running():
            self.process = Process(
                [self._programs / "rabbitmq-server"],
                log=self.folder / "server.log",
                env=self._env,
                cwd=Path("/"),
                user=self._user,
            )

    def _listens(self) -> bool:
        assert self.process is not None
        if not self.process.is_running():
            raise AssertionError(f"RabbitMQ ended while starting:\n{self.process.output()[-4000:]}")
        return accepts(self.port)

    def stop(self) -> None:
        """In order, as an administrator would."""
        if self.process:
            self.process.stop(number=signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, without a word to anybody."""
        if self.process:
            self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Kills the node and starts another at the same address that has never heard of any queue or vhost."""
        self.kill()
        shutil.rmtree(self.folder / "mnesia")
        self.start()

    def close(self) -> None:
        self.kill()
        processes.remove_folder(self.folder)

    def create_vhost(self, name: str = "") -> str:
        """The BROKER_URL of a new, empty vhost."""
        name = name or f"test-{os.getpid()}-{next(self._numbers)}"
        self.evaluate(_ADD_VHOST.format(name=name))
        return self.url(name)

    def delete_vhost(self, url: str) -> None:
        self.evaluate(f'ok = rabbit_vhost:delete(<<"{vhost_of(url)}">>, <<"a test">>).')

    def connections(self, url: str) -> int:
        """How many clients of the vhost are connected."""
        return int(self.evaluate(_COUNT_CONNECTIONS.format(vhost=vhost_of(url))))

    def close_connections(self, url: str) -> None:
        """All of the vhost's, as an administrator would: each client is told."""
        self.evaluate(_CLOSE_CONNECTIONS.format(vhost=vhost_of(url)))

    def ready(self, url: str) -> int:
        """How many tickets wait in the vhost's queues."""
        return int(self.evaluate(_COUNT_READY.format(vhost=vhost_of(url))))

    def stop_app(self) -> None:
        """Everything but the Erlang machine; `start_app` brings it back."""
        self.evaluate("ok = rabbit:stop().")

    def start_app(self) -> None:
        self.evaluate("ok = rabbit:start().")

    def join(self, other: "RabbitServer") -> None:
        """Makes this node, which forgets what it held, one of `other`'s cluster."""
        self.stop_app()
        self.ctl("reset")
        self.ctl("join_cluster", other.node)
        self.start_app()


class SharedRabbit(RabbitServer):
    """One that somebody else started, who stops it too."""

    def __init__(self, *, port: int, distribution_port: int, epmd_port: int, node: str, folder: str) -> None:
        self._programs = rabbitmq_programs()
        self._user = processes.servants_name("rabbitmq")
        self.port, self.distribution_port, self.epmd_port = port, distribution_port, epmd_port
        self.node, self.folder = node, Path(folder)
        self.process = None
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        raise AssertionError("this RabbitMQ serves the whole run: whoever stops one starts one of their own")

    def kill(self) -> None:
        self.stop()

    def close(self) -> None:
        """It serves others."""


class RabbitCluster:
    """Three nodes of one cluster, each at a port of its own."""

    def __init__(self) -> None:
        self.nodes = [RabbitServer() for _ in range(3)]
        for node in self.nodes:
            node.meet(self.nodes)

    def start(self) -> None:
        """Returns once all of them serve clients: those that were killed come back."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.start()

    def close(self) -> None:
        for node in self.nodes:
            node.close()
