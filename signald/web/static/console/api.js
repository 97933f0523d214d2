/**
 * Asks the instance that serves this page. The token stands in this module's memory alone, and goes with each request
 * in a header: no cookie, nothing stored, nothing that another site could make a browser send.
 *
 * @module api
 */

let token = "";

/** What an answer that says no is thrown as. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Use this token from now on; none: forget it. @param {string} given */
export function use(given) {
  token = given;
}

/**
 * @param {string} method
 * @param {string} path  from the root of the endpoint, without a slash before
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
async function request(method, path, body, signal) {
  const response = await fetch(`../${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    body: body ? JSON.stringify(body) : null,
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: signal ?? null,
  });
  if (response.ok) return response;
  let why = `status ${response.status}`;
  try {
    why = (await response.json()).error;
  } catch {
    // A proxy's page: the status has to do.
  }
  throw new Refused(response.status, why);
}

/** @param {string} path @returns {Promise<any>} */
export const get = async (path) => (await request("GET", path)).json();

/** @param {string} path @param {object} body @returns {Promise<any>} */
export const post = async (path, body) => (await request("POST", path, body)).json();

/** @param {string} path */
export const remove = async (path) => {
  await request("DELETE", path);
};

/** The longest event that is taken; the server's are at most 64 KiB. */
const MAX_EVENT = 1 << 20;

/**
 * Take events until the stream ends, or `signal` says so.
 *
 * @param {string} path
 * @param {(event: any) => void} take
 * @param {AbortSignal} signal
 */
export async function stream(path, take, signal) {
  const response = await request("GET", path, undefined, signal);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    if (text.length > MAX_EVENT) throw new Error("an event without an end");
    for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
  }
}
