signald hands out STUN and TURN servers: ICE_SERVERS names them, and with TURN_SECRET each client gets a password of its own
that ends after TURN_TTL, as coturn's `use-auth-secret` takes it. Clients find them as `iceServers` in `ready` and `matched`.
