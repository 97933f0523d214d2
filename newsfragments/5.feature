Unit files for systemd in `systemd/`: socket activation, readiness, a watchdog fed from the event loop, a hardened
sandbox (exposure 1.3), and a template for one process per core.

A `Dockerfile` (nobody, read-only root, any `PORT`), `compose.yaml`, `render.yaml`, a Kubernetes manifest and recipes
for Fly, Heroku, ECS and Cloud Run; `/readyz` for balancers.

TLS by `--listen ssl:8443:privateKey=…:certKey=…`, with TLS 1.2 and forward secrecy at least; SIGHUP reads the
certificate again and closes no connection. `TRUSTED_PROXIES` says whose `X-Forwarded-For` is believed.

`LOG_FORMAT=json`, `LOG_LEVEL`, `LOG_FULL_ADDRESSES`; priorities for the journal; one line for each client that is over.

`/metrics` for Prometheus on `ADMIN_LISTEN`, with what clients experience, what the store takes and who is dropped and why;
a dashboard and alerts are in `ops/`. `DRAIN_SECONDS` lets calls that are being set up finish before the end: behind a
balancer, instances are replaced one by one without a lost call. `--check` looks at settings and store, and exits.
