"""What tests of several folders share: a frame codec, clients, and the daemon in memory or as a process."""
