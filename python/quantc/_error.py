"""The exception of everything that fails."""


class Error(Exception):
    """What quantc cannot do, and why: the message is that of the command line.

    `status` is the exit status that the command line ends with: 1 if the input cannot be
    processed, 2 if the options are wrong, 3 for a defect of quantc.
    """

    status = 1

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


Error.__module__ = "quantc"
