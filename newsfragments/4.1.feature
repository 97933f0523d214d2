`twistd --reactor=uvloop signald` runs on uvloop, with the extra `signald[speed]`.
