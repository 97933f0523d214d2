// The work of a guest against the hash that Node has.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { search, solve } from "../../../signald/web/static/work.js";

const hash = (text) => createHash("sha256").update(text).digest("hex");

test("every length of salt and number, so that all paddings come", () => {
  for (let length = 0; length <= 140; length++) {
    const salt = "s".repeat(length);
    for (const number of [0, 9, 10, 123]) {
      const more = search(salt, hash(salt + number), 130);
      assert.equal(more(number), undefined, `${length}: not among those before ${number}`);
      assert.equal(more(1), number, `${length}: ${number}`);
    }
  }
});

test("its text is enough to make a worker, whatever a bundler has called it", () => {
  const alone = new Function(`return ${search}`)();
  assert.equal(alone("salt", hash("salt7"), 10)(Infinity), 7);
});

test("what has no solution comes to an end", () => {
  assert.equal(search("salt", hash("else"), 100)(Infinity), null);
});

test("without a worker it is solved too, and all else is sent back as it came", async () => {
  const asked = { algorithm: "SHA-256", challenge: hash("a?expires=1&1234"), salt: "a?expires=1&", signature: "s" };
  const solved = await solve({ ...asked, type: "challenge", maxnumber: 5000, expires: 1 });
  assert.deepEqual(solved, { ...asked, type: "proof", number: 1234 });
  assert.equal(await solve({ ...asked, type: "challenge", maxnumber: 1000, expires: 1 }), null);
});

test("work that is of no use any more ends at once: a page that never finds the number would take the battery for ever", async () => {
  const endless = { type: "challenge", algorithm: "SHA-256", challenge: hash("else"), salt: "a&", signature: "s", maxnumber: 2 ** 53, expires: 1 };
  const here = new AbortController();
  const working = solve(endless, here.signal);
  here.abort();
  assert.equal(await working, null, "in pieces");
  assert.equal(await solve(endless, AbortSignal.abort()), null, "before it begins");
  let terminated = 0;
  globalThis.Worker = class {
    postMessage() {}
    terminate() {
      terminated += 1;
    }
  };
  try {
    const there = new AbortController();
    const working = solve(endless, there.signal);
    there.abort();
    assert.equal(await working, null, "in a worker");
    assert.equal(terminated, 1);
    assert.equal(await solve(endless, AbortSignal.abort()), null, "before there is a worker");
  } finally {
    delete globalThis.Worker;
  }
});
