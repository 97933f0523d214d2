/**
 * Random calls for React: a hook over a RandomChat that lives outside of React, so that no way in which React mounts and
 * unmounts opens a second connection.
 *
 *     const { state, remoteStream, start, next } = useRandomChat({ url: "wss://example.org/ws" });
 *
 * @module react
 */

import { useEffect, useMemo, useSyncExternalStore } from "react";

import { RandomChat } from "../../../signald/web/static/chat.js";
import { createClient } from "../../../signald/web/static/client.js";
import { IDLE } from "../../../signald/web/static/snapshot.js";

/** @import { ChatOptions } from "../../../signald/web/static/chat.js" */
/** @import { ClientOptions } from "../../../signald/web/static/client.js" */
/** @import { Media } from "../../../signald/web/static/devices.js" */
/** @import { Wishes } from "../../../signald/web/static/protocol.js" */

/** @typedef {import("../../../signald/web/static/snapshot.js").ChatSnapshot} ChatSnapshot */
/** @typedef {import("../../../signald/web/static/snapshot.js").ChatState} ChatState */

/**
 * Those of createClient and of RandomChat. What counts is what the component said that was mounted first, but for
 * `getToken`, `logger` and `wishes`: those of the last time it was rendered.
 * @typedef {ClientOptions & Omit<ChatOptions, "client">} RandomChatOptions
 */

/** What a handler of React is given, as in `onClick={next}`. @typedef {{ nativeEvent: unknown }} ReactEvent */

/**
 * The methods of RandomChat, to be taken as they are: `onClick={next}`. `start` never rejects: see `error`.
 * @typedef {Pick<RandomChat, "stop" | "turn" | "use" | "sendText" | "report"> & {
 *   start: (wishes?: Wishes | ReactEvent) => Promise<void>,
 *   next: (wishes?: Wishes | ReactEvent) => void,
 *   retryMedia: (media?: Media | ReactEvent) => Promise<void>,
 * }} RandomChatActions
 */

/** All that there were, by the address of the server. @type {Map<string, Shared>} */
const shared = new Map();

/** One chat for all components that name one address, for as long as one of them is mounted. */
class Shared {
  /** @type {RandomChatOptions} */
  options = {};

  /** @type {RandomChat | null} */
  #chat = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #release;
  /** @type {RandomChatActions} */
  actions = {
    start: (wishes) => this.chat.start(said(wishes) ?? this.options.wishes).catch(() => {}), // The snapshot has the error.
    next: (wishes) => this.#chat?.next(said(wishes)),
    stop: () => this.#chat?.stop(),
    turn: (kind, on) => this.chat.turn(kind, on),
    use: (constraints) => this.chat.use(constraints),
    retryMedia: (media) => this.chat.retryMedia(said(media)),
    sendText: (text) => this.#chat?.sendText(text) ?? false,
    report: (reason, text) => this.chat.report(reason, text),
  };

  /** Made when it is first needed, not on a server that renders. */
  get chat() {
    if (!this.#chat) {
      const { getToken, logger, ...options } = this.options;
      const client = createClient({
        ...options,
        ...(getToken && { getToken: () => (this.options.getToken ?? getToken)() }),
        ...(logger && { logger }),
      });
      this.#chat = new RandomChat({ ...options, client });
      this.#chat.on("change", () => this.#listeners.forEach((listener) => listener()));
    }
    return this.#chat;
  }

  /** @param {() => void} listener */
  subscribe = (listener) => {
    clearTimeout(this.#release);
    this.#listeners.add(listener);
    // A page that was loaded anew goes on where it was.
    if (this.chat.client.inherited) void this.actions.start();
    return () => {
      this.#listeners.delete(listener);
      // React that mounts again what it has just unmounted (StrictMode, Fast Refresh) does so in the same turn.
      if (!this.#listeners.size) this.#release = setTimeout(() => this.#end());
    };
  };

  /** @returns {ChatSnapshot} */
  snapshot = () => this.#chat?.snapshot ?? IDLE;

  #end() {
    this.#chat?.close();
    this.#chat = null;
  }
}

const idle = () => IDLE;

/**
 * @template T
 * @param {T | ReactEvent} [argument]
 * @returns {T | undefined} nothing if it is but the event of a handler
 */
function said(argument) {
  const isEvent = typeof argument === "object" && argument !== null && "nativeEvent" in argument;
  return isEvent ? undefined : /** @type {T | undefined} */ (argument);
}

/**
 * Random calls with the server at `url`. All components that name the same one share one chat; it ends when the last of
 * them is unmounted.
 *
 * @param {RandomChatOptions} [options]
 * @returns {ChatSnapshot & RandomChatActions & { chat: () => RandomChat }}  `chat`: the RandomChat itself, in effects and
 *   handlers of events
 */
export function useRandomChat(options = {}) {
  const key = String(options.url ?? "");
  const one = useMemo(() => {
    const known = shared.get(key) ?? new Shared();
    if (typeof document === "object") shared.set(key, known); // A server that renders keeps nothing of anybody.
    return known;
  }, [key]);
  useEffect(() => {
    one.options = options;
  });
  const snapshot = useSyncExternalStore(one.subscribe, one.snapshot, idle);
  return useMemo(() => ({ ...snapshot, ...one.actions, chat: () => one.chat }), [snapshot, one]);
}
