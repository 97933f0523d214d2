"""For all tests: hypothesis prints what it needs to repeat a failure, and does not mind a slow machine."""

from hypothesis import settings

settings.register_profile("signald", deadline=None, print_blob=True)
settings.load_profile("signald")
