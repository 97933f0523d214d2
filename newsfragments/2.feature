`twistd signald` pairs browsers that wait, first come, first served, and carries their SDP and ICE candidates, in one
process. Clients of the old server work unchanged. New for them: `initiator` in `matched` settles who offers, and `next`
queues its sender again and does not bring back the same partner at once. A demo page is at `/`.
