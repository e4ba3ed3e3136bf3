"""mailcrm: the mailbox of a salesperson, linked to contacts and deals, on their own machine."""

__version__ = "0.1.0"
