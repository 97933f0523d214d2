Frames are read in C where there was a compiler, clients and all else are waited for in one system call, and what one poll
brings leaves in one write for each client: a relay costs a third less. `twistd signald --version` and `signald_build_info`
tell what reads frames; `FAST_FRAMES=false` and `FAST_TURN=false` go back. There are wheels with the extension and without.
