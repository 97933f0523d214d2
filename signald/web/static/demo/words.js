/**
 * What the page says of how things are.
 *
 * @module words
 */

/**
 * @typedef {"idle" | "preparing" | "connecting" | "waiting" | "matched" | "connected" | "interrupted"
 *   | "away" | "reconnecting"} PageState
 */

/**
 * Status: one line, read out at each change. Headline and explanation: shown large where there is no picture.
 * @type {Record<PageState, { status: string, headline: string, explanation: string }>}
 */
export const WORDS = {
  idle: {
    status: "Ready when you are",
    headline: "Meet someone new",
    explanation:
      "Press Start and you are introduced to whoever else is here. Picture, sound and text then go " +
      "straight from your browser to theirs.",
  },
  preparing: {
    status: "Asking for your camera",
    headline: "May we see you?",
    explanation: "Your browser asks whether this page may use your camera and microphone.",
  },
  connecting: { status: "Reaching the server", headline: "One moment", explanation: "Reaching the server." },
  waiting: {
    status: "Looking for someone",
    headline: "Looking for someone",
    explanation: "It starts by itself as soon as somebody is here.",
  },
  matched: { status: "Someone is here, connecting", headline: "Someone is here", explanation: "Connecting you two." },
  connected: {
    status: "Connected",
    headline: "No picture from your partner",
    explanation: "They have no camera, or keep it to themselves. You can talk and write all the same.",
  },
  interrupted: {
    status: "The connection is weak, mending it",
    headline: "The connection is weak",
    explanation: "Trying to mend it.",
  },
  away: {
    status: "Your partner is away for a moment",
    headline: "Your partner is away for a moment",
    explanation: "Their page is loading anew, or was closed. It goes on by itself, with them or with someone else.",
  },
  reconnecting: {
    status: "The server is out of reach, trying again",
    headline: "The server is out of reach",
    explanation: "Trying again by itself. Nothing for you to do.",
  },
};

/** In place of those of `connected`, for a partner whose camera is switched off. */
export const CAMERA_OFF = {
  headline: "Their camera is off",
  explanation: "Your partner has switched it off. You can talk and write all the same.",
};

/** Why a meeting is over. */
export const OVER = {
  left: "Your partner left.",
  failed: "The connection could not be made. Looking for someone else.",
};

/** Beside the state, while a call goes on that does not need the server. */
export const OUT_OF_REACH = ", though the server is out of reach for now";
