/**
 * Camera and microphone: ask for them, and say in plain words what is missing and why.
 *
 * @module media
 */

/**
 * @typedef {object} LocalMedia
 * @property {MediaStream | null} stream  null: nothing can be sent
 * @property {string} problem  what is missing and what to do about it; empty when all is well
 */

/** By their ids; empty: any. @typedef {{ camera?: string, microphone?: string }} Devices */

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 } };
const SOUND = { echoCancellation: true, noiseSuppression: true };

/** By the names of https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. */
const REASONS = new Map([
  ["NotAllowedError", "Camera and microphone are blocked. Allow them beside the page’s address, then try again."],
  ["NotFoundError", "No camera or microphone was found. Plug one in, then try again."],
  ["NotReadableError", "Another program is using your camera or microphone. Close it, then try again."],
]);
const OTHER_REASON = "Your camera and microphone did not start.";
const INSECURE = "The browser gives camera and microphone only to pages opened with https.";
const RECEIVE_ONLY = "You can see, hear and write to your partner meanwhile.";

/**
 * Ask for camera and microphone; for one of them when there is not both.
 *
 * @param {Devices} devices  which ones, if they are there
 * @returns {Promise<LocalMedia>} never rejects
 */
export async function openMedia({ camera, microphone }) {
  const video = { ...CAMERA, ...(camera ? { deviceId: camera } : { facingMode: "user" }) };
  const audio = { ...SOUND, ...(microphone && { deviceId: microphone }) };
  if (!navigator.mediaDevices) return { stream: null, problem: `${INSECURE} ${RECEIVE_ONLY}` };
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ video, audio }), problem: "" };
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    // A refusal is a decision: asking for half of it at once would be a second prompt.
    const partial = name === "NotAllowedError" ? null : await openOne(video, audio);
    return partial ?? { stream: null, problem: `${REASONS.get(name) ?? OTHER_REASON} ${RECEIVE_ONLY}` };
  }
}

/**
 * @param {MediaTrackConstraints} video
 * @param {MediaTrackConstraints} audio
 * @returns {Promise<LocalMedia | null>}
 */
async function openOne(video, audio) {
  const attempts = [
    { constraints: { audio }, problem: "Your camera did not start: your partner hears you, but cannot see you." },
    { constraints: { video }, problem: "Your microphone did not start: your partner sees you, but cannot hear you." },
  ];
  for (const { constraints, problem } of attempts) {
    try {
      return { stream: await navigator.mediaDevices.getUserMedia(constraints), problem };
    } catch {
      // Then the other one.
    }
  }
  return null;
}

/** Switch the devices off, lamp and all. @param {MediaStream | null} stream */
export function closeMedia(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
