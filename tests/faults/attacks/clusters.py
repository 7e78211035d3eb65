"""A cluster that loses its nodes one by one."""

from tests.faults.arena import Arena
from tests.faults.attack import SCALED, attack
from tests.support.fakes.relay import Relay
from tests.support.servers.rabbitmq import RabbitServer

#: With one node away, until so many more have reached the providers.
GOES_ON_WITHIN = 30.0
SENT_SINCE = 50


@attack(10, "broker: kill -9 one node of three, then another", engines=SCALED)
def kill_nodes(arena: Arena) -> None:
    nodes = arena.servers.cluster.nodes
    # The load balancer in front of them: each connection goes to a node that is up.
    with Relay(*(node.port for node in nodes)) as relay:
        vhost = f"attack-{relay.port}"
        nodes[0].create_vhost(vhost)
        arena.stack.env["BROKER_URL"] = f"amqp://guest:guest@127.0.0.1:{relay.port}/{vhost}"
        arena.slow_providers(0.05)
        arena.start()
        first, second = arena.dice.sample(nodes, 2)
        lose(arena, first)
        first.start()
        lose(arena, second)
        arena.wait_for_end()
        arena.judge(unknown_at_most=0)


def lose(arena: Arena, node: RabbitServer) -> None:
    """In the middle of a broadcast, and sending goes on before anybody brings the node back."""
    arena.press_ahead()
    arena.send_some(50)
    node.kill()
    arena.faults["kill -9 node"] += 1
    arena.demand_sending(SENT_SINCE, "sending does not go on with a node away", seconds=GOES_ON_WITHIN)
