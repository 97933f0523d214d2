A store that refuses is told of in words: `redisProblem` in `/healthz`, `signald_store_problems_total`, one line of the log
that says what to do, and `--check` that tries all that signald needs. Stores without blocking reads are served.
