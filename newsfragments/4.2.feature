Less of the processor for each connection and each call, and shorter pauses with many clients: garbage collections no longer
look at every client, and clients that come at the same moment are not all pinged at the same moment (the first ping comes
after half of HEARTBEAT_SECONDS or more, and at most the whole).
