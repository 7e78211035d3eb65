import psycopg
import pytest

from tests.support.servers.postgres import PostgresServer
from tests.support.servers.programs import require


def test_postgres_keeps_what_was_committed_before_a_kill() -> None:
    with require(PostgresServer) as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

        server.kill()
        assert not server.answers()
        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]


def test_postgres_ends_sessions_on_request(postgres_server: PostgresServer, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert postgres_server.terminate_backends(postgres_url) >= 1

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_postgres_listens_on_loopback_only(postgres_server: PostgresServer) -> None:
    assert postgres_server.execute("SHOW listen_addresses") == [("127.0.0.1",)]
    assert postgres_server.execute("SHOW unix_socket_directories") == [("",)]
