Unit files for systemd in `systemd/`: socket activation, readiness, a watchdog fed from the event loop, a hardened
sandbox (exposure 1.3), and a template for one process per core.

A `Dockerfile` (nobody, read-only root, any `PORT`), `compose.yaml`, `render.yaml`, a Kubernetes manifest and recipes
for Fly, Heroku, ECS and Cloud Run; `/readyz` for balancers.
