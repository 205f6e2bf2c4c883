"""The one exception that is the user's business: a sentence that says what was wrong and what to do."""


class UserError(Exception):
    """A mistake outside the code (file, key, value, network, disk); shown as one line, without a traceback."""
