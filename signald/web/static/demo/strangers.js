/**
 * One stranger after the other: what the server says of them, and what becomes of each call.
 *
 * @module strangers
 */

import { progress } from "./progress.js";
import { Reach } from "./reach.js";
import { LOGIN, whyEnded } from "./refusals.js";
import { Search } from "./search.js";
import { addMessage, allowText, clearMessages } from "./texts.js";
import * as view from "./view.js";
import { inCommon } from "./wishes.js";
import { OVER } from "./words.js";

/** @import { SignalingClient } from "../signaling.js" */
/** @import { Meeting, Room } from "./meeting.js" */
/** @import { Own } from "./own.js" */
/** @import { Reports } from "./report.js" */
/** @import { Choice } from "./wishes.js" */

/** Nobody sees who is there in less: a click on Next that comes so soon is the second of two, and meant the one before. */
const UNSEEN_MS = 300;

export class Strangers {
  /** With the partner of the moment. @type {Meeting | null} */
  meeting = null;

  #client;
  #Meeting;
  #search;
  #reports;
  #own;
  #ended;
  /** Whether the user wants to talk to someone: between Start and Leave. */
  #wanted = false;
  /** What the server named for this connection. @type {RTCIceServer[]} */
  #iceServers = [];
  #reach = new Reach(() => this.show());

  /**
   * @param {{ client: SignalingClient, Meeting: typeof import("./meeting.js").Meeting, choice: Choice,
   *   reports: Reports, own: Own, ended: (why: string) => void }} options  `ended`: it cannot go on, and why
   */
  constructor({ client, Meeting, choice, reports, own, ended }) {
    this.#client = client;
    this.#Meeting = Meeting;
    this.#search = new Search(client, choice);
    this.#reports = reports;
    this.#own = own;
    this.#ended = ended;
    this.#listen();
  }

  begin() {
    this.#wanted = true;
    this.#client.connect();
  }

  /** Want nobody any more. */
  end() {
    this.#wanted = false;
    this.#reach.back(false);
    this.endMeeting();
  }

  /** The user wants somebody else, and has seen whom instead of. */
  next() {
    if (!this.meeting || performance.now() - this.meeting.since >= UNSEEN_MS) this.lookAgain();
  }

  /** Look for somebody else, now. */
  lookAgain() {
    if (!this.#wanted) return;
    if (this.meeting?.attended) this.#search.next();
    else this.#search.look();
    this.endMeeting();
    this.show();
  }

  endMeeting() {
    this.meeting?.end();
    this.meeting = null;
    view.showRemote(null);
    view.showCommon("");
    allowText(false);
  }

  /** Show how far things are. */
  show() {
    const connecting = !this.#client.connected && view.pageState() === "connecting";
    view.showState(progress(this.meeting, this.#reach.out) ?? (connecting ? "connecting" : "waiting"));
    view.showReach(!this.#reach.out, this.#reach.why);
  }

  #listen() {
    const client = this.#client;
    client.on("ready", (message) => this.#begun(message));
    client.on("resumed", (message) => this.#wanted && this.#resumed(message));
    client.on("waiting", ({ seconds, atLeast }) => !this.meeting && view.showWait(seconds, atLeast));
    client.on("matched", (message) => this.#wanted && this.#matched(message));
    for (const type of /** @type {const} */ (["offer", "answer", "ice", "data"])) {
      client.on(type, (message) => this.meeting?.signal(message));
    }
    client.on("partner-left", () => this.#wanted && this.#left());
    client.on("partner-away", () => this.meeting?.partnerAway());
    client.on("partner-back", ({ lost }) => this.meeting?.partnerBack(lost));
    client.on("error", ({ code }) => this.#refused(code));
    client.on("close", ({ code, reason, willReconnect }) => {
      if (!this.#wanted) return;
      if (willReconnect) void this.#reach.lost(code);
      else this.#ended(whyEnded(code, reason));
    });
  }

  /** This is a new client. @param {import("../types.js").SignalingEvents["ready"]} message */
  #begun({ iceServers = [] }) {
    this.#reach.back(true);
    this.#iceServers = iceServers;
    this.#reports.beginAnew();
    // Of what was before, the server knows nothing. A call that works goes on without it.
    if (this.meeting?.alive) {
      this.meeting.forgotten();
      this.#search.lookForTheSame(this.meeting.roomId);
    } else {
      this.endMeeting();
      this.#search.look();
    }
    this.show();
  }

  /** @param {import("../types.js").SignalingEvents["resumed"]} message */
  #resumed({ roomId, partnerId, lost, clientId, partner, initiator, iceServers }) {
    const { meeting } = this;
    this.#reach.back(true);
    this.#iceServers = iceServers ?? this.#iceServers;
    if (meeting && meeting.roomId === roomId) {
      meeting.away = partner === "away";
      meeting.mend(lost);
    } else if (meeting?.attended && lost) this.#left();
    else if (!meeting && this.#client.state === "paired" && roomId && partnerId) {
      // The page was loaded anew. A room that it has not heard of yet is told of by the `matched` that follows.
      const offers = initiator ?? (lost ? clientId < partnerId : undefined);
      const room = { roomId, partnerId, again: true, away: partner === "away" };
      if (offers !== undefined) this.#meet({ ...room, initiator: offers });
    } else if (!meeting && this.#client.state === "idle") this.#search.look();
    this.show();
  }

  /** @param {import("../protocol.js").MatchedMessage} message */
  #matched(message) {
    const { roomId, partnerId, initiator, iceServers, common } = message;
    this.#iceServers = iceServers ?? this.#iceServers;
    if (this.meeting && !this.meeting.attended) {
      this.meeting.remembered(message);
      this.#reports.metAgain(partnerId);
      return this.show();
    }
    this.endMeeting();
    clearMessages();
    view.showCommon(inCommon(common));
    // A server that does not say who offers: the two compare ids, and come to the same result.
    this.#meet({ roomId, partnerId, initiator: initiator ?? String(this.#client.clientId) < partnerId });
  }

  /** @param {Room} room */
  #meet(room) {
    const media = { stream: this.#own.stream, iceServers: this.#iceServers };
    this.meeting = new this.#Meeting(this.#client, room, media, {
      changed: () => this.show(),
      media: view.showRemote,
      sending: view.showSending,
      text: (text) => addMessage("partner", text),
      channel: allowText,
      over: (why) => {
        addMessage("page", OVER[why]);
        this.lookAgain();
      },
    });
    this.#reports.met(room.partnerId);
    this.show();
  }

  /** The server says that the partner is gone. */
  #left() {
    if (this.meeting) addMessage("page", OVER.left);
    this.endMeeting();
    this.#search.look();
    this.show();
  }

  /** @param {string} code */
  #refused(code) {
    if (this.#reports.refused(code) || !this.#wanted) return;
    const login = LOGIN[code];
    if (login) return this.#ended(login);
    if (this.meeting) return; // A candidate that came after the partner had left, say.
    const why = this.#search.refused(code, () => this.#wanted && !this.meeting);
    if (why) this.#ended(why);
  }
}
