"""For all tests: hypothesis prints what it needs to repeat a failure, and does not mind a slow machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("signald", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("signald")
