"""A Hub on this machine, for tests of what goes through a real one. It speaks to huggingface_hub's own client."""

from hub_server.hub import Hub, constants_of


__all__ = ["Hub", "constants_of"]
