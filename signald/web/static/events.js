/**
 * Listeners by the name of what they listen to.
 *
 * @module events
 */

/**
 * Unlike an EventTarget it is there in every runtime, and knows the type of each event.
 *
 * @template {object} Events  the detail of each event, by the event's name
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();
  /** @type {((detail: any, type: keyof Events) => void)[]} */
  #toAll = [];

  /**
   * Listen to an event by name.
   *
   * @template {keyof Events} K
   * @param {K} type
   * @param {(detail: Events[K]) => void} listener
   * @param {{ once?: boolean, signal?: AbortSignal }} [options]  `once`: for the next one only; `signal`: until it aborts
   * @returns {() => void} call it to stop listening
   */
  on(type, listener, { once = false, signal } = {}) {
    if (signal?.aborted) return () => {};
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    /** @param {Events[K]} detail */
    const heard = (detail) => {
      if (once) stop();
      listener(detail);
    };
    const stop = () => {
      listeners.delete(heard);
      signal?.removeEventListener("abort", stop);
    };
    listeners.add(heard);
    signal?.addEventListener("abort", stop);
    return stop;
  }

  /**
   * Listen to every event, before those who listen to it by name.
   *
   * @param {(detail: any, type: keyof Events) => void} listener
   */
  onAll(listener) {
    this.#toAll.push(listener);
  }

  /**
   * Tell the listeners. One that throws disturbs neither the others nor who tells: its error is reported as uncaught.
   *
   * @template {keyof Events} K
   * @param {K} type
   * @param {Events[K]} detail
   * @protected
   */
  emit(type, detail) {
    for (const listener of [...this.#toAll, ...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(detail, type);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
