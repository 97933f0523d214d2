// Clients of this kit for the stories: does what it is told, line by line (clients/stories/README.md).
import { createInterface } from "node:readline";

const { createClient } = await import(process.env.KIT_JS ?? "../../../signald/web/static/client.js");

/** A browser's tab, as much of it as the kit looks at. */
class Tab {
  #window = new EventTarget();
  #stored = new Map();

  /** What runs now sees this tab. */
  enter({ navigation }) {
    globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    globalThis.addEventListener = this.#window.addEventListener.bind(this.#window);
    performance.getEntriesByType = () => [{ type: navigation }];
    return {
      getItem: (key) => this.#stored.get(key) ?? null,
      setItem: (key, value) => void this.#stored.set(key, String(value)),
      removeItem: (key) => void this.#stored.delete(key),
    };
  }

  reload() {
    this.#window.dispatchEvent(new Event("pagehide"));
    this.#window = new EventTarget();
  }
}

class Played {
  #name;
  #tab = new Tab();
  #client;
  #id = null;
  #token;

  constructor(name) {
    this.#name = name;
  }

  #say(what) {
    process.stdout.write(`${JSON.stringify({ who: this.#name, ...what })}\n`);
  }

  #open(url, navigation) {
    const storage = this.#tab.enter({ navigation });
    const getToken = this.#token === null ? {} : { getToken: () => this.#token };
    const client = createClient({ url, storage, backoff: () => 20, ...getToken });
    this.#client = client;
    client.onAll((detail, type) => client === this.#client && this.#told(detail, type));
    return client.connect();
  }

  #told(detail, type) {
    if (type === "close") this.#closed(detail);
    else if (type === "ready" && this.#id) this.#say({ anew: (this.#id = detail.clientId) });
    else if (type === "resumed") this.#say({ resumed: detail });
    else if (detail?.type === type) this.#say({ heard: detail });
  }

  #closed({ code, refusal, willReconnect }) {
    if (this.#id === null && refusal) this.#refused(refusal.code, refusal.message);
    else if (willReconnect) this.#say({ away: true });
    else if (this.#id && code !== 1000) this.#say({ closed: code });
  }

  async connect({ url, token }) {
    this.#token = token;
    try {
      const { clientId } = await this.#open(url, "navigate");
      this.#id = clientId;
      this.#say({ connected: clientId });
    } catch ({ code, message }) {
      this.#refused(code, message);
    }
  }

  /** A client that is turned away for a while tries on; the story has seen enough. */
  #refused(error, message) {
    if (this.#id === "") return;
    this.#id = "";
    this.#say({ refused: error, message });
    this.#client.close();
  }

  async say({ number, message }) {
    let answer;
    try {
      answer = await this.#client.request(message);
    } catch ({ code, message: why }) {
      answer = { type: "error", code, message: why };
    }
    this.#say({ answer: number, message: answer });
  }

  async quiet() {
    await this.#client.request({ type: "ping" });
    this.#say({ quiet: true });
  }

  async reload({ url }) {
    this.#tab.reload();
    await this.#open(url, "reload");
  }

  end() {
    this.#client.close();
    this.#say({ ended: true });
  }
}

const played = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { who, do: what, ...told } = JSON.parse(line);
  if (!played.has(who)) played.set(who, new Played(who));
  played.get(who)[what](told);
}
process.exit();
