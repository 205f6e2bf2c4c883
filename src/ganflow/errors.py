"""The exception for mistakes of the user: one sentence that states the fault and the remedy."""


class UserError(Exception):
    """A mistake outside the code (file, key, value, network, disk); shown as one line, without a traceback."""
