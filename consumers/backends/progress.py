"""How far a request came that an HTTP session makes of a message."""

from enum import IntEnum


class Progress(IntEnum):
    #: The message is being put into a request.
    MAKING = 1
    #: The session has it; it may have to connect first.
    CONNECTING = 2
    #: Some of it may be on its way.
    WRITING = 3
