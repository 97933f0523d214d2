Clients of `signald.v1` may give any message an `id`: it is answered by `ok` or by an `error` that names it.
