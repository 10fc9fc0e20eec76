"""The scenarios by name, in the order they run."""

SCENARIOS = {}


def scenario(function):
    """Registers `function(options)`; its name and first line are what the report shows."""
    SCENARIOS[function.__name__] = function
    return function
