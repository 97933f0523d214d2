/**
 * The work by which a guest shows that it is no cheap script, where a server wants that: the `challenge` of the protocol, in the
 * format of ALTCHA. It is done in a worker, so that the page stays smooth, and where there is none in small pieces.
 *
 * @module work
 */

/** @import { ChallengeMessage } from "./protocol.js" */

/** A piece of the work in a page without a worker: a frame's time. */
const PIECE_MS = 8;
/** So many tries between two looks at the clock. */
const TRIES = 500;

/**
 * Begins to look for a number, and looks further as often as it is asked. It refers to nothing outside itself, since its text is
 * what a worker is made of, whatever a bundler has called it.
 *
 * @param {string} salt  ASCII
 * @param {string} challenge  64 hexadecimal digits
 * @param {number} most
 * @returns {(tries: number) => number | null | undefined}  the number; null if there is none; undefined if it was not found yet
 */
export function search(salt, challenge, most) {
  // The constants of SHA-256 (FIPS 180-4, 4.2.2 and 5.3.3): the cube and square roots of the first primes.
  const K = new Uint32Array(64);
  const H = new Uint32Array(8);
  const fraction = (/** @type {number} */ root) => ((root - Math.floor(root)) * 2 ** 32) >>> 0;
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) H[found] = fraction(Math.sqrt(n));
    K[found++] = fraction(Math.cbrt(n));
  }
  const wanted = Uint32Array.from({ length: 8 }, (_, i) => parseInt(challenge.slice(8 * i, 8 * i + 8), 16));
  const W = new Uint32Array(64);
  const state = new Uint32Array(8);

  /** @param {Uint8Array} bytes @param {number} at */
  function block(bytes, at) {
    for (let i = 0; i < 16; i++, at += 4) {
      W[i] = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    }
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15] ?? 0;
      const y = W[i - 2] ?? 0;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      W[i] = ((W[i - 16] ?? 0) + s0 + (W[i - 7] ?? 0) + s1) | 0;
    }
    let a = state[0] ?? 0, b = state[1] ?? 0, c = state[2] ?? 0, d = state[3] ?? 0;
    let e = state[4] ?? 0, f = state[5] ?? 0, g = state[6] ?? 0, h = state[7] ?? 0;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] ?? 0) + (W[i] ?? 0)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const words = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] = (state[i] ?? 0) + (words[i] ?? 0);
  }

  // The whole blocks of the salt are hashed once; its rest, the number and the padding (FIPS 180-4, 5.1.1) are in one or two.
  const text = new TextEncoder().encode(salt);
  const whole = text.length - (text.length % 64);
  state.set(H);
  for (let at = 0; at < whole; at += 64) block(text, at);
  const begun = state.slice();
  const rest = text.length - whole;
  const tail = new Uint8Array(128);
  let number = -1;
  return (tries) => {
    while (tries-- > 0) {
      if (++number > most) return null;
      const digits = String(number);
      const end = rest + digits.length;
      const size = end + 9 > 64 ? 128 : 64;
      tail.fill(0);
      tail.set(text.subarray(whole));
      for (let i = 0; i < digits.length; i++) tail[rest + i] = digits.charCodeAt(i);
      tail[end] = 0x80;
      const bits = 8 * (whole + end);
      tail[size - 2] = bits >>> 8;
      tail[size - 1] = bits;
      state.set(begun);
      for (let at = 0; at < size; at += 64) block(tail, at);
      if (state[0] === wanted[0] && state.every((word, i) => word === wanted[i])) return number;
    }
    return undefined;
  };
}

/**
 * Work in pieces, so that whoever else runs here is not kept waiting.
 *
 * @param {ChallengeMessage} challenge
 * @param {AbortSignal} [signal]
 * @returns {Promise<number | null>}
 */
export async function inPieces({ salt, challenge, maxnumber }, signal) {
  const more = search(salt, challenge, maxnumber);
  for (;;) {
    if (signal?.aborted) return null;
    const until = performance.now() + PIECE_MS;
    while (performance.now() < until) {
      const found = more(TRIES);
      if (found !== undefined) return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/**
 * Solve a challenge.
 *
 * @param {ChallengeMessage} asked
 * @param {AbortSignal} [signal]  ends the work
 * @returns {Promise<import("./protocol.js").ProofRequest | null>} null if it has no solution, or was ended
 */
export async function solve(asked, signal) {
  const number = await inWorker(asked, signal).catch(() => inPieces(asked, signal));
  if (number === null) return null;
  const { algorithm, challenge, salt, signature } = asked;
  return { type: "proof", algorithm, challenge, number, salt, signature };
}

/**
 * Work in a worker. It is made of the text of `search`, so that no bundler has to know of it; where the page's policy lets no
 * worker be made of text, or there is none, this rejects.
 *
 * @param {ChallengeMessage} challenge
 * @param {AbortSignal} [signal]
 * @returns {Promise<number | null>}
 */
function inWorker({ salt, challenge, maxnumber }, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return resolve(null);
    if (typeof Worker === "undefined") throw new Error("no worker");
    const text = `const search=${search};onmessage=({data})=>postMessage(search(...data)(Infinity))`;
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(url);
    const end = (/** @type {() => void} */ settle) => {
      worker.terminate();
      URL.revokeObjectURL(url);
      settle();
    };
    worker.onmessage = ({ data }) => end(() => resolve(data));
    worker.onerror = () => end(() => reject(new Error("no worker")));
    signal?.addEventListener("abort", () => end(() => resolve(null)), { once: true });
    worker.postMessage([salt, challenge, maxnumber]);
  });
}
