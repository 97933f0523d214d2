`--workers N` runs one process for each core on the same port; each is an instance of its own on the store, and is started again when it dies.
