METRICS_POOLS names pools that `/metrics` tells apart: `signald_waiting` and `signald_match_wait_seconds` have a label `pool`, empty
for all who name none, and `other` for pools that are not named.
