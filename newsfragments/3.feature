With `REDIS_URL` any number of processes behave as one: clients on any of them meet and talk. `redis://`, `rediss://` with a
verified certificate (`REDIS_CA_FILE` for one of your own) and `unix://`; Redis 6.2 or newer, or Valkey. What clients see in
each fault is in docs/scaling.md.
