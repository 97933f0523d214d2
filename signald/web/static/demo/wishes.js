/**
 * Whom the user of the demo page wants to meet: asked in a dialog, kept in the browser, and said with each `available`.
 *
 * @module wishes
 */

import { MAX_LIKES, MAX_WORD_LENGTH } from "../constants.js";
import { closeWishes, givenWishes, LANGUAGES, refuseLikes, showWishes } from "./dialogs.js";
import { controls } from "./elements.js";
import { showChosen } from "./view.js";

/** @import { Common, Wishes } from "../protocol.js" */

/**
 * What the user has chosen.
 * @typedef {{ likes: string[], languages: string[] }} Chosen
 */

const KEY = "signald wishes";

/** Seconds; then somebody else is better than nobody. */
const SAME_LANGUAGE_S = 20;
const SAME_INTEREST_S = 10;

const TOO_MUCH = `At most ${MAX_LIKES} interests, each of at most ${MAX_WORD_LENGTH} characters.`;

export class Choice {
  /** Only who names the same one is met; empty: whoever names none. A link to the page may have it. @type {string} */
  pool;

  #storage;
  /** @type {Chosen} */
  #chosen;
  /** Whether the server has refused what was chosen. */
  #refused = false;

  /**
   * @param {string} search  of the page's address
   * @param {Storage | null} storage  where the choice is kept
   */
  constructor(search, storage) {
    const named = new URLSearchParams(search).get("pool")?.trim() ?? "";
    this.pool = [...named].slice(0, MAX_WORD_LENGTH).join("");
    this.#storage = storage;
    this.#chosen = this.#kept();
    showChosen(this.#inWords());
    const { choose, likes, wishesCancel, wishesForm } = controls;
    choose.addEventListener("click", () => this.#ask());
    likes.addEventListener("input", () => this.#check());
    wishesCancel.addEventListener("click", closeWishes);
    wishesForm.addEventListener("submit", () => this.#take());
  }

  /** What to say to the server. Who comes by a link to meet a friend asks for nothing else. @returns {Wishes} */
  get wishes() {
    if (this.pool) return { pool: this.pool };
    const { likes, languages: lang } = this.#refused ? NOTHING : this.#chosen;
    const ofLanguages = lang.length && { is: { lang }, wants: { lang } };
    const ofLikes = likes.length && { likes };
    const relax = { ...(ofLanguages && { lang: SAME_LANGUAGE_S }), ...(ofLikes && { likes: SAME_INTEREST_S }) };
    return ofLanguages || ofLikes ? { ...ofLanguages, ...ofLikes, relax } : {};
  }

  /** The same, for whoever has said something else before. @returns {Wishes} */
  get wishesAnew() {
    return { likes: [], ...this.wishes };
  }

  /** Begin with what is chosen, whatever a server has said before. */
  reset() {
    this.#refused = false;
  }

  /** The server does not take it: from now on whoever comes will do. */
  refuse() {
    this.#refused = true;
  }

  #ask() {
    const { likes, languages } = this.#chosen;
    showWishes({ likes: likes.join(", "), languages });
  }

  /** The user writes: is it too much? */
  #check() {
    const likes = split(givenWishes().likes);
    refuseLikes(likes.length > MAX_LIKES || likes.some((word) => [...word].length > MAX_WORD_LENGTH) ? TOO_MUCH : "");
  }

  /** The user has chosen. */
  #take() {
    const { likes, languages } = givenWishes();
    this.#chosen = { likes: split(likes), languages };
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#chosen));
    } catch {
      // Full or forbidden: then it holds until the page is closed.
    }
    showChosen(this.#inWords());
  }

  /** @returns {Chosen} */
  #kept() {
    try {
      const { likes, languages } = JSON.parse(this.#storage?.getItem(KEY) ?? "{}");
      return { likes: split(likes.join()), languages: [...languages].filter((code) => LANGUAGES.has(code)) };
    } catch {
      return NOTHING; // Not ours, or forbidden.
    }
  }

  #inWords() {
    const { likes, languages } = this.#chosen;
    return [likes.join(", "), languages.map((code) => LANGUAGES.get(code)).join(", ")].filter(Boolean).join(" · ");
  }
}

/** @type {Chosen} */
const NOTHING = { likes: [], languages: [] };

/**
 * What a match came of, for the user; empty if there is nothing to say.
 *
 * @param {Common | undefined} common
 */
export function inCommon(common) {
  const both = new Intl.ListFormat("en").format(common?.likes ?? []);
  const words = both ? [`You both like ${both}.`] : [];
  if (common?.relaxed.includes("lang")) words.push("They may speak another language.");
  return words.join(" ");
}

/** A name that nobody guesses, for a room of two. */
export function roomName() {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => letters[byte % letters.length]).join("");
}

/**
 * Interests as they were written, one by one.
 *
 * @param {string} text
 */
function split(text) {
  /** @type {Map<string, string>} */
  const words = new Map();
  for (const part of text.split(/[,;\n]/)) {
    const word = part.trim().replace(/\s+/g, " ");
    if (word && !words.has(word.toLowerCase())) words.set(word.toLowerCase(), word);
  }
  return [...words.values()];
}
