"""What `--stage` asks for: one stage of a corpus, and no other.

For services that start one job and do not stay to see its end, as Dataflow's Flex Templates do: each launch seals
the stage whose tasks have ended since, and hands over the next one.
"""


class StopHere(Exception):  # noqa: N818 (no error: it is what was asked for)
    """The stage is sealed, or handed over to a service that goes on without us; says which."""
