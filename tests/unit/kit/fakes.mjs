// A clock, a server and a browser that do only what a test tells them.
import assert from "node:assert/strict";

/** Takes the place of the runtime's timers and clock until `restore`. */
export class Clock {
  #real = [setTimeout, clearTimeout, setInterval, clearInterval, Date.now];
  #realNow = performance.now;
  #timers = new Map();
  #lastId = 0;
  now = 1_800_000_000_000;

  constructor() {
    const start = (repeats) => (run, ms, ...given) => {
      const id = (this.#lastId += 1);
      this.#timers.set(id, { run: () => run(...given), due: this.now + ms, every: repeats ? ms : undefined });
      return id;
    };
    globalThis.setTimeout = start(false);
    globalThis.setInterval = start(true);
    globalThis.clearTimeout = globalThis.clearInterval = (id) => void this.#timers.delete(id);
    Date.now = performance.now = () => this.now;
  }

  restore() {
    [globalThis.setTimeout, globalThis.clearTimeout, globalThis.setInterval, globalThis.clearInterval, Date.now] =
      this.#real;
    performance.now = this.#realNow;
  }

  get timers() {
    return this.#timers.size;
  }

  /** Time passes, and each timer runs in its moment. */
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
      if (!timer || timer.due > end) break;
      this.now = Math.max(this.now, timer.due);
      if (timer.every === undefined) this.#timers.delete(id);
      else timer.due = this.now + timer.every;
      timer.run();
    }
    this.now = end;
  }

  /** The machine sleeps, and no timer runs; those that were due run late, once. */
  sleep(ms) {
    this.now += ms;
    this.advance(0);
  }
}

/** Sockets that the client under test opens, newest last; the test plays the server. */
export class Server {
  sockets = [];

  constructor() {
    const { sockets } = this;
    this.WebSocket = class {
      readyState = 0;
      /** What the client has said, without the ids that ask for an answer. */
      heard = [];
      /** Those ids, of what has not been answered. */
      asked = [];
      closedWith = undefined;

      constructor(url, protocols) {
        if (!/^wss?:/.test(url)) throw new SyntaxError("not a WebSocket URL");
        Object.assign(this, { url, protocols });
        sockets.push(this);
      }

      send(text) {
        assert.equal(this.readyState, 1, "sent on a socket that is not open");
        const { id, ...message } = JSON.parse(text);
        this.heard.push(message);
        if (id !== undefined) this.asked.push(id);
      }

      close(code) {
        this.readyState = 3;
        this.closedWith ??= code;
      }

      // What the network does.

      open() {
        this.readyState = 1;
        this.onopen({});
        return this;
      }

      say(...messages) {
        for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
        return this;
      }

      /** Answer what was asked, oldest first: so many, or all. */
      ok(count = this.asked.length) {
        for (const id of this.asked.splice(0, count)) this.say({ type: "ok", id });
        return this;
      }

      /** Refuse the oldest that was asked. */
      refuse(code, message = "") {
        return this.say({ type: "error", code, message, id: this.asked.shift() });
      }

      /** It never came about; Node 20 says no more than that. */
      fail() {
        this.readyState = 3;
        this.onerror({});
      }

      end(code = 1006, reason = "") {
        this.readyState = 3;
        this.onclose({ code, reason });
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }
}

/** The parts of a browser that page.js listens to, as globals until `leave`. */
export class Browser {
  #window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  storage = new Map();

  enter({ navigation = "navigate" } = {}) {
    globalThis.document = this.document;
    globalThis.addEventListener = this.#window.addEventListener.bind(this.#window);
    this.navigation = navigation;
    this.realEntries = performance.getEntriesByType;
    performance.getEntriesByType = () => [{ type: this.navigation }];
    return this;
  }

  leave() {
    delete globalThis.document;
    delete globalThis.addEventListener;
    performance.getEntriesByType = this.realEntries;
  }

  /** As sessionStorage. */
  get sessionStorage() {
    const { storage } = this;
    return {
      getItem: (key) => storage.get(key) ?? null,
      setItem: (key, value) => void storage.set(key, String(value)),
      removeItem: (key) => void storage.delete(key),
    };
  }

  tell(type, fields = {}) {
    const target = ["visibilitychange", "resume"].includes(type) ? this.document : this.#window;
    target.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

/** Peer connections that come about when a test says so. What browsers make of SDP is shown in browsers. */
export class Peers {
  made = [];

  constructor() {
    const { made } = this;
    globalThis.RTCPeerConnection = class {
      connectionState = "new";
      signalingState = "stable";
      channels = [];
      localDescription = null;
      remoteDescription = null;

      constructor(config) {
        this.config = config;
        made.push(this);
      }

      createDataChannel(label) {
        const channel = { label, readyState: "connecting", sent: [], send: (text) => channel.sent.push(text) };
        this.channels.push(channel);
        return channel;
      }

      addTrack(track) {
        return { track, replaceTrack: async () => {} };
      }

      addTransceiver() {}
      getTransceivers() {
        return [];
      }

      async getStats() {
        return new Map();
      }

      restartIce() {
        this.restarted = true;
      }

      async setLocalDescription() {}

      close() {
        this.connectionState = "closed";
      }

      // What the network does.

      become(state) {
        this.connectionState = state;
        this.onconnectionstatechange();
      }

      open() {
        for (const channel of this.channels) {
          channel.readyState = "open";
          channel.onopen();
        }
      }

      end() {
        for (const channel of this.channels) {
          channel.readyState = "closed";
          channel.onclose?.();
        }
      }
    };
  }

  get last() {
    return this.made.at(-1);
  }

  leave() {
    delete globalThis.RTCPeerConnection;
  }
}
